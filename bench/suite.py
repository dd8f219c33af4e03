"""All measures, in the order in which they run and are told."""

from __future__ import annotations

from bench import append, consume, delivery, drain, load, peer, rebuild, relay
from bench.measure import Measure

MEASURES: list[Measure] = [
    Measure("append", "commands of one event, 16 callers, beside raw INSERTs", append.measure),
    Measure("peer", "the same beside the package eventsourcing", peer.measure),
    Measure("append-many", "commands of 100 events beside raw INSERTs from unnest", append.measure_many),
    Measure("load", "loading a long aggregate beside a short one", load.measure),
    Measure("relay", "publishing what waits beside a plain producer", relay.measure),
    Measure("consume", "a view kept from a topic beside the shortest loop that keeps one", consume.measure),
    Measure("rebuild", "a view built anew from logs of 100 k, 1 M and 5 M events", rebuild.measure),
    Measure("delivery", "latency from append to consumer at 100/s and 1,000/s", delivery.measure),
    Measure("drain", "a backlog of 500 k events", drain.measure),
    Measure("killed", "what is repeated when the relay is killed in the middle of a drain", drain.measure_killed),
]
