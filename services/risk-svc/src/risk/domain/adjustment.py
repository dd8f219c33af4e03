"""Adjustments of a partner: probation, suspension, replacement or termination, proposed first, and decided by persons:
a termination by two.

What was decided is carried out here as far as it is risk-svc's own (a suspension, a probation), and by whoever owns the
rest: contract-svc serves notice of a terminated partner's breaches.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from engine import Command, Rejected
from events import Event
from events.risk import AdjustmentDecided, ProbationStarted, RestrictionImposed

from risk.domain.proposal import (
    Adjustment,
    AdjustmentContested,
    AdjustmentProposed,
    Adjustments,
    AdjustmentWithdrawn,
    ContestAdjustment,
    ProposalEvent,
    ProposeAdjustment,
    Refusal,
    WithdrawAdjustment,
    known,
    refuse_over,
)
from risk.domain.words import Reason

ADJUSTMENTS = UUID("5f1b8f6e-2a44-4d5b-8a2b-6c1f1b0d9e37")
"""The namespace of adjustment ids, and of what carries them out."""


# -- events that stay in the house


class AdjustmentSeconded(Event, type="cauce.risk.AdjustmentSeconded.v1"):
    """One of two persons decided for a termination; without the other's decision nothing is decided."""

    adjustment_id: UUID
    partner_id: UUID
    by: tuple[str, ...]
    answer: str | None


class AdjustmentTurnedDown(Event, type="cauce.risk.AdjustmentTurnedDown.v1"):
    """A person decided against it."""

    adjustment_id: UUID
    partner_id: UUID
    reason: str
    by: tuple[str, ...]


class AdjustmentAnswered(Event, type="cauce.risk.AdjustmentAnswered.v1"):
    """What the partner was answered, with the decision."""

    adjustment_id: UUID
    partner_id: UUID
    answer: str


class ProbationEnded(Event, type="cauce.risk.ProbationEnded.v1"):
    """The time of probation is over, or the partner was adjusted otherwise."""

    adjustment_id: UUID
    partner_id: UUID


AdjustmentEvent = (
    ProposalEvent
    | AdjustmentSeconded
    | AdjustmentTurnedDown
    | AdjustmentAnswered
    | AdjustmentDecided
    | ProbationStarted
    | ProbationEnded
)

AdjustmentResult = AdjustmentEvent | RestrictionImposed


# -- commands


class Decision(Command):
    """`answer` is for the partner, and needed where they contested it."""

    answer: Reason | None = None


class DecideAdjustment(Decision):
    adjustment_id: UUID
    by: tuple[str, ...]


class TurnDownAdjustment(Refusal):
    adjustment_id: UUID
    by: tuple[str, ...]


class EndProbation(Command):
    adjustment_id: UUID


AdjustmentCommand = (
    ProposeAdjustment | ContestAdjustment | DecideAdjustment | TurnDownAdjustment | WithdrawAdjustment | EndProbation
)


# -- decide


def decide_on(
    partner_id: UUID, adjustments: Adjustments, command: DecideAdjustment, now: datetime
) -> list[AdjustmentResult]:
    """Whoever proposed it may decide on it as well; a termination takes a second person."""
    adjustment = known(adjustments, command.adjustment_id)
    if adjustment.outcome == "decided":
        return []
    refuse_over(adjustment)
    if adjustment.contested is None and now < adjustment.contest_until:
        raise Rejected(
            "risk.contest_period_running", adjustment_id=adjustment.id, decision_from=adjustment.contest_until
        )
    if adjustment.contested is not None and command.answer is None:
        raise Rejected("risk.contest_unanswered", adjustment_id=adjustment.id, statement=adjustment.contested)
    if adjustment.kind == "terminate" and not adjustment.seconded_by:
        seconded = AdjustmentSeconded(
            adjustment_id=adjustment.id, partner_id=partner_id, by=command.by, answer=command.answer
        )
        return [seconded]
    if set(command.by) & set(adjustment.seconded_by):
        raise Rejected(
            "risk.second_person_needed", adjustment_id=adjustment.id, decided_by=list(adjustment.seconded_by)
        )
    return [*_carried_out(partner_id, adjustment, command, now)]


def _carried_out(
    partner_id: UUID, adjustment: Adjustment, command: DecideAdjustment, now: datetime
) -> list[AdjustmentResult]:
    events: list[AdjustmentResult] = []
    if command.answer is not None:
        events.append(AdjustmentAnswered(adjustment_id=adjustment.id, partner_id=partner_id, answer=command.answer))
    events.append(
        AdjustmentDecided(
            adjustment_id=adjustment.id,
            partner_id=partner_id,
            kind=adjustment.kind,
            reasons=adjustment.reasons,
            evidence=adjustment.evidence,
            decided_by=(*adjustment.seconded_by, *command.by),
            contested=adjustment.contested is not None,
        )
    )
    if adjustment.kind == "probation" and adjustment.probation_days is not None:
        ends_at = now + timedelta(days=adjustment.probation_days)
        events.append(
            ProbationStarted(
                adjustment_id=adjustment.id, partner_id=partner_id, reasons=adjustment.reasons, ends_at=ends_at
            )
        )
    if adjustment.kind == "suspend":
        events.append(
            RestrictionImposed(
                restriction_id=uuid5(ADJUSTMENTS, f"{adjustment.id}/suspension"),
                partner_id=partner_id,
                kind="suspension",
                reason=" ".join(adjustment.reasons),
                evidence=adjustment.evidence,
                by="person",
                imposed_at=now,
                adjustment_id=adjustment.id,
            )
        )
    return events


def turn_down(partner_id: UUID, adjustments: Adjustments, command: TurnDownAdjustment) -> list[AdjustmentResult]:
    adjustment = known(adjustments, command.adjustment_id)
    if (adjustment.outcome, adjustment.because) == ("turned_down", command.reason):
        return []
    refuse_over(adjustment)
    return [
        AdjustmentTurnedDown(adjustment_id=adjustment.id, partner_id=partner_id, reason=command.reason, by=command.by)
    ]


def end_probation(partner_id: UUID, running: UUID | None, command: EndProbation) -> list[AdjustmentEvent]:
    """`running` is the adjustment by which the partner is on probation."""
    if running != command.adjustment_id:
        return []
    return [ProbationEnded(adjustment_id=command.adjustment_id, partner_id=partner_id)]


# -- evolve


def evolve(adjustments: Adjustments, event: AdjustmentEvent) -> dict[UUID, Adjustment]:
    id = event.adjustment_id
    match event:
        case AdjustmentProposed():
            new = Adjustment(
                id,
                event.kind,
                event.reasons,
                event.evidence,
                event.proposed_by,
                event.contest_until,
                event.probation_days,
            )
            return {**adjustments, id: new}
        case ProbationStarted() | ProbationEnded():
            return {**adjustments}
        case AdjustmentDecided() if id not in adjustments:  # decided before adjustments were proposed
            return {**adjustments}
    before = adjustments[id]
    match event:
        case AdjustmentContested(statement=statement):
            after = replace(before, contested=statement)
        case AdjustmentSeconded(by=by, answer=answer):
            after = replace(before, seconded_by=by, answer=answer)
        case AdjustmentAnswered(answer=answer):
            after = replace(before, answer=answer)
        case AdjustmentTurnedDown(reason=reason):
            after = replace(before, outcome="turned_down", because=reason)
        case AdjustmentWithdrawn(reason=reason):
            after = replace(before, outcome="withdrawn", because=reason)
        case AdjustmentDecided():
            after = replace(before, outcome="decided")
    return {**adjustments, id: after}
