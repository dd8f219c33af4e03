from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.figures import band_of
from performance.domain.metric import MetricTerms
from performance.domain.scorecard import (
    Band,
    DefineScorecard,
    Line,
    ScorecardDefined,
    Weighted,
    ordered,
    scorecards,
)
from pydantic import ValidationError

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)
SALES = MetricTerms("sales", 1, "EUR", "higher", "sum", None, None, "every_period")
COMPLAINTS = MetricTerms("complaints", 3, "complaints", "lower", "sum", Decimal(0), None, "on_occurrence")
METRICS = {"sales": SALES, "complaints": COMPLAINTS}


def weighted(metric: str = "sales", weight: str | int = 60, floor: int = 0, target: int = 1000) -> Weighted:
    return Weighted(metric=metric, weight=Decimal(weight), floor=Decimal(floor), target=Decimal(target))


def band(name: str, lower: str | int, upper: str | int) -> Band:
    return Band(name=name, lower=Decimal(lower), upper=Decimal(upper))


LINES = (weighted(), weighted("complaints", 40, 20, 0))
BANDS = (band("poor", 0, 50), band("fair", 50, "84.5"), band("good", "84.5", 100))


def define(**changes: Any) -> DefineScorecard:
    content: dict[str, Any] = {"lines": LINES, "bands": BANDS, "minimum_cohort": 5, "metrics": METRICS}
    return DefineScorecard(code="yearly", **{**content, **changes})


def defined(version: int = 1, **changes: Any) -> ScorecardDefined:
    lines = (
        Line(**LINES[0].model_dump(), aggregation="sum"),
        Line(**LINES[1].model_dump(), aggregation="sum"),
    )
    content: dict[str, Any] = {"lines": lines, "bands": BANDS, "minimum_cohort": 5}
    return ScorecardDefined(code="yearly", version=version, **{**content, **changes})


def refused(refusal: Rejected, **changes: Any) -> None:
    scenario(scorecards, when=define(**changes), at=NOW, then=refusal)


def test_a_scorecard_is_defined_as_version_1_with_what_it_takes_from_the_metrics() -> None:
    scenario(scorecards, when=define(), at=NOW, then=defined())


def test_another_content_is_the_next_version_and_the_same_again_changes_nothing() -> None:
    scenario(scorecards, given=[defined()], when=define(minimum_cohort=6), at=NOW, then=defined(2, minimum_cohort=6))
    scenario(
        scorecards, given=[defined(), defined(2, minimum_cohort=6)], when=define(minimum_cohort=6), at=NOW, then=[]
    )
    scenario(scorecards, given=[defined(), defined(2, minimum_cohort=6)], when=define(), at=NOW, then=defined(3))


def test_bands_are_kept_ascending_in_whatever_order_they_come() -> None:
    scenario(scorecards, when=define(bands=BANDS[::-1]), at=NOW, then=defined())


@pytest.mark.parametrize("weights", [("60", "39.999999"), ("60", "40.000001"), ("100", "100")])
def test_weights_that_do_not_total_exactly_100_are_refused_with_their_total(weights: tuple[str, str]) -> None:
    lines = (weighted(weight=weights[0]), weighted("complaints", weights[1], 20, 0))
    refused(Rejected("performance.weights_not_100", total=Decimal(weights[0]) + Decimal(weights[1])), lines=lines)


def test_thirds_to_six_places_total_100_only_if_they_are_made_to() -> None:
    lines = tuple(weighted(metric, w) for metric, w in (("a", "33.333333"), ("b", "33.333333"), ("c", "33.333334")))
    terms = {code: MetricTerms(code, 1, "EUR", "higher", "sum", None, None, "on_occurrence") for code in "abc"}
    made = scorecards.decide(define(lines=lines, metrics=terms), scorecards.initial(), NOW)
    assert sum(line.weight for line in made[0].lines) == 100


def test_a_metric_that_is_not_defined_is_refused() -> None:
    refused(Unknown("performance.metric_unknown", metric="complaints"), metrics={"sales": SALES})


def test_a_metric_in_two_lines_is_refused() -> None:
    refused(Rejected("performance.metric_twice", metric="sales"), lines=(weighted(weight=50), weighted(weight=50)))


@pytest.mark.parametrize(("metric", "floor", "target"), [("sales", 10, 9), ("sales", 10, 10), ("complaints", 0, 20)])
def test_a_target_that_is_not_better_than_the_floor_is_refused(metric: str, floor: int, target: int) -> None:
    refusal = Rejected(
        "performance.target_not_better",
        metric=metric,
        direction=METRICS[metric].direction,
        floor=Decimal(floor),
        target=Decimal(target),
    )
    refused(refusal, lines=(weighted(metric, 100, floor, target),))


@pytest.mark.parametrize(
    ("bands", "from_", "to"),
    [
        ([band("a", 1, 100)], 0, 1),
        ([band("a", 0, 99)], 99, 100),
        ([band("a", 0, 50), band("b", "50.000001", 100)], 50, "50.000001"),
    ],
)
def test_bands_that_leave_a_gap_are_refused_with_the_gap(bands: list[Band], from_: str, to: str) -> None:
    refused(Rejected("performance.bands_leave_a_gap", from_=Decimal(from_), to=Decimal(to)), bands=bands)


def test_bands_that_overlap_are_refused_by_name() -> None:
    bands = [band("a", 0, 50), band("b", "49.999999", 100)]
    refused(Rejected("performance.bands_overlap", bands=("a", "b")), bands=bands)
    refused(Rejected("performance.bands_overlap", bands=("a", "b")), bands=[band("a", 0, 100), band("b", 10, 20)])


def test_an_empty_band_and_a_name_twice_are_refused() -> None:
    empty = [band("a", 0, 50), band("b", 50, 50), band("c", 50, 100)]
    refused(Rejected("performance.band_empty", band="b", lower=Decimal(50), upper=Decimal(50)), bands=empty)
    refused(Rejected("performance.band_twice", band="a"), bands=[band("a", 0, 50), band("a", 50, 100)])


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": ()},
        {"bands": ()},
        {"minimum_cohort": 0},
        {"lines": [{"metric": "sales", "weight": 0, "floor": 0, "target": 1}]},
        {"lines": [{"metric": "sales", "weight": 100, "floor": 0, "target": 1, "colour": "red"}]},
        {"bands": [{"name": "", "lower": 0, "upper": 100}]},
        {"bands": [{"name": "a", "lower": -1, "upper": 101}]},
    ],
)
def test_a_scorecard_that_is_not_well_formed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        define(**changes)


CUTS = st.lists(st.decimals("0.000001", "99.999999", places=6), unique=True, max_size=6).map(sorted)


@given(CUTS, st.decimals(0, 100, places=6), st.randoms())
def test_in_bands_that_cover_0_to_100_every_total_is_in_exactly_one(
    cuts: list[Decimal], total: Decimal, r: Any
) -> None:
    ends = [Decimal(0), *cuts, Decimal(100)]
    bands = [band(f"b{n}", lower, upper) for n, (lower, upper) in enumerate(pairwise(ends))]
    shuffled = list(bands)
    r.shuffle(shuffled)
    kept = ordered(shuffled)
    assert list(kept) == bands
    within = [b.name for b in bands if b.lower <= total < b.upper or total == b.upper == 100]
    assert within == [band_of(kept, total)]


def test_100_belongs_to_the_last_band_and_an_edge_to_the_upper_one() -> None:
    assert band_of(BANDS, Decimal(100)) == "good"
    assert band_of(BANDS, Decimal("84.5")) == "good"
    assert band_of(BANDS, Decimal("84.499999")) == "fair"
    assert band_of(BANDS, Decimal(0)) == "poor"
