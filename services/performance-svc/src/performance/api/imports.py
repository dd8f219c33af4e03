"""Uploads of KPI reports as jobs."""

from __future__ import annotations

from collections.abc import Sequence

from engine import Send
from service import Import, import_routes, scope
from service.imports import Upload
from service.intake import Good

from performance.api.bulk import FIELDS
from performance.api.known import Known
from performance.domain.kpi_report import ReportKPI, kpi_reports


async def sends(upload: Upload, lines: Sequence[Good[ReportKPI]]) -> list[Send]:
    """A line is known by its own source and source_ref, whichever upload brings it."""
    commands = await Known(upload.db, upload.occurred_at).complete([line.content for line in lines])
    return [Send(kpi_reports, command.report_id, command) for command in commands]


KPI_REPORTS = Import("kpi_report", ReportKPI, sends, FIELDS)

router = import_routes(
    KPI_REPORTS, "/kpi-reports/imports", read=scope("performance:read"), write=scope("performance:write")
)
