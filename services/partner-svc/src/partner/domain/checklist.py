"""An opening checklist: what has to be in place before an outlet opens and before its partner trades, by the partner's
kind, in versions. An outlet keeps the list that was drawn up for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Proposal, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, content_of, drafted, next_version, publishable
from events import Event
from events.partner import PartnerKind
from pydantic import Field

from partner.domain.words import Code, Text, Value, twice

Severity = Literal["critical", "mandatory", "optional"]
CHECKLISTS = UUID("0e64c2b1-7f53-4d36-93cf-2e8d9b5a1c70")
"""The namespace of checklist ids."""


def checklist_id(kind: PartnerKind) -> UUID:
    return uuid5(CHECKLISTS, kind)


@dataclass(frozen=True)
class Item:
    """The outlet does not open while a critical item is open, nor while a mandatory one has neither a day by which it
    will be done nor a waiver; and the partner does not trade while a mandatory one is open and not waived."""

    code: str
    title: str
    severity: Severity


OPENING_CHECKLIST = (
    Item("premises_approved", "The premises are fitted out, licensed and approved", "critical"),
    Item("opening_stock_delivered", "The opening stock is delivered", "mandatory"),
    Item("opening_event_held", "An opening event is held", "optional"),
)
"""What comes with this software: version 0, until somebody publishes another list."""


# -- an outlet and its list


@dataclass(frozen=True)
class Outlet:
    """`done` are codes of items, `due` the days by which others will be, `waived` the reasons for doing without.
    `opened_on` is None until it opens, `closed_on` until it closes."""

    outlet_id: UUID
    name: str
    area: str
    items: tuple[Item, ...] = ()
    done: frozenset[str] = frozenset()
    due: Mapping[str, date] = field(default_factory=dict)
    waived: Mapping[str, str] = field(default_factory=dict)
    waivers: Mapping[str, Proposal] = field(default_factory=dict)
    opened_on: date | None = None
    closed_on: date | None = None
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def trades(self) -> bool:
        return self.opened_on is not None and self.closed_on is None

    def open_items(self, *severities: Severity) -> list[str]:
        return [
            item.code
            for item in self.items
            if item.severity in severities and item.code not in self.done and item.code not in self.waived
        ]

    def lacking(self) -> list[str]:
        """What keeps its partner from trading."""
        return self.open_items("critical", "mandatory")

    def undated(self, day: date) -> list[str]:
        """Mandatory items of which nobody says by which day, from this one on, they will be done."""
        return [code for code in self.open_items("mandatory") if code not in self.due or self.due[code] < day]

    def item(self, code: str) -> Item:
        """Raises `partner.checklist_item_unknown`."""
        for item in self.items:
            if item.code == code:
                return item
        raise Unknown("partner.checklist_item_unknown", item=code, items=[item.code for item in self.items])


# -- the list in versions


class ItemContent(Value):
    code: Code
    title: Text
    severity: Severity


ITEMS = [{"code": "premises_approved", "title": "The premises are approved", "severity": "critical"}]
"""An example."""


class ChecklistContent(Value):
    items: Annotated[tuple[ItemContent, ...], Field(min_length=1, max_length=100, examples=[ITEMS])]


class ChecklistTerms(ChecklistContent):
    """A version, from 1, as outlets of the kind's partners get it."""

    kind: PartnerKind
    version: int

    def as_items(self) -> tuple[Item, ...]:
        return tuple(Item(each.code, each.title, each.severity) for each in self.items)


class OpeningChecklistDrafted(Event, type="cauce.partner.OpeningChecklistDrafted.v1"):
    """What the next version is to be; no outlet gets it yet."""

    kind: PartnerKind
    content: ChecklistContent


class OpeningChecklistPublished(Event, type="cauce.partner.OpeningChecklistPublished.v1"):
    """Outlets that are planned from now on get this list."""

    terms: ChecklistTerms


class OpeningChecklistDraftDiscarded(Event, type="cauce.partner.OpeningChecklistDraftDiscarded.v1"):
    """The draft is not to be published."""

    kind: PartnerKind


ChecklistEvent = OpeningChecklistDrafted | OpeningChecklistPublished | OpeningChecklistDraftDiscarded


class DraftChecklist(Command):
    kind: PartnerKind
    content: ChecklistContent


ChecklistCommand = DraftChecklist | Publish | DiscardDraft


@dataclass(frozen=True)
class OpeningChecklist:
    """`kind` is None until somebody drafts; `terms` until a version is published."""

    kind: PartnerKind | None = None
    draft: ChecklistContent | None = None
    terms: ChecklistTerms | None = None

    def drafted(self) -> ChecklistTerms:
        """The version that publishing the draft would make. Raises `partner.nothing_drafted`."""
        return next_version(ChecklistTerms, drafted(self.draft, "partner"), self.terms, kind=self.kind)


def decide(command: ChecklistCommand, checklist: OpeningChecklist, now: datetime) -> list[ChecklistEvent]:
    if isinstance(command, DraftChecklist):
        if repeated := twice(item.code for item in command.content.items):
            raise Rejected("partner.checklist_item_twice", items=repeated)
        if checklist.draft == command.content:
            return []
        return [OpeningChecklistDrafted(kind=command.kind, content=command.content)]
    if checklist.kind is None:
        raise Unknown("partner.opening_checklist_unknown")
    match command:
        case Publish():
            publishable(checklist.draft, content_of(checklist.terms, ChecklistContent), "partner")
            return [OpeningChecklistPublished(terms=checklist.drafted())]
        case DiscardDraft():
            return [] if checklist.draft is None else [OpeningChecklistDraftDiscarded(kind=checklist.kind)]
        case _:
            assert_never(command)


def evolve(checklist: OpeningChecklist, event: ChecklistEvent) -> OpeningChecklist:
    match event:
        case OpeningChecklistDrafted(kind=kind, content=content):
            return replace(checklist, kind=kind, draft=content)
        case OpeningChecklistPublished(terms=terms):
            return OpeningChecklist(terms.kind, terms=terms)
        case OpeningChecklistDraftDiscarded():
            return replace(checklist, draft=None)
        case _:
            assert_never(event)


opening_checklists = Decider("opening_checklist", decide, evolve, initial=OpeningChecklist, events=ChecklistEvent)
