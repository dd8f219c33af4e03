"""What partner-svc does by itself: it brings approved applicants into the registry, and follows what contract-svc,
training-svc, performance-svc and risk-svc say of its partners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine import Fact, Policy, Rows, Send
from events.contract import (
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    ContractTransferred,
    NegotiationLapsed,
    PartnerSigned,
)
from events.partner import SuspensionCause
from events.performance import EvaluationRestated, PartnerEvaluated
from events.periods import kind
from events.risk import RestrictionImposed, RestrictionLifted
from events.training import TrainingAssigned, TrainingCompleted

from partner.domain.application import applications
from partner.domain.approval import RegistrationRequested
from partner.domain.checklist import ChecklistTerms
from partner.domain.contracts import LapseProspect
from partner.domain.duplicate import DuplicateDecided, HoldAsPossibleDuplicate
from partner.domain.launch import (
    BringContractIntoForce,
    EndContract,
    PassTraining,
    RequireTraining,
    TakeOnContract,
)
from partner.domain.membership import ConsiderEvaluation
from partner.domain.partner import RegisterPartner, partners
from partner.domain.programme import ProgrammeTerms
from partner.domain.registration import ClaimName, NameClaimed, NameContested, registered_names
from partner.domain.suspension import LiftSuspension, Suspend

PROGRAMMES_OF = """
select p.terms from memberships m join programmes p on p.code = m.programme
where m.partner_id = $1 and p.terms is not null order by p.code
"""


def register(fact: Fact[Any], checklist: ChecklistTerms | None) -> Iterator[Send]:
    """The name is claimed first, so that of two who look the same one is held until a person has decided."""
    match fact.event:
        case RegistrationRequested(registration=registration):
            yield Send(registered_names, registration.name_id, ClaimName(registration=registration))
        case NameClaimed(registration=registration) | DuplicateDecided(registration=registration, distinct=True):
            command = RegisterPartner(registration=registration, checklist=checklist)
            yield Send(partners, registration.partner_id, command)
        case NameContested(registration=registration, held_by=partner_id, held_as=name):
            hold = HoldAsPossibleDuplicate(looks_like=partner_id, looks_like_name=name)
            yield Send(applications, registration.application_id, hold)


async def checklist_for(db: Rows, fact: Fact[Any]) -> ChecklistTerms | None:
    """That of the newcomer's kind; None: what came with the software."""
    match fact.event:
        case NameClaimed(registration=registration) | DuplicateDecided(registration=registration, distinct=True):
            return await checklist_of(db, registration.kind)
    return None


async def checklist_of(db: Rows, kind: str) -> ChecklistTerms | None:
    found = await db.fetchval("select terms from opening_checklists where kind = $1 and terms is not null", kind)
    return None if found is None else ChecklistTerms.model_validate_json(found)


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


async def programmes_of(db: Rows, fact: Fact[Any]) -> Sequence[ProgrammeTerms]:
    """Those that an evaluated partner is in, as they are now."""
    if not isinstance(fact.event, PartnerEvaluated | EvaluationRestated):
        return ()
    rows = await db.fetch(PROGRAMMES_OF, fact.event.partner_id)
    return [ProgrammeTerms.model_validate_json(row["terms"]) for row in rows]


def follow_evaluations(fact: Fact[Any], gathered: Sequence[ProgrammeTerms]) -> Iterator[Send]:
    """Of the kind of period, and by the scorecard, that a programme goes by. What follows is proposed: a person
    decides, so that this cycle ends with them."""
    for terms in gathered:
        event = fact.event
        if kind(event.period) == terms.period and terms.scorecard in (None, event.scorecard):
            command = ConsiderEvaluation(
                terms=terms,
                period=event.period,
                total=event.total,
                scores={line.metric: line.score for line in event.scores},
                evaluation_id=fact.event_id,
            )
            yield Send(partners, event.partner_id, command)


POLICIES = (
    Policy("registration", source="partner", react=register, gather=checklist_for),
    Policy("evaluations", source="performance", react=follow_evaluations, gather=programmes_of),
    Policy("contracts", source="contract", react=follow_contracts),
    Policy("trainings", source="training", react=follow_trainings),
    Policy("restrictions", source="risk", react=follow_restrictions),
)
