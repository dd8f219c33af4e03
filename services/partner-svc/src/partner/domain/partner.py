"""A partner in the registry: prospective, onboarding, active, suspended for as long as there are causes, and out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias, assert_never
from uuid import UUID
from zoneinfo import ZoneInfo

from engine import Command, Decider, Rejected, Unknown
from events.partner import (
    ContactChanged,
    ContactRemoved,
    ExternalReferenceLinked,
    OutletChanged,
    OutletOpened,
    PartnerActivated,
    PartnerDetailsChanged,
    PartnerLapsed,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    PersonErased,
    SuspensionCause,
)

from partner.domain import master_data
from partner.domain.checklist import (
    OPENING_CHECKLIST,
    ChangeOutlet,
    ChecklistDrawnUp,
    ChecklistItemCompleted,
    CompleteChecklistItem,
    OpenOutlet,
    Outlet,
)
from partner.domain.launch import (
    BringContractIntoForce,
    ContractEffective,
    ContractEnded,
    ContractSigned,
    ContractStatus,
    EndContract,
    PassTraining,
    RequireTraining,
    TakeOnContract,
    Training,
    TrainingPassed,
    TrainingRequired,
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
from partner.domain.registration import Registration, outlet_id
from partner.domain.suspension import LiftSuspension, Suspend, SuspensionCauseAdded, SuspensionCauseLifted

PartnerEvent = (
    PartnerRegistered
    | ChecklistDrawnUp
    | ChecklistItemCompleted
    | OutletOpened
    | OutletChanged
    | MasterDataEvent
    | ContractSigned
    | ContractEffective
    | ContractEnded
    | TrainingRequired
    | TrainingPassed
    | PartnerActivated
    | PartnerSuspended
    | SuspensionCauseAdded
    | SuspensionCauseLifted
    | PartnerReinstated
    | PartnerLapsed
    | PartnerTerminated
)


# -- commands


class RegisterPartner(Command):
    registration: Registration


class LapseProspect(Command):
    reason: str


OfRegistered: TypeAlias = (
    TakeOnContract
    | BringContractIntoForce
    | EndContract
    | RequireTraining
    | PassTraining
    | CompleteChecklistItem
    | OpenOutlet
    | ChangeOutlet
    | MasterDataCommand
    | Suspend
    | LiftSuspension
    | LapseProspect
)
PartnerCommand: TypeAlias = RegisterPartner | OfRegistered


# -- state


class Status(StrEnum):
    PROSPECTIVE = "prospective"
    ONBOARDING = "onboarding"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    LAPSED = "lapsed"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Partner:
    """`stage` is where the partner stands apart from suspension, and where a reinstated one goes on. Contracts and
    causes are kept by id, trainings by enrolment; `lifted` are ids of causes that were taken away."""

    registration: Registration | None = None
    stage: Status = Status.PROSPECTIVE
    outlet: Outlet | None = None
    contracts: dict[UUID, ContractStatus] = field(default_factory=dict)
    trainings: dict[UUID, Training] = field(default_factory=dict)
    causes: dict[UUID, SuspensionCause] = field(default_factory=dict)
    lifted: frozenset[UUID] = frozenset()
    data: MasterData = field(default_factory=MasterData)

    @property
    def sole_trader(self) -> bool:
        return self.registration is not None and self.registration.sole_trader

    @property
    def out(self) -> bool:
        return self.stage in (Status.LAPSED, Status.TERMINATED)

    @property
    def launching(self) -> bool:
        return self.stage in (Status.PROSPECTIVE, Status.ONBOARDING)

    @property
    def status(self) -> Status:
        return Status.SUSPENDED if self.causes and not self.out else self.stage

    def alive(self) -> list[UUID]:
        """The contracts that have not ended."""
        return [id for id, status in self.contracts.items() if status is not ContractStatus.ENDED]

    def missing_for_launch(self) -> list[str]:
        """What a partner still needs before it trades, in words; empty: nothing."""
        missing = []
        if ContractStatus.IN_FORCE not in self.contracts.values():
            missing.append("a contract in force")
        if not any(training.completed for training in self.trainings.values()):
            missing.append("a completed training")
        missing += [f"the training {each.course}" for each in self.trainings.values() if not each.completed]
        if self.outlet is None or self.outlet.opened_on is None:
            missing.append("an open outlet")
        if self.outlet is not None:
            missing += [f"the checklist item {code}" for code in self.outlet.open_items("critical", "mandatory")]
        return missing


# -- decide


def register(partner: Partner, registration: Registration) -> list[PartnerEvent]:
    if partner.registration == registration:
        return []
    if partner.registration is not None:
        raise Rejected("partner.already_registered", partner_id=registration.partner_id)
    outlet = outlet_id(registration.partner_id)
    return [
        PartnerRegistered(
            partner_id=registration.partner_id,
            application_id=registration.application_id,
            legal_name=registration.legal_name,
            kind=registration.kind,
            area=registration.area,
            outlet_id=outlet,
            outlet_name=registration.outlet_name,
            external_refs=registration.external_refs,
            sole_trader=registration.sole_trader,
        ),
        ChecklistDrawnUp(partner_id=registration.partner_id, outlet_id=outlet, items=OPENING_CHECKLIST),
    ]


def take_on_contract(partner: Partner, id: UUID, command: TakeOnContract) -> list[PartnerEvent]:
    if command.contract_id in partner.contracts:
        return []
    _still_in(partner)
    signed = ContractSigned(partner_id=id, contract_id=command.contract_id, effective_from=command.effective_from)
    return [signed]


def bring_contract_into_force(partner: Partner, id: UUID, contract_id: UUID) -> list[PartnerEvent]:
    match _contract(partner, contract_id):
        case ContractStatus.IN_FORCE:
            return []
        case ContractStatus.ENDED:
            raise Rejected("partner.contract_ended", contract_id=contract_id)
        case ContractStatus.SIGNED:
            return [ContractEffective(partner_id=id, contract_id=contract_id)]


def end_contract(partner: Partner, id: UUID, command: EndContract) -> list[PartnerEvent]:
    if _contract(partner, command.contract_id) is ContractStatus.ENDED:
        return []
    ended = ContractEnded(partner_id=id, contract_id=command.contract_id, reason=command.reason)
    if partner.alive() != [command.contract_id]:
        return [ended]
    return [ended, PartnerTerminated(partner_id=id, contract_id=command.contract_id, reason=command.reason)]


def require_training(partner: Partner, id: UUID, command: RequireTraining) -> list[PartnerEvent]:
    if command.enrolment_id in partner.trainings:
        return []
    _still_in(partner)
    return [TrainingRequired(partner_id=id, enrolment_id=command.enrolment_id, course=command.course)]


def pass_training(partner: Partner, id: UUID, command: PassTraining) -> list[PartnerEvent]:
    """A course passed again, when its certificate is renewed, changes nothing for the launch."""
    training = partner.trainings.get(command.enrolment_id)
    if training is not None and training.completed:
        return []
    _still_in(partner)
    return [TrainingPassed(partner_id=id, enrolment_id=command.enrolment_id, course=command.course)]


def complete_item(partner: Partner, id: UUID, outlet: Outlet, code: str) -> list[PartnerEvent]:
    item = outlet.item(code)
    if item.code in outlet.done:
        return []
    _still_in(partner)
    return [ChecklistItemCompleted(partner_id=id, outlet_id=outlet.outlet_id, item=item.code)]


def open_outlet(partner: Partner, id: UUID, outlet: Outlet, opened_on: date) -> list[PartnerEvent]:
    if outlet.opened_on is not None:
        return []
    _still_in(partner)
    if partner.stage is Status.PROSPECTIVE:
        raise Rejected("partner.not_signed")
    if partner.causes:
        raise Rejected("partner.suspended", reasons=[cause.reason for cause in partner.causes.values()])
    if critical := outlet.open_items("critical"):
        raise Rejected("partner.critical_items_open", items=critical)
    opened = OutletOpened(
        partner_id=id, outlet_id=outlet.outlet_id, name=outlet.name, area=outlet.area, opened_on=opened_on
    )
    return [opened]


def change_outlet(id: UUID, outlet: Outlet, command: ChangeOutlet) -> list[PartnerEvent]:
    if (outlet.name, outlet.area) == (command.name, command.area):
        return []
    return [OutletChanged(partner_id=id, outlet_id=outlet.outlet_id, name=command.name, area=command.area)]


def suspend(partner: Partner, id: UUID, cause: SuspensionCause) -> list[PartnerEvent]:
    """Whatever the stage: one that does not trade yet cannot begin to before the cause is lifted."""
    if cause.cause_id in partner.causes:
        return []
    _still_in(partner)
    if cause.cause_id in partner.lifted:
        raise Rejected("partner.suspension_lifted_already", cause_id=cause.cause_id)
    if partner.causes:
        return [SuspensionCauseAdded(partner_id=id, cause=cause)]
    return [PartnerSuspended(partner_id=id, cause=cause)]


def lift(partner: Partner, id: UUID, cause_id: UUID) -> list[PartnerEvent]:
    if cause_id in partner.lifted:
        return []
    _still_in(partner)
    if cause_id not in partner.causes:
        raise Unknown("partner.suspension_cause_unknown", cause_id=cause_id)
    if len(partner.causes) > 1:
        return [SuspensionCauseLifted(partner_id=id, lifted_cause_id=cause_id)]
    return [PartnerReinstated(partner_id=id, lifted_cause_id=cause_id)]


def lapse(partner: Partner, id: UUID, reason: str) -> list[PartnerEvent]:
    if partner.stage is Status.LAPSED:
        return []
    if partner.stage is not Status.PROSPECTIVE:
        raise Rejected("partner.not_prospective", status=partner.status.value)
    return [PartnerLapsed(partner_id=id, reason=reason)]


def _still_in(partner: Partner) -> None:
    if partner.out:
        raise Rejected("partner.out", status=partner.status.value)


def _contract(partner: Partner, contract_id: UUID) -> ContractStatus:
    if contract_id not in partner.contracts:
        raise Unknown("partner.contract_unknown", contract_id=contract_id)
    return partner.contracts[contract_id]


def decide(command: PartnerCommand, partner: Partner, now: datetime) -> list[PartnerEvent]:
    if isinstance(command, RegisterPartner):
        return register(partner, command.registration)
    if partner.registration is None or partner.outlet is None:
        raise Unknown("partner.partner_unknown")
    id = partner.registration.partner_id
    events = decide_of_registered(command, partner, id, partner.outlet, now)
    after = partners.fold(events, partner)
    if events and after.status is Status.ONBOARDING and not after.missing_for_launch():
        return [*events, PartnerActivated(partner_id=id)]
    return events


def decide_of_registered(
    command: OfRegistered, partner: Partner, id: UUID, outlet: Outlet, now: datetime
) -> list[PartnerEvent]:
    match command:
        case TakeOnContract():
            return take_on_contract(partner, id, command)
        case BringContractIntoForce(contract_id=contract_id):
            return bring_contract_into_force(partner, id, contract_id)
        case EndContract():
            return end_contract(partner, id, command)
        case RequireTraining():
            return require_training(partner, id, command)
        case PassTraining():
            return pass_training(partner, id, command)
        case CompleteChecklistItem(item=item):
            return complete_item(partner, id, outlet, item)
        case OpenOutlet(time_zone=zone):
            return open_outlet(partner, id, outlet, now.astimezone(ZoneInfo(zone)).date())
        case ChangeOutlet():
            return change_outlet(id, outlet, command)
        case Suspend(cause=cause):
            return suspend(partner, id, cause)
        case LiftSuspension(cause_id=cause_id):
            return lift(partner, id, cause_id)
        case LapseProspect(reason=reason):
            return lapse(partner, id, reason)
        case ChangeDetails() | LinkExternalReference() | KeepContact() | RemoveContact() | ErasePerson():
            return [*master_data.decide(command, partner.data, id, sole_trader=partner.sole_trader, out=partner.out)]
        case _:
            assert_never(command)


# -- evolve


def evolve(partner: Partner, event: PartnerEvent) -> Partner:
    match event:
        case PartnerRegistered():
            return _registered(event)
        case ChecklistDrawnUp(items=items):
            return _with_outlet(partner, items=items)
        case ChecklistItemCompleted(item=item):
            return _with_outlet(partner, done=_outlet(partner).done | {item})
        case OutletOpened(opened_on=day):
            return _with_outlet(partner, opened_on=day)
        case ContractSigned(contract_id=id):
            stage = Status.ONBOARDING if partner.stage is Status.PROSPECTIVE else partner.stage
            return replace(_with_contract(partner, id, ContractStatus.SIGNED), stage=stage)
        case ContractEffective(contract_id=id):
            return _with_contract(partner, id, ContractStatus.IN_FORCE)
        case ContractEnded(contract_id=id):
            return _with_contract(partner, id, ContractStatus.ENDED)
        case TrainingRequired(enrolment_id=id, course=course):
            return replace(partner, trainings={**partner.trainings, id: Training(course, completed=False)})
        case TrainingPassed(enrolment_id=id, course=course):
            return replace(partner, trainings={**partner.trainings, id: Training(course, completed=True)})
        case PartnerActivated():
            return replace(partner, stage=Status.ACTIVE)
        case PartnerSuspended(cause=cause) | SuspensionCauseAdded(cause=cause):
            return replace(partner, causes={**partner.causes, cause.cause_id: cause})
        case SuspensionCauseLifted(lifted_cause_id=id) | PartnerReinstated(lifted_cause_id=id):
            causes = {cause_id: cause for cause_id, cause in partner.causes.items() if cause_id != id}
            return replace(partner, causes=causes, lifted=partner.lifted | {id})
        case PartnerLapsed():
            return replace(partner, stage=Status.LAPSED)
        case PartnerTerminated():
            return replace(partner, stage=Status.TERMINATED)
        case OutletChanged(name=name, area=area):
            return _with_outlet(partner, name=name, area=area)
        case PartnerDetailsChanged() | ExternalReferenceLinked() | ContactChanged() | ContactRemoved() | PersonErased():
            return replace(partner, data=master_data.evolve(partner.data, event))
        case _:
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
    data = MasterData(references={ref.system: ref.key for ref in event.external_refs})
    return Partner(registration, outlet=Outlet(event.outlet_id, event.outlet_name, event.area), data=data)


def _outlet(partner: Partner) -> Outlet:
    assert partner.outlet is not None  # noqa: S101 - registered with it
    return partner.outlet


def _with_outlet(partner: Partner, **changes: object) -> Partner:
    return replace(partner, outlet=replace(_outlet(partner), **changes))  # type: ignore[arg-type]


def _with_contract(partner: Partner, contract_id: UUID, status: ContractStatus) -> Partner:
    return replace(partner, contracts={**partner.contracts, contract_id: status})


partners = Decider(
    "partner",
    decide,
    evolve,
    initial=Partner,
    events=PartnerEvent,
    owner=lambda partner: None if partner.registration is None else partner.registration.partner_id,
)
