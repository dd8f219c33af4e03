"""training-svc, wired in sight: `uvicorn --factory training.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from training import api, policies, views
from training.domain.course import courses
from training.domain.enrolment import enrolments
from training.states import STATES


def app() -> FastAPI:
    return create_app(
        "training",
        Settings(),
        routes=api.ROUTES,
        deciders=[courses, enrolments],
        views=views.VIEWS,
        policies=policies.POLICIES,
        states=STATES,
        description="Courses, and what partners were assigned, passed, failed and have to renew.",
    )
