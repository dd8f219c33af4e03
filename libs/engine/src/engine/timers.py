"""Timers are rows, fired once at their business time: deleted in the transaction of their effect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
import structlog

from engine.decider import Decider
from engine.errors import Fenced, ViewsChanged, passes
from engine.facts import Context
from engine.handlers import Outcomes, ProcessHandler, Work, tell
from engine.leases import Lease
from engine.metrics import Metrics
from engine.reactions import Send
from engine.store import Db, Store
from engine.tracing import about, working_on

log = structlog.get_logger()

_NEXT = (
    "select s.backfill_reached, t.* from store s left join lateral"
    " (select * from timer where error is null order by due_at, owner, key limit 1) t on true"
)


_WAITING = (
    "select owner as subscription, key, due_at, error from timer, store where error is not null"
    " or due_at < coalesce(backfill_reached, clock_timestamp()) - interval '10 s'"
    " order by error is null, due_at, owner, key limit $1"
)


@dataclass(frozen=True)
class WaitingTimer:
    """Set aside, because of an `error`, or due and not fired."""

    subscription: str
    key: str
    due_at: datetime
    error: str | None


async def waiting(db: Db, limit: int) -> list[WaitingTimer]:
    """Those that were set aside, then those that are overdue; the longest due first."""
    return [WaitingTimer(**row) for row in await db.fetch(_WAITING, limit)]


async def let_fire_again(db: Db, subscription: str, key: str) -> bool:
    """False if no such timer was set aside. It fires in the worker that holds the lease."""
    status = await db.execute(
        "update timer set error = null where owner = $1 and key = $2 and error is not null", subscription, key
    )
    return bool(status == "UPDATE 1")


class Timers:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        lease: Lease,
        processes: Mapping[str, ProcessHandler],
        *,
        clock: Callable[[], datetime],
        views_changed: Callable[[], Awaitable[None]],
        appended: Callable[[], None],
        failpoint: Callable[[str], Awaitable[None]],
        poll: float = 1.0,
    ) -> None:
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._lease = lease
        self._processes = processes
        self._clock = clock
        self._views_changed = views_changed
        self._appended = appended
        self._failpoint = failpoint
        self._poll = poll
        self._pause = poll
        self._views_are_stale = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Fires what is due while it holds the lease. Ends only by cancellation."""
        while True:
            self._pause = self._poll
            try:
                if self._views_are_stale:
                    await self._views_changed()
                    self._views_are_stale = False
                if self._lease.epoch is None:
                    async with self._pool.acquire() as db:
                        await self._lease.acquire(db)
                self._wake.clear()
                while self._lease.epoch is not None and await self.fire_one():
                    pass
            except ViewsChanged:
                self._views_are_stale = True
                continue
            except Exception as error:
                if not passes(error):
                    raise
                if not isinstance(error, Fenced):
                    log.warning("timers_retry", error=repr(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._pause)

    async def fire_one(self) -> bool:
        """Fires the timer that has been due longest; False if none is due. What is due is judged by the business time
        that a running backfill has reached, else by the clock."""
        async with self._pool.acquire() as db:
            row = await db.fetchrow(_NEXT)
            assert row is not None  # noqa: S101
            if row["due_at"] is None:
                return False
            wait = (row["due_at"] - (row["backfill_reached"] or self._clock())) / timedelta(seconds=1)
            if wait > 0:
                self._pause = min(wait, self._poll)
                return False
            try:
                async with db.transaction():
                    await self._lease.prove(db)
                    outcomes = await self._fire(db, row)
                    await self._failpoint("timer_effect")
            except Exception as error:
                if passes(error):
                    raise
                log.exception("timer_parked", owner=row["owner"], key=row["key"], **about(context_of(row)))
                await db.execute(
                    "update timer set error = $4 where owner = $1 and key = $2 and due_at = $3",
                    row["owner"],
                    row["key"],
                    row["due_at"],
                    f"{type(error).__name__}: {error}"[:2000],
                )
                return True
        if outcomes is not None:
            self._metrics.timers_fired.labels(row["owner"]).inc()
        if outcomes:
            tell(self._metrics, row["owner"], outcomes)
            self._appended()
        return True

    async def _fire(self, db: Db, row: asyncpg.Record) -> Outcomes | None:
        """None if the timer was moved or cancelled since it was read."""
        # Ids of what a timer leads to come from the fact that set it and the timer's own name and time.
        seed = uuid5(row["causation_id"], f"timer:{row['owner']}/{row['key']}@{row['due_at'].isoformat()}")
        work = Work(db, self._store, row["owner"])
        with working_on(), work.spans:
            context = work.spans.firing(row["key"], context_of(row))
            if row["send"] is not None:
                if not await self._take(db, row):
                    return None
                work.add(self._send(orjson.loads(row["send"])), context, row["due_at"], seed, 0)
            elif not await self._wake_process(work, row, context, seed):
                return None
            return await work.flush()

    async def _take(self, db: Db, row: asyncpg.Record) -> bool:
        """False if the timer was moved or cancelled since it was read."""
        return bool(
            await db.fetchval(
                "delete from timer where owner = $1 and key = $2 and due_at = $3 returning true",
                row["owner"],
                row["key"],
                row["due_at"],
            )
        )

    async def _wake_process(self, work: Work, row: asyncpg.Record, context: Context, seed: UUID) -> bool:
        handler = self._processes.get(row["owner"])
        if handler is None or handler.process.due is None:
            raise TypeError(f"{row['owner']} set a timer without a command and is no process manager with a `due`")
        instance, key = handler.timer_of(row["key"])
        states = await handler.lock(work, {instance})  # before the timer, as facts do: no deadlock
        if not await self._take(work.db, row):
            return False
        steps = handler.process.due(states[instance], key, row["due_at"])
        states[instance] = handler.take(work, instance, states[instance], steps, context, row["due_at"], seed)
        await handler.save(work, states)
        return True

    def _send(self, stored: dict[str, Any]) -> Send:
        decider: Decider[Any, Any, Any] = self._store.deciders[stored["category"]]
        command = decider.command_types[stored["type"]].model_validate(stored["command"])
        return Send(decider, UUID(stored["id"]), command)


def context_of(row: asyncpg.Record) -> Context:
    return Context(
        f"timer:{row['owner']}",
        row["correlation_id"],
        row["causation_id"],
        traceparent=row["traceparent"],
        tracestate=row["tracestate"],
    )
