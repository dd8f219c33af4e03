"""What training-svc does when others speak, and when a certificate or a finding of its own begins to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine import CancelTimer, Fact, Policy, Rows, Send, SetTimer
from events.contract import PartnerSigned
from events.training import CorrectiveActionVerified, FieldAuditPublished

from training.domain.action_events import (
    BecomeOverdue,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    OpenCorrectiveAction,
)
from training.domain.corrective_action import corrective_actions
from training.domain.course import CourseTerms
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import (
    CertificateIssued,
    ExpireCertificate,
    WarnOfExpiry,
    assignment,
    enrolment_id,
)
from training.views import MODULES

# Of a partner whose kind is not heard of yet it requires all: nobody opens untrained.
LAUNCH_COURSES = """
select code, version, pass_mark, required_for_launch, validity_months, max_attempts, time_zone, modules, required_of,
    expiring_days
from courses
where status = 'active' and required_for_launch and (required_of = '{}'
    or coalesce((select kind from known_partners where partner_id = $1) = any (required_of), true))
order by code
"""


async def launch_courses(db: Rows, fact: Fact[Any]) -> Sequence[CourseTerms]:
    if not isinstance(fact.event, PartnerSigned):
        return ()
    return tuple(_terms(**row) for row in await db.fetch(LAUNCH_COURSES, fact.event.partner_id))


def _terms(modules: bytes, required_of: Sequence[str], **row: Any) -> CourseTerms:
    return CourseTerms(modules=MODULES.validate_json(modules), required_of=tuple(required_of), **row)


def assign_what_launch_requires(fact: Fact[Any], courses: Sequence[CourseTerms]) -> Iterator[Send]:
    match fact.event:
        case PartnerSigned(partner_id=partner_id):
            for terms in courses:
                yield Send(enrolments, enrolment_id(partner_id, terms.code), assignment(partner_id, terms))


def expire_certificates(fact: Fact[Any]) -> Iterator[SetTimer]:
    """One timer of each kind an enrolment, so that a renewal moves it."""
    match fact.event:
        case CertificateIssued(enrolment_id=id, valid_until=valid_until, expires_at=expires_at) if valid_until:
            assert expires_at is not None  # noqa: S101 - they come together
            if (at := fact.event.expiring_at) is not None:
                yield SetTimer(f"{id}/expiring", at, Send(enrolments, id, WarnOfExpiry(valid_until=valid_until)))
            yield SetTimer(str(id), expires_at, Send(enrolments, id, ExpireCertificate(valid_until=valid_until)))


def follow_findings(fact: Fact[Any]) -> Iterator[Send]:
    """A corrective action for each finding that has to be put right."""
    match fact.event:
        case FieldAuditPublished() as audit:
            for found in audit.findings:
                if found.action_id is not None and found.due_on is not None:
                    yield Send(
                        corrective_actions,
                        found.action_id,
                        OpenCorrectiveAction(
                            action_id=found.action_id,
                            audit_id=audit.audit_id,
                            partner_id=audit.partner_id,
                            outlet_id=audit.outlet_id,
                            item=found.item,
                            title=found.title,
                            critical=found.critical,
                            owner=found.owner,
                            due_on=found.due_on,
                            time_zone=audit.time_zone,
                        ),
                    )


def watch_the_clock(fact: Fact[Any]) -> Iterator[SetTimer | CancelTimer]:
    match fact.event:
        case CorrectiveActionOpened(action_id=id, due_at=due_at):
            yield SetTimer(str(id), due_at, Send(corrective_actions, id, BecomeOverdue()))
        case CorrectiveActionVerified(action_id=id) | CorrectiveActionWaived(action_id=id):
            yield CancelTimer(str(id))


POLICIES = (
    Policy("assignment", source="contract", react=assign_what_launch_requires, gather=launch_courses),
    Policy("expiry", source="training", react=expire_certificates),
    Policy("findings", source="training", react=follow_findings),
    Policy("due", source="training", react=watch_the_clock),
)
