"""What partner-svc does by itself: it brings approved applicants into the registry, and follows what contract-svc,
training-svc and risk-svc say of its partners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Policy, Send
from events.contract import (
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    ContractTransferred,
    NegotiationLapsed,
    PartnerSigned,
)
from events.partner import SuspensionCause
from events.risk import RestrictionImposed, RestrictionLifted
from events.training import TrainingAssigned, TrainingCompleted

from partner.domain.application import applications
from partner.domain.approval import RegistrationRequested
from partner.domain.duplicate import DuplicateDecided, HoldAsPossibleDuplicate
from partner.domain.launch import (
    BringContractIntoForce,
    EndContract,
    PassTraining,
    RequireTraining,
    TakeOnContract,
)
from partner.domain.partner import LapseProspect, RegisterPartner, partners
from partner.domain.registration import ClaimName, NameClaimed, NameContested, registered_names
from partner.domain.suspension import LiftSuspension, Suspend


def register(fact: Fact[Any]) -> Iterator[Send]:
    """The name is claimed first, so that of two who look the same one is held until a person has decided."""
    match fact.event:
        case RegistrationRequested(registration=registration):
            yield Send(registered_names, registration.name_id, ClaimName(registration=registration))
        case NameClaimed(registration=registration) | DuplicateDecided(registration=registration, distinct=True):
            yield Send(partners, registration.partner_id, RegisterPartner(registration=registration))
        case NameContested(registration=registration, held_by=partner_id, held_as=name):
            command = HoldAsPossibleDuplicate(looks_like=partner_id, looks_like_name=name)
            yield Send(applications, registration.application_id, command)


def follow_contracts(fact: Fact[Any]) -> Iterator[Send]:
    match fact.event:
        case PartnerSigned(partner_id=id, contract_id=contract_id, effective_from=day):
            yield Send(partners, id, TakeOnContract(contract_id=contract_id, effective_from=day))
        case ContractInForce(partner_id=id, contract_id=contract_id):
            yield Send(partners, id, BringContractIntoForce(contract_id=contract_id))
        case ContractExpired(partner_id=id, contract_id=contract_id):
            yield Send(partners, id, EndContract(contract_id=contract_id, reason="The contract's term ended."))
        case ContractTerminated(partner_id=id, contract_id=contract_id, reason=reason):
            yield Send(partners, id, EndContract(contract_id=contract_id, reason=reason))
        case ContractTransferred(partner_id=id, from_partner_id=before, contract_id=contract_id, effective_on=day):
            yield Send(partners, id, TakeOnContract(contract_id=contract_id, effective_from=day))
            yield Send(partners, id, BringContractIntoForce(contract_id=contract_id))
            reason = "The contract was transferred to another partner."
            yield Send(partners, before, EndContract(contract_id=contract_id, reason=reason))
        case NegotiationLapsed(partner_id=id, reason=reason):
            yield Send(partners, id, LapseProspect(reason=reason))


def follow_trainings(fact: Fact[Any]) -> Iterator[Send]:
    match fact.event:
        case TrainingAssigned(partner_id=id, enrolment_id=enrolment_id, course=course, required_for_launch=True):
            yield Send(partners, id, RequireTraining(enrolment_id=enrolment_id, course=course))
        case TrainingCompleted(partner_id=id, enrolment_id=enrolment_id, course=course, required_for_launch=True):
            yield Send(partners, id, PassTraining(enrolment_id=enrolment_id, course=course))


def follow_restrictions(fact: Fact[Any]) -> Iterator[Send]:
    """Only suspensions suspend: an order block, say, is for others to obey."""
    match fact.event:
        case RestrictionImposed(restriction_id=cause, partner_id=id, kind="suspension", reason=why, evidence=evidence):
            yield Send(partners, id, Suspend(cause=SuspensionCause(cause_id=cause, reason=why, evidence=evidence)))
        case RestrictionLifted(restriction_id=cause, partner_id=id, kind="suspension"):
            yield Send(partners, id, LiftSuspension(cause_id=cause))


POLICIES = (
    Policy("registration", source="partner", react=register),
    Policy("contracts", source="contract", react=follow_contracts),
    Policy("trainings", source="training", react=follow_trainings),
    Policy("restrictions", source="risk", react=follow_restrictions),
)
