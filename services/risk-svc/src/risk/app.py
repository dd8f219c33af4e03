"""risk-svc, wired in sight: `uvicorn --factory risk.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from risk import adjustment_views, api, back_tests, contingency_views, gathering, heard_views, policies, views
from risk.domain.accounts import reported_accounts
from risk.domain.activation import activations
from risk.domain.contingency import contingencies
from risk.domain.exposure import exposures
from risk.domain.plan import plans
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import rules
from risk.states import STATES


def app() -> FastAPI:
    made = create_app(
        "risk",
        Settings(),
        routes=(*api.ROUTES, *back_tests.ROUTES),
        jobs=[back_tests.BACK_TESTS],
        deciders=[rules, risk_profiles, reported_accounts, exposures, plans, activations, contingencies],
        views=(*views.VIEWS, *adjustment_views.VIEWS, *contingency_views.VIEWS, *heard_views.VIEWS),
        policies=policies.POLICIES,
        states=STATES,
        description="Rules over what other services tell of partners, the flags they raise, the restrictions that"
        " follow, and how partners are adjusted.",
    )
    made.state.engine.registry.register(gathering.FAILURES)
    return made
