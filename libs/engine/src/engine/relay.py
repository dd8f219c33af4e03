"""The relay: every committed event, strictly by position, at least once, never skipped.

Positions commit out of order, so that a gap is either an append still open or a rollback. The relay takes the
contiguous prefix at once; for a gap it notes the highest position H that it saw, lists who holds the append lock,
waits until none of these transactions holds it any more, and reads up to H in a new statement: what is missing then
is final. It never queues for the lock itself, because an exclusive request would hold all appenders back.

While a window is sent, the next is read if there is a backlog; while the cursor is moved, the next is looked for.
Nothing is sent before the cursor covers what was sent before: one window at most is sent again.

It never gives up: what it cannot get past (a refused event, a type that this release does not know and that may be
public in a later one, an error that nobody expected) it stands before, loudly,
and tries again, because skipping would lose an event and ending would keep all of them from being published. Before it
tries again it lets go of the lease, so that a process with a better line to Kafka may take over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
import structlog
from opentelemetry.trace import Link

from engine.errors import Fenced, Refused, TooOld, Unavailable, passes
from engine.kafka import partition_of
from engine.leases import Lease
from engine.metrics import Metrics
from engine.producer import Producer, Record
from engine.recovery import Recovery
from engine.store import LOCK, Db
from engine.tracing import links_to, sending
from engine.wire import Raw, headers_of

log = structlog.get_logger()

WINDOW_BYTES = 16_000_000
"""Of event data in a window, give or take one event. Behind a backlog the relay holds two."""

TOPIC_SECONDS = 10.0
"""After which the leader looks whether the topic is still the one that it sends to."""

_READ = (
    f"select {', '.join(Raw._fields)} from (select *, coalesce(sum(octet_length(data::text)) over (order by position"
    " rows between unbounded preceding and 1 preceding), 0) as bytes_before from (select e.*,"
    "   case when position <= s.sent_before then coalesce((select min(number) from past_incarnation"
    "     where up_to >= position), s.incarnation) else s.incarnation end as incarnation"
    " from event e, store s where position > $1 and ($2::bigint is null or position <= $2) order by position limit $3"
    ") w) w where bytes_before < $4 order by position"
)
_HOLDERS = (
    "select virtualtransaction from pg_locks where locktype = 'advisory' and granted and mode = 'ShareLock'"
    " and database = (select oid from pg_database where datname = current_database())"
    " and classid = $1::int::oid and objid = $2::int::oid and objsubid = 2"
)


@dataclass(frozen=True)
class Window:
    """All that will ever be between the end of the window before and `last`; what is public of it, by partition, and
    links to where its events came about."""

    last: int
    records: Mapping[int, Sequence[Record]]
    links: Sequence[Link] = ()


class Relay:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        producer: Producer,
        recovery: Recovery,
        lease: Lease,
        metrics: Metrics,
        *,
        topic: str,
        source: str,
        public: frozenset[str],
        known: frozenset[str],
        partitions: int,
        on_published: Callable[[int], None],
        failpoint: Callable[[str], Awaitable[None]],
        window: int = 2000,
        poll: float = 0.25,
        gap_patience: float = 0.005,
    ) -> None:
        self._pool = pool
        self._producer = producer
        self._recovery = recovery
        self._lease = lease
        self._metrics = metrics
        self._topic = topic
        self._source = source
        self._public = public
        self._known = known
        self._partitions = partitions
        self._on_published = on_published
        self._failpoint = failpoint
        self._window = window
        self._poll = poll
        self._gap_patience = gap_patience
        self._wake = asyncio.Event()
        self._pause = poll
        self.cursor = 0
        self._sent = 0
        self._offsets: dict[int, int] = {}
        self._moving: asyncio.Task[None] | None = None
        self._skip: frozenset[Any] = frozenset()
        self._resumed: int | None = None

    def wake(self) -> None:
        self._wake.set()

    @property
    def leads(self) -> bool:
        return self._lease.epoch is not None

    @property
    def publishes(self) -> int | None:
        """The epoch under which it publishes; None while it does not lead, or has yet to find out where it stands."""
        return self._lease.epoch if self._lease.epoch == self._resumed else None

    async def run(self) -> None:
        """Leads while it holds the lease; stands by otherwise. Ends only by cancellation."""
        while True:
            try:
                async with self._pool.acquire() as db:
                    leads = await self._lease.acquire(db)
                self._metrics.relay_leader.set(leads)
                if leads:
                    await self._lead()
                self._metrics.relay_refused.set(0)  # whoever leads tells of it
                self._pause = self._poll
            except Exception as error:  # noqa: BLE001 - see above: it never gives up
                self._stumbled(error)
                await self._let_go()
            await asyncio.sleep(self._pause)

    async def _let_go(self) -> None:
        try:
            await self._producer.abort()
            async with self._pool.acquire() as db:
                await self._lease.release(db)
        except Exception as error:  # noqa: BLE001 - then the lease runs out
            log.info("relay_lease_not_released", error=repr(error))
        self._metrics.relay_leader.set(0)

    def _stumbled(self, error: Exception) -> None:
        if isinstance(error, Fenced):
            self._metrics.relay_failures.labels("fenced").inc()
            self._pause = self._poll
            log.warning("relay_fenced", reason=str(error))
        elif passes(error):
            self._metrics.relay_failures.labels("unavailable").inc()
            self._pause = min(self._pause * 2, 2.0)
            log.warning("relay_retries", error=repr(error))
        else:
            self._metrics.relay_failures.labels("refused").inc()
            self._metrics.relay_refused.set(1)
            self._pause = min(self._pause * 2, 30.0)
            log.critical(
                "relay_refused",
                error=str(error) if isinstance(error, Refused) else repr(error),
                behind=self.cursor,
                remedy="docs/operations.md#relay-refused",
                exc_info=None if isinstance(error, Refused) else error,
            )

    async def _lead(self) -> None:
        """Publishes for as long as it holds the lease; raises Fenced when it does not any more."""
        async with self._pool.acquire() as db:
            resumed = await self._recovery.resume(db, self._lease, self._partitions)
            self.cursor = self._sent = resumed.cursor
            self._offsets, self._skip = resumed.offsets, resumed.skip
            self._on_published(self.cursor)
            self._resumed = self._lease.epoch
            log.info("relay_leads", cursor=self.cursor, epoch=self._lease.epoch)
            try:
                await self._publish(db)
            finally:
                await self._settled()
        raise Fenced("the lease ran out")

    async def _publish(self, db: Db) -> None:
        ahead: Window | None = None
        looked = time.monotonic()
        while self._lease.epoch is not None:
            if time.monotonic() - looked > TOPIC_SECONDS:
                await self._recovery.same_topic()
                looked = time.monotonic()
            self._wake.clear()
            window = ahead or await self._next(db)
            await self._moved()
            if window is None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll):
                        await self._wake.wait()
                continue
            reading = asyncio.create_task(self._ahead(db, window.last))
            try:
                await self._send(window)
                ahead = await reading
            finally:
                reading.cancel()
                await asyncio.wait([reading])  # its connection goes back to the pool with nothing under way on it
            self._moving = asyncio.create_task(self._move(window.last, dict(self._offsets)))

    async def _next(self, db: Db) -> Window | None:
        """What is final behind what was sent; None where there is nothing."""
        raws = await self._read(db, self._sent)
        if not raws:
            return None
        if not _contiguous(raws, self._sent):
            await asyncio.sleep(self._gap_patience)
            raws = await self._read(db, self._sent)
        if final := _contiguous(raws, self._sent):
            return self._window_of(final)
        highest = raws[-1].position
        await self._holders_gone(db)
        # Events that filled the gap may push the highest out of this window: final is what it holds.
        return self._window_of(await self._read(db, self._sent, highest))

    async def _ahead(self, db: Db, after: int) -> Window | None:
        """What is behind a window while that is sent, if there is a backlog: otherwise the next read finds more."""
        raws = _contiguous(await self._read(db, after), after)
        return self._window_of(raws) if len(raws) == self._window else None

    async def _holders_gone(self, db: Db) -> None:
        """Waits until every transaction that holds the append lock now holds it no more."""
        holders = {row[0] for row in await db.fetch(_HOLDERS, *LOCK)}
        while holders:
            await asyncio.sleep(self._gap_patience)
            holders &= {row[0] for row in await db.fetch(_HOLDERS, *LOCK)}

    async def _read(self, db: Db, after: int, up_to: int | None = None) -> list[Raw]:
        return [Raw._make(row) for row in await db.fetch(_READ, after, up_to, self._window, WINDOW_BYTES)]

    def _window_of(self, raws: list[Raw]) -> Window:
        records: dict[int, list[Record]] = {}
        now = int(time.time() * 1000)
        for raw in raws:
            if raw.type in self._public and raw.id not in self._skip:
                at = min(int(raw.recorded_at.timestamp() * 1000), now)  # brokers refuse the future
                record = Record(raw.stream.encode(), raw.data, headers_of(raw, self._source), at)
                records.setdefault(partition_of(raw.stream, self._partitions), []).append(record)
            elif raw.type not in self._known and raw.type not in self._public:
                raise TooOld(f"position {raw.position} is {raw.type}, which a later release may have to publish")
        return Window(raws[-1].position, records, links_to(raws))

    async def _send(self, window: Window) -> None:
        await self._failpoint("relay_read")
        count = sum(map(len, window.records.values()))
        if count:
            with sending(self._topic, count, window.links):
                ends = await self._producer.send(self._topic, window.records, self._partitions)
            if lost := sorted(p for p, end in ends.items() if end <= self._offsets.get(p, 0)):
                raise Unavailable(f"{self._topic} ends before what was sent in partitions {lost}")
            self._offsets.update(ends)
        self._sent = window.last
        self._metrics.relayed.inc(count)
        await self._failpoint("relay_sent")

    async def _move(self, last: int, offsets: Mapping[int, int]) -> None:
        """Moves the cursor, which proves the lease. Raises Fenced."""
        status = await self._pool.execute(
            "with mine as (update lease set leased_until = clock_timestamp() + make_interval(secs => $5)"
            " where name = $3 and epoch = $4 returning 1)"
            " update store set published = $1, topic_offsets = $2 where exists (select 1 from mine)",
            last,
            orjson.dumps({str(p): o for p, o in offsets.items()}).decode(),
            self._lease.name,
            self._lease.epoch if self._lease.epoch is not None else -1,
            self._lease.seconds,
        )
        if status != "UPDATE 1":
            self._lease.epoch = None
            raise Fenced("another relay leads")
        self.cursor = last
        self._pause = self._poll
        self._metrics.relay_refused.set(0)
        self._on_published(last)

    async def _moved(self) -> None:
        """Waits until the cursor is where it is being moved. Raises Fenced."""
        moving, self._moving = self._moving, None
        if moving is not None:
            await moving

    async def _settled(self) -> None:
        """The same when leading ends, for whatever reason: that is told already."""
        with contextlib.suppress(Exception):
            await self._moved()


def _contiguous(raws: list[Raw], cursor: int) -> list[Raw]:
    """The prefix that follows the cursor without a gap."""
    n = 0
    for raw in raws:
        if raw.position != cursor + n + 1:
            break
        n += 1
    return raws[:n]
