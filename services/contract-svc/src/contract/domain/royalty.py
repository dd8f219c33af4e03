"""A royalty statement: stated when its period is over, corrected and never overwritten, disputed, paid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.periods import last_day
from events.royalty import RoyaltyCorrected, RoyaltyDisputed, RoyaltyPaidLate, RoyaltyStated

from contract.domain.money import Currency
from contract.domain.royalty_figures import Basis, DaySales, Figures, changes, figures, missing_rates
from contract.domain.royalty_settlement import Paid, Settlement, settle
from contract.domain.rules import Rules
from contract.domain.terms import Reason

STATEMENTS = UUID("91c7b0f4-0d52-4b8e-8a39-5c6e2f7d4a13")
"""The namespace of statement ids."""
Outcome = Literal["upheld", "rejected", "withdrawn"]


def statement_id(contract_id: UUID, period: str) -> UUID:
    return uuid5(STATEMENTS, f"{contract_id}/{period}")


# -- events that stay in the house


class RoyaltyBasisTaken(Event, type="cauce.contract.RoyaltyBasisTaken.v1"):
    """What the statement was computed by, and is from now on."""

    basis: Basis


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
    | RoyaltyDisputed
    | RoyaltyDisputeSettled
)


# -- commands


class StateRoyalty(Command):
    """`rules` are the jurisdiction's, for its legal day. `unattributed` are sales of the period that name no contract
    while the partner has `others` in force besides."""

    basis: Basis
    rules: Rules
    sales: tuple[DaySales, ...]
    unattributed: int = 0
    others: tuple[UUID, ...] = ()


class CorrectRoyalty(StateRoyalty):
    """By what holds now: terms, taxes, rates and sales."""

    reason: Reason


class RecountRoyalty(Command):
    """The sales of its period are these; `because` is the event of the one that came or was restated."""

    sales: tuple[DaySales, ...]
    because: UUID


class TakeRoyaltyPayment(Command):
    payment_id: UUID
    partner_id: UUID
    amount: Decimal
    currency: Currency
    paid_on: date
    restatement: int


class DisputeRoyalty(Command):
    reason: Reason


class SettleRoyaltyDispute(Command):
    """`upheld`: the partner is right, and a correction follows; `rejected`: the statement stands."""

    outcome: Outcome
    reason: Reason


RoyaltyCommand = (
    StateRoyalty | CorrectRoyalty | RecountRoyalty | TakeRoyaltyPayment | DisputeRoyalty | SettleRoyaltyDispute
)


# -- state


@dataclass(frozen=True)
class RoyaltyStatement:
    """`basis` and `figures` are None until it is stated; payments may come before."""

    basis: Basis | None = None
    figures: Figures | None = None
    corrections: int = 0
    missing: tuple[str, ...] = ()
    disputed: str | None = None
    settled: RoyaltyDisputeSettled | None = None
    payer: UUID | None = None
    payments: tuple[Paid, ...] = ()
    balance: Settlement | None = None

    @property
    def owner(self) -> UUID | None:
        return self.payer if self.basis is None else self.basis.partner_id

    @property
    def settlement(self) -> Settlement | None:
        if self.basis is None or self.figures is None:
            return None
        basis = self.basis
        return settle(self.figures.total, basis.currency, basis.due_on, basis.late_interest_percent, self.payments)


# -- decide


def check_statable(command: StateRoyalty, now: datetime) -> None:
    """Raises `contract.period_not_over`, `contract.not_in_force_in_period`, `contract.sales_of_no_contract`,
    `contract.sales_without_schedule`."""
    basis = command.basis
    over, (first, last) = last_day(basis.period) + timedelta(days=1), basis.in_force
    if command.rules.day(now) < over:
        raise Rejected("contract.period_not_over", period=basis.period, allowed_from=over)
    if last < first:
        raise Rejected(
            "contract.not_in_force_in_period",
            period=basis.period,
            in_force_from=basis.in_force_from,
            in_force_until=basis.in_force_until,
        )
    if command.unattributed:
        raise Rejected(
            "contract.sales_of_no_contract",
            sales=command.unattributed,
            contracts=sorted(map(str, command.others)),
            hint="the partner has several contracts in this period: correct the sales to name theirs",
        )
    covered = basis.stretches
    for each in sorted(command.sales, key=lambda sales: sales.day):
        if first <= each.day <= last and not any(days.first_day <= each.day <= days.last_day for days in covered):
            raise Rejected("contract.sales_without_schedule", day=each.day)


def state_royalty(statement: RoyaltyStatement, command: StateRoyalty, now: datetime) -> list[RoyaltyEvent]:
    """Raises `contract.royalty_stated`, `contract.payments_of_another`, and as `check_statable` and `figures`."""
    basis = command.basis
    check_statable(command, now)
    found = figures(basis, command.sales)
    if statement.figures is not None:
        if (statement.basis, statement.figures) == (basis, found):
            return []
        raise Rejected(
            "contract.royalty_stated",
            period=basis.period,
            hint="what changed since is a correction: restated sales lead to one by themselves",
        )
    if statement.payer not in (None, basis.partner_id):
        raise Rejected("contract.payments_of_another", partner_id=statement.payer)
    stated = RoyaltyStated(**_told(basis, found))
    return balanced(statement, [stated, RoyaltyBasisTaken(basis=basis)])


def correct(statement: RoyaltyStatement, command: CorrectRoyalty, now: datetime) -> list[RoyaltyEvent]:
    check_statable(command, now)
    basis, found = command.basis, figures(command.basis, command.sales)
    if statement.figures is None:
        raise Unknown("contract.royalty_statement_unknown", period=basis.period)
    if (statement.basis, statement.figures) == (basis, found):
        return []
    corrected = correction(statement, basis, found, reason=command.reason)
    return balanced(statement, [corrected, RoyaltyBasisTaken(basis=basis)])


def recount(statement: RoyaltyStatement, command: RecountRoyalty) -> list[RoyaltyEvent]:
    basis = statement.basis
    if basis is None or statement.figures is None:
        return []
    if missing := missing_rates(basis, command.sales):
        known = statement.missing == missing
        return [] if known else [RoyaltyRateMissed(currencies=missing, because=command.because)]
    found = figures(basis, command.sales)
    if found == statement.figures:
        return []
    return balanced(statement, [correction(statement, basis, found, because=(command.because,))])


def correction(statement: RoyaltyStatement, basis: Basis, after: Figures, **why: Any) -> RoyaltyCorrected:
    before = statement.figures or Figures((), ())
    return RoyaltyCorrected(
        **_told(basis, after),
        previous_total=before.total,
        delta=after.total - before.total,
        changes=changes(before, after),
        correction=statement.corrections + 1,
        **why,
    )


def take_payment(statement: RoyaltyStatement, command: TakeRoyaltyPayment) -> list[RoyaltyEvent]:
    """Raises `contract.payments_of_another`."""
    if statement.owner not in (None, command.partner_id):
        raise Rejected("contract.payments_of_another", partner_id=statement.owner)
    known = next((each for each in statement.payments if each.payment_id == command.payment_id), None)
    if known is not None and known.restatement >= command.restatement:
        return []
    taken = RoyaltyPaymentTaken(**command.model_dump(exclude={"occurred_at"}))
    return balanced(statement, [taken])


def balanced(statement: RoyaltyStatement, happened: list[RoyaltyEvent]) -> list[RoyaltyEvent]:
    """What happened, and what it does to what is paid and owed."""
    after = royalty_statements.fold(happened, statement)
    basis, found = after.basis, after.settlement
    if basis is None or found is None or found == after.balance:
        return happened
    events = [*happened, RoyaltyBalanced(**vars(found))]
    before = None if statement.balance is None else (statement.balance.days_late, statement.balance.interest)
    if basis.due_on is not None and found.days_late and (found.days_late, found.interest) != before:
        events.append(
            RoyaltyPaidLate(
                **_whose(basis),
                currency=basis.currency,
                due_on=basis.due_on,
                days_late=found.days_late,
                paid=found.paid,
                outstanding=found.outstanding,
                interest=found.interest,
            )
        )
    return events


def dispute(statement: RoyaltyStatement, basis: Basis, reason: str) -> list[RoyaltyEvent]:
    if statement.disputed == reason:
        return []
    if statement.disputed is not None:
        raise Rejected("contract.royalty_disputed", reason=statement.disputed)
    return [RoyaltyDisputed(**_whose(basis), reason=reason)]


def _whose(basis: Basis) -> dict[str, Any]:
    return {
        "statement_id": statement_id(basis.contract_id, basis.period),
        "contract_id": basis.contract_id,
        "partner_id": basis.partner_id,
        "period": basis.period,
    }


def _told(basis: Basis, found: Figures) -> dict[str, Any]:
    return {
        **_whose(basis),
        "currency": basis.currency,
        "sales": found.sales,
        "lines": found.lines,
        "total": found.total,
        "due_on": basis.due_on,
        "terms_version": basis.terms_version,
        "tax_version": basis.tax_version,
    }


def settle_dispute(statement: RoyaltyStatement, command: SettleRoyaltyDispute) -> list[RoyaltyEvent]:
    settled = RoyaltyDisputeSettled(outcome=command.outcome, reason=command.reason)
    if statement.disputed is None:
        if statement.settled == settled:
            return []
        raise Rejected("contract.royalty_not_disputed")
    return [settled]


def decide(command: RoyaltyCommand, statement: RoyaltyStatement, now: datetime) -> list[RoyaltyEvent]:
    match command:
        case CorrectRoyalty():
            return correct(statement, command, now)
        case StateRoyalty():
            return state_royalty(statement, command, now)
        case RecountRoyalty():
            return recount(statement, command)
        case TakeRoyaltyPayment():
            return take_payment(statement, command)
        case DisputeRoyalty(reason=reason):
            return dispute(statement, known(statement), reason)
        case SettleRoyaltyDispute():
            known(statement)
            return settle_dispute(statement, command)
        case _:
            assert_never(command)


def known(statement: RoyaltyStatement) -> Basis:
    if statement.basis is None:
        raise Unknown("contract.royalty_statement_unknown")
    return statement.basis


# -- evolve


def evolve(statement: RoyaltyStatement, event: RoyaltyEvent) -> RoyaltyStatement:
    match event:
        case RoyaltyBasisTaken(basis=basis):
            return replace(statement, basis=basis, missing=())
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
            return replace(statement, balance=Settlement(**event.model_dump()))
        case RoyaltyPaidLate():
            return statement
        case RoyaltyDisputed(reason=reason):
            return replace(statement, disputed=reason, settled=None)
        case RoyaltyDisputeSettled():
            return replace(statement, disputed=None, settled=event)
        case _:
            assert_never(event)


royalty_statements = Decider(
    "royalty_statement",
    decide,
    evolve,
    initial=RoyaltyStatement,
    events=RoyaltyEvent,
    owner=lambda statement: statement.owner,
)
