"""A partner's outlets: planned, made ready by their checklist, opened, changed, closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Proposal, Rejected, seconds
from events import Event
from events.days import TimeZone
from events.partner import OutletChanged, OutletClosed, OutletOpened
from pydantic import Field

from partner.domain.checklist import OPENING_CHECKLIST, ChecklistTerms, Item, Outlet
from partner.domain.standing import Partner, refuse_out, refuse_suspended, refuse_unsigned, with_outlet
from partner.domain.words import Area, Code, Reason, Text

# -- events that stay in the house


class OutletPlanned(Event, type="cauce.partner.OutletPlanned.v1"):
    """The partner is to have one more outlet."""

    partner_id: UUID
    outlet_id: UUID
    name: str
    area: str


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


class OutletReferenceLinked(Event, type="cauce.partner.OutletReferenceLinked.v1"):
    """Another system calls the outlet so from now on; what it called it before is `replaces`."""

    partner_id: UUID
    outlet_id: UUID
    system: str
    key: str
    replaces: str | None


OutletEvent: TypeAlias = (
    OutletPlanned
    | ChecklistDrawnUp
    | ChecklistItemCompleted
    | ChecklistItemDated
    | ChecklistWaiverProposed
    | ChecklistItemWaived
    | OutletOpened
    | OutletChanged
    | OutletClosed
    | OutletReferenceLinked
)


# -- commands

WHICH = "The one that the partner applied with, if absent."
Which = Annotated[UUID | None, Field(description=WHICH)]


class PlanOutlet(Command):
    """With the checklist of the partner's kind as it is now; None: what came with the software."""

    outlet_id: UUID
    name: Text
    area: Area
    checklist: ChecklistTerms | None = None


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


class OpenOutlet(Command):
    """The day of the opening is the one on the clocks of `time_zone`."""

    time_zone: TimeZone = "UTC"
    outlet_id: Which = None


class ChangeOutlet(Command):
    """It is called so, and is there, from now on."""

    name: Text
    area: Area
    outlet_id: Which = None


class CloseOutlet(Command):
    """The last day is the one on the clocks of `time_zone`."""

    reason: Reason
    time_zone: TimeZone = "UTC"
    outlet_id: Which = None


class LinkOutletReference(Command):
    """One system has one name for an outlet."""

    outlet_id: UUID
    system: Code
    key: Text


OutletCommand: TypeAlias = (
    PlanOutlet
    | CompleteChecklistItem
    | DateChecklistItem
    | WaiveChecklistItem
    | OpenOutlet
    | ChangeOutlet
    | CloseOutlet
    | LinkOutletReference
)


# -- decide


def plan(partner: Partner, id: UUID, command: PlanOutlet) -> list[OutletEvent]:
    known = partner.outlets.get(command.outlet_id)
    if known is not None and (known.name, known.area) == (command.name, command.area):
        return []
    if known is not None:
        raise Rejected("partner.outlet_already_planned", outlet_id=command.outlet_id)
    refuse_out(partner)
    refuse_unsigned(partner)
    here = {"partner_id": id, "outlet_id": command.outlet_id}
    return [
        OutletPlanned(**here, name=command.name, area=command.area),
        drawn_up(id, command.outlet_id, command.checklist),
    ]


def drawn_up(id: UUID, outlet_id: UUID, checklist: ChecklistTerms | None) -> ChecklistDrawnUp:
    items = OPENING_CHECKLIST if checklist is None else checklist.as_items()
    version = 0 if checklist is None else checklist.version
    return ChecklistDrawnUp(partner_id=id, outlet_id=outlet_id, items=items, version=version)


def complete_item(partner: Partner, id: UUID, command: CompleteChecklistItem) -> list[OutletEvent]:
    outlet = partner.outlet(command.outlet_id)
    item = outlet.item(command.item)
    if item.code in outlet.done:
        return []
    refuse_out(partner)
    return [ChecklistItemCompleted(partner_id=id, outlet_id=outlet.outlet_id, item=item.code)]


def date_item(partner: Partner, id: UUID, command: DateChecklistItem, today: date) -> list[OutletEvent]:
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


def waive_item(partner: Partner, id: UUID, command: WaiveChecklistItem) -> list[OutletEvent]:
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


def open_outlet(partner: Partner, id: UUID, command: OpenOutlet, today: date) -> list[OutletEvent]:
    outlet = partner.outlet(command.outlet_id)
    if outlet.opened_on is not None and outlet.closed_on is None:
        return []
    refuse_out(partner)
    refuse_closed(outlet)
    refuse_unsigned(partner)
    refuse_suspended(partner)
    if critical := outlet.open_items("critical"):
        raise Rejected("partner.critical_items_open", items=critical)
    if undated := outlet.undated(today):
        raise Rejected("partner.mandatory_items_open", items=undated)
    opened = OutletOpened(
        partner_id=id, outlet_id=outlet.outlet_id, name=outlet.name, area=outlet.area, opened_on=today
    )
    return [opened]


def change_outlet(partner: Partner, id: UUID, command: ChangeOutlet) -> list[OutletEvent]:
    outlet = partner.outlet(command.outlet_id)
    if (outlet.name, outlet.area) == (command.name, command.area):
        return []
    return [OutletChanged(partner_id=id, outlet_id=outlet.outlet_id, name=command.name, area=command.area)]


def close_outlet(partner: Partner, id: UUID, command: CloseOutlet, today: date) -> list[OutletEvent]:
    outlet = partner.outlet(command.outlet_id)
    if outlet.closed_on is not None:
        return []
    if outlet.opened_on is None:
        raise Rejected("partner.outlet_not_open", outlet_id=outlet.outlet_id)
    closed = OutletClosed(
        partner_id=id, outlet_id=outlet.outlet_id, closed_on=max(today, outlet.opened_on), reason=command.reason
    )
    return [closed]


def refuse_closed(outlet: Outlet) -> None:
    if outlet.closed_on is not None:
        raise Rejected("partner.outlet_closed", outlet_id=outlet.outlet_id, closed_on=outlet.closed_on)


def link(partner: Partner, id: UUID, command: LinkOutletReference) -> list[OutletEvent]:
    outlet = partner.outlet(command.outlet_id)
    before = outlet.references.get(command.system)
    if before == command.key:
        return []
    linked = OutletReferenceLinked(
        partner_id=id, outlet_id=outlet.outlet_id, system=command.system, key=command.key, replaces=before
    )
    return [linked]


# -- evolve


def evolve(partner: Partner, event: OutletEvent) -> Partner:
    id = event.outlet_id
    match event:
        case OutletPlanned(name=name, area=area):
            return replace(partner, outlets={**partner.outlets, id: Outlet(id, name, area)})
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
        case OutletOpened(opened_on=day):
            return with_outlet(partner, id, opened_on=day)
        case OutletChanged(name=name, area=area):
            return with_outlet(partner, id, name=name, area=area)
        case OutletClosed(closed_on=day):
            return with_outlet(partner, id, closed_on=day)
        case OutletReferenceLinked(system=system, key=key):
            return with_outlet(partner, id, references={**partner.outlets[id].references, system: key})
