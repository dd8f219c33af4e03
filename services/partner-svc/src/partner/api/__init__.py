"""Routes of partner-svc."""

from partner.api import (
    applications,
    imports,
    investment,
    master_data,
    outlets,
    ownership,
    partners,
    programmes,
    recruitment,
    registers,
    standards,
)

ROUTES = (
    registers.principals,
    registers.brands,
    registers.channels,
    standards.router,
    investment.router,
    recruitment.router,
    imports.router,
    applications.router,
    applications.duplicate_routes,
    partners.router,
    outlets.router,
    outlets.lists,
    outlets.items,
    outlets.checklists,
    master_data.router,
    ownership.router,
    programmes.router,
    programmes.members,
    programmes.of_partner,
)
