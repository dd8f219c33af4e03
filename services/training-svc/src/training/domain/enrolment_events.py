"""What happens to an enrolment, what somebody wants to happen to it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from engine import Command
from events import Event
from events.days import day_in, start_of
from events.training import CertificateExpired, TrainingAssigned, TrainingCompleted, TrainingFailed

from training.domain.course import EXPIRING_DAYS, CourseTerms, Module
from training.domain.words import Score

ENROLMENTS = UUID("0c2c9d3e-61a1-4e0c-8a7b-2f6e1f1f8f52")
"""The namespace of enrolment ids: a partner has one enrolment a course, for ever."""


def enrolment_id(partner_id: UUID, course: str) -> UUID:
    return uuid5(ENROLMENTS, f"{partner_id}/{course}")


# -- events that stay in the house


class TrainingStarted(Event, type="cauce.training.TrainingStarted.v1"):
    """The partner began."""

    enrolment_id: UUID
    started_on: date


class CurriculumAssigned(Event, type="cauce.training.CurriculumAssigned.v1"):
    """What of the course's terms only this service looks at: its modules, and how long before its last day a
    certificate is said to expire. Where it is missing there are no modules."""

    enrolment_id: UUID
    modules: tuple[Module, ...]
    expiring_days: int


class ModuleCompleted(Event, type="cauce.training.ModuleCompleted.v1"):
    """The partner went through a module of the course."""

    enrolment_id: UUID
    module: str
    completed_on: date


class CertificateIssued(Event, type="cauce.training.CertificateIssued.v1"):
    """The certificate holds through `valid_until`; `expires_at` is the instant after. None: it does not expire. From
    `expiring_at` on it is said to expire, unless it is renewed."""

    enrolment_id: UUID
    issued_on: date
    valid_until: date | None
    expires_at: datetime | None
    expiring_at: datetime | None = None


class CertificateExpiring(Event, type="cauce.training.CertificateExpiring.v1"):
    """Its last day comes near, and it is not renewed."""

    enrolment_id: UUID
    valid_until: date


class RenewalOpened(Event, type="cauce.training.RenewalOpened.v1"):
    """The partner may be assessed again."""

    enrolment_id: UUID
    opened_on: date
    attempts_left: int


EnrolmentEvent = (
    TrainingAssigned
    | CurriculumAssigned
    | TrainingStarted
    | ModuleCompleted
    | TrainingCompleted
    | CertificateIssued
    | CertificateExpiring
    | TrainingFailed
    | RenewalOpened
    | CertificateExpired
)


# -- commands


class AssignTraining(Command):
    """The course's terms as they are today; the enrolment keeps them."""

    partner_id: UUID
    course: str
    course_version: int
    required_for_launch: bool
    pass_mark: Decimal
    max_attempts: int
    validity_months: int | None
    time_zone: str
    modules: tuple[Module, ...] = ()
    expiring_days: int = EXPIRING_DAYS


class StartTraining(Command):
    pass


class CompleteModule(Command):
    module: str


class RecordAssessment(Command):
    """`score` from 0 to 100."""

    score: Score


class OpenRenewal(Command):
    pass


class WarnOfExpiry(Command):
    """`valid_until` is the last day of the certificate that is meant."""

    valid_until: date


class ExpireCertificate(Command):
    """`valid_until` is the last day of the certificate that is meant, in case it was renewed meanwhile."""

    valid_until: date


EnrolmentCommand = (
    AssignTraining | StartTraining | CompleteModule | RecordAssessment | OpenRenewal | WarnOfExpiry | ExpireCertificate
)


def assignment(partner_id: UUID, terms: CourseTerms, occurred_at: datetime | None = None) -> AssignTraining:
    return AssignTraining(
        occurred_at=occurred_at,
        partner_id=partner_id,
        course=terms.code,
        course_version=terms.version,
        required_for_launch=terms.required_for_launch,
        pass_mark=terms.pass_mark,
        max_attempts=terms.max_attempts,
        validity_months=terms.validity_months,
        time_zone=terms.time_zone,
        modules=terms.modules,
        expiring_days=terms.expiring_days,
    )


# -- state


class Status(StrEnum):
    ASSIGNED = "assigned"
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    RENEWING = "renewing"


@dataclass(frozen=True)
class Assignment:
    """Who takes what, by which terms. `validity_months` None: the certificate does not expire."""

    id: UUID
    partner_id: UUID
    course: str
    required_for_launch: bool
    pass_mark: Decimal
    max_attempts: int
    validity_months: int | None
    time_zone: str
    modules: tuple[Module, ...] = ()
    expiring_days: int = EXPIRING_DAYS

    def day(self, now: datetime) -> date:
        return day_in(self.time_zone, now)

    def start_of(self, day: date) -> datetime:
        return start_of(day, self.time_zone)


@dataclass(frozen=True)
class Enrolment:
    """`last_step_on` is the day of the last step that a person took; `valid_until` the last day of a certificate that
    holds, `expired_on` the first day without one that did; `expiring`: it was said that its last day comes near.
    `done` are modules."""

    assigned: Assignment | None = None
    status: Status = Status.ASSIGNED
    last_step_on: date = date.min
    attempts_left: int = 0
    valid_until: date | None = None
    expired_on: date | None = None
    expiring: bool = False
    done: frozenset[str] = frozenset()

    def open_modules(self) -> list[str]:
        """Those that have to be gone through before an assessment, in their order."""
        modules = () if self.assigned is None else self.assigned.modules
        return [each.code for each in modules if each.required and each.code not in self.done]
