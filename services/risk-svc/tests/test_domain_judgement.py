from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk.domain import evaluation as evaluations
from risk.domain.evaluation import Evaluation
from risk.domain.judgement import (
    Figure,
    History,
    Judged,
    assess,
    broken_in_words,
    lifted_in_words,
    low_in_words,
    low_run,
    place,
    recovered_in_words,
    suspending_run,
    take_in,
)
from risk.domain.rule import RuleTerms

ID = UUID(int=1)


def told(period: int | str, value: object, id: UUID = ID) -> Evaluation:
    return Evaluation(id, str(period), {"inspection_score": Decimal(str(value))}, Decimal(str(value)))


@pytest.fixture
def judged(terms: Callable[..., RuleTerms]) -> Callable[..., Judged]:
    def make(period: int, value: str, **changes: object) -> Judged:
        evaluation, rule = told(period, value), terms(**changes)
        return Judged(evaluation, evaluations.judged(rule, evaluation, None, 1), rule)

    return make


def taken_in(history: History, evaluation: Evaluation, rule: RuleTerms) -> tuple[History, Judged]:
    return take_in(history, evaluation, assess(history, evaluation, rule))


def test_periods_are_ordered_by_their_end_and_a_part_before_the_whole() -> None:
    ordered = ["2005", "2006-01", "2006-02", "2006-03", "2006-Q1", "2006-12", "2006-Q4", "2006", "2007-Q1"]
    assert sorted(set(ordered), key=place) == ordered


def test_a_run_reads_as_a_channel_manager_says_it(judged: Callable[..., Judged]) -> None:
    assert low_in_words([judged(2006, "82.50")]) == "inspection_score 82.5 in 2006 (value < 85.0)"
    assert (
        low_in_words([judged(2005, "84"), judged(2006, "82.5")])
        == "inspection_score 82.5 in 2006 after 84 in 2005 (value < 85.0)"
    )
    assert (
        low_in_words([judged(2003, "80"), judged(2005, "84"), judged(2006, "82.5")])
        == "inspection_score 82.5 in 2006 after 84 in 2005 and 80 in 2003 (value < 85.0)"
    )


def test_a_run_over_a_change_of_the_rule_names_each_threshold(judged: Callable[..., Judged]) -> None:
    run = [judged(2005, "84"), judged(2006, "79", flag_below=Decimal("80.0"))]
    assert low_in_words(run) == "inspection_score 79 in 2006 (value < 80.0) after 84 in 2005 (value < 85.0)"


def test_what_ends_a_flag_or_a_suspension_is_said_with_its_threshold(judged: Callable[..., Judged]) -> None:
    assert recovered_in_words(judged(2007, "86")) == "inspection_score 86 in 2007 (not value < 85.0)"
    assert lifted_in_words(judged(2007, "90")) == "inspection_score 90 in 2007 (value >= 90.0)"
    assert (
        broken_in_words(judged(2005, "91"))
        == "inspection_score 91 in 2005 ends the run of evaluations that the suspension rested on"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [("84.996", "84.996"), ("84.9999999999", "85"), ("100", "100"), ("0", "0"), ("1E+2", "100"), ("-0.0", "0")],
)
def test_a_figure_reads_as_people_write_it(judged: Callable[..., Judged], value: str, shown: str) -> None:
    assert recovered_in_words(judged(2006, value)) == f"inspection_score {shown} in 2006 (not value < 85.0)"


def test_a_restated_period_keeps_its_place_its_terms_and_what_it_said_before(terms: Callable[..., RuleTerms]) -> None:
    history: History = ()
    for period, value, id in [("2006", 82, 6), ("2004", 90, 4), ("2005", 84, 5)]:
        history, _ = taken_in(history, told(period, value, UUID(int=id)), terms())
    again = told("2005", 91, UUID(int=15))
    history, now = taken_in(history, again, terms(version=2, flag_below=Decimal(95)))
    assert [judged.period for judged in history] == ["2004", "2005", "2006"]
    assert now == history[1]
    assert (now.evaluation, now.terms, now.low) == (again, terms(), False)
    assert now.replaced == (Figure(UUID(int=5), Decimal(84)),)
    assert now.told_by == (UUID(int=5), UUID(int=15))


@given(st.lists(st.tuples(st.integers(2000, 2019), st.decimals(70, 100, places=1)), max_size=40))
def test_a_history_is_ordered_has_each_period_once_and_the_latest_figure_of_it(
    terms: Callable[..., RuleTerms], figures: list[tuple[int, Decimal]]
) -> None:
    history: History = ()
    for n, (year, value) in enumerate(figures):
        history, _ = taken_in(history, told(year, value, UUID(int=n)), terms())
    latest = dict(figures)
    assert [(judged.period, judged.value) for judged in history] == [(str(y), latest[y]) for y in sorted(latest)]
    assert sorted(id.int for judged in history for id in judged.told_by) == list(range(len(figures)))


def test_the_low_run_is_the_low_evaluations_at_the_end(judged: Callable[..., Judged]) -> None:
    high, low = judged(2004, "85"), [judged(2005, "84.99"), judged(2006, "80")]
    assert low_run(()) == ()
    assert low_run((high,)) == ()
    assert low_run((*low, high)) == ()
    assert low_run((low[0], high, low[1])) == (low[1],)
    assert low_run((high, *low)) == tuple(low)


def test_the_run_that_suspends_is_the_first_full_one_since_the_last_lift(judged: Callable[..., Judged]) -> None:
    years = [judged(2000 + n, value) for n, value in enumerate(["84", "84", "90", "84", "84", "84", "87"])]
    assert suspending_run(tuple(years[:1])) == ()
    assert suspending_run(tuple(years[:2])) == tuple(years[:2])
    assert suspending_run(tuple(years[:4])) == ()
    assert suspending_run(tuple(years)) == tuple(years[3:5])


def test_a_rule_that_never_suspends_has_no_suspending_run(judged: Callable[..., Judged]) -> None:
    assert suspending_run(tuple(judged(2000 + n, "10", suspend_after=None, lift_at=None) for n in range(9))) == ()


def test_a_rule_on_a_drop_judges_the_next_evaluation_again_when_the_one_before_is_restated(
    terms: Callable[..., RuleTerms],
) -> None:
    drop = terms(figure="drop", metrics=(), value="evaluations > 1 ? total_change : 0.0", when="value <= -10.0")
    history: History = ()
    for n, (year, value) in enumerate([(2004, 90), (2005, 75), (2006, 74)]):
        history, _ = taken_in(history, told(year, value, UUID(int=n)), drop)
    assert [(int(each.value), each.low) for each in history] == [(0, False), (-15, True), (-1, False)]
    history, now = taken_in(history, told(2005, 95, UUID(int=9)), drop)
    assert (int(now.value), now.low) == (5, False)
    assert [(int(each.value), each.low) for each in history] == [(0, False), (5, False), (-21, True)]
