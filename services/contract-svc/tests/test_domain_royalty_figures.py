"""The arithmetic of royalty statements: worked examples, what always holds, and another way to the same figures."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from contract.domain.money import ExchangeRate, rounded
from contract.domain.royalty_figures import Basis, DaySales, Figures, changes, figures
from contract.domain.royalty_schedule import RoyaltySchedule, check_schedules, stretches
from contract.domain.royalty_tax import TaxRate
from engine import Rejected
from hypothesis import given
from hypothesis import strategies as st

FIRST, LAST = date(2026, 4, 1), date(2026, 4, 30)
VAT = TaxRate(name="IVA", kind="tax", percent=Decimal(21), law="Ley 37/1992, art. 90", effective_from=date(2012, 9, 1))
WITHHELD = TaxRate(
    name="IRPF",
    kind="withholding",
    percent=Decimal(19),
    brand_fund=False,
    law="Ley 35/2006, art. 101",
    effective_from=date(2016, 1, 1),
)


def schedule(percent: Any, since: date = date(2020, 1, 1), **terms: Any) -> RoyaltySchedule:
    return RoyaltySchedule(percent=Decimal(percent), effective_from=since, **terms)


def basis(*schedules: RoyaltySchedule, **changes_: Any) -> Basis:
    known: dict[str, Any] = {
        "contract_id": UUID(int=1),
        "partner_id": UUID(int=2),
        "jurisdiction": "ES",
        "period": "2026-04",
        "in_force_from": date(2020, 1, 1),
        "in_force_until": None,
        "sole": True,
        "currency": "EUR",
        "schedules": schedules or (schedule(5),),
        "due_days": 15,
        "late_interest_percent": Decimal(8),
        "terms_version": 1,
        "taxes": (),
        "tax_version": None,
        "rates": (),
    }
    return Basis(**known | changes_)


def sold(day: int, amount: Any, currency: str = "EUR") -> DaySales:
    return DaySales(date(2026, 4, day), currency, Decimal(amount))


def told(found: Figures) -> list[tuple[str, str]]:
    return [(line.name or line.kind, str(line.amount)) for line in found.lines]


# -- worked examples


def test_a_royalty_is_a_percentage_of_what_was_sold() -> None:
    found = figures(basis(schedule("5.5", brand_fund_percent=Decimal(2))), [sold(1, "1000"), sold(30, "2000.10")])
    assert told(found) == [("royalty", "165.01"), ("brand_fund", "60.00")]
    assert found.total == Decimal("225.01")


def test_below_the_minimum_the_rest_is_a_line_of_its_own_and_above_the_maximum_too() -> None:
    bounded = schedule(5, minimum=Decimal(100), maximum=Decimal(150), brand_fund_percent=Decimal(1))
    assert told(figures(basis(bounded), [sold(1, 1000)])) == [
        ("royalty", "50.00"),
        ("minimum", "50.00"),
        ("brand_fund", "10.00"),
    ]
    assert told(figures(basis(bounded), [sold(1, 5000)])) == [
        ("royalty", "250.00"),
        ("maximum", "-100.00"),
        ("brand_fund", "50.00"),
    ]
    assert told(figures(basis(bounded), [sold(1, 2500)]))[0] == ("royalty", "125.00")


def test_a_schedule_that_changes_within_the_period_holds_for_its_days_and_its_share_of_the_minimum() -> None:
    # April has 30 days: 10 of the first schedule, 20 of the second.
    first = schedule(10, minimum=Decimal(300), effective_to=date(2026, 4, 10))
    second = schedule(5, date(2026, 4, 11), minimum=Decimal(600))
    found = figures(basis(first, second), [sold(10, 500), sold(11, 500)])
    assert [(line.kind, line.first_day.day, line.last_day.day, str(line.amount)) for line in found.lines] == [
        ("royalty", 1, 10, "50.00"),
        ("minimum", 1, 10, "50.00"),
        ("royalty", 11, 30, "25.00"),
        ("minimum", 11, 30, "375.00"),
    ]


def test_of_a_contract_that_begins_and_ends_within_the_period_only_its_days_count() -> None:
    lasting = basis(
        schedule(10, minimum=Decimal(300)), in_force_from=date(2026, 4, 6), in_force_until=date(2026, 4, 15)
    )
    found = figures(lasting, [sold(5, 1000), sold(6, 100), sold(15, 100), sold(16, 1000)])
    assert told(found) == [("royalty", "20.00"), ("minimum", "80.00")]


def test_a_tax_is_added_a_withholding_taken_off_and_each_on_what_it_is_due_on() -> None:
    found = figures(basis(schedule(5, brand_fund_percent=Decimal(2)), taxes=(VAT, WITHHELD)), [sold(1, 10000)])
    assert told(found) == [("royalty", "500.00"), ("brand_fund", "200.00"), ("IVA", "147.00"), ("IRPF", "-95.00")]
    assert found.total == Decimal("752.00")
    assert [line.base for line in found.lines[2:]] == [Decimal(700), Decimal(500)]


def test_more_returns_than_sales_are_a_credit() -> None:
    assert told(figures(basis(taxes=(VAT,)), [sold(1, 100), sold(2, -300)])) == [
        ("royalty", "-10.00"),
        ("IVA", "-2.10"),
    ]


def test_sales_in_another_currency_are_converted_at_the_rate_that_is_given_and_it_is_told_of_which_day() -> None:
    rate = ExchangeRate(currency="USD", rate=Decimal("0.92"), on=date(2026, 4, 30))
    found = figures(basis(rates=(rate,)), [sold(1, 100), sold(2, "50.55", "USD")])
    eur, usd = found.sales
    assert (eur.currency, eur.rate, eur.rate_on, eur.converted) == ("EUR", None, None, Decimal(100))
    assert (usd.amount, usd.rate, usd.rate_on) == (Decimal("50.55"), Decimal("0.92"), date(2026, 4, 30))
    assert usd.converted == Decimal("46.51")
    assert told(found) == [("royalty", "7.33")]


def test_without_a_rate_nothing_is_added_up() -> None:
    with pytest.raises(Rejected) as refused:
        figures(basis(), [sold(1, 100), sold(2, 50, "USD"), sold(3, 50, "CHF")])
    assert refused.value == Rejected("contract.exchange_rate_missing", currencies=["CHF", "USD"], currency="EUR")


def test_a_sale_that_does_not_count_needs_no_rate() -> None:
    ended = basis(in_force_until=date(2026, 4, 10))
    assert told(figures(ended, [sold(1, 100), sold(11, 50, "USD")])) == [("royalty", "5.00")]


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("0.125", "EUR", "0.12"),
        ("0.135", "EUR", "0.14"),
        ("-0.125", "EUR", "-0.12"),
        ("2.5", "JPY", "2"),
        ("3.5", "JPY", "4"),
        ("1.2345", "KWD", "1.234"),
        ("-0.001", "EUR", "0.00"),
    ],
)
def test_a_half_goes_to_the_even_neighbour_in_the_currencys_own_unit(amount: str, currency: str, expected: str) -> None:
    assert str(rounded(Decimal(amount), currency)) == expected


# -- schedules


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        (
            [schedule(5, date(2026, 2, 1), effective_to=date(2026, 1, 1))],
            Rejected("contract.schedule_reversed", effective_from=date(2026, 2, 1), to=date(2026, 1, 1)),
        ),
        (
            [schedule(5, minimum=Decimal(2), maximum=Decimal(1))],
            Rejected("contract.minimum_above_maximum", minimum=Decimal(2), maximum=Decimal(1)),
        ),
        (
            [schedule(5, date(2026, 1, 1)), schedule(6, date(2026, 2, 1))],
            Rejected("contract.schedules_overlap", effective_from=date(2026, 2, 1)),
        ),
        (
            [schedule(5, date(2026, 1, 1), effective_to=date(2026, 2, 1)), schedule(6, date(2026, 2, 1))],
            Rejected("contract.schedules_overlap", effective_from=date(2026, 2, 1)),
        ),
        (
            [schedule(5, date(2026, 1, 1), effective_to=date(2026, 1, 30)), schedule(6, date(2026, 2, 1))],
            Rejected("contract.schedules_have_a_gap", first=date(2026, 1, 31)),
        ),
    ],
    ids=["reversed", "bounds", "open", "shared day", "gap"],
)
def test_each_day_has_one_schedule(wrong: list[RoyaltySchedule], refusal: Rejected) -> None:
    with pytest.raises(Rejected) as refused:
        check_schedules(wrong)
    assert refused.value == refusal


# -- what always holds

MONEY = st.decimals(Decimal(-5000), Decimal(50_000), places=2)
PERCENT = st.decimals(0, 30, places=3)
CURRENCIES = ("EUR", "USD", "JPY")
RATES = (
    ExchangeRate(currency="USD", rate=Decimal("0.917431"), on=LAST),
    ExchangeRate(currency="JPY", rate=Decimal("0.006213"), on=LAST),
)


@st.composite
def schedules_of(draw: st.DrawFn) -> tuple[RoyaltySchedule, ...]:
    """One to three, without a gap, that change within April or before."""
    changes_on = sorted(draw(st.sets(st.dates(date(2026, 3, 25), LAST), max_size=2)))
    starts = [date(2020, 1, 1), *changes_on]
    ends = [day - timedelta(days=1) for day in changes_on] + [None]
    made = []
    for start, end in zip(starts, ends, strict=True):
        bounds = sorted(draw(st.lists(st.decimals(0, 3000, places=2), min_size=2, max_size=2)))
        made.append(
            RoyaltySchedule(
                percent=draw(PERCENT),
                brand_fund_percent=draw(PERCENT),
                minimum=draw(st.sampled_from([None, bounds[0]])),
                maximum=draw(st.sampled_from([None, bounds[1]])),
                effective_from=start,
                effective_to=end,
            )
        )
    return tuple(made)


@st.composite
def bases(draw: st.DrawFn) -> Basis:
    taxes = draw(st.sets(st.sampled_from([0, 1])))
    return basis(
        *draw(schedules_of()),
        in_force_from=draw(st.dates(date(2026, 3, 1), date(2026, 4, 20))),
        in_force_until=draw(st.none() | st.dates(date(2026, 4, 20), date(2026, 6, 1))),
        taxes=tuple((VAT, WITHHELD)[n] for n in sorted(taxes)),
        rates=RATES,
        currency=draw(st.sampled_from(["EUR"])),
    )


SALES = st.lists(st.builds(DaySales, st.dates(FIRST, LAST), st.sampled_from(CURRENCIES), MONEY), max_size=20)


@given(bases(), SALES)
def test_the_lines_add_up_to_the_total_and_each_can_be_paid(on: Basis, sales: list[DaySales]) -> None:
    found = figures(on, sales)
    assert sum((line.amount for line in found.lines), Decimal(0)) == found.total
    assert all(line.amount == rounded(line.amount, on.currency) for line in found.lines)


@given(bases(), SALES)
def test_minimum_and_maximum_hold_for_each_schedule(on: Basis, sales: list[DaySales]) -> None:
    found = figures(on, sales)
    for each in on.stretches:
        due = sum(
            line.amount
            for line in found.lines
            if line.first_day == each.first_day and line.kind in ("royalty", "minimum", "maximum")
        )
        if each.schedule.minimum is not None:
            assert due >= rounded(each.schedule.minimum * each.days / 30, "EUR")
        if each.schedule.maximum is not None:
            assert due <= rounded(each.schedule.maximum * each.days / 30, "EUR")


@given(bases(), SALES, st.randoms(use_true_random=False))
def test_splitting_and_shuffling_sales_changes_nothing(on: Basis, sales: list[DaySales], random: Any) -> None:
    parts = []
    for each in sales:
        first = Decimal(random.randint(-10_000, 10_000)) / 100
        parts += [replace(each, amount=first), replace(each, amount=each.amount - first)]
    random.shuffle(parts)
    assert figures(on, parts) == figures(on, sales)


@given(bases(), SALES, SALES)
def test_what_changed_adds_up_to_the_difference_of_the_totals(
    on: Basis, before: list[DaySales], after: list[DaySales]
) -> None:
    old, new = figures(on, before), figures(on, after)
    told_ = changes(old, new)
    assert sum(((c.amount or 0) - (c.previous or 0) for c in told_), Decimal(0)) == new.total - old.total
    assert (told_ == ()) == (
        [(x.kind, x.first_day, x.amount) for x in old.lines] == [(x.kind, x.first_day, x.amount) for x in new.lines]
    )


@given(schedules_of())
def test_each_day_in_force_belongs_to_one_schedule(made: tuple[RoyaltySchedule, ...]) -> None:
    check_schedules(made)
    found = stretches(made, FIRST, LAST)
    days = [each.first_day + timedelta(days=n) for each in found for n in range(each.days)]
    assert days == [FIRST + timedelta(days=n) for n in range(30)]


# -- another way to the same figures: day by day, in fractions, rounding by Python's own round(), which is half to even


def cents(amount: Fraction) -> Fraction:
    return Fraction(round(amount * 100), 100)


def recomputed(on: Basis, sales: Sequence[DaySales]) -> Iterator[Fraction]:
    worth = {"EUR": Fraction(1), **{each.currency: Fraction(each.rate) for each in on.rates}}
    royalties = funds = Fraction(0)
    for each in on.schedules:
        days = [
            day
            for n in range(30)
            if (day := FIRST + timedelta(days=n)) >= max(each.effective_from, on.in_force_from)
            and day <= (each.effective_to or LAST)
            and day <= (on.in_force_until or LAST)
        ]
        by_currency = {
            currency: sum((Fraction(s.amount) for s in sales if s.currency == currency and s.day in days), Fraction(0))
            for currency in CURRENCIES
        }
        base = sum((cents(amount * worth[currency]) for currency, amount in by_currency.items()), Fraction(0))
        due = cents(base * Fraction(each.percent) / 100)
        if days and each.minimum is not None:
            due = max(due, cents(Fraction(each.minimum) * len(days) / 30))
        if days and each.maximum is not None:
            due = min(due, cents(Fraction(each.maximum) * len(days) / 30))
        royalties += due
        funds += cents(base * Fraction(each.brand_fund_percent) / 100)
    yield royalties
    yield funds
    for tax in on.taxes:
        amount = cents((royalties + (funds if tax.brand_fund else 0)) * Fraction(tax.percent) / 100)
        yield amount if tax.kind == "tax" else -amount


@given(bases(), SALES)
def test_recomputed_by_hand_it_comes_to_the_same_total(on: Basis, sales: list[DaySales]) -> None:
    assert Fraction(figures(on, sales).total) == sum(recomputed(on, sales))
