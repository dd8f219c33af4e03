from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from partner.domain.scoring import measure
from partner.domain.standard import (
    Dimension,
    PublishStandard,
    Standard,
    StandardPublished,
    StandardTerms,
    standard_id,
    standards,
)
from pydantic import ValidationError

FIRST = StandardPublished(
    code="franchise",
    version=1,
    title="Franchisees",
    dimensions=(Dimension("experience", Decimal(60)), Dimension("location", Decimal(40))),
    gates=("own_funds",),
)


def publish(**changes: Any) -> PublishStandard:
    content = {
        "code": "franchise",
        "title": "Franchisees",
        "dimensions": ({"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}),
        "gates": ("own_funds",),
    }
    return PublishStandard(**{**content, **changes})


def weighted(*weights: str) -> tuple[dict[str, str], ...]:
    return tuple({"code": f"d{n}", "weight": weight} for n, weight in enumerate(weights))


def test_a_standard_begins_with_version_one(now: datetime) -> None:
    scenario(standards, when=publish(), at=now, then=FIRST)


def test_changed_content_is_the_next_version(now: datetime) -> None:
    second = FIRST.model_copy(update={"version": 2, "gates": ()})
    scenario(standards, given=[FIRST], when=publish(gates=()), at=now, then=second)
    retitled = FIRST.model_copy(update={"version": 3})
    given_second = [FIRST, second]
    scenario(standards, given=given_second, when=publish(), at=now, then=retitled)


@pytest.mark.parametrize("weight", ["60", "60.00"])
def test_the_same_content_again_changes_nothing(now: datetime, weight: str) -> None:
    same = publish(dimensions=({"code": "experience", "weight": weight}, {"code": "location", "weight": "40"}))
    scenario(standards, given=[FIRST], when=same, at=now, then=[])


@pytest.mark.parametrize(
    ("weights", "total"), [(("60", "39.99"), "99.99"), (("60", "40.01"), "100.01"), (("99",), "99")]
)
def test_weights_that_do_not_total_exactly_one_hundred_are_refused(
    now: datetime, weights: tuple[str, ...], total: str
) -> None:
    refused = Rejected("partner.weights_do_not_total_100", total=Decimal(total))
    scenario(standards, when=publish(dimensions=weighted(*weights)), at=now, then=refused)


def test_thirds_can_total_one_hundred_exactly(now: datetime) -> None:
    state = standards.fold(standards.decide(publish(dimensions=weighted("33.33", "33.33", "33.34")), Standard(), now))
    assert sum(dimension.weight for dimension in state.current().dimensions) == 100


def test_a_dimension_or_a_gate_named_twice_is_refused(now: datetime) -> None:
    twice = ({"code": "location", "weight": "60"}, {"code": "location", "weight": "40"})
    refused = Rejected("partner.dimension_twice", dimensions=["location"])
    scenario(standards, when=publish(dimensions=twice), at=now, then=refused)
    refused = Rejected("partner.gate_twice", gates=["own_funds"])
    scenario(standards, when=publish(gates=("own_funds", "own_funds")), at=now, then=refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": ()},
        {"dimensions": weighted("0", "100")},
        {"dimensions": weighted("-1", "101")},
        {"dimensions": weighted("33.333", "66.667")},
        {"dimensions": ({"code": "Location!", "weight": "100"},)},
        {"dimensions": ({"code": "location", "weight": "100", "colour": "red"},)},
        {"gates": ("Own Funds",)},
        {"title": " "},
        {"bands": 3},
    ],
)
def test_content_that_makes_no_sense_is_no_command(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        publish(**wrong)


def test_a_standard_that_was_never_published_is_unknown() -> None:
    with pytest.raises(Unknown, match=r"partner\.standard_unknown"):
        Standard().current()
    assert standard_id("franchise") == standard_id("franchise") != standard_id("retail")


def test_its_state_survives_a_snapshot() -> None:
    state = standards.fold([FIRST])
    adapter = standards.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state


# -- measuring by it

TERMS = StandardTerms(FIRST.code, FIRST.version, FIRST.dimensions, FIRST.gates)


def test_a_total_weighs_each_score() -> None:
    scores = {"experience": Decimal(90), "location": Decimal("52.5")}
    measured = measure(TERMS, scores, {"own_funds": True})
    assert (measured.total, measured.failed_gates) == (Decimal("75.00"), ())
    assert [(line.dimension, line.score, line.weight) for line in measured.scores] == [
        ("experience", Decimal(90), Decimal(60)),
        ("location", Decimal("52.5"), Decimal(40)),
    ]


def test_halves_of_a_cent_are_rounded_up() -> None:
    one = StandardTerms("one", 1, (Dimension("location", Decimal(100)),), ())
    assert measure(one, {"location": Decimal("82.125")}, {}).total == Decimal("82.13")


def test_a_gate_that_is_not_passed_is_failed() -> None:
    scores = {"experience": Decimal(100), "location": Decimal(100)}
    assert measure(TERMS, scores, {"own_funds": False}).failed_gates == ("own_funds",)


def test_scores_and_answers_have_to_be_those_that_the_standard_asks_for() -> None:
    with pytest.raises(Rejected) as refusal:
        measure(TERMS, {"experience": Decimal(1), "charm": Decimal(1)}, {"capital": True})
    assert refusal.value == Rejected(
        "partner.scores_do_not_fit_standard",
        standard="franchise",
        standard_version=1,
        missing=["location", "own_funds"],
        unknown=["charm", "capital"],
    )


@st.composite
def measured_by(draw: st.DrawFn) -> tuple[StandardTerms, dict[str, Decimal]]:
    cuts = sorted(draw(st.sets(st.integers(1, 9_999), max_size=6)))
    weights = [Decimal(b - a) / 100 for a, b in zip([0, *cuts], [*cuts, 10_000], strict=True)]
    scores = st.decimals(0, 100, places=2)
    dimensions = tuple(Dimension(f"d{n}", weight) for n, weight in enumerate(weights))
    return StandardTerms("any", 1, dimensions, ()), {each.code: draw(scores) for each in dimensions}


@given(measured_by())
def test_a_total_lies_between_the_lowest_and_the_highest_score(case: tuple[StandardTerms, dict[str, Decimal]]) -> None:
    terms, scores = case
    assert min(scores.values()) <= measure(terms, scores, {}).total <= max(scores.values())


@given(measured_by(), st.decimals(0, 100, places=2))
def test_equal_scores_total_that_score(case: tuple[StandardTerms, dict[str, Decimal]], score: Decimal) -> None:
    terms, scores = case
    assert measure(terms, dict.fromkeys(scores, score), {}).total == score
