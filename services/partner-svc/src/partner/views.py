"""Read models: standards, applications and partners as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.partner import (
    ApplicationApproved,
    ApplicationDeclined,
    ApplicationScored,
    DimensionScore,
    GateResult,
    OutletChanged,
    OutletOpened,
    PartnerActivated,
    PartnerApplied,
    PartnerLapsed,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    PartnerTransferred,
)
from pydantic import BaseModel, TypeAdapter

from partner.domain import candidate, standing
from partner.domain.approval import ApplicationWithdrawn
from partner.domain.assessment import ApplicationScreened, BusinessPlanProjected, InterviewHeld
from partner.domain.checklist import (
    OpeningChecklistDraftDiscarded,
    OpeningChecklistDrafted,
    OpeningChecklistPublished,
)
from partner.domain.duplicate import DuplicateDecided, PossibleDuplicateHeld
from partner.domain.investment import (
    InvestmentStandardDraftDiscarded,
    InvestmentStandardDrafted,
    InvestmentStandardPublished,
)
from partner.domain.launch import ContractSigned
from partner.domain.outlet import ChecklistDrawnUp, ChecklistItemCompleted, ChecklistItemWaived
from partner.domain.recruitment import RecruitmentExpenseBooked, RecruitmentPlanClosed, RecruitmentPlanned
from partner.domain.registration import partner_id
from partner.domain.standard import StandardDraftDiscarded, StandardDrafted, StandardPublished
from partner.domain.words import normalised

STANDARDS = Table(
    "standards",
    """
    code text primary key,
    title text not null,
    version integer,
    terms json,
    draft json,
    published_at timestamptz
    """,
)

INVESTMENT_STANDARDS = Table(
    "investment_standards",
    """
    format text not null,
    area text not null,
    version integer,
    terms json,
    draft json,
    published_at timestamptz,
    primary key (format, area)
    """,
)

RECRUITMENT_PLANS = Table(
    "recruitment_plans",
    """
    code text primary key,
    kind text not null,
    status text not null,
    starts_on date not null,
    ends_on date not null,
    content json not null,
    spent numeric not null default 0,
    closed_because text
    """,
)

APPLICATIONS = Table(
    "applications",
    """
    application_id uuid primary key,
    partner_id uuid not null,
    status text not null,
    legal_name text not null,
    kind text not null,
    area text not null,
    outlet_name text not null,
    applied_at timestamptz not null,
    standard text,
    standard_version integer,
    total numeric,
    failed_gates text[],
    confidence numeric,
    band text,
    recommendation text,
    scores json,
    gates json,
    interviewed_on date,
    format text,
    investment_area text,
    plan json,
    payback_years numeric,
    shortfalls text[],
    override_reason text,
    looks_like uuid,
    looks_like_name text,
    held_at timestamptz,
    closed_because text
    """,
    indexes=("(status, application_id)", "(area, application_id)", "(standard, status)"),
)

PARTNERS = Table(
    "partners",
    """
    partner_id uuid primary key,
    application_id uuid not null,
    status text not null,
    stage text not null,
    legal_name text not null,
    name_key text not null,
    kind text not null,
    area text not null,
    outlet_id uuid not null,
    outlet_name text not null,
    opened_on date,
    open_items text[],
    registered_at timestamptz not null
    """,
    indexes=("(status, partner_id)", "(area, partner_id)", "(name_key text_pattern_ops)"),
)

OPENING_CHECKLISTS = Table(
    "opening_checklists",
    """
    kind text primary key,
    version integer,
    terms json,
    draft json,
    published_at timestamptz
    """,
)


LINES = TypeAdapter(tuple[DimensionScore, ...])
RESULTS = TypeAdapter(tuple[GateResult, ...])
SCORED = """
update {table} set standard = $2, standard_version = $3, total = $4, failed_gates = $5, confidence = $6, band = $7,
    recommendation = $8, scores = $9, gates = $10,
    status = case when interviewed_on is null then 'scored' else 'interviewed' end
where application_id = $1
"""


def _scored(scored: ApplicationScored) -> tuple[Any, ...]:
    return (
        scored.standard,
        scored.standard_version,
        scored.total,
        list(scored.failed_gates),
        scored.confidence,
        scored.band,
        scored.recommendation,
        LINES.dump_json(scored.scores),
        RESULTS.dump_json(scored.gates),
    )


def as_json(value: BaseModel) -> bytes:
    return value.model_dump_json().encode()


def project_standards(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case StandardDrafted(code=code, content=content):
            # The title of what is published stays until the draft is.
            yield STANDARDS.sql(
                "insert into {table} (code, title, draft) values ($1, $2, $3)"
                " on conflict (code) do update set draft = excluded.draft",
                code,
                content.title,
                as_json(content),
            )
        case StandardPublished(code=code, terms=terms):
            yield STANDARDS.upsert(
                "code",
                code=code,
                title=terms.title,
                version=terms.version,
                terms=as_json(terms),
                draft=None,
                published_at=fact.occurred_at,
            )
        case StandardDraftDiscarded(code=code):
            yield STANDARDS.update({"code": code}, draft=None)


def project_investment_standards(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case InvestmentStandardDrafted(format=format, area=area, content=content):
            yield INVESTMENT_STANDARDS.upsert("format", "area", format=format, area=area, draft=as_json(content))
        case InvestmentStandardPublished(terms=terms):
            yield INVESTMENT_STANDARDS.upsert(
                "format",
                "area",
                format=terms.format,
                area=terms.area,
                version=terms.version,
                terms=as_json(terms),
                draft=None,
                published_at=fact.occurred_at,
            )
        case InvestmentStandardDraftDiscarded(format=format, area=area):
            yield INVESTMENT_STANDARDS.update({"format": format, "area": area}, draft=None)


def project_opening_checklists(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case OpeningChecklistDrafted(kind=kind, content=content):
            yield OPENING_CHECKLISTS.upsert("kind", kind=kind, draft=as_json(content))
        case OpeningChecklistPublished(terms=terms):
            yield OPENING_CHECKLISTS.upsert(
                "kind",
                kind=terms.kind,
                version=terms.version,
                terms=as_json(terms),
                draft=None,
                published_at=fact.occurred_at,
            )
        case OpeningChecklistDraftDiscarded(kind=kind):
            yield OPENING_CHECKLISTS.update({"kind": kind}, draft=None)


def project_recruitment_plans(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RecruitmentPlanned(code=code, content=content):
            yield RECRUITMENT_PLANS.upsert(
                "code",
                code=code,
                kind=content.kind,
                status="open",
                starts_on=content.starts_on,
                ends_on=content.ends_on,
                content=as_json(content),
            )
        case RecruitmentExpenseBooked(code=code, amount=amount):
            yield RECRUITMENT_PLANS.sql("update {table} set spent = spent + $2 where code = $1", code, amount)
        case RecruitmentPlanClosed(code=code, reason=reason):
            yield RECRUITMENT_PLANS.update({"code": code}, status="closed", closed_because=reason)


def project_applications(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"application_id": fact.stream_id}
    status = candidate.Status
    match fact.event:
        case PartnerApplied() as applied:
            yield APPLICATIONS.upsert(
                "application_id",
                application_id=applied.application_id,
                partner_id=partner_id(applied.application_id),
                status=status.APPLIED.value,
                legal_name=applied.legal_name,
                kind=applied.kind,
                area=applied.area,
                outlet_name=applied.outlet_name,
                applied_at=fact.occurred_at,
            )
        case ApplicationScreened() as screened:
            yield APPLICATIONS.update(
                key,
                status=status.SCREENED.value,
                standard=screened.standard,
                standard_version=screened.standard_version,
                failed_gates=list(screened.failed_gates),
            )
        case ApplicationScored() as scored:
            yield APPLICATIONS.sql(SCORED, fact.stream_id, *_scored(scored))
        case InterviewHeld(held_on=day):
            yield APPLICATIONS.update(key, status=status.INTERVIEWED.value, interviewed_on=day)
        case BusinessPlanProjected(case=case, terms=terms, projection=projection):
            yield APPLICATIONS.update(
                key,
                format=case.format,
                investment_area=terms.area,
                plan=as_json(case),
                payback_years=projection.payback_years,
                shortfalls=list(projection.shortfalls),
            )
        case ApplicationApproved(override_reason=override):
            yield APPLICATIONS.update(key, status=status.APPROVED.value, override_reason=override)
        case PossibleDuplicateHeld(looks_like=id, looks_like_name=name):
            yield APPLICATIONS.update(
                key, status=status.HELD.value, looks_like=id, looks_like_name=name, held_at=fact.occurred_at
            )
        case DuplicateDecided():
            yield APPLICATIONS.update(key, status=status.APPROVED.value)
        case ApplicationDeclined(reason=reason):
            yield APPLICATIONS.update(key, status=status.DECLINED.value, closed_because=reason)
        case ApplicationWithdrawn(reason=why):
            yield APPLICATIONS.update(key, status=status.WITHDRAWN.value, closed_because=why)


def project_partners(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"partner_id": fact.stream_id}
    status = standing.Status
    match fact.event:
        case PartnerRegistered() as registered:
            yield PARTNERS.upsert(
                "partner_id",
                partner_id=registered.partner_id,
                application_id=registered.application_id,
                status=status.PROSPECTIVE.value,
                stage=status.PROSPECTIVE.value,
                legal_name=registered.legal_name,
                name_key="" if registered.sole_trader else normalised(registered.legal_name),
                kind=registered.kind,
                area=registered.area,
                outlet_id=registered.outlet_id,
                outlet_name=registered.outlet_name,
                registered_at=fact.occurred_at,
            )
        case ChecklistDrawnUp(outlet_id=outlet, items=items):
            yield PARTNERS.update({**key, "outlet_id": outlet}, open_items=[item.code for item in items])
        case ChecklistItemCompleted(outlet_id=outlet, item=item) | ChecklistItemWaived(outlet_id=outlet, item=item):
            yield PARTNERS.sql(
                "update {table} set open_items = array_remove(open_items, $3) where partner_id = $1 and outlet_id = $2",
                fact.stream_id,
                outlet,
                item,
            )
        case OutletOpened(outlet_id=outlet, opened_on=day):
            yield PARTNERS.update({**key, "outlet_id": outlet}, opened_on=day)
        case OutletChanged(outlet_id=outlet, name=name, area=area):
            yield PARTNERS.update({**key, "outlet_id": outlet}, outlet_name=name, area=area)
        case PartnerTransferred(legal_name=name, sole_trader=person):
            yield PARTNERS.update(key, legal_name=name, name_key="" if person else normalised(name))
        case ContractSigned():
            # A further contract changes nothing, and who is suspended stays so.
            yield PARTNERS.sql(
                "update {table} set stage = 'onboarding',"
                " status = case status when 'prospective' then 'onboarding' else status end"
                " where partner_id = $1 and stage = 'prospective'",
                fact.stream_id,
            )
        case PartnerActivated():
            yield PARTNERS.update(key, stage=status.ACTIVE.value, status=status.ACTIVE.value)
        case PartnerSuspended():
            yield PARTNERS.update(key, status=status.SUSPENDED.value)
        case PartnerReinstated():
            yield PARTNERS.sql("update {table} set status = stage where partner_id = $1", fact.stream_id)
        case PartnerLapsed():
            yield PARTNERS.update(key, stage=status.LAPSED.value, status=status.LAPSED.value)
        case PartnerTerminated():
            yield PARTNERS.update(key, stage=status.TERMINATED.value, status=status.TERMINATED.value)


standards_view = View("standards", version=2, tables=(STANDARDS,), project=project_standards, inline=True)
investment_standards_view = View(
    "investment_standards",
    version=1,
    tables=(INVESTMENT_STANDARDS,),
    project=project_investment_standards,
    inline=True,
)
recruitment_plans_view = View(
    "recruitment_plans", version=1, tables=(RECRUITMENT_PLANS,), project=project_recruitment_plans, inline=True
)
applications_view = View("applications", version=2, tables=(APPLICATIONS,), project=project_applications, inline=True)
partners_view = View("partners", version=2, tables=(PARTNERS,), project=project_partners, inline=True)

opening_checklists_view = View(
    "opening_checklists", version=1, tables=(OPENING_CHECKLISTS,), project=project_opening_checklists, inline=True
)

VIEWS = (
    opening_checklists_view,
    standards_view,
    investment_standards_view,
    recruitment_plans_view,
    applications_view,
    partners_view,
)
