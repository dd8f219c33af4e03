"""A partner in the registry: prospective, onboarding, active, suspended for as long as there are causes, and out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events.days import day_in
from events.partner import (
    PartnerActivated,
    PartnerRegistered,
)

from partner.domain import contracts, master_data, membership, outlet, ownership, readiness, suspension
from partner.domain.checklist import ChecklistTerms, Outlet
from partner.domain.contracts import ContractCommand, ContractEvent, LapseProspect
from partner.domain.launch import (
    BringContractIntoForce,
    EndContract,
    PassTraining,
    RequireTraining,
    TakeOnContract,
)
from partner.domain.master_data import (
    ChangeDetails,
    ErasePerson,
    KeepContact,
    LinkExternalReference,
    MasterData,
    MasterDataCommand,
    MasterDataEvent,
    RemoveContact,
)
from partner.domain.membership import (
    ConsiderEvaluation,
    DecideTier,
    JoinProgramme,
    LeaveProgramme,
    MembershipCommand,
    MembershipEvent,
)
from partner.domain.outlet import (
    ChangeOutlet,
    CloseOutlet,
    LinkOutletReference,
    OpenOutlet,
    OutletCommand,
    OutletEvent,
    PlanOutlet,
)
from partner.domain.ownership import (
    ApproveTransfer,
    DropTransfer,
    OwnershipCommand,
    OwnershipEvent,
    ProposeTransfer,
)
from partner.domain.readiness import (
    CompleteChecklistItem,
    DateChecklistItem,
    WaiveChecklistItem,
)
from partner.domain.registration import Registration, outlet_id
from partner.domain.standing import Holder, Partner, Status
from partner.domain.suspension import (
    LiftSuspension,
    Suspend,
    SuspensionEvent,
)

PartnerEvent: TypeAlias = (
    PartnerRegistered
    | PartnerActivated
    | ContractEvent
    | OutletEvent
    | MasterDataEvent
    | SuspensionEvent
    | MembershipEvent
    | OwnershipEvent
)


# -- commands


class RegisterPartner(Command):
    """With the opening checklist of its kind; None: what came with the software."""

    registration: Registration
    checklist: ChecklistTerms | None = None


OfRegistered: TypeAlias = (
    ContractCommand
    | OutletCommand
    | MasterDataCommand
    | Suspend
    | LiftSuspension
    | MembershipCommand
    | OwnershipCommand
)
PartnerCommand: TypeAlias = RegisterPartner | OfRegistered


# -- decide


def register(partner: Partner, command: RegisterPartner) -> list[PartnerEvent]:
    registration = command.registration
    if partner.registration == registration:
        return []
    if partner.registration is not None:
        raise Rejected("partner.already_registered", partner_id=registration.partner_id)
    first = outlet_id(registration.partner_id)
    return [
        PartnerRegistered(
            partner_id=registration.partner_id,
            application_id=registration.application_id,
            legal_name=registration.legal_name,
            kind=registration.kind,
            area=registration.area,
            outlet_id=first,
            outlet_name=registration.outlet_name,
            external_refs=registration.external_refs,
            sole_trader=registration.sole_trader,
        ),
        readiness.drawn_up(registration.partner_id, first, command.checklist),
    ]


def decide(command: PartnerCommand, partner: Partner, now: datetime) -> list[PartnerEvent]:
    if isinstance(command, RegisterPartner):
        return register(partner, command)
    registration, holder = partner.registration, partner.holder
    if registration is None or holder is None:
        raise Unknown("partner.partner_unknown")
    id = registration.partner_id
    today = day_in("UTC", now)
    match command:
        case TakeOnContract():
            return launched(partner, id, contracts.take_on_contract(partner, id, command))
        case BringContractIntoForce(contract_id=contract_id):
            return launched(partner, id, contracts.bring_contract_into_force(partner, id, contract_id))
        case EndContract():
            return launched(partner, id, contracts.end_contract(partner, id, command))
        case RequireTraining():
            return launched(partner, id, contracts.require_training(partner, id, command))
        case PassTraining():
            return launched(partner, id, contracts.pass_training(partner, id, command))
        case LapseProspect(reason=reason):
            return launched(partner, id, contracts.lapse(partner, id, reason))
        case PlanOutlet():
            return launched(partner, id, outlet.plan(partner, id, command))
        case CompleteChecklistItem():
            return launched(partner, id, readiness.complete_item(partner, id, command))
        case DateChecklistItem():
            return launched(partner, id, readiness.date_item(partner, id, command, today))
        case WaiveChecklistItem():
            return launched(partner, id, readiness.waive_item(partner, id, command))
        case OpenOutlet(time_zone=zone):
            return launched(partner, id, outlet.open_outlet(partner, id, command, day_in(zone, now)))
        case ChangeOutlet():
            return launched(partner, id, outlet.change_outlet(partner, id, command))
        case CloseOutlet(time_zone=zone):
            return launched(partner, id, outlet.close_outlet(partner, id, command, day_in(zone, now)))
        case LinkOutletReference():
            return launched(partner, id, outlet.link(partner, id, command))
        case Suspend(cause=cause):
            return launched(partner, id, suspension.suspend(partner, id, cause))
        case LiftSuspension(cause_id=cause_id):
            return launched(partner, id, suspension.lift(partner, id, cause_id))
        case JoinProgramme():
            return launched(partner, id, membership.join(partner, id, command, today))
        case ConsiderEvaluation():
            return launched(partner, id, membership.consider(partner, id, command, today))
        case DecideTier():
            return launched(partner, id, membership.decide_tier(partner, id, command))
        case LeaveProgramme():
            return launched(partner, id, membership.leave(partner, id, command))
        case ProposeTransfer():
            return launched(partner, id, ownership.propose(partner, id, command))
        case ApproveTransfer():
            return launched(partner, id, ownership.approve(partner, id, holder, command, today))
        case DropTransfer(reason=reason):
            return launched(partner, id, ownership.drop(partner, id, reason))
        case ChangeDetails() | LinkExternalReference() | KeepContact() | RemoveContact() | ErasePerson():
            trader = holder.id if holder.sole_trader else None
            return launched(partner, id, master_data.decide(command, partner.data, id, trader=trader, out=partner.out))
        case _:
            assert_never(command)


def launched(partner: Partner, id: UUID, events: Sequence[PartnerEvent]) -> list[PartnerEvent]:
    """Whatever was missing last for the launch activates the partner."""
    after = partners.fold(events, partner)
    if events and after.status is Status.ONBOARDING and not after.missing_for_launch():
        return [*events, PartnerActivated(partner_id=id)]
    return [*events]


# -- evolve


def evolve(partner: Partner, event: PartnerEvent) -> Partner:
    """Each noun's own events are its own to evolve."""
    match event:
        case PartnerRegistered():
            return _registered(event)
        case PartnerActivated():
            return replace(partner, stage=Status.ACTIVE)
    if isinstance(event, ContractEvent):
        return contracts.evolve(partner, event)
    if isinstance(event, OutletEvent):
        return outlet.evolve(partner, event)
    if isinstance(event, SuspensionEvent):
        return suspension.evolve(partner, event)
    if isinstance(event, MembershipEvent):
        return membership.evolve(partner, event)
    if isinstance(event, MasterDataEvent):
        return replace(partner, data=master_data.evolve(partner.data, event))
    if isinstance(event, OwnershipEvent):  # a transfer changes master data as well, by the events of that
        return ownership.evolve(partner, event)
    assert_never(event)


def _registered(event: PartnerRegistered) -> Partner:
    registration = Registration(
        application_id=event.application_id,
        partner_id=event.partner_id,
        legal_name=event.legal_name,
        kind=event.kind,
        area=event.area,
        outlet_name=event.outlet_name,
        external_refs=event.external_refs,
        sole_trader=event.sole_trader,
    )
    return Partner(
        registration,
        Holder(event.partner_id, event.legal_name, event.sole_trader),
        outlets={event.outlet_id: Outlet(event.outlet_id, event.outlet_name, event.area)},
        data=MasterData(references={ref.system: ref.key for ref in event.external_refs}),
    )


partners = Decider(
    "partner",
    decide,
    evolve,
    initial=Partner,
    events=PartnerEvent,
    owner=lambda partner: None if partner.registration is None else partner.registration.partner_id,
)
