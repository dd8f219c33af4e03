"""What happens to a corrective action, what somebody wants to happen to it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Proposal
from events import Event
from events.training import CorrectiveActionOverdue, CorrectiveActionVerified
from pydantic import Field

from training.domain.words import Note, Reason, Reference

ACTIONS = UUID("d8c6a1f4-5b1e-4a0c-9b7e-0e9a3c2f6d53")
"""The namespace of action ids."""


def action_id(audit_id: UUID, item: str) -> UUID:
    return uuid5(ACTIONS, f"{audit_id}/{item}")


# -- events that stay in the house


class CorrectiveActionOpened(Event, type="cauce.training.CorrectiveActionOpened.v1"):
    """An audit was published with this finding. `due_on` is the last day to put it right, counted in `time_zone`;
    `due_at` the instant after it."""

    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    title: str
    critical: bool
    owner: str
    opened_on: date
    due_on: date
    due_at: datetime
    time_zone: str


class EvidenceSubmitted(Event, type="cauce.training.EvidenceSubmitted.v1"):
    """It was put right, somebody says, and shows by what. It takes the place of what was submitted before."""

    action_id: UUID
    references: tuple[str, ...]
    note: str | None
    submitted_on: date
    by: tuple[str, ...]


class EvidenceRejected(Event, type="cauce.training.EvidenceRejected.v1"):
    """The evidence does not show it: the action is open again."""

    action_id: UUID
    reason: str


class WaiverProposed(Event, type="cauce.training.WaiverProposed.v1"):
    """Somebody wants to let it be. It is waived when another person wants the same."""

    action_id: UUID
    reason: str
    by: tuple[str, ...]


class CorrectiveActionWaived(Event, type="cauce.training.CorrectiveActionWaived.v1"):
    """Two persons decided that it need not be put right."""

    action_id: UUID
    reason: str
    waived_on: date


ActionEvent = (
    CorrectiveActionOpened
    | EvidenceSubmitted
    | EvidenceRejected
    | WaiverProposed
    | CorrectiveActionWaived
    | CorrectiveActionOverdue
    | CorrectiveActionVerified
)


# -- commands


class OpenCorrectiveAction(Command):
    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    title: str
    critical: bool
    owner: str
    due_on: date
    time_zone: str


class Evidence(Command):
    """`references` say where it is. Notes are not for names."""

    references: Annotated[tuple[Reference, ...], Field(min_length=1, max_length=20)]
    note: Note | None = None


class SubmitEvidence(Evidence):
    """`by` is everybody who stands behind it."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]


class RejectEvidence(Command):
    reason: Reason


class VerifyAction(Command):
    """`by` is everybody who has seen that it was put right."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]


class WaiveAction(Command):
    """Once two persons have said so for the same reason. `by` is everybody who stands behind this one."""

    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class BecomeOverdue(Command):
    pass


ActionCommand = OpenCorrectiveAction | SubmitEvidence | RejectEvidence | VerifyAction | WaiveAction | BecomeOverdue


# -- state


class Status(StrEnum):
    OPEN = "open"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    WAIVED = "waived"


@dataclass(frozen=True)
class CorrectiveAction:
    """`evidence` is what was submitted last; `closed_because` the reason of a waiver."""

    opened: CorrectiveActionOpened | None = None
    status: Status = Status.OPEN
    overdue: bool = False
    evidence: EvidenceSubmitted | None = None
    rejected_because: str | None = None
    waiver: Proposal | None = None
    waived_because: str | None = None
