"""The registers of principals (the companies whose channel it is), of their brands and of their channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.days import TimeZone
from pydantic import Field

from partner.domain.words import Code, Country, Currency, Reason, Text, Value

ENTRIES = UUID("f4f0b7a6-2d0e-4a84-9b7d-6c1a35e8d219")
"""The namespace of the ids of entries."""
Register = Literal["principal", "brand", "channel"]


def entry_id(register: Register, code: str) -> UUID:
    return uuid5(ENTRIES, f"{register}/{code}")


# -- what they say


class Principal(Value):
    """Its legal days and reporting periods are those on the clocks of `time_zone`."""

    of: Literal["principal"] = "principal"
    name: Text
    country: Country
    time_zone: TimeZone
    currency: Currency


class Brand(Value):
    """A brand of a principal's, by its code."""

    of: Literal["brand"] = "brand"
    name: Text
    principal: Code


class Channel(Value):
    """A way to the market of a principal's: through franchises, retail ..."""

    of: Literal["channel"] = "channel"
    name: Text
    principal: Code
    kind: Literal["franchise", "retail", "distribution", "agency", "online", "other"]


Content = Annotated[Principal | Brand | Channel, Field(discriminator="of")]


# -- events that stay in the house


class RegisterEntryKept(Event, type="cauce.partner.RegisterEntryKept.v1"):
    """A principal, brand or channel, whole, as it is from now on."""

    code: str
    content: Content


class RegisterEntryLinked(Event, type="cauce.partner.RegisterEntryLinked.v1"):
    """Another system calls it so from now on; what it called it before is `replaces`."""

    code: str
    register_name: Register
    system: str
    key: str
    replaces: str | None


class RegisterEntryRetired(Event, type="cauce.partner.RegisterEntryRetired.v1"):
    """Nothing new is to be of it; what is stays."""

    code: str
    register_name: Register
    reason: str


EntryEvent = RegisterEntryKept | RegisterEntryLinked | RegisterEntryRetired


# -- commands


class KeepEntry(Command):
    code: Code
    content: Content


class LinkEntry(Command):
    system: Code
    key: Text


class RetireEntry(Command):
    reason: Reason


EntryCommand = KeepEntry | LinkEntry | RetireEntry


# -- state


@dataclass(frozen=True)
class Entry:
    """`content` is None until somebody keeps it; `references` by system."""

    code: str = ""
    content: Principal | Brand | Channel | None = None
    references: Mapping[str, str] = field(default_factory=dict)
    retired_because: str | None = None


# -- decide and evolve


def keep(entry: Entry, command: KeepEntry) -> list[EntryEvent]:
    if entry.content == command.content:
        return []
    _refuse_retired(entry)
    return [RegisterEntryKept(code=command.code, content=command.content)]


def decide(command: EntryCommand, entry: Entry, now: datetime) -> list[EntryEvent]:
    if isinstance(command, KeepEntry):
        return keep(entry, command)
    if entry.content is None:
        raise Unknown("partner.register_entry_unknown")
    register = entry.content.of
    match command:
        case LinkEntry(system=system, key=key):
            before = entry.references.get(system)
            if before == key:
                return []
            linked = RegisterEntryLinked(
                code=entry.code, register_name=register, system=system, key=key, replaces=before
            )
            return [linked]
        case RetireEntry(reason=reason):
            if entry.retired_because == reason:
                return []
            _refuse_retired(entry)
            return [RegisterEntryRetired(code=entry.code, register_name=register, reason=reason)]
        case _:
            assert_never(command)


def _refuse_retired(entry: Entry) -> None:
    if entry.retired_because is not None:
        raise Rejected("partner.register_entry_retired", entry=entry.code, reason=entry.retired_because)


def evolve(entry: Entry, event: EntryEvent) -> Entry:
    match event:
        case RegisterEntryKept(code=code, content=content):
            return replace(entry, code=code, content=content)
        case RegisterEntryLinked(system=system, key=key):
            return replace(entry, references={**entry.references, system: key})
        case RegisterEntryRetired(reason=reason):
            return replace(entry, retired_because=reason)
        case _:
            assert_never(event)


register_entries = Decider("register_entry", decide, evolve, initial=Entry, events=EntryEvent)
