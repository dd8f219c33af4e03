"""training-svc, wired in sight: `uvicorn --factory training.app:app`."""

from __future__ import annotations

from fastapi import FastAPI
from service import Settings, create_app

from training import api, audit_views, conduct_views, policies, support_views, views
from training.domain.acknowledgement import acknowledgements
from training.domain.audit_template import audit_templates
from training.domain.coaching_visit import coaching_visits
from training.domain.conduct_breach import conduct_breaches
from training.domain.conduct_code import conduct_codes
from training.domain.conduct_record import conduct_records
from training.domain.corrective_action import corrective_actions
from training.domain.course import courses
from training.domain.enrolment import enrolments
from training.domain.field_audit import field_audits
from training.domain.manual import manuals
from training.domain.support_plan import support_plans
from training.states import STATES


def app() -> FastAPI:
    return create_app(
        "training",
        Settings(),
        routes=api.ROUTES,
        imports=[api.imports.FIELD_AUDITS],
        deciders=[
            courses,
            enrolments,
            audit_templates,
            field_audits,
            corrective_actions,
            manuals,
            acknowledgements,
            coaching_visits,
            support_plans,
            conduct_codes,
            conduct_breaches,
            conduct_records,
        ],
        views=[*views.VIEWS, *audit_views.VIEWS, *support_views.VIEWS, *conduct_views.VIEWS],
        policies=policies.POLICIES,
        states=STATES,
        description="Courses, and what partners were assigned, passed, failed and have to renew; audits on the spot,"
        " and what has to be put right after them; manuals and who has read them, coaching, and conduct.",
    )
