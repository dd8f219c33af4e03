"""What reports and scorecards are judged by, looked up for a whole batch at once and handed to decide as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from engine import Rows

from performance.domain.kpi_report import RecordReport, ReportKPI
from performance.domain.metric import MetricTerms


async def metric_terms(db: Rows, codes: Iterable[str]) -> dict[str, MetricTerms]:
    """By code, of those that are known."""
    rows = await db.fetch("select * from metrics where code = any ($1)", list(codes))
    return {row["code"]: MetricTerms(**row) for row in rows}


@dataclass
class KnownPartners:
    """A partner once known stays known, so an upload asks for each only once; one that is not may be by the next
    batch, so it is asked for again."""

    db: Rows
    known: set[UUID] = field(default_factory=set)

    async def among(self, partners: Iterable[UUID]) -> set[UUID]:
        """All that are known so far, those of these among them."""
        asked = set(partners) - self.known
        if asked:
            rows = await self.db.fetch("select partner_id from known_partners where partner_id = any ($1)", list(asked))
            self.known.update(row["partner_id"] for row in rows)
        return self.known


class Known:
    """Completes reports with what is known of their metrics and partners, and those without a business time with
    `occurred_at`."""

    def __init__(self, db: Rows, occurred_at: datetime | None = None) -> None:
        self.db = db
        self.occurred_at = occurred_at
        self.partners = KnownPartners(db)

    async def complete(self, reports: Sequence[ReportKPI]) -> list[RecordReport]:
        terms = await metric_terms(self.db, {report.metric for report in reports})
        partners = await self.partners.among(report.partner_id for report in reports)
        return [
            RecordReport(
                report_id=report.about(),
                report=report,
                terms=terms.get(report.metric),
                partner_known=report.partner_id in partners,
                occurred_at=report.occurred_at or self.occurred_at,
            )
            for report in reports
        ]
