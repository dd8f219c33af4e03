"""The pure core of an aggregate: decide and evolve, and how a rule says no."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, reduce
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_type_hints
from uuid import UUID

import orjson
from events import Event
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

C = TypeVar("C", bound="Command")
S = TypeVar("S")
E = TypeVar("E", bound=Event)


class Command(BaseModel):
    """What somebody wants to happen, in the imperative. It is also the HTTP body: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    occurred_at: AwareDatetime | None = Field(
        default=None,
        description="When it happened in the business; now if absent. The past needs the service's backfill scope.",
    )


class Rejected(Exception):
    """A rule refused a command. `code` is stable and namespaced by service; details are for the caller's eyes.

    Two refusals are equal when code and details are, so that a test can compare them as data.
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rejected) and (self.code, self.details) == (other.code, other.details)

    def __hash__(self) -> int:
        return hash(self.code)

    def __str__(self) -> str:
        details = ", ".join(f"{name}={value}" for name, value in self.details.items())
        return f"{self.code} ({details})" if details else self.code


class Unknown(Rejected):
    """The thing that the command speaks of does not exist (HTTP: 404 rather than 409)."""


@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """One kind of aggregate.

    `category` names its streams (`<category>-<uuid>`); `events` is the union of the events that it may emit and
    `decide(command, state, now)` must be pure: the business time and new ids come in as values. A snapshot of the
    state is kept every `snapshot_every` events. `owner(state)` is the id of whom the aggregate belongs to, for services
    that show their own things to outsiders; without it, it belongs to nobody.
    """

    category: str
    decide: Callable[[C, S, datetime], list[E]]
    evolve: Callable[[S, E], S]
    initial: Callable[[], S]
    events: UnionType | type[E]
    snapshot_every: int = field(default=20, kw_only=True)
    owner: Callable[[S], UUID | None] | None = field(default=None, kw_only=True)

    def stream(self, id: UUID) -> str:
        return f"{self.category}-{id}"

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        return reduce(self.evolve, events, self.initial() if state is None else state)

    @cached_property
    def event_types(self) -> tuple[type[E], ...]:
        return get_args(self.events) or (self.events,)

    @cached_property
    def command_types(self) -> Mapping[str, type[Command]]:
        """The commands by class name, from the annotation of `decide`'s first parameter: timers store commands."""
        first = next(iter(inspect.signature(self.decide).parameters))
        hint = get_type_hints(self.decide)[first]
        return {cls.__name__: cls for cls in (get_args(hint) or (hint,))}

    @cached_property
    def codec(self) -> Codec:
        return Codec(self.event_types)

    @cached_property
    def state_adapter(self) -> TypeAdapter[S]:
        """Serialises snapshots."""
        return TypeAdapter(type(self.initial()))

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the code that makes the state may have changed: the sources of the domain package that
        `evolve` lives in, of the state, the events and their upcasts, and the schemas of the events. A snapshot of
        another fingerprint is not used."""
        digest = hashlib.sha256()
        package = self.evolve.__module__.rpartition(".")[0] or self.evolve.__module__
        names = {n for n in sys.modules if n == self.evolve.__module__ or n.startswith(package + ".")}
        names.add(type(self.initial()).__module__)
        for event in self.event_types:
            names |= {event.__module__, *(upcast.__module__ for upcast in event.upcasts.values())}
        for name in sorted(names):
            try:
                digest.update(inspect.getsource(sys.modules[name]).encode())
            except (OSError, TypeError):  # an empty or built-in module has no source
                digest.update(name.encode())
        for event in self.event_types:
            digest.update(repr(event.model_json_schema()).encode())
        return digest.hexdigest()[:16]


class Codec:
    """From stored type name and JSON to today's event, through upcasts. Raises ValueError where two events claim one
    stored type."""

    def __init__(self, types: Iterable[type[Event]]) -> None:
        distinct = set(types)
        claimed = Counter(name for cls in distinct for name in (cls.event_type, *cls.upcasts))
        if twice := [name for name, times in claimed.items() if times > 1]:
            raise ValueError(f"more than one event reads what is stored as {', '.join(sorted(twice))}")
        self._types: Mapping[str, type[Event]] = {cls.event_type: cls for cls in distinct}
        self._upcasts = {old: (cls, upcast) for cls in distinct for old, upcast in cls.upcasts.items()}
        self.writes = frozenset(self._types)
        self.reads = self.writes | self._upcasts.keys()

    def knows(self, type: str) -> bool:
        return type in self.reads

    def decode(self, type: str, data: bytes | str) -> Event:
        """Raises `UnknownEvent` for a type that is neither current nor upcast."""
        cls = self._types.get(type)
        if cls is not None:
            return cls.model_validate_json(data)
        if type in self._upcasts:
            cls, upcast = self._upcasts[type]
            return cls.model_validate(upcast(orjson.loads(data)))
        raise UnknownEvent(type)


class UnknownEvent(LookupError):
    """A stored event whose type this code does not know."""
