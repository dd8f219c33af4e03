"""What performance-svc does when a field audit is published: its score is a report of the metric that it names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Rows, Send
from events.periods import containing
from events.training import FieldAuditPublished

from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports
from performance.domain.metric import MetricTerms

SOURCE = "training-svc"
"""Of reports that are audits' scores; `source_ref` is the audit's id."""


async def terms_of_its_metric(db: Rows, fact: Fact[Any]) -> MetricTerms | None:
    if not isinstance(fact.event, FieldAuditPublished) or fact.event.metric is None:
        return None
    row = await db.fetchrow("select * from metrics where code = $1", fact.event.metric)
    return None if row is None else MetricTerms(**row)


def report_audits(fact: Fact[Any], terms: MetricTerms | None) -> Iterator[Send]:
    """A metric that is not defined (yet) refuses it, which is recorded. training-svc knows the partner, or there would
    be no audit."""
    match fact.event:
        case FieldAuditPublished(metric=metric, metric_period=kind) as audit if metric is not None and kind is not None:
            report = ReportKPI(
                source=SOURCE,
                source_ref=str(audit.audit_id),
                partner_id=audit.partner_id,
                outlet_id=audit.outlet_id,
                metric=metric,
                period=containing(audit.audited_on, kind),
                value=audit.total,
            )
            id = report.about()
            yield Send(kpi_reports, id, RecordReport(report_id=id, report=report, terms=terms, partner_known=True))
