"""An event with its place in the log and its two clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from events import Event

E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Fact(Generic[E_co]):
    """What happened, and everything the log knows about it.

    `occurred_at` is the business's clock, `recorded_at` the database's; (`incarnation`, `position`) orders the
    facts of one service; `version` counts within the stream from 1. `actor` did it, by the program `client`, with the
    rights of `on_behalf_of` where these are another's. `traceparent` and `tracestate` (W3C Trace Context) say as part
    of which trace.
    """

    event: E_co
    event_id: UUID
    stream: str
    version: int
    position: int
    incarnation: int
    occurred_at: datetime
    recorded_at: datetime
    correlation_id: UUID
    causation_id: UUID | None
    actor: str
    client: str | None = None
    on_behalf_of: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def category(self) -> str:
        return self.stream[:-37]

    @property
    def stream_id(self) -> UUID:
        return UUID(self.stream[-36:])


@dataclass(frozen=True, slots=True)
class Context:
    """By whom and because of what a command is handled; it ends up in every event's metadata. `actor` is who acts,
    `client` the program, `on_behalf_of` whose rights are used where these are another's. `traceparent` and `tracestate`
    are well-formed, or None."""

    actor: str
    correlation_id: UUID = field(default_factory=uuid4)
    causation_id: UUID | None = None
    client: str | None = None
    on_behalf_of: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Those that a caller has a say in."""
        said = (self.actor, self.client, self.on_behalf_of, self.tracestate)
        return tuple(name for name in said if name is not None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a command led to. `version` is the stream's after it; `position` is the log position of its last event,
    or None where nothing new happened (a repeat)."""

    id: UUID
    version: int
    position: int | None
    events: tuple[str, ...] = ()
