"""Read models of operational facts, as they hold now. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from engine import Fact, Statement, Table, View
from events import Event
from events.operational import (
    ConsumerFeedbackReported,
    CostReported,
    PaymentReported,
    SalesReported,
    ShipmentReported,
    StockReported,
)

WHOSE = "partner_id uuid not null,\n    outlet_id uuid,"
REPORTED = """
    source text not null,
    source_ref text not null,
    restatement integer not null,
    event_id uuid not null,
    position bigint not null,
    reported_at bigint not null
"""
"""By whom, and where in the log: `position` of the report that holds, `reported_at` of the first."""


def table(name: str, key: str, columns: str, *, day: str, whose: str = WHOSE) -> Table:
    return Table(
        name,
        f"{key} uuid primary key,\n    {whose}{columns}{REPORTED}",
        indexes=("(reported_at)", f"(partner_id, {day})", f"({day}, reported_at)"),
    )


SALES = table(
    "sales",
    "sale_id",
    """
    contract_id uuid,
    product text,
    quantity numeric,
    amount numeric not null,
    currency text not null,
    sold_on date not null,
    route text,
    customer text,""",
    day="sold_on",
)

STOCK_COUNTS = table(
    "stock_counts",
    "stock_count_id",
    """
    product text not null,
    quantity numeric not null,
    amount numeric,
    currency text,
    counted_on date not null,""",
    day="counted_on",
)

SHIPMENTS = table(
    "shipments",
    "shipment_id",
    """
    product text not null,
    quantity numeric not null,
    delivered numeric,
    route text,
    ordered_on date not null,
    promised_on date,
    shipped_on date,
    delivered_on date,""",
    day="ordered_on",
)

COSTS = table(
    "costs",
    "cost_id",
    """
    kind text not null,
    product text,
    route text,
    amount numeric not null,
    currency text not null,
    incurred_on date not null,""",
    day="incurred_on",
)

PAYMENTS = table(
    "payments",
    "payment_id",
    """
    contract_id uuid,
    purpose text not null,
    period text,
    amount numeric not null,
    currency text not null,
    paid_on date not null,
    due_on date,""",
    day="paid_on",
    whose="partner_id uuid not null,",
)

CONSUMER_FEEDBACK = table(
    "consumer_feedback",
    "consumer_feedback_id",
    """
    instrument text not null,
    score numeric,
    product text,
    route text,
    given_on date not null,
    customer text,""",
    day="given_on",
)


def project(event: type[Event], table: Table, key: str, fact: Fact[Any]) -> Iterator[Statement]:
    """A fact's row is what its last report said; a correction leaves it where it came first."""
    if isinstance(fact.event, event):
        row = fact.event.model_dump()
        if fact.event.restatement == 0:  # type: ignore[attr-defined]
            row["reported_at"] = fact.position
            yield table.insert(**row, event_id=fact.event_id, position=fact.position)
        else:
            yield table.update({key: row.pop(key)}, **row, event_id=fact.event_id, position=fact.position)


def view(event: type[Event], table: Table, key: str) -> View:
    return View(table.name, version=1, tables=(table,), project=partial(project, event, table, key), inline=True)


sales_view = view(SalesReported, SALES, "sale_id")
stock_counts_view = view(StockReported, STOCK_COUNTS, "stock_count_id")
shipments_view = view(ShipmentReported, SHIPMENTS, "shipment_id")
costs_view = view(CostReported, COSTS, "cost_id")
payments_view = view(PaymentReported, PAYMENTS, "payment_id")
consumer_feedback_view = view(ConsumerFeedbackReported, CONSUMER_FEEDBACK, "consumer_feedback_id")

VIEWS = (sales_view, stock_counts_view, shipments_view, costs_view, payments_view, consumer_feedback_view)
