from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.card import Band, Content, Line, Target, Weighted, ordered
from performance.domain.figures import band_of
from performance.domain.metric import MetricTerms
from performance.domain.scorecard import (
    DefineScorecard,
    DraftScorecard,
    PublishScorecard,
    ScorecardDefined,
    ScorecardDraftDiscarded,
    ScorecardDrafted,
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


# -- drafted and published


CONTENT = Content(lines=LINES, bands=BANDS[::-1], minimum_cohort=5)
DRAFTED = ScorecardDrafted(code="yearly", content=CONTENT)
DISCARDED = ScorecardDraftDiscarded(code="yearly")


def draft(**changes: Any) -> DraftScorecard:
    return DraftScorecard(code="yearly", content=CONTENT.model_copy(update=changes), metrics=METRICS)


def test_a_scorecard_is_drafted_changed_and_published_as_the_next_version() -> None:
    scenario(scorecards, when=draft(), at=NOW, then=DRAFTED)
    scenario(scorecards, given=[DRAFTED], when=draft(), at=NOW, then=[])
    larger = ScorecardDrafted(code="yearly", content=CONTENT.model_copy(update={"minimum_cohort": 6}))
    scenario(scorecards, given=[defined(), DRAFTED], when=draft(minimum_cohort=6), at=NOW, then=larger)
    publish = PublishScorecard(metrics=METRICS)
    scenario(scorecards, given=[DRAFTED], when=publish, at=NOW, then=defined())
    scenario(scorecards, given=[defined(), larger], when=publish, at=NOW, then=defined(2, minimum_cohort=6))
    assert scorecards.fold([defined(), larger, defined(2, minimum_cohort=6)]).draft is None


def test_a_draft_is_checked_as_what_is_published_is() -> None:
    refusal = Rejected("performance.bands_leave_a_gap", from_=Decimal("84.5"), to=Decimal(100))
    scenario(scorecards, when=draft(bands=BANDS[:2]), at=NOW, then=refusal)
    nothing = DraftScorecard(code="yearly", content=CONTENT, metrics={})
    scenario(scorecards, when=nothing, at=NOW, then=Unknown("performance.metric_unknown", metric="sales"))


def test_without_a_draft_or_with_one_that_changes_nothing_there_is_nothing_to_publish() -> None:
    publish = PublishScorecard(metrics=METRICS)
    scenario(scorecards, when=publish, at=NOW, then=Unknown("performance.scorecard_unknown"))
    nothing = Rejected("performance.nothing_drafted", scorecard="yearly")
    scenario(scorecards, given=[defined()], when=publish, at=NOW, then=nothing)
    scenario(scorecards, given=[DRAFTED, DISCARDED], when=publish, at=NOW, then=nothing)
    same = Rejected("performance.draft_changes_nothing", scorecard="yearly", scorecard_version=1)
    scenario(scorecards, given=[defined(), DRAFTED], when=publish, at=NOW, then=same)


def test_a_draft_is_discarded_once() -> None:
    scenario(scorecards, given=[DRAFTED], when=DiscardDraft(), at=NOW, then=DISCARDED)
    scenario(scorecards, given=[DRAFTED, DISCARDED], when=DiscardDraft(), at=NOW, then=[])
    scenario(scorecards, when=DiscardDraft(), at=NOW, then=Unknown("performance.scorecard_unknown"))


def test_a_definition_past_a_draft_leaves_a_draft_that_says_something_else() -> None:
    other = ScorecardDrafted(code="yearly", content=CONTENT.model_copy(update={"minimum_cohort": 6}))
    assert scorecards.fold([other, defined()]).draft == other.content
    assert scorecards.fold([DRAFTED, defined()]).draft is None


# -- targets by tier and area


def target(tier: str | None = None, area: str | None = None, floor: int = 0, best: int = 500) -> Target:
    return Target(tier=tier, area=area, floor=Decimal(floor), target=Decimal(best))


def with_targets(*targets: Target) -> tuple[Weighted, ...]:
    return (LINES[0].model_copy(update={"targets": targets}), LINES[1])


def test_whose_tiers_its_targets_speak_of_is_said_by_the_scorecard() -> None:
    scenario(scorecards, given=[defined()], when=define(programme="stars"), at=NOW, then=defined(2, programme="stars"))
    terms = scorecards.fold([defined(programme="stars")]).terms
    assert terms is not None
    assert terms.programme == "stars"
    of_stars = ScorecardDrafted(code="yearly", content=CONTENT.model_copy(update={"programme": "stars"}))
    assert scorecards.fold([of_stars, defined()]).draft == of_stars.content


def test_a_line_keeps_its_targets_by_tier_and_area() -> None:
    targets = (target("gold", "US-AK"), target("gold"), target(area="US"))
    lines = with_targets(*targets)
    kept = tuple(
        Line(**each.model_dump(exclude={"targets"}), aggregation="sum", targets=each.targets) for each in lines
    )
    scenario(scorecards, when=define(lines=lines), at=NOW, then=defined(lines=kept))


def test_a_target_by_tier_that_is_not_better_than_its_floor_is_refused() -> None:
    refusal = Rejected(
        "performance.target_not_better", metric="sales", direction="higher", floor=Decimal(9), target=Decimal(8)
    )
    refused(refusal, lines=with_targets(target("gold", floor=9, best=8)))


@pytest.mark.parametrize(
    ("wider", "narrower"),
    [
        (target("gold"), target("gold")),
        (target("gold"), target("gold", "US-AK")),
        (target(area="US"), target(area="US-AK")),
        (target(area="US"), target("gold", "US")),
        (target(area="US-AK"), target("gold", "US-AK-99501")),
    ],
    ids=["same", "tier", "area", "both", "inside"],
)
def test_a_target_behind_one_that_holds_for_all_of_its_partners_never_holds_and_is_refused(
    wider: Target, narrower: Target
) -> None:
    refusal = Rejected(
        "performance.target_never_holds",
        metric="sales",
        tier=narrower.tier,
        area=narrower.area,
        behind={"tier": wider.tier, "area": wider.area},
    )
    refused(refusal, lines=with_targets(wider, narrower))
    if narrower != wider:
        assert scorecards.decide(define(lines=with_targets(narrower, wider)), scorecards.initial(), NOW)


def test_a_target_for_nobody_in_particular_is_the_lines_own() -> None:
    with pytest.raises(ValidationError, match="names neither a tier nor an area"):
        target()
