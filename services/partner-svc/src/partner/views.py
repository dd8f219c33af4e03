"""Read models: applications and partners as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View, as_json
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
from pydantic import TypeAdapter

from partner.domain import candidate, standing
from partner.domain.approval import ApplicationWithdrawn
from partner.domain.assessment import ApplicationScreened, BusinessPlanProjected, InterviewHeld
from partner.domain.duplicate import DuplicateDecided, PossibleDuplicateHeld
from partner.domain.launch import ContractSigned
from partner.domain.readiness import ChecklistDrawnUp, ChecklistItemCompleted, ChecklistItemWaived
from partner.domain.registration import partner_id
from partner.domain.words import normalised

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


applications_view = View("applications", version=2, tables=(APPLICATIONS,), project=project_applications, inline=True)
partners_view = View("partners", version=2, tables=(PARTNERS,), project=project_partners, inline=True)

VIEWS = (applications_view, partners_view)
