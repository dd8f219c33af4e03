"""training-svc, wired in sight: `uvicorn --factory training.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from training import api, audit_views, policies, views
from training.domain.audit_template import audit_templates
from training.domain.corrective_action import corrective_actions
from training.domain.course import courses
from training.domain.enrolment import enrolments
from training.domain.field_audit import field_audits
from training.states import STATES


def app() -> FastAPI:
    return create_app(
        "training",
        Settings(),
        routes=api.ROUTES,
        imports=[api.imports.FIELD_AUDITS],
        deciders=[courses, enrolments, audit_templates, field_audits, corrective_actions],
        views=[*views.VIEWS, *audit_views.VIEWS],
        policies=policies.POLICIES,
        states=STATES,
        description="Courses, and what partners were assigned, passed, failed and have to renew; audits on the spot,"
        " and what has to be put right after them.",
    )
