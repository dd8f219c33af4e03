from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk.domain.judgement import (
    Figure,
    History,
    Judged,
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


@pytest.fixture
def judged(terms: Callable[..., RuleTerms]) -> Callable[..., Judged]:
    def make(period: int, value: str, **changes: object) -> Judged:
        return Judged(str(period), Decimal(value), ID, terms(**changes))

    return make


def test_periods_are_ordered_by_their_end_and_a_part_before_the_whole() -> None:
    ordered = ["2005", "2006-01", "2006-02", "2006-03", "2006-Q1", "2006-12", "2006-Q4", "2006", "2007-Q1"]
    assert sorted(set(ordered), key=place) == ordered


def test_a_run_reads_as_a_channel_manager_says_it(judged: Callable[..., Judged]) -> None:
    assert low_in_words([judged(2006, "82.50")]) == "inspection_score 82.5 in 2006, below 85"
    assert (
        low_in_words([judged(2005, "84"), judged(2006, "82.5")])
        == "inspection_score 82.5 in 2006 after 84 in 2005, both below 85"
    )
    assert (
        low_in_words([judged(2003, "80"), judged(2005, "84"), judged(2006, "82.5")])
        == "inspection_score 82.5 in 2006 after 84 in 2005 and 80 in 2003, all below 85"
    )


def test_a_run_over_a_change_of_the_rule_names_each_threshold(judged: Callable[..., Judged]) -> None:
    run = [judged(2005, "84"), judged(2006, "79", flag_below=Decimal("80.0"))]
    assert low_in_words(run) == "inspection_score 79 in 2006 (below 80) after 84 in 2005 (below 85)"


def test_what_ends_a_flag_or_a_suspension_is_said_with_its_threshold(judged: Callable[..., Judged]) -> None:
    assert recovered_in_words(judged(2007, "86")) == "inspection_score 86 in 2007, at or above 85"
    assert lifted_in_words(judged(2007, "90")) == "inspection_score 90 in 2007, at or above 90"
    assert (
        broken_in_words(judged(2005, "91"))
        == "inspection_score 91 in 2005 ends the run of low evaluations that the suspension rested on"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("83.3333333333333333", "83.33"),
        ("84.996", "84.996"),
        ("84.99499", "84.99"),
        ("89.9999", "89.9999"),
        ("100", "100"),
        ("0", "0"),
        ("1E+2", "100"),
        ("-0.004", "0"),
        ("12345678901234567890123456789.5", "12345678901234567890123456789.5"),
    ],
)
def test_a_figure_is_rounded_but_never_across_a_threshold(
    judged: Callable[..., Judged], value: str, shown: str
) -> None:
    assert recovered_in_words(judged(2006, value)) == f"inspection_score {shown} in 2006, at or above 85"


def test_a_finer_threshold_shows_finer_figures(judged: Callable[..., Judged]) -> None:
    rate = judged(2006, "0.00412345", flag_below=Decimal("0.0050"), lift_at=None)
    assert low_in_words([rate]) == "inspection_score 0.00412 in 2006, below 0.005"


def test_a_restated_period_keeps_its_place_its_terms_and_what_it_said_before(terms: Callable[..., RuleTerms]) -> None:
    history: History = ()
    for period, value, id in [("2006", 82, 6), ("2004", 90, 4), ("2005", 84, 5)]:
        history, _ = take_in(history, period, Figure(UUID(int=id), Decimal(value)), terms())
    history, now = take_in(history, "2005", Figure(UUID(int=15), Decimal(91)), terms(version=2, flag_below=Decimal(95)))
    assert [judged.period for judged in history] == ["2004", "2005", "2006"]
    assert now == history[1]
    assert now == Judged("2005", Decimal(91), UUID(int=15), terms(), replaced=(Figure(UUID(int=5), Decimal(84)),))
    assert now.told_by == (UUID(int=5), UUID(int=15))


@given(st.lists(st.tuples(st.integers(2000, 2019), st.decimals(70, 100, places=1)), max_size=40))
def test_a_history_is_ordered_has_each_period_once_and_the_latest_figure_of_it(
    figures: list[tuple[int, Decimal]],
) -> None:
    terms = RuleTerms("low_score", 1, "inspection_score", Decimal(85), "high", 2, Decimal(90))
    history: History = ()
    for n, (year, value) in enumerate(figures):
        history, _ = take_in(history, str(year), Figure(UUID(int=n), value), terms)
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
