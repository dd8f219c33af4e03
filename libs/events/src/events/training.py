"""Events of training-svc: training, support, supervision."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event

PeriodKind = Literal["month", "quarter", "year"]


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


class SectionScore(BaseModel):
    """A section's part of a field audit, from 0 to 100; null where nothing in it applied."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    section: str
    score: Decimal | None


class Finding(BaseModel):
    """An item that was not met in full: its rating from 0 to 100. With `due_on` it has to be put right by the end of
    that day by `owner`, a role at the partner, which is followed as the corrective action `action_id`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    item: str
    section: str
    title: str
    critical: bool
    rating: Decimal
    owner: str
    action_id: UUID | None
    due_on: date | None


class FieldAuditPublished(Event, type="cauce.training.FieldAuditPublished.v1", key="field_audit-{audit_id}"):
    """A partner was audited on the spot, by a version of a template, and the result was approved: from now on the
    partner sees it. The stream is the audit's.

    `total` is from 0 to 100, of the items that applied by their weights. `passed`: it is at or above the pass mark, and
    none of the critical items was missed. `metric`: the total is a report of this metric for the period of the kind
    `metric_period` that `audited_on` is in. Days are counted in `time_zone` (an IANA name).
    """

    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    template: str
    template_version: int
    audited_on: date
    total: Decimal
    passed: bool
    critical_missed: tuple[str, ...]
    sections: tuple[SectionScore, ...]
    findings: tuple[Finding, ...]
    metric: str | None
    metric_period: PeriodKind | None
    time_zone: str


class CorrectiveActionOverdue(
    Event, type="cauce.training.CorrectiveActionOverdue.v1", key="corrective_action-{action_id}"
):
    """`due_on` has passed, and no evidence that the finding was put right waits to be looked at. It may still come."""

    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    critical: bool
    due_on: date


class CorrectiveActionVerified(
    Event, type="cauce.training.CorrectiveActionVerified.v1", key="corrective_action-{action_id}"
):
    """Somebody other than who brought the evidence has seen that the finding was put right. `late`: it had been
    overdue."""

    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    critical: bool
    due_on: date
    verified_on: date
    late: bool


class ManualAcknowledged(
    Event, type="cauce.training.ManualAcknowledged.v1", key="manual_acknowledgement-{acknowledgement_id}"
):
    """One of the partner's own people acknowledged a version of a manual, `document` says where it is. `late`: after
    `due_on`."""

    acknowledgement_id: UUID
    partner_id: UUID
    manual: str
    version: int
    document: str
    due_on: date
    acknowledged_on: date
    late: bool


class CoachingCompleted(Event, type="cauce.training.CoachingCompleted.v1", key="coaching_visit-{visit_id}"):
    """A partner was coached on the spot on `held_on`, and all that was agreed on then has been followed up. `topics`
    are what guidance was given on; of `agreed` actions so many were `done`, `late` of them, and the rest dropped.
    `plan_id` is the technical support plan that the visit belongs to, if any."""

    visit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    plan_id: UUID | None
    held_on: date
    completed_on: date
    topics: tuple[str, ...]
    agreed: int
    done: int
    late: int


Severity = Literal["minor", "serious", "grave"]
Sanction = Literal["reminder", "warning", "final_warning", "retraining", "penalty", "referral"]


class ConductBreached(Event, type="cauce.training.ConductBreached.v1", key="conduct_breach-{breach_id}"):
    """It was found that a partner breached a rule of a code of conduct, in the version of then, for the `repetition`th
    time, and this `sanction` was decided on. `departs`: it is another than the code has for that, which took two
    persons. A `referral` goes to those who decide on restrictions and contracts."""

    breach_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    conduct_code: str
    code_version: int
    rule: str
    severity: Severity
    repetition: int
    sanction: Sanction
    departs: bool
    happened_on: date
    decided_on: date


PUBLIC: tuple[type[Event], ...] = (
    TrainingAssigned,
    TrainingCompleted,
    TrainingFailed,
    CertificateExpired,
    FieldAuditPublished,
    CorrectiveActionOverdue,
    CorrectiveActionVerified,
    ManualAcknowledged,
    CoachingCompleted,
    ConductBreached,
)
