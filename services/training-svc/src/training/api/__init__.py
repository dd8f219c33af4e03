"""Routes, a module a noun."""

from training.api import (
    audit_templates,
    coaching,
    conduct_breaches,
    conduct_codes,
    corrective_actions,
    courses,
    enrolments,
    field_audits,
    imports,
    manuals,
)

ROUTES = (
    courses.router,
    enrolments.router,
    audit_templates.router,
    imports.router,
    field_audits.router,
    corrective_actions.router,
    manuals.router,
    manuals.acknowledgement_router,
    coaching.router,
    coaching.action_router,
    coaching.plan_router,
    conduct_codes.router,
    conduct_breaches.router,
    conduct_breaches.disparity_router,
)
