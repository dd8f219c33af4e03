"""A royalty statement: stated when its period is over, corrected and never overwritten, disputed, paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events.periods import last_day
from events.royalty import RoyaltyCorrected, RoyaltyStated

from contract.domain.royalty_dispute import DisputeRoyalty, SettleRoyaltyDispute, dispute, settle_dispute
from contract.domain.royalty_figures import Basis, DaySales, Figures, changes, figures, missing_rates
from contract.domain.royalty_payment import CallOverdue, TakeRoyaltyPayment, balanced, call_overdue, take_payment
from contract.domain.royalty_statement import (
    RoyaltyBasisTaken,
    RoyaltyEvent,
    RoyaltyRateMissed,
    RoyaltyStatement,
    evolve,
    known,
    whose,
)
from contract.domain.rules import Rules
from contract.domain.terms import Reason

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


RoyaltyCommand = (
    StateRoyalty
    | CorrectRoyalty
    | RecountRoyalty
    | TakeRoyaltyPayment
    | CallOverdue
    | DisputeRoyalty
    | SettleRoyaltyDispute
)


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
    return balanced(statement, [stated, taken_by(command)], now)


def correct(statement: RoyaltyStatement, command: CorrectRoyalty, now: datetime) -> list[RoyaltyEvent]:
    check_statable(command, now)
    basis, found = command.basis, figures(command.basis, command.sales)
    if statement.figures is None:
        raise Unknown("contract.royalty_statement_unknown", period=basis.period)
    if (statement.basis, statement.figures) == (basis, found):
        return []
    corrected = correction(statement, basis, found, reason=command.reason)
    return balanced(statement, [corrected, taken_by(command)], now)


def recount(statement: RoyaltyStatement, command: RecountRoyalty, now: datetime) -> list[RoyaltyEvent]:
    basis = statement.basis
    if basis is None or statement.figures is None:
        return []
    if missing := missing_rates(basis, command.sales):
        known = statement.missing == missing
        return [] if known else [RoyaltyRateMissed(currencies=missing, because=command.because)]
    found = figures(basis, command.sales)
    if found == statement.figures:
        return []
    return balanced(statement, [correction(statement, basis, found, because=(command.because,))], now)


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


def taken_by(command: StateRoyalty) -> RoyaltyBasisTaken:
    due_on = command.basis.due_on
    return RoyaltyBasisTaken(basis=command.basis, overdue_at=None if due_on is None else command.rules.end_of(due_on))


def _told(basis: Basis, found: Figures) -> dict[str, Any]:
    return {
        **whose(basis),
        "currency": basis.currency,
        "sales": found.sales,
        "lines": found.lines,
        "total": found.total,
        "due_on": basis.due_on,
        "terms_version": basis.terms_version,
        "tax_version": basis.tax_version,
    }


def decide(command: RoyaltyCommand, statement: RoyaltyStatement, now: datetime) -> list[RoyaltyEvent]:
    match command:
        case CorrectRoyalty():
            return correct(statement, command, now)
        case StateRoyalty():
            return state_royalty(statement, command, now)
        case RecountRoyalty():
            return recount(statement, command, now)
        case TakeRoyaltyPayment():
            return take_payment(statement, command, now)
        case CallOverdue():
            return call_overdue(statement, known(statement), now)
        case DisputeRoyalty(reason=reason):
            return dispute(statement, known(statement), reason)
        case SettleRoyaltyDispute():
            known(statement)
            return settle_dispute(statement, command)
        case _:
            assert_never(command)


royalty_statements = Decider(
    "royalty_statement",
    decide,
    evolve,
    initial=RoyaltyStatement,
    events=RoyaltyEvent,
    owner=lambda statement: statement.owner,
)
