"""Parked streams: listed, retried in order, dropped with a recorded reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from engine.errors import ViewsChanged, passes
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


class Parking:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        *,
        views_changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._views_changed = views_changed

    async def streams(self, subscription: str | None = None) -> list[ParkedStream]:
        rows = await self._pool.fetch(
            "select subscription, stream, max(error) as reason, min(parked_at) as since, count(*) as events"
            " from parked_event where $1::text is null or subscription = $1 group by 1, 2 order by since",
            subscription,
        )
        return [ParkedStream(**row) for row in rows]

    async def retry(self, subscription: Subscription, heard_by: Callable[[UUID], Heard], stream: str) -> RetryResult:
        """Handles a parked stream's events in order until one fails again. Takes the partition's offset row, so that
        the live consumer cannot race it."""
        handled = 0
        while True:
            try:
                async with self._pool.acquire() as db, db.transaction():
                    rows = await self._parked(db, subscription.name, stream, limit=20)
                    if not rows:
                        return RetryResult(handled, 0, None)
                    done = 0
                    failure: BaseException | None = None
                    for row in rows:
                        raw = raw_of(row)
                        try:
                            async with db.transaction():
                                await run(
                                    db, self._store, self._metrics, subscription, heard_by(row["topic_id"]), [raw]
                                )
                        except Exception as error:
                            if passes(error):
                                raise
                            failure = error
                            await db.execute(
                                "update parked_event set error = $5 where subscription = $1 and stream = $2"
                                " and incarnation = $3 and position = $4",
                                subscription.name,
                                stream,
                                raw.incarnation,
                                raw.position,
                                f"{type(error).__name__}: {error}"[:2000],
                            )
                            break
                        await self._unpark(db, subscription.name, raw)
                        done += 1
                    remaining = await db.fetchval(
                        "select count(*) from parked_event where subscription = $1 and stream = $2",
                        subscription.name,
                        stream,
                    )
                handled += done
                if failure is not None:
                    return RetryResult(handled, remaining, f"{type(failure).__name__}: {failure}")
            except Exception as error:
                if not passes(error):
                    raise
                if isinstance(error, ViewsChanged):
                    await self._views_changed()
                await asyncio.sleep(0.05)

    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int:
        """Gives up a parked stream's first event, keeping it with the reason. Returns how many were dropped (0, 1)."""
        async with self._pool.acquire() as db, db.transaction():
            rows = await self._parked(db, subscription, stream, limit=1)
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

    async def _parked(self, db: Db, subscription: str, stream: str, limit: int) -> list[asyncpg.Record]:
        """Locks the places that the stream's parked events came from, then reads the first of them."""
        await db.execute(
            "select 1 from consumer_offset o where subscription = $1 and (topic_id, partition) in"
            " (select topic_id, partition from parked_event where subscription = $1 and stream = $2)"
            " order by topic_id, partition for update",
            subscription,
            stream,
        )
        return await db.fetch(
            "select * from parked_event where subscription = $1 and stream = $2"
            " order by incarnation, position limit $3",
            subscription,
            stream,
            limit,
        )

    async def _unpark(self, db: Db, subscription: str, raw: Raw) -> None:
        await db.execute(
            "delete from parked_event where subscription = $1 and stream = $2 and incarnation = $3 and position = $4",
            subscription,
            raw.stream,
            raw.incarnation,
            raw.position,
        )
