"""contract-svc, wired in sight: `uvicorn --factory contract.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from contract import api, policies, royalty_policies, royalty_views, views
from contract.domain.contract import contracts
from contract.domain.jurisdiction import jurisdictions
from contract.domain.negotiation import negotiations
from contract.domain.royalty import royalty_statements
from contract.domain.royalty_sale import royalty_sales
from contract.domain.royalty_tax import royalty_taxes
from contract.domain.royalty_terms import royalty_terms
from contract.domain.territory import territories
from contract.states import STATES


def app() -> FastAPI:
    return create_app(
        "contract",
        Settings(),
        routes=api.ROUTES,
        deciders=[
            negotiations,
            contracts,
            territories,
            jurisdictions,
            royalty_terms,
            royalty_taxes,
            royalty_sales,
            royalty_statements,
        ],
        views=(*views.VIEWS, *royalty_views.VIEWS),
        policies=(*policies.POLICIES, *royalty_policies.POLICIES),
        states=STATES,
        description="Negotiations with partners, disclosure before signature, and contracts from draft to end; "
        "exclusive areas, breaches and their cure, royalties, and the laws by which all of it is judged.",
    )
