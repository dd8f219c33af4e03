"""The event store: load, decide, append, in one place. What a unit of work collects is appended by one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from importlib import resources
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import orjson
from events import Event

from engine.decider import Codec, Decider, Rejected, Unknown
from engine.errors import (
    CONFLICT,
    IN_FLIGHT,
    VIEWS_CHANGED,
    AlreadyHandled,
    Conflict,
    EventTooLarge,
    InFlight,
    KeyReused,
    NotAdmitted,
    VersionNeeded,
    ViewsChanged,
)
from engine.facts import Context, Fact, Receipt
from engine.reactions import Send
from engine.recent import Taking
from engine.tables import physical, run_statements
from engine.views import View

S = TypeVar("S")
Db: TypeAlias = "asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]"

SCHEMA = resources.files("engine").joinpath("schema.sql").read_text()
LOCK = (1128355157, 1)
"""The two-int advisory lock that every append shares; see append() in schema.sql."""

EVENT_LIMIT = 900_000
"""Bytes of an event as a record on Kafka, key and headers counted: what is stored can be published. Topics take
records of 1,048,588 bytes."""

_FIXED_HEADERS = 900
"""More than the headers of a record whose size does not depend on what a caller says."""

_APPEND = "select * from append($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20,$21,$22,$23,$24)"

_LOAD = """
select s.id, s.version as head, s.snapshot_version, e.version, e.type, e.data,
       case when s.snapshot_fingerprint = $2 and e.version is not distinct from e.first then s.snapshot end as snapshot
from stream s
left join lateral (
    select version, type, data, min(version) over () as first from event
    where stream = s.id and version > case when s.snapshot_fingerprint = $2 then s.snapshot_version else 0 end
) e on true
where s.id = any ($1)
order by s.id, e.version
"""


_HAD_OCCURRED = (
    "({0}::timestamptz is null or (occurred_at <= {0} and {0} >="
    " (select began.occurred_at from event began where began.stream = $1 and began.version = 1)))"
)
"""Nothing had happened to a thing before it came about, whatever day a later event was dated back to."""


@dataclass(frozen=True)
class Loaded(Generic[S]):
    """An aggregate as it was read. Version 0: it does not exist."""

    state: S
    version: int


@dataclass(frozen=True)
class Intent:
    """A command on its way: with its business time, on whose behalf it is, and its id if a repeat must be known.

    `request` is a digest of what a caller asked for under that id, b"" where it is not known; such an id is forgotten
    after some days. `only_creates`: it may not change what exists.
    """

    send: Send
    occurred_at: datetime
    context: Context
    command_id: UUID | None = None
    expected: int | None = None
    request: bytes | None = None
    only_creates: bool = False

    @cached_property
    def stream(self) -> str:
        return self.send.decider.stream(self.send.id)


@dataclass
class Working:
    """An aggregate while a unit of work decides on it; `snapshot`: the version of its last snapshot, or 0."""

    decider: Decider[Any, Any, Any]
    state: Any
    loaded: int
    version: int
    snapshot: int = 0


Kept: TypeAlias = tuple[UUID, str, int, int, bytes | None, bytes | None]
"""What is known of a command by its id: stream, version, how many events, refusal, request."""


@dataclass
class _Batch:
    """What one append takes, column by column."""

    streams: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    occurred_at: list[datetime] = field(default_factory=list)
    contexts: list[Context] = field(default_factory=list)
    commands: list[Kept] = field(default_factory=list)


class Store:
    """Knows the service's aggregates and inline views; holds no connection of its own."""

    def __init__(self, deciders: Sequence[Decider[Any, Any, Any]]) -> None:
        self.deciders: Mapping[str, Decider[Any, Any, Any]] = {d.category: d for d in deciders}
        if len(self.deciders) != len(deciders):
            raise ValueError("two deciders share a category")
        self.codec = Codec(cls for d in deciders for cls in d.event_types)
        self.view_epoch = 0
        self.inline: tuple[tuple[View, int], ...] = ()  # with the generation whose tables appends keep
        self.incarnation = 0
        self.admitted: frozenset[str] | None = None  # the types that may be written; None: no store was asked

    # -- reading

    async def load(
        self,
        db: Db,
        decider: Decider[Any, S, Any],
        id: UUID,
        *,
        version: int | None = None,
        recorded_by: datetime | None = None,
        occurred_by: datetime | None = None,
    ) -> Loaded[S]:
        """The aggregate now, at a version, as the log knew it at a recorded time, or by what had happened in the
        business at some time, as far as is known."""
        if version is None and recorded_by is None and occurred_by is None:
            found = await self._load_many(db, {decider.stream(id): decider})
            working = found[decider.stream(id)]
            return Loaded(working.state, working.version)
        rows = await db.fetch(
            "select version, type, data from event where stream = $1 and ($2::int is null or version <= $2)"
            f" and ($3::timestamptz is null or recorded_at <= $3) and {_HAD_OCCURRED.format('$4')} order by version",
            decider.stream(id),
            version,
            recorded_by,
            occurred_by,
        )
        state = decider.fold(decider.codec.decode(row["type"], row["data"]) for row in rows)
        return Loaded(state, rows[-1]["version"] if rows else 0)

    async def history(
        self,
        db: Db,
        stream: str,
        *,
        after: int = 0,
        limit: int | None = 100,
        recorded_by: datetime | None = None,
        occurred_by: datetime | None = None,
    ) -> list[Fact[Any]]:
        rows = await db.fetch(
            "select e.*, s.incarnation from event e, store s where stream = $1 and version > $2"
            f" and ($4::timestamptz is null or e.recorded_at <= $4) and {_HAD_OCCURRED.format('$5')}"
            " order by version limit $3",
            stream,
            after,
            limit,
            recorded_by,
            occurred_by,
        )
        return [self.fact(row) for row in rows]

    async def replay(self, db: Db, view: View, facts: Iterable[Fact[Any]]) -> None:
        """Makes the view's tables anew from these facts alone: temporary ones of generation 0, gone with the
        transaction that `db` is in."""
        for table in view.tables:
            await db.execute(f"create temp table {physical(table, 0)} ({table.columns}) on commit drop")
        await run_statements(db, (s for fact in facts for s in view.project(fact)), 0)

    async def forget(self, db: Db, *, older_than: timedelta, limit: int) -> int:
        """Deletes what is known of callers' requests of that age, at most `limit` of them; the events stay. Returns
        how many there were."""
        deleted = await db.fetch(
            "delete from command where id = any (array(select id from command where request is not null"
            " and recorded_at < clock_timestamp() - $1::interval order by recorded_at limit $2"
            " for update skip locked)) returning id",
            older_than,
            limit,
        )
        return len(deleted)

    def fact(self, row: Mapping[str, Any]) -> Fact[Any]:
        """From a row of the event table, with the incarnation beside it."""
        return Fact(
            event=self.codec.decode(row["type"], row["data"]),
            event_id=row["id"],
            stream=row["stream"],
            version=row["version"],
            position=row["position"],
            incarnation=row["incarnation"],
            occurred_at=row["occurred_at"],
            recorded_at=row["recorded_at"],
            correlation_id=row["correlation_id"],
            causation_id=row["causation_id"],
            actor=row["actor"],
            client=row["client"],
            on_behalf_of=row["on_behalf_of"],
            traceparent=row["traceparent"],
            tracestate=row["tracestate"],
        )

    async def load_streams(self, db: Db, wanted: Mapping[str, Decider[Any, Any, Any]]) -> dict[str, Loaded[Any]]:
        """Many aggregates as they are now, by stream."""
        return {s: Loaded(w.state, w.version) for s, w in (await self._load_many(db, wanted)).items()}

    async def _load_many(self, db: Db, wanted: Mapping[str, Decider[Any, Any, Any]]) -> dict[str, Working]:
        found = {stream: Working(decider, decider.initial(), 0, 0) for stream, decider in wanted.items()}
        by_decider: dict[str, list[str]] = {}
        for stream, decider in wanted.items():
            by_decider.setdefault(decider.category, []).append(stream)
        for category, streams in by_decider.items():
            decider = self.deciders[category]
            for row in await db.fetch(_LOAD, streams, decider.fingerprint):
                working = found[row["id"]]
                if row["snapshot"] is not None and working.version == 0:
                    working.state = decider.state_adapter.validate_json(row["snapshot"])
                    working.snapshot = row["snapshot_version"]
                if row["type"] is not None:
                    working.state = decider.evolve(working.state, decider.codec.decode(row["type"], row["data"]))
                working.version = working.loaded = row["head"]
        return found

    # -- deciding and appending

    async def execute(
        self, db: Db, intents: Sequence[Intent], *, whole: bool = False, taking: Taking[Working] | None = None
    ) -> list[Receipt | Rejected]:
        """Decides all of the intents in order and appends what they led to in one call; `db` is inside a transaction
        if there are inline views. A refusal is an outcome and leaves the others alone; of a `whole` it is everybody's,
        and nothing of it happens. The id of a whole is that of its first intent.

        With `taking`, an aggregate that is remembered is not loaded, nor one that is to be created; a Conflict may then
        be for no other reason than that.

        Raises Conflict for a lost race, ViewsChanged, AlreadyHandled, InFlight, KeyReused and VersionNeeded; then
        nothing of it has happened.
        """
        answered = await self._answered(db, intents)
        if whole and (before := answered.get(intents[0].command_id)) is not None:
            return [before] * len(intents)
        fresh = {i.stream: i.send.decider for i in intents if i.command_id not in answered}
        assumed = _assumed(intents, fresh, taking) if taking is not None else {}
        working = assumed | (await self._load_many(db, {s: d for s, d in fresh.items() if s not in assumed}))
        decided = self._decide_all(intents, answered, working, certain=not assumed)
        if decided is None:
            working = await self._load_many(db, fresh)
            decided = self._decide_all(intents, answered, working, certain=True)
        assert decided is not None  # noqa: S101
        batch, outcomes, lasts = decided
        if whole and (refusal := next((each for each in outcomes if isinstance(each, Rejected)), None)) is not None:
            outcomes, lasts = [refusal] * len(intents), {}
            batch = _Batch(commands=_kept(intents[0], refusal, working[intents[0].stream].loaded))
            working = {}
        if batch.events or batch.commands:
            positions = await self._append(db, batch, working)
            for n, last in lasts.items():
                receipt = outcomes[n]
                assert isinstance(receipt, Receipt)  # noqa: S101
                outcomes[n] = replace(receipt, position=positions[last])
        if taking is not None:
            taking.after = {s: replace(w, loaded=w.version) for s, w in working.items() if w.version > w.loaded}
        return outcomes

    def _decide_all(
        self,
        intents: Sequence[Intent],
        answered: Mapping[UUID | None, Receipt | Rejected],
        working: Mapping[str, Working],
        *,
        certain: bool,
    ) -> tuple[_Batch, list[Receipt | Rejected], dict[int, int]] | None:
        """What is to be appended, the outcomes, and of which outcome which event is the last. None if the aggregates
        may not be as they are now and that could be the reason of an outcome which no append would prove."""
        batch = _Batch()
        outcomes: list[Receipt | Rejected] = []
        lasts: dict[int, int] = {}
        first: dict[UUID, int] = {}  # command id -> index of its outcome
        for n, intent in enumerate(intents):
            if intent.command_id is not None and n != (same := first.setdefault(intent.command_id, n)):
                outcomes.append(outcomes[same])
                if same in lasts:
                    lasts[n] = lasts[same]
                continue
            if intent.command_id in answered:
                outcomes.append(answered[intent.command_id])
                continue
            try:
                outcome = self._decide(working[intent.stream], intent, batch)
            except Exception:
                if certain:
                    raise
                return None
            if isinstance(outcome, Receipt) and outcome.events:
                lasts[n] = len(batch.events) - 1
            elif not certain:
                return None
            outcomes.append(outcome)
        return batch, outcomes, lasts

    async def _answered(self, db: Db, intents: Iterable[Intent]) -> dict[UUID | None, Receipt | Rejected]:
        ids = {i.command_id: i.request for i in intents if i.command_id is not None}
        if not ids:
            return {}
        rows = await db.fetch(
            "select c.id, c.stream, c.version, c.refusal, c.request, e.position, array(select type from event t"
            " where t.stream = c.stream and t.version > c.version - c.events and t.version <= c.version"
            " order by t.version) as types"
            " from command c left join event e on c.events > 0 and e.stream = c.stream and e.version = c.version"
            " where c.id = any ($1)",
            list(ids),
        )
        for row in rows:
            request = ids[row["id"]]
            if request and row["request"] and request != row["request"]:
                raise KeyReused
        return {row["id"]: _answer(row) for row in rows}

    def _decide(self, working: Working, intent: Intent, batch: _Batch) -> Receipt | Rejected:
        decider, id = working.decider, intent.send.id
        if intent.expected is not None and intent.expected != working.version:
            raise Conflict(intent.stream, expected=intent.expected, actual=working.version)
        try:
            events = decider.decide(intent.send.command, working.state, intent.occurred_at)
        except Rejected as refusal:
            batch.commands += _kept(intent, refusal, working.version)
            return refusal
        if intent.only_creates and events and working.version > 0:
            raise VersionNeeded(intent.stream, working.version)
        stream = intent.stream
        around = 3 * len(stream) + sum(len(name.encode()) for name in intent.context.names) + _FIXED_HEADERS
        stored = [self._stored(event) for event in events]
        for event, type, data in stored:
            if (size := len(data) + around) > EVENT_LIMIT:
                raise EventTooLarge(f"{type} of {size:,} bytes in {stream}: at most {EVENT_LIMIT:,}")
            working.state = decider.evolve(working.state, event)
            working.version += 1
            batch.streams.append(stream)
            batch.versions.append(working.version)
            batch.events.append(event)
            batch.types.append(type)
            batch.data.append(data)
            batch.occurred_at.append(intent.occurred_at)
            batch.contexts.append(intent.context)
        if intent.command_id is not None:
            count = len(events)
            batch.commands.append((intent.command_id, intent.stream, working.version, count, None, intent.request))
        return Receipt(id, working.version, None, tuple(type for _, type, _ in stored))

    def _stored(self, event: Event) -> tuple[Event, str, bytes]:
        """An event as it will be read, the type that it is stored under, and its data: while its type is not admitted,
        in the form of the major before. Raises NotAdmitted where it has none."""
        if self.admitted is None or event.event_type in self.admitted:
            return event, event.event_type, event.data()
        if event.downcast is None or event.downcast[0] not in self.admitted:
            raise NotAdmitted(f"{event.event_type} is not written yet: a release that cannot read it may still be used")
        older, lower = event.downcast
        data = orjson.dumps(lower(orjson.loads(event.data())))
        return self.codec.decode(older, data), older, data

    async def _append(self, db: Db, batch: _Batch, working: Mapping[str, Working]) -> list[int]:
        """The events' positions."""
        view_epoch, inline = self.view_epoch, self.inline  # as one: they may be read anew while this waits
        if inline and not db.is_in_transaction():
            raise ViewsChanged  # since the caller saw that it needs no transaction
        touched = sorted((s, w) for s, w in working.items() if w.version > w.loaded)
        snapshots = [_snapshot(w) for _, w in touched]
        try:
            rows = await db.fetch(
                _APPEND,
                view_epoch,
                [s for s, _ in touched],
                [w.loaded for _, w in touched],
                [w.version - w.loaded for _, w in touched],
                snapshots,
                [w.decider.fingerprint if snap else None for (_, w), snap in zip(touched, snapshots, strict=True)],
                batch.streams,
                batch.versions,
                batch.types,
                batch.data,
                batch.occurred_at,
                [c.correlation_id for c in batch.contexts],
                [c.causation_id for c in batch.contexts],
                [c.actor for c in batch.contexts],
                [c.client for c in batch.contexts],
                [c.on_behalf_of for c in batch.contexts],
                [c.traceparent for c in batch.contexts],
                [c.tracestate for c in batch.contexts],
                *([list(column) for column in zip(*batch.commands, strict=True)] if batch.commands else [[]] * 6),
            )
        except asyncpg.UniqueViolationError as error:
            if error.constraint_name == "command_pkey":
                raise AlreadyHandled from error
            raise
        except asyncpg.PostgresError as error:
            if error.sqlstate == CONFLICT:
                stream = str(error.detail)
                raise Conflict(stream, expected=working[stream].loaded) from error
            if error.sqlstate == VIEWS_CHANGED:
                raise ViewsChanged from error
            if error.sqlstate == IN_FLIGHT:
                raise InFlight from error
            raise
        for (_, w), snapshot in zip(touched, snapshots, strict=True):
            w.snapshot = w.version if snapshot is not None else w.snapshot
        if inline:
            facts = _facts(batch, rows)
            for view, generation in inline:
                await run_statements(db, (s for fact in facts for s in view.project(fact)), generation)
        return [row[0] for row in rows]


def _facts(batch: _Batch, rows: Sequence[asyncpg.Record]) -> list[Fact[Any]]:
    return [
        Fact(
            event,
            row[1],
            stream,
            version,
            row[0],
            row[3],
            occurred,
            row[2],
            c.correlation_id,
            c.causation_id,
            c.actor,
            c.client,
            c.on_behalf_of,
            c.traceparent,
            c.tracestate,
        )
        for event, stream, version, occurred, c, row in zip(
            batch.events, batch.streams, batch.versions, batch.occurred_at, batch.contexts, rows, strict=True
        )
    ]


def _assumed(
    intents: Iterable[Intent], fresh: Mapping[str, Decider[Any, Any, Any]], taking: Taking[Working]
) -> dict[str, Working]:
    """Aggregates as they probably are."""
    new = {i.stream for i in intents if i.only_creates and i.stream in fresh}
    return {s: Working(fresh[s], fresh[s].initial(), 0, 0) for s in new} | {
        s: replace(w) for s, w in taking.take(fresh).items()
    }


def _snapshot(working: Working) -> bytes | None:
    """The state as JSON where `snapshot_every` events or more had to be folded to get it: also where there is a
    snapshot that other code made."""
    if working.version - working.snapshot < working.decider.snapshot_every:
        return None
    return working.decider.state_adapter.dump_json(working.state)


def _kept(intent: Intent, refusal: Rejected, version: int) -> list[Kept]:
    """Nothing, where its id is of no importance."""
    if intent.command_id is None:
        return []
    return [(intent.command_id, intent.stream, version, 0, _refusal_json(refusal), intent.request)]


def _refusal_json(refusal: Rejected) -> bytes:
    body = {"code": refusal.code, "details": refusal.details, "unknown": isinstance(refusal, Unknown)}
    return orjson.dumps(body, default=str)


def _answer(row: Mapping[str, Any]) -> Receipt | Rejected:
    if row["refusal"] is not None:
        body = orjson.loads(row["refusal"])
        return (Unknown if body["unknown"] else Rejected)(body["code"], **body["details"])
    return Receipt(UUID(row["stream"][-36:]), row["version"], row["position"], tuple(row["types"]))


async def prepare(connection: asyncpg.Connection[Any]) -> None:
    """On every connection: JSON travels as the bytes that it is stored as."""
    await connection.set_type_codec("json", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary")
