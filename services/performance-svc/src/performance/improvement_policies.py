"""What performance-svc does about improvement plans: the evaluations of later periods measure them, and what is not
done by its day is overdue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from engine import CancelTimer, Fact, Reaction, Rows, Send, SetTimer
from events.days import end_of
from events.performance import EvaluationRestated, ImprovementPlanClosed, ImprovementPlanOpened, PlanAction
from events.periods import kind

from performance.domain.figures import SCORES
from performance.domain.improvement_plan import Measure, improvement_plans
from performance.domain.period import PeriodEvaluated
from performance.domain.plan_action import BecomeOverdue, PlanActionAdded, PlanActionEnded

PLANNED = (
    PeriodEvaluated,
    EvaluationRestated,
    ImprovementPlanOpened,
    ImprovementPlanClosed,
    PlanActionAdded,
    PlanActionEnded,
)
"""What is heard."""

# What is read may be of later than the fact: then the fact that it is from comes again, and changes nothing.
LATER = """
select p.plan_id, e.period, e.event_id, e.scores
from improvement_plans p join evaluations e on e.partner_id = p.partner_id and e.period > p.period
where p.status = 'open'
"""
IN_PERIOD = f"{LATER} and e.period = $1 and p.period_kind = $2 order by p.plan_id"
OF_PARTNER = f"{LATER} and e.period = $1 and p.period_kind = $2 and p.partner_id = $3 order by p.plan_id"
OF_PLAN = f"{LATER} and p.plan_id = $1 order by e.period"


@dataclass(frozen=True)
class Seen:
    """A plan, and what the evaluation of a later period of its kind says."""

    plan_id: UUID
    measure: Measure


async def later_evaluations(db: Rows, fact: Fact[Any]) -> Sequence[Seen]:
    match fact.event:
        case PeriodEvaluated(period=period):
            rows = await db.fetch(IN_PERIOD, period, kind(period))
        case EvaluationRestated(partner_id=partner_id, period=period):
            rows = await db.fetch(OF_PARTNER, period, kind(period), partner_id)
        case ImprovementPlanOpened(plan_id=id, period=period):
            rows = [row for row in await db.fetch(OF_PLAN, id) if kind(row["period"]) == kind(period)]
        case _:
            return ()
    return tuple(seen(row) for row in rows)


def seen(row: Any) -> Seen:
    scores = {score.metric: score.score for score in SCORES.validate_json(row["scores"])}
    return Seen(row["plan_id"], Measure(period=row["period"], evaluation_id=row["event_id"], scores=scores))


def keep_plans(fact: Fact[Any], later: Sequence[Seen]) -> Iterator[Reaction]:
    match fact.event:
        case ImprovementPlanOpened() as opened:
            for action in opened.actions:
                yield clock(opened.plan_id, action, opened.time_zone)
        case PlanActionAdded(plan_id=id, action=action, time_zone=time_zone):
            yield clock(id, action, time_zone)
        case PlanActionEnded(plan_id=id, number=number):
            yield CancelTimer(timer(id, number))
        case ImprovementPlanClosed(plan_id=id, open_actions=numbers):
            for number in numbers:
                yield CancelTimer(timer(id, number))
    for each in later:
        yield Send(improvement_plans, each.plan_id, each.measure)


def clock(plan_id: UUID, action: PlanAction, time_zone: str) -> SetTimer:
    overdue = Send(improvement_plans, plan_id, BecomeOverdue(number=action.number))
    return SetTimer(timer(plan_id, action.number), end_of(action.due_on, time_zone), overdue)


def timer(plan_id: UUID, number: int) -> str:
    return f"{plan_id}/action/{number}"
