"""The plan of an outlet, computed by the formulas and beside published examples, and independently with fractions."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from partner.domain.economics import (
    BusinessCase,
    Reported,
    break_even_sales,
    compare,
    net_present_value,
    payback_years,
    project,
)
from partner.domain.investment import (
    DraftInvestmentStandard,
    InvestmentContent,
    InvestmentStandardDraftDiscarded,
    InvestmentStandardDrafted,
    InvestmentStandardPublished,
    InvestmentTerms,
    investment_id,
    investment_standards,
)

CONTENT: dict[str, Any] = {
    "currency": "EUR",
    "lowest_investment": 150_000,
    "highest_investment": 250_000,
    "own_funds": 60_000,
    "working_capital": 20_000,
    "initial_fee": 25_000,
    "royalty_percent": 5,
    "brand_fund_percent": 2,
    "discount_percent": 10,
    "longest_payback_years": 4,
}
CASE: dict[str, Any] = {
    "format": "kiosk",
    "currency": "EUR",
    "set_up": 130_000,
    "working_capital": 25_000,
    "own_funds": 80_000,
    "annual_sales": [400_000, 440_000, 480_000],
    "cost_of_goods_percent": 33,
    "annual_rent": 40_000,
    "annual_staff": 110_000,
    "annual_other": 20_000,
}


def content(**changes: Any) -> InvestmentContent:
    return InvestmentContent.model_validate({**CONTENT, **changes})


def terms(version: int = 1, **changes: Any) -> InvestmentTerms:
    return InvestmentTerms(format="kiosk", area="ES", version=version, **dict(content(**changes)))


def case(**changes: Any) -> BusinessCase:
    return BusinessCase.model_validate({**CASE, **changes})


def flows(*amounts: int) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


# -- by hand


def test_a_plan_is_computed_year_by_year() -> None:
    projection = project(case(), terms())
    assert (projection.investment, projection.borrowed) == (Decimal(180_000), Decimal(100_000))
    assert [tuple(map(int, (y.sales, y.cost_of_goods, y.fees, y.cash_flow))) for y in projection.years] == [
        (400_000, 132_000, 28_000, 70_000),
        (440_000, 145_200, 30_800, 94_000),
        (480_000, 158_400, 33_600, 118_000),
    ]
    # 70,000 and 94,000 leave 16,000 of 180,000 for the third year: 16 / 118.
    assert projection.payback_years == Decimal("2.14")
    # Of each euro of sales 60 cents are left for 170,000 of rent, staff and the rest.
    assert projection.break_even_sales == Decimal("283333.33")
    # -180,000 + 70,000 / 1.1 + 94,000 / 1.21 + 118,000 / 1.331
    assert projection.net_present_value == Decimal("49977.46")
    assert projection.shortfalls == ()


# -- published examples


def test_payback_of_a_product_line_with_uneven_cash_flows() -> None:
    """A published exercise of managerial accounting: 1,100,000 is invested; 400,000, 390,000 and then 380,000 a year
    bring it back in 2 + 310 / 380 = 2.82 years."""
    assert payback_years(Decimal(1_100_000), flows(400_000, 390_000, *[380_000] * 10)) == Decimal("2.82")


def test_payback_in_the_middle_and_at_the_end_of_a_year() -> None:
    """Two more of them: with 94,000 of 100,000 back after four years and 30,000 in the fifth it takes 4.2 years."""
    assert payback_years(Decimal(100_000), flows(24_000, 20_000, 20_000, 30_000, 30_000)) == Decimal("4.20")
    assert payback_years(Decimal(100_000), flows(24_000, 22_000, 24_000, 30_000, 30_000)) == Decimal("4.00")


def test_an_annuity_is_worth_what_the_tables_say() -> None:
    """1 a year for five years at 8 percent is worth 3.9927 (the annuity table of every textbook)."""
    assert net_present_value(Decimal(0), flows(*[10_000] * 5), Decimal(8)) == Decimal("39927.10")


# -- edges


def test_what_never_comes_back_has_no_payback() -> None:
    assert payback_years(Decimal(100), flows(50, 49)) is None
    assert payback_years(Decimal(100), flows(-50, 140)) is None
    assert payback_years(Decimal(100), flows(-50, 150)) == Decimal("2.00")
    assert payback_years(Decimal(0), flows(1)) == Decimal("0.00")


def test_where_every_sale_loses_money_no_sales_break_even() -> None:
    assert break_even_sales(case(cost_of_goods_percent=93), terms()) is None
    assert break_even_sales(case(cost_of_goods_percent=94), terms()) is None


@pytest.mark.parametrize(
    ("changes", "shortfall"),
    [
        ({"currency": "USD"}, "investment.currency"),
        ({"set_up": "99999.99"}, "investment.below_range"),
        ({"set_up": "200000.01"}, "investment.above_range"),
        ({"own_funds": "59999.99"}, "investment.own_funds"),
        ({"working_capital": "19999.99"}, "investment.working_capital"),
        ({"annual_sales": [300_000] * 5}, "investment.payback"),
        ({"annual_sales": [400_000, 440_000]}, "investment.payback"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_plan_that_does_not_meet_the_standard_says_where(changes: dict[str, Any], shortfall: str) -> None:
    assert project(case(**changes), terms()).shortfalls == (shortfall,)


def test_the_range_and_the_minima_belong_to_what_meets_the_standard() -> None:
    for changes in ({"set_up": 100_000}, {"set_up": 200_000}, {"own_funds": 60_000}, {"working_capital": 20_000}):
        assert project(case(**changes), terms()).shortfalls == ()
    assert project(case(annual_sales=[300_000]), terms(longest_payback_years=None)).shortfalls == ()


# -- properties

AMOUNTS = st.decimals(0, 10_000_000, places=2)
SHARES = st.decimals(0, 100, places=2)
CASES = st.builds(
    case,
    set_up=AMOUNTS,
    working_capital=AMOUNTS,
    own_funds=AMOUNTS,
    annual_sales=st.lists(AMOUNTS, min_size=1, max_size=15),
    cost_of_goods_percent=SHARES,
    annual_rent=AMOUNTS,
    annual_staff=AMOUNTS,
    annual_other=AMOUNTS,
)
TERMS = st.builds(terms, initial_fee=AMOUNTS, royalty_percent=st.decimals(0, 40, places=2), discount_percent=SHARES)


@given(CASES, TERMS)
def test_each_year_adds_up_to_the_cent(plan: BusinessCase, standard: InvestmentTerms) -> None:
    for year in project(plan, standard).years:
        assert year.sales == year.cost_of_goods + year.fees + year.fixed_costs + year.cash_flow


@given(CASES, TERMS)
def test_what_is_borrowed_and_owned_covers_the_investment(plan: BusinessCase, standard: InvestmentTerms) -> None:
    projection = project(plan, standard)
    assert projection.borrowed == max(projection.investment - plan.own_funds, 0)


@given(st.decimals(1, 1_000_000, places=2), st.lists(st.decimals(-500_000, 500_000, places=2), min_size=1, max_size=15))
def test_by_the_payback_the_investment_is_back_and_not_before(investment: Decimal, amounts: list[Decimal]) -> None:
    found = payback_years(investment, amounts)
    back, exact = Fraction(0), None
    for n, amount in enumerate(map(Fraction, amounts)):
        if back + amount >= Fraction(investment):
            exact = n + (Fraction(investment) - back) / amount
            break
        back += amount
    if exact is None:
        assert found is None
    else:
        assert found is not None
        assert abs(Fraction(found) - exact) <= Fraction(1, 200)


@given(
    st.decimals(1, 1_000_000, places=2), st.lists(st.decimals(0, 500_000, places=2), min_size=1, max_size=15), SHARES
)
def test_the_net_present_value_is_that_of_exact_fractions(
    investment: Decimal, amounts: list[Decimal], percent: Decimal
) -> None:
    growth = 1 + Fraction(percent) / 100
    exact = sum((Fraction(each) / growth**n for n, each in enumerate(amounts, 1)), -Fraction(investment))
    assert abs(Fraction(net_present_value(investment, amounts, percent)) - exact) <= Fraction(1, 200)


@given(CASES, TERMS, st.decimals(0, 1_000_000, places=2))
def test_more_to_invest_never_pays_back_earlier(plan: BusinessCase, standard: InvestmentTerms, more: Decimal) -> None:
    first = project(plan, standard).payback_years
    later = project(plan.model_copy(update={"set_up": plan.set_up + more}), standard).payback_years
    assert later is None or (first is not None and first <= later)


@given(CASES, TERMS)
def test_at_break_even_nothing_is_left_and_nothing_lacking(plan: BusinessCase, standard: InvestmentTerms) -> None:
    even = break_even_sales(plan, standard)
    if even is not None:
        (year,) = project(plan.model_copy(update={"annual_sales": (even,)}), standard).years
        assert abs(year.cash_flow) <= Decimal("0.02")


# -- compared with what came


def test_the_years_that_have_begun_are_compared_by_their_days() -> None:
    projection = project(case(), terms())
    reported = [
        Reported(date(2023, 12, 31), sales=Decimal(9_999)),
        Reported(
            date(2024, 1, 1), sales=Decimal(300_000), cost_of_goods=Decimal(100_000), other_costs=Decimal(150_000)
        ),
        Reported(date(2024, 12, 31), sales=Decimal(80_000)),
        Reported(date(2025, 1, 1), sales=Decimal(50_000), cost_of_goods=Decimal(20_000)),
    ]
    first, second = compare(projection, terms(), date(2024, 1, 1), date(2025, 3, 14), reported)
    assert (first.first_day, first.last_day, first.days) == (date(2024, 1, 1), date(2024, 12, 31), 366)
    assert (first.sales, first.planned_sales) == (Decimal(380_000), Decimal(400_000))
    assert first.sales_variance_percent == Decimal("-5.00")
    assert (first.fees, first.cash_flow) == (Decimal(26_600), Decimal(103_400))
    assert first.cash_flow_variance == Decimal(33_400)
    # 73 of 365 days: a fifth of the year.
    assert (second.days, second.planned_sales, second.planned_cash_flow) == (73, Decimal(88_000), Decimal(18_800))
    assert (second.sales, second.sales_variance) == (Decimal(50_000), Decimal(-38_000))


def test_what_opened_on_a_leap_day_has_its_years_begin_in_march() -> None:
    years = compare(project(case(), terms()), terms(), date(2024, 2, 29), date(2030, 1, 1), [])
    assert [(each.first_day, each.last_day) for each in years] == [
        (date(2024, 2, 29), date(2025, 2, 28)),
        (date(2025, 3, 1), date(2026, 2, 28)),
        (date(2026, 3, 1), date(2027, 2, 28)),
    ]
    assert compare(project(case(), terms()), terms(), date(2024, 2, 29), date(2024, 2, 28), []) == ()


def test_where_nothing_was_planned_there_is_no_percentage() -> None:
    projection = project(case(annual_sales=[0]), terms())
    (only,) = compare(projection, terms(), date(2024, 1, 1), date(2024, 6, 1), [Reported(date(2024, 1, 1), Decimal(5))])
    assert (only.sales_variance, only.sales_variance_percent) == (Decimal(5), None)


@given(
    st.dates(date(2000, 1, 1), date(2030, 1, 1)),
    st.lists(st.tuples(st.integers(0, 4_000), st.decimals(0, 100_000, places=2)), max_size=20),
    st.integers(0, 4_000),
)
def test_each_sale_counts_in_exactly_one_year(opened: date, sales: list[tuple[int, Decimal]], passed: int) -> None:
    reported = [Reported(opened + timedelta(days=day), sales=amount) for day, amount in sales]
    today = opened + timedelta(days=passed)
    years = compare(project(case(), terms()), terms(), opened, today, reported)
    last = min(years[-1].last_day, today)
    assert sum(each.sales for each in years) == sum(each.sales for each in reported if each.day <= last)


# -- the standard in versions


def test_an_investment_standard_is_drafted_published_and_revised(now: datetime) -> None:
    drafted = InvestmentStandardDrafted(format="kiosk", area="ES", content=content())
    draft = DraftInvestmentStandard(format="kiosk", area="ES", content=content())
    scenario(investment_standards, when=draft, at=now, then=drafted)
    scenario(investment_standards, given=[drafted], when=draft, at=now, then=[])
    first = InvestmentStandardPublished(terms=terms())
    scenario(investment_standards, given=[drafted], when=Publish(), at=now, then=first)
    dearer = InvestmentStandardDrafted(format="kiosk", area="ES", content=content(own_funds=90_000))
    second = InvestmentStandardPublished(terms=terms(2, own_funds=90_000))
    scenario(investment_standards, given=[drafted, first, dearer], when=Publish(), at=now, then=second)
    discarded = InvestmentStandardDraftDiscarded(format="kiosk", area="ES")
    scenario(investment_standards, given=[drafted, first, dearer], when=DiscardDraft(), at=now, then=discarded)
    given = [drafted, first, dearer, discarded]
    scenario(investment_standards, given=given, when=Publish(), at=now, then=Rejected("partner.nothing_drafted"))
    scenario(investment_standards, when=Publish(), at=now, then=Unknown("partner.investment_standard_unknown"))
    assert investment_id("kiosk", "ES") != investment_id("kiosk", "PT")


def test_a_standard_that_nobody_can_meet_is_refused(now: datetime) -> None:
    turned = DraftInvestmentStandard(format="kiosk", area="ES", content=content(highest_investment=149_999))
    refused = Rejected("partner.investment_range_empty", lowest=Decimal(150_000), highest=Decimal(149_999))
    scenario(investment_standards, when=turned, at=now, then=refused)
    greedy = DraftInvestmentStandard(format="kiosk", area="ES", content=content(royalty_percent=98))
    scenario(investment_standards, when=greedy, at=now, then=Rejected("partner.fees_take_all", percent=Decimal(100)))
