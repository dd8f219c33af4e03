"""Routes of KPI reports, one at a time."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import At, Collection, Handle, Read, Receipt, history_of, list_of, own, scope

from performance.api.known import Known
from performance.domain.kpi_report import ReportKPI, kpi_reports
from performance.domain.metric import Code
from performance.domain.period import Period
from performance.views import basis_view

READ, WRITE = scope("performance:read"), scope("performance:write")

router = APIRouter(prefix="/kpi-reports", tags=["kpi-reports"])


class KPIReportView(BaseModel):
    report_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    metric: str
    period: str
    value: Decimal = Field(description="As it holds now; of a ratio metric, the numerator.")
    denominator: Decimal | None
    source: str
    source_ref: str
    occurred_at: AwareDatetime
    restatements: int = Field(description="How often it was corrected; its history has the earlier values.")
    event_id: UUID = Field(description="The event that the value is from, at this position of the log.")
    position: int


REPORTS = Collection(
    kpi_reports,
    basis_view,
    KPIReportView,
    key="reported_at",
    filters=("partner_id", "outlet_id", "period", "metric", "source"),
    sorts=("reported_at",),
    source="""
    select report_id, partner_id, outlet_id, metric, period, value, denominator, source, source_ref, occurred_at,
           restatements, event_id, position, reported_at
    from {observations} where superseded_at is null
    """,
    types={"reported_at": int, "period": Period, "metric": Code},
    unknown="performance.report_unknown",
    name="kpi_reports",
)


@router.post("", status_code=201, dependencies=[WRITE, own(body="partner_id", reads=["metrics"])])
async def report_kpi(report: ReportKPI, db: Read, handle: Handle) -> Receipt:
    """One observation, or with `corrects` the correction of one. The same (source, source_ref) with the same content
    is a repeat; with another content it is refused."""
    [command] = await Known(db).complete([report])
    return await handle(kpi_reports, command.report_id, command)


router.add_api_route(
    "",
    list_of(REPORTS, "In the order in which they came."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)


@router.get("/{report_id}", dependencies=[READ, own("report_id", kpi_reports)])
async def read_kpi_report(report_id: UUID, db: Read, at: At) -> KPIReportView:
    """The report with the value that holds."""
    return await db.one(REPORTS, at, report_id=report_id)


router.add_api_route("/{id}/history", history_of(kpi_reports), methods=["GET"], dependencies=[READ])
