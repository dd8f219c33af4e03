from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from performance.domain.card import Band, Line, ScorecardTerms, Segment, Target
from performance.domain.figures import Observed, Scorings
from performance.domain.replay import BandChange, Held, Money, Move, Outcome, Sum, changes, with_sales

ONE, TWO, THREE, FOUR = (UUID(int=n) for n in (1, 2, 3, 4))


def card(edge: int, **line: Any) -> ScorecardTerms:
    """Above the edge is high."""
    of = {"metric": "m", "weight": Decimal(100), "floor": Decimal(0), "target": Decimal(100), "aggregation": "mean"}
    bands = (
        Band(name="low", lower=Decimal(0), upper=Decimal(edge)),
        Band(name="high", lower=Decimal(edge), upper=Decimal(100)),
    )
    return ScorecardTerms("yearly", 0, (Line.model_validate({**of, **line}),), bands, 1)


def seen(value: int) -> dict[str, Observed]:
    return {"m": Observed(Decimal(value), 1, Decimal(value))}


def held(total: int, band: str) -> Held:
    return Held(Decimal(total), band)


def change(partner: UUID, before: str | None, after: str | None, was: int | None, is_: int | None) -> BandChange:
    totals = (None if each is None else Decimal(each) for each in (was, is_))
    of = dict(zip(("total_before", "total_after"), totals, strict=True))
    return BandChange(partner_id=partner, period="2019", band_before=before, band_after=after, **of)


def test_who_would_be_in_another_band_is_told_with_both_totals() -> None:
    observed = {ONE: seen(80), TWO: seen(90), THREE: seen(50)}
    now = {ONE: held(80, "high"), TWO: held(90, "high"), THREE: held(50, "low")}
    found = list(changes("2019", Scorings(card(85)), observed, {}, now))
    assert found == [change(ONE, "high", "low", 80, 80)]


def test_a_scorecard_as_it_is_changes_nobody() -> None:
    observed, now = {ONE: seen(80), TWO: seen(20)}, {ONE: held(80, "high"), TWO: held(20, "low")}
    assert list(changes("2019", Scorings(card(50)), observed, {}, now)) == []


def test_who_would_be_evaluated_for_the_first_time_or_not_at_all_is_a_change_of_band() -> None:
    found = list(changes("2019", Scorings(card(50)), {TWO: seen(90)}, {}, {ONE: held(80, "high")}))
    assert found == [change(ONE, "high", None, 80, None), change(TWO, None, "high", None, 90)]


def test_a_target_by_tier_changes_only_that_tier() -> None:
    gold = Target(tier="gold", floor=Decimal(0), target=Decimal(200))
    observed, now = {ONE: seen(80), TWO: seen(80)}, {ONE: held(80, "high"), TWO: held(80, "high")}
    segments = {ONE: Segment("gold", "US"), TWO: Segment("silver", "US")}
    found = list(changes("2019", Scorings(card(50, targets=(gold,))), observed, segments, now))
    assert found == [change(ONE, "high", "low", 80, 40)]


def test_the_outcome_adds_up_moves_partners_and_what_they_sold_by_currency() -> None:
    summed = Sum(periods=2, evaluations=5)
    euros, dollars = Money(amount=Decimal("10.50"), currency="EUR"), Money(amount=Decimal(7), currency="USD")
    first = [change(ONE, "high", "low", 80, 70), change(TWO, "high", "low", 80, 75)]
    second = [change(ONE, "low", "high", 10, 90), change(THREE, None, "low", None, 5)]
    summed.add(with_sales(first, {ONE: [euros]}))
    summed.add(with_sales(second, {ONE: [euros, dollars], FOUR: [dollars]}))
    assert summed.outcome() == Outcome(
        periods=2,
        evaluations=5,
        changed=4,
        partners=3,
        moves=(
            Move(band_before="high", band_after="low", direction="down", evaluations=2),
            Move(band_before="low", band_after="high", direction="up", evaluations=1),
            Move(band_before=None, band_after="low", direction=None, evaluations=1),
        ),
        sales=(Money(amount=Decimal("21.00"), currency="EUR"), Money(amount=Decimal(7), currency="USD")),
    )


@given(
    st.dictionaries(st.integers(1, 30).map(lambda n: UUID(int=n)), st.integers(0, 100), max_size=30),
    st.integers(1, 99),
    st.integers(1, 99),
)
def test_exactly_those_between_the_two_edges_change(values: dict[UUID, int], before: int, after: int) -> None:
    now = {partner: held(value, "high" if value >= before else "low") for partner, value in values.items()}
    found = list(changes("2019", Scorings(card(after)), {p: seen(v) for p, v in values.items()}, {}, now))
    expected = sorted(p for p, v in values.items() if min(before, after) <= v < max(before, after))
    assert [each.partner_id for each in found] == expected
    summed = Sum()
    summed.add(found)
    assert summed.outcome().changed == sum(move.evaluations for move in summed.outcome().moves) == len(expected)
