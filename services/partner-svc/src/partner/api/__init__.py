"""Routes of partner-svc."""

from partner.api import applications, imports, investment, master_data, partners, recruitment, standards

ROUTES = (
    standards.router,
    investment.router,
    recruitment.router,
    imports.router,
    applications.router,
    applications.duplicate_routes,
    partners.router,
    master_data.router,
)
