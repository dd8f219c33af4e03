"""Routes of periods."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from events.periods import Kind, first_day, kind, last_day
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import At, Collection, Handle, Read, Receipt, history_of, list_of, scope

from performance.domain.period import Close, ClosePeriod, Period, closes_from, period_id, periods
from performance.domain.scorecard import scorecard_id, scorecards
from performance.views import basis_view

READ, DECIDE = scope("performance:read"), scope("performance:decide")

router = APIRouter(prefix="/periods", tags=["periods"])


class PeriodView(BaseModel):
    """`closed`: its partners are being evaluated; `evaluated`: they have been."""

    period: str
    kind: Kind
    first_day: date
    last_day: date
    status: Literal["open", "closed", "evaluated"]
    closes_from: date = Field(description="The first day, in UTC, on which it may be closed.")
    closed_on: AwareDatetime | None = None
    closed_by: UUID | None = Field(default=None, description="The event that closed it.")
    position: int | None = Field(default=None, description="Of that event: reports behind it came late.")
    scorecard: str | None = None
    scorecard_version: int | None = None
    evaluations: int = 0
    missed_reports: int = 0


def shown(**row: Any) -> PeriodView:
    return PeriodView(
        **days(row["period"]),
        status="evaluated" if row["evaluated"] else "closed",
        closed_on=row["closed_on"],
        closed_by=row["closed_by"],
        position=row["closed_at"],
        scorecard=row["scorecard"],
        scorecard_version=row["scorecard_version"],
        evaluations=row["evaluations"],
        missed_reports=row["missed_reports"],
    )


def days(period: str) -> dict[str, Any]:
    return {
        "period": period,
        "kind": kind(period),
        "first_day": first_day(period),
        "last_day": last_day(period),
        "closes_from": closes_from(period),
    }


PERIODS = Collection(
    periods,
    basis_view,
    PeriodView,
    key="period",
    filters=("kind", "scorecard"),
    sorts=("closed_on",),
    source="""
    select p.*, (select count(*) from evaluations e where e.period = p.period) as evaluations,
           (select count(*) from missed_reports m where m.period = p.period) as missed_reports
    from {periods} p
    """,
    shown=shown,
    name="periods",
)


@router.post("/{period}/close", status_code=201, dependencies=[DECIDE])
async def close_period(period: Period, body: ClosePeriod, db: Read, handle: Handle) -> Receipt:
    """Reports that come from now on are late. Its partners are evaluated by the scorecard as it is now."""
    card = (await db.load(scorecards, scorecard_id(body.scorecard))).state.terms
    latest = await db.fetchval("select max(period) from periods where kind = $1", kind(period))
    command = Close(
        period=period,
        scorecard_version=None if card is None else card.version,
        latest_closed=latest,
        **body.model_dump(),
    )
    return await handle(periods, period_id(period), command)


router.add_api_route("", list_of(PERIODS, "Those that are closed."), methods=["GET"], dependencies=[READ])


@router.get("/{period}", dependencies=[READ])
async def read_period(period: Period, db: Read, at: At) -> PeriodView:
    """The period, closed or still open. How many evaluations and missed reports there are is of now."""
    found = await db.find(PERIODS, at, of=period_id(period), period=period)
    return PeriodView(**days(period), status="open") if found is None else found


router.add_api_route(
    "/{period}/history", history_of(periods, "period", period_id), methods=["GET"], dependencies=[READ]
)
