from fractions import Fraction

import pytest

from sample.expected import Evaluation, Flag, Suspension, expect, flags, observations, suspensions

NAME = "TWIN DRAGON"


def yearly(*means: int | str | None) -> dict[int, Fraction]:
    """Means of the years from 2000 on; None is a year without inspections."""
    return {2000 + n: Fraction(mean) for n, mean in enumerate(means) if mean is not None}


def test_a_partner_year_is_the_mean_of_all_its_observations_equal_ones_included() -> None:
    expected = expect([(NAME, 2000, 90), (NAME, 2000, 90), (NAME, 2000, 81), (NAME, 2001, 100)])
    assert expected.evaluations == (
        Evaluation(NAME, 2000, Fraction(87), 3, None, Fraction(100), 1),
        Evaluation(NAME, 2001, Fraction(100), 1, "up", Fraction(100), 1),
    )
    assert (expected.partners, expected.reports) == (1, 4)


def test_the_percentile_counts_the_partners_of_the_year_at_or_below() -> None:
    expected = expect([("A", 2000, 80), ("B", 2000, 90), ("C", 2000, 90), ("D", 2000, 95), ("A", 2001, 70)])
    assert [(e.name, e.percentile, e.cohort) for e in expected.evaluations] == [
        ("A", Fraction(25), 4),
        ("B", Fraction(75), 4),
        ("C", Fraction(75), 4),
        ("D", Fraction(100), 4),
        ("A", Fraction(100), 1),
    ]


@pytest.mark.parametrize(("now", "trend"), [(91, "up"), (90, "level"), (89, "down")])
def test_the_trend_is_against_the_partners_evaluation_before_even_years_ago(now: int, trend: str) -> None:
    expected = expect([(NAME, 2009, 90), (NAME, 2015, now)])
    assert [e.trend for e in expected.evaluations] == [None, trend]


def test_a_mean_below_85_raises_a_flag_and_85_itself_does_not() -> None:
    assert flags(NAME, yearly("84.99")) == [Flag(NAME, 2000, None)]
    assert flags(NAME, yearly(85)) == []


def test_one_flag_stays_open_until_an_evaluation_of_85_or_more() -> None:
    assert flags(NAME, yearly(84, 70, "84.9", 85)) == [Flag(NAME, 2000, 2003)]


def test_a_resolved_flag_makes_room_for_another() -> None:
    assert flags(NAME, yearly(84, 85, 84)) == [Flag(NAME, 2000, 2001), Flag(NAME, 2002, None)]


def test_two_low_evaluations_in_a_row_suspend_and_one_does_not() -> None:
    assert suspensions(NAME, yearly(84, 85, 84, 86)) == []
    assert suspensions(NAME, yearly(84, 84)) == [Suspension(NAME, 2001, None)]


def test_years_without_an_evaluation_do_not_break_a_row() -> None:
    assert suspensions(NAME, yearly(84, None, None, 80)) == [Suspension(NAME, 2003, None)]


def test_only_90_or_more_lifts_a_suspension() -> None:
    assert suspensions(NAME, yearly(84, 84, 89, "89.9")) == [Suspension(NAME, 2001, None)]
    assert suspensions(NAME, yearly(84, 84, 89, 90)) == [Suspension(NAME, 2001, 2003)]


def test_a_suspension_that_holds_is_not_imposed_again() -> None:
    assert suspensions(NAME, yearly(84, 84, 84, 86, 84, 84, 95)) == [Suspension(NAME, 2001, 2006)]


def test_after_a_lift_the_row_is_counted_from_anew() -> None:
    assert suspensions(NAME, yearly(84, 84, 95, 84)) == [Suspension(NAME, 2001, 2002)]
    assert suspensions(NAME, yearly(84, 84, 95, 84, 84)) == [Suspension(NAME, 2001, 2002), Suspension(NAME, 2004, None)]


def test_one_partners_row_is_no_other_partners() -> None:
    assert expect([("A", 2000, 80), ("B", 2001, 80)]).suspensions == ()


def test_the_figures_of_the_real_file() -> None:
    assert expect(observations()).figures() == {
        "partners": 1_618,
        "kpi_reports": 27_178,
        "evaluations": 10_709,
        "flags": 191,
        "suspensions": 26,
        "reinstatements": 19,
    }
