"""What training-svc does when others speak: it assigns and asks what joining takes; and its own clocks, of
certificates, findings, acknowledgements and what was agreed on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine import CancelTimer, Fact, Policy, Rows, Send, SetTimer
from events.contract import PartnerSigned
from events.training import CorrectiveActionVerified, FieldAuditPublished, ManualAcknowledged

from training.domain.acknowledgement import (
    AcknowledgementAsked,
    AcknowledgementWithdrawn,
    AskAcknowledgement,
    CallAcknowledgementOverdue,
    WithdrawRequest,
    acknowledgement_id,
    acknowledgements,
)
from training.domain.action_events import (
    BecomeOverdue,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    OpenCorrectiveAction,
)
from training.domain.coaching_events import AgreedActionFollowedUp, CallActionOverdue, CoachingHeld
from training.domain.coaching_visit import coaching_visits
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
from training.domain.manual import (
    ManualContent,
    ManualPublished,
    ManualRetired,
    ManualSent,
    RequestsWithdrawn,
    SendManual,
    WithdrawRequests,
    manual_id,
    manuals,
)
from training.domain.support_plan import CallPlanOverrun, SupportPlanClosed, SupportPlanOpened, support_plans
from training.support_views import MANUAL
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


# What holds for partners of this one's kind, or for all.
MANUALS = """
select code, version, content from manuals
where version is not null and not retired and (
    content::jsonb -> 'kinds' = '[]'
    or coalesce(content::jsonb -> 'kinds' ? (select kind from known_partners where partner_id = $1), false))
order by code
"""


@dataclass(frozen=True)
class Joining:
    """What a partner who signs has to learn and to read."""

    courses: Sequence[CourseTerms] = ()
    manuals: Sequence[PublishedManual] = ()


@dataclass(frozen=True)
class PublishedManual:
    code: str
    version: int
    content: ManualContent


async def what_joining_takes(db: Rows, fact: Fact[Any]) -> Joining:
    if not isinstance(fact.event, PartnerSigned):
        return Joining()
    partner_id = fact.event.partner_id
    manuals = [
        PublishedManual(row["code"], row["version"], MANUAL.validate_json(row["content"]))
        for row in await db.fetch(MANUALS, partner_id)
    ]
    return Joining(await launch_courses(db, partner_id), manuals)


async def launch_courses(db: Rows, partner_id: UUID) -> Sequence[CourseTerms]:
    return tuple(_terms(**row) for row in await db.fetch(LAUNCH_COURSES, partner_id))


def _terms(modules: bytes, required_of: Sequence[str], **row: Any) -> CourseTerms:
    return CourseTerms(modules=MODULES.validate_json(modules), required_of=tuple(required_of), **row)


def welcome(fact: Fact[Any], joining: Joining) -> Iterator[Send]:
    match fact.event:
        case PartnerSigned(partner_id=partner_id):
            for terms in joining.courses:
                yield Send(enrolments, enrolment_id(partner_id, terms.code), assignment(partner_id, terms))
            for manual in joining.manuals:
                yield asks(manual, partner_id)


# -- manuals

A_PAGE = 200
"""Partners that are asked in one transaction."""

PARTNERS_OF = """
select partner_id from known_partners
where not ended and ($1::text[] = '{}' or kind = any ($1)) and ($2::uuid is null or partner_id > $2)
order by partner_id limit $3
"""


OPEN_REQUESTS = """
select acknowledgement_id from manual_acknowledgements
where manual = $1 and status = 'asked' and ($2::uuid is null or acknowledgement_id > $2)
order by acknowledgement_id limit $3
"""


@dataclass(frozen=True)
class Readers:
    """A page of the partners that a version is published to."""

    manual: PublishedManual
    partners: Sequence[UUID]


@dataclass(frozen=True)
class Unread:
    """Requests that are open although the manual is retired: a page of them up to `through`, or a single one."""

    manual: str
    requests: Sequence[UUID]
    through: UUID | None = None


async def whom_it_concerns(db: Rows, fact: Fact[Any]) -> Readers | Unread | None:
    """Of a manual that is published, or retired."""
    match fact.event:
        case ManualRetired(code=code):
            return await unread(db, code, None)
        case RequestsWithdrawn(code=code, through=after):
            return await unread(db, code, after)
        case AcknowledgementAsked(acknowledgement_id=id, manual=code):
            # By somebody who had looked before the manual was retired.
            retired = await db.fetchval("select retired from manuals where code = $1", code)
            return Unread(code, [id]) if retired else None
        case _:
            return await readers(db, fact)


async def unread(db: Rows, code: str, after: UUID | None) -> Unread:
    found = [row["acknowledgement_id"] for row in await db.fetch(OPEN_REQUESTS, code, after, A_PAGE)]
    return Unread(code, found, found[-1] if found else None)


async def readers(db: Rows, fact: Fact[Any]) -> Readers | None:
    match fact.event:
        case ManualPublished(code=code, version=version, content=content):
            manual, after = PublishedManual(code, version, content), None
        case ManualSent(code=code, version=version, through=after):
            row = await db.fetchval("select content from manuals where code = $1 and version = $2", code, version)
            if row is None:
                return None  # there is a newer one by now
            manual = PublishedManual(code, version, MANUAL.validate_json(row))
        case _:
            return None
    rows = await db.fetch(PARTNERS_OF, list(manual.content.kinds), after, A_PAGE)
    return Readers(manual, [row["partner_id"] for row in rows])


def asks(manual: PublishedManual, partner_id: UUID) -> Send:
    command = AskAcknowledgement(
        partner_id=partner_id,
        manual=manual.code,
        version=manual.version,
        title=manual.content.title,
        document=manual.content.document,
        within_days=manual.content.acknowledge_within_days,
        time_zone=manual.content.time_zone,
    )
    return Send(acknowledgements, acknowledgement_id(partner_id, manual.code), command)


def support(fact: Fact[Any], found: Readers | Unread | None) -> Iterator[Send | SetTimer | CancelTimer]:
    """A published manual is sent on page by page, until there is nobody left, and requests for a retired one are
    withdrawn so; and what is asked for, agreed on or planned has its day."""
    yield from support_clocks(fact)
    match found:
        case Readers(manual=manual, partners=[*_, last]):
            yield from (asks(manual, partner_id) for partner_id in found.partners)
            yield Send(manuals, manual_id(manual.code), SendManual(version=manual.version, through=last))
        case Unread(manual=code, requests=requests, through=through):
            yield from (Send(acknowledgements, id, WithdrawRequest()) for id in requests)
            if through is not None:
                yield Send(manuals, manual_id(code), WithdrawRequests(through=through))


def support_clocks(fact: Fact[Any]) -> Iterator[SetTimer | CancelTimer]:
    match fact.event:
        case AcknowledgementAsked(acknowledgement_id=id, version=version, due_at=due_at):
            yield SetTimer(str(id), due_at, Send(acknowledgements, id, CallAcknowledgementOverdue(version=version)))
        case ManualAcknowledged(acknowledgement_id=id) | AcknowledgementWithdrawn(acknowledgement_id=id):
            yield CancelTimer(str(id))
        case CoachingHeld(visit_id=id, actions=actions):
            for each in actions:
                overdue = Send(coaching_visits, id, CallActionOverdue(number=each.number))
                yield SetTimer(f"{id}/{each.number}", each.due_at, overdue)
        case AgreedActionFollowedUp(visit_id=id, number=number):
            yield CancelTimer(f"{id}/{number}")
        case SupportPlanOpened(plan_id=id, ends_at=ends_at):
            yield SetTimer(str(id), ends_at, Send(support_plans, id, CallPlanOverrun()))
        case SupportPlanClosed(plan_id=id):
            yield CancelTimer(str(id))


# -- certificates and findings


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
    Policy("assignment", source="contract", react=welcome, gather=what_joining_takes),
    Policy("expiry", source="training", react=expire_certificates),
    Policy("findings", source="training", react=follow_findings),
    Policy("due", source="training", react=watch_the_clock),
    Policy("support", source="training", react=support, gather=whom_it_concerns),
)
