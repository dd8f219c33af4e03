"""Routes of contract-svc."""

from contract.api import breaches, contracts, jurisdictions, negotiations, royalties, territories

ROUTES = (
    negotiations.routes,
    contracts.routes,
    contracts.change_routes,
    breaches.routes,
    breaches.list_routes,
    jurisdictions.routes,
    territories.routes,
    *royalties.ROUTES,
)
