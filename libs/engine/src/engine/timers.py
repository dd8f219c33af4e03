"""Timers are rows, fired once at their business time: deleted in the transaction of their effect.

One that this release cannot read, or whose events are not admitted yet (ADR 14), is left to a process that can: the
others go on, and it is tried again by and by.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
import structlog
from pydantic import ValidationError

from engine.errors import Fenced, NotAdmitted, TooOld, ViewsChanged, passes
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
    " (select * from timer where error is null and not exists (select from unnest($1::text[], $2::text[])"
    "   as left_alone (owner, key) where left_alone.owner = timer.owner and left_alone.key = timer.key)"
    " order by due_at, owner, key limit 1) t on true"
)
LEFT_SECONDS = 30.0
"""After which a timer that was left is tried again."""


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
        self._left: set[tuple[str, str]] = set()
        self._left_until = 0.0
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
            row = await db.fetchrow(_NEXT, *self._left_alone())
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
            except (NotAdmitted, TooOld) as error:
                log.warning("timer_left", owner=row["owner"], key=row["key"], why=str(error), **about(context_of(row)))
                self._left.add((row["owner"], row["key"]))
                return True
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

    def _left_alone(self) -> tuple[list[str], list[str]]:
        """Owners and keys."""
        now = time.monotonic()
        if now > self._left_until:
            self._left.clear()
            self._left_until = now + LEFT_SECONDS
        return [owner for owner, _ in self._left], [key for _, key in self._left]

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
            raise TooOld(f"{row['owner']} is no process manager with a `due` in this release")
        instance, key = handler.timer_of(row["key"])
        states = await handler.lock(work, {instance})  # before the timer, as facts do: no deadlock
        if not await self._take(work.db, row):
            return False
        steps = handler.process.due(states[instance], key, row["due_at"])
        states[instance] = handler.take(work, instance, states[instance], steps, context, row["due_at"], seed)
        await handler.save(work, states)
        return True

    def _send(self, stored: dict[str, Any]) -> Send:
        decider = self._store.deciders.get(stored["category"])
        known = None if decider is None else decider.command_types.get(stored["type"])
        if decider is None or known is None:
            raise TooOld(f"{stored['type']} of {stored['category']} is no command of this release")
        try:
            return Send(decider, UUID(stored["id"]), known.model_validate(stored["command"]))
        except ValidationError as error:
            raise TooOld(f"this release cannot read a {stored['type']}: {error}") from error


def context_of(row: asyncpg.Record) -> Context:
    return Context(
        f"timer:{row['owner']}",
        row["correlation_id"],
        row["causation_id"],
        traceparent=row["traceparent"],
        tracestate=row["tracestate"],
    )
