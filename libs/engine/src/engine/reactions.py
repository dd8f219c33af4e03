"""What a service does when others speak: policies, process managers and their effects, all plain values."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from engine.decider import Command, Decider
from engine.facts import Fact

S = TypeVar("S")


class Rows(Protocol):
    """What a `gather` may do with the service's database: read. SQL with $1, $2 ...; rows are read by column name."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...


@dataclass(frozen=True)
class Send:
    """A command for one of the service's own aggregates. Its business time is the fact's unless it says otherwise."""

    decider: Decider[Any, Any, Any]
    id: UUID
    command: Command


@dataclass(frozen=True)
class SetTimer:
    """At `at` (business time) do `send`, or, in a process manager, wake `due` with this key. One timer a key: setting
    it again moves it."""

    key: str
    at: datetime
    send: Send | None = None


@dataclass(frozen=True)
class CancelTimer:
    key: str


@dataclass(frozen=True)
class Become(Generic[S]):
    """The process manager's next state."""

    state: S


Reaction = Send | SetTimer | CancelTimer
Step = Reaction | Become[Any]


@dataclass(frozen=True)
class Policy:
    """Stateless: `react(fact)` yields reactions.

    `source` is the service whose facts it hears; its own service's name means its own log, private events included.
    Where a decision needs data, `gather(db, fact)` fetches it from the service's own views in the same transaction
    and `react(fact, gathered)` stays pure. Facts come in batches, and a batch's commands are handled together behind
    its last fact: `gather` does not see what the facts before led to. What must hold is judged by `decide`.

    Facts recorded before `since` are passed over: a new policy does not command over twenty years of history.
    """

    name: str
    source: str
    react: Callable[..., Iterable[Reaction]]
    gather: Callable[[Rows, Fact[Any]], Awaitable[Any]] | None = None
    since: datetime | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Process(Generic[S]):
    """A process manager: a policy with a state for each key, and timers.

    `key(fact)` says which instance a fact belongs to (None: none of them); `react(state, fact)` and
    `due(state, timer_key, at)` yield reactions and at most one `Become(state)`. State, timers and outgoing commands
    are kept in one transaction.
    """

    name: str
    sources: tuple[str, ...]
    key: Callable[[Fact[Any]], str | None]
    initial: Callable[[], S]
    react: Callable[[S, Fact[Any]], Iterable[Step]]
    due: Callable[[S, str, datetime], Iterable[Step]] | None = None
    since: datetime | None = field(default=None, kw_only=True)
