from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from engine import Rejected, Unknown, differences
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from events.partner import DimensionScore, GateResult
from hypothesis import given
from hypothesis import strategies as st
from partner.domain.scoring import Answers, Scores, judged, measure, measured_by
from partner.domain.standard import (
    Band,
    Dimension,
    DraftStandard,
    Standard,
    StandardContent,
    StandardDraftDiscarded,
    StandardDrafted,
    StandardEvent,
    StandardPublished,
    StandardTerms,
    standard_id,
    standards,
)
from pydantic import ValidationError

BANDS: list[dict[str, Any]] = [
    {"name": "weak", "lower": 0, "upper": 50, "recommendation": "decline"},
    {"name": "fair", "lower": 50, "upper": 70, "recommendation": "interview"},
    {"name": "strong", "lower": 70, "upper": 100, "recommendation": "approve"},
]


def content(**changes: Any) -> StandardContent:
    said = {
        "title": "Franchisees",
        "dimensions": ({"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}),
        "gates": ({"code": "own_funds", "kind": "capital"},),
    }
    return StandardContent.model_validate({**said, **changes})


def terms(version: int = 1, **changes: Any) -> StandardTerms:
    return StandardTerms(code="franchise", version=version, **dict(content(**changes)))


def draft(**changes: Any) -> DraftStandard:
    return DraftStandard(code="franchise", content=content(**changes))


def drafted(**changes: Any) -> StandardDrafted:
    return StandardDrafted(code="franchise", content=content(**changes))


FIRST = StandardPublished(code="franchise", terms=terms())


def weighted(*weights: str) -> tuple[dict[str, str], ...]:
    return tuple({"code": f"d{n}", "weight": weight} for n, weight in enumerate(weights))


# -- drafted and published


def test_a_standard_is_drafted_and_then_published_as_version_one(now: datetime) -> None:
    scenario(standards, when=draft(), at=now, then=drafted())
    scenario(standards, given=[drafted()], when=Publish(), at=now, then=FIRST)


def test_changed_content_is_the_next_version(now: datetime) -> None:
    given = [drafted(), FIRST, drafted(gates=())]
    second = StandardPublished(code="franchise", terms=terms(2, gates=()))
    scenario(standards, given=given, when=Publish(), at=now, then=second)


@pytest.mark.parametrize("weight", ["60", "60.00"])
def test_the_same_draft_again_changes_nothing(now: datetime, weight: str) -> None:
    same = draft(dimensions=({"code": "experience", "weight": weight}, {"code": "location", "weight": "40"}))
    scenario(standards, given=[drafted()], when=same, at=now, then=[])


def test_only_a_draft_that_says_something_new_is_published(now: datetime) -> None:
    scenario(standards, given=[drafted(), FIRST], when=Publish(), at=now, then=Rejected("partner.nothing_drafted"))
    given = [drafted(), FIRST, drafted()]
    scenario(standards, given=given, when=Publish(), at=now, then=Rejected("partner.draft_changes_nothing"))


def test_a_draft_is_discarded_and_what_was_published_stays(now: datetime) -> None:
    given: list[StandardEvent] = [drafted(), FIRST, drafted(gates=())]
    discarded = StandardDraftDiscarded(code="franchise")
    scenario(standards, given=given, when=DiscardDraft(), at=now, then=discarded)
    assert standards.fold([*given, discarded]) == standards.fold([FIRST])
    scenario(standards, given=[*given, discarded], when=DiscardDraft(), at=now, then=[])


@pytest.mark.parametrize("command", [Publish(), DiscardDraft()], ids=["publish", "discard"])
def test_a_standard_that_nobody_drafted_is_unknown(command: Any, now: datetime) -> None:
    scenario(standards, when=command, at=now, then=Unknown("partner.standard_unknown"))
    with pytest.raises(Unknown, match=r"partner\.standard_unknown"):
        Standard().current()
    with pytest.raises(Rejected, match=r"partner\.nothing_drafted"):
        Standard().drafted()
    assert standard_id("franchise") == standard_id("franchise") != standard_id("retail")


def test_a_version_of_before_there_were_bands_is_read_as_it_was_meant() -> None:
    stored = (
        b'{"code": "franchise", "version": 1, "title": "Franchisees", "gates": ["own_funds"], "dimensions":'
        b' [{"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}]}'
    )
    read = standards.codec.decode("cauce.partner.StandardPublished.v1", stored)
    expected = terms(gates=({"code": "own_funds"},))
    assert read == StandardPublished(code="franchise", terms=expected)


def test_the_difference_is_told_by_path() -> None:
    told = differences(content(), content(title="Partners", gates=(), bands=BANDS[:1]))
    assert [(each.term, each.before, each.after) for each in told] == [
        ("title", "Franchisees", "Partners"),
        ("gates[0]", {"code": "own_funds", "kind": "capital", "minimum": None, "unit": None}, None),
        ("bands[0]", None, {"name": "weak", "lower": "0", "upper": "50", "recommendation": "decline"}),
    ]
    assert differences(content(), content()) == ()


# -- what makes no sense


@pytest.mark.parametrize(
    ("weights", "total"), [(("60", "39.99"), "99.99"), (("60", "40.01"), "100.01"), (("99",), "99")]
)
def test_weights_that_do_not_total_exactly_one_hundred_are_refused(
    now: datetime, weights: tuple[str, ...], total: str
) -> None:
    refused = Rejected("partner.weights_do_not_total_100", total=Decimal(total))
    scenario(standards, when=draft(dimensions=weighted(*weights)), at=now, then=refused)


def test_thirds_can_total_one_hundred_exactly(now: datetime) -> None:
    thirds = draft(dimensions=weighted("33.33", "33.33", "33.34"))
    assert standards.decide(thirds, Standard(), now) == [StandardDrafted(code="franchise", content=thirds.content)]


def test_what_is_named_twice_is_refused(now: datetime) -> None:
    twice = ({"code": "location", "weight": "60"}, {"code": "location", "weight": "40"})
    refused = Rejected("partner.dimension_twice", dimensions=["location"])
    scenario(standards, when=draft(dimensions=twice), at=now, then=refused)
    refused = Rejected("partner.gate_twice", gates=["own_funds"])
    scenario(standards, when=draft(gates=({"code": "own_funds"}, {"code": "own_funds"})), at=now, then=refused)
    refused = Rejected("partner.band_twice", bands=["weak"])
    scenario(standards, when=draft(bands=[BANDS[0], BANDS[0]]), at=now, then=refused)


@pytest.mark.parametrize(
    ("bands", "band"),
    [
        (BANDS[1:], "fair"),
        ([BANDS[0], BANDS[2]], "strong"),
        ([BANDS[0], {**BANDS[1], "lower": 49}, BANDS[2]], "fair"),
        ([BANDS[0], {**BANDS[1], "upper": 50}, BANDS[2]], "fair"),
        (BANDS[:2], "fair"),
    ],
    ids=["begins late", "gap", "overlap", "empty", "ends early"],
)
def test_bands_cover_0_to_100_without_gap_or_overlap(bands: list[dict[str, Any]], band: str, now: datetime) -> None:
    with pytest.raises(Rejected) as refusal:
        standards.decide(draft(bands=bands), Standard(), now)
    assert (refusal.value.code, refusal.value.details["band"]) == ("partner.bands_do_not_cover", band)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": ()},
        {"dimensions": weighted("0", "100")},
        {"dimensions": weighted("-1", "101")},
        {"dimensions": weighted("33.333", "66.667")},
        {"dimensions": ({"code": "Location!", "weight": "100"},)},
        {"dimensions": ({"code": "location", "weight": "100", "colour": "red"},)},
        {"gates": ({"code": "Own Funds"},)},
        {"gates": ({"code": "own_funds", "kind": "luck"},)},
        {"gates": ({"code": "own_funds", "minimum": "-1"},)},
        {"title": " "},
        {"bands": 3},
        {"minimum_confidence": "1.01"},
    ],
    ids=str,
)
def test_content_that_makes_no_sense_is_no_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        draft(**wrong)


# -- measuring by it

TERMS = terms()
PASSED = Answers({"own_funds": True})


def scored(experience: str, location: str, **more: Any) -> Scores:
    return Scores({"experience": Decimal(experience), "location": Decimal(location)}, **more)


def test_a_total_weighs_each_score() -> None:
    measured = measure(TERMS, scored("90", "52.5"), PASSED)
    assert (measured.total, measured.failed_gates) == (Decimal("75.00"), ())
    assert [(line.dimension, line.score, line.weight) for line in measured.scores] == [
        ("experience", Decimal(90), Decimal(60)),
        ("location", Decimal("52.5"), Decimal(40)),
    ]


def test_halves_of_a_cent_are_rounded_up() -> None:
    one = terms(dimensions=({"code": "location", "weight": 100},), gates=())
    assert measure(one, Scores({"location": Decimal("82.125")}), Answers()).total == Decimal("82.13")


def test_a_gate_that_is_not_passed_is_failed() -> None:
    assert measure(TERMS, scored("100", "100"), Answers({"own_funds": False})).failed_gates == ("own_funds",)


@pytest.mark.parametrize(("figure", "passed"), [("49999.99", False), ("50000", True), ("50000.01", True)])
def test_a_gate_with_a_minimum_judges_a_figure(figure: str, passed: bool) -> None:
    capital = terms(gates=({"code": "own_funds", "kind": "capital", "minimum": "50000", "unit": "EUR"},))
    (result,) = judged(capital, Answers(figures={"own_funds": Decimal(figure)}))
    assert result == GateResult(gate="own_funds", passed=passed, figure=Decimal(figure))
    with pytest.raises(Rejected) as refusal:
        judged(capital, Answers({"own_funds": True}))
    assert refusal.value.details["missing"] == ["own_funds"], "that somebody says it is passed is no figure"


def test_scores_and_answers_have_to_be_those_that_the_standard_asks_for() -> None:
    given = Scores({"experience": Decimal(1), "charm": Decimal(1)}, evidence={"luck": ("A letter.",)})
    with pytest.raises(Rejected) as refusal:
        measure(TERMS, given, Answers({"capital": True}))
    assert refusal.value == Rejected(
        "partner.scores_do_not_fit_standard",
        standard="franchise",
        standard_version=1,
        missing=["location", "own_funds"],
        unknown=["charm", "luck", "capital"],
    )


def test_evidence_and_confidence_are_kept_by_line_and_confidence_is_weighed_as_scores_are() -> None:
    sure = {"experience": Decimal("0.5")}
    measured = measure(TERMS, scored("90", "50", confidence=sure, evidence={"location": ("Lease.",)}), PASSED)
    assert [(line.confidence, line.evidence) for line in measured.scores] == [(Decimal("0.5"), ()), (None, ("Lease.",))]
    assert measured.confidence == Decimal("0.70"), "60 x 0.5 and 40 x 1"
    assert measure(TERMS, scored("90", "50"), PASSED).confidence is None


@pytest.mark.parametrize(
    ("total", "band", "recommendation"),
    [
        ("0", "weak", "decline"),
        ("49.99", "weak", "decline"),
        ("50", "fair", "interview"),
        ("70", "strong", "approve"),
        ("100", "strong", "approve"),
    ],
)
def test_the_band_of_the_total_recommends(total: str, band: str, recommendation: str) -> None:
    measured = measure(terms(bands=BANDS), scored(total, total), PASSED)
    assert (measured.band, measured.recommendation) == (band, recommendation)


def test_a_failed_gate_declines_and_little_confidence_asks_for_evidence() -> None:
    careful = terms(bands=BANDS, minimum_confidence="0.6")
    half = dict.fromkeys(("experience", "location"), Decimal("0.5"))
    assert measure(careful, scored("90", "90"), Answers({"own_funds": False})).recommendation == "decline"
    assert measure(careful, scored("90", "90", confidence=half), PASSED).recommendation == "gather_evidence"
    assert measure(careful, scored("90", "90"), PASSED).recommendation == "approve"
    assert measure(TERMS, scored("90", "90"), PASSED).recommendation is None


# -- what another version would make of it


def test_a_preview_measures_what_is_known_by_the_draft_and_names_what_nobody_has_looked_at() -> None:
    lines = measure(terms(bands=BANDS), scored("90", "20"), PASSED).scores
    results = (GateResult(gate="own_funds", passed=True),)
    turned = terms(
        2, bands=BANDS, dimensions=({"code": "experience", "weight": 20}, {"code": "location", "weight": 80})
    )
    then = measured_by(turned, lines, results)
    assert (then.total, then.recommendation, then.missing) == (Decimal("34.00"), "decline", ())
    wider = terms(2, gates=({"code": "own_funds", "minimum": 5}, {"code": "record"}), dimensions=weighted("100"))
    assert measured_by(wider, lines, results).missing == ("d0", "own_funds", "record")
    narrower = terms(2, gates=(), dimensions=({"code": "location", "weight": 100},))
    assert measured_by(narrower, lines, results).total == Decimal("20.00")


@st.composite
def measured_cases(draw: st.DrawFn) -> tuple[StandardTerms, Scores]:
    cuts = sorted(draw(st.sets(st.integers(1, 9_999), max_size=6)))
    weights = [Decimal(b - a) / 100 for a, b in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    scores = st.decimals(0, 100, places=2)
    dimensions = tuple(Dimension(code=f"d{n}", weight=weight) for n, weight in enumerate(weights))
    edges = [0, *sorted(draw(st.sets(st.integers(1, 99), max_size=4))), 100]
    kinds = st.sampled_from(["approve", "interview", "decline", "gather_evidence"])
    bands = tuple(
        Band.model_validate({"name": f"b{a}", "lower": a, "upper": b, "recommendation": draw(kinds)})
        for a, b in pairwise(edges)
    )
    made = StandardTerms(code="any", version=1, title="Any", dimensions=dimensions, bands=bands)
    return made, Scores({each.code: draw(scores) for each in dimensions})


@given(measured_cases())
def test_a_total_lies_between_the_lowest_and_the_highest_score_and_in_its_band(
    case: tuple[StandardTerms, Scores],
) -> None:
    made, given_scores = case
    measured = measure(made, given_scores, Answers())
    assert min(given_scores.scores.values()) <= measured.total <= max(given_scores.scores.values())
    (band,) = [each for each in made.bands if each.name == measured.band]
    assert band.lower <= measured.total <= band.upper
    assert measured.total < band.upper or band is made.bands[-1]


@given(measured_cases(), st.decimals(0, 100, places=2))
def test_equal_scores_total_that_score(case: tuple[StandardTerms, Scores], score: Decimal) -> None:
    made, given_scores = case
    assert measure(made, Scores(dict.fromkeys(given_scores.scores, score)), Answers()).total == score


@given(measured_cases())
def test_the_same_version_makes_the_same_of_what_it_measured(case: tuple[StandardTerms, Scores]) -> None:
    made, given_scores = case
    measured = measure(made, given_scores, Answers())
    again = measured_by(made, measured.scores, measured.gates)
    assert (again.total, again.recommendation, again.missing) == (measured.total, measured.recommendation, ())


def test_lines_of_before_there_was_evidence_are_measured_too() -> None:
    old = (DimensionScore(dimension="location", score=Decimal(80), weight=Decimal(100)),)
    one = terms(dimensions=({"code": "location", "weight": 100},), gates=())
    assert measured_by(one, old, ()).total == Decimal("80.00")
