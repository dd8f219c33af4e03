"""A sale: what a partner sold on a day, and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from engine import Decider
from events.operational import SalesReported
from pydantic import Field

from performance.domain.operational import (
    Amount,
    Currency,
    Day,
    Product,
    Pseudonym,
    Quantity,
    RecordFact,
    ReportFact,
    Route,
    owner_of,
    recorded,
)

# -- commands


class ReportSale(ReportFact):
    """One receipt or the sum of some, without taxes on it; below zero for returns. `customer` is a pseudonym."""

    namespace: ClassVar[UUID] = UUID("0d6c8a55-2f0e-4a9a-9a44-55f1c1f5b0a1")
    past: ClassVar[tuple[str, ...]] = ("sold_on",)

    outlet_id: UUID | None = None
    contract_id: UUID | None = Field(default=None, description="Under which contract, if the partner has several.")
    product: Product | None = None
    quantity: Quantity | None = None
    amount: Amount
    currency: Currency
    sold_on: Day
    route: Route | None = None
    customer: Pseudonym | None = None


class RecordSale(RecordFact):
    report: ReportSale


# -- state


@dataclass(frozen=True)
class Sale:
    """What was reported of it: the last one holds."""

    reports: tuple[SalesReported, ...] = ()


# -- decide and evolve


def decide(command: RecordSale, sale: Sale, now: datetime) -> list[SalesReported]:
    make = partial(SalesReported, sale_id=command.fact_id)
    return recorded(command, sale.reports, make, now)


def evolve(sale: Sale, event: SalesReported) -> Sale:
    return Sale((*sale.reports, event))


sales = Decider("sale", decide, evolve, initial=Sale, events=SalesReported, owner=lambda sale: owner_of(sale.reports))
