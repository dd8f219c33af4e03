"""How far everything is: the log, its publication, each subscription; and waiting for it without sleeping."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from engine.errors import passes
from engine.kafka import Watcher
from engine.metrics import Metrics
from engine.subscriptions import OWN_LOG, Applier, Subscription

log = structlog.get_logger()

BESIDE = 500
"""Records: no more than one batch behind."""


@dataclass(frozen=True)
class LogStatus:
    """`head` is the highest position of the log, `final` the relay's: everything up to it is final and published."""

    incarnation: int
    head: int
    final: int


@dataclass(frozen=True)
class SubscriptionStatus:
    """How far a subscription is with a source: records (or positions) not yet handled, and its parked streams."""

    name: str
    source: str
    lag: int
    parked: int


class Progress:
    def __init__(
        self,
        service: str,
        pool: asyncpg.Pool[Any],
        watcher: Watcher,
        applier: Applier,
        metrics: Metrics,
        *,
        topic: Callable[[str], str],
        subscriptions: Callable[[], Sequence[Subscription]],
    ) -> None:
        self._service = service
        self._pool = pool
        self._watcher = watcher
        self._applier = applier
        self._metrics = metrics
        self._topic = topic
        self._subscriptions = subscriptions

    async def log(self) -> LogStatus:
        row = await self._pool.fetchrow(
            "select incarnation, published, coalesce((select max(position) from event), 0) as head from store"
        )
        assert row is not None  # noqa: S101
        return LogStatus(row["incarnation"], row["head"], row["published"])

    async def published(self, position: int, wait: float) -> bool:
        """Whether everything up to the position is final and on the topic, waiting for it at most `wait` seconds."""

        async def reached() -> bool:
            return bool(await self._pool.fetchval("select published >= $1 from store", position))

        return await self.until(reached, wait)

    async def handled(self, name: str, wait: float, *, position: int | None = None) -> bool:
        """Whether the subscription has handled its own log through the position (its head, if absent) and everything
        that other services had published before this call. Raises LookupError for an unknown subscription."""
        subscription = self.find(name)
        targets: dict[tuple[UUID, int], int] = {}
        for source in subscription.sources:
            if source == self._service:
                through = position if position is not None else (await self.log()).head
                if through > 0:
                    targets[OWN_LOG, 0] = through + 1
            else:
                id, ends = await self.topic_id(source), await self._watcher.ends(self._topic(source))
                targets |= {(id, partition): end for partition, end in ends.items() if end > 0}

        async def reached() -> bool:
            rows = await self._pool.fetch(
                "select topic_id, partition, next_offset from consumer_offset where subscription = $1", name
            )
            at = {(row["topic_id"], row["partition"]): row["next_offset"] for row in rows}
            return all(at.get(place, 0) >= end for place, end in targets.items())

        return await self.until(reached, wait)

    async def until(self, reached: Callable[[], Awaitable[bool]], wait: float) -> bool:
        """Asks again after each step of this process, and every 0.1 s for what other processes did."""
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            progressed = self._applier.progressed
            if await reached():
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(progressed.wait(), min(left, 0.1))

    def find(self, name: str) -> Subscription:
        for subscription in self._subscriptions():
            if subscription.name == name:
                return subscription
        names = ", ".join(s.name for s in self._subscriptions())
        raise LookupError(f"no subscription is called {name!r}; there are: {names or 'none'}")

    async def topic_id(self, service: str) -> UUID:
        return await self._watcher.topic_id(self._topic(service))

    async def all(self) -> list[SubscriptionStatus]:
        parked = await self._parked()
        return [
            SubscriptionStatus(s.name, source, await self.lag(s, source), parked.get(s.name, 0))
            for s in self._subscriptions()
            for source in s.sources
        ]

    async def _parked(self) -> dict[str, int]:
        """Streams that each subscription cannot go on with, and timers set aside."""
        rows = await self._pool.fetch(
            "select subscription, count(distinct stream) as streams from parked_event group by 1"
            " union all select owner, count(*) from timer where error is not null group by 1"
        )
        parked: dict[str, int] = {}
        for row in rows:
            parked[row["subscription"]] = parked.get(row["subscription"], 0) + row["streams"]
        return parked

    async def lag(self, subscription: Subscription, source: str) -> int:
        """Records not yet handled; in the own log positions, of which rolled-back appends may have left some empty."""
        if source == self._service:
            behind: int = await self._pool.fetchval(
                "select greatest(coalesce(max(position), 0) + 1 - greatest(coalesce((select next_offset from"
                " consumer_offset where subscription = $1 and topic_id = $2), 0), 1), 0) from event",
                subscription.name,
                OWN_LOG,
            )
            return behind
        id, ends = await self.topic_id(source), await self._watcher.ends(self._topic(source))
        rows = await self._pool.fetch(
            "select partition, next_offset from consumer_offset where subscription = $1 and topic_id = $2",
            subscription.name,
            id,
        )
        at = {row["partition"]: row["next_offset"] for row in rows}
        return sum(max(end - at.get(partition, 0), 0) for partition, end in ends.items())

    async def extent(self, source: str) -> int:
        """All that there is to handle of a source."""
        if source == self._service:
            head: int = await self._pool.fetchval("select coalesce(max(position), 0) from event")
            return head
        return sum((await self._watcher.ends(self._topic(source))).values())

    async def remaining(self, subscription: Subscription) -> tuple[int, int]:
        """How much of all that its sources hold is not yet handled, and all."""
        lag = [await self.lag(subscription, source) for source in subscription.sources]
        total = [await self.extent(source) for source in subscription.sources]
        return sum(lag), sum(total)

    async def beside(self, subscription: Subscription, other: str) -> bool:
        """Whether it is on each partition of its topics at the end, or about as far as the other subscription is:
        where events come in all the time, neither is ever at the end."""
        for source in subscription.sources:
            id, ends = await self.topic_id(source), await self._watcher.ends(self._topic(source))
            rows = await self._pool.fetch(
                "select subscription, partition, next_offset from consumer_offset"
                " where subscription = any ($1) and topic_id = $2",
                [subscription.name, other],
                id,
            )
            at = {(row["subscription"], row["partition"]): row["next_offset"] for row in rows}
            for partition, end in ends.items():
                goal = min(end, at.get((other, partition), end + BESIDE) - BESIDE)
                if at.get((subscription.name, partition), 0) < goal:
                    return False
        return True

    async def measure(self, every: float = 5.0) -> None:
        """Keeps the gauges. What cannot be reached is left as it was, and said so."""
        while True:
            await asyncio.sleep(every)
            reached = {"postgres": await self._measured(self._measure_store)}
            reached["kafka"] = await self._measured(self._see_topic)
            for dependency, is_up in reached.items():
                self._metrics.dependency_up.labels(dependency).set(is_up)
            if all(reached.values()):
                await self._measured(self._measure_lag)

    async def _measured(self, measure: Callable[[], Awaitable[None]]) -> bool:
        try:
            await measure()
        except Exception as error:
            if not passes(error):
                raise
            log.info("not_measured", error=repr(error))
            return False
        return True

    async def _see_topic(self) -> None:
        await self._watcher.ends(self._topic(self._service))

    async def _measure_store(self) -> None:
        row = await self._pool.fetchrow(
            "select coalesce((select max(position) from event), 0) - published as events, coalesce(extract(epoch from"
            " clock_timestamp() - (select recorded_at from event where position > published order by position limit 1)"
            "), 0)::float as seconds, (select count(*) from timer where error is null and"
            " due_at < coalesce(backfill_reached, clock_timestamp()) - interval '10 s') as overdue from store"
        )
        assert row is not None  # noqa: S101
        self._metrics.relay_lag_events.set(max(row["events"], 0))
        self._metrics.relay_lag_seconds.set(row["seconds"])
        self._metrics.timers_overdue.set(row["overdue"])
        parked = await self._parked()
        self._metrics.parked.clear()  # what is gone is not measured any more
        for subscription in self._subscriptions():
            self._metrics.parked.labels(subscription.name).set(parked.get(subscription.name, 0))

    async def _measure_lag(self) -> None:
        statuses = await self.all()
        self._metrics.consumer_lag.clear()
        for status in statuses:
            self._metrics.consumer_lag.labels(status.name, status.source).set(status.lag)
