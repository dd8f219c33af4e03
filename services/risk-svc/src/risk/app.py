"""risk-svc, wired in sight: `uvicorn --factory risk.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from risk import api, policies, views
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import rules
from risk.states import STATES


def app() -> FastAPI:
    return create_app(
        "risk",
        Settings(),
        routes=api.ROUTES,
        deciders=[rules, risk_profiles],
        views=views.VIEWS,
        policies=policies.POLICIES,
        states=STATES,
        description="Rules over partners' evaluations, the flags they raise and the restrictions they impose.",
    )
