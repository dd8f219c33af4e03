from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.days import end_of
from events.performance import ImprovementPlanClosed, ImprovementPlanOpened, MetricScore, PlanAction, PlanProblem
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.card import Line
from performance.domain.improvement_plan import (
    ClosePlan,
    ImprovementMeasured,
    Measure,
    OpenPlan,
    improvement_plans,
    plan_id,
)
from performance.domain.plan_action import (
    MOST_ACTIONS,
    ActionAsked,
    AddAction,
    BecomeOverdue,
    EndAction,
    PlanActionAdded,
    PlanActionEnded,
    PlanActionOverdue,
)
from performance.domain.shortfall import Judged, ProblemAsked
from pydantic import ValidationError

PARTNER, EVALUATION = UUID("11111111-1111-4111-8111-111111111111"), UUID("33333333-3333-4333-8333-333333333333")
NEXT, RESTATED = uuid4(), uuid4()
ID = plan_id(PARTNER, "2018")
ZONE = "America/Anchorage"
NOW = datetime(2019, 2, 1, 20, tzinfo=UTC)
DUE = date(2019, 3, 31)
LAST_MOMENT, OVER = datetime(2019, 4, 1, 7, 59, tzinfo=UTC), datetime(2019, 4, 1, 8, tzinfo=UTC)
"""Of the day in Anchorage, in daylight saving time."""


def judged(**scores: int) -> Judged:
    return Judged(
        evaluation_id=EVALUATION,
        scorecard="yearly",
        scorecard_version=2,
        scores=tuple(
            MetricScore(metric=m, value=Decimal(s), observations=1, score=Decimal(s), weight=Decimal(50))
            for m, s in scores.items()
        ),
        lines=tuple(
            Line(metric=m, weight=Decimal(50), floor=Decimal(0), target=Decimal(100), aggregation="mean")
            for m in scores
        ),
        peers=None,
        cohort_size=1,
        minimum_cohort=3,
    )


def problem(metric: str, score: int, goal: int) -> PlanProblem:
    return PlanProblem(
        metric=metric, against="target", value=Decimal(score), score=Decimal(score), goal=Decimal(goal),
        goal_value=Decimal(goal),
    )  # fmt: skip


TRAIN = ActionAsked(what="Train the kitchen.", owner="store-manager", due_on=DUE)
ACTION = PlanAction(number=1, **dict(TRAIN))
PROBLEMS = (problem("score", 40, 80), problem("visits", 50, 90))
ASKED = (ProblemAsked(metric="score", goal=Decimal(80)), ProblemAsked(metric="visits", goal=Decimal(90)))


def open_plan(**changes: Any) -> OpenPlan:
    content: dict[str, Any] = {
        "partner_id": PARTNER,
        "period": "2018",
        "judged": judged(score=40, visits=50),
        "problems": ASKED,
        "actions": (TRAIN,),
        "time_zone": ZONE,
    }
    return OpenPlan(**{**content, **changes})


def opened(**changes: Any) -> ImprovementPlanOpened:
    content: dict[str, Any] = {
        "plan_id": ID,
        "partner_id": PARTNER,
        "period": "2018",
        "evaluation_id": EVALUATION,
        "scorecard": "yearly",
        "scorecard_version": 2,
        "problems": PROBLEMS,
        "actions": (ACTION,),
        "time_zone": ZONE,
    }
    return ImprovementPlanOpened(**{**content, **changes})


OPENED = opened()


def said(when: Any, then: Any, *given: Any, at: datetime = NOW) -> None:
    scenario(improvement_plans, given=[OPENED, *given], when=when, at=at, then=then)


# -- opened


def test_a_plan_is_opened_for_an_evaluation_with_problems_goals_and_actions() -> None:
    scenario(improvement_plans, when=open_plan(), at=NOW, then=OPENED)
    state = improvement_plans.fold([OPENED])
    assert improvement_plans.owner is not None
    assert improvement_plans.owner(state) == PARTNER


def test_an_evaluation_has_one_plan_and_the_same_again_is_a_repeat() -> None:
    scenario(improvement_plans, given=[OPENED], when=open_plan(), at=OVER, then=[])
    exists = Rejected("performance.plan_exists", plan_id=ID, closed=False)
    scenario(improvement_plans, given=[OPENED], when=open_plan(actions=()), at=NOW, then=exists)
    over = Rejected("performance.plan_exists", plan_id=ID, closed=True)
    scenario(improvement_plans, given=[OPENED, closed("withdrawn")], when=open_plan(problems=()), at=NOW, then=over)


def test_an_action_is_due_from_today_on_where_its_days_are_counted() -> None:
    """It is still the 31st of January in Anchorage."""
    early = datetime(2019, 2, 1, 8, 59, tzinfo=UTC)
    today = ActionAsked(what="Clean.", owner="store-manager", due_on=date(2019, 1, 31))
    then = opened(actions=(PlanAction(number=1, **dict(today)),))
    scenario(improvement_plans, when=open_plan(actions=(today,)), at=early, then=then)
    refusal = Rejected("performance.due_on_passed", field="due_on", due_on=date(2019, 1, 31), today=date(2019, 2, 1))
    scenario(improvement_plans, when=open_plan(actions=(today,)), at=NOW, then=refusal)


def test_a_plan_without_a_problem_is_refused() -> None:
    refusal = Rejected("performance.nothing_to_improve", evaluation_id=EVALUATION)
    scenario(improvement_plans, when=open_plan(judged=judged(score=100), problems=()), at=NOW, then=refusal)


@pytest.mark.parametrize(
    "changes",
    [{"what": ""}, {"owner": "Ana López"}, {"due_on": "31 March"}, {"colour": "red"}],
    ids=lambda c: str([*c]),
)
def test_an_action_that_is_not_well_formed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ActionAsked.model_validate({**TRAIN.model_dump(), **changes})


# -- actions


CLEAN = ActionAsked(what="Clean.", owner="store-manager", due_on=DUE)
ADDED = PlanActionAdded(plan_id=ID, partner_id=PARTNER, action=PlanAction(number=2, **dict(CLEAN)), time_zone=ZONE)


def ended(number: int = 1, how: Any = "done", note: str = "Done so.", late: bool = False) -> PlanActionEnded:
    return PlanActionEnded(plan_id=ID, number=number, how=how, note=note, late=late)


def end(number: int = 1, how: Any = "done") -> EndAction:
    return EndAction(number=number, how=how, note="Done so.")


OVERDUE = PlanActionOverdue(plan_id=ID, number=1)


def test_an_action_is_added_with_the_next_number_and_once() -> None:
    said(AddAction(action=CLEAN), ADDED)
    said(AddAction(action=CLEAN), [], ADDED)
    third = PlanActionAdded(plan_id=ID, partner_id=PARTNER, action=PlanAction(number=3, **dict(CLEAN)), time_zone=ZONE)
    said(AddAction(action=CLEAN), third, ADDED, ended(2))  # what was done may have to be done again
    many = [opened(actions=tuple(PlanAction(number=n, **dict(TRAIN)) for n in range(1, MOST_ACTIONS + 1)))]
    refusal = Rejected("performance.too_many_actions", most=MOST_ACTIONS)
    scenario(improvement_plans, given=many, when=AddAction(action=CLEAN), at=NOW, then=refusal)


def test_an_action_is_done_or_dropped_in_time_or_late() -> None:
    said(end(), ended(), at=LAST_MOMENT)
    said(end(), ended(late=True), at=OVER)
    said(end(how="dropped"), ended(how="dropped"))
    said(end(), [], ended())
    said(end(how="dropped"), Rejected("performance.action_ended", number=1, how="done"), ended())
    said(end(7), Unknown("performance.action_unknown", number=7))


def test_an_action_is_overdue_when_its_day_is_over_where_it_is_counted_and_only_once() -> None:
    assert end_of(DUE, ZONE) == OVER
    said(BecomeOverdue(number=1), OVERDUE, at=OVER)
    said(BecomeOverdue(number=1), Rejected("performance.not_yet_due", number=1, due_on=DUE), at=LAST_MOMENT)
    said(BecomeOverdue(number=1), [], OVERDUE, at=OVER)
    said(BecomeOverdue(number=1), [], ended(), at=OVER)
    said(end(), ended(late=True), OVERDUE, at=OVER)


# -- measured


def measure(period: str = "2019", evaluation: UUID = NEXT, **scores: int) -> Measure:
    return Measure(
        period=period, evaluation_id=evaluation, scores={metric: Decimal(score) for metric, score in scores.items()}
    )


def measured(
    score: int | None, visits: int | None, reached: bool = False, period: str = "2019", evaluation: UUID = NEXT
) -> ImprovementMeasured:
    of = {"score": score, "visits": visits}
    scores = {metric: None if each is None else Decimal(each) for metric, each in of.items()}
    return ImprovementMeasured(plan_id=ID, period=period, evaluation_id=evaluation, scores=scores, reached=reached)


def test_a_later_period_verifies_the_plan_when_every_goal_is_reached() -> None:
    said(measure(score=80, visits=90), measured(80, 90, reached=True))
    said(measure(score=80, visits=89), measured(80, 89))
    said(measure(score=100, visits=100, other=0), measured(100, 100, reached=True))


def test_what_was_not_measured_is_not_reached() -> None:
    said(measure(score=80), measured(80, None))


def test_a_restated_later_period_verifies_or_takes_that_back() -> None:
    fixed = measure(evaluation=RESTATED, score=79, visits=90)
    said(fixed, measured(79, 90, evaluation=RESTATED), measured(80, 90, reached=True))
    said(measure(evaluation=RESTATED, score=80, visits=90), [], measured(80, 90, reached=True))
    state = improvement_plans.fold([OPENED, measured(80, 90, reached=True), measured(79, 90, evaluation=RESTATED)])
    assert state.verified_in is None


def test_the_last_period_counts_in_whatever_order_they_are_told() -> None:
    first, second = measured(80, 90, reached=True), measured(10, 20, period="2020")
    for told in ([first, second], [second, first]):
        assert improvement_plans.fold([OPENED, *told]).verified_in is None
    again = measured(80, 90, reached=True, period="2021")
    assert improvement_plans.fold([OPENED, again, second]).verified_in == "2021"


@pytest.mark.parametrize("period", ["2018", "2017", "2019-Q1", "2019-01"])
def test_only_a_later_period_of_the_same_kind_measures_a_plan(period: str) -> None:
    said(
        measure(period, score=100, visits=100),
        Rejected("performance.not_a_later_period", period=period, plan_of="2018"),
    )


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_plan_is_verified_exactly_when_each_score_is_at_its_goal_or_above(score: int, visits: int) -> None:
    state = improvement_plans.fold([OPENED])
    [event] = improvement_plans.decide(measure(score=score, visits=visits), state, NOW)
    verified = improvement_plans.evolve(state, event).verified_in == "2019"
    assert verified == (score >= 80 and visits >= 90)


# -- closed


def closed(outcome: Any, verified_in: str | None = None, open_actions: Sequence[int] = (1,)) -> ImprovementPlanClosed:
    return ImprovementPlanClosed(
        plan_id=ID,
        partner_id=PARTNER,
        period="2018",
        outcome=outcome,
        reason="Seen.",
        verified_in=verified_in,
        open_actions=tuple(open_actions),
    )


def close(outcome: Any) -> ClosePlan:
    return ClosePlan(outcome=outcome, reason="Seen.")


def test_a_plan_that_helped_is_closed_as_improved_once_a_later_period_shows_it() -> None:
    said(close("improved"), closed("improved", "2019", ()), measured(80, 90, reached=True), ended())
    nothing = Rejected("performance.not_verified", period=None, lacking={"score": None, "visits": None})
    said(close("improved"), nothing)
    lacking = Rejected("performance.not_verified", period="2019", lacking={"visits": Decimal(60)})
    said(close("improved"), lacking, measured(80, 60))


def test_a_plan_that_did_not_help_or_is_not_wanted_is_closed_at_any_time_and_its_open_actions_are_let_go() -> None:
    said(close("not_improved"), closed("not_improved"), measured(10, 10))
    said(close("withdrawn"), closed("withdrawn", open_actions=(1, 2)), ADDED)


def test_nothing_happens_to_a_plan_that_is_closed() -> None:
    over = Rejected("performance.plan_closed", outcome="withdrawn")
    for command in (AddAction(action=CLEAN), end(), BecomeOverdue(number=1), measure(score=1), close("improved")):
        said(command, over, closed("withdrawn"), at=OVER)
    said(close("withdrawn"), [], closed("withdrawn"))


def test_a_plan_that_was_never_opened_is_unknown() -> None:
    for command in (AddAction(action=CLEAN), end(), measure(score=1), close("withdrawn")):
        unknown = Unknown("performance.improvement_plan_unknown")
        scenario(improvement_plans, when=command, at=NOW, then=unknown)
