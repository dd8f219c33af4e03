"""What of a royalty statement is paid, what was paid late, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from contract.domain.money import rounded, share, total

YEAR = 365
"""Days that interest for a year is for (actual/365 fixed)."""


@dataclass(frozen=True)
class Paid:
    """A payment, as it was reported last; below zero it was paid back."""

    payment_id: UUID
    amount: Decimal
    currency: str
    paid_on: date
    restatement: int


@dataclass(frozen=True)
class Settlement:
    """`interest` is None where the terms have no rate. Payments in other currencies than the statement's are counted
    and not taken in: there is no rate for them."""

    paid: Decimal
    outstanding: Decimal
    days_late: int
    interest: Decimal | None
    in_other_currencies: int


def settle(
    owed: Decimal, currency: str, due_on: date | None, rate: Decimal | None, payments: Iterable[Paid]
) -> Settlement:
    """Payments are taken in by their days. Of each the part that is still owed counts as late when it comes after the
    day when it was due, and costs part * rate / 100 * days / 365, all of it rounded once, a half to even."""
    left, days_late = owed, 0
    paid: list[Decimal] = []
    costs: list[Decimal] = []
    others = 0
    for each in sorted(payments, key=lambda payment: (payment.paid_on, payment.payment_id)):
        if each.currency != currency:
            others += 1
            continue
        part = min(each.amount, max(left, Decimal(0)))
        late = 0 if due_on is None else max(0, (each.paid_on - due_on).days)
        if part > 0 and late:
            days_late = max(days_late, late)
            costs.append(share(share(part, rate or Decimal(0), 100), late, YEAR))
        left -= each.amount
        paid.append(each.amount)
    interest = None if rate is None else rounded(total(tuple(costs)), currency)
    return Settlement(total(tuple(paid)), left, days_late, interest, others)
