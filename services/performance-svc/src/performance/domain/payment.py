"""A payment: what a partner paid, what for and when, and its corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ClassVar
from uuid import UUID

from engine import Decider
from events.operational import PaymentReported, Purpose

from performance.domain.operational import Amount, Currency, Day, RecordFact, ReportFact, owner_of, recorded
from performance.domain.period import Period

# -- commands


class ReportPayment(ReportFact):
    """A royalty's says by `contract_id` and `period` which statement it pays; what was paid back is below zero."""

    namespace: ClassVar[UUID] = UUID("7b9d6d4e-1f6f-4d0a-a7d5-9c1f0e2d3c85")
    past: ClassVar[tuple[str, ...]] = ("paid_on",)
    kept: ClassVar[tuple[str, ...]] = ("partner_id", "contract_id", "purpose", "period")

    contract_id: UUID | None = None
    purpose: Purpose
    period: Period | None = None
    amount: Amount
    currency: Currency
    paid_on: Day
    due_on: Day | None = None


class RecordPayment(RecordFact):
    report: ReportPayment


# -- state


@dataclass(frozen=True)
class Payment:
    """What was reported of it: the last one holds."""

    reports: tuple[PaymentReported, ...] = ()


# -- decide and evolve


def decide(command: RecordPayment, payment: Payment, now: datetime) -> list[PaymentReported]:
    make = partial(PaymentReported, payment_id=command.fact_id)
    return recorded(command, payment.reports, make, now)


def evolve(payment: Payment, event: PaymentReported) -> Payment:
    return Payment((*payment.reports, event))


payments = Decider(
    "payment", decide, evolve, initial=Payment, events=PaymentReported, owner=lambda payment: owner_of(payment.reports)
)
