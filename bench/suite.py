"""All measures, in the order in which they run and are told."""

from __future__ import annotations

from bench import append, close, consume, delivery, drain, http, idle, intake, latency, load, peer, rebuild, relay
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
    Measure("http", "a command over HTTP beside a bare route that INSERTs", http.commands),
    Measure("intake", "an upload of KPI reports beside bare routes that COPY", intake.intake),
    Measure("latency", "from a command over HTTP to another service's view, at 100/s and 1,000/s", latency.views),
    Measure("close", "a period closed for 10 k and 100 k partners beside one SQL statement", close.close),
    Measure("idle", "ten processes with nothing to do", idle.idle),
]
