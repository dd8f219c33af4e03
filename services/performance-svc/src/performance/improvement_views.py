"""Read models of improvement plans, written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Fact, Statement, Table, View
from events.performance import ImprovementPlanClosed, ImprovementPlanOpened, PlanAction, PlanProblem
from events.periods import kind
from pydantic import TypeAdapter

from performance.domain.improvement_plan import ImprovementMeasured
from performance.domain.plan_action import PlanActionAdded, PlanActionEnded, PlanActionOverdue

PROBLEMS = TypeAdapter(tuple[PlanProblem, ...])
SCORES = TypeAdapter(dict[str, Decimal | None])

PLANS = Table(
    "improvement_plans",
    """
    plan_id uuid primary key,
    partner_id uuid not null,
    period text not null,
    period_kind text not null,
    evaluation_id uuid not null,
    scorecard text not null,
    scorecard_version integer not null,
    problems json not null,
    time_zone text not null,
    status text not null,
    opened_at timestamptz not null,
    measured_in text,
    measured json,
    reached boolean,
    outcome text,
    reason text,
    closed_at timestamptz
    """,
    indexes=("(partner_id, period)", "(period_kind, status)", "(status, plan_id)"),
)

ACTIONS = Table(
    "plan_actions",
    """
    plan_id uuid not null,
    number integer not null,
    partner_id uuid not null,
    what text not null,
    owner text not null,
    due_on date not null,
    status text not null,
    overdue boolean not null,
    late boolean,
    note text,
    primary key (plan_id, number)
    """,
    indexes=("(partner_id)", "(due_on) where status = 'open'"),
)

# The last period counts: an earlier one that is restated leaves it.
MEASURED = """
update {table} set measured_in = $2, measured = $3, reached = $4
where plan_id = $1 and (measured_in is null or measured_in <= $2)
"""


def project(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ImprovementPlanOpened() as opened:
            yield PLANS.insert(
                plan_id=opened.plan_id,
                partner_id=opened.partner_id,
                period=opened.period,
                period_kind=kind(opened.period),
                evaluation_id=opened.evaluation_id,
                scorecard=opened.scorecard,
                scorecard_version=opened.scorecard_version,
                problems=PROBLEMS.dump_json(opened.problems),
                time_zone=opened.time_zone,
                status="open",
                opened_at=fact.occurred_at,
            )
            for action in opened.actions:
                yield added(opened.partner_id, opened.plan_id, action)
        case PlanActionAdded(plan_id=id, partner_id=partner_id, action=action):
            yield added(partner_id, id, action)
        case PlanActionEnded(plan_id=id, number=number) as ended:
            key = {"plan_id": id, "number": number}
            yield ACTIONS.update(key, status=ended.how, late=ended.late, note=ended.note)
        case PlanActionOverdue(plan_id=id, number=number):
            yield ACTIONS.update({"plan_id": id, "number": number}, overdue=True)
        case ImprovementMeasured(plan_id=id, period=period, scores=scores, reached=reached):
            yield PLANS.sql(MEASURED, id, period, SCORES.dump_json(scores), reached)
        case ImprovementPlanClosed() as closed:
            yield PLANS.update(
                {"plan_id": closed.plan_id},
                status="closed",
                outcome=closed.outcome,
                reason=closed.reason,
                closed_at=fact.occurred_at,
            )


def added(partner_id: UUID, plan_id: UUID, action: PlanAction) -> Statement:
    return ACTIONS.insert(plan_id=plan_id, partner_id=partner_id, **dict(action), status="open", overdue=False)


plans_view = View("improvement_plans", version=1, tables=(PLANS, ACTIONS), project=project, inline=True)
