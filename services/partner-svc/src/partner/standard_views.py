"""Read models: what recruiting goes by, in versions, and its plans. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from pydantic import BaseModel

from partner.domain.checklist import (
    OpeningChecklistDraftDiscarded,
    OpeningChecklistDrafted,
    OpeningChecklistPublished,
)
from partner.domain.investment import (
    InvestmentStandardDraftDiscarded,
    InvestmentStandardDrafted,
    InvestmentStandardPublished,
)
from partner.domain.recruitment import RecruitmentExpenseBooked, RecruitmentPlanClosed, RecruitmentPlanned
from partner.domain.standard import StandardDraftDiscarded, StandardDrafted, StandardPublished

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
opening_checklists_view = View(
    "opening_checklists", version=1, tables=(OPENING_CHECKLISTS,), project=project_opening_checklists, inline=True
)

VIEWS = (standards_view, investment_standards_view, opening_checklists_view, recruitment_plans_view)
