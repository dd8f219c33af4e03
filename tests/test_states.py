"""What each service shows on its state topic, of things as a person would describe them."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from contract.domain.shipped import SHIPPED
from contract.domain.standing import Contract, Draft, Party
from contract.domain.standing import Status as ContractStatus
from contract.states import show_contract
from events.contract import AreaGrant, ContractTerms, RoyaltyRate
from events.partner import ExternalRef, SuspensionCause
from events.states import (
    STATES,
    ContractState,
    CorrectiveActionState,
    EnrolmentState,
    FieldAuditState,
    FlagNow,
    OutletNow,
    PartnerState,
    RestrictionNow,
    RiskProfileState,
    State,
)
from partner.domain.checklist import Outlet
from partner.domain.master_data import MasterData
from partner.domain.registration import Registration
from partner.domain.standing import Holder, Partner
from partner.domain.standing import Status as PartnerStatus
from partner.states import show_partner
from performance.domain.evaluation import Evaluation, Evaluations
from performance.states import show_evaluations
from risk.domain.flag import Flag
from risk.domain.restriction import Restriction
from risk.domain.risk_profile import RiskProfile
from risk.states import show_risk_profile
from training.domain.action_events import CorrectiveAction, CorrectiveActionOpened
from training.domain.action_events import Status as ActionStatus
from training.domain.audit_events import FieldAudit, FieldAuditRecorded
from training.domain.audit_events import Status as AuditStatus
from training.domain.enrolment_events import Assignment, Enrolment
from training.domain.enrolment_events import Status as EnrolmentStatus
from training.states import show_corrective_action, show_enrolment, show_field_audit

ID, APPLICATION, OUTLET, CAUSE, OTHER = (UUID(int=n) for n in range(1, 6))


@pytest.mark.parametrize("service", STATES)
def test_every_declared_document_is_shown_by_its_service(service: str) -> None:
    shown = importlib.import_module(f"{service}.states").STATES
    assert [each.document for each in shown] == list(STATES[service])
    for each in shown:
        assert each.document.event_key.startswith(f"{each.decider.category}-{{")


@pytest.mark.parametrize(
    ("name", "key"),
    [("cauce.partner.OtherState.v1", "partner-{id}"), ("TestState", "x"), ("cauce.x.TestState.v1", "")],
)
def test_a_document_that_is_named_wrongly_is_refused(name: str, key: str) -> None:
    with pytest.raises(TypeError, match="TestState"):
        type("TestState", (State,), {}, type=name, key=key)


def test_a_suspended_partner_is_shown_with_why_and_its_outlet() -> None:
    registration = Registration(
        APPLICATION, ID, "Tesoro", "franchisee", "US-AK", "Downtown", (ExternalRef(system="erp", key="V-1"),)
    )
    partner = Partner(
        registration,
        Holder(ID, "Tesoro"),
        stage=PartnerStatus.ACTIVE,
        outlets={OUTLET: Outlet(OUTLET, "Downtown", "US-AK", opened_on=date(2000, 2, 15))},
        causes={CAUSE: SuspensionCause(cause_id=CAUSE, reason="Two evaluations below 85 in a row.")},
        data=MasterData(references={"erp": "V-1"}),
    )
    assert show_partner(ID, partner) == PartnerState(
        partner_id=ID,
        application_id=APPLICATION,
        legal_name="Tesoro",
        kind="franchisee",
        area="US-AK",
        status="suspended",
        suspended_because=("Two evaluations below 85 in a row.",),
        outlets=(OutletNow(outlet_id=OUTLET, name="Downtown", area="US-AK", opened_on=date(2000, 2, 15)),),
        external_refs=(ExternalRef(system="erp", key="V-1"),),
    )


def test_a_signed_contract_is_shown_with_its_terms() -> None:
    grants, royalties = (AreaGrant(area="US-AK"),), (RoyaltyRate(percent=Decimal(5)),)
    terms = ContractTerms(jurisdiction="US-AK", grants=grants, royalties=royalties)
    draft = Draft(ID, OTHER, terms, SHIPPED["US-AK"])
    signed = Contract(draft, ContractStatus.SIGNED, signed_by=frozenset(Party), effective_from=date(2000, 2, 1))
    shown = ContractState(
        contract_id=ID,
        partner_id=OTHER,
        status="signed",
        jurisdiction="US-AK",
        areas=("US-AK",),
        royalty_percent=Decimal(5),
        effective_from=date(2000, 2, 1),
        signed_by=("partner", "principal"),
        terms=terms,
    )
    assert show_contract(ID, signed) == shown
    for status, as_known in ((ContractStatus.IN_WINDOW, "disclosed"), (ContractStatus.RENEWAL_ELIGIBLE, "in_force")):
        assert show_contract(ID, replace(signed, status=status)) == shown.model_copy(update={"status": as_known})
    assert show_contract(ID, replace(signed, status=ContractStatus.WITHDRAWN)) is None


def test_a_completed_training_is_shown_with_the_last_day_of_its_certificate() -> None:
    assigned = Assignment(ID, OTHER, "hygiene", True, Decimal(70), 2, 24, "America/Anchorage")
    enrolment = Enrolment(assigned, EnrolmentStatus.COMPLETED, valid_until=date(2002, 3, 8))
    assert show_enrolment(ID, enrolment) == EnrolmentState(
        enrolment_id=ID,
        partner_id=OTHER,
        course="hygiene",
        required_for_launch=True,
        status="completed",
        valid_until=date(2002, 3, 8),
    )


def test_an_audit_is_shown_once_it_is_published() -> None:
    recorded = FieldAuditRecorded(
        audit_id=ID,
        partner_id=OTHER,
        outlet_id=OUTLET,
        source=None,
        source_ref=None,
        template="food-safety",
        template_version=2,
        time_zone="UTC",
        metric=None,
        metric_period="year",
        audited_on=date(2002, 3, 8),
        answers=(),
        total=Decimal("87.50"),
        passed=True,
        critical_missed=(),
        sections=(),
        by=("ana",),
    )
    for status in (AuditStatus.RECORDED, AuditStatus.RETURNED):
        assert show_field_audit(ID, FieldAudit(recorded, status)) is None
    assert show_field_audit(ID, FieldAudit(recorded, AuditStatus.PUBLISHED)) == FieldAuditState(
        audit_id=ID,
        partner_id=OTHER,
        outlet_id=OUTLET,
        template="food-safety",
        template_version=2,
        audited_on=date(2002, 3, 8),
        total=Decimal("87.50"),
        passed=True,
    )


def test_a_corrective_action_is_shown_with_its_day_and_whether_it_passed() -> None:
    opened = CorrectiveActionOpened(
        action_id=ID,
        audit_id=CAUSE,
        partner_id=OTHER,
        outlet_id=None,
        item="cold",
        title="Cold food",
        critical=True,
        owner="cook",
        opened_on=date(2002, 3, 1),
        due_on=date(2002, 3, 8),
        due_at=datetime(2002, 3, 9, tzinfo=UTC),
        time_zone="UTC",
    )
    shown = show_corrective_action(ID, CorrectiveAction(opened, ActionStatus.SUBMITTED, overdue=True))
    assert shown == CorrectiveActionState(
        action_id=ID,
        audit_id=CAUSE,
        partner_id=OTHER,
        outlet_id=None,
        item="cold",
        critical=True,
        due_on=date(2002, 3, 8),
        status="submitted",
        overdue=True,
    )


def evaluation(period: str) -> Evaluation:
    return Evaluation(period, "yearly", 1, (), Decimal(80), "good", None, None, 3)


def test_the_newest_evaluation_of_each_kind_of_period_is_shown() -> None:
    held = Evaluations()
    for period in ("2018", "2019-Q4", "2019", "2019-Q1"):
        held = held.with_(evaluation(period))
    shown = show_evaluations(ID, held)
    assert shown is not None
    assert (shown.partner_id, [each.period for each in shown.newest]) == (ID, ["2019", "2019-Q4"])


def test_only_what_stands_against_a_partner_now_is_shown() -> None:
    flags = {CAUSE: Flag(CAUSE, "low_score", ()), OTHER: Flag(OTHER, "low_score", (), "resolved")}
    restrictions = {
        CAUSE: Restriction(CAUSE, "suspension", "low_score", "Twice below 85."),
        OTHER: Restriction(OTHER, "order_block", None, "By hand.", lifted_by="person"),
    }
    assert show_risk_profile(ID, RiskProfile(ID, flags=flags, restrictions=restrictions)) == RiskProfileState(
        partner_id=ID,
        flags=(FlagNow(flag_id=CAUSE, rule="low_score", acknowledged=False),),
        restrictions=(
            RestrictionNow(restriction_id=CAUSE, kind="suspension", rule="low_score", reason="Twice below 85."),
        ),
    )


def test_what_is_not_there_yet_is_not_shown() -> None:
    assert show_partner(ID, Partner()) is None
    assert show_contract(ID, Contract()) is None
    assert show_enrolment(ID, Enrolment()) is None
    assert show_field_audit(ID, FieldAudit()) is None
    assert show_corrective_action(ID, CorrectiveAction()) is None
    assert show_evaluations(ID, Evaluations()) is None
    assert show_risk_profile(ID, RiskProfile()) is None
