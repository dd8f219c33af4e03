"""All measures, in the order in which they run and are told."""

from __future__ import annotations

from bench import append
from bench.measure import Measure

MEASURES: list[Measure] = [
    Measure("append", "a command of one event, 16 callers, beside raw INSERTs", append.measure),
]
