"""Which sales a statement counts, and which statements a sale is counted in: read from the views, which are written
with the append."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from engine import Fact, Rows
from events.periods import first_day, last_day

from contract.domain.royalty_figures import DaySales
from contract.domain.royalty_sale import RoyaltySaleTaken
from contract.domain.royalty_statement import RoyaltyBasisTaken

DAY_SALES = """
select sold_on, currency, sum(amount) as amount from royalty_sales
where partner_id = $1 and sold_on between $2 and $3 and (contract_id = $4 or (contract_id is null and $5))
group by sold_on, currency order by sold_on, currency
"""

# Whichever contract it names: it may have named another before.
STATEMENTS = """
select statement_id, contract_id, partner_id, first_day, last_day, sole from royalty_statements
where partner_id = $1 and (($2::date between first_day and last_day) or ($3::date between first_day and last_day))
order by statement_id
"""


@dataclass(frozen=True)
class Count:
    """A statement and the sales that are its."""

    statement_id: UUID
    sales: tuple[DaySales, ...]


async def day_sales(
    db: Rows, partner_id: UUID, contract_id: UUID, sole: bool, days: tuple[date, date]
) -> tuple[DaySales, ...]:
    """The contract's sales from the first to the last day, by day and currency. They need not name it where it is the
    partner's `sole` one."""
    rows = await db.fetch(DAY_SALES, partner_id, *days, contract_id, sole)
    return tuple(DaySales(row["sold_on"], row["currency"], row["amount"]) for row in rows)


async def counts(db: Rows, fact: Fact[Any]) -> Sequence[Count]:
    """What has to be counted anew because of the fact, with all that is there by now."""
    match fact.event:
        case RoyaltySaleTaken(partner_id=partner_id, sold_on=day, previously_on=before):
            rows = await db.fetch(STATEMENTS, partner_id, day, before)
            return [
                Count(
                    row["statement_id"],
                    await day_sales(
                        db, partner_id, row["contract_id"], row["sole"], (row["first_day"], row["last_day"])
                    ),
                )
                for row in rows
            ]
        case RoyaltyBasisTaken(basis=basis):
            days = first_day(basis.period), last_day(basis.period)
            found = await day_sales(db, basis.partner_id, basis.contract_id, basis.sole, days)
            return [Count(fact.stream_id, found)]
        case _:
            return []
