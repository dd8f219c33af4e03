"""Routes of partners' evaluations, and of reports that they missed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from events.performance import MetricScore, Trend
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import NOW, At, Collection, Read, history_of, list_of, own, scope

from performance.domain.evaluation import evaluations
from performance.domain.figures import SCORES
from performance.domain.metric import Code
from performance.domain.period import Period
from performance.views import evaluations_view

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
    insufficient_data: bool = Field(description="The cohort is below the scorecard's minimum: there is no percentile.")
    restatements: int = Field(description="How often late or corrected reports changed it.")
    event_id: UUID = Field(description="The event that these figures are from.")
    tier: str | None = Field(description="The partner's that its targets were chosen by; null: the same hold for all.")
    area: str | None


class Reports(BaseModel):
    """The reports that the figures are made of."""

    count: int
    all: str
    first: list[str] = Field(description=f"The first {LINKED} to come.")


class EvaluationWithReports(EvaluationView):
    reports: Reports | None = Field(description="Those of now; null where another time was asked for.")
    missed: list[str] = Field(description="Metrics whose report was due and had not come when the period was closed.")
    history: str


class MissedReportView(BaseModel):
    partner_id: UUID
    period: str
    metric: str
    event_id: UUID


def shown(**row: Any) -> EvaluationView:
    scores = SCORES.validate_json(row.pop("scores"))
    return EvaluationView(scores=scores, insufficient_data=row["percentile"] is None, **row)


EVALUATIONS = Collection(
    evaluations,
    evaluations_view,
    EvaluationView,
    key=("partner_id", "period"),
    filters=("partner_id", "period", "band", "scorecard"),
    sorts=("total", "period", "percentile"),
    types={"period": Period},
    shown=shown,
)
MISSED = Collection(
    evaluations,
    evaluations_view,
    MissedReportView,
    key=("partner_id", "period", "metric"),
    filters=("partner_id", "period", "metric"),
    sorts=("period",),
    source="select * from {missed_reports}",
    types={"period": Period, "metric": Code},
    name="missed_reports",
)

router.add_api_route(
    "",
    list_of(EVALUATIONS, "By partner, then period, if they are not sorted."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)
router.add_api_route("/{id}/history", history_of(evaluations), methods=["GET"], dependencies=[READ])


@router.get("/{partner_id}/{period}", dependencies=[READ, own("partner_id")])
async def read_evaluation(partner_id: UUID, period: Period, db: Read, at: At) -> EvaluationWithReports:
    """An evaluation, with the reports behind its figures and what was due and had not come."""
    found = await db.one(EVALUATIONS, at, of=partner_id, partner_id=partner_id, period=period)
    missed = await db.all(MISSED, at, of=partner_id, partner_id=partner_id, period=period)
    return EvaluationWithReports(
        **dict(found),
        reports=await reports_behind(found, db) if at is NOW else None,
        missed=[each.metric for each in missed],
        history=f"/evaluations/{partner_id}/history",
    )


async def reports_behind(found: EvaluationView, db: Read) -> Reports:
    metrics = [each.metric for each in found.scores]
    behind = await db.fetch(BEHIND, found.partner_id, found.period, metrics)
    return Reports(
        count=len(behind),
        all=f"/kpi-reports?partner_id={found.partner_id}&period={found.period}",
        first=[f"/kpi-reports/{each['report_id']}" for each in behind[:LINKED]],
    )


missed_reports.add_api_route(
    "",
    list_of(MISSED, "Reports that were due and had not come when their period was closed; some have come since."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)
