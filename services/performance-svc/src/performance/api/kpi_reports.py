"""Routes of KPI reports, one at a time."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from engine import Unknown
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import Handle, Invalid, Listing, Page, Read, Receipt, history_of, listing, own, scope

from performance.api.known import Known
from performance.domain.kpi_report import ReportKPI, kpi_reports
from performance.domain.metric import Code
from performance.domain.period import Period

READ, WRITE = scope("performance:read"), scope("performance:write")

router = APIRouter(prefix="/kpi-reports", tags=["kpi-reports"])

COLUMNS = """
report_id, partner_id, outlet_id, metric, period, value, source, source_ref, occurred_at, restatements, event_id,
position, reported_at
"""


class KPIReportView(BaseModel):
    report_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    metric: str
    period: str
    value: Decimal = Field(description="As it holds now.")
    source: str
    source_ref: str
    occurred_at: AwareDatetime
    restatements: int = Field(description="How often it was corrected; its history has the earlier values.")
    event_id: UUID = Field(description="The event that the value is from, at this position of the log.")
    position: int


@router.post("", status_code=201, dependencies=[WRITE, own(body="partner_id", reads=["metrics"])])
async def report_kpi(report: ReportKPI, db: Read, handle: Handle) -> Receipt:
    """One observation, or with `corrects` the correction of one. The same (source, source_ref) with the same content
    is a repeat; with another content it is refused."""
    [command] = await Known(db).complete([report])
    return await handle(kpi_reports, command.report_id, command)


@router.get("", dependencies=[READ, own(query="partner_id")])
async def list_kpi_reports(
    db: Read, page: Page, partner_id: UUID | None = None, period: Period | None = None, metric: Code | None = None
) -> Listing[KPIReportView]:
    """In the order in which they came."""
    rows = await db.fetch(
        f"select {COLUMNS} from observations where superseded_at is null and ($1::uuid is null or partner_id = $1)"
        " and ($2::text is null or period = $2) and ($3::text is null or metric = $3)"
        " and ($4::bigint is null or reported_at > $4) order by reported_at limit $5",
        partner_id,
        period,
        metric,
        last_position(page.after),
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["reported_at"]), item=KPIReportView)


@router.get("/{report_id}", dependencies=[READ, own("report_id", kpi_reports)])
async def read_kpi_report(report_id: UUID, db: Read) -> KPIReportView:
    row = await db.fetchrow(
        f"select {COLUMNS} from observations where report_id = $1 and superseded_at is null", report_id
    )
    if row is None:
        raise Unknown("performance.report_unknown", report_id=report_id)
    return KPIReportView(**row)


router.add_api_route("/{id}/history", history_of(kpi_reports), methods=["GET"], dependencies=[READ])


def last_position(after: str | None) -> int | None:
    if after is None:
        return None
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise Invalid("after", "cursor", "is not a `next` that this list handed out")
    return int(after)
