"""Proposals to adjust a partner: with their evidence, seen by the partner as we see them, who may contest them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Event
from events.risk import AdjustmentKind
from pydantic import Field

from risk.domain.words import Reason

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


class AdjustmentWithdrawn(Event, type="cauce.risk.AdjustmentWithdrawn.v1"):
    """It is not proposed any more."""

    adjustment_id: UUID
    partner_id: UUID
    reason: str


ProposalEvent = AdjustmentProposed | AdjustmentContested | AdjustmentWithdrawn


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


class Refusal(Command):
    reason: Reason


class WithdrawAdjustment(Refusal):
    adjustment_id: UUID


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
) -> list[ProposalEvent]:
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
) -> list[ProposalEvent]:
    adjustment = known(adjustments, command.adjustment_id)
    if adjustment.contested == command.statement:
        return []
    refuse_over(adjustment)
    if adjustment.contested is not None:
        raise Rejected("risk.already_contested", adjustment_id=adjustment.id)
    if now >= adjustment.contest_until:
        raise Rejected("risk.contest_over", adjustment_id=adjustment.id, contest_until=adjustment.contest_until)
    return [AdjustmentContested(adjustment_id=adjustment.id, partner_id=partner_id, statement=command.statement)]


def withdraw(partner_id: UUID, adjustments: Adjustments, command: WithdrawAdjustment) -> list[ProposalEvent]:
    adjustment = known(adjustments, command.adjustment_id)
    if (adjustment.outcome, adjustment.because) == ("withdrawn", command.reason):
        return []
    refuse_over(adjustment)
    return [AdjustmentWithdrawn(adjustment_id=adjustment.id, partner_id=partner_id, reason=command.reason)]


def known(adjustments: Adjustments, id: UUID) -> Adjustment:
    if id not in adjustments:
        raise Unknown("risk.adjustment_unknown", adjustment_id=id)
    return adjustments[id]


def refuse_over(adjustment: Adjustment) -> None:
    if adjustment.outcome != "open":
        raise Rejected("risk.adjustment_over", adjustment_id=adjustment.id, outcome=adjustment.outcome)
