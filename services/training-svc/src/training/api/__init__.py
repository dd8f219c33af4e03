"""Routes, a module a noun."""

from training.api import audit_templates, corrective_actions, courses, enrolments, field_audits, imports

ROUTES = (
    courses.router,
    enrolments.router,
    audit_templates.router,
    imports.router,
    field_audits.router,
    corrective_actions.router,
)
