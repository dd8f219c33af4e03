from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from engine import Rejected, Unknown
from events.performance import MetricScore, PlanProblem
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.card import Line
from performance.domain.figures import Observed, Scale, score, total
from performance.domain.figures import Scored as FigureScored
from performance.domain.shortfall import Judged, ProblemAsked, Shortfall, problems, shortfalls, value_of

EVALUATION = UUID("33333333-3333-4333-8333-333333333333")


def line(metric: str, floor: str = "0", target: str = "200") -> Line:
    return Line(metric=metric, weight=Decimal(50), floor=Decimal(floor), target=Decimal(target), aggregation="sum")


def scored(metric: str, value: str, score: str, weight: str = "50") -> MetricScore:
    return MetricScore(
        metric=metric, value=Decimal(value), observations=1, score=Decimal(score), weight=Decimal(weight)
    )


def judged(*scores: MetricScore, peers: Mapping[str, Decimal] | None = None, **changes: Any) -> Judged:
    content: dict[str, Any] = {
        "evaluation_id": EVALUATION,
        "scorecard": "yearly",
        "scorecard_version": 2,
        "scores": scores,
        "lines": (line("sales"), line("complaints", "20", "0")),
        "peers": peers,
        "cohort_size": 10,
        "minimum_cohort": 30,
    }
    return Judged(**{**content, **changes})


POOR = (scored("sales", "50", "25"), scored("complaints", "5", "75", "30"))


def test_shortfalls_are_told_with_what_they_cost_of_the_total_the_dearest_first() -> None:
    found = shortfalls(judged(*POOR, scored("audits", "3", "100", "20"), peers={"sales": Decimal(60)}))
    assert found == [
        Shortfall(
            metric="sales", value=Decimal(50), score=Decimal(25), lost=Decimal("37.5"), target=Decimal(200),
            peers=Decimal(60),
        ),
        Shortfall(
            metric="complaints", value=Decimal(5), score=Decimal(75), lost=Decimal("7.5"), target=Decimal(0), peers=None
        ),
    ]  # fmt: skip


SCORES = st.decimals(0, 100, places=6)


@given(st.lists(st.tuples(SCORES, st.integers(1, 10**8)), min_size=1, max_size=8))
def test_what_shortfalls_cost_together_is_what_the_total_lacks(lines: list[tuple[Decimal, int]]) -> None:
    scores = [scored(f"m{n}", "1", str(s), str(Decimal(w).scaleb(-6))) for n, (s, w) in enumerate(lines)]
    found = shortfalls(judged(*scores, lines=tuple(line(f"m{n}") for n in range(len(lines)))))
    weight = sum(Fraction(w) for _, w in lines)
    of_total = sum(Fraction(s) * w for s, w in lines) / weight
    assert abs(sum(Fraction(each.lost) for each in found) - (100 - of_total)) <= Fraction(len(lines), 10**6)
    assert [each.lost for each in found] == sorted((each.lost for each in found), reverse=True)


def test_without_a_word_a_plan_is_about_every_shortfall_against_the_target() -> None:
    of: dict[str, Any] = {"against": "target", "goal": Decimal(100)}
    assert problems(judged(*POOR), ()) == (
        PlanProblem(metric="sales", value=Decimal(50), score=Decimal(25), goal_value=Decimal(200), **of),
        PlanProblem(metric="complaints", value=Decimal(5), score=Decimal(75), goal_value=Decimal(0), **of),
    )


def test_against_peers_the_goal_is_the_median_of_the_others_and_the_value_that_has_it() -> None:
    [found] = problems(judged(*POOR, peers={"sales": Decimal(60)}), (ProblemAsked(metric="sales", against="peers"),))
    assert (found.against, found.goal, found.goal_value) == ("peers", Decimal(60), Decimal(120))


def test_a_goal_of_ones_own_is_a_score_on_the_way_to_the_target() -> None:
    [found] = problems(judged(*POOR), (ProblemAsked(metric="complaints", goal=Decimal(90)),))
    assert (found.goal, found.goal_value) == (Decimal(90), Decimal(2))


def test_where_the_others_are_too_few_there_is_nothing_to_be_measured_against() -> None:
    told = Rejected("performance.insufficient_data", metric="sales", cohort_size=10, minimum_cohort=30)
    with pytest.raises(Rejected) as refused:
        problems(judged(*POOR), (ProblemAsked(metric="sales", against="peers"),))
    assert refused.value == told


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        ([ProblemAsked(metric="speed")], Unknown("performance.metric_not_evaluated", metric="speed")),
        (
            [ProblemAsked(metric="complaints", goal=Decimal(75))],
            Rejected("performance.no_shortfall", metric="complaints", score=Decimal(75), goal=Decimal(75)),
        ),
        (
            [ProblemAsked(metric="sales"), ProblemAsked(metric="sales", goal=Decimal(30))],
            Rejected("performance.problem_twice", metric="sales"),
        ),
    ],
    ids=["unknown", "reached", "twice"],
)
def test_a_problem_that_is_none_is_refused(asked: list[ProblemAsked], refusal: Rejected) -> None:
    with pytest.raises(Rejected) as refused:
        problems(judged(*POOR), asked)
    assert refused.value == refusal


def test_where_every_target_is_reached_there_is_nothing_to_improve() -> None:
    with pytest.raises(Rejected) as refused:
        problems(judged(scored("sales", "200", "100")), ())
    assert refused.value == Rejected("performance.nothing_to_improve", evaluation_id=EVALUATION)


VALUES = st.decimals(-(10**6), 10**6, places=3)


@given(VALUES, VALUES, st.decimals(0, 100, places=3))
def test_the_value_of_a_score_has_that_score(floor: Decimal, target: Decimal, wanted: Decimal) -> None:
    if abs(target - floor) < 1:
        return
    of = line("m", str(floor), str(target))
    found = score(of, value_of(of, wanted))
    assert abs(found - wanted) <= 100 * Decimal("0.000001") / abs(target - floor) + Decimal("0.000001")


def test_lost_points_are_those_of_the_total_that_figures_reckon() -> None:
    lines = [line("sales"), line("complaints", "20", "0")]
    seen = {"sales": Decimal(50), "complaints": Decimal(5)}
    made = []
    for each in lines:
        scale, value = Scale.of(each), int(seen[each.metric] * 10**6)
        made.append(FigureScored(scale, Observed(seen[each.metric], 1, seen[each.metric]), value, scale.score(value)))
    scores = tuple(MetricScore(**each.told()) for each in made)
    found = shortfalls(judged(*scores, lines=tuple(lines), evaluation_id=uuid4()))
    assert total(made) + sum(each.lost for each in found) == 100
