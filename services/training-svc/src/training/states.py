"""How enrolments, audits and corrective actions are shown on training.state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine import PublicState
from events.states import CorrectiveActionState, EnrolmentState, FieldAuditState

from training.domain.action_events import CorrectiveAction
from training.domain.audit_events import FieldAudit
from training.domain.corrective_action import corrective_actions
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import Enrolment
from training.domain.field_audit import field_audits, shown_to


def show_enrolment(id: UUID, enrolment: Enrolment) -> EnrolmentState | None:
    assigned = enrolment.assigned
    if assigned is None:
        return None
    return EnrolmentState(
        enrolment_id=id,
        partner_id=assigned.partner_id,
        course=assigned.course,
        required_for_launch=assigned.required_for_launch,
        status=enrolment.status.value,
        valid_until=enrolment.valid_until,
    )


def show_field_audit(id: UUID, audit: FieldAudit) -> FieldAuditState | None:
    recorded = audit.recorded
    if recorded is None or shown_to(audit) is None:
        return None
    return FieldAuditState(
        audit_id=id,
        partner_id=recorded.partner_id,
        outlet_id=recorded.outlet_id,
        template=recorded.template,
        template_version=recorded.template_version,
        audited_on=recorded.audited_on,
        total=recorded.total,
        passed=recorded.passed,
    )


def show_corrective_action(id: UUID, action: CorrectiveAction) -> CorrectiveActionState | None:
    what = action.opened
    if what is None:
        return None
    return CorrectiveActionState(
        action_id=id,
        audit_id=what.audit_id,
        partner_id=what.partner_id,
        outlet_id=what.outlet_id,
        item=what.item,
        critical=what.critical,
        due_on=what.due_on,
        status=action.status.value,
        overdue=action.overdue,
    )


STATES: list[PublicState[Any]] = [
    PublicState(enrolments, EnrolmentState, show_enrolment),
    PublicState(field_audits, FieldAuditState, show_field_audit),
    PublicState(corrective_actions, CorrectiveActionState, show_corrective_action),
]
