"""A corrective action: a finding that a partner has to put right by a day, with evidence that somebody else has seen.

Who the others wait for is what counts: evidence that came by the last day keeps the action from being overdue while it
is looked at, and where it is turned down after that day, the action is overdue at once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any, assert_never

from engine import Decider, Proposal, Rejected, Unknown, seconds
from events.days import day_in, end_of
from events.training import CorrectiveActionOverdue, CorrectiveActionVerified

from training.domain.action_events import (
    ActionCommand,
    ActionEvent,
    BecomeOverdue,
    CorrectiveAction,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    EvidenceRejected,
    EvidenceSubmitted,
    OpenCorrectiveAction,
    RejectEvidence,
    Status,
    SubmitEvidence,
    VerifyAction,
    WaiveAction,
    WaiverProposed,
)

# -- decide


def open_action(action: CorrectiveAction, command: OpenCorrectiveAction, now: datetime) -> list[ActionEvent]:
    if action.opened is not None:
        return []
    return [
        CorrectiveActionOpened(
            opened_on=day_in(command.time_zone, now),
            due_at=end_of(command.due_on, command.time_zone),
            **command.model_dump(exclude={"occurred_at"}),
        )
    ]


def submit(
    action: CorrectiveAction, what: CorrectiveActionOpened, command: SubmitEvidence, today: date
) -> list[ActionEvent]:
    """Raises `training.action_closed`."""
    before = action.evidence
    match action.status:
        case Status.SUBMITTED if before and (before.references, before.note) == (command.references, command.note):
            return []
        case Status.OPEN | Status.SUBMITTED:
            submitted = EvidenceSubmitted(
                action_id=what.action_id,
                references=command.references,
                note=command.note,
                submitted_on=today,
                by=command.by,
            )
            return [*lapse(action, what, today), submitted]
        case Status.VERIFIED | Status.WAIVED:
            raise Rejected("training.action_closed", standing=action.status.value)
        case _:
            assert_never(action.status)


def reject(action: CorrectiveAction, what: CorrectiveActionOpened, reason: str, today: date) -> list[ActionEvent]:
    """Raises `training.no_evidence`, `training.action_closed`."""
    match action.status:
        case Status.OPEN if action.rejected_because == reason:
            return []
        case Status.OPEN:
            raise Rejected("training.no_evidence")
        case Status.SUBMITTED:
            rejected = EvidenceRejected(action_id=what.action_id, reason=reason)
            return [rejected, *lapse(replace(action, status=Status.OPEN), what, today)]
        case Status.VERIFIED | Status.WAIVED:
            raise Rejected("training.action_closed", standing=action.status.value)
        case _:
            assert_never(action.status)


def verify(
    action: CorrectiveAction, what: CorrectiveActionOpened, by: tuple[str, ...], today: date
) -> list[ActionEvent]:
    """Raises `training.no_evidence`, `training.second_person_needed`, `training.action_closed`."""
    match action.status:
        case Status.VERIFIED:
            return []
        case Status.WAIVED:
            raise Rejected("training.action_closed", standing=action.status.value)
        case Status.OPEN:
            raise Rejected("training.no_evidence")
        case Status.SUBMITTED:
            assert action.evidence is not None  # noqa: S101 - it was submitted
            if set(by) & set(action.evidence.by):
                raise Rejected("training.second_person_needed", submitted_by=list(action.evidence.by))
            return [CorrectiveActionVerified(**named(what), verified_on=today, late=action.overdue)]
        case _:
            assert_never(action.status)


def waive(action: CorrectiveAction, what: CorrectiveActionOpened, wanted: Proposal, today: date) -> list[ActionEvent]:
    """Raises `training.action_closed`, `training.second_person_needed`."""
    if action.status is Status.WAIVED and action.waived_because == wanted.reason:
        return []
    if action.status in (Status.VERIFIED, Status.WAIVED):
        raise Rejected("training.action_closed", standing=action.status.value)
    if not seconds(wanted, action.waiver, "training.second_person_needed"):
        return [WaiverProposed(action_id=what.action_id, reason=wanted.reason, by=wanted.by)]
    return [CorrectiveActionWaived(action_id=what.action_id, reason=wanted.reason, waived_on=today)]


def become_overdue(action: CorrectiveAction, what: CorrectiveActionOpened, today: date) -> list[ActionEvent]:
    """Raises `training.action_closed`, `training.evidence_waits`, `training.not_yet_due`."""
    if action.overdue:
        return []
    if action.status in (Status.VERIFIED, Status.WAIVED):
        raise Rejected("training.action_closed", standing=action.status.value)
    if action.status is Status.SUBMITTED:
        raise Rejected("training.evidence_waits")
    if today <= what.due_on:
        raise Rejected("training.not_yet_due", due_on=what.due_on)
    return lapse(action, what, today)


def lapse(action: CorrectiveAction, what: CorrectiveActionOpened, today: date) -> list[ActionEvent]:
    """It is overdue from its day on, whether or not the timer has come round to it."""
    if action.overdue or action.status is not Status.OPEN or today <= what.due_on:
        return []
    return [CorrectiveActionOverdue(**named(what))]


def named(what: CorrectiveActionOpened) -> dict[str, Any]:
    """What every word to others says of it."""
    return {name: getattr(what, name) for name in CorrectiveActionOverdue.model_fields}


def decide(command: ActionCommand, action: CorrectiveAction, now: datetime) -> list[ActionEvent]:
    if isinstance(command, OpenCorrectiveAction):
        return open_action(action, command, now)
    what = action.opened
    if what is None:
        raise Unknown("training.corrective_action_unknown")
    today = day_in(what.time_zone, now)
    match command:
        case SubmitEvidence():
            return submit(action, what, command, today)
        case RejectEvidence(reason=reason):
            return reject(action, what, reason, today)
        case VerifyAction(by=by):
            return verify(action, what, by, today)
        case WaiveAction(reason=reason, by=by):
            return waive(action, what, Proposal(reason, by), today)
        case BecomeOverdue():
            return become_overdue(action, what, today)
        case _:
            assert_never(command)


# -- evolve


def evolve(action: CorrectiveAction, event: ActionEvent) -> CorrectiveAction:
    match event:
        case CorrectiveActionOpened():
            return CorrectiveAction(event)
        case EvidenceSubmitted():
            return replace(action, status=Status.SUBMITTED, evidence=event, rejected_because=None)
        case EvidenceRejected(reason=reason):
            return replace(action, status=Status.OPEN, rejected_because=reason)
        case WaiverProposed(reason=reason, by=by):
            return replace(action, waiver=Proposal(reason, by))
        case CorrectiveActionWaived(reason=reason):
            return replace(action, status=Status.WAIVED, waiver=None, waived_because=reason)
        case CorrectiveActionOverdue():
            return replace(action, overdue=True)
        case CorrectiveActionVerified():
            return replace(action, status=Status.VERIFIED, waiver=None)
        case _:
            assert_never(event)


corrective_actions = Decider(
    "corrective_action",
    decide,
    evolve,
    initial=CorrectiveAction,
    events=ActionEvent,
    owner=lambda action: None if action.opened is None else action.opened.partner_id,
)
