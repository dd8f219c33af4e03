"""A royalty statement, one a contract and period: what happened to it, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import reduce
from typing import Any, Literal, assert_never
from uuid import UUID, uuid5

from engine import Unknown
from events import Event
from events.royalty import RoyaltyCorrected, RoyaltyDisputed, RoyaltyOverdue, RoyaltyPaidLate, RoyaltyStated

from contract.domain.royalty_figures import Basis, Figures
from contract.domain.royalty_settlement import Paid, Settlement, settle

STATEMENTS = UUID("91c7b0f4-0d52-4b8e-8a39-5c6e2f7d4a13")
"""The namespace of statement ids."""
Outcome = Literal["upheld", "rejected", "withdrawn"]


def statement_id(contract_id: UUID, period: str) -> UUID:
    return uuid5(STATEMENTS, f"{contract_id}/{period}")


# -- events that stay in the house


class RoyaltyBasisTaken(Event, type="cauce.contract.RoyaltyBasisTaken.v1"):
    """What the statement was computed by, and is from now on. From `overdue_at` on, the end of the day when it is due
    where the contract is, it is overdue; null: no day is agreed."""

    basis: Basis
    overdue_at: datetime | None = None


class RoyaltyRateMissed(Event, type="cauce.contract.RoyaltyRateMissed.v1"):
    """Sales came in currencies for which there is no rate: the statement stands until somebody corrects it with one."""

    currencies: tuple[str, ...]
    because: UUID


class RoyaltyPaymentTaken(Event, type="cauce.contract.RoyaltyPaymentTaken.v1"):
    """A payment was reported for the statement, or reported anew."""

    payment_id: UUID
    partner_id: UUID
    amount: Decimal
    currency: str
    paid_on: date
    restatement: int


class RoyaltyBalanced(Event, type="cauce.contract.RoyaltyBalanced.v1"):
    """What is paid of the statement and what is not, from now on."""

    paid: Decimal
    outstanding: Decimal
    days_late: int
    interest: Decimal | None
    in_other_currencies: int


class RoyaltyDisputeSettled(Event, type="cauce.contract.RoyaltyDisputeSettled.v1"):
    """The dispute is over, by a decision or because the partner withdrew it."""

    outcome: Outcome
    reason: str


RoyaltyEvent = (
    RoyaltyBasisTaken
    | RoyaltyStated
    | RoyaltyCorrected
    | RoyaltyRateMissed
    | RoyaltyPaymentTaken
    | RoyaltyBalanced
    | RoyaltyPaidLate
    | RoyaltyOverdue
    | RoyaltyDisputed
    | RoyaltyDisputeSettled
)


# -- state


@dataclass(frozen=True)
class RoyaltyStatement:
    """`basis` and `figures` are None until it is stated; payments may come before. `overdue`: that it is was told."""

    basis: Basis | None = None
    figures: Figures | None = None
    corrections: int = 0
    missing: tuple[str, ...] = ()
    disputed: str | None = None
    settled: RoyaltyDisputeSettled | None = None
    payer: UUID | None = None
    payments: tuple[Paid, ...] = ()
    balance: Settlement | None = None
    overdue_at: datetime | None = None
    overdue: bool = False

    @property
    def owner(self) -> UUID | None:
        return self.payer if self.basis is None else self.basis.partner_id

    @property
    def settlement(self) -> Settlement | None:
        if self.basis is None or self.figures is None:
            return None
        basis = self.basis
        return settle(self.figures.total, basis.currency, basis.due_on, basis.late_interest_percent, self.payments)


# -- evolve


def evolve(statement: RoyaltyStatement, event: RoyaltyEvent) -> RoyaltyStatement:
    match event:
        case RoyaltyBasisTaken(basis=basis, overdue_at=at):
            return replace(statement, basis=basis, missing=(), overdue_at=at)
        case RoyaltyStated(sales=sales, lines=lines):
            return replace(statement, figures=Figures(sales, lines))
        case RoyaltyCorrected(sales=sales, lines=lines, correction=number):
            return replace(statement, figures=Figures(sales, lines), corrections=number, missing=())
        case RoyaltyRateMissed(currencies=currencies):
            return replace(statement, missing=currencies)
        case RoyaltyPaymentTaken(payment_id=id):
            taken = Paid(id, event.amount, event.currency, event.paid_on, event.restatement)
            others = tuple(each for each in statement.payments if each.payment_id != id)
            return replace(statement, payer=event.partner_id, payments=(*others, taken))
        case RoyaltyBalanced():
            overdue = statement.overdue and event.outstanding > 0
            return replace(statement, balance=Settlement(**event.model_dump()), overdue=overdue)
        case RoyaltyPaidLate():
            return statement
        case RoyaltyOverdue():
            return replace(statement, overdue=True)
        case RoyaltyDisputed(reason=reason):
            return replace(statement, disputed=reason, settled=None)
        case RoyaltyDisputeSettled():
            return replace(statement, disputed=None, settled=event)
        case _:
            assert_never(event)


def after(happened: Iterable[RoyaltyEvent], statement: RoyaltyStatement) -> RoyaltyStatement:
    return reduce(evolve, happened, statement)


# -- what rules of several commands need


def known(statement: RoyaltyStatement) -> Basis:
    if statement.basis is None:
        raise Unknown("contract.royalty_statement_unknown")
    return statement.basis


def whose(basis: Basis) -> dict[str, Any]:
    return {
        "statement_id": statement_id(basis.contract_id, basis.period),
        "contract_id": basis.contract_id,
        "partner_id": basis.partner_id,
        "period": basis.period,
    }
