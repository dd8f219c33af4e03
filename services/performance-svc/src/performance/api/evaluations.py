"""Routes of partners' evaluations, and of reports that they missed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Unknown
from events.performance import MetricScore, Trend
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import Invalid, Listing, Page, Read, history_of, listing, own, scope

from performance.domain.evaluation import evaluations
from performance.domain.period import Period
from performance.views import SCORES

READ = scope("performance:read")

router = APIRouter(prefix="/evaluations", tags=["evaluations"])
missed_reports = APIRouter(prefix="/missed-reports", tags=["evaluations"])

LINKED = 20
"""Reports that an evaluation links one by one."""

BEHIND = """
select report_id from observations
where partner_id = $1 and period = $2 and metric = any ($3) and superseded_at is null order by reported_at
"""


class EvaluationView(BaseModel):
    """As it holds now. `trend` is against the partner's evaluation of the period of the same kind before it."""

    partner_id: UUID
    period: str
    scorecard: str
    scorecard_version: int
    scores: tuple[MetricScore, ...]
    total: Decimal
    band: str
    trend: Trend | None
    percentile: Decimal | None = Field(
        description="Percentage of the cohort whose total is at or below this one; null where it is too small to say."
    )
    cohort_size: int
    restatements: int = Field(description="How often late or corrected reports changed it.")
    event_id: UUID = Field(description="The event that these figures are from.")


class Reports(BaseModel):
    """The reports that the figures are made of."""

    count: int
    all: str
    first: list[str] = Field(description=f"The first {LINKED} to come.")


class EvaluationWithReports(EvaluationView):
    reports: Reports
    missed: list[str] = Field(description="Metrics whose report was due and had not come when the period was closed.")
    history: str


class MissedReportView(BaseModel):
    partner_id: UUID
    period: str
    metric: str
    event_id: UUID


def fields(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(row) | {"scores": SCORES.validate_json(row["scores"])}


@router.get("", dependencies=[READ, own(query="partner_id")])
async def list_evaluations(
    db: Read, page: Page, partner_id: UUID | None = None, period: Period | None = None, band: str | None = None
) -> Listing[EvaluationView]:
    """By partner, then period."""
    after = last_key(page.after, 2)
    rows = await db.fetch(
        "select * from evaluations where ($1::uuid is null or partner_id = $1) and ($2::text is null or period = $2)"
        " and ($3::text is null or band = $3) and ($4::uuid is null or (partner_id, period) > ($4, $5))"
        " order by partner_id, period limit $6",
        partner_id,
        period,
        band,
        *after,
        page.limit + 1,
    )
    return listing(
        rows,
        page,
        key=lambda row: f"{row['partner_id']}/{row['period']}",
        item=lambda **row: EvaluationView(**fields(row)),
    )


router.add_api_route("/{id}/history", history_of(evaluations), methods=["GET"], dependencies=[READ])


@router.get("/{partner_id}/{period}", dependencies=[READ, own("partner_id")])
async def read_evaluation(partner_id: UUID, period: Period, db: Read) -> EvaluationWithReports:
    row = await db.fetchrow("select * from evaluations where partner_id = $1 and period = $2", partner_id, period)
    if row is None:
        raise Unknown("performance.evaluation_unknown", partner_id=partner_id, period=period)
    found = fields(row)
    behind = await db.fetch(BEHIND, partner_id, period, [each.metric for each in found["scores"]])
    missed = await db.fetch(
        "select metric from missed_reports where partner_id = $1 and period = $2 order by metric", partner_id, period
    )
    return EvaluationWithReports(
        **found,
        reports=Reports(
            count=len(behind),
            all=f"/kpi-reports?partner_id={partner_id}&period={period}",
            first=[f"/kpi-reports/{each['report_id']}" for each in behind[:LINKED]],
        ),
        missed=[each["metric"] for each in missed],
        history=f"/evaluations/{partner_id}/history",
    )


@missed_reports.get("", dependencies=[READ, own(query="partner_id")])
async def list_missed_reports(
    db: Read, page: Page, partner_id: UUID | None = None, period: Period | None = None
) -> Listing[MissedReportView]:
    """Reports that were due and had not come when their period was closed; some have come since."""
    after = last_key(page.after, 3)
    rows = await db.fetch(
        "select * from missed_reports where ($1::uuid is null or partner_id = $1) and ($2::text is null or period = $2)"
        " and ($3::uuid is null or (partner_id, period, metric) > ($3, $4, $5))"
        " order by partner_id, period, metric limit $6",
        partner_id,
        period,
        *after,
        page.limit + 1,
    )
    return listing(
        rows, page, key=lambda row: f"{row['partner_id']}/{row['period']}/{row['metric']}", item=MissedReportView
    )


def last_key(after: str | None, parts: int) -> tuple[UUID | str | None, ...]:
    if after is None:
        return (None,) * parts
    id, *rest = after.split("/")
    try:
        key: tuple[UUID | str, ...] = (UUID(id), *rest)
    except ValueError:
        key = ()
    if len(key) != parts:
        raise Invalid("after", "cursor", "is not a `next` that this list handed out")
    return key
