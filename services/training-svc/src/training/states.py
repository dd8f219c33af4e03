"""How enrolments are shown on training.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.states import EnrolmentState

from training.domain.enrolment import Enrolment, enrolments


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


STATES = [PublicState(enrolments, EnrolmentState, show_enrolment)]
