"""contract-svc, wired in sight: `uvicorn --factory contract.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from contract import api, policies, views
from contract.domain.contract import contracts
from contract.domain.jurisdiction import jurisdictions
from contract.domain.negotiation import negotiations
from contract.domain.territory import territories
from contract.states import STATES


def app() -> FastAPI:
    return create_app(
        "contract",
        Settings(),
        routes=api.ROUTES,
        deciders=[negotiations, contracts, territories, jurisdictions],
        views=views.VIEWS,
        policies=policies.POLICIES,
        states=STATES,
        description="Negotiations with partners, disclosure before signature, and contracts from draft to end; "
        "exclusive areas, breaches and their cure, and the laws by which all of it is judged.",
    )
