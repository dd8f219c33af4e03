"""What other services say of a partner's contracts and trainings, and what that makes of the partner: it is taken on
board, it lapses, and it ends with its last contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected, Unknown
from events.partner import PartnerLapsed, PartnerTerminated

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
from partner.domain.standing import Partner, Status, refuse_out

ContractEvent: TypeAlias = (
    ContractSigned
    | ContractEffective
    | ContractEnded
    | TrainingRequired
    | TrainingPassed
    | PartnerLapsed
    | PartnerTerminated
)


class LapseProspect(Command):
    reason: str


ContractCommand: TypeAlias = (
    TakeOnContract | BringContractIntoForce | EndContract | RequireTraining | PassTraining | LapseProspect
)


# -- decide


def take_on_contract(partner: Partner, id: UUID, command: TakeOnContract) -> list[ContractEvent]:
    if command.contract_id in partner.contracts:
        return []
    refuse_out(partner)
    signed = ContractSigned(partner_id=id, contract_id=command.contract_id, effective_from=command.effective_from)
    return [signed]


def bring_contract_into_force(partner: Partner, id: UUID, contract_id: UUID) -> list[ContractEvent]:
    match _contract(partner, contract_id):
        case ContractStatus.IN_FORCE:
            return []
        case ContractStatus.ENDED:
            raise Rejected("partner.contract_ended", contract_id=contract_id)
        case ContractStatus.SIGNED:
            return [ContractEffective(partner_id=id, contract_id=contract_id)]


def end_contract(partner: Partner, id: UUID, command: EndContract) -> list[ContractEvent]:
    if _contract(partner, command.contract_id) is ContractStatus.ENDED:
        return []
    ended = ContractEnded(partner_id=id, contract_id=command.contract_id, reason=command.reason)
    if partner.alive() != [command.contract_id]:
        return [ended]
    return [ended, PartnerTerminated(partner_id=id, contract_id=command.contract_id, reason=command.reason)]


def require_training(partner: Partner, id: UUID, command: RequireTraining) -> list[ContractEvent]:
    if command.enrolment_id in partner.trainings:
        return []
    refuse_out(partner)
    return [TrainingRequired(partner_id=id, enrolment_id=command.enrolment_id, course=command.course)]


def pass_training(partner: Partner, id: UUID, command: PassTraining) -> list[ContractEvent]:
    """A course passed again, when its certificate is renewed, changes nothing for the launch."""
    training = partner.trainings.get(command.enrolment_id)
    if training is not None and training.completed:
        return []
    refuse_out(partner)
    return [TrainingPassed(partner_id=id, enrolment_id=command.enrolment_id, course=command.course)]


def lapse(partner: Partner, id: UUID, reason: str) -> list[ContractEvent]:
    if partner.stage is Status.LAPSED:
        return []
    if partner.stage is not Status.PROSPECTIVE:
        raise Rejected("partner.not_prospective", standing=partner.status.value)
    return [PartnerLapsed(partner_id=id, reason=reason)]


def _contract(partner: Partner, contract_id: UUID) -> ContractStatus:
    if contract_id not in partner.contracts:
        raise Unknown("partner.contract_unknown", contract_id=contract_id)
    return partner.contracts[contract_id]


# -- evolve


def evolve(partner: Partner, event: ContractEvent) -> Partner:
    match event:
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
        case PartnerLapsed():
            return replace(partner, stage=Status.LAPSED)
        case PartnerTerminated():
            return replace(partner, stage=Status.TERMINATED)


def _with_contract(partner: Partner, contract_id: UUID, status: ContractStatus) -> Partner:
    return replace(partner, contracts={**partner.contracts, contract_id: status})
