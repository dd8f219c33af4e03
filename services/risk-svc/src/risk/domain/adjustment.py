"""Adjustments of a partner: probation, suspension, replacement or termination. One is proposed with its evidence, may
be contested by the partner, who sees the same evidence, and is decided by persons: a termination by two.

What was decided is carried out here as far as it is risk-svc's own (a suspension, a probation), and by whoever owns the
rest: contract-svc serves notice of a terminated partner's breaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5

from engine import Command, Rejected, Unknown
from events import Event
from events.risk import AdjustmentDecided, AdjustmentKind, ProbationStarted, RestrictionImposed
from pydantic import Field

from risk.domain.words import Reason

ADJUSTMENTS = UUID("5f1b8f6e-2a44-4d5b-8a2b-6c1f1b0d9e37")
"""The namespace of adjustment ids, and of what carries them out."""
Outcome = Literal["open", "decided", "turned_down", "withdrawn"]


# -- events that stay in the house


class AdjustmentProposed(Event, type="cauce.risk.AdjustmentProposed.v1"):
    """Somebody wants a partner adjusted, because of this evidence. The partner may contest it up to `contest_until`."""

    adjustment_id: UUID
    partner_id: UUID
    kind: AdjustmentKind
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]
    flags: tuple[UUID, ...]
    proposed_by: tuple[str, ...]
    contest_until: datetime
    probation_days: int | None


class AdjustmentContested(Event, type="cauce.risk.AdjustmentContested.v1"):
    """The partner objects, and says why."""

    adjustment_id: UUID
    partner_id: UUID
    statement: str


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


class AdjustmentWithdrawn(Event, type="cauce.risk.AdjustmentWithdrawn.v1"):
    """It is not proposed any more."""

    adjustment_id: UUID
    partner_id: UUID
    reason: str


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
    AdjustmentProposed
    | AdjustmentContested
    | AdjustmentSeconded
    | AdjustmentTurnedDown
    | AdjustmentWithdrawn
    | AdjustmentAnswered
    | AdjustmentDecided
    | ProbationStarted
    | ProbationEnded
)

AdjustmentResult = AdjustmentEvent | RestrictionImposed


# -- commands


class Proposed(Command):
    """`evidence` are event ids, `flags` those whose evidence belongs to it as well. The partner has `contest_days` to
    contest it. `probation_days` is how long a probation lasts, and of nothing else."""

    kind: AdjustmentKind
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1, max_length=20)]
    evidence: Annotated[tuple[UUID, ...], Field(max_length=200)] = ()
    flags: Annotated[tuple[UUID, ...], Field(max_length=50)] = ()
    contest_days: Annotated[int, Field(ge=0, le=90)] = 14
    probation_days: Annotated[int, Field(ge=1, le=730)] | None = None


class ProposeAdjustment(Proposed):
    adjustment_id: UUID
    partner_id: UUID
    by: tuple[str, ...]


class Contest(Command):
    statement: Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")]


class ContestAdjustment(Contest):
    adjustment_id: UUID


class Decision(Command):
    """`answer` is for the partner, and needed where they contested it."""

    answer: Reason | None = None


class DecideAdjustment(Decision):
    adjustment_id: UUID
    by: tuple[str, ...]


class Refusal(Command):
    reason: Reason


class TurnDownAdjustment(Refusal):
    adjustment_id: UUID
    by: tuple[str, ...]


class WithdrawAdjustment(Refusal):
    adjustment_id: UUID


class EndProbation(Command):
    adjustment_id: UUID


AdjustmentCommand = (
    ProposeAdjustment | ContestAdjustment | DecideAdjustment | TurnDownAdjustment | WithdrawAdjustment | EndProbation
)


# -- state


@dataclass(frozen=True)
class Adjustment:
    """A proposal and what became of it. `evidence` has that of its flags as well. `seconded_by` is who has decided for
    a termination alone."""

    id: UUID
    kind: AdjustmentKind
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]
    proposed_by: tuple[str, ...]
    contest_until: datetime
    probation_days: int | None = None
    outcome: Outcome = "open"
    contested: str | None = None
    seconded_by: tuple[str, ...] = ()
    answer: str | None = None
    because: str = ""


Adjustments = Mapping[UUID, Adjustment]


# -- decide


def propose(
    adjustments: Adjustments, flags: Mapping[UUID, tuple[UUID, ...]], command: ProposeAdjustment, now: datetime
) -> list[AdjustmentEvent]:
    """`flags` are the partner's with the evidence of each. One proposal of a kind at a time."""
    known = adjustments.get(command.adjustment_id)
    if known is not None and (known.kind, known.reasons) == (command.kind, command.reasons):
        return []
    unknown = [id for id in command.flags if id not in flags]
    if unknown:
        raise Unknown("risk.flag_unknown", flag_id=unknown[0])
    evidence = tuple(dict.fromkeys([*command.evidence, *(id for flag in command.flags for id in flags[flag])]))
    if not evidence:
        raise Rejected("risk.evidence_missing", kind=command.kind)
    if (command.kind == "probation") != (command.probation_days is not None):
        raise Rejected("risk.probation_has_days", kind=command.kind)
    running = next(
        (each for each in adjustments.values() if each.kind == command.kind and each.outcome == "open"), None
    )
    if running is not None:
        raise Rejected("risk.already_proposed", adjustment_id=running.id, kind=running.kind)
    return [
        AdjustmentProposed(
            adjustment_id=command.adjustment_id,
            partner_id=command.partner_id,
            kind=command.kind,
            reasons=command.reasons,
            evidence=evidence,
            flags=command.flags,
            proposed_by=command.by,
            contest_until=now + timedelta(days=command.contest_days),
            probation_days=command.probation_days,
        )
    ]


def contest(
    partner_id: UUID, adjustments: Adjustments, command: ContestAdjustment, now: datetime
) -> list[AdjustmentResult]:
    adjustment = _known(adjustments, command.adjustment_id)
    if adjustment.contested == command.statement:
        return []
    refuse_over(adjustment)
    if adjustment.contested is not None:
        raise Rejected("risk.already_contested", adjustment_id=adjustment.id)
    if now >= adjustment.contest_until:
        raise Rejected("risk.contest_over", adjustment_id=adjustment.id, contest_until=adjustment.contest_until)
    return [AdjustmentContested(adjustment_id=adjustment.id, partner_id=partner_id, statement=command.statement)]


def decide_on(
    partner_id: UUID, adjustments: Adjustments, command: DecideAdjustment, now: datetime
) -> list[AdjustmentResult]:
    """Whoever proposed it may decide on it as well; a termination takes a second person."""
    adjustment = _known(adjustments, command.adjustment_id)
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
    adjustment = _known(adjustments, command.adjustment_id)
    if (adjustment.outcome, adjustment.because) == ("turned_down", command.reason):
        return []
    refuse_over(adjustment)
    return [
        AdjustmentTurnedDown(adjustment_id=adjustment.id, partner_id=partner_id, reason=command.reason, by=command.by)
    ]


def withdraw(partner_id: UUID, adjustments: Adjustments, command: WithdrawAdjustment) -> list[AdjustmentResult]:
    adjustment = _known(adjustments, command.adjustment_id)
    if (adjustment.outcome, adjustment.because) == ("withdrawn", command.reason):
        return []
    refuse_over(adjustment)
    return [AdjustmentWithdrawn(adjustment_id=adjustment.id, partner_id=partner_id, reason=command.reason)]


def end_probation(partner_id: UUID, running: UUID | None, command: EndProbation) -> list[AdjustmentEvent]:
    """`running` is the adjustment by which the partner is on probation."""
    if running != command.adjustment_id:
        return []
    return [ProbationEnded(adjustment_id=command.adjustment_id, partner_id=partner_id)]


def _known(adjustments: Adjustments, id: UUID) -> Adjustment:
    if id not in adjustments:
        raise Unknown("risk.adjustment_unknown", adjustment_id=id)
    return adjustments[id]


def refuse_over(adjustment: Adjustment) -> None:
    if adjustment.outcome != "open":
        raise Rejected("risk.adjustment_over", adjustment_id=adjustment.id, outcome=adjustment.outcome)


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
