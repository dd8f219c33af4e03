"""A cost: what serving a partner cost on a day, and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from engine import Decider
from events.operational import CostKind, CostReported

from performance.domain.operational import (
    Amount,
    Currency,
    Day,
    Product,
    RecordFact,
    ReportFact,
    Route,
    owner_of,
    recorded,
)

# -- commands


class ReportCost(ReportFact):
    """Of the principal's own books: partners do not see it."""

    namespace: ClassVar[UUID] = UUID("f1a7f7f2-3c55-4b2c-9b1e-2b0c6d9e8a74")
    past: ClassVar[tuple[str, ...]] = ("incurred_on",)

    outlet_id: UUID | None = None
    kind: CostKind
    product: Product | None = None
    route: Route | None = None
    amount: Amount
    currency: Currency
    incurred_on: Day


class RecordCost(RecordFact):
    report: ReportCost


# -- state


@dataclass(frozen=True)
class Cost:
    """What was reported of it: the last one holds."""

    reports: tuple[CostReported, ...] = ()


# -- decide and evolve


def decide(command: RecordCost, cost: Cost, now: datetime) -> list[CostReported]:
    make = partial(CostReported, cost_id=command.fact_id)
    return recorded(command, cost.reports, make, now)


def evolve(cost: Cost, event: CostReported) -> Cost:
    return Cost((*cost.reports, event))


costs = Decider("cost", decide, evolve, initial=Cost, events=CostReported, owner=lambda cost: owner_of(cost.reports))
