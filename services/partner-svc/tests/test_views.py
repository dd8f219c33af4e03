from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from engine import Statement
from engine.testing import fact_of
from events import Event
from events.partner import (
    ApplicationApproved,
    ApplicationDeclined,
    ApplicationScored,
    OutletOpened,
    PartnerActivated,
    PartnerApplied,
    PartnerLapsed,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    SuspensionCause,
)
from partner.domain.approval import ApplicationWithdrawn, RegistrationRequested
from partner.domain.checklist import OPENING_CHECKLIST
from partner.domain.duplicate import DuplicateDecided, PossibleDuplicateHeld
from partner.domain.launch import ContractEffective, ContractSigned
from partner.domain.readiness import ChecklistDrawnUp, ChecklistItemCompleted
from partner.domain.registration import Registration, outlet_id
from partner.domain.standard import (
    Dimension,
    StandardContent,
    StandardDrafted,
    StandardPublished,
    StandardTerms,
)
from partner.domain.suspension import SuspensionCauseAdded
from partner.standard_views import STANDARDS, project_standards
from partner.views import APPLICATIONS, PARTNERS, VIEWS, project_applications, project_partners

NOW = datetime(2000, 1, 5, 21, tzinfo=UTC)
OTHER = UUID(int=1)
CAUSE = SuspensionCause(cause_id=UUID(int=2), reason="Two evaluations below 85 in a row.")


def of_application(event: Event, id: UUID) -> list[Statement]:
    return list(project_applications(fact_of(event, stream=f"application-{id}", occurred_at=NOW)))


def of_partner(event: Event, id: UUID) -> list[Statement]:
    return list(project_partners(fact_of(event, stream=f"partner-{id}", occurred_at=NOW)))


def test_a_standard_shows_its_newest_version_and_the_draft_of_the_next() -> None:
    content = StandardContent(title="Franchisees", dimensions=(Dimension(code="location", weight=Decimal(100)),))
    terms = StandardTerms(code="franchise", version=2, **dict(content))
    (drafted,) = project_standards(fact_of(StandardDrafted(code="franchise", content=content), occurred_at=NOW))
    assert drafted.args == ("franchise", "Franchisees", content.model_dump_json().encode())
    published = StandardPublished(code="franchise", terms=terms)
    assert list(project_standards(fact_of(published, occurred_at=NOW))) == [
        STANDARDS.upsert(
            "code",
            code="franchise",
            title="Franchisees",
            version=2,
            terms=terms.model_dump_json().encode(),
            draft=None,
            published_at=NOW,
        )
    ]


def test_an_application_shows_who_applied_for_what(application: UUID, partner: UUID) -> None:
    applied = PartnerApplied(
        application_id=application,
        legal_name="TESORO - SEWARD HWY",
        kind="franchisee",
        area="US-AK",
        outlet_name="Seward Highway",
    )
    assert of_application(applied, application) == [
        APPLICATIONS.upsert(
            "application_id",
            application_id=application,
            partner_id=partner,
            status="applied",
            legal_name="TESORO - SEWARD HWY",
            kind="franchisee",
            area="US-AK",
            outlet_name="Seward Highway",
            applied_at=NOW,
        )
    ]


def test_a_scored_application_shows_the_total_the_version_and_the_failed_gates(application: UUID) -> None:
    scored = ApplicationScored(
        application_id=application,
        standard="franchise",
        standard_version=3,
        total=Decimal("80.00"),
        failed_gates=("own_funds",),
    )
    (statement,) = of_application(scored, application)
    assert statement.args[:5] == (application, "franchise", 3, Decimal("80.00"), ["own_funds"])
    assert statement.args[-2:] == (b"[]", b"[]")


def test_a_held_application_shows_which_partner_it_looks_like(application: UUID) -> None:
    held = PossibleDuplicateHeld(application_id=application, looks_like=OTHER, looks_like_name="TESORO -SEWARD HWY")
    assert of_application(held, application) == [
        APPLICATIONS.update(
            {"application_id": application},
            status="held",
            looks_like=OTHER,
            looks_like_name="TESORO -SEWARD HWY",
            held_at=NOW,
        )
    ]


def test_an_application_shows_how_it_was_decided(
    application: UUID, partner: UUID, registration: Callable[..., Registration]
) -> None:
    key = {"application_id": application}
    assert [
        of_application(event, application)
        for event in (
            ApplicationApproved(application_id=application, partner_id=partner, override_reason="Its bank vouches."),
            RegistrationRequested(registration=registration()),
            DuplicateDecided(registration=registration(), looks_like=OTHER, distinct=True, reason="Two roads."),
            ApplicationDeclined(application_id=application, reason="Too near."),
            ApplicationWithdrawn(application_id=application, reason=None),
        )
    ] == [
        [APPLICATIONS.update(key, status="approved", override_reason="Its bank vouches.")],
        [],
        [APPLICATIONS.update(key, status="approved")],
        [APPLICATIONS.update(key, status="declined", closed_because="Too near.")],
        [APPLICATIONS.update(key, status="withdrawn", closed_because=None)],
    ]


def test_a_registered_partner_is_found_by_its_name_however_it_is_written(application: UUID, partner: UUID) -> None:
    registered = PartnerRegistered(
        partner_id=partner,
        application_id=application,
        legal_name="TESORO - SEWARD HWY",
        kind="franchisee",
        area="US-AK",
        outlet_id=outlet_id(partner),
        outlet_name="Seward Highway",
    )
    assert of_partner(registered, partner) == [
        PARTNERS.upsert(
            "partner_id",
            partner_id=partner,
            application_id=application,
            status="prospective",
            stage="prospective",
            legal_name="TESORO - SEWARD HWY",
            name_key="tesorosewardhwy",
            kind="franchisee",
            area="US-AK",
            outlet_id=outlet_id(partner),
            outlet_name="Seward Highway",
            registered_at=NOW,
        )
    ]


def test_a_partner_shows_what_is_open_on_its_checklist_and_when_it_opened(partner: UUID) -> None:
    here = {"partner_id": partner, "outlet_id": outlet_id(partner)}
    [drawn_up] = of_partner(ChecklistDrawnUp(**here, items=OPENING_CHECKLIST), partner)
    assert drawn_up == PARTNERS.update(
        here,
        open_items=["premises_approved", "opening_stock_delivered", "opening_event_held"],
    )
    [completed] = of_partner(ChecklistItemCompleted(**here, item="premises_approved"), partner)
    assert completed.args == (partner, outlet_id(partner), "premises_approved")
    assert "array_remove(open_items, $3)" in completed.template
    opened = OutletOpened(**here, name="Seward Highway", area="US-AK", opened_on=date(2000, 2, 15))
    assert of_partner(opened, partner) == [PARTNERS.update(here, opened_on=date(2000, 2, 15))]


def test_the_first_contract_shows_as_onboarding_and_a_further_one_changes_nothing(partner: UUID) -> None:
    signed = ContractSigned(partner_id=partner, contract_id=OTHER, effective_from=date(2000, 2, 1))
    [statement] = of_partner(signed, partner)
    assert statement.args == (partner,)
    assert "stage = 'prospective'" in statement.template


def test_a_partner_shows_its_status(partner: UUID) -> None:
    key = {"partner_id": partner}
    assert [
        of_partner(event, partner)
        for event in (
            ContractEffective(partner_id=partner, contract_id=OTHER),
            PartnerActivated(partner_id=partner),
            PartnerSuspended(partner_id=partner, cause=CAUSE),
            SuspensionCauseAdded(partner_id=partner, cause=CAUSE),
            PartnerReinstated(partner_id=partner, lifted_cause_id=CAUSE.cause_id),
            PartnerLapsed(partner_id=partner, reason="no financing"),
            PartnerTerminated(partner_id=partner, contract_id=OTHER, reason="unpaid royalties"),
        )
    ] == [
        [],
        [PARTNERS.update(key, stage="active", status="active")],
        [PARTNERS.update(key, status="suspended")],
        [],
        [PARTNERS.sql("update {table} set status = stage where partner_id = $1", partner)],
        [PARTNERS.update(key, stage="lapsed", status="lapsed")],
        [PARTNERS.update(key, stage="terminated", status="terminated")],
    ]


def test_callers_read_their_own_writes() -> None:
    assert all(view.inline for view in VIEWS)
