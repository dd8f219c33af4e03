"""A stock count: how much of a product lay at a partner's on a day, and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from engine import Decider, Rejected
from events.operational import StockReported

from performance.domain.operational import (
    Currency,
    Day,
    NotNegative,
    Product,
    RecordFact,
    ReportFact,
    owner_of,
    recorded,
)

# -- commands


class ReportStock(ReportFact):
    """`amount` is what it is worth, and then has a `currency`."""

    namespace: ClassVar[UUID] = UUID("5c3a2c0a-6a0f-4f0b-8d0b-0d8b2f6b7f52")
    past: ClassVar[tuple[str, ...]] = ("counted_on",)

    outlet_id: UUID | None = None
    product: Product
    quantity: NotNegative
    amount: NotNegative | None = None
    currency: Currency | None = None
    counted_on: Day


class RecordStock(RecordFact):
    report: ReportStock


# -- state


@dataclass(frozen=True)
class StockCount:
    """What was reported of it: the last one holds."""

    reports: tuple[StockReported, ...] = ()


# -- decide and evolve


def decide(command: RecordStock, stock_count: StockCount, now: datetime) -> list[StockReported]:
    if (command.report.amount is None) != (command.report.currency is None):
        raise Rejected("performance.amount_without_currency", field="currency")
    make = partial(StockReported, stock_count_id=command.fact_id)
    return recorded(command, stock_count.reports, make, now)


def evolve(stock_count: StockCount, event: StockReported) -> StockCount:
    return StockCount((*stock_count.reports, event))


stock_counts = Decider(
    "stock_count",
    decide,
    evolve,
    initial=StockCount,
    events=StockReported,
    owner=lambda stock_count: owner_of(stock_count.reports),
)
