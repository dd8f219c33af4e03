"""What a partner needs from other services to trade: a contract in force, and the training that launch requires."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from engine import Command
from events import Event

# -- events that stay in the house


class ContractSigned(Event, type="cauce.partner.ContractSigned.v1"):
    """The partner has one more contract; the first takes a prospective partner on board."""

    partner_id: UUID
    contract_id: UUID
    effective_from: date


class ContractEffective(Event, type="cauce.partner.ContractEffective.v1"):
    """One of the partner's contracts is in force."""

    partner_id: UUID
    contract_id: UUID


class ContractEnded(Event, type="cauce.partner.ContractEnded.v1"):
    """One of the partner's contracts ended; the partner ends with the last one."""

    partner_id: UUID
    contract_id: UUID
    reason: str


class TrainingRequired(Event, type="cauce.partner.TrainingRequired.v1"):
    """The partner has to complete a course before it trades."""

    partner_id: UUID
    enrolment_id: UUID
    course: str


class TrainingPassed(Event, type="cauce.partner.TrainingPassed.v1"):
    """The partner completed a course that it needs to trade."""

    partner_id: UUID
    enrolment_id: UUID
    course: str


# -- commands


class TakeOnContract(Command):
    contract_id: UUID
    effective_from: date


class BringContractIntoForce(Command):
    contract_id: UUID


class EndContract(Command):
    contract_id: UUID
    reason: str


class RequireTraining(Command):
    enrolment_id: UUID
    course: str


class PassTraining(Command):
    enrolment_id: UUID
    course: str


# -- state


class ContractStatus(StrEnum):
    SIGNED = "signed"
    IN_FORCE = "in_force"
    ENDED = "ended"


@dataclass(frozen=True)
class Training:
    course: str
    completed: bool
