"""What the engine measures. One registry an engine, so that tests and processes do not share counters."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from engine.decider import Rejected
from engine.facts import Receipt


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.appended = Counter("cauce_events_appended", "Events appended to the store.", registry=self.registry)
        self.commands = Counter("cauce_commands", "Commands handled, by outcome.", ["outcome"], registry=self.registry)
        self.relayed = Counter("cauce_events_relayed", "Events sent to Kafka.", registry=self.registry)
        self.relay_leader = Gauge("cauce_relay_leader", "1 where this process is the relay.", registry=self.registry)
        self.relay_refused = Gauge(
            "cauce_relay_refused", "1 while the relay stands before what it cannot get past.", registry=self.registry
        )
        self.relay_lag_events = Gauge(
            "cauce_relay_lag_events", "Log positions not yet on the topic.", registry=self.registry
        )
        self.relay_lag_seconds = Gauge(
            "cauce_relay_lag_seconds", "Age of the oldest event not yet on the topic.", registry=self.registry
        )
        self.ghosts = Gauge(
            "cauce_ghost_events", "Events on the topic that a restored store does not have.", registry=self.registry
        )
        self.consumer_lag = Gauge(
            "cauce_consumer_lag_events", "Records not yet handled.", ["subscription", "source"], registry=self.registry
        )
        self.parked = Gauge("cauce_parked_streams", "Parked streams.", ["subscription"], registry=self.registry)
        self.timers_overdue = Gauge(
            "cauce_timers_overdue", "Timers due for more than 10 s and not fired.", registry=self.registry
        )
        self.rebuilding = Gauge(
            "cauce_view_rebuild_progress",
            "Share of the log that a view being built has read.",
            ["view"],
            registry=self.registry,
        )

    def count(self, outcomes: Sequence[Receipt | Rejected]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Rejected):
                self.commands.labels("refused").inc()
            elif outcome.position is None:
                self.commands.labels("repeat").inc()
            else:
                self.commands.labels("accepted").inc()
                self.appended.inc(len(outcome.events))
