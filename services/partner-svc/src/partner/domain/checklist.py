"""An outlet, and what has to be in place before it opens and before its partner trades."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal
from uuid import UUID

from engine import Command, Unknown
from events import Event

from partner.domain.words import Area, Code, Text, TimeZone

Severity = Literal["critical", "mandatory", "optional"]


@dataclass(frozen=True)
class Item:
    """The outlet does not open while a critical item is open, and the partner does not trade while a mandatory one
    is."""

    code: str
    title: str
    severity: Severity


OPENING_CHECKLIST = (
    Item("premises_approved", "The premises are fitted out, licensed and approved", "critical"),
    Item("opening_stock_delivered", "The opening stock is delivered", "mandatory"),
    Item("opening_event_held", "An opening event is held", "optional"),
)
"""What an outlet of a new partner begins with."""


# -- events that stay in the house


class ChecklistDrawnUp(Event, type="cauce.partner.ChecklistDrawnUp.v1"):
    """What has to be in place for this outlet; a later list does not change it."""

    partner_id: UUID
    outlet_id: UUID
    items: tuple[Item, ...]


class ChecklistItemCompleted(Event, type="cauce.partner.ChecklistItemCompleted.v1"):
    """An item of an outlet's checklist is in place."""

    partner_id: UUID
    outlet_id: UUID
    item: str


# -- commands


class CompleteChecklistItem(Command):
    item: Code


class OpenOutlet(Command):
    """The day of the opening is the one on the clocks of `time_zone`."""

    time_zone: TimeZone = "UTC"


class ChangeOutlet(Command):
    """It is called so, and is there, from now on."""

    name: Text
    area: Area


# -- state


@dataclass(frozen=True)
class Outlet:
    """`done` are codes of items; `opened_on` is None until it opens."""

    outlet_id: UUID
    name: str
    area: str
    items: tuple[Item, ...] = ()
    done: frozenset[str] = frozenset()
    opened_on: date | None = None

    def open_items(self, *severities: Severity) -> list[str]:
        return [item.code for item in self.items if item.severity in severities and item.code not in self.done]

    def item(self, code: str) -> Item:
        """Raises `partner.checklist_item_unknown`."""
        for item in self.items:
            if item.code == code:
                return item
        raise Unknown("partner.checklist_item_unknown", item=code, items=[item.code for item in self.items])
