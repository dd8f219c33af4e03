"""What of audits is shown, and from when on to whom."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Statement
from engine.testing import fact_of
from events import Event
from events.partner import PartnerLapsed, PartnerRegistered
from events.training import CorrectiveActionOverdue, CorrectiveActionVerified, FieldAuditPublished, SectionScore
from training.audit_views import (
    ACTIONS,
    AUDITS,
    CONTENT,
    PARTNERS,
    TEMPLATES,
    VERSIONS,
    VIEWS,
    project_actions,
    project_audits,
    project_partners,
    project_templates,
)
from training.domain.action_events import CorrectiveActionWaived, EvidenceRejected, EvidenceSubmitted
from training.domain.audit_events import FieldAuditRecorded, FieldAuditReturned
from training.domain.audit_template import AuditTemplateDrafted, AuditTemplatePublished, AuditTemplateRetired
from training.domain.template_content import Content, Item, Section

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = date(2026, 3, 2)
AUDIT, ACTION, PARTNER = (UUID(int=n) for n in (1, 2, 3))
FLOORS = Item("floors", "Floors are clean", Decimal(1), False, None, "manager")
SAFETY = Content("Safety", (Section("all", "All", (FLOORS,)),), Decimal(80), None, None, "year", "UTC")


def told(project: Any, event: Event, stream: str = f"corrective_action-{ACTION}") -> list[Statement]:
    return list(project(fact_of(event, stream=stream, occurred_at=NOW)))


def test_a_draft_waits_beside_the_version_that_holds_until_it_is_published() -> None:
    drafted, published = (
        told(project_templates, AuditTemplateDrafted(code="safety", content=SAFETY)),
        told(project_templates, AuditTemplatePublished(code="safety", version=2, content=SAFETY)),
    )
    assert drafted[0].args == ("safety", "Safety", CONTENT.dump_json(SAFETY))
    assert published == [
        TEMPLATES.update({"code": "safety"}, title="Safety", version=2, draft=None),
        VERSIONS.insert(code="safety", version=2, content=CONTENT.dump_json(SAFETY), published_at=NOW),
    ]
    retired = told(project_templates, AuditTemplateRetired(code="safety"))
    assert retired == [TEMPLATES.update({"code": "safety"}, draft=None, retired=True)]
    assert CONTENT.validate_json(CONTENT.dump_json(SAFETY)) == SAFETY


def test_an_audits_row_is_the_partners_from_its_publication_on_and_nobodys_before() -> None:
    recorded = FieldAuditRecorded(
        audit_id=AUDIT,
        partner_id=PARTNER,
        outlet_id=None,
        source=None,
        source_ref=None,
        template="safety",
        template_version=2,
        time_zone="UTC",
        metric=None,
        metric_period="year",
        audited_on=DAY,
        answers=(),
        total=Decimal("87.50"),
        passed=True,
        critical_missed=(),
        sections=(SectionScore(section="all", score=Decimal("87.50")),),
        by=("ana",),
    )
    [row] = told(project_audits, recorded)
    assert "audited_partner" in row.template
    assert "partner_id" not in row.template.replace("audited_partner", "")
    [row] = told(project_audits, FieldAuditReturned(audit_id=AUDIT, reason="Which floor?"))
    assert row == AUDITS.update({"audit_id": AUDIT}, status="returned", returned_because="Which floor?")
    kept = recorded.model_dump(include=FieldAuditPublished.model_fields.keys())
    [row] = told(project_audits, FieldAuditPublished(**kept, findings=()))
    assert row == AUDITS.update({"audit_id": AUDIT}, status="published", partner_id=PARTNER, published_at=NOW)


def test_each_step_of_a_corrective_action_is_shown() -> None:
    named: dict[str, Any] = {"action_id": ACTION, "audit_id": AUDIT, "partner_id": PARTNER, "outlet_id": None}
    named |= {"item": "floors", "critical": False, "due_on": DAY}
    key = {"action_id": ACTION}
    submitted = EvidenceSubmitted(action_id=ACTION, references=("p",), note=None, submitted_on=DAY, by=("pia",))
    steps: list[tuple[Event, dict[str, Any]]] = [
        (
            submitted,
            {"status": "submitted", "evidence": ["p"], "note": None, "submitted_on": DAY, "rejected_because": None},
        ),
        (EvidenceRejected(action_id=ACTION, reason="No."), {"status": "open", "rejected_because": "No."}),
        (CorrectiveActionOverdue(**named), {"overdue": True}),
        (CorrectiveActionVerified(**named, verified_on=DAY, late=True), {"status": "verified", "closed_on": DAY}),
        (
            CorrectiveActionWaived(action_id=ACTION, reason="It moves.", waived_on=DAY),
            {"status": "waived", "waived_because": "It moves.", "closed_on": DAY},
        ),
    ]
    for event, shown in steps:
        assert told(project_actions, event) == [ACTIONS.update(key, **shown)]


def test_who_registered_is_known_and_stays_so() -> None:
    names = {"legal_name": "A", "kind": "franchisee", "area": "US-AK", "outlet_name": "A"}
    registered = PartnerRegistered(partner_id=PARTNER, application_id=AUDIT, outlet_id=AUDIT, **names)
    assert told(project_partners, registered) == [PARTNERS.upsert("partner_id", partner_id=PARTNER, kind="franchisee")]
    lapsed = PartnerLapsed(partner_id=PARTNER, reason="r")
    assert told(project_partners, lapsed) == [PARTNERS.update({"partner_id": PARTNER}, ended=True)]


def test_what_is_recorded_here_is_written_with_the_append_and_partners_are_heard_of() -> None:
    assert {view.name: (view.inline, view.source) for view in VIEWS} == {
        "audit_templates": (True, None),
        "field_audits": (True, None),
        "corrective_actions": (True, None),
        "partners": (False, "partner"),
    }
