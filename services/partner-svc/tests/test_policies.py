from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Send
from engine.testing import fact_of
from events import Event
from events.contract import (
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    ContractTransferred,
    NegotiationLapsed,
    PartnerSigned,
)
from events.partner import ApplicationApproved, SuspensionCause
from events.performance import MetricScore, PartnerEvaluated
from events.risk import RestrictionImposed, RestrictionLifted, RiskResolved
from events.training import TrainingAssigned, TrainingCompleted, TrainingFailed
from partner.domain.application import applications
from partner.domain.approval import RegistrationRequested
from partner.domain.contracts import LapseProspect
from partner.domain.duplicate import DuplicateDecided, HoldAsPossibleDuplicate, PossibleDuplicateHeld
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
from partner.domain.registration import ClaimName, NameClaimed, NameContested, Registration, name_id, registered_names
from partner.domain.suspension import LiftSuspension, Suspend
from partner.policies import (
    POLICIES,
    follow_contracts,
    follow_evaluations,
    follow_restrictions,
    follow_trainings,
    register,
)

NOW = datetime(2000, 1, 9, 21, tzinfo=UTC)
OTHER, CONTRACT, ENROLMENT, RESTRICTION = (UUID(int=n) for n in range(1, 5))
EVIDENCE = (UUID(int=5), UUID(int=6))


def reactions(policy: str, event: Event, *gathered: Any) -> list[Any]:
    found = {p.name: p for p in POLICIES}[policy]
    given = gathered or ((None,) if found.gather is not None else ())
    return list(found.react(fact_of(event, occurred_at=NOW), *given))


# -- registration


def test_an_approved_applicant_claims_its_name(registration: Callable[..., Registration]) -> None:
    requested = RegistrationRequested(registration=registration())
    assert reactions("registration", requested) == [
        Send(registered_names, name_id("TESORO - SEWARD HWY"), ClaimName(registration=registration()))
    ]


def test_who_gets_the_name_is_registered(partner: UUID, registration: Callable[..., Registration]) -> None:
    claimed = NameClaimed(registration=registration())
    assert reactions("registration", claimed) == [Send(partners, partner, RegisterPartner(registration=registration()))]


def test_who_does_not_is_held_as_a_possible_duplicate(
    application: UUID, registration: Callable[..., Registration]
) -> None:
    contested = NameContested(registration=registration(), held_by=OTHER, held_as="TESORO -SEWARD HWY")
    command = HoldAsPossibleDuplicate(looks_like=OTHER, looks_like_name="TESORO -SEWARD HWY")
    assert reactions("registration", contested) == [Send(applications, application, command)]


@pytest.mark.parametrize("distinct", [True, False])
def test_who_is_held_is_registered_if_somebody_decides_that_it_is_distinct(
    partner: UUID, registration: Callable[..., Registration], distinct: bool
) -> None:
    decided = DuplicateDecided(registration=registration(), looks_like=OTHER, distinct=distinct, reason="Two roads.")
    registered = [Send(partners, partner, RegisterPartner(registration=registration()))]
    assert reactions("registration", decided) == (registered if distinct else [])


def test_nothing_is_registered_by_the_rest(application: UUID, partner: UUID) -> None:
    held = PossibleDuplicateHeld(application_id=application, looks_like=OTHER, looks_like_name="TESORO")
    approved = ApplicationApproved(application_id=application, partner_id=partner)
    assert [reactions("registration", event) for event in (held, approved)] == [[], []]


# -- contracts


def test_a_partner_takes_on_the_contract_that_it_signed(partner: UUID) -> None:
    day = date(2000, 2, 1)
    signed = PartnerSigned(contract_id=CONTRACT, partner_id=partner, areas=("US-AK",), effective_from=day)
    command = TakeOnContract(contract_id=CONTRACT, effective_from=day)
    assert reactions("contracts", signed) == [Send(partners, partner, command)]


def test_a_partners_contract_comes_into_force_and_ends(partner: UUID) -> None:
    ids = {"contract_id": CONTRACT, "partner_id": partner}
    assert [
        reactions("contracts", event)
        for event in (
            ContractInForce(**ids),
            ContractExpired(**ids),
            ContractTerminated(**ids, reason="unpaid royalties"),
        )
    ] == [
        [Send(partners, partner, BringContractIntoForce(contract_id=CONTRACT))],
        [Send(partners, partner, EndContract(contract_id=CONTRACT, reason="The contract's term ended."))],
        [Send(partners, partner, EndContract(contract_id=CONTRACT, reason="unpaid royalties"))],
    ]


def test_a_transferred_contract_ends_for_the_one_and_is_in_force_for_the_other(partner: UUID) -> None:
    day = date(2000, 7, 1)
    transferred = ContractTransferred(contract_id=CONTRACT, partner_id=OTHER, from_partner_id=partner, effective_on=day)
    reason = "The contract was transferred to another partner."
    assert reactions("contracts", transferred) == [
        Send(partners, OTHER, TakeOnContract(contract_id=CONTRACT, effective_from=day)),
        Send(partners, OTHER, BringContractIntoForce(contract_id=CONTRACT)),
        Send(partners, partner, EndContract(contract_id=CONTRACT, reason=reason)),
    ]


def test_a_prospect_lapses_with_its_negotiation(partner: UUID) -> None:
    lapsed = NegotiationLapsed(negotiation_id=OTHER, partner_id=partner, reason="no financing")
    assert reactions("contracts", lapsed) == [Send(partners, partner, LapseProspect(reason="no financing"))]


def test_a_draft_is_not_a_partners_contract(partner: UUID) -> None:
    drafted = ContractDrafted(
        contract_id=CONTRACT, partner_id=partner, jurisdiction="US-AK", areas=("US-AK",), royalty_percent=Decimal(5)
    )
    assert reactions("contracts", drafted) == []


# -- training


def assigned(partner: UUID, *, required: bool) -> TrainingAssigned:
    return TrainingAssigned(
        enrolment_id=ENROLMENT,
        partner_id=partner,
        course="hygiene",
        course_version=1,
        required_for_launch=required,
        pass_mark=Decimal(70),
        max_attempts=3,
        validity_months=None,
        time_zone="UTC",
        assigned_on=date(2000, 1, 29),
    )


def completed(partner: UUID, *, required: bool) -> TrainingCompleted:
    return TrainingCompleted(
        enrolment_id=ENROLMENT,
        partner_id=partner,
        course="hygiene",
        required_for_launch=required,
        score=Decimal(90),
    )


def test_training_that_the_launch_requires_is_followed(partner: UUID) -> None:
    require = RequireTraining(enrolment_id=ENROLMENT, course="hygiene")
    done = PassTraining(enrolment_id=ENROLMENT, course="hygiene")
    assert reactions("trainings", assigned(partner, required=True)) == [Send(partners, partner, require)]
    assert reactions("trainings", completed(partner, required=True)) == [Send(partners, partner, done)]


def test_other_training_is_none_of_the_registrys_business(partner: UUID) -> None:
    failed = TrainingFailed(
        enrolment_id=ENROLMENT,
        partner_id=partner,
        course="hygiene",
        score=Decimal(10),
        pass_mark=Decimal(70),
        attempts_left=2,
    )
    events = (assigned(partner, required=False), completed(partner, required=False), failed)
    assert [reactions("trainings", event) for event in events] == [[], [], []]


# -- restrictions


@pytest.mark.parametrize("by", ["rule", "person"])
def test_a_suspension_suspends_with_its_reason_and_evidence(partner: UUID, by: str) -> None:
    imposed = RestrictionImposed(
        restriction_id=RESTRICTION,
        partner_id=partner,
        kind="suspension",
        reason="Two evaluations below 85 in a row.",
        evidence=EVIDENCE,
        by=by,
    )
    cause = SuspensionCause(cause_id=RESTRICTION, reason="Two evaluations below 85 in a row.", evidence=EVIDENCE)
    assert reactions("restrictions", imposed) == [Send(partners, partner, Suspend(cause=cause))]


def test_a_lifted_suspension_is_one_cause_less(partner: UUID) -> None:
    lifted = RestrictionLifted(restriction_id=RESTRICTION, partner_id=partner, kind="suspension", reason="Better.")
    assert reactions("restrictions", lifted) == [Send(partners, partner, LiftSuspension(cause_id=RESTRICTION))]


@pytest.mark.parametrize("kind", ["order_block", "credit_limit", "no_new_outlet", "fund_freeze"])
def test_no_other_restriction_suspends_anybody(partner: UUID, kind: str) -> None:
    ids = {"restriction_id": RESTRICTION, "partner_id": partner, "kind": kind, "reason": "Unpaid."}
    imposed, lifted = RestrictionImposed(**ids, evidence=()), RestrictionLifted(**ids)
    assert [reactions("restrictions", event) for event in (imposed, lifted)] == [[], []]


def test_a_flag_alone_suspends_nobody(partner: UUID) -> None:
    resolved = RiskResolved(
        flag_id=OTHER, partner_id=partner, rule="low_score", resolution="resolved", explanation="Better."
    )
    assert reactions("restrictions", resolved) == []


def test_the_policies_hear_the_house_itself_and_four_services() -> None:
    assert {policy.name: (policy.source, policy.react) for policy in POLICIES} == {
        "registration": ("partner", register),
        "contracts": ("contract", follow_contracts),
        "trainings": ("training", follow_trainings),
        "restrictions": ("risk", follow_restrictions),
        "evaluations": ("performance", follow_evaluations),
    }


# -- evaluations


def programme(**changes: Any) -> ProgrammeTerms:
    said = {
        "code": "stars",
        "version": 2,
        "title": "Stars",
        "kinds": ["franchisee"],
        "period": "year",
        "tiers": [{"code": "member", "title": "Member"}, {"code": "gold", "title": "Gold"}],
    }
    return ProgrammeTerms.model_validate({**said, **changes})


def evaluated(partner: UUID) -> PartnerEvaluated:
    line = MetricScore(metric="hygiene", value=Decimal(9), observations=3, score=Decimal(91), weight=Decimal(100))
    return PartnerEvaluated(
        partner_id=partner,
        period="2001",
        scorecard="inspections",
        scorecard_version=1,
        scores=(line,),
        total=Decimal(91),
        band="good",
        trend=None,
        percentile=None,
        cohort_size=2,
    )


def test_an_evaluation_counts_in_the_programmes_of_its_kind_of_period_and_scorecard(partner: UUID) -> None:
    stars, other = programme(), programme(scorecard="other")
    [sent] = reactions("evaluations", evaluated(partner), [stars, other, programme(period="month")])
    assert sent == Send(
        partners,
        partner,
        ConsiderEvaluation(
            terms=stars,
            period="2001",
            total=Decimal(91),
            scores={"hygiene": Decimal(91)},
            evaluation_id=fact_of(evaluated(partner), occurred_at=NOW).event_id,
        ),
    )
    assert reactions("evaluations", evaluated(partner), []) == []
