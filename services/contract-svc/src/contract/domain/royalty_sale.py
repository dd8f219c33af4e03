"""A reported sale, as royalties count it.

What performance-svc reports is taken into this service's own log, so that a sale and the statement that it belongs to
have one order: whichever is recorded first, the other one meets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from engine import Command, Decider
from events import Event


class RoyaltySaleTaken(Event, type="cauce.contract.RoyaltySaleTaken.v1"):
    """A sale was reported, or reported anew: then `previously_on` is the day that it was said to be of before.
    `reported_by` is performance-svc's event."""

    sale_id: UUID
    partner_id: UUID
    contract_id: UUID | None
    amount: Decimal
    currency: str
    sold_on: date
    previously_on: date | None
    restatement: int
    reported_by: UUID


class TakeSale(Command):
    sale_id: UUID
    partner_id: UUID
    contract_id: UUID | None
    amount: Decimal
    currency: str
    sold_on: date
    restatement: int
    reported_by: UUID


@dataclass(frozen=True)
class RoyaltySale:
    """`taken` is None until it is reported; the last report holds."""

    taken: RoyaltySaleTaken | None = None


def decide(command: TakeSale, sale: RoyaltySale, now: datetime) -> list[RoyaltySaleTaken]:
    before = sale.taken
    if before is not None and before.restatement >= command.restatement:
        return []
    content = command.model_dump(exclude={"occurred_at"})
    return [RoyaltySaleTaken(previously_on=None if before is None else before.sold_on, **content)]


def evolve(sale: RoyaltySale, event: RoyaltySaleTaken) -> RoyaltySale:
    return RoyaltySale(event)


royalty_sales = Decider(
    "royalty_sale",
    decide,
    evolve,
    initial=RoyaltySale,
    events=RoyaltySaleTaken,
    owner=lambda sale: None if sale.taken is None else sale.taken.partner_id,
)
