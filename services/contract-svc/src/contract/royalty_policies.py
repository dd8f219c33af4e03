"""What contract-svc does about royalties by itself: it has the royalty terms follow the contract, takes in what
performance-svc reports of sales and payments, counts a statement anew when a sale of its period comes or is restated,
and tells what was not paid by its day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from engine import Fact, Policy, Reaction, Rows, Send, SetTimer
from events.contract import ContractInForce, ContractTerms, ContractTransferred
from events.operational import PaymentReported, SalesReported

from contract.domain.addendum import AddendumSigned
from contract.domain.royalty import RecountRoyalty, royalty_statements
from contract.domain.royalty_payment import CallOverdue, TakeRoyaltyPayment
from contract.domain.royalty_sale import RoyaltySaleTaken, TakeSale, royalty_sales
from contract.domain.royalty_statement import RoyaltyBasisTaken, statement_id
from contract.domain.royalty_terms import FollowContract, PassRoyaltyTerms, royalty_terms
from contract.domain.terms import royalty_currency
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


@dataclass(frozen=True)
class Agreed:
    """What a contract's parties signed, and the day from which it holds."""

    terms: ContractTerms
    effective_from: date


async def agreed(db: Rows, fact: Fact[Any]) -> Agreed | None:
    row = await db.fetchrow("select terms, effective_from from contracts where contract_id = $1", fact.stream_id)
    if row is None or row["terms"] is None or row["effective_from"] is None:
        return None
    return Agreed(ContractTerms.model_validate_json(row["terms"]), row["effective_from"])


def count_anew(fact: Fact[Any], gathered: Sequence[Count]) -> Iterator[Reaction]:
    """A sale and a statement that come at once meet here: whichever was recorded second finds the other one."""
    because = fact.event.reported_by if isinstance(fact.event, RoyaltySaleTaken) else fact.event_id
    for each in gathered:
        yield Send(royalty_statements, each.statement_id, RecountRoyalty(sales=each.sales, because=because))


def follow_terms(fact: Fact[Any], agreed: Agreed | None) -> Iterator[Reaction]:
    """What was agreed on is what is charged: from the contract's first day, and from an addendum's."""
    match fact.event:
        case ContractInForce(contract_id=id, partner_id=partner_id):
            if agreed is not None and royalty_currency(agreed.terms) is not None:
                yield Send(
                    royalty_terms,
                    id,
                    FollowContract(
                        contract_id=id,
                        partner_id=partner_id,
                        terms=agreed.terms,
                        effective_from=agreed.effective_from,
                    ),
                )
        case AddendumSigned(contract_id=id, partner_id=partner_id, effective_from=day, terms=terms):
            if partner_id is not None and day is not None and terms is not None:
                follow = FollowContract(contract_id=id, partner_id=partner_id, terms=terms, effective_from=day)
                yield Send(royalty_terms, id, follow)
        case ContractTransferred(contract_id=id, partner_id=partner_id):
            yield Send(royalty_terms, id, PassRoyaltyTerms(partner_id=partner_id))


def wait_for_payment(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case RoyaltyBasisTaken(basis=basis, overdue_at=at) if at is not None:
            id = statement_id(basis.contract_id, basis.period)
            yield SetTimer(f"{id}/overdue", at, Send(royalty_statements, id, CallOverdue()))


async def own(db: Rows, fact: Fact[Any]) -> Agreed | Sequence[Count] | None:
    return await agreed(db, fact) if isinstance(fact.event, ContractInForce) else await counts(db, fact)


def carry_on(fact: Fact[Any], gathered: Agreed | Sequence[Count] | None) -> Iterator[Reaction]:
    if isinstance(gathered, Sequence):
        yield from count_anew(fact, gathered)
    yield from follow_terms(fact, gathered if isinstance(gathered, Agreed) else None)
    yield from wait_for_payment(fact)


POLICIES = (
    Policy("royalty_reports", source="performance", react=take_reported),
    Policy("royalty_counting", source="contract", react=carry_on, gather=own),
)
