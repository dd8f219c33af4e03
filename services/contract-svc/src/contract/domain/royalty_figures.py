"""What a royalty statement says, computed from a period's sales. Pure arithmetic, each line rounded once.

A period P has D days. Each schedule s holds on D_s of them: those that it is effective on and the contract in force.
With S_sc the sales in currency c on the days of s, r_c the rate of c (1 for the statement's own), and round() to the
minor unit, a half to even:

    base_s       = sum over c of round(S_sc * r_c)
    royalty_s    = round(base_s * percent_s / 100)
    least_s      = round(minimum_s * D_s / D)            most_s = round(maximum_s * D_s / D)
    minimum_s    = least_s - royalty_s, if above zero    maximum_s = most_s - royalty_s, if below zero
    brand_fund_s = round(base_s * brand_fund_percent_s / 100)
    tax_t        = round((royalties + brand funds where t says so) * percent_t / 100), below zero for a withholding
    total        = the sum of all lines

So minimum and maximum belong to a schedule and are shared out by days where it holds for a part of the period; they
bound the royalty and neither the contribution to the brand fund nor taxes. Returns can make a base, and with no minimum
a royalty, negative: a credit. Taxes are those that hold on the period's last day: a supply with successive statements
is completed when the period ends that a statement relates to (Directive 2006/112/EC, art. 64(1)).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from engine import Rejected
from events.periods import first_day, last_day
from events.royalty import RoyaltyChange, RoyaltyLine, RoyaltySales
from pydantic import BaseModel, ConfigDict

from contract.domain.money import ExchangeRate, rounded, share, total
from contract.domain.royalty_schedule import RoyaltySchedule, Stretch, stretches
from contract.domain.royalty_tax import TaxRate


class Basis(BaseModel):
    """Everything but the sales that a statement is computed from. A correction for restated sales uses that of the
    statement. The contract was in force from `in_force_from` to `in_force_until`, both included; `sole`: it was the
    partner's only one in the period, so that sales that name no contract are its."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    contract_id: UUID
    partner_id: UUID
    jurisdiction: str
    period: str
    in_force_from: date
    in_force_until: date | None
    sole: bool
    currency: str
    schedules: tuple[RoyaltySchedule, ...]
    due_days: int | None
    late_interest_percent: Decimal | None
    terms_version: int
    taxes: tuple[TaxRate, ...]
    tax_version: int | None
    rates: tuple[ExchangeRate, ...]

    @property
    def days(self) -> int:
        return (last_day(self.period) - first_day(self.period)).days + 1

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The days of the period on which the contract was in force, by schedule."""
        return stretches(self.schedules, *self.in_force)

    @property
    def in_force(self) -> tuple[date, date]:
        """The first and the last day in the period on which the contract was in force; the last is before the first
        where it was not."""
        until = self.in_force_until
        last = last_day(self.period)
        return max(first_day(self.period), self.in_force_from), last if until is None else min(last, until)

    @property
    def due_on(self) -> date | None:
        return None if self.due_days is None else last_day(self.period) + timedelta(days=self.due_days)

    def rate(self, currency: str) -> ExchangeRate | None:
        return next((rate for rate in self.rates if rate.currency == currency), None)


@dataclass(frozen=True)
class DaySales:
    """What was sold on a day in a currency, in any number of reports."""

    day: date
    currency: str
    amount: Decimal


@dataclass(frozen=True)
class Figures:
    sales: tuple[RoyaltySales, ...]
    lines: tuple[RoyaltyLine, ...]

    @property
    def total(self) -> Decimal:
        return total(tuple(line.amount for line in self.lines))


def missing_rates(basis: Basis, sales: Iterable[DaySales]) -> tuple[str, ...]:
    """Currencies of sales that count and for which no rate is given."""
    found = basis.stretches
    asked = {each.currency for each in sales if any(days.first_day <= each.day <= days.last_day for days in found)} - {
        basis.currency
    }
    return tuple(sorted(currency for currency in asked if basis.rate(currency) is None))


def figures(basis: Basis, sales: Sequence[DaySales]) -> Figures:
    """Raises `contract.exchange_rate_missing`: amounts of two currencies are not added up."""
    if missing := missing_rates(basis, sales):
        raise Rejected("contract.exchange_rate_missing", currencies=list(missing), currency=basis.currency)
    told: list[RoyaltySales] = []
    lines: list[RoyaltyLine] = []
    for days in basis.stretches:
        in_currencies = list(_converted(basis, days, sales))
        told += in_currencies
        lines += _lines(basis, days, total(tuple(each.converted for each in in_currencies)))
    return Figures(tuple(told), (*lines, *_taxes(basis, lines)))


def _converted(basis: Basis, days: Stretch, sales: Sequence[DaySales]) -> Iterator[RoyaltySales]:
    amounts: dict[str, list[Decimal]] = {}
    for each in sales:
        if days.first_day <= each.day <= days.last_day:
            amounts.setdefault(each.currency, []).append(each.amount)
    for currency in sorted(amounts):
        amount, rate = total(tuple(amounts[currency])), basis.rate(currency)
        foreign = rate is not None and currency != basis.currency
        yield RoyaltySales(
            first_day=days.first_day,
            last_day=days.last_day,
            currency=currency,
            amount=amount,
            rate=rate.rate if rate is not None and foreign else None,
            rate_on=rate.on if rate is not None and foreign else None,
            converted=rounded(share(amount, rate.rate if rate is not None and foreign else 1, 1), basis.currency),
        )


def _lines(basis: Basis, days: Stretch, base: Decimal) -> Iterator[RoyaltyLine]:
    schedule, currency = days.schedule, basis.currency
    where = {"first_day": days.first_day, "last_day": days.last_day}
    royalty = rounded(share(base, schedule.percent, 100), currency)
    yield RoyaltyLine(kind="royalty", base=base, percent=schedule.percent, amount=royalty, **where)
    if schedule.minimum is not None:
        least = rounded(share(schedule.minimum, days.days, basis.days), currency)
        if least > royalty:
            yield RoyaltyLine(kind="minimum", base=least, amount=least - royalty, **where)
    if schedule.maximum is not None:
        most = rounded(share(schedule.maximum, days.days, basis.days), currency)
        if most < royalty:
            yield RoyaltyLine(kind="maximum", base=most, amount=most - royalty, **where)
    if schedule.brand_fund_percent:
        amount = rounded(share(base, schedule.brand_fund_percent, 100), currency)
        yield RoyaltyLine(kind="brand_fund", base=base, percent=schedule.brand_fund_percent, amount=amount, **where)


def _taxes(basis: Basis, lines: Sequence[RoyaltyLine]) -> Iterator[RoyaltyLine]:
    royalties = total(tuple(line.amount for line in lines if line.kind != "brand_fund"))
    brand_funds = total(tuple(line.amount for line in lines if line.kind == "brand_fund"))
    for tax in basis.taxes:
        base = royalties + (brand_funds if tax.brand_fund else 0)
        amount = rounded(share(base, tax.percent, 100), basis.currency)
        yield RoyaltyLine(
            kind=tax.kind,
            name=tax.name,
            first_day=first_day(basis.period),
            last_day=last_day(basis.period),
            base=base,
            percent=tax.percent,
            amount=amount if tax.kind == "tax" else rounded(-amount, basis.currency),
        )


def changes(before: Figures, after: Figures) -> tuple[RoyaltyChange, ...]:
    """The lines that are others; their amounts differ by as much as the totals do."""
    old, new = _by_key(before), _by_key(after)
    return tuple(
        RoyaltyChange(
            kind=line.kind,
            name=line.name,
            first_day=line.first_day,
            previous=old[key].amount if key in old else None,
            amount=new[key].amount if key in new else None,
        )
        for key, line in {**old, **new}.items()
        if (old[key].amount if key in old else None) != (new[key].amount if key in new else None)
    )


def _by_key(figures: Figures) -> Mapping[tuple[str, str | None, date], RoyaltyLine]:
    return {(line.kind, line.name, line.first_day): line for line in figures.lines}
