"""Taxes on royalties by jurisdiction: those that are added, and those that the partner withholds and pays over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected
from events import Event
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contract.domain.money import Percent
from contract.domain.terms import JurisdictionCode

TAXES = UUID("6e4a7d10-93a4-4c51-8a83-0b1f5d7c2e68")
"""The namespace of the ids of a jurisdiction's taxes."""

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


def taxes_id(jurisdiction: str) -> UUID:
    return uuid5(TAXES, jurisdiction)


class TaxRate(BaseModel):
    """`percent` of the royalty, and of the contribution to the brand fund where `brand_fund` says so. A `tax` is added
    to what is owed, a `withholding` taken off. `law` is where it comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Words
    kind: Literal["tax", "withholding"]
    percent: Percent
    brand_fund: bool = True
    law: Words
    effective_from: date
    effective_to: date | None = None

    def holds(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)


# -- events that stay in the house


class RoyaltyTaxesSet(Event, type="cauce.contract.RoyaltyTaxesSet.v1"):
    """All taxes of a jurisdiction, as they are known from now on."""

    jurisdiction: str
    version: int
    rates: tuple[TaxRate, ...]


# -- commands


class TaxesContent(Command):
    """All of them: what is not named is not known any more. Of one name, no two hold on one day."""

    rates: Annotated[tuple[TaxRate, ...], Field(max_length=50)]


class SetTaxes(TaxesContent):
    jurisdiction: JurisdictionCode


# -- state, decide and evolve


@dataclass(frozen=True)
class Taxes:
    """`version` 0: nobody has set any."""

    version: int = 0
    rates: tuple[TaxRate, ...] = ()

    def on(self, day: date) -> tuple[TaxRate, ...]:
        return tuple(rate for rate in self.rates if rate.holds(day))


def check_rates(rates: Iterable[TaxRate]) -> None:
    """Raises `contract.tax_reversed`, `contract.tax_overlaps`."""
    before: TaxRate | None = None
    for each in sorted(rates, key=lambda rate: (rate.name, rate.effective_from)):
        if each.effective_to is not None and each.effective_to < each.effective_from:
            raise Rejected("contract.tax_reversed", tax=each.name, effective_from=each.effective_from)
        if (
            before is not None
            and before.name == each.name
            and (before.effective_to is None or before.effective_to >= each.effective_from)
        ):
            raise Rejected("contract.tax_overlaps", tax=each.name, effective_from=each.effective_from)
        before = each


def decide(command: SetTaxes, taxes: Taxes, now: datetime) -> list[RoyaltyTaxesSet]:
    check_rates(command.rates)
    if taxes.version and taxes.rates == command.rates:
        return []
    return [RoyaltyTaxesSet(jurisdiction=command.jurisdiction, version=taxes.version + 1, rates=command.rates)]


def evolve(taxes: Taxes, event: RoyaltyTaxesSet) -> Taxes:
    return Taxes(event.version, event.rates)


royalty_taxes = Decider("royalty_taxes", decide, evolve, initial=Taxes, events=RoyaltyTaxesSet)
