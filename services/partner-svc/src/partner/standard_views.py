"""Read models: what recruiting goes by, in versions, and its plans. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View, as_json
from engine.drafts import VersionsTable

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

STANDARDS = VersionsTable(
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

INVESTMENT_STANDARDS = VersionsTable(
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

OPENING_CHECKLISTS = VersionsTable(
    "opening_checklists",
    """
    kind text primary key,
    version integer,
    terms json,
    draft json,
    published_at timestamptz
    """,
)


def project_standards(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case StandardDrafted(code=code, content=content):
            yield STANDARDS.drafted_with_title(as_json(content), content.title, code)
        case StandardPublished(code=code, terms=terms):
            yield STANDARDS.published(terms, fact.occurred_at, "code", code=code, title=terms.title)
        case StandardDraftDiscarded(code=code):
            yield STANDARDS.discarded(code=code)


def project_investment_standards(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case InvestmentStandardDrafted(format=format, area=area, content=content):
            yield INVESTMENT_STANDARDS.drafted(content, format=format, area=area)
        case InvestmentStandardPublished(terms=terms):
            yield INVESTMENT_STANDARDS.published(
                terms, fact.occurred_at, "format", "area", format=terms.format, area=terms.area
            )
        case InvestmentStandardDraftDiscarded(format=format, area=area):
            yield INVESTMENT_STANDARDS.discarded(format=format, area=area)


def project_opening_checklists(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case OpeningChecklistDrafted(kind=kind, content=content):
            yield OPENING_CHECKLISTS.drafted(content, kind=kind)
        case OpeningChecklistPublished(terms=terms):
            yield OPENING_CHECKLISTS.published(terms, fact.occurred_at, "kind", kind=terms.kind)
        case OpeningChecklistDraftDiscarded(kind=kind):
            yield OPENING_CHECKLISTS.discarded(kind=kind)


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


standards_view = View("standards", version=3, tables=(STANDARDS,), project=project_standards, inline=True)
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
