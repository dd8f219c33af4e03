"""Read models: standards, applications and partners as they stand. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.partner import (
    ApplicationApproved,
    ApplicationDeclined,
    ApplicationScored,
    OutletChanged,
    OutletOpened,
    PartnerActivated,
    PartnerApplied,
    PartnerLapsed,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
)

from partner.domain import application, partner
from partner.domain.application import ApplicationWithdrawn, DuplicateDecided, PossibleDuplicateHeld
from partner.domain.checklist import ChecklistDrawnUp, ChecklistItemCompleted
from partner.domain.launch import ContractSigned
from partner.domain.registration import partner_id
from partner.domain.standard import StandardPublished
from partner.domain.words import normalised

STANDARDS = Table(
    "standards",
    """
    code text primary key,
    version integer not null,
    title text not null,
    dimensions text[] not null,
    weights numeric[] not null,
    gates text[] not null
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
    override_reason text,
    looks_like uuid,
    looks_like_name text,
    held_at timestamptz,
    closed_because text
    """,
    indexes=("(status, application_id)", "(area, application_id)"),
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


def project_standards(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case StandardPublished() as standard:
            yield STANDARDS.upsert(
                "code",
                code=standard.code,
                version=standard.version,
                title=standard.title,
                dimensions=[dimension.code for dimension in standard.dimensions],
                weights=[dimension.weight for dimension in standard.dimensions],
                gates=list(standard.gates),
            )


def project_applications(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"application_id": fact.stream_id}
    status = application.Status
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
        case ApplicationScored() as scored:
            yield APPLICATIONS.update(
                key,
                status=status.SCORED.value,
                standard=scored.standard,
                standard_version=scored.standard_version,
                total=scored.total,
                failed_gates=list(scored.failed_gates),
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
    status = partner.Status
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
        case ChecklistDrawnUp(items=items):
            yield PARTNERS.update(key, open_items=[item.code for item in items])
        case ChecklistItemCompleted(item=item):
            yield PARTNERS.sql(
                "update {table} set open_items = array_remove(open_items, $2) where partner_id = $1",
                fact.stream_id,
                item,
            )
        case OutletOpened(opened_on=day):
            yield PARTNERS.update(key, opened_on=day)
        case OutletChanged(name=name, area=area):
            yield PARTNERS.update(key, outlet_name=name, area=area)
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


standards_view = View("standards", version=1, tables=(STANDARDS,), project=project_standards, inline=True)
applications_view = View("applications", version=1, tables=(APPLICATIONS,), project=project_applications, inline=True)
partners_view = View("partners", version=2, tables=(PARTNERS,), project=project_partners, inline=True)

VIEWS = (standards_view, applications_view, partners_view)
