"""partner-svc, wired in sight: `uvicorn --factory partner.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from partner import api_applications, api_imports, api_master_data, api_partners, api_standards, policies, views
from partner.domain.application import applications
from partner.domain.partner import partners
from partner.domain.registration import registered_names
from partner.domain.standard import standards
from partner.states import STATES


def app() -> FastAPI:
    return create_app(
        "partner",
        Settings(),
        routes=[
            api_standards.router,
            api_imports.router,
            api_applications.router,
            api_applications.duplicate_routes,
            api_partners.router,
            api_master_data.router,
        ],
        deciders=[standards, applications, registered_names, partners],
        views=views.VIEWS,
        policies=policies.POLICIES,
        states=STATES,
        sealing=True,
        imports=[api_imports.APPLICATIONS],
        description="Recruiting, and the registry of partners from prospective to terminated.",
    )
