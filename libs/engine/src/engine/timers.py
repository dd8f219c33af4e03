"""Timers are rows, fired once at their business time: deleted in the transaction of their effect."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
import structlog

from engine.decider import Decider
from engine.errors import Fenced, ViewsChanged, passes
from engine.facts import Context
from engine.handlers import ProcessHandler, Work
from engine.leases import Lease
from engine.metrics import Metrics
from engine.reactions import Send
from engine.store import Db, Store

log = structlog.get_logger()

_DUE = "select * from timer where due_at <= $1 and error is null order by due_at, owner, key limit 1"


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
        self._failpoint = failpoint
        self._poll = poll
        self._wake = asyncio.Event()
        self.fired = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    async def run(self) -> None:
        """Fires what is due while it holds the lease. Ends only by cancellation."""
        while True:
            pause = self._poll
            try:
                async with self._pool.acquire() as db:
                    leads = self._lease.epoch is not None or await self._lease.acquire(db)
                self._wake.clear()
                if leads:
                    while await self.fire_one():
                        pass
                    pause = await self._until_next()
            except ViewsChanged:
                await self._views_changed()
                continue
            except Exception as error:
                if not passes(error):
                    raise
                if not isinstance(error, Fenced):
                    log.warning("timers_retry", error=repr(error))
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    async def now(self, db: Db) -> datetime:
        """The business time that timers are judged by: what a running backfill has reached, else the clock."""
        reached = await db.fetchval("select backfill_reached from store")
        return reached if isinstance(reached, datetime) else self._clock()

    async def fire_one(self) -> bool:
        """Fires the timer that has been due longest; False if none is due."""
        async with self._pool.acquire() as db:
            row = await db.fetchrow(_DUE, await self.now(db))
            if row is None:
                return False
            try:
                async with db.transaction():
                    await self._lease.prove(db)
                    await self._fire(db, row)
                    await self._failpoint("timer_effect")
            except Exception as error:
                if passes(error):
                    raise
                log.exception("timer_parked", owner=row["owner"], key=row["key"])
                await db.execute(
                    "update timer set error = $4 where owner = $1 and key = $2 and due_at = $3",
                    row["owner"],
                    row["key"],
                    row["due_at"],
                    f"{type(error).__name__}: {error}"[:2000],
                )
        return True

    async def _fire(self, db: Db, row: asyncpg.Record) -> None:
        deleted = await db.fetchval(
            "delete from timer where owner = $1 and key = $2 and due_at = $3 returning true",
            row["owner"],
            row["key"],
            row["due_at"],
        )
        if not deleted:
            return  # moved or cancelled since it was read
        # Ids of what a timer leads to come from the fact that set it and the timer's own name and time.
        seed = uuid5(row["causation_id"], f"timer:{row['owner']}/{row['key']}@{row['due_at'].isoformat()}")
        context = Context(f"timer:{row['owner']}", row["correlation_id"], row["causation_id"])
        work = Work(db, self._store, self._metrics, row["owner"])
        if row["send"] is not None:
            work.add(self._send(orjson.loads(row["send"])), context, row["due_at"], seed, 0)
        else:
            await self._wake_process(work, row, context, seed)
        await work.flush()

    async def _wake_process(self, work: Work, row: asyncpg.Record, context: Context, seed: UUID) -> None:
        handler = self._processes[row["owner"]]
        if handler.process.due is None:
            raise TypeError(f"{row['owner']} set a timer without a command and has no `due`")
        instance, _, key = row["key"].partition("/")
        states = await handler.lock(work, {instance})
        steps = handler.process.due(states[instance], key, row["due_at"])
        states[instance] = handler.take(work, instance, states[instance], steps, context, row["due_at"], seed)
        await handler.save(work, states)

    def _send(self, stored: dict[str, Any]) -> Send:
        decider: Decider[Any, Any, Any] = self._store.deciders[stored["category"]]
        command = decider.command_types[stored["type"]].model_validate(stored["command"])
        return Send(decider, UUID(stored["id"]), command)

    async def _until_next(self) -> float:
        async with self._pool.acquire() as db:
            due = await db.fetchval("select min(due_at) from timer where error is null")
            if due is None:
                return self._poll
            wait: float = (due - await self.now(db)) / timedelta(seconds=1)
        return min(max(wait, 0.0), self._poll)
