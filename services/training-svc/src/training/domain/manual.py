"""A manual: drafted, previewed, published in versions to kinds of partners, who acknowledge it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from events import Event
from events.days import TimeZone, day_in
from events.partner import PartnerKind
from pydantic import BaseModel, ConfigDict, Field

from training.domain.drafts import Drafted
from training.domain.words import Code, Note, Reference, Title

MANUALS = UUID("8b0f4c2d-57a1-4d0e-9a6c-3d1f7e2b5c64")
"""The namespace of manual ids."""


def manual_id(code: str) -> UUID:
    return uuid5(MANUALS, code)


class ManualContent(BaseModel):
    """`document` says where it is, `summary` what is new. It is published to partners of these `kinds`, or to all
    where none is named, who have to acknowledge it within `acknowledge_within_days`. Days are counted in
    `time_zone`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title
    document: Reference
    summary: Note
    kinds: Annotated[tuple[PartnerKind, ...], Field(max_length=10)] = ()
    acknowledge_within_days: Annotated[int, Field(ge=1, le=365)] = 14
    time_zone: TimeZone = "UTC"


# -- events that stay in the house


class ManualDrafted(Event, type="cauce.training.ManualDrafted.v1"):
    """What the next version is to be; nobody is asked to acknowledge it yet."""

    code: str
    content: ManualContent


class ManualDraftDiscarded(Event, type="cauce.training.ManualDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class ManualPublished(Event, type="cauce.training.ManualPublished.v1"):
    """A version, from 1, by which partners work from now on."""

    code: str
    version: int
    content: ManualContent
    published_on: date


class ManualSent(Event, type="cauce.training.ManualSent.v1"):
    """Partners up to `through`, in the order of their ids, are asked to acknowledge the version; the rest is to
    follow."""

    code: str
    version: int
    through: UUID


class RequestsWithdrawn(Event, type="cauce.training.RequestsWithdrawn.v1"):
    """Of the retired manual, requests to acknowledge it up to `through`, in the order of their ids, are withdrawn; the
    rest is to follow."""

    code: str
    through: UUID


class ManualRetired(Event, type="cauce.training.ManualRetired.v1"):
    """Nobody works by it any more."""

    code: str


ManualEvent = ManualDrafted | ManualDraftDiscarded | ManualPublished | ManualSent | RequestsWithdrawn | ManualRetired


# -- commands


class DraftManual(Command):
    code: Code
    content: ManualContent


class SendManual(Command):
    """Another page of partners, up to this one, was asked."""

    version: int
    through: UUID


class WithdrawRequests(Command):
    """Another page of open requests, up to this one, was withdrawn."""

    through: UUID


ManualCommand = DraftManual | DiscardDraft | Publish | SendManual | WithdrawRequests | Retire


# -- state, decide and evolve


@dataclass(frozen=True)
class Manual:
    """`code` is None until it is drafted; `through` is how far the newest version is sent, and of a retired manual how
    far its requests are withdrawn."""

    code: str | None = None
    versions: Drafted[ManualContent] = field(default_factory=Drafted)
    through: UUID | None = None
    retired: bool = False


def draft(manual: Manual, command: DraftManual) -> list[ManualEvent]:
    if manual.retired:
        raise Rejected("training.manual_retired", manual=command.code)
    if not manual.versions.changed_by(command.content):
        return []
    return [ManualDrafted(code=command.code, content=command.content)]


def publish(manual: Manual, code: str, now: datetime) -> list[ManualEvent]:
    if manual.retired:
        raise Rejected("training.manual_retired", manual=code)
    content = manual.versions.to_publish()
    return [
        ManualPublished(
            code=code,
            version=manual.versions.version + 1,
            content=content,
            published_on=day_in(content.time_zone, now),
        )
    ]


def send(manual: Manual, code: str, command: SendManual) -> list[ManualEvent]:
    """A page of a version that is not the newest any more has no next."""
    if manual.retired or command.version != manual.versions.version:
        return []
    if manual.through is not None and command.through <= manual.through:
        return []
    return [ManualSent(code=code, version=command.version, through=command.through)]


def withdraw(manual: Manual, code: str, through: UUID) -> list[ManualEvent]:
    if not manual.retired or (manual.through is not None and through <= manual.through):
        return []
    return [RequestsWithdrawn(code=code, through=through)]


def decide(command: ManualCommand, manual: Manual, now: datetime) -> list[ManualEvent]:
    if isinstance(command, DraftManual):
        return draft(manual, command)
    code = manual.code
    if code is None:
        raise Unknown("training.manual_unknown")
    match command:
        case DiscardDraft():
            return [] if manual.versions.draft is None else [ManualDraftDiscarded(code=code)]
        case Publish():
            return publish(manual, code, now)
        case SendManual():
            return send(manual, code, command)
        case WithdrawRequests(through=through):
            return withdraw(manual, code, through)
        case Retire():
            return [] if manual.retired else [ManualRetired(code=code)]
        case _:
            assert_never(command)


def evolve(manual: Manual, event: ManualEvent) -> Manual:
    match event:
        case ManualDrafted(code=code, content=content):
            return replace(manual, code=code, versions=replace(manual.versions, draft=content))
        case ManualDraftDiscarded():
            return replace(manual, versions=replace(manual.versions, draft=None))
        case ManualPublished(version=version, content=content):
            return replace(manual, versions=Drafted(None, content, version), through=None)
        case ManualSent(through=through) | RequestsWithdrawn(through=through):
            return replace(manual, through=through)
        case ManualRetired():
            return replace(manual, versions=replace(manual.versions, draft=None), through=None, retired=True)
        case _:
            assert_never(event)


manuals = Decider("manual", decide, evolve, initial=Manual, events=ManualEvent)
