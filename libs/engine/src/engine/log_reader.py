"""Subscriptions to the service's own log: policies on own events, and views that are not written by appends.

They stop at the relay's cursor, below which everything is final: they have no barrier of their own. One process a
subscription, by lease; the offset row's epoch fences a former holder.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
import structlog

from engine.errors import Fenced, passes
from engine.leases import Lease
from engine.subscriptions import OWN_LOG, Applier, Heard, Place, Subscription
from engine.wire import raw_of

log = structlog.get_logger()

BATCH_BYTES = 16_000_000
"""Of event data in memory at once, unless a single event is larger."""

_READ = (
    "select * from (select *, coalesce(sum(octet_length(data::text)) over (order by position rows between unbounded"
    " preceding and 1 preceding), 0) as bytes_before from (select e.*, s.incarnation from event e, store s"
    " where position >= $1 and position <= s.published order by position limit $2) w) w"
    " where bytes_before < $3 order by position"
)


class LogReader:
    """Runs one own-log subscription."""

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        applier: Applier,
        lease: Lease,
        subscription: Subscription,
        service: str,
        heard: Heard,
        *,
        batch: int = 500,
        linger: float = 0.01,
    ) -> None:
        self._pool = pool
        self._applier = applier
        self._lease = lease
        self._subscription = subscription
        self._place = Place(subscription.name, service, OWN_LOG, 0)
        self._heard = heard
        self._batch = batch
        self._linger = linger
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        """Ends after the batch in hand."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Reads while it holds the lease, until `stop`."""
        delay = 0.05
        while not self._stopping.is_set():
            try:
                async with self._pool.acquire() as db:
                    if await self._lease.acquire(db):
                        epoch, next_offset = await self._applier.take_over(db, self._subscription, self._place)
                if self._lease.epoch is not None:
                    await self._follow(epoch, next_offset)
                delay = self._lease.seconds / 3
            except Fenced:
                delay = 0.05
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("log_reader_retries", subscription=self._subscription.name, error=repr(error))
                delay = min(delay * 2, 2.0)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _follow(self, epoch: int, next_offset: int) -> None:
        while self._lease.epoch is not None and not self._stopping.is_set():
            self._wake.clear()
            rows = await self._pool.fetch(_READ, next_offset, self._batch, BATCH_BYTES)
            if rows:
                records = [(row["position"], raw_of(row)) for row in rows]
                await self._applier.apply(self._subscription, self._place, epoch, self._heard, records)
                next_offset = records[-1][0] + 1
                continue
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._lease.seconds / 3)  # it may be another's by now
                await asyncio.sleep(self._linger)  # a burst of appends is one batch, not a transaction each
