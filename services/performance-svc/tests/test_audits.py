"""A published audit's score becomes a report of the metric that it names."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest
from devstack.serving import Others, Said
from engine import Send
from engine.testing import fact_of
from events.training import CorrectiveActionOverdue, FieldAuditPublished
from fastapi import FastAPI
from performance.audits import report_audits, terms_of_its_metric
from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports, report_id
from performance.domain.metric import MetricTerms

PARTNER, OUTLET, AUDIT = (UUID(int=n) for n in (1, 2, 3))
NOW = datetime(2026, 5, 21, 12, tzinfo=UTC)
TERMS = MetricTerms("audit_score", 1, "points", "higher", "mean", Decimal(0), Decimal(100), "on_occurrence")


def published(**changed: Any) -> FieldAuditPublished:
    told: dict[str, Any] = {
        "audit_id": AUDIT,
        "partner_id": PARTNER,
        "outlet_id": OUTLET,
        "template": "food-safety",
        "template_version": 1,
        "audited_on": date(2026, 4, 30),
        "total": Decimal("87.50"),
        "passed": True,
        "critical_missed": (),
        "sections": (),
        "findings": (),
        "metric": "audit_score",
        "metric_period": "month",
        "time_zone": "UTC",
    }
    return FieldAuditPublished(**told | changed)


@pytest.mark.parametrize(("kind", "period"), [("month", "2026-04"), ("quarter", "2026-Q2"), ("year", "2026")])
def test_the_score_is_a_report_for_the_period_that_the_audit_was_in(kind: str, period: str) -> None:
    id = report_id("training-svc", str(AUDIT))
    report = ReportKPI(
        source="training-svc",
        source_ref=str(AUDIT),
        partner_id=PARTNER,
        outlet_id=OUTLET,
        metric="audit_score",
        period=period,
        value=Decimal("87.50"),
    )
    sends = list(report_audits(fact_of(published(metric_period=kind), occurred_at=NOW), TERMS))
    record = RecordReport(report_id=id, report=report, terms=TERMS, partner_known=True)
    assert sends == [Send(kpi_reports, id, record)]


async def test_an_audit_that_names_no_metric_and_all_else_are_no_report_and_nothing_is_looked_up() -> None:
    named = {"item": "cold", "critical": True, "due_on": date(2026, 5, 1)}
    ids = {"action_id": AUDIT, "audit_id": AUDIT, "partner_id": PARTNER, "outlet_id": None}
    for event in (published(metric=None, metric_period=None), CorrectiveActionOverdue(**ids, **named)):
        fact = fact_of(event, occurred_at=NOW)
        assert await terms_of_its_metric(NoRows(), fact) is None
        assert list(report_audits(fact, None)) == []


class NoRows:
    async def fetch(self, query: str, *args: Any) -> list[Any]:
        raise NotImplementedError

    async def fetchrow(self, query: str, *args: Any) -> Any:
        raise NotImplementedError

    async def fetchval(self, query: str, *args: Any) -> Any:
        raise NotImplementedError


async def test_what_training_publishes_is_reported_once_and_of_a_metric_that_nobody_defined_not_at_all(
    api: httpx.AsyncClient, performance: FastAPI, others: Others
) -> None:
    metric = {"unit": "points", "direction": "higher", "aggregation": "mean", "minimum": 0, "maximum": 100}
    answer = await api.put("/metrics/audit_score", json=metric | {"due": "on_occurrence"})
    assert answer.is_success, answer.text
    unknown = published(audit_id=UUID(int=4), metric="unheard_of")
    said = [Said(each, NOW, each.audit_id) for each in (published(), unknown, published())]
    await others(performance, "training", *said)
    [report] = (await api.get("/kpi-reports")).json()["items"]
    assert (report["metric"], report["period"], report["value"]) == ("audit_score", "2026-04", "87.50")
    assert (report["source"], report["source_ref"]) == ("training-svc", str(AUDIT))
    assert not await performance.state.engine.parked()
