"""What was heard of partners from other services' topics: previews and back-tests are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.operational import SalesReported
from pydantic import TypeAdapter

from risk.domain.evaluation import Evaluation
from risk.domain.signal import Signal
from risk.heard import Cleared, Heard, heard_of

HEARD = Table(
    "heard",
    """
    id uuid primary key,
    partner_id uuid not null,
    at timestamptz not null,
    kind text not null,
    event_type text not null,
    outcome text,
    subject uuid,
    because uuid[] not null,
    what json
    """,
    indexes=("(partner_id, at)", "(outcome, at)", "(kind, partner_id)"),
)

PARTNER_SALES = Table(
    "partner_sales",
    """
    sale_id uuid primary key,
    partner_id uuid not null,
    sold_on date not null,
    currency text not null,
    amount numeric not null,
    restatement integer not null
    """,
    indexes=("(sold_on)",),
)

WHAT: TypeAdapter[Evaluation | Signal | Cleared] = TypeAdapter(Evaluation | Signal | Cleared)


def project_heard(fact: Fact[Any]) -> Iterator[Statement]:
    heard = heard_of(fact)
    if heard is not None:
        yield HEARD.upsert(
            "id",
            id=heard.id,
            partner_id=heard.partner_id,
            at=heard.at,
            kind=kind_of(heard),
            event_type=fact.event.event_type,
            outcome=heard.outcome,
            subject=heard.subject,
            because=list(heard.because),
            what=None if heard.what is None else WHAT.dump_json(heard.what),
        )


def kind_of(heard: Heard) -> str:
    match heard.what:
        case Evaluation():
            return "evaluation"
        case Signal():
            return "signal"
        case Cleared():
            return "clearance"
        case None:
            return "outcome"


def project_sales(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case SalesReported() as sale:
            yield PARTNER_SALES.sql(
                "insert into {table} (sale_id, partner_id, sold_on, currency, amount, restatement)"
                " values ($1, $2, $3, $4, $5, $6) on conflict (sale_id) do update set sold_on = excluded.sold_on,"
                " currency = excluded.currency, amount = excluded.amount, restatement = excluded.restatement"
                " where {table}.restatement < excluded.restatement",
                sale.sale_id,
                sale.partner_id,
                sale.sold_on,
                sale.currency,
                sale.amount,
                sale.restatement,
            )


heard_view = View(
    "heard", version=1, tables=(HEARD,), project=project_heard, source=("performance", "training", "contract")
)
sales_view = View("partner_sales", version=1, tables=(PARTNER_SALES,), project=project_sales, source="performance")

VIEWS = (heard_view, sales_view)
