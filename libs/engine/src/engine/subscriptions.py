"""One subscription's work: facts in, effects and offset out, in one transaction; what cannot be handled is parked."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from events import Event
from events.base import TYPE_PATTERN

from engine.decider import Codec, UnknownEvent
from engine.errors import AlreadyHandled, Conflict, Fenced, ViewsChanged, passes, timed_out
from engine.facts import Fact
from engine.handlers import Handler, Outcomes, Work, tell
from engine.metrics import Metrics
from engine.store import Db, Store
from engine.tracing import about, working_on
from engine.wire import UNREADABLE, Raw

log = structlog.get_logger()

SLOW_SECONDS = 0.25
"""A batch that fails after so long may have been cut off by the transaction time-out. The server ends the connection
then, and asyncpg reports a lost one. Should it have been another cause, a smaller batch costs little."""

FIRST_DELAY = 0.05

OWN_LOG = UUID(int=0)
"""The topic id under which offsets into the service's own log are kept."""


@dataclass(frozen=True)
class Subscription:
    """A handler with a name under which its offsets are kept, and what it hears. `prove` raises Fenced where it has
    offsets no more."""

    name: str
    sources: tuple[str, ...]
    handler: Handler
    since: datetime | None = None
    prove: Callable[[Db], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Which offset row: one partition of one topic, or the own log."""

    subscription: str
    source: str
    topic_id: UUID
    partition: int


@dataclass(frozen=True)
class Heard:
    """The facts of one source, and how to read them. Own events must all be known; of another service's, a type
    that was never heard of is passed over, and an unknown major of a known event is not."""

    codec: Codec
    own: bool
    names: frozenset[str]

    @classmethod
    def of(cls, types: Iterable[type[Event]], *, own: bool) -> Heard:
        types = tuple(types)
        return cls(Codec(types), own, frozenset(t.event_type.rpartition(".")[0] for t in types))

    def read(self, raw: Raw) -> Fact[Any] | None:
        try:
            return raw.fact(self.codec)
        except UnknownEvent:
            if self.own or not TYPE_PATTERN.match(raw.type) or raw.type.rpartition(".")[0] in self.names:
                raise
            return None


async def run(db: Db, store: Store, subscription: Subscription, heard: Heard, raws: Sequence[Raw]) -> Outcomes:
    """Decodes and handles events inside the caller's transaction; what the commands led to is true once it commits."""
    facts = [
        fact
        for raw in raws
        if (subscription.since is None or raw.recorded_at >= subscription.since)
        and (fact := heard.read(raw)) is not None
    ]
    if not facts:
        return []
    work = Work(db, store, subscription.name, heard.own)
    with working_on(), work.spans:
        await subscription.handler(work, facts)
        return await work.flush()


class Applier:
    """Applies facts to subscriptions, each event's effect exactly once."""

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        *,
        views_changed: Callable[[], Awaitable[None]],
        appended: Callable[[], None],
        failpoint: Callable[[str], Awaitable[None]],
        batch: int = 500,
    ) -> None:
        self._pool = pool
        self._store = store
        self.metrics = metrics
        self._views_changed = views_changed
        self._appended = appended
        self._failpoint = failpoint
        self._batch = batch
        self._bites: dict[str, int] = {}  # by subscription: how many events were handled in time, of late
        self.progressed = asyncio.Event()  # pulsed after every commit; see Progress.until

    async def take_over(self, db: Db, subscription: Subscription, place: Place) -> tuple[int, int]:
        """A new epoch for this place: whoever held it before is fenced. Returns (epoch, next offset). A topic made
        anew starts at offset 0 behind the watermark of the one before it. Raises Fenced for a view build that is gone:
        its offsets went with it."""
        async with db.transaction():
            if subscription.prove is not None:
                await subscription.prove(db)
            row = await db.fetchrow(
                "insert into consumer_offset"
                " (subscription, source, topic_id, partition, epoch, incarnation, last_position)"
                " select $1, $2, $3, $4, 1, coalesce(o.incarnation, 0), coalesce(o.last_position, 0)"
                " from (select 1) one left join lateral (select incarnation, last_position from consumer_offset"
                "   where subscription = $1 and source = $2 and partition = $4"
                "   order by incarnation desc, last_position desc limit 1) o on true"
                " on conflict (subscription, topic_id, partition) do update set epoch = consumer_offset.epoch + 1"
                " returning epoch, next_offset",
                place.subscription,
                place.source,
                place.topic_id,
                place.partition,
            )
        assert row is not None  # noqa: S101
        return row["epoch"], row["next_offset"]

    async def apply(
        self, subscription: Subscription, place: Place, epoch: int, heard: Heard, records: Sequence[tuple[int, Raw]]
    ) -> None:
        """Applies records (offset, event) of one place, in order. Retries what passes by itself without limit;
        raises Fenced when another process holds the place.

        What was too much for one transaction is not tried again with the next records: on a machine that is much too
        busy all of the time would go into transactions that are cut off. Bites grow again while they are quick."""
        name, delay, start = subscription.name, FIRST_DELAY, 0
        careful = False
        clock = asyncio.get_running_loop().time
        while start < len(records):
            size = self._bites.get(name, self._batch)
            piece = records[start : start + size]
            began = math.inf
            try:
                async with self._pool.acquire() as db:
                    began = clock()
                    async with db.transaction():
                        outcomes = await self._apply_once(db, subscription, place, epoch, heard, piece, careful=careful)
                self._committed(subscription, outcomes)
                self.metrics.through(name, place.source, len(piece), piece[0][1].recorded_at.timestamp())
                await self._failpoint("consumer_committed")
            except Fenced:
                raise
            except Exception as error:
                if not passes(error):
                    if careful:
                        raise
                    careful = True  # find the one event that cannot be handled, and park it
                    continue
                if isinstance(error, ViewsChanged):
                    await self._views_changed()
                    continue
                lost_race = isinstance(error, Conflict | AlreadyHandled)
                if lost_race:
                    self.metrics.conflicts.labels("subscription").inc()
                else:
                    self.metrics.retries.labels(name).inc()
                if lost_race or timed_out(error) or clock() - began > SLOW_SECONDS:
                    self._bites[name] = max(1, min(self._bites.get(name, size), len(piece)) // 2)
                if lost_race:
                    delay = FIRST_DELAY
                else:
                    log.warning("consumer_retries", subscription=subscription.name, error=repr(error), delay=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                continue
            start += len(piece)
            delay, careful = FIRST_DELAY, False
            if len(piece) == size < self._batch and clock() - began < SLOW_SECONDS:
                self._bites[name] = min(size * 2, self._batch)
            self.pulse()

    def _committed(self, subscription: Subscription, outcomes: Outcomes) -> None:
        if outcomes:
            tell(self.metrics, subscription.name, outcomes)
            self._appended()

    def pulse(self) -> None:
        self.progressed.set()
        self.progressed = asyncio.Event()

    async def _apply_once(
        self,
        db: Db,
        subscription: Subscription,
        place: Place,
        epoch: int,
        heard: Heard,
        piece: Sequence[tuple[int, Raw]],
        *,
        careful: bool,
    ) -> Outcomes:
        row = await db.fetchrow(
            "select next_offset, incarnation, last_position from consumer_offset"
            " where subscription = $1 and topic_id = $2 and partition = $3 and epoch = $4 for update",
            place.subscription,
            place.topic_id,
            place.partition,
            epoch,
        )
        if row is None:
            raise Fenced(f"{place} is held by another process")
        if place.topic_id != OWN_LOG and piece[0][0] > row["next_offset"]:
            raise Fenced(f"{place}: offsets {row['next_offset']} to {piece[0][0] - 1} were passed over")
        watermark = (row["incarnation"], row["last_position"])
        fresh: list[Raw] = []
        for offset, raw in piece:
            if offset < row["next_offset"]:
                continue
            if raw.type == UNREADABLE:
                fresh.append(raw)
            elif (raw.incarnation, raw.position) > watermark:
                watermark = (raw.incarnation, raw.position)
                fresh.append(raw)
        outcomes = await self._effects(db, subscription, place, heard, fresh, careful=careful) if fresh else []
        await self._failpoint("consumer_effect")
        await db.execute(
            "update consumer_offset set next_offset = greatest(next_offset, $4), incarnation = $5, last_position = $6"
            " where subscription = $1 and topic_id = $2 and partition = $3",
            place.subscription,
            place.topic_id,
            place.partition,
            piece[-1][0] + 1,
            *watermark,
        )
        return outcomes

    async def _effects(
        self,
        db: Db,
        subscription: Subscription,
        place: Place,
        heard: Heard,
        raws: Sequence[Raw],
        *,
        careful: bool,
    ) -> Outcomes:
        streams = list({raw.stream for raw in raws})
        rows = await db.fetch(
            "select distinct stream from parked_event where subscription = $1 and stream = any ($2)",
            subscription.name,
            streams,
        )
        parked = {row["stream"] for row in rows}
        if careful:
            return await self._bisect(db, subscription, place, heard, raws, parked)
        for raw in raws:
            if raw.stream in parked:
                await self._park(db, place, raw, None)
        return await run(db, self._store, subscription, heard, [raw for raw in raws if raw.stream not in parked])

    async def _bisect(
        self,
        db: Db,
        subscription: Subscription,
        place: Place,
        heard: Heard,
        raws: Sequence[Raw],
        parked: set[str],
    ) -> Outcomes:
        joining = [raw for raw in raws if raw.stream in parked]
        trying = [raw for raw in raws if raw.stream not in parked]
        for raw in joining:
            await self._park(db, place, raw, None)
        if not trying:
            return []
        try:
            async with db.transaction():
                return await run(db, self._store, subscription, heard, trying)
        except Exception as error:
            if passes(error):
                raise
            if len(trying) > 1:
                half = len(trying) // 2
                first = await self._bisect(db, subscription, place, heard, trying[:half], parked)
                return first + await self._bisect(db, subscription, place, heard, trying[half:], parked)
            parked.add(trying[0].stream)
            await self._park(db, place, trying[0], error)
            log.error(
                "stream_parked",
                subscription=subscription.name,
                stream=trying[0].stream,
                event_id=str(trying[0].id),
                type=trying[0].type,
                error="".join(traceback.format_exception(error)),
                remedy="mend the cause, then: cauce parked retry",
                **about(trying[0]),
            )
        return []

    async def _park(self, db: Db, place: Place, raw: Raw, error: BaseException | None) -> None:
        await db.execute(
            "insert into parked_event (subscription, topic_id, partition, id, stream, version, type, data, position,"
            " incarnation, occurred_at, recorded_at, correlation_id, causation_id, actor, client, on_behalf_of,"
            " traceparent, tracestate, error)"
            " values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20) on conflict do nothing",
            place.subscription,
            place.topic_id,
            place.partition,
            raw.id,
            raw.stream,
            raw.version,
            raw.type,
            raw.data,
            raw.position,
            raw.incarnation,
            raw.occurred_at,
            raw.recorded_at,
            raw.correlation_id,
            raw.causation_id,
            raw.actor,
            raw.client,
            raw.on_behalf_of,
            raw.traceparent,
            raw.tracestate,
            None if error is None else f"{type(error).__name__}: {error}"[:2000],
        )
