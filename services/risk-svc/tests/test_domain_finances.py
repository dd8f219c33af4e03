"""Altman's Z', expected loss, concentration and the score, against what was published or is computed another way."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import prod
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from risk.domain.accounts import (
    AccountsReported,
    Figures,
    ReportAccounts,
    reported_accounts,
    z_score,
    zone_of,
)
from risk.domain.concentration import hhi, level, shares
from risk.domain.exposure import Estimate, EstimateExposure, ExposureEstimated, expected_loss, exposures
from risk.domain.score import ZONES, Cause, of_accounts, of_flag, score, trend

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2025, 5, 1, tzinfo=UTC)


def figures(**changes: Any) -> Figures:
    return Figures.model_validate(
        {
            "currency": "EUR",
            "total_assets": "1000",
            "current_assets": "400",
            "current_liabilities": "250",
            "total_liabilities": "600",
            "retained_earnings": "120",
            "ebit": "90",
            "sales": "1500",
            "reported_by": "the auditor",
            **changes,
        }
    )


# -- Altman's Z'


def test_z_is_the_weighted_sum_of_the_five_ratios() -> None:
    # By hand: 0.717 x 0.15 + 0.847 x 0.12 + 3.107 x 0.09 + 0.420 x 0.6667 + 0.998 x 1.5
    found = z_score(figures())
    assert found.ratios == tuple(map(Decimal, ("0.1500", "0.1200", "0.0900", "0.6667", "1.5000")))
    assert (found.value, found.zone) == (Decimal("2.2658"), "grey")


@pytest.mark.parametrize(
    ("z", "zone"), [("1.2299", "distress"), ("1.23", "grey"), ("2.9", "grey"), ("2.9001", "safe"), ("-4", "distress")]
)
def test_the_bounds_of_the_grey_zone_belong_to_it(z: str, zone: str) -> None:
    assert zone_of(Decimal(z)) == zone


AMOUNTS = st.decimals(0, 10**9, places=2)
SIGNED = st.decimals(-(10**9), 10**9, places=2)


@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, SIGNED, SIGNED, AMOUNTS)
def test_z_equals_the_exact_fraction(
    assets: Decimal, current: Decimal, owed: Decimal, owed_soon: Decimal, kept: Decimal, ebit: Decimal, sales: Decimal
) -> None:
    assets, owed = assets + 1, owed + 1
    found = z_score(
        figures(
            total_assets=assets,
            current_assets=current,
            total_liabilities=owed,
            current_liabilities=owed_soon,
            retained_earnings=kept,
            ebit=ebit,
            sales=sales,
        )
    )
    ta, tl = Fraction(assets), Fraction(owed)
    exact = (
        Fraction(717, 1000) * (Fraction(current) - Fraction(owed_soon)) / ta
        + Fraction(847, 1000) * Fraction(kept) / ta
        + Fraction(3107, 1000) * Fraction(ebit) / ta
        + Fraction(420, 1000) * (ta - tl) / tl
        + Fraction(998, 1000) * Fraction(sales) / ta
    )
    assert abs(Fraction(found.value) - exact) <= Fraction(1, 20_000)


@given(SIGNED, st.decimals(1, 10**6, places=2))
def test_more_earnings_make_no_worse_z(ebit: Decimal, more: Decimal) -> None:
    assert z_score(figures(ebit=ebit)).value <= z_score(figures(ebit=ebit + more)).value


def test_z_has_no_currency() -> None:
    thousandfold = {name: Decimal(value) * 1000 for name, value in figures().model_dump().items() if name in NUMBERS}
    assert z_score(figures(**thousandfold, currency="JPY")) == z_score(figures())


NUMBERS = (
    "total_assets", "current_assets", "current_liabilities", "total_liabilities", "retained_earnings", "ebit", "sales"
)  # fmt: skip


def test_accounts_are_reported_a_year_and_again_with_other_figures() -> None:
    first = AccountsReported(partner_id=PARTNER, year=2024, figures=figures())
    report = ReportAccounts(partner_id=PARTNER, year=2024, figures=figures())
    scenario(reported_accounts, when=report, at=NOW, then=first)
    scenario(reported_accounts, given=[first], when=report, at=NOW, then=[])
    other = ReportAccounts(partner_id=PARTNER, year=2024, figures=figures(ebit="91"))
    then = AccountsReported(partner_id=PARTNER, year=2024, figures=figures(ebit="91"))
    scenario(reported_accounts, given=[first], when=other, at=NOW, then=then)


@pytest.mark.parametrize(
    ("year", "changes", "refusal"),
    [
        (2026, {}, Rejected("risk.year_not_begun", year=2026)),
        (
            2024,
            {"current_assets": "1001"},
            Rejected("risk.accounts_do_not_add_up", part="current_assets", whole="total_assets"),
        ),
        (
            2024,
            {"current_liabilities": "601"},
            Rejected("risk.accounts_do_not_add_up", part="current_liabilities", whole="total_liabilities"),
        ),
    ],
    ids=["future", "assets", "liabilities"],
)
def test_accounts_that_cannot_be_are_refused(year: int, changes: dict[str, str], refusal: Rejected) -> None:
    report = ReportAccounts(partner_id=PARTNER, year=year, figures=figures(**changes))
    scenario(reported_accounts, when=report, at=NOW, then=refusal)


@pytest.mark.parametrize("wrong", [{"total_assets": 0}, {"total_liabilities": 0}, {"sales": -1}, {"currency": "euro"}])
def test_figures_that_nothing_can_be_divided_by_are_no_accounts(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        figures(**wrong)


# -- expected loss


def estimate(pd: str, lgd: str, ead: str) -> Estimate:
    return Estimate.model_validate({"pd": pd, "lgd": lgd, "ead": ead, "currency": "EUR", "basis": "Ten years of data."})


def test_expected_loss_is_probability_times_loss_times_exposure() -> None:
    assert expected_loss(estimate("0.02", "0.45", "1000000")) == 9000


@given(st.decimals(0, 1, places=6), st.decimals(0, 1, places=6), st.decimals(0, 10**12, places=2))
def test_nobody_is_expected_to_lose_more_than_there_is(pd: Decimal, lgd: Decimal, ead: Decimal) -> None:
    found = expected_loss(estimate(str(pd), str(lgd), str(ead)))
    assert 0 <= found <= ead
    assert abs(Fraction(found) - Fraction(pd) * Fraction(lgd) * Fraction(ead)) <= Fraction(1, 20_000)


def test_an_exposure_is_estimated_once_and_anew() -> None:
    first = estimate("0.02", "0.45", "1000")
    then = ExposureEstimated(partner_id=PARTNER, estimate=first)
    say = EstimateExposure(partner_id=PARTNER, estimate=first)
    scenario(exposures, when=say, at=NOW, then=then)
    scenario(exposures, given=[then], when=say, at=NOW, then=[])


# -- concentration


def test_the_merger_guidelines_own_example() -> None:
    """Four firms with shares of 30, 30, 20 and 20 percent: 2,600 (U.S. Department of Justice, Herfindahl-Hirschman
    Index)."""
    sold = {UUID(int=n): Decimal(part) for n, part in enumerate((30, 30, 20, 20))}
    found = hhi(each.share for each in shares(sold))
    assert (found, level(found)) == (Decimal(2600), "high")


@pytest.mark.parametrize(
    ("index", "said"), [("999.99", "low"), ("1000", "moderate"), ("1800", "moderate"), ("1800.01", "high")]
)
def test_markets_are_called_as_the_guidelines_do(index: str, said: str) -> None:
    assert level(Decimal(index)) == said


SOLD = st.dictionaries(st.uuids(), st.decimals(1, 10**9, places=2), min_size=1, max_size=20)


@given(SOLD)
def test_the_index_lies_between_equal_parts_and_one_who_has_it_all(sold: dict[UUID, Decimal]) -> None:
    parts = shares(sold)
    whole = sum(map(Fraction, sold.values()))
    exact = sum((100 * Fraction(amount) / whole) ** 2 for amount in sold.values())
    found = Fraction(hhi(each.share for each in parts))
    assert abs(found - exact) < Fraction(1, 10**9)
    assert Fraction(10_000, len(sold)) - Fraction(1, 10**9) <= found <= 10_000 + Fraction(1, 10**9)
    assert abs(sum((each.share for each in parts), Decimal(-1))) < Decimal("1e-25")


def test_returns_are_no_part_of_the_market() -> None:
    one, two = UUID(int=1), UUID(int=2)
    assert [each.partner_id for each in shares({one: Decimal(5), two: Decimal(-3)})] == [one]
    assert shares({}) == []
    assert hhi([]) == 0


# -- the score

CAUSES = st.lists(
    st.builds(
        Cause,
        st.sampled_from(["a", "b", "c"]),
        st.just("why"),
        st.sampled_from([0.1, 0.25, 0.5, 0.8, 0.0]),
        st.just((PARTNER,)),
    ),
    max_size=12,
)


@given(CAUSES)
def test_the_score_is_the_noisy_or_and_its_contributions_sum_to_it(causes: list[Cause]) -> None:
    found = score(causes)
    exact = 100 * (1 - prod(1 - Fraction(repr(each.weight)) for each in causes))
    assert abs(Fraction(found.value) - exact) <= Fraction(6, 1000)
    assert sum((each.points for each in found.contributions), Decimal(0)) == found.value
    assert 0 <= found.value <= 100
    assert all(each.points > 0 for each in found.contributions)
    assert score(list(reversed(causes))).value == found.value


@given(CAUSES, st.sampled_from([0.1, 0.5]))
def test_one_more_cause_makes_no_smaller_score(causes: list[Cause], weight: float) -> None:
    assert score([*causes, Cause("more", "why", weight, ())]).value >= score(causes).value


def test_each_contribution_says_what_it_is_and_which_events_tell_of_it() -> None:
    flag = of_flag("low_score", "high", "inspection_score 84 in 2005 (value < 85.0)", (PARTNER,))
    found = score([of_accounts(2024, "grey", Decimal("2.27"), PARTNER), flag])
    assert [(each.cause.what, each.points) for each in found.contributions] == [
        ("flag of low_score, high", Decimal("45.39")),
        ("accounts of 2024", Decimal("14.61")),
    ]
    assert found.value == 60
    assert score([of_accounts(2024, "safe", Decimal(3), PARTNER)]).contributions == ()
    assert ZONES["safe"] < ZONES["grey"] < ZONES["distress"]


def test_a_trend_compares_two_scores() -> None:
    none, some = score([]), score([Cause("a", "why", 0.5, ())])
    assert (trend(none, some), trend(some, some), trend(some, none)) == ("rising", "level", "falling")
