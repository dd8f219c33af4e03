"""How an outlet is made ready to open: by its checklist, whose items are completed, dated or waived."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Proposal, Rejected, seconds
from events import Event
from pydantic import Field

from partner.domain.checklist import OPENING_CHECKLIST, ChecklistTerms, Item
from partner.domain.standing import Partner, refuse_out, with_outlet
from partner.domain.words import Code, Reason

# -- events that stay in the house


class ChecklistDrawnUp(Event, type="cauce.partner.ChecklistDrawnUp.v1"):
    """What has to be in place for this outlet; a later list does not change it. `version` 0 came with the software."""

    partner_id: UUID
    outlet_id: UUID
    items: tuple[Item, ...]
    version: int = 0


class ChecklistItemCompleted(Event, type="cauce.partner.ChecklistItemCompleted.v1"):
    """An item of an outlet's checklist is in place."""

    partner_id: UUID
    outlet_id: UUID
    item: str


class ChecklistItemDated(Event, type="cauce.partner.ChecklistItemDated.v1"):
    """An item will be in place by that day."""

    partner_id: UUID
    outlet_id: UUID
    item: str
    due_on: date


class ChecklistWaiverProposed(Event, type="cauce.partner.ChecklistWaiverProposed.v1"):
    """Somebody wants to do without a mandatory item. It is waived when another person wants the same."""

    partner_id: UUID
    outlet_id: UUID
    item: str
    reason: str
    by: tuple[str, ...]


class ChecklistItemWaived(Event, type="cauce.partner.ChecklistItemWaived.v1"):
    """The outlet does without a mandatory item."""

    partner_id: UUID
    outlet_id: UUID
    item: str
    reason: str


ReadinessEvent: TypeAlias = (
    ChecklistDrawnUp | ChecklistItemCompleted | ChecklistItemDated | ChecklistWaiverProposed | ChecklistItemWaived
)


# -- commands

WHICH = "The one that the partner applied with, if absent."
Which = Annotated[UUID | None, Field(description=WHICH)]


class CompleteChecklistItem(Command):
    item: Code
    outlet_id: Which = None


class DateChecklistItem(Command):
    item: Code
    due_on: date
    outlet_id: Which = None


class WaiveChecklistItem(Command):
    item: Code
    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]
    outlet_id: Which = None


ReadinessCommand: TypeAlias = CompleteChecklistItem | DateChecklistItem | WaiveChecklistItem


# -- decide


def drawn_up(id: UUID, outlet_id: UUID, checklist: ChecklistTerms | None) -> ChecklistDrawnUp:
    items = OPENING_CHECKLIST if checklist is None else checklist.as_items()
    version = 0 if checklist is None else checklist.version
    return ChecklistDrawnUp(partner_id=id, outlet_id=outlet_id, items=items, version=version)


def complete_item(partner: Partner, id: UUID, command: CompleteChecklistItem) -> list[ReadinessEvent]:
    outlet = partner.outlet(command.outlet_id)
    item = outlet.item(command.item)
    if item.code in outlet.done:
        return []
    refuse_out(partner)
    return [ChecklistItemCompleted(partner_id=id, outlet_id=outlet.outlet_id, item=item.code)]


def date_item(partner: Partner, id: UUID, command: DateChecklistItem, today: date) -> list[ReadinessEvent]:
    outlet = partner.outlet(command.outlet_id)
    item = outlet.item(command.item)
    if outlet.due.get(item.code) == command.due_on:
        return []
    refuse_out(partner)
    if item.code in outlet.done:
        raise Rejected("partner.checklist_item_done", item=item.code)
    if command.due_on < today:
        raise Rejected("partner.due_day_past", item=item.code, due_on=command.due_on)
    dated = ChecklistItemDated(partner_id=id, outlet_id=outlet.outlet_id, item=item.code, due_on=command.due_on)
    return [dated]


def waive_item(partner: Partner, id: UUID, command: WaiveChecklistItem) -> list[ReadinessEvent]:
    """It takes two persons, and nobody waives a critical item."""
    outlet = partner.outlet(command.outlet_id)
    item = outlet.item(command.item)
    if outlet.waived.get(item.code) == command.reason:
        return []
    refuse_out(partner)
    if item.severity != "mandatory":
        raise Rejected("partner.only_mandatory_items_waived", item=item.code, severity=item.severity)
    if item.code in outlet.done:
        raise Rejected("partner.checklist_item_done", item=item.code)
    wanted, here = Proposal(command.reason, command.by), {"partner_id": id, "outlet_id": outlet.outlet_id}
    if not seconds(wanted, outlet.waivers.get(item.code), "partner.second_person_needed"):
        return [ChecklistWaiverProposed(**here, item=item.code, reason=command.reason, by=command.by)]
    return [ChecklistItemWaived(**here, item=item.code, reason=command.reason)]


# -- evolve


def evolve(partner: Partner, event: ReadinessEvent) -> Partner:
    id = event.outlet_id
    match event:
        case ChecklistDrawnUp(items=items):
            return with_outlet(partner, id, items=items)
        case ChecklistItemCompleted(item=item):
            return with_outlet(partner, id, done=partner.outlets[id].done | {item})
        case ChecklistItemDated(item=item, due_on=day):
            return with_outlet(partner, id, due={**partner.outlets[id].due, item: day})
        case ChecklistWaiverProposed(item=item, reason=reason, by=by):
            return with_outlet(partner, id, waivers={**partner.outlets[id].waivers, item: Proposal(reason, by)})
        case ChecklistItemWaived(item=item, reason=reason):
            return with_outlet(partner, id, waived={**partner.outlets[id].waived, item: reason})
