"""What routes that show something ask for: the service's own views and its aggregates, now or as of a time; and the
endpoints that are the same for every kind of thing, its list and its history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from engine import Decider, Fact, Unknown
from engine.store import Db, Loaded
from engine.tables import physical
from fastapi import Depends, Query
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from service.exchange import Exchange
from service.moments import NOW, Moment
from service.paging import LIMIT, After, Collection, Limit, Listing, Page, Window, listing
from service.partners import COLUMN, Narrowed, narrowed, owner_of
from service.problems import Invalid

S = TypeVar("S")
T = TypeVar("T", bound=BaseModel)


class Reading:
    """The service's own views by SQL ($1, $2 ...), and its aggregates; for a partner's own people, what is theirs."""

    def __init__(self, exchange: Exchange, own: Narrowed | None = None) -> None:
        self._exchange = exchange
        self._engine = exchange.engine
        self._own = own

    def _seen(self, query: str, args: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
        return (query, args) if self._own is None else self._own(query, args)

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        query, args = self._seen(query, args)
        async with self._engine.acquire() as db:
            rows: list[Any] = await db.fetch(query, *args)
            return rows

    async def fetchrow(self, query: str, *args: Any) -> Any:
        query, args = self._seen(query, args)
        async with self._engine.acquire() as db:
            return await db.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        query, args = self._seen(query, args)
        async with self._engine.acquire() as db:
            return await db.fetchval(query, *args)

    async def load(
        self,
        decider: Decider[Any, S, Any],
        id: UUID,
        *,
        version: int | None = None,
        at: Moment = NOW,
    ) -> Loaded[S]:
        """The aggregate now, at a version, or as of a moment; version 0 means that it does not exist."""
        loaded = await self._engine.load(
            decider, id, version=version, recorded_by=at.as_of, occurred_by=at.effective_at
        )
        if self._own is None or owner_of(decider, loaded.state) == self._own.partner_id:
            return loaded
        return Loaded(decider.initial(), 0)

    async def state(self, decider: Decider[Any, S, Any], id: UUID, at: Moment = NOW, **named: Any) -> Loaded[S]:
        """What a response shows of one aggregate, whose version is its ETag. Raises Unknown, with `named`."""
        loaded = await self.load(decider, id, at=at)
        if loaded.version == 0:
            raise Unknown(f"{self._exchange.service}.{decider.category}_unknown", **named)
        self._answers(loaded.version, at)
        return loaded

    async def one(self, things: Collection[T], at: Moment = NOW, *, of: UUID | None = None, **key: Any) -> T:
        """As `find`. Raises Unknown."""
        found = await self.find(things, at, of=of, **key)
        if found is None:
            code = things.unknown or f"{self._exchange.service}.{things.decider.category}_unknown"
            # `code` is a member of every problem already.
            raise Unknown(code, **{things.decider.category if k == "code" else k: v for k, v in key.items()})
        return found

    async def find(self, things: Collection[T], at: Moment = NOW, *, of: UUID | None = None, **key: Any) -> T | None:
        """What a response shows of one thing: the row of this key. `of` is its aggregate where the key is not its id;
        the aggregate's version is the ETag."""
        id = next(iter(key.values())) if of is None else of
        row = await self._now(things, id, key)
        if row is not None and at is not NOW:
            row = await self._then(things, id, key, at)
            if (
                self._own is not None
                and row is not None
                and row.get(COLUMN, self._own.partner_id) != self._own.partner_id
            ):
                row = None  # it was not theirs to see by then
        if row is None:
            return None
        self._answers(row.pop("stream_version"), at)
        return things.show(row)

    async def all(
        self, things: Collection[T], at: Moment = NOW, *, of: UUID, sort: str | None = None, **key: Any
    ) -> list[T]:
        """Of the things that are part of the aggregate `of` those with these values."""
        where = f"where {_equal(key)} order by {things.order(sort)}"
        if at is NOW:
            rows = await self.fetch(f"select * from ({things.rows()}) as t {where}", *key.values())
        else:
            async with self._replayed(things, of, at) as (db, replayed, _):
                rows = await db.fetch(f"select * from ({replayed}) as t {where}", *key.values())
            if self._own is not None:
                rows = [row for row in rows if row.get(COLUMN) == self._own.partner_id]
        return [things.show(dict(row)) for row in rows]

    async def _now(self, things: Collection[Any], id: UUID, key: Mapping[str, Any]) -> dict[str, Any] | None:
        query, args = self._seen(f"select * from ({things.rows()}) as t where {_equal(key)}", tuple(key.values()))
        version = f"(select version from stream where id = ${len(args) + 1}) as stream_version"
        async with self._engine.acquire() as db:
            row = await db.fetchrow(f"select *, {version} from ({query}) as t", *args, things.decider.stream(id))
        return None if row is None else dict(row)

    async def _then(
        self, things: Collection[Any], id: UUID, key: Mapping[str, Any], at: Moment
    ) -> dict[str, Any] | None:
        async with self._replayed(things, id, at) as (db, rows, version):
            row = await db.fetchrow(f"select * from ({rows}) as t where {_equal(key)}", *key.values())
        return None if row is None else {**row, "stream_version": version}

    @asynccontextmanager
    async def _replayed(self, things: Collection[Any], id: UUID, at: Moment) -> AsyncIterator[tuple[Db, str, int]]:
        replayed = self._engine.replayed(
            things.view, things.decider, id, recorded_by=at.as_of, occurred_by=at.effective_at
        )
        async with replayed as (db, version):
            yield db, things.rows(lambda table: physical(table, 0)), version

    def _answers(self, version: int, at: Moment) -> None:
        # By occurred_at events may be missing in between: that is no version that anybody could have acted on.
        if at.effective_at is None:
            self._exchange.version = version


def _equal(key: Mapping[str, Any]) -> str:
    return " and ".join(f"{column} = ${n}" for n, column in enumerate(key, 1))


def reading(request: Request) -> Reading:
    return Reading(request.scope["cauce.exchange"], narrowed(request))


def clock(request: Request) -> datetime:
    """The service's own, which a test can move."""
    now: datetime = request.scope["cauce.exchange"].engine.clock()
    return now


Read = Annotated[Reading, Depends(reading)]
Clock = Annotated[datetime, Depends(clock)]
"""For answers that depend on the day on which they are asked for: what time it is."""


def list_of(things: Collection[T], doc: str = "") -> Callable[..., Coroutine[Any, Any, Listing[T]]]:
    """An endpoint for the list of a collection, with its filters, its sorts and a cursor."""

    async def endpoint(db: Reading, limit: int, after: str | None, **asked: Any) -> Listing[T]:
        sort = asked.pop("sort", None)
        query, args = things.query(asked, sort=sort, after=after, limit=limit)
        return things.page(await db.fetch(query, *args), sort=sort, limit=limit)

    name = things.name or things.view.tables[0].name
    endpoint.__name__ = f"list_{name}"
    endpoint.__doc__ = doc or f"The {name.replace('_', ' ')}, a page at a time."
    endpoint.__signature__ = Signature(  # type: ignore[attr-defined]
        _parameters(things),
        return_annotation=Listing[things.item],  # type: ignore[name-defined]
    )
    return endpoint


def _parameters(things: Collection[Any]) -> list[Parameter]:
    made = [Parameter("db", Parameter.KEYWORD_ONLY, annotation=Read)]
    for each in things.conditions.values():
        told = Query(description=each.description or f"Only those of this `{each.name}`.")
        made.append(_optional(each.name, each.kind, told))
    if things.sorts:
        ways = tuple(way for column in things.sorts for way in (column, f"-{column}"))
        told = Query(description="By which they are sorted; with `-` from the other end, by key without.")
        made.append(_optional("sort", Literal[ways], told))
    made.append(Parameter("limit", Parameter.KEYWORD_ONLY, annotation=Limit, default=LIMIT))
    made.append(Parameter("after", Parameter.KEYWORD_ONLY, annotation=After, default=None))
    return made


def _optional(name: str, kind: Any, told: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=Annotated[kind | None, told], default=None)


class Happening(BaseModel):
    """An event as it was recorded: what, when (in the business and in the log), by whom and because of what."""

    version: int
    type: str
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    actor: str
    client: str | None = Field(default=None, description="The program by which a caller did it.")
    on_behalf_of: str | None = Field(default=None, description="Whose rights were used, where these were another's.")
    event_id: UUID
    position: int
    correlation_id: UUID
    causation_id: UUID | None = Field(description="The event that led to it; null where a caller did.")
    traceparent: str | None = Field(default=None, description="The span in which it came about (W3C Trace Context).")
    data: dict[str, Any]


def happening(fact: Fact[Any]) -> Happening:
    return Happening(
        version=fact.version,
        type=fact.event.event_type,
        occurred_at=fact.occurred_at,
        recorded_at=fact.recorded_at,
        actor=fact.actor,
        client=fact.client,
        on_behalf_of=fact.on_behalf_of,
        event_id=fact.event_id,
        position=fact.position,
        correlation_id=fact.correlation_id,
        causation_id=fact.causation_id,
        traceparent=fact.traceparent,
        data=fact.event.model_dump(mode="json"),
    )


def history_of(
    decider: Decider[Any, Any, Any],
    named: str | tuple[str, ...] = "id",
    id_of: Callable[..., UUID] | None = None,
    noun: str | None = None,
) -> Callable[..., Coroutine[Any, Any, Listing[Happening]]]:
    """An endpoint for `/{id}/history`: the aggregate's events in order, with both clocks and causation. Where the path
    has something else than its id, `named` is what and `id_of` makes the id of it. `noun` is what it is called, if not
    as the decider's category is."""
    names = (named,) if isinstance(named, str) else named
    called = noun or decider.category

    async def endpoint(request: Request, page: Window, **path: Any) -> Listing[Happening]:
        key = [path[name] for name in names]
        id = key[0] if id_of is None else id_of(*key)
        after = _version(page.after)
        state = request.app.state
        facts = await state.engine.history(decider, id, after=after, limit=page.limit + 1)
        if not facts and not after:
            # `code` is a member of every problem already.
            raise Unknown(f"{state.service}.{called}_unknown", **{called if n == "code" else n: path[n] for n in names})
        rows = [dict(happening(fact)) for fact in facts]
        return listing(rows, page, key=lambda row: str(row["version"]), item=Happening)

    kinds = [UUID] if id_of is None else [p.annotation for p in signature(id_of, eval_str=True).parameters.values()]
    endpoint.__name__ = f"{called}_history"
    endpoint.__doc__ = f"What happened to the {called.replace('_', ' ')}, in order, with both clocks and causation."
    endpoint.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            *(Parameter(n, Parameter.KEYWORD_ONLY, annotation=k) for n, k in zip(names, kinds, strict=True)),
            Parameter("request", Parameter.KEYWORD_ONLY, annotation=Request),
            Parameter("page", Parameter.KEYWORD_ONLY, annotation=Page),
        ],
        return_annotation=Listing[Happening],
    )
    endpoint.cauce_path = "/".join(f"{{{name}}}" for name in names)  # type: ignore[attr-defined]
    endpoint.cauce_refusals = {f"{{service}}.{called}_unknown": 404}  # type: ignore[attr-defined]
    return endpoint


def _version(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise Invalid("after", "cursor", "is not a `next` that this list handed out")
    return int(after)
