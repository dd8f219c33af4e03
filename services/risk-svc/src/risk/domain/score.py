"""A partner's risk score from 0 to 100, and what it is made of.

Each thing that speaks for trouble is taken as an independent cause, which leads to it with the probability of its
weight: 1 - (1 - w1)(1 - w2)..., the noisy OR (J. Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section
4.3.2), in percent. More causes make more risk and never more than 100, in whatever order they come. The weights are
ours. A contribution is the cause's part of the logarithm, in which causes add up: contributions sum to the score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from events.risk import Severity

from risk.domain.accounts import SOURCE as ALTMAN
from risk.domain.accounts import Zone

WEIGHTS: dict[Severity, float] = {"low": 0.1, "medium": 0.25, "high": 0.5, "critical": 0.8}
ZONES: dict[Zone, float] = {"distress": 0.5, "grey": 0.2, "safe": 0.0}
FORMULA = "100 x (1 - product of (1 - weight)), the noisy OR"
SOURCE = "J. Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3.2"
Trend = Literal["rising", "level", "falling"]


@dataclass(frozen=True)
class Cause:
    """Something that speaks for trouble, with the events that tell of it."""

    what: str
    explanation: str
    weight: float
    events: tuple[UUID, ...]


@dataclass(frozen=True)
class Contribution:
    cause: Cause
    points: Decimal


@dataclass(frozen=True)
class Score:
    value: Decimal
    contributions: tuple[Contribution, ...]


def score(causes: Sequence[Cause]) -> Score:
    """The greatest contribution first. To two places; what rounding leaves over is the greatest one's."""
    counting = sorted((each for each in causes if each.weight > 0), key=lambda each: (-each.weight, each.what))
    if not counting:
        return Score(Decimal("0.00"), ())
    logs = [-math.log1p(-each.weight) for each in counting]
    whole = math.fsum(logs)
    value = _rounded(-math.expm1(-whole) * 100)
    points = [_rounded(float(value) * log / whole) for log in logs]
    points[0] += value - sum(points)
    return Score(value, tuple(Contribution(cause, point) for cause, point in zip(counting, points, strict=True)))


def trend(before: Score, now: Score) -> Trend:
    return "level" if now.value == before.value else "rising" if now.value > before.value else "falling"


def of_flag(rule: str, severity: Severity, explanation: str, events: tuple[UUID, ...]) -> Cause:
    return Cause(f"flag of {rule}, {severity}", explanation, WEIGHTS[severity], events)


def of_accounts(year: int, zone: Zone, z: Decimal, event: UUID) -> Cause:
    return Cause(f"accounts of {year}", f"Z' {z}, {zone} ({ALTMAN})", ZONES[zone], (event,))


def _rounded(value: float) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.01"))
