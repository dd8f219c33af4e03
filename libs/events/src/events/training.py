"""Events of training-svc: training, support, supervision."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from events.base import Event


class TrainingAssigned(Event, type="cauce.training.TrainingAssigned.v1", key="enrolment-{enrolment_id}"):
    """A partner has to take a course, by the terms that the course had then. The stream is the enrolment's.

    Scores and the pass mark run from 0 to 100. Without `validity_months` the certificate does not expire; days are
    counted in `time_zone` (an IANA name).
    """

    enrolment_id: UUID
    partner_id: UUID
    course: str
    course_version: int
    required_for_launch: bool
    pass_mark: Decimal
    max_attempts: int
    validity_months: int | None
    time_zone: str
    assigned_on: date


class TrainingCompleted(Event, type="cauce.training.TrainingCompleted.v1", key="enrolment-{enrolment_id}"):
    """The partner passed the course; score from 0 to 100. Without `valid_until` the certificate does not expire."""

    enrolment_id: UUID
    partner_id: UUID
    course: str
    required_for_launch: bool
    score: Decimal
    valid_until: date | None = None


class TrainingFailed(Event, type="cauce.training.TrainingFailed.v1", key="enrolment-{enrolment_id}"):
    """An assessment was below the pass mark; `attempts_left` retakes remain, and with none left it is final."""

    enrolment_id: UUID
    partner_id: UUID
    course: str
    score: Decimal
    pass_mark: Decimal
    attempts_left: int


class CertificateExpired(Event, type="cauce.training.CertificateExpired.v1", key="enrolment-{enrolment_id}"):
    """The certificate's last day has passed and it was not renewed; `expired_on` is the first day without it."""

    enrolment_id: UUID
    partner_id: UUID
    course: str
    expired_on: date


PUBLIC: tuple[type[Event], ...] = (TrainingAssigned, TrainingCompleted, TrainingFailed, CertificateExpired)
