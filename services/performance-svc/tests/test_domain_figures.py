"""The figures against an independent reckoning in fractions, written without a look at how they are computed."""

from decimal import Decimal
from fractions import Fraction
from statistics import fmean
from typing import Any
from uuid import UUID

import pytest
from events.performance import MetricScore
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.card import Band, Line, ScorecardTerms, Segment, Target
from performance.domain.exact import ratio
from performance.domain.figures import (
    Cohort,
    Figures,
    Observed,
    Scorings,
    Standing,
    aggregated,
    figures,
    score,
    totals,
)
from performance.domain.metric import Aggregation

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))
BANDS = (
    Band(name="poor", lower=Decimal(0), upper=Decimal(50)),
    Band(name="fair", lower=Decimal(50), upper=Decimal(85)),
    Band(name="good", lower=Decimal(85), upper=Decimal(100)),
)


def line(
    metric: str = "m", weight: str = "100", floor: str = "0", target: str = "100", of: Aggregation = "mean"
) -> Line:
    return Line(metric=metric, weight=Decimal(weight), floor=Decimal(floor), target=Decimal(target), aggregation=of)


def card(*lines: Line, minimum_cohort: int = 1) -> ScorecardTerms:
    return ScorecardTerms("card", 1, lines, BANDS, minimum_cohort)


def seen(*values: str) -> Observed:
    decimals = [Decimal(value) for value in values]
    return Observed(sum(decimals, Decimal(0)), len(decimals), decimals[-1])


def rounded(exact: Fraction) -> Fraction:
    """To six places; Python rounds a fraction half to even."""
    return Fraction(round(exact * 10**6), 10**6)


VALUES = st.decimals(-(10**17), 10**17, places=6, allow_nan=False)
SCORES = st.decimals(0, 100, places=6)


@given(VALUES, VALUES.filter(bool))
def test_a_ratio_is_the_exact_one_rounded_once_half_to_even(a: Decimal, b: Decimal) -> None:
    assert Fraction(ratio(a, b)) == rounded(Fraction(a) / Fraction(b))


@pytest.mark.parametrize(
    ("a", "b", "is_"), [("1", "2000000", "0.000000"), ("3", "2000000", "0.000002"), ("2", "3", "0.666667")]
)
def test_halves_go_to_the_even_digit(a: str, b: str, is_: str) -> None:
    assert str(ratio(Decimal(a), Decimal(b))) == is_


@given(st.lists(VALUES, min_size=1, max_size=50))
def test_the_mean_is_sum_by_count_the_sum_is_exact_and_the_last_is_as_it_was(values: list[Decimal]) -> None:
    observed = seen(*(str(value) for value in values))
    assert Fraction(aggregated("mean", observed)) == rounded(sum(map(Fraction, values), Fraction(0)) / len(values))
    assert Fraction(aggregated("sum", observed)) == sum(map(Fraction, values))
    assert aggregated("last", observed) == values[-1]


PAIRS = st.tuples(VALUES, st.decimals(0, 10**17, places=6, allow_nan=False))


def shares(*pairs: tuple[Decimal, Decimal]) -> Observed:
    """Observations of a ratio metric: numerators with their denominators."""
    values, bases = zip(*pairs, strict=True)
    return Observed(sum(values, Decimal(0)), len(pairs), values[-1], sum(bases, Decimal(0)))


@given(st.lists(PAIRS, min_size=1, max_size=50))
def test_a_ratio_of_sums_is_the_mean_of_ratios_weighted_by_their_denominators(
    pairs: list[tuple[Decimal, Decimal]],
) -> None:
    found, base = aggregated("ratio", shares(*pairs)), sum(Fraction(base) for _, base in pairs)
    if base == 0:
        assert found is None
        return
    assert found is not None
    if all(each for _, each in pairs):
        weighted = fmean([float(value / each) for value, each in pairs], [float(each) for _, each in pairs])
        scale = sum(abs(float(value)) for value, _ in pairs) / float(base)
        assert float(found) == pytest.approx(weighted, abs=1e-6 + 1e-9 * scale)
    assert Fraction(found) == rounded(sum(Fraction(value) for value, _ in pairs) / base)


def test_where_there_is_nothing_to_divide_by_there_is_no_score_and_the_others_share_its_weight() -> None:
    card_ = card(line("returns", "40", "1", "0", of="ratio"), line("m", "60"))
    nothing = {"returns": shares((Decimal(5), Decimal(0)), (Decimal(0), Decimal(0))), "m": seen("80")}
    found = figures(card_, nothing)
    assert found is not None
    assert ([score.metric for score in found.scores], found.total) == (["m"], Decimal(80))
    assert figures(card_, {"returns": nothing["returns"]}) is None
    some = figures(card_, {"returns": shares((Decimal(5), Decimal(0)), (Decimal(15), Decimal(80))), "m": seen("80")})
    assert some is not None
    assert [(score.metric, score.value, score.observations) for score in some.scores] == [
        ("returns", Decimal("0.25"), 2), ("m", Decimal(80), 1),
    ]  # fmt: skip
    assert some.total == Decimal("0.4") * 75 + Decimal("0.6") * 80


def test_a_metric_that_was_added_in_the_middle_of_the_year_counts_only_where_it_was_measured() -> None:
    """The card as it is when the year is closed has it; partners who have no report of it yet lose nothing."""
    before, after = card(line("m")), card(line("m", "50"), line("added", "50"))
    assert figures(before, {"m": seen("80"), "added": seen("20")}) == figures(before, {"m": seen("80")})
    with_, without = figures(after, {"m": seen("80"), "added": seen("20")}), figures(after, {"m": seen("80")})
    assert with_ is not None
    assert without is not None
    assert (with_.total, without.total) == (Decimal(50), Decimal(80))


def naive_score(value: Fraction, floor: Fraction, target: Fraction) -> Fraction:
    lowest, highest = min(floor, target), max(floor, target)
    inside = min(max(value, lowest), highest)
    return rounded(100 * abs(inside - floor) / abs(target - floor))


@given(VALUES, VALUES, VALUES)
def test_a_score_is_linear_between_floor_and_target_and_clipped(
    value: Decimal, floor: Decimal, target: Decimal
) -> None:
    if floor == target:
        return
    given_ = line(floor=str(floor), target=str(target))
    assert Fraction(score(given_, value)) == naive_score(Fraction(value), Fraction(floor), Fraction(target))


@pytest.mark.parametrize(("floor", "target"), [("20", "80"), ("80", "20")])
def test_a_value_at_the_floor_scores_0_and_at_the_target_100_in_either_direction(floor: str, target: str) -> None:
    of = line(floor=floor, target=target)
    assert str(score(of, Decimal(floor))) == "0.000000"
    assert str(score(of, Decimal(target))) == "100.000000"
    assert score(of, Decimal(50)) == 50
    beyond = (Decimal(0), Decimal(100)) if floor == "20" else (Decimal(100), Decimal(0))
    assert (score(of, beyond[0]), score(of, beyond[1])) == (0, 100)


def test_where_lower_is_better_fewer_complaints_score_more() -> None:
    complaints = line(floor="12", target="0", of="sum")
    assert [score(complaints, Decimal(n)) for n in (0, 3, 6, 12, 13)] == [100, 75, 50, 0, 0]


def test_one_report_is_enough() -> None:
    expected = MetricScore(metric="m", value=Decimal(84), observations=1, score=Decimal(84), weight=Decimal(100))
    assert figures(card(line()), {"m": seen("84")}) == Figures((expected,), Decimal(84), "fair")


def test_equal_observations_are_all_counted() -> None:
    found = figures(card(line()), {"m": seen("80", "80", "95")})
    assert found is not None
    assert (found.scores[0].observations, found.scores[0].value, found.total) == (3, Decimal(85), Decimal(85))
    assert found.band == "good"


def test_the_weight_of_a_metric_without_data_is_shared_by_the_others_in_proportion() -> None:
    lines = (line("a", "50"), line("b", "30"), line("c", "20"))
    found = figures(card(*lines), {"a": seen("90"), "c": seen("20")})
    assert found is not None
    assert [s.metric for s in found.scores] == ["a", "c"]
    assert [s.weight for s in found.scores] == [50, 20]
    assert found.total == Decimal("70")  # (50 * 90 + 20 * 20) / 70


def test_without_any_data_there_are_no_figures_and_other_metrics_do_not_count() -> None:
    assert figures(card(line()), {}) is None
    assert figures(card(line()), {"other": seen("100")}) is None


@given(
    st.lists(st.tuples(st.integers(1, 99_999_999), st.none() | SCORES), min_size=1, max_size=8).filter(
        lambda lines: any(value is not None for _, value in lines)
    )
)
def test_the_total_is_the_weighted_mean_of_what_was_measured(lines: list[tuple[int, Decimal | None]]) -> None:
    weights = [Decimal(weight) / 10**6 for weight, _ in lines]
    measured = {f"m{n}": value for n, (_, value) in enumerate(lines) if value is not None}
    terms = card(*(line(f"m{n}", str(weight)) for n, weight in enumerate(weights)))
    found = figures(terms, {metric: seen(str(value)) for metric, value in measured.items()})
    present = [(Fraction(w), Fraction(v)) for w, (_, v) in zip(weights, lines, strict=True) if v is not None]
    exact = sum((w * v for w, v in present), Fraction(0)) / sum((w for w, _ in present), Fraction(0))
    assert found is not None
    assert Fraction(found.total) == rounded(exact)
    assert 0 <= found.total <= 100


def test_a_total_at_the_edge_of_bands_is_in_the_upper_one() -> None:
    bands = [figures(card(line()), {"m": seen(value)}) for value in ("84.999999", "85", "50", "0", "100")]
    assert [found.band for found in bands if found] == ["fair", "good", "fair", "poor", "good"]


# -- among the others


def cohort(*totals: str) -> Cohort:
    return Cohort.of({UUID(int=n): Decimal(total) for n, total in enumerate(totals, 1)})


def test_the_percentile_is_the_percentage_of_the_cohort_at_or_below() -> None:
    of = cohort("70", "80", "90", "100")
    found = [of.standing(UUID(int=n), total, 1) for n, total in enumerate(map(Decimal, (70, 80, 90, 100)), 1)]
    assert found == [Standing(Decimal(p), 4) for p in (25, 50, 75, 100)]


def test_ties_share_the_higher_place() -> None:
    of = cohort("70", "80", "80", "90")
    assert (
        of.standing(UUID(int=2), Decimal(80), 1) == of.standing(UUID(int=3), Decimal(80), 1) == Standing(Decimal(75), 4)
    )
    alike = cohort("80", "80", "80")
    assert alike.standing(ONE, Decimal(80), 3) == Standing(Decimal(100), 3)


def test_there_is_no_percentile_in_a_cohort_below_the_minimum_and_never_a_default() -> None:
    assert cohort("70", "80").standing(ONE, Decimal(70), 3) == Standing(None, 2)
    assert cohort("70", "80", "90").standing(ONE, Decimal(70), 3) == Standing(ratio(Decimal(100), Decimal(3)), 3)


def test_a_partner_alone_is_the_whole_cohort() -> None:
    assert cohort("70").standing(ONE, Decimal(70), 1) == Standing(Decimal(100), 1)
    assert cohort("70").standing(ONE, Decimal(70), 2) == Standing(None, 1)


def test_a_restated_total_takes_the_place_of_the_one_that_the_partner_closed_with() -> None:
    of = cohort("70", "80", "90", "100")
    assert of.standing(ONE, Decimal(95), 1) == Standing(Decimal(75), 4)
    assert of.standing(UUID(int=4), Decimal(10), 1) == Standing(Decimal(25), 4)


def test_a_partner_that_comes_late_joins_the_cohort() -> None:
    assert cohort("70", "80", "90").standing(UUID(int=9), Decimal(85), 4) == Standing(Decimal(75), 4)
    assert Cohort.of({}).standing(ONE, Decimal(50), 1) == Standing(Decimal(100), 1)


@given(st.dictionaries(st.uuids(), SCORES, min_size=1, max_size=40), st.data())
def test_a_standing_is_what_counting_the_cohort_gives(by_partner: dict[UUID, Decimal], data: st.DataObject) -> None:
    partner = data.draw(st.sampled_from(sorted(by_partner)) | st.uuids())
    total = data.draw(st.sampled_from(sorted(by_partner.values())) | SCORES)
    minimum = data.draw(st.integers(1, 45))
    now = {**by_partner, partner: total}
    at_or_below = sum(1 for other in now.values() if other <= total)
    found = Cohort.of(by_partner).standing(partner, total, minimum)
    assert found.cohort_size == len(now)
    if len(now) < minimum:
        assert found.percentile is None
    else:
        assert found.percentile is not None
        assert Fraction(found.percentile) == rounded(Fraction(100 * at_or_below, len(now)))


def test_the_totals_of_a_cohort_leave_out_who_has_no_data() -> None:
    found = totals(card(line()), [(ONE, {"m": seen("80", "90")}), (TWO, {}), (THREE, {"other": seen("1")})])
    assert found == {ONE: Decimal(85)}


@given(st.dictionaries(st.uuids(), SCORES, min_size=1, max_size=40))
def test_percentiles_are_those_of_the_empirical_distribution_function(by_partner: dict[UUID, Decimal]) -> None:
    """F(x) = n(values <= x) / n, by ranks that are reckoned here from a sorted list with its ties."""
    of, ascending = Cohort.of(by_partner), sorted(by_partner.values())
    rank = {
        total: n for n, total in enumerate(ascending, 1)
    }  # the last of equal ones, which is how many are at or below
    for partner, total in by_partner.items():
        expected = rounded(Fraction(100 * rank[total], len(ascending)))
        standing = of.standing(partner, total, 1)
        assert standing.percentile is not None
        assert Fraction(standing.percentile) == expected
    best = of.standing(max(by_partner, key=by_partner.__getitem__), ascending[-1], 1)
    assert best.percentile == 100


def test_the_worked_examples_of_percentileofscore() -> None:
    """Those in SciPy's documentation of `scipy.stats.percentileofscore`: of [1, 2, 3, 4] three quarters are at or below
    3, and of [1, 2, 3, 3, 4], with `kind="weak"`, 80 percent."""
    assert cohort("1", "2", "3", "4").standing(THREE, Decimal(3), 1).percentile == 75
    assert cohort("1", "2", "3", "3", "4").standing(THREE, Decimal(3), 1).percentile == 80


# -- targets by tier and area


def segmented() -> Line:
    of: dict[str, Any] = {"floor": Decimal(0)}
    return line().model_copy(
        update={
            "targets": (
                Target(tier="gold", area="US-AK", target=Decimal(400), **of),
                Target(tier="gold", target=Decimal(200), **of),
                Target(area="US-AK", target=Decimal(50), **of),
            )
        }
    )


@pytest.mark.parametrize(
    ("tier", "area", "target"),
    [
        ("gold", "US-AK-99501", 400),
        ("gold", "US-AK", 400),
        ("gold", "US-WA", 200),
        ("gold", None, 200),
        ("silver", "US-AK-99501", 50),
        (None, "US-AK", 50),
        (None, "US-AKX", 100),
        ("silver", None, 100),
        (None, None, 100),
    ],
)
def test_of_targets_by_tier_and_area_the_first_that_fits_holds_and_else_the_lines_own(
    tier: str | None, area: str | None, target: int
) -> None:
    scoring = Scorings(card(segmented())).of(Segment(tier, area))
    found = scoring.figures({"m": seen("40")})
    assert found is not None
    assert found.total == ratio(Decimal(4000), Decimal(target))


def test_totals_of_a_cohort_are_by_each_partners_own_targets() -> None:
    observed = [(ONE, {"m": seen("40")}), (TWO, {"m": seen("40")}), (THREE, {"m": seen("40")})]
    found = totals(card(segmented()), observed, {ONE: Segment("gold", "CA"), TWO: Segment(None, "US-AK")})
    assert found == {ONE: Decimal(20), TWO: Decimal(80), THREE: Decimal(40)}
