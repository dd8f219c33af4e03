"""What happens to a field audit, what somebody wants to happen to it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid5

from engine import Command
from events import Event
from events.training import FieldAuditPublished, PeriodKind, SectionScore
from pydantic import Field, StringConstraints, model_validator

from training.domain.audit_answers import Answered, Answers
from training.domain.template_content import TemplateTerms
from training.domain.words import Code, Reason

AUDITS = UUID("3f6a5c1e-7d0b-4f0e-8a35-1d3c9a7e5b42")
"""The namespace of audit ids."""


def audit_id(source: str, source_ref: str) -> UUID:
    # A source has no line break in it, so no two pairs make the same name.
    return uuid5(AUDITS, f"{source}\n{source_ref}")


# -- events that stay in the house


class FieldAuditRecorded(Event, type="cauce.training.FieldAuditRecorded.v1"):
    """An audit as it was seen and scored; it waits to be approved. After it was returned it is recorded anew."""

    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    source: str | None
    source_ref: str | None
    template: str
    template_version: int
    time_zone: str
    metric: str | None
    metric_period: PeriodKind
    audited_on: date
    answers: tuple[Answered, ...]
    total: Decimal
    passed: bool
    critical_missed: tuple[str, ...]
    sections: tuple[SectionScore, ...]
    by: tuple[str, ...]


class FieldAuditReturned(Event, type="cauce.training.FieldAuditReturned.v1"):
    """It was not approved as it is: somebody has to look at it again."""

    audit_id: UUID
    reason: str


AuditEvent = FieldAuditRecorded | FieldAuditReturned | FieldAuditPublished


# -- commands


Source = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=100)]
SourceRef = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=200)]


class AuditContent(Command):
    """What was seen at a partner, or at one of its outlets, on a day, by the template as it is now. `source` and
    `source_ref`, which go together, are the audit's own key where it comes from another system: the same key again is
    the same audit."""

    source: Source | None = None
    source_ref: SourceRef | None = None
    partner_id: UUID
    outlet_id: UUID | None = None
    template: Annotated[Code, Field(examples=["example"])]
    audited_on: date
    answers: Answers

    @model_validator(mode="after")
    def _keyed_whole(self) -> Self:
        if (self.source is None) != (self.source_ref is None):
            raise ValueError("source and source_ref go together")
        return self

    def id(self, otherwise: UUID) -> UUID:
        if self.source is None or self.source_ref is None:
            return otherwise
        return audit_id(self.source, self.source_ref)


class RecordAudit(Command):
    """An audit with its id, the version of its template that is in use (None: there is none), whether its partner is
    known, and everybody who stands behind it."""

    audit_id: UUID
    content: AuditContent
    terms: TemplateTerms | None
    partner_known: bool
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class AuditRevision(Command):
    """What was seen, put right; it is scored by the version of the template that it was recorded by."""

    audited_on: date
    answers: Answers


class ReviseAudit(Command):
    """`terms` are those that it was recorded by."""

    revision: AuditRevision
    terms: TemplateTerms
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class ReturnAudit(Command):
    reason: Reason


class PublishAudit(Command):
    """`by` is everybody who approves it."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]


AuditCommand = RecordAudit | ReviseAudit | ReturnAudit | PublishAudit


# -- state


class Status(StrEnum):
    RECORDED = "recorded"
    RETURNED = "returned"
    PUBLISHED = "published"


@dataclass(frozen=True)
class FieldAudit:
    """`recorded` is how it was recorded last; None until it was."""

    recorded: FieldAuditRecorded | None = None
    status: Status = Status.RECORDED
    returned_because: str | None = None
