"""performance-svc, wired in sight: `uvicorn --factory performance.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from performance import api, views
from performance.domain.evaluation import evaluations
from performance.domain.kpi_report import kpi_reports
from performance.domain.metric import metrics
from performance.domain.period import periods
from performance.domain.scorecard import scorecards
from performance.policies import policies
from performance.states import STATES


def app() -> FastAPI:
    return create_app(
        "performance",
        Settings(),
        routes=api.ROUTES,
        imports=[api.imports.KPI_REPORTS],
        deciders=[metrics, scorecards, kpi_reports, periods, evaluations],
        views=views.VIEWS,
        policies=policies(),
        states=STATES,
        description="Metrics, what partners report of them, and their evaluation when a period is closed.",
    )
