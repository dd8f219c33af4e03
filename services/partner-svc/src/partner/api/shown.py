"""What is shown of recruiting: standards, plans and applications, from rows and from aggregates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from events.partner import (
    DimensionScore,
    ExternalRef,
    GateResult,
    PartnerKind,
    Recommendation,
)
from events.sealed import is_sealed
from pydantic import AwareDatetime, BaseModel, BeforeValidator

from partner.api.versioned import DifferenceView
from partner.domain import candidate
from partner.domain.candidate import Application, Interview
from partner.domain.economics import BusinessCase, Projection, YearCompared
from partner.domain.investment import InvestmentContent, InvestmentTerms
from partner.domain.recruitment import PlanContent
from partner.domain.standard import StandardContent, StandardTerms


def _in_the_open(name: str | None) -> str | None:
    return SOLE_TRADER if name is not None and is_sealed(name) else name


SOLE_TRADER = "(sole trader)"
"""Shown for the name of a person; who may see it asks for the partner's personal data."""
Name = Annotated[str, BeforeValidator(_in_the_open)]


class StandardView(BaseModel):
    """`terms` are those that applications are scored by, null before the first version; `draft` is what the next is to
    say."""

    code: str
    title: str
    version: int | None
    terms: StandardTerms | None
    draft: StandardContent | None
    published_at: AwareDatetime | None


def standard_view(**row: Any) -> StandardView:
    return StandardView(**{**row, **read_json(row, terms=StandardTerms, draft=StandardContent)})


def read_json(row: Mapping[str, Any], **kinds: type[BaseModel]) -> dict[str, Any]:
    return {name: row[name] and kind.model_validate_json(row[name]) for name, kind in kinds.items()}


class RecommendedOtherwise(BaseModel):
    """An open application, and what it would come to under the draft. `to_be_looked_at` are the dimensions and gates
    that nobody has scored or answered."""

    application_id: UUID
    status: candidate.Status
    total: Decimal | None
    recommendation: Recommendation | None
    total_then: Decimal | None
    recommendation_then: Recommendation | None
    to_be_looked_at: list[str]


class StandardPreview(BaseModel):
    """What publishing the draft would make of the standard, and of the applications that are scored by it and not
    decided (at most 100 of those that it would recommend otherwise are shown)."""

    code: str
    version: int
    differences: list[DifferenceView]
    open_applications: int
    recommended_otherwise: int
    applications: list[RecommendedOtherwise]


class InvestmentView(BaseModel):
    """`terms` are those that plans are judged by, null before the first version."""

    format: str
    area: str
    version: int | None
    terms: InvestmentTerms | None
    draft: InvestmentContent | None
    published_at: AwareDatetime | None


def investment_view(**row: Any) -> InvestmentView:
    return InvestmentView(**{**row, **read_json(row, terms=InvestmentTerms, draft=InvestmentContent)})


class JudgedOtherwise(BaseModel):
    """An open application's plan: where it falls short now, and where it would under the draft."""

    application_id: UUID
    shortfalls: list[str]
    shortfalls_then: list[str]


class InvestmentPreview(BaseModel):
    """What publishing the draft would make of the standard, and of open applications' plans (at most 100 are shown)."""

    format: str
    area: str
    version: int
    differences: list[DifferenceView]
    open_plans: int
    judged_otherwise: int
    applications: list[JudgedOtherwise]


class PlanView(BaseModel):
    """`spent` in the plan's currency."""

    code: str
    kind: PartnerKind
    status: Literal["open", "closed"]
    starts_on: date
    ends_on: date
    content: PlanContent
    spent: Decimal
    closed_because: str | None


def plan_view(**row: Any) -> PlanView:
    return PlanView(**{**row, **read_json(row, content=PlanContent)})


class PlanProgress(BaseModel):
    """`signed` of the `target`; `expected` by the day if it went evenly, and how far it is `behind` that. `pipeline`
    counts applications by where they stand; who has signed is counted under `signed` alone."""

    code: str
    target: int
    signed: int
    reached_percent: Decimal
    expected: Decimal
    behind: Decimal
    spent: Decimal
    budget_left: Decimal
    cost_each: Decimal | None
    pipeline: dict[str, int]


class ApplicationView(BaseModel):
    """`total` from 0 to 100, `confidence` from 0 to 1. `shortfalls` are where the business plan does not meet the
    investment standard: they refuse approval as failed gates do. `looks_like` is the partner that it may be a duplicate
    of. `partner_id` is the id that the partner has, or would have."""

    application_id: UUID
    partner_id: UUID
    status: candidate.Status
    legal_name: Name
    kind: PartnerKind
    area: str
    outlet_name: str
    applied_at: AwareDatetime
    standard: str | None
    standard_version: int | None
    total: Decimal | None
    failed_gates: list[str] | None
    confidence: Decimal | None
    band: str | None
    recommendation: Recommendation | None
    interviewed_on: date | None
    format: str | None
    payback_years: Decimal | None
    shortfalls: list[str] | None
    override_reason: str | None
    looks_like: UUID | None
    looks_like_name: Name | None
    held_at: AwareDatetime | None
    closed_because: str | None


class DuplicateDecision(BaseModel):
    distinct: bool
    reason: str


class ApplicationDetail(ApplicationView):
    """With the scores behind the total, and what was decided about a possible duplicate."""

    external_refs: list[ExternalRef]
    scores: list[DimensionScore]
    gates: list[GateResult]
    interviews: list[Interview]
    duplicate_decision: DuplicateDecision | None


def application_detail(row: ApplicationView, state: Application) -> ApplicationDetail:
    measured, duplicate = state.measured, state.duplicate
    decided = None
    if duplicate is not None and duplicate.distinct is not None:
        decided = DuplicateDecision(distinct=duplicate.distinct, reason=duplicate.reason or "")
    screening = () if state.screening is None else state.screening.gates
    return ApplicationDetail(
        **dict(row),
        external_refs=list(state.registration.external_refs) if state.registration else [],
        scores=list(measured.scores) if measured else [],
        gates=list(measured.gates if measured else screening),
        interviews=list(state.interviews),
        duplicate_decision=decided,
    )


class BusinessPlanView(BaseModel):
    """The applicant's plan and what it comes to, by the `terms` that it was judged by. `compared` is each year that
    has begun since the outlet opened, against what was reported of sales and costs in the plan's currency; costs that
    nobody reports are not in it, and `other_currencies` are left out."""

    application_id: UUID
    partner_id: UUID
    case: BusinessCase
    terms: InvestmentTerms
    projection: Projection
    opened_on: date | None
    compared: list[YearCompared]
    other_currencies: list[str]


class PossibleDuplicate(BaseModel):
    """An applicant whose name is, but for the way it is written, the name of a partner."""

    application_id: UUID
    partner_id: UUID
    legal_name: Name
    area: str
    looks_like: UUID
    looks_like_name: Name
    held_at: AwareDatetime
