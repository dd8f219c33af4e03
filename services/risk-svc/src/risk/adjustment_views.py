"""Read model of how partners are to be adjusted, and were. It is written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.risk import AdjustmentDecided, ProbationStarted

from risk.domain.adjustment import AdjustmentAnswered, AdjustmentSeconded, AdjustmentTurnedDown
from risk.domain.proposal import AdjustmentContested, AdjustmentProposed, AdjustmentWithdrawn

ADJUSTMENTS = Table(
    "adjustments",
    """
    adjustment_id uuid primary key,
    partner_id uuid not null,
    kind text not null,
    status text not null,
    reasons text[] not null,
    evidence uuid[] not null,
    flags uuid[] not null,
    proposed_by text[] not null,
    proposed_at timestamptz not null,
    contest_until timestamptz not null,
    contested text,
    contested_at timestamptz,
    seconded_by text[],
    decided_by text[],
    answer text,
    closed_at timestamptz,
    closed_because text,
    decision_id uuid,
    probation_ends_at timestamptz
    """,
    indexes=("(partner_id, status)", "(status, adjustment_id)"),
)


def project_adjustments(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case AdjustmentProposed() as proposed:
            yield ADJUSTMENTS.upsert(
                "adjustment_id",
                adjustment_id=proposed.adjustment_id,
                partner_id=proposed.partner_id,
                kind=proposed.kind,
                status="proposed",
                reasons=list(proposed.reasons),
                evidence=list(proposed.evidence),
                flags=list(proposed.flags),
                proposed_by=list(proposed.proposed_by),
                proposed_at=fact.occurred_at,
                contest_until=proposed.contest_until,
            )
        case AdjustmentContested(adjustment_id=id, statement=statement):
            yield ADJUSTMENTS.update(
                {"adjustment_id": id}, status="contested", contested=statement, contested_at=fact.occurred_at
            )
        case AdjustmentSeconded(adjustment_id=id, by=by, answer=answer):
            yield ADJUSTMENTS.update({"adjustment_id": id}, seconded_by=list(by), answer=answer)
        case AdjustmentAnswered(adjustment_id=id, answer=answer):
            yield ADJUSTMENTS.update({"adjustment_id": id}, answer=answer)
        case AdjustmentDecided(adjustment_id=id, decided_by=by):
            closed = {"status": "decided", "closed_at": fact.occurred_at, "decision_id": fact.event_id}
            yield ADJUSTMENTS.update({"adjustment_id": id}, decided_by=list(by), **closed)
        case AdjustmentTurnedDown(adjustment_id=id, reason=reason, by=by):
            closed = {"status": "turned_down", "closed_at": fact.occurred_at, "closed_because": reason}
            yield ADJUSTMENTS.update({"adjustment_id": id}, decided_by=list(by), **closed)
        case AdjustmentWithdrawn(adjustment_id=id, reason=reason):
            closed = {"status": "withdrawn", "closed_at": fact.occurred_at, "closed_because": reason}
            yield ADJUSTMENTS.update({"adjustment_id": id}, **closed)
        case ProbationStarted(adjustment_id=id, ends_at=at):
            yield ADJUSTMENTS.update({"adjustment_id": id}, probation_ends_at=at)


adjustments_view = View("adjustments", version=1, tables=(ADJUSTMENTS,), project=project_adjustments, inline=True)

VIEWS = (adjustments_view,)
