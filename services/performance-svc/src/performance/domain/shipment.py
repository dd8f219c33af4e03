"""A shipment: an order line on its way to a partner, told anew as it goes on, and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import ClassVar
from uuid import UUID

from engine import Decider, Rejected
from events.operational import ShipmentReported

from performance.domain.operational import (
    Day,
    NotNegative,
    Positive,
    Product,
    RecordFact,
    ReportFact,
    Route,
    owner_of,
    recorded,
)

# -- commands


class ReportShipment(ReportFact):
    """`quantity` was ordered, `delivered` came. What is known later is said by a report that `corrects` this one."""

    namespace: ClassVar[UUID] = UUID("a8e6c0c1-5a0d-4f0e-8a5e-6b7a1c6f5d03")
    past: ClassVar[tuple[str, ...]] = ("ordered_on", "shipped_on", "delivered_on")

    outlet_id: UUID | None = None
    product: Product
    quantity: Positive
    delivered: NotNegative | None = None
    route: Route | None = None
    ordered_on: Day
    promised_on: Day | None = None
    shipped_on: Day | None = None
    delivered_on: Day | None = None


def check_order(report: ReportShipment) -> None:
    """Raises `performance.delivery_incomplete`, `performance.days_out_of_order`."""
    if (report.delivered is None) != (report.delivered_on is None):
        raise Rejected("performance.delivery_incomplete", field="delivered_on")
    days = {"ordered_on": report.ordered_on, "shipped_on": report.shipped_on, "delivered_on": report.delivered_on}
    known = [(name, day) for name, day in days.items() if day is not None]
    for (earlier, first), (later, then) in pairwise(known):
        if then < first:
            raise Rejected("performance.days_out_of_order", field=later, **{earlier: first, later: then})


class RecordShipment(RecordFact):
    report: ReportShipment


# -- state


@dataclass(frozen=True)
class Shipment:
    """What was reported of it: the last one holds."""

    reports: tuple[ShipmentReported, ...] = ()


# -- decide and evolve


def decide(command: RecordShipment, shipment: Shipment, now: datetime) -> list[ShipmentReported]:
    check_order(command.report)
    make = partial(ShipmentReported, shipment_id=command.fact_id)
    return recorded(command, shipment.reports, make, now)


def evolve(shipment: Shipment, event: ShipmentReported) -> Shipment:
    return Shipment((*shipment.reports, event))


shipments = Decider(
    "shipment",
    decide,
    evolve,
    initial=Shipment,
    events=ShipmentReported,
    owner=lambda shipment: owner_of(shipment.reports),
)
