"""What routes that do something ask for: to have commands handled, and an id for a new thing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4, uuid5

from engine import Command, Context, Decider, Receipt, Rejected, Send
from engine.tracing import current
from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request

from service.access import ScopeMissing
from service.exchange import Exchange
from service.partners import Closed, NothingThere, handles_own
from service.problems import Invalid, ProblemError
from service.reading import clock, reading

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
        who = self.principal
        traceparent, tracestate = current()
        self.context = Context(
            who.subject,
            exchange.correlation_id,
            client=who.client,
            on_behalf_of=who.on_behalf_of,
            traceparent=traceparent,
            tracestate=tracestate,
        )
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

    async def __call__(
        self, decider: Decider[Any, Any, Any], id: UUID, command: Command, *, also: Iterable[Send] = ()
    ) -> Receipt:
        """`also` are the service's own commands that have to be possible with the caller's: all or none is done."""
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
            also=tuple(also),
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


def acting(request: Request) -> tuple[str, ...]:
    """Everybody who stands behind the request: who acts, and on whose behalf."""
    context = Caller(request.scope["cauce.exchange"]).context
    return tuple(name for name in (context.actor, context.on_behalf_of) if name is not None)


def of_a_partner(request: Request) -> bool:
    return Caller(request.scope["cauce.exchange"]).principal.partner_id is not None


def acting_as(request: Request) -> tuple[str, ...]:
    """The roles of whoever acts, in order."""
    return tuple(sorted(Caller(request.scope["cauce.exchange"]).principal.roles))


Handle = Annotated[Handling, Depends(handling)]
HandleSeen = Annotated[Handling, Depends(handling_seen)]
HandlePut = Annotated[Handling, Depends(handling_put)]
HandleMany = Annotated[HandlingMany, Depends(handling_many)]
NewId = Annotated[UUID, Depends(new_id)]
By = Annotated[tuple[str, ...], Depends(acting)]
"""For decisions that need two persons: who takes this one."""
Theirs = Annotated[bool, Depends(of_a_partner)]
"""Whether one of a partner's own people calls, for what only they may do."""
InRoles = Annotated[tuple[str, ...], Depends(acting_as)]
"""For decisions that need a role: those of who takes this one, by the token."""

PROVIDERS: frozenset[Callable[..., Any]] = frozenset(
    {handling, handling_seen, handling_put, handling_many, new_id, acting, of_a_partner, acting_as, reading, clock}
)
"""Called by the kit's own routes with the request: as FastAPI dependencies each would cost a tenth
of a whole request."""
