"""Which failures pass by themselves, and which are the handler's own."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg
from aiokafka.errors import KafkaError


class Conflict(Exception):
    """The stream is at another version than the caller (or this attempt) expected."""

    def __init__(self, stream: str, *, expected: int, actual: int | None = None) -> None:
        super().__init__(f"{stream} is not at version {expected}" + ("" if actual is None else f" but at {actual}"))
        self.stream = stream
        self.expected = expected
        self.actual = actual


class ViewsChanged(Exception):
    """The set of views that appends must keep was changed by another process."""


class AlreadyHandled(Exception):
    """A command of this id was handled by a concurrent call."""

    def __init__(self, command_id: UUID | None = None) -> None:
        super().__init__(f"command {command_id} was handled already")


class InFlight(Exception):
    """A request of this key is being handled at this moment, here or in another process."""


class KeyReused(Exception):
    """A request of this key was handled before, and it was another request."""


class VersionNeeded(Exception):
    """The stream exists at `actual`, and a change of it has to say which version it changes."""

    def __init__(self, stream: str, actual: int) -> None:
        super().__init__(f"{stream} is at version {actual}, and no version was named")
        self.stream = stream
        self.actual = actual


class Fenced(Exception):
    """Another process holds the lease or the partition now; this one must let go of it."""


class EventTooLarge(ValueError):
    """An event is larger than what the broker takes; it is refused before it is stored."""


class Unavailable(Exception):
    """Postgres or Kafka is away. The command was not handled, or, without a command id, may have been."""


class NotAdmitted(Exception):
    """An event of a type that not all who may come to read it can read: it is written once the type is admitted."""


class TooOld(Exception):
    """A later release writes what this one cannot read."""


class Refused(Exception):
    """The broker refused an event for good; the relay stops in front of it."""


CONFLICT, VIEWS_CHANGED, IN_FLIGHT = "CA001", "CA002", "CA003"

# SQLSTATE classes and codes that say nothing about the event in hand.
_PASSING_CLASSES = ("08", "53", "57", "58")
_PASSING_CODES = frozenset({"40001", "40P01", "55P03", "25P03", "25P04", "25006", "57014"})


def passes(error: BaseException) -> bool:
    """True for what goes away by itself: lost connections, conflicts, deadlocks, fencing, time-outs, outages, and what
    waits for another release. Such an error is retried without limit and never parks an event."""
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return True  # a migration or a view that took over changed a table: the statement is prepared anew
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return code in _PASSING_CODES or code[:2] in _PASSING_CLASSES
    if isinstance(error, asyncpg.InterfaceError):
        # A closed connection passes; arguments that do not fit the statement never will.
        return not isinstance(error, ValueError) and not str(error).startswith("the server expects")
    return isinstance(
        error,
        Conflict
        | ViewsChanged
        | AlreadyHandled
        | Fenced
        | Unavailable
        | NotAdmitted
        | TooOld
        | asyncpg.InternalClientError
        | KafkaError
        | OSError
        | asyncio.TimeoutError
        | TimeoutError,
    )


def rolled_back(error: BaseException) -> bool:
    """True where Postgres says that nothing of the transaction has happened: a serialization failure, a deadlock, a
    lock that was not available. It may be tried again also without a command id."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in {"40001", "40P01", "55P03"}


def timed_out(error: BaseException) -> bool:
    """True where the transaction itself took too long: the next attempt should take a smaller bite."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in {"25P04", "57014"}
