"""Routes, a module a noun."""

from performance.api import bulk, evaluations, kpi_reports, metrics, periods, scorecards

ROUTES = (
    metrics.router,
    scorecards.router,
    bulk.router,
    kpi_reports.router,
    periods.router,
    evaluations.router,
    evaluations.missed_reports,
)
