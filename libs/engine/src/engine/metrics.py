"""What the engine measures. One registry an engine, so that tests and processes do not share counters.

Names end in their base unit, counters in `_total` (prometheus_client adds it). docs/metrics.md is made of what is
declared here and beside it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.registry import Collector

from engine.decider import Rejected
from engine.facts import Receipt

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DELAYS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 86_400)
LOOP_SECONDS = 1.0

# A series more for each, which would say when the process first counted it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Registry(CollectorRegistry):
    """Remembers what was registered, for who wants to list it before anything was measured."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        super().register(collector)
        self.collectors.append(collector)


class Metrics:
    def __init__(self) -> None:
        self.registry = Registry()
        counter, gauge, histogram = self._counter, self._gauge, self._histogram

        self.dependency_up = gauge(
            "cauce_dependency_up",
            "1 where the last measurement reached it, `postgres` or `kafka`; 0 where it did not.",
            "dependency",
        )
        self.loop_lag = histogram(
            "cauce_event_loop_lag_seconds",
            "How much later than it was due the event loop came to a timer; one look a second.",
            QUICK,
        )
        self.connections = gauge(
            "cauce_postgres_connections", "Connections of the pool, `used` or `idle`, at this moment.", "state"
        )
        self.connections_max = gauge("cauce_postgres_connections_max", "The most connections that the pool opens.")
        self.connection_wait = histogram(
            "cauce_postgres_connection_wait_seconds", "What commands waited for a connection of the pool.", QUICK
        )

        self.appended = counter("cauce_events_appended", "Events appended to the store.")
        self.commands = counter(
            "cauce_commands", "Commands handled, by outcome: `accepted`, `refused` by a rule, or a `repeat`.", "outcome"
        )
        self.append = histogram(
            "cauce_append_seconds",
            "Commands that are handled together, from a connection in hand to the commit: load, decide, append.",
            QUICK,
        )
        self.conflicts = counter(
            "cauce_append_conflicts",
            "Appends that found a stream at another version: of a `command`, tried again unless it expected a version,"
            " or of a `subscription`, tried again.",
            "by",
        )

        self.relayed = counter("cauce_events_relayed", "Events sent to Kafka.")
        self.relay_leader = gauge("cauce_relay_leader", "1 where this process is the relay.")
        self.relay_refused = gauge("cauce_relay_refused", "1 while the relay stands before what it cannot get past.")
        self.relay_failures = counter(
            "cauce_relay_failures",
            "Times that the relay let go: `fenced` by another, Kafka or Postgres `unavailable`, or `refused` for good.",
            "kind",
        )
        self.relay_lag_events = gauge("cauce_relay_lag_events", "Log positions not yet on the topic.")
        self.relay_lag_seconds = gauge("cauce_relay_lag_seconds", "Age of the oldest event not yet on the topic.")
        self.ghosts = gauge("cauce_ghost_events", "Events on the topic that a restored store does not have.")

        self.consumer_lag = gauge("cauce_consumer_lag_events", "Records not yet handled.", "subscription", "source")
        self.handled = counter(
            "cauce_consumer_handled",
            "Records that this process is through with, parked ones and repeats included.",
            "subscription",
            "source",
        )
        self.delay = histogram(
            "cauce_consumer_delay_seconds",
            "From an event's recording to the commit of what it led to here: of the oldest in each transaction.",
            DELAYS,
            "subscription",
        )
        self.retries = counter(
            "cauce_consumer_retries", "Transactions of a subscription tried again for what passes.", "subscription"
        )
        self.rejoins = counter("cauce_consumer_rejoins", "Times that the consumer left its group and joined again.")
        self.parked = gauge("cauce_parked_streams", "Parked streams, and timers set aside.", "subscription")
        self.timers_fired = counter("cauce_timers_fired", "Timers fired.", "subscription")
        self.timers_overdue = gauge("cauce_timers_overdue", "Timers due for more than 10 s and not fired.")
        self.rebuilding = gauge(
            "cauce_view_rebuild_progress_ratio",
            "Share of the log that a view being built has read; 1 when it has taken over.",
            "view",
        )

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, says, labels, buckets=buckets, registry=self.registry)

    def count(self, outcomes: Sequence[Receipt | Rejected]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Rejected):
                self.commands.labels("refused").inc()
            elif outcome.position is None:
                self.commands.labels("repeat").inc()
            else:
                self.commands.labels("accepted").inc()
                self.appended.inc(len(outcome.events))

    def through(self, subscription: str, source: str, records: int, oldest: float) -> None:
        """A subscription's transaction is committed; `oldest` is when the first of its events was recorded."""
        self.handled.labels(subscription, source).inc(records)
        self.delay.labels(subscription).observe(max(time.time() - oldest, 0.0))

    def of_pool(self, pool: asyncpg.Pool[Any]) -> None:
        """Looked at whenever somebody scrapes."""
        self.connections.labels("idle").set_function(pool.get_idle_size)
        self.connections.labels("used").set_function(lambda: pool.get_size() - pool.get_idle_size())
        self.connections_max.set(pool.get_max_size())

    async def watch_loop(self) -> None:
        """Whatever keeps the event loop busy keeps every request waiting."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOP_SECONDS
            await asyncio.sleep(LOOP_SECONDS)
            self.loop_lag.observe(max(loop.time() - due, 0.0))
