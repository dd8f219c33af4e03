"""Routes, a module a noun."""

from performance.api import bulk, evaluations, imports, kpi_reports, metrics, operational, periods, roll_ups, scorecards

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
    evaluations.missed_reports,
    *operational.ROUTES,
)
