"""Read models of audits: templates, audits and corrective actions are written with the append; which partners there are
is heard from partner-svc."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from engine.drafts import VersionsTable
from events.partner import PartnerLapsed, PartnerRegistered, PartnerTerminated
from events.training import CorrectiveActionOverdue, CorrectiveActionVerified, FieldAuditPublished, SectionScore
from pydantic import TypeAdapter

from training.domain.action_events import (
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    EvidenceRejected,
    EvidenceSubmitted,
)
from training.domain.audit_answers import Answered
from training.domain.audit_events import FieldAuditRecorded, FieldAuditReturned
from training.domain.audit_template import (
    AuditTemplateDraftDiscarded,
    AuditTemplateDrafted,
    AuditTemplatePublished,
    AuditTemplateRetired,
)
from training.domain.template_content import Content

CONTENT = TypeAdapter(Content)
ANSWERS = TypeAdapter(tuple[Answered, ...])
SECTIONS = TypeAdapter(tuple[SectionScore, ...])

TEMPLATES = VersionsTable(
    "audit_templates",
    """
    code text primary key,
    title text not null,
    version integer,
    draft json,
    retired boolean not null default false
    """,
)

VERSIONS = Table(
    "audit_template_versions",
    """
    code text not null,
    version integer not null,
    content json not null,
    published_at timestamptz not null,
    primary key (code, version)
    """,
)

AUDITS = Table(
    "field_audits",
    # `partner_id`, by which rows are somebody's, is null until the audit is published: nobody of the partner's sees it
    # before. Whom it is about is `audited_partner`.
    """
    audit_id uuid primary key,
    audited_partner uuid not null,
    partner_id uuid,
    outlet_id uuid,
    source text,
    source_ref text,
    template text not null,
    template_version integer not null,
    audited_on date not null,
    status text not null,
    total numeric not null,
    passed boolean not null,
    critical_missed text[] not null,
    sections json not null,
    answers json not null,
    returned_because text,
    recorded_at timestamptz not null,
    published_at timestamptz
    """,
    indexes=("(audited_partner, template, audited_on)", "(status, audit_id)", "(partner_id)"),
)

ACTIONS = Table(
    "corrective_actions",
    """
    action_id uuid primary key,
    audit_id uuid not null,
    partner_id uuid not null,
    outlet_id uuid,
    item text not null,
    title text not null,
    critical boolean not null,
    owner text not null,
    status text not null,
    overdue boolean not null,
    opened_on date not null,
    due_on date not null,
    evidence text[] not null,
    note text,
    submitted_on date,
    rejected_because text,
    waived_because text,
    closed_on date
    """,
    indexes=("(partner_id)", "(audit_id)", "(status, due_on)"),
)

PARTNERS = Table(
    "known_partners",
    "partner_id uuid primary key, kind text, ended boolean not null default false",
    indexes=("(kind)",),
)


def project_templates(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case AuditTemplateDrafted(code=code, content=content):
            yield TEMPLATES.drafted_with_title(CONTENT.dump_json(content), content.title, code)
        case AuditTemplateDraftDiscarded(code=code):
            yield TEMPLATES.discarded(code=code)
        case AuditTemplatePublished(code=code, version=version, content=content):
            yield TEMPLATES.update({"code": code}, title=content.title, version=version, draft=None)
            yield VERSIONS.insert(
                code=code, version=version, content=CONTENT.dump_json(content), published_at=fact.occurred_at
            )
        case AuditTemplateRetired(code=code):
            yield TEMPLATES.update({"code": code}, draft=None, retired=True)


def project_audits(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case FieldAuditRecorded() as audit:
            yield AUDITS.upsert(
                "audit_id",
                audit_id=audit.audit_id,
                audited_partner=audit.partner_id,
                outlet_id=audit.outlet_id,
                source=audit.source,
                source_ref=audit.source_ref,
                template=audit.template,
                template_version=audit.template_version,
                audited_on=audit.audited_on,
                status="recorded",
                total=audit.total,
                passed=audit.passed,
                critical_missed=list(audit.critical_missed),
                sections=SECTIONS.dump_json(audit.sections),
                answers=ANSWERS.dump_json(audit.answers),
                returned_because=None,
                recorded_at=fact.occurred_at,
            )
        case FieldAuditReturned(audit_id=id, reason=reason):
            yield AUDITS.update({"audit_id": id}, status="returned", returned_because=reason)
        case FieldAuditPublished(audit_id=id, partner_id=partner_id):
            yield AUDITS.update(
                {"audit_id": id}, status="published", partner_id=partner_id, published_at=fact.occurred_at
            )


def project_actions(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"action_id": fact.stream_id}
    match fact.event:
        case CorrectiveActionOpened() as opened:
            yield ACTIONS.insert(
                **opened.model_dump(exclude={"due_at", "time_zone"}), status="open", overdue=False, evidence=[]
            )
        case EvidenceSubmitted(references=references, note=note, submitted_on=day):
            yield ACTIONS.update(
                key, status="submitted", evidence=list(references), note=note, submitted_on=day, rejected_because=None
            )
        case EvidenceRejected(reason=reason):
            yield ACTIONS.update(key, status="open", rejected_because=reason)
        case CorrectiveActionWaived(reason=reason, waived_on=day):
            yield ACTIONS.update(key, status="waived", waived_because=reason, closed_on=day)
        case CorrectiveActionOverdue():
            yield ACTIONS.update(key, overdue=True)
        case CorrectiveActionVerified(verified_on=day):
            yield ACTIONS.update(key, status="verified", closed_on=day)


def project_partners(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PartnerRegistered(partner_id=id, kind=kind):
            yield PARTNERS.upsert("partner_id", partner_id=id, kind=kind)
        case PartnerLapsed(partner_id=id) | PartnerTerminated(partner_id=id):
            yield PARTNERS.update({"partner_id": id}, ended=True)


templates_view = View(
    "audit_templates", version=1, tables=(TEMPLATES, VERSIONS), project=project_templates, inline=True
)
audits_view = View("field_audits", version=1, tables=(AUDITS,), project=project_audits, inline=True)
actions_view = View("corrective_actions", version=1, tables=(ACTIONS,), project=project_actions, inline=True)
partners_view = View("partners", version=2, tables=(PARTNERS,), project=project_partners, source="partner")

VIEWS = (templates_view, audits_view, actions_view, partners_view)
