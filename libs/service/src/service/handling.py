"""What routes ask for: to have a command handled, an id for a new thing, and to read the service's own views."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4, uuid5

from engine import Command, Context, Decider, Fact, Receipt, Rejected, Send, Unknown
from engine.store import Loaded, physical
from fastapi import Depends
from pydantic import AwareDatetime, BaseModel, Field
from starlette.requests import Request

from service.access import ScopeMissing
from service.exchange import Exchange
from service.moments import NOW, Moment
from service.paging import Collection, Listing, Window, listing, page
from service.partners import Closed, Narrowed, NothingThere, handles_own, narrowed, owner_of
from service.problems import Invalid, ProblemError

S = TypeVar("S")
T = TypeVar("T", bound=BaseModel)

KEYS = UUID("9a3e1f0c-6a52-4f0e-9d0a-3f1c2b7e5d41")
"""The namespace of the ids that are derived from Idempotency-Key."""
CLOCK_SKEW = timedelta(seconds=5)
KEY_LENGTH = 200


class Caller:
    """A request, as far as the handling of its commands goes."""

    __slots__ = ("_commands", "_exchange", "context", "engine", "principal", "service")

    def __init__(self, exchange: Exchange) -> None:
        if exchange.principal is None:
            raise RuntimeError("a command is handled on a route without a scope")
        self.engine = exchange.engine
        self.service = exchange.service
        self.principal = exchange.principal
        self.context = Context(self.principal.subject, exchange.correlation_id)
        self._exchange = exchange
        self._commands = 0

    def key(self) -> UUID | None:
        """Derived from the Idempotency-Key. One key means one thing for a caller at one resource: the same key
        elsewhere is another command."""
        key = self._exchange.headers.get(b"idempotency-key")
        if key is None:
            return None
        if not 0 < len(key) <= KEY_LENGTH:
            raise Invalid("Idempotency-Key", "length", f"must have 1 to {KEY_LENGTH} characters")
        where = f"{self._exchange.scope['method']} {self._exchange.scope['path']}"
        return uuid5(KEYS, "\n".join((self.service, self.principal.subject, where, key)))

    def command_id(self) -> UUID | None:
        """Of the request's next command; None without an Idempotency-Key."""
        key = self.key()
        if key is None:
            return None
        self._commands += 1
        return key if self._commands == 1 else uuid5(key, str(self._commands))

    def expected_version(self) -> int | None:
        text = self._exchange.headers.get(b"if-match")
        if text is None:
            return None
        version = text.removeprefix("W/").strip('"')
        if not (version.isascii() and version.isdigit() and len(version) < 10):
            raise Invalid("If-Match", "version", 'must be the version in quotes, like "3", as the ETag gave it')
        return int(version)

    def digest(self) -> bytes:
        return self._exchange.digest()

    def answers(self, version: int) -> None:
        self._exchange.version = version

    def refuse_the_past(self, command: Command) -> None:
        """Raises ScopeMissing for a command from the past of a caller who may not backfill."""
        at = command.occurred_at
        scope = f"{self.service}:backfill"
        if at is not None and at < self.engine.clock() - CLOCK_SKEW and scope not in self.principal.scopes:
            detail = f"occurred_at is in the past; recording the past needs the scope {scope}."
            raise ScopeMissing(scope, f"{self.service}.backfill_scope_needed", detail)

    async def refuse_anothers(self, decider: Decider[Any, Any, Any], id: UUID, command: Command) -> None:
        """Raises NothingThere for a command of a partner's own people that is about what is not theirs."""
        partner = self.principal.partner_id
        if partner is not None and not await handles_own(self.engine, decider, id, command, partner):
            raise NothingThere(self._exchange.scope["path"])

    def ahead(self, command: Command) -> bool:
        return command.occurred_at is not None and command.occurred_at > self.engine.clock() + CLOCK_SKEW


class Handling:
    """`receipt = await handle(decider, id, command)`: load, decide, append.

    If-Match and the response's ETag speak of the aggregate of the request's first command. Raises what the rules
    raise (Rejected, Unknown), Conflict, and the problems of business time.
    """

    def __init__(self, caller: Caller, *, only_creates: bool = False) -> None:
        self._caller = caller
        self._only_creates = only_creates
        self._resource: tuple[str, UUID] | None = None

    async def __call__(self, decider: Decider[Any, Any, Any], id: UUID, command: Command) -> Receipt:
        caller = self._caller
        caller.refuse_the_past(command)
        if caller.ahead(command):
            raise Invalid("occurred_at", "not_in_the_future", "is in the future")
        await caller.refuse_anothers(decider, id, command)
        first = self._resource is None
        if first:
            self._resource = (decider.category, id)
        expected = caller.expected_version() if first else None
        command_id = caller.command_id()
        receipt = await caller.engine.handle(
            Send(decider, id, command),
            caller.context,
            expected_version=expected,
            command_id=command_id,
            request=None if command_id is None else caller.digest(),
            only_creates=self._only_creates and expected is None,
        )
        if self._resource == (decider.category, id):
            caller.answers(receipt.version)
        return receipt


def handling(request: Request) -> Handling:
    return Handling(Caller(request.scope["cauce.exchange"]))


def handling_seen(request: Request) -> Handling:
    """For decisions on what a person has looked at: they say by If-Match what they have seen."""
    caller = Caller(request.scope["cauce.exchange"])
    if caller.expected_version() is None:
        detail = "This decides on what you have looked at: read it, and send its ETag as If-Match."
        raise ProblemError(428, "version_needed", detail)
    return Handling(caller)


def handling_put(request: Request) -> Handling:
    """For PUT: without If-Match it creates, or repeats what is there, and changes nothing."""
    return Handling(Caller(request.scope["cauce.exchange"]), only_creates=True)


class HandlingMany:
    """`outcomes = await handle_many([Send(...), ...])`: one transaction, an outcome for each, refusals apart.

    With an Idempotency-Key the ids of the commands count through the request, so that a repeat of a long intake
    does again only what was not done; `keyed=False` has it done as if there were none. Callers with keys of
    their own (a line of a source file) give `command_ids`.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def __call__(
        self, sends: Sequence[Send], *, command_ids: Sequence[UUID] | None = None, keyed: bool = True
    ) -> list[Receipt | Rejected]:
        caller = self._caller
        if caller.principal.partner_id is not None:
            raise Closed
        for send in sends:
            caller.refuse_the_past(send.command)
        ids = command_ids
        if ids is None and keyed and caller.key() is not None:
            ids = [id for _ in sends if (id := caller.command_id()) is not None]
        ahead = {n: self._refused(s.command) for n, s in enumerate(sends) if caller.ahead(s.command)}
        kept = [n for n in range(len(sends)) if n not in ahead]
        outcomes = await caller.engine.handle_many(
            [sends[n] for n in kept],
            caller.context,
            command_ids=None if ids is None else [ids[n] for n in kept],
            request=b"" if command_ids is None else None,
        )
        answers: dict[int, Receipt | Rejected] = {**ahead, **dict(zip(kept, outcomes, strict=True))}
        return [answers[n] for n in range(len(sends))]

    def _refused(self, command: Command) -> Rejected:
        return Rejected(f"{self._caller.service}.occurred_at_in_the_future", occurred_at=command.occurred_at)


def handling_many(request: Request) -> HandlingMany:
    return HandlingMany(Caller(request.scope["cauce.exchange"]))


def new_id(request: Request) -> UUID:
    key = Caller(request.scope["cauce.exchange"]).key()
    return uuid4() if key is None else uuid5(key, "id")


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
        """What a response shows of one thing: the row of this key. `of` is its aggregate where the key is not its id;
        the aggregate's version is the ETag. Raises Unknown."""
        id = next(iter(key.values())) if of is None else of
        row = await self._now(things, id, key)
        if row is not None and at is not NOW:
            row = await self._then(things, id, key, at)
        if row is None:
            code = things.unknown or f"{self._exchange.service}.{things.decider.category}_unknown"
            # `code` is a member of every problem already.
            raise Unknown(code, **{things.decider.category if k == "code" else k: v for k, v in key.items()})
        self._answers(row.pop("stream_version"), at)
        return things.show(row)

    async def _now(self, things: Collection[Any], id: UUID, key: Mapping[str, Any]) -> dict[str, Any] | None:
        query, args = self._seen(f"select * from ({things.rows()}) as t where {_equal(key)}", tuple(key.values()))
        version = f"(select version from stream where id = ${len(args) + 1}) as stream_version"
        async with self._engine.acquire() as db:
            row = await db.fetchrow(f"select *, {version} from ({query}) as t", *args, things.decider.stream(id))
        return None if row is None else dict(row)

    async def _then(
        self, things: Collection[Any], id: UUID, key: Mapping[str, Any], at: Moment
    ) -> dict[str, Any] | None:
        replayed = self._engine.replayed(
            things.view, things.decider, id, recorded_by=at.as_of, occurred_by=at.effective_at
        )
        rows = things.rows(lambda table: physical(table, 0))
        async with replayed as (db, version):
            row = await db.fetchrow(f"select * from ({rows}) as t where {_equal(key)}", *key.values())
        return None if row is None else {**row, "stream_version": version}

    def _answers(self, version: int, at: Moment) -> None:
        # By occurred_at events may be missing in between: that is no version that anybody could have acted on.
        if at.effective_at is None:
            self._exchange.version = version


def _equal(key: Mapping[str, Any]) -> str:
    return " and ".join(f"{column} = ${n}" for n, column in enumerate(key, 1))


def reading(request: Request) -> Reading:
    return Reading(request.scope["cauce.exchange"], narrowed(request))


Handle = Annotated[Handling, Depends(handling)]
HandleSeen = Annotated[Handling, Depends(handling_seen)]
HandlePut = Annotated[Handling, Depends(handling_put)]
HandleMany = Annotated[HandlingMany, Depends(handling_many)]
NewId = Annotated[UUID, Depends(new_id)]
Read = Annotated[Reading, Depends(reading)]

PROVIDERS: frozenset[Callable[..., Any]] = frozenset(
    {handling, handling_seen, handling_put, handling_many, new_id, reading}
)
"""Called by the kit's own routes with the request: as FastAPI dependencies each would cost a tenth
of a whole request."""


class Happening(BaseModel):
    """An event as it was recorded: what, when (in the business and in the log), by whom and because of what."""

    version: int
    type: str
    occurred_at: AwareDatetime
    recorded_at: AwareDatetime
    actor: str
    event_id: UUID
    position: int
    correlation_id: UUID
    causation_id: UUID | None = Field(description="The event that led to it; null where a caller did.")
    data: dict[str, Any]


def happening(fact: Fact[Any]) -> Happening:
    return Happening(
        version=fact.version,
        type=fact.event.event_type,
        occurred_at=fact.occurred_at,
        recorded_at=fact.recorded_at,
        actor=fact.actor,
        event_id=fact.event_id,
        position=fact.position,
        correlation_id=fact.correlation_id,
        causation_id=fact.causation_id,
        data=fact.event.model_dump(mode="json"),
    )


def history_of(decider: Decider[Any, Any, Any]) -> Callable[..., Coroutine[Any, Any, Listing[Happening]]]:
    """An endpoint for `/{id}/history`: the aggregate's events in order, with both clocks and causation."""

    async def history(id: UUID, request: Request, page: Annotated[Window, Depends(page)]) -> Listing[Happening]:
        after = _version(page.after)
        state = request.app.state
        facts = await state.engine.history(decider, id, after=after, limit=page.limit + 1)
        if not facts and not after:
            raise Unknown(f"{state.service}.{decider.category}_unknown", id=id)
        rows = [dict(happening(fact)) for fact in facts]
        return listing(rows, page, key=lambda row: str(row["version"]), item=Happening)

    noun = decider.category.replace("_", " ")
    history.__name__ = f"{decider.category}_history"
    history.__doc__ = f"What happened to the {noun}, in order, with both clocks and causation."
    history.cauce_path = "{id}"  # type: ignore[attr-defined]
    return history


def _version(after: str | None) -> int:
    if after is None:
        return 0
    if not (after.isascii() and after.isdecimal() and len(after) < 10):
        raise Invalid("after", "cursor", "is not a `next` that this list handed out")
    return int(after)
