"""What an outlet is expected to earn, by its plan and the investment standard, and what it did earn.

For each year: fees = sales x (royalty + brand fund), cash flow = sales - cost of goods - fees - rent - staff - other:
the outlet's earnings before interest, tax and depreciation, however it is financed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, localcontext
from typing import Annotated

from pydantic import Field

from partner.domain.investment import InvestmentTerms
from partner.domain.words import Amount, Code, Currency, Percent, Value

CENT = Decimal("0.01")
WIDE = Context(prec=60)
"""Digits for what comes in between, so that only results are rounded."""
ONE_DAY = timedelta(days=1)


class BusinessCase(Value):
    """What the applicant plans: `set_up` is what premises, equipment and opening stock cost; `own_funds` what of the
    investment is theirs; `annual_sales` are of each year from the opening on, without taxes on them."""

    format: Code
    currency: Currency
    set_up: Amount
    working_capital: Amount
    own_funds: Amount
    annual_sales: Annotated[tuple[Amount, ...], Field(min_length=1, max_length=15)]
    cost_of_goods_percent: Percent
    annual_rent: Amount = Decimal(0)
    annual_staff: Amount = Decimal(0)
    annual_other: Amount = Decimal(0)

    @property
    def fixed_costs(self) -> Decimal:
        return self.annual_rent + self.annual_staff + self.annual_other


@dataclass(frozen=True)
class Year:
    """The n-th from the opening on. `cash_flow` is what is left."""

    n: int
    sales: Decimal
    cost_of_goods: Decimal
    fees: Decimal
    fixed_costs: Decimal
    cash_flow: Decimal


@dataclass(frozen=True)
class Projection:
    """`payback_years` None: not within the years that are planned. `break_even_sales` None: every sale loses money.
    `shortfalls` are where the plan does not meet the standard; each refuses approval as a failed gate does."""

    investment: Decimal
    borrowed: Decimal
    years: tuple[Year, ...]
    payback_years: Decimal | None
    break_even_sales: Decimal | None
    net_present_value: Decimal
    shortfalls: tuple[str, ...]


def project(case: BusinessCase, terms: InvestmentTerms) -> Projection:
    """The investment is the initial fee, the set-up and the working capital: what 16 CFR 436.5(g) has a franchisor
    disclose as the estimated initial investment."""
    with localcontext(WIDE):
        investment = terms.initial_fee + case.set_up + case.working_capital
        years = tuple(_year(n, sales, case, terms) for n, sales in enumerate(case.annual_sales, 1))
        flows = [year.cash_flow for year in years]
        payback = payback_years(investment, flows)
        return Projection(
            investment=money(investment),
            borrowed=money(max(investment - case.own_funds, Decimal(0))),
            years=years,
            payback_years=payback,
            break_even_sales=break_even_sales(case, terms),
            net_present_value=net_present_value(investment, flows, terms.discount_percent),
            shortfalls=tuple(_shortfalls(case, terms, investment, payback)),
        )


def _year(n: int, sales: Decimal, case: BusinessCase, terms: InvestmentTerms) -> Year:
    goods, fees = money(sales * case.cost_of_goods_percent / 100), money(sales * terms.fee_percent / 100)
    left = money(sales - goods - fees - case.fixed_costs)
    return Year(n, money(sales), goods, fees, money(case.fixed_costs), left)


def payback_years(investment: Decimal, flows: Sequence[Decimal]) -> Decimal | None:
    """When the cash flows have brought the investment back: the years before the one in which they do, and of that one
    what was still lacking over its cash flow, which comes evenly through the year (Brealey, Myers and Allen, Principles
    of Corporate Finance, 13th ed., ch. 5-2). To two decimals. None where they do not.

    Where later years lose money again it is the first time that counts.
    """
    with localcontext(WIDE):
        lacking = investment
        for n, flow in enumerate(flows):
            if lacking <= 0:
                break
            if flow >= lacking:
                return (n + lacking / flow).quantize(CENT, ROUND_HALF_UP)
            lacking -= flow
        return None if lacking > 0 else Decimal("0.00")


def break_even_sales(case: BusinessCase, terms: InvestmentTerms) -> Decimal | None:
    """A year's sales at which nothing is left and nothing is lacking: fixed costs over the contribution margin ratio
    (Horngren, Datar and Rajan, Cost Accounting, 15th ed., ch. 3)."""
    with localcontext(WIDE):
        ratio = 1 - (case.cost_of_goods_percent + terms.fee_percent) / 100
        return money(case.fixed_costs / ratio) if ratio > 0 else None


def net_present_value(investment: Decimal, flows: Sequence[Decimal], percent: Decimal) -> Decimal:
    """-investment + sum of flow(n) / (1 + r)^n, each year's cash at its end (Brealey, Myers and Allen, ch. 2-1)."""
    with localcontext(WIDE):
        growth = 1 + percent / 100
        return money(sum((flow / growth**n for n, flow in enumerate(flows, 1)), -investment))


def _shortfalls(case: BusinessCase, terms: InvestmentTerms, investment: Decimal, payback: Decimal | None) -> list[str]:
    """With a dot, so that none is ever the code of a gate."""
    longest = terms.longest_payback_years
    found = {
        "investment.currency": case.currency != terms.currency,
        "investment.below_range": investment < terms.lowest_investment,
        "investment.above_range": investment > terms.highest_investment,
        "investment.own_funds": case.own_funds < terms.own_funds,
        "investment.working_capital": case.working_capital < terms.working_capital,
        "investment.payback": longest is not None and (payback is None or payback > longest),
    }
    return [name for name, falls_short in found.items() if falls_short]


def money(amount: Decimal) -> Decimal:
    """To two decimals; a half goes to the even neighbour (IEEE 754 roundTiesToEven), and nothing is minus zero."""
    with localcontext(WIDE):
        return amount.quantize(CENT, ROUND_HALF_EVEN) + 0


# -- compared with what came


@dataclass(frozen=True)
class Reported:
    """A day's sales, cost of goods and other costs of an outlet, as they were reported."""

    day: date
    sales: Decimal = Decimal(0)
    cost_of_goods: Decimal = Decimal(0)
    other_costs: Decimal = Decimal(0)


@dataclass(frozen=True)
class YearCompared:
    """A year of the plan, from one day to another, both included, of which `days` are over: what was planned for these
    days, and what came of it. `fees` by the standard's rates. Variances are actual less planned; in percent of the
    plan, None where nothing was planned."""

    n: int
    first_day: date
    last_day: date
    days: int
    planned_sales: Decimal
    planned_cash_flow: Decimal
    sales: Decimal
    cost_of_goods: Decimal
    fees: Decimal
    other_costs: Decimal
    cash_flow: Decimal
    sales_variance: Decimal
    sales_variance_percent: Decimal | None
    cash_flow_variance: Decimal


def compare(
    projection: Projection, terms: InvestmentTerms, opened_on: date, today: date, reported: Sequence[Reported]
) -> tuple[YearCompared, ...]:
    """The years that have begun. Of one that is not over, the plan counts by its days: planned x days / days of the
    year. What was reported for days before the opening or after today counts in no year."""
    compared = []
    for year in projection.years:
        first, last = _anniversary(opened_on, year.n - 1), _anniversary(opened_on, year.n) - ONE_DAY
        if first > today:
            break
        days, whole = (min(last, today) - first).days + 1, (last - first).days + 1
        compared.append(_compared(year, terms, first, last, days, whole, reported))
    return tuple(compared)


def _compared(
    year: Year,
    terms: InvestmentTerms,
    first: date,
    last: date,
    days: int,
    whole: int,
    reported: Sequence[Reported],
) -> YearCompared:
    until = first + timedelta(days=days - 1)
    theirs = [each for each in reported if first <= each.day <= until]
    with localcontext(WIDE):
        sales = sum((each.sales for each in theirs), Decimal(0))
        goods = sum((each.cost_of_goods for each in theirs), Decimal(0))
        other = sum((each.other_costs for each in theirs), Decimal(0))
        fees = sales * terms.fee_percent / 100
        left = money(sales - goods - fees - other)
        planned, planned_left = money(year.sales * days / whole), money(year.cash_flow * days / whole)
        variance = money(sales) - planned
        return YearCompared(
            n=year.n,
            first_day=first,
            last_day=last,
            days=days,
            planned_sales=planned,
            planned_cash_flow=planned_left,
            sales=money(sales),
            cost_of_goods=money(goods),
            fees=money(fees),
            other_costs=money(other),
            cash_flow=left,
            sales_variance=variance,
            sales_variance_percent=(variance * 100 / planned).quantize(CENT, ROUND_HALF_UP) if planned else None,
            cash_flow_variance=left - planned_left,
        )


def _anniversary(day: date, years: int) -> date:
    """The same day so many years later; of 29 February, 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
