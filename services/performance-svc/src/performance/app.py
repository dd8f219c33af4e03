"""performance-svc, wired in sight: `uvicorn --factory performance.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from performance import api, operational_views, partner_views, views
from performance.domain.consumer_feedback import consumer_feedback
from performance.domain.cost import costs
from performance.domain.evaluation import evaluations
from performance.domain.improvement_plan import improvement_plans
from performance.domain.kpi_report import kpi_reports
from performance.domain.metric import metrics
from performance.domain.payment import payments
from performance.domain.period import periods
from performance.domain.sale import sales
from performance.domain.scorecard import scorecards
from performance.domain.shipment import shipments
from performance.domain.stock_count import stock_counts
from performance.improvement_views import plans_view
from performance.policies import policies
from performance.replaying import REPLAYS
from performance.states import STATES

FACTS = (sales, stock_counts, shipments, costs, payments, consumer_feedback)


def app() -> FastAPI:
    return create_app(
        "performance",
        Settings(),
        routes=api.ROUTES,
        imports=[api.imports.KPI_REPORTS, *api.operational.IMPORTS],
        takes_in=[api.imports.KPI_REPORTS, *api.operational.IMPORTS],
        jobs=[REPLAYS],
        deciders=[metrics, scorecards, kpi_reports, periods, evaluations, improvement_plans, *FACTS],
        views=(*views.VIEWS, *partner_views.VIEWS, plans_view, *operational_views.VIEWS),
        policies=policies(),
        states=STATES,
        description="Operational facts; metrics, what is reported of them, evaluations when a period is closed, and "
        "what is done about them.",
    )
