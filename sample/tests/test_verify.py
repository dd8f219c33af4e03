from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from sample.dates import closing, year_closed
from sample.expected import expect
from sample.verify import (
    TOLD,
    compare,
    evaluations_of,
    expected_causes,
    expected_evaluations,
    flags_of,
    partners_of,
    restrictions_of,
    rounded,
)

ID = "3ef8e9d5-78b8-5237-ab25-bf0ecda475a2"
NAMES = {ID: "TWIN DRAGON"}


def test_what_agrees_is_not_told() -> None:
    assert compare("flags", {("A", 2000): 2001}, {("A", 2000): 2001}) == []


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ({}, "flags: A, 2000: the file gives 2001, the services say nothing"),
        ({("A", 2000): None}, "flags: A, 2000: the file gives 2001, the services say None"),
    ],
)
def test_what_is_missing_or_different_is_named(there: dict[Any, Any], sentence: str) -> None:
    assert compare("flags", {("A", 2000): 2001}, there) == [sentence]


def test_what_the_services_say_beyond_the_file_is_a_difference_too() -> None:
    (sentence,) = compare("flags", {}, {("A", 2000): None})
    assert sentence == "flags: A, 2000: the file gives nothing, the services say None"


def test_of_many_differences_the_first_are_named_and_the_others_counted() -> None:
    sentences = compare("kpi_reports", {str(n): n for n in range(TOLD + 3)}, {})
    assert len(sentences) == TOLD + 1
    assert sentences[-1] == "kpi_reports: and 3 more"


def test_figures_are_rounded_to_six_places_half_to_even() -> None:
    assert rounded(Fraction(254, 3)) == Decimal("84.666667")
    assert rounded(Fraction(5, 10**7)) == Decimal("0")
    assert rounded(Fraction(15, 10**7)) == Decimal("0.000002")


def test_a_year_is_known_by_its_closing_and_any_other_instant_stands_for_itself() -> None:
    assert year_closed(closing(2000).isoformat()) == 2000
    assert year_closed("2001-01-01T21:00:00Z") == 2000
    assert year_closed("2001-01-02T21:00:00Z") == "2001-01-02T21:00:00Z"


def evaluation(**changes: Any) -> dict[str, Any]:
    return {
        "partner_id": ID,
        "period": "2000",
        "scorecard": "inspections",
        "scores": [{"value": "87", "observations": 2}],
        "total": "87.000000",
        "trend": None,
        "percentile": None,
        "cohort_size": 1,
    } | changes


def test_an_evaluation_is_compared_in_every_figure() -> None:
    wanted = expected_evaluations(expect([("TWIN DRAGON", 2000, 90), ("TWIN DRAGON", 2000, 84)]))
    assert evaluations_of([evaluation()], NAMES) == wanted
    for change in (
        {"total": "87.000001"},
        {"scores": [{"value": "87", "observations": 1}]},
        {"scores": [{"value": "86", "observations": 2}]},
        {"trend": "level"},
        {"percentile": "100"},
        {"cohort_size": 2},
        {"period": "2001"},
        {"partner_id": "unheard-of"},
    ):
        assert compare("evaluations", wanted, evaluations_of([evaluation(**change)], NAMES)), change


def test_a_percentile_is_expected_from_the_minimum_cohort_on() -> None:
    cohort = [(f"PUB {n}", 2000, 70 + n) for n in range(30)]
    assert expected_evaluations(expect(cohort))["PUB 29", 2000][4] == 100
    assert expected_evaluations(expect(cohort[1:]))["PUB 29", 2000][4] is None


def flag(**changes: Any) -> dict[str, Any]:
    closed = {"closed_at": closing(2003).isoformat(), "status": "resolved"}
    return {"partner_id": ID, "rule": "low-inspection-score", "raised_at": closing(2000).isoformat()} | closed | changes


def test_a_flag_is_compared_by_the_years_that_raised_and_resolved_it() -> None:
    assert flags_of([flag()], NAMES) == {("TWIN DRAGON", 2000): 2003}
    assert flags_of([flag(closed_at=None, status="open")], NAMES) == {("TWIN DRAGON", 2000): None}


def test_a_flag_that_a_person_dismissed_is_not_one_that_was_resolved() -> None:
    assert flags_of([flag(status="dismissed")], NAMES) == {("TWIN DRAGON", 2000): "dismissed"}


def test_a_restriction_by_hand_is_not_the_rules() -> None:
    imposed = {"imposed_at": closing(2001).isoformat(), "lifted_at": None, "status": "active"}
    by_rule = {"partner_id": ID, "rule": "low-inspection-score"} | imposed
    assert restrictions_of([by_rule, by_rule | {"rule": None}], NAMES) == {("TWIN DRAGON", 2001): None}


def test_suspensions_and_reinstatements_are_expected_in_their_order() -> None:
    scores = [("DRAGON RESTAURANT", 2000 + n, score) for n, score in enumerate((84, 84, 95, 80, 80))]
    assert expected_causes(expect(scores)) == {
        "DRAGON RESTAURANT": (("suspended", 2001), ("reinstated", 2002), ("suspended", 2004))
    }


def test_a_partner_that_stopped_on_its_way_is_a_difference() -> None:
    rows = [{"legal_name": "A", "stage": "active"}, {"legal_name": "B", "stage": "onboarding"}]
    assert partners_of(rows) == {"A": "trades", "B": "onboarding"}
