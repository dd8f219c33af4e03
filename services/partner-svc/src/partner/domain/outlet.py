"""A partner's outlets: planned, opened once they are ready, changed, closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.days import TimeZone
from events.partner import OutletChanged, OutletClosed, OutletOpened

from partner.domain import readiness
from partner.domain.checklist import ChecklistTerms, Outlet
from partner.domain.readiness import ReadinessCommand, ReadinessEvent, Which, drawn_up
from partner.domain.standing import Partner, refuse_out, refuse_suspended, refuse_unsigned, with_outlet
from partner.domain.words import Area, Code, Reason, Text

# -- events that stay in the house


class OutletPlanned(Event, type="cauce.partner.OutletPlanned.v1"):
    """The partner is to have one more outlet."""

    partner_id: UUID
    outlet_id: UUID
    name: str
    area: str


class OutletReferenceLinked(Event, type="cauce.partner.OutletReferenceLinked.v1"):
    """Another system calls the outlet so from now on; what it called it before is `replaces`."""

    partner_id: UUID
    outlet_id: UUID
    system: str
    key: str
    replaces: str | None


OutletEvent: TypeAlias = (
    OutletPlanned | ReadinessEvent | OutletOpened | OutletChanged | OutletClosed | OutletReferenceLinked
)


# -- commands


class PlanOutlet(Command):
    """With the checklist of the partner's kind as it is now; None: what came with the software."""

    outlet_id: UUID
    name: Text
    area: Area
    checklist: ChecklistTerms | None = None


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


OutletCommand: TypeAlias = PlanOutlet | ReadinessCommand | OpenOutlet | ChangeOutlet | CloseOutlet | LinkOutletReference


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
    if isinstance(event, ReadinessEvent):
        return readiness.evolve(partner, event)
    id = event.outlet_id
    match event:
        case OutletPlanned(name=name, area=area):
            return replace(partner, outlets={**partner.outlets, id: Outlet(id, name, area)})
        case OutletOpened(opened_on=day):
            return with_outlet(partner, id, opened_on=day)
        case OutletChanged(name=name, area=area):
            return with_outlet(partner, id, name=name, area=area)
        case OutletClosed(closed_on=day):
            return with_outlet(partner, id, closed_on=day)
        case OutletReferenceLinked(system=system, key=key):
            return with_outlet(partner, id, references={**partner.outlets[id].references, system: key})
