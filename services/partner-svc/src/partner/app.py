"""partner-svc, wired in sight: `uvicorn --factory partner.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from partner import api, policies, reported, views
from partner.api.imports import APPLICATIONS
from partner.domain.application import applications
from partner.domain.investment import investment_standards
from partner.domain.partner import partners
from partner.domain.recruitment import recruitment_plans
from partner.domain.registration import registered_names
from partner.domain.standard import standards
from partner.states import STATES


def app() -> FastAPI:
    return create_app(
        "partner",
        Settings(),
        routes=api.ROUTES,
        deciders=[standards, investment_standards, recruitment_plans, applications, registered_names, partners],
        views=(*views.VIEWS, reported.view),
        policies=policies.POLICIES,
        states=STATES,
        sealing=True,
        imports=[APPLICATIONS],
        description="Recruiting, and the registry of partners from prospective to terminated.",
    )
