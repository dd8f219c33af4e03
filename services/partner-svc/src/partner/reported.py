"""What performance-svc reports of partners' sales and costs, for comparing their plans with what came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

from engine import Fact, Rows, Statement, Table, View
from events.operational import CostReported, SalesReported

from partner.domain.economics import Reported

REPORTED = Table(
    "reported_money",
    """
    fact_id uuid primary key,
    partner_id uuid not null,
    what text not null,
    day date not null,
    amount numeric not null,
    currency text not null,
    restatement integer not null
    """,
    indexes=("(partner_id, day)",),
)
KEEP_NEWEST = """
insert into {table} (fact_id, partner_id, what, day, amount, currency, restatement)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (fact_id) do update
set what = excluded.what, day = excluded.day, amount = excluded.amount, currency = excluded.currency,
    restatement = excluded.restatement
where excluded.restatement > {table}.restatement
"""
BY_DAY = """
select day, coalesce(sum(amount) filter (where what = 'sales'), 0) as sales,
       coalesce(sum(amount) filter (where what = 'goods'), 0) as cost_of_goods,
       coalesce(sum(amount) filter (where what = 'other'), 0) as other_costs
from reported_money where partner_id = $1 and currency = $2 and day between $3 and $4 group by day order by day
"""
OTHERS = """
select distinct currency from reported_money
where partner_id = $1 and currency <> $2 and day between $3 and $4 order by currency
"""


def project(fact: Fact[Any]) -> Iterator[Statement]:
    """The highest restatement of each fact holds, in whatever order they come."""
    match fact.event:
        case SalesReported() as sale:
            yield kept(sale, sale.sale_id, "sales", sale.sold_on)
        case CostReported() as cost:
            yield kept(cost, cost.cost_id, "goods" if cost.kind == "goods" else "other", cost.incurred_on)


def kept(fact: SalesReported | CostReported, id: UUID, what: str, day: date) -> Statement:
    return REPORTED.sql(KEEP_NEWEST, id, fact.partner_id, what, day, fact.amount, fact.currency, fact.restatement)


view = View("reported_money", version=1, tables=(REPORTED,), project=project, source="performance")


async def reported_of(db: Rows, partner_id: UUID, currency: str, first: date, last: date) -> list[Reported]:
    return [Reported(**row) for row in await db.fetch(BY_DAY, partner_id, currency, first, last)]


async def left_out(db: Rows, partner_id: UUID, currency: str, first: date, last: date) -> list[str]:
    """The currencies of what was reported otherwise than in this one: nobody said at which rate."""
    return [row["currency"] for row in await db.fetch(OTHERS, partner_id, currency, first, last)]
