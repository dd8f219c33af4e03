"""Parked streams: listed, retried in order, dropped with a recorded reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from engine.decider import UnknownEvent
from engine.errors import Unavailable, ViewsChanged, passes
from engine.handlers import Outcomes, tell
from engine.metrics import Metrics
from engine.store import Db, Store
from engine.subscriptions import Heard, Subscription, run
from engine.wire import Raw, raw_of


@dataclass(frozen=True)
class ParkedStream:
    """A stream that a subscription cannot go on with: since when, why, and how many of its events wait."""

    subscription: str
    stream: str
    reason: str
    since: datetime
    events: int


@dataclass(frozen=True)
class RetryResult:
    """How many parked events were handled, how many remain, and what stopped it."""

    handled: int
    remaining: int
    error: str | None


RETRY_BATCH = 20
RETRY_ATTEMPTS = 10


class Parking:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        *,
        views_changed: Callable[[], Awaitable[None]],
        appended: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._views_changed = views_changed
        self._appended = appended

    async def streams(self, subscription: str | None = None) -> list[ParkedStream]:
        rows = await self._pool.fetch(
            "select subscription, stream, max(error) as reason, min(parked_at) as since, count(*) as events"
            " from parked_event where $1::text is null or subscription = $1 group by 1, 2 order by since",
            subscription,
        )
        return [ParkedStream(**row) for row in rows]

    async def retry(self, subscription: Subscription, heard_from: Callable[[str], Heard], stream: str) -> RetryResult:
        """Handles a parked stream's events in order until one fails again. Takes the partition's offset row, so that
        the live consumer cannot race it. Raises Unavailable where what should pass by itself does not: what was
        handled until then stays handled."""
        handled, limit, attempts = 0, RETRY_BATCH, 0
        while True:
            try:
                async with self._pool.acquire() as db, db.transaction():
                    step, outcomes = await self._retry_some(db, subscription, heard_from, stream, limit)
            except Exception as error:
                if not passes(error):
                    raise
                if isinstance(error, ViewsChanged):
                    await self._views_changed()
                attempts += 1
                if attempts == RETRY_ATTEMPTS:
                    raise Unavailable(f"{stream} could not be retried: {error!r}") from error
                limit = max(1, limit // 2)
                await asyncio.sleep(0.05 * attempts)
                continue
            attempts = 0
            handled += step.handled
            if outcomes:
                tell(self._metrics, subscription.name, outcomes)
                self._appended()
            if step.error is not None or step.remaining == 0:
                return RetryResult(handled, step.remaining, step.error)

    async def _retry_some(
        self, db: Db, subscription: Subscription, heard_from: Callable[[str], Heard], stream: str, limit: int
    ) -> tuple[RetryResult, Outcomes]:
        sources = await self._lock_places(db, subscription.name, stream)
        outcomes: Outcomes = []
        handled, failure = 0, None
        for row in await self._first(db, subscription.name, stream, limit):
            raw = raw_of(row)
            try:
                async with db.transaction():
                    outcomes += await run(db, self._store, subscription, heard_from(sources[row["topic_id"]]), [raw])
            except Exception as error:
                if passes(error):
                    raise
                failure = f"{type(error).__name__}: {error}"
                await self._still_fails(db, subscription.name, raw, failure)
                break
            await self._unpark(db, subscription.name, raw)
            handled += 1
        remaining = await db.fetchval(
            "select count(*) from parked_event where subscription = $1 and stream = $2", subscription.name, stream
        )
        return RetryResult(handled, remaining, failure), outcomes

    async def strange(self) -> list[tuple[str, str, str]]:
        """Subscription, stream and type where a stream stands before an event whose type was not known."""
        rows = await self._pool.fetch(
            "select subscription, stream, type from (select distinct on (subscription, stream) * from parked_event"
            " order by subscription, stream, incarnation, position) first where error like $1",
            f"{UnknownEvent.__name__}:%",
        )
        return [(row["subscription"], row["stream"], row["type"]) for row in rows]

    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int:
        """Gives up a parked stream's first event, keeping it with the reason. Returns how many were dropped (0, 1)."""
        async with self._pool.acquire() as db, db.transaction():
            await self._lock_places(db, subscription, stream)
            rows = await self._first(db, subscription, stream, limit=1)
            for row in rows:
                columns = ", ".join(row.keys())
                values = ", ".join(f"${n}" for n in range(1, len(row) + 3))
                await db.execute(
                    f"insert into dropped_event ({columns}, reason, dropped_by) values ({values})",
                    *row.values(),
                    reason,
                    actor,
                )
                await self._unpark(db, subscription, raw_of(row))
            return len(rows)

    async def _lock_places(self, db: Db, subscription: str, stream: str) -> dict[UUID, str]:
        """Locks the places that the stream's parked events came from; returns the source of each topic."""
        rows = await db.fetch(
            "select topic_id, source from consumer_offset where subscription = $1 and (topic_id, partition) in"
            " (select topic_id, partition from parked_event where subscription = $1 and stream = $2)"
            " order by topic_id, partition for update",
            subscription,
            stream,
        )
        return {row["topic_id"]: row["source"] for row in rows}

    async def _first(self, db: Db, subscription: str, stream: str, limit: int) -> list[asyncpg.Record]:
        """The first parked events of a stream, locked against another retry."""
        return await db.fetch(
            "select * from parked_event where subscription = $1 and stream = $2"
            " order by incarnation, position limit $3 for update",
            subscription,
            stream,
            limit,
        )

    async def _still_fails(self, db: Db, subscription: str, raw: Raw, error: str) -> None:
        await db.execute(
            "update parked_event set error = $5 where subscription = $1 and stream = $2"
            " and incarnation = $3 and position = $4",
            subscription,
            raw.stream,
            raw.incarnation,
            raw.position,
            error[:2000],
        )

    async def _unpark(self, db: Db, subscription: str, raw: Raw) -> None:
        await db.execute(
            "delete from parked_event where subscription = $1 and stream = $2 and incarnation = $3 and position = $4",
            subscription,
            raw.stream,
            raw.incarnation,
            raw.position,
        )
