"""Routes, a module a noun."""

from performance.api import (
    bulk,
    evaluations,
    imports,
    improvement_plans,
    kpi_reports,
    metrics,
    operational,
    periods,
    roll_ups,
    scorecards,
    why,
)

ROUTES = (
    metrics.router,
    scorecards.router,
    scorecards.replay_routes,
    roll_ups.router,
    bulk.router,
    imports.router,
    kpi_reports.router,
    periods.router,
    evaluations.router,
    why.router,
    improvement_plans.evaluation_routes,
    improvement_plans.router,
    improvement_plans.action_routes,
    evaluations.missed_reports,
    *operational.ROUTES,
)
