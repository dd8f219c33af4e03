"""Payments of a royalty statement: taken in, told when they came late, and told when they did not come."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from engine import Command, Rejected
from events.royalty import RoyaltyOverdue, RoyaltyPaidLate

from contract.domain.money import Currency
from contract.domain.royalty_figures import Basis
from contract.domain.royalty_statement import (
    RoyaltyBalanced,
    RoyaltyEvent,
    RoyaltyPaymentTaken,
    RoyaltyStatement,
    after,
    whose,
)


class TakeRoyaltyPayment(Command):
    payment_id: UUID
    partner_id: UUID
    amount: Decimal
    currency: Currency
    paid_on: date
    restatement: int


class CallOverdue(Command):
    """Its day has passed."""


def take_payment(statement: RoyaltyStatement, command: TakeRoyaltyPayment, now: datetime) -> list[RoyaltyEvent]:
    """Raises `contract.payments_of_another`."""
    if statement.owner not in (None, command.partner_id):
        raise Rejected("contract.payments_of_another", partner_id=statement.owner)
    known = next((each for each in statement.payments if each.payment_id == command.payment_id), None)
    if known is not None and known.restatement >= command.restatement:
        return []
    taken = RoyaltyPaymentTaken(**command.model_dump(exclude={"occurred_at"}))
    return balanced(statement, [taken], now)


def balanced(statement: RoyaltyStatement, happened: list[RoyaltyEvent], now: datetime) -> list[RoyaltyEvent]:
    """What happened, and what it does to what is paid and owed."""
    events = settled(statement, happened)
    return [*events, *overdue(after(events, statement), now)]


def overdue(statement: RoyaltyStatement, now: datetime) -> list[RoyaltyEvent]:
    basis, balance = statement.basis, statement.balance
    if basis is None or basis.due_on is None or balance is None:
        return []
    if statement.overdue or statement.overdue_at is None or now < statement.overdue_at or balance.outstanding <= 0:
        return []
    told = RoyaltyOverdue(**whose(basis), currency=basis.currency, due_on=basis.due_on, outstanding=balance.outstanding)
    return [told]


def call_overdue(statement: RoyaltyStatement, basis: Basis, now: datetime) -> list[RoyaltyEvent]:
    """Raises `contract.royalty_not_due`: its day was moved since the timer was set."""
    if statement.overdue_at is None or now < statement.overdue_at:
        raise Rejected("contract.royalty_not_due", due_on=basis.due_on)
    return overdue(statement, now)


def settled(statement: RoyaltyStatement, happened: list[RoyaltyEvent]) -> list[RoyaltyEvent]:
    then = after(happened, statement)
    basis, found = then.basis, then.settlement
    if basis is None or found is None or found == then.balance:
        return happened
    events = [*happened, RoyaltyBalanced(**vars(found))]
    before = None if statement.balance is None else (statement.balance.days_late, statement.balance.interest)
    if basis.due_on is not None and found.days_late and (found.days_late, found.interest) != before:
        events.append(
            RoyaltyPaidLate(
                **whose(basis),
                currency=basis.currency,
                due_on=basis.due_on,
                days_late=found.days_late,
                paid=found.paid,
                outstanding=found.outstanding,
                interest=found.interest,
            )
        )
    return events
