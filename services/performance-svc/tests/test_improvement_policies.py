from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from engine import CancelTimer, Send, SetTimer
from engine.testing import fact_of
from events import Event
from events.performance import ImprovementPlanClosed, ImprovementPlanOpened, PlanAction
from performance.domain.improvement_plan import Measure, improvement_plans
from performance.domain.period import PeriodEvaluated
from performance.domain.plan_action import BecomeOverdue, PlanActionAdded, PlanActionEnded
from performance.improvement_policies import Seen, keep_plans

PLAN, PARTNER = uuid4(), uuid4()
ACTION = PlanAction(number=1, what="Train.", owner="store-manager", due_on=date(2019, 3, 31))
OPENED = ImprovementPlanOpened(
    plan_id=PLAN,
    partner_id=PARTNER,
    period="2018",
    evaluation_id=uuid4(),
    scorecard="yearly",
    scorecard_version=1,
    problems=(),
    actions=(ACTION,),
    time_zone="America/Anchorage",
)


def reactions(event: Event, *later: Seen) -> list[Any]:
    return list(keep_plans(fact_of(event, occurred_at=datetime(2019, 2, 1, tzinfo=UTC)), later))


def clock(number: int) -> SetTimer:
    overdue = Send(improvement_plans, PLAN, BecomeOverdue(number=number))
    return SetTimer(f"{PLAN}/action/{number}", datetime(2019, 4, 1, 8, tzinfo=UTC), overdue)


def test_each_action_has_a_clock_that_runs_until_its_day_is_over_where_it_is_counted() -> None:
    assert reactions(OPENED) == [clock(1)]
    second = ACTION.model_copy(update={"number": 2})
    added = PlanActionAdded(plan_id=PLAN, partner_id=PARTNER, action=second, time_zone=OPENED.time_zone)
    assert reactions(added) == [clock(2)]


def test_what_is_ended_and_what_is_let_go_has_no_clock_any_more() -> None:
    done = PlanActionEnded(plan_id=PLAN, number=1, how="done", note="Done.", late=False)
    assert reactions(done) == [CancelTimer(f"{PLAN}/action/1")]
    closed = ImprovementPlanClosed(
        plan_id=PLAN, partner_id=PARTNER, period="2018", outcome="withdrawn", reason="r", verified_in=None,
        open_actions=(2, 5),
    )  # fmt: skip
    assert reactions(closed) == [CancelTimer(f"{PLAN}/action/{number}") for number in (2, 5)]


def test_the_evaluations_of_later_periods_measure_the_plans_that_are_open() -> None:
    other = UUID(int=7)
    seen = [
        Seen(plan, Measure(period="2019", evaluation_id=uuid4(), scores={"score": Decimal(80)}))
        for plan in (PLAN, other)
    ]
    assert reactions(PeriodEvaluated(period="2019"), *seen) == [
        Send(improvement_plans, each.plan_id, each.measure) for each in seen
    ]
    assert reactions(OPENED, seen[0]) == [clock(1), Send(improvement_plans, PLAN, seen[0].measure)]
    assert reactions(PeriodEvaluated(period="2019")) == []
