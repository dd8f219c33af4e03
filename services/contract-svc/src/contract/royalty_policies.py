"""What contract-svc does about royalties by itself: it takes in what performance-svc reports of sales and payments, and
counts a statement anew when a sale of its period comes or is restated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine import Fact, Policy, Reaction, Send
from events.operational import PaymentReported, SalesReported

from contract.domain.royalty import RecountRoyalty, TakeRoyaltyPayment, royalty_statements, statement_id
from contract.domain.royalty_sale import RoyaltySaleTaken, TakeSale, royalty_sales
from contract.royalty_counting import Count, counts


def take_reported(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case SalesReported() as sale:
            yield Send(
                royalty_sales,
                sale.sale_id,
                TakeSale(
                    sale_id=sale.sale_id,
                    partner_id=sale.partner_id,
                    contract_id=sale.contract_id,
                    amount=sale.amount,
                    currency=sale.currency,
                    sold_on=sale.sold_on,
                    restatement=sale.restatement,
                    reported_by=fact.event_id,
                ),
            )
        case PaymentReported(purpose="royalty", contract_id=contract_id, period=period) as payment:
            if contract_id is not None and period is not None:
                yield Send(
                    royalty_statements,
                    statement_id(contract_id, period),
                    TakeRoyaltyPayment(
                        payment_id=payment.payment_id,
                        partner_id=payment.partner_id,
                        amount=payment.amount,
                        currency=payment.currency,
                        paid_on=payment.paid_on,
                        restatement=payment.restatement,
                    ),
                )


def count_anew(fact: Fact[Any], gathered: Sequence[Count]) -> Iterator[Reaction]:
    """A sale and a statement that come at once meet here: whichever was recorded second finds the other one."""
    because = fact.event.reported_by if isinstance(fact.event, RoyaltySaleTaken) else fact.event_id
    for each in gathered:
        yield Send(royalty_statements, each.statement_id, RecountRoyalty(sales=each.sales, because=because))


POLICIES = (
    Policy("royalty_reports", source="performance", react=take_reported),
    Policy("royalty_counting", source="contract", react=count_anew, gather=counts),
)
