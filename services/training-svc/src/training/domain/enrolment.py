"""A partner's way through a course: assigned, started, assessed, certified, renewed, or failed for good.

The certificate runs beside the status: it may expire while its renewal is under way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import assert_never

from engine import Decider, Rejected, Unknown
from events.days import day_in
from events.training import CertificateExpired, TrainingAssigned, TrainingCompleted, TrainingFailed

from training.domain.course import EXPIRING_DAYS
from training.domain.days import months_later
from training.domain.enrolment_events import (
    Assignment,
    AssignTraining,
    CertificateExpiring,
    CertificateIssued,
    CompleteModule,
    CurriculumAssigned,
    Enrolment,
    EnrolmentCommand,
    EnrolmentEvent,
    ExpireCertificate,
    ModuleCompleted,
    OpenRenewal,
    RecordAssessment,
    RenewalOpened,
    StartTraining,
    Status,
    TrainingStarted,
    WarnOfExpiry,
    enrolment_id,
)

# -- decide


def assign(enrolment: Enrolment, command: AssignTraining, now: datetime) -> list[EnrolmentEvent]:
    """A partner who has the course already, by an earlier contract for instance, is not assigned it again."""
    if enrolment.assigned is not None:
        match enrolment.status:
            case Status.FAILED:
                raise Rejected("training.no_attempts_left", course=command.course)
            case Status.EXPIRED:
                raise Rejected("training.certificate_expired", course=command.course, expired_on=enrolment.expired_on)
            case _:
                return []
    id = enrolment_id(command.partner_id, command.course)
    terms = command.model_dump(exclude={"occurred_at", "modules", "expiring_days"})
    assigned = TrainingAssigned(enrolment_id=id, assigned_on=day_in(command.time_zone, now), **terms)
    if not command.modules and command.expiring_days == EXPIRING_DAYS:
        return [assigned]
    return [
        assigned,
        CurriculumAssigned(enrolment_id=id, modules=command.modules, expiring_days=command.expiring_days),
    ]


def start(enrolment: Enrolment, who: Assignment, today: date) -> list[EnrolmentEvent]:
    match enrolment.status:
        case Status.ASSIGNED:
            return [TrainingStarted(enrolment_id=who.id, started_on=today)]
        case Status.STARTED:
            return []
        case other:
            raise Rejected("training.not_to_be_started", standing=other.value)


def complete_module(enrolment: Enrolment, who: Assignment, module: str, today: date) -> list[EnrolmentEvent]:
    if module not in {each.code for each in who.modules}:
        raise Unknown("training.module_unknown", module=module, modules=[each.code for each in who.modules])
    if module in enrolment.done:
        return []
    if enrolment.status is Status.ASSIGNED:
        raise Rejected("training.not_started")
    if enrolment.status not in (Status.STARTED, Status.RENEWING):
        raise Rejected("training.not_under_way", standing=enrolment.status.value)
    return [ModuleCompleted(enrolment_id=who.id, module=module, completed_on=today)]


def assess(enrolment: Enrolment, who: Assignment, score: Decimal, today: date) -> list[EnrolmentEvent]:
    match enrolment.status:
        case Status.ASSIGNED:
            raise Rejected("training.not_started")
        case Status.COMPLETED if lapsed(enrolment, today):
            raise Rejected("training.renewal_not_opened")
        case Status.COMPLETED:
            raise Rejected("training.already_completed", valid_until=enrolment.valid_until)
        case Status.EXPIRED:
            raise Rejected("training.renewal_not_opened")
        case Status.FAILED:
            raise Rejected("training.no_attempts_left", course=who.course)
        case Status.STARTED | Status.RENEWING if left := enrolment.open_modules():
            raise Rejected("training.modules_open", modules=left)
        case Status.STARTED | Status.RENEWING:
            outcome = complete if score >= who.pass_mark else fail
            return [*lapse(enrolment, who, today), *outcome(enrolment, who, score, today)]
        case _:
            assert_never(enrolment.status)


def complete(enrolment: Enrolment, who: Assignment, score: Decimal, today: date) -> list[EnrolmentEvent]:
    until = None if who.validity_months is None else months_later(today, who.validity_months)
    after = None if until is None else who.start_of(until + timedelta(days=1))
    warned = None if until is None else who.start_of(until - timedelta(days=who.expiring_days))
    return [
        TrainingCompleted(
            enrolment_id=who.id,
            partner_id=who.partner_id,
            course=who.course,
            required_for_launch=who.required_for_launch,
            score=score,
            valid_until=until,
        ),
        CertificateIssued(
            enrolment_id=who.id, issued_on=today, valid_until=until, expires_at=after, expiring_at=warned
        ),
    ]


def fail(enrolment: Enrolment, who: Assignment, score: Decimal, today: date) -> list[EnrolmentEvent]:
    return [
        TrainingFailed(
            enrolment_id=who.id,
            partner_id=who.partner_id,
            course=who.course,
            score=score,
            pass_mark=who.pass_mark,
            attempts_left=enrolment.attempts_left - 1,
        )
    ]


def open_renewal(enrolment: Enrolment, who: Assignment, today: date) -> list[EnrolmentEvent]:
    match enrolment.status:
        case Status.COMPLETED if enrolment.valid_until is None:
            raise Rejected("training.certificate_does_not_expire")
        case Status.COMPLETED | Status.EXPIRED:
            opened = RenewalOpened(enrolment_id=who.id, opened_on=today, attempts_left=who.max_attempts)
            return [*lapse(enrolment, who, today), opened]
        case Status.RENEWING:
            return []
        case Status.FAILED:
            raise Rejected("training.no_attempts_left", course=who.course)
        case Status.ASSIGNED | Status.STARTED:
            raise Rejected("training.nothing_to_renew", standing=enrolment.status.value)
        case _:
            assert_never(enrolment.status)


def warn(enrolment: Enrolment, who: Assignment, valid_until: date, today: date) -> list[EnrolmentEvent]:
    if enrolment.valid_until is None:
        raise Rejected("training.no_certificate")
    if enrolment.valid_until != valid_until:
        raise Rejected("training.certificate_renewed", valid_until=enrolment.valid_until)
    if today < (begins := valid_until - timedelta(days=who.expiring_days)):
        raise Rejected("training.certificate_not_expiring", expiring_from=begins)
    return [] if enrolment.expiring else [CertificateExpiring(enrolment_id=who.id, valid_until=valid_until)]


def expire(enrolment: Enrolment, who: Assignment, valid_until: date, today: date) -> list[EnrolmentEvent]:
    if enrolment.expired_on == valid_until + timedelta(days=1):
        return []
    if enrolment.valid_until is None:
        raise Rejected("training.no_certificate")
    if enrolment.valid_until != valid_until:
        raise Rejected("training.certificate_renewed", valid_until=enrolment.valid_until)
    if not lapsed(enrolment, today):
        raise Rejected("training.certificate_still_valid", valid_until=valid_until)
    return lapse(enrolment, who, today)


def lapsed(enrolment: Enrolment, today: date) -> bool:
    return enrolment.valid_until is not None and today > enrolment.valid_until


def lapse(enrolment: Enrolment, who: Assignment, today: date) -> list[EnrolmentEvent]:
    """A certificate expires on its day, whether or not the timer has come round to it."""
    if enrolment.valid_until is None or not lapsed(enrolment, today):
        return []
    gone = enrolment.valid_until + timedelta(days=1)
    return [CertificateExpired(enrolment_id=who.id, partner_id=who.partner_id, course=who.course, expired_on=gone)]


def decide(command: EnrolmentCommand, enrolment: Enrolment, now: datetime) -> list[EnrolmentEvent]:
    if isinstance(command, AssignTraining):
        return assign(enrolment, command, now)
    who = enrolment.assigned
    if who is None:
        raise Unknown("training.enrolment_unknown")
    today = who.day(now)
    if isinstance(command, ExpireCertificate):
        return expire(enrolment, who, command.valid_until, today)
    if isinstance(command, WarnOfExpiry):
        return warn(enrolment, who, command.valid_until, today)
    if today < enrolment.last_step_on:
        raise Rejected("training.before_the_last_step", last_step_on=enrolment.last_step_on)
    match command:
        case StartTraining():
            return start(enrolment, who, today)
        case CompleteModule(module=module):
            return complete_module(enrolment, who, module, today)
        case RecordAssessment():
            return assess(enrolment, who, command.score, today)
        case OpenRenewal():
            return open_renewal(enrolment, who, today)
        case _:
            assert_never(command)


# -- evolve


def evolve(enrolment: Enrolment, event: EnrolmentEvent) -> Enrolment:
    match event:
        case TrainingAssigned():
            who = Assignment(
                id=event.enrolment_id,
                partner_id=event.partner_id,
                course=event.course,
                required_for_launch=event.required_for_launch,
                pass_mark=event.pass_mark,
                max_attempts=event.max_attempts,
                validity_months=event.validity_months,
                time_zone=event.time_zone,
            )
            return Enrolment(who, attempts_left=event.max_attempts, last_step_on=event.assigned_on)
        case CurriculumAssigned(modules=modules, expiring_days=days):
            assert enrolment.assigned is not None  # noqa: S101 - it comes with the assignment
            return replace(enrolment, assigned=replace(enrolment.assigned, modules=modules, expiring_days=days))
        case ModuleCompleted(module=module, completed_on=day):
            return replace(enrolment, done=enrolment.done | {module}, last_step_on=day)
        case TrainingStarted(started_on=day):
            return replace(enrolment, status=Status.STARTED, last_step_on=day)
        case TrainingCompleted(valid_until=until):
            return replace(enrolment, status=Status.COMPLETED, valid_until=until, expired_on=None, expiring=False)
        case CertificateIssued(issued_on=day):
            return replace(enrolment, last_step_on=day)
        case CertificateExpiring():
            return replace(enrolment, expiring=True)
        case TrainingFailed(attempts_left=left):
            return replace(enrolment, status=enrolment.status if left else Status.FAILED, attempts_left=left)
        case RenewalOpened(opened_on=day, attempts_left=left):
            return replace(enrolment, status=Status.RENEWING, attempts_left=left, last_step_on=day)
        case CertificateExpired(expired_on=day):
            status = Status.EXPIRED if enrolment.status is Status.COMPLETED else enrolment.status
            return replace(enrolment, status=status, valid_until=None, expired_on=day, expiring=False)
        case _:
            assert_never(event)


enrolments = Decider(
    "enrolment",
    decide,
    evolve,
    initial=Enrolment,
    events=EnrolmentEvent,
    owner=lambda enrolment: None if enrolment.assigned is None else enrolment.assigned.partner_id,
)
