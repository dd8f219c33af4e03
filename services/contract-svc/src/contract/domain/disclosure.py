"""The disclosure document: delivered, its clock, the window for signing that opens behind it, and payments, which the
law bars before then as well."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.contract import DisclosureDelivered, Money
from pydantic import StringConstraints

from contract.domain.rules import Rules
from contract.domain.standing import Contract, Draft, Payment, Status
from contract.domain.terms import MoneySaid

Purpose = Literal["initial_fee", "renewal_fee", "transfer_fee", "deposit", "other"]


# -- events that stay in the house


class RulesApplied(Event, type="cauce.contract.RulesApplied.v1"):
    """From now on the contract is judged by this version of its jurisdiction's rules."""

    contract_id: UUID
    rules: Rules


class SigningWindowOpened(Event, type="cauce.contract.SigningWindowOpened.v1"):
    """The law's period after disclosure is over: the parties may sign."""

    contract_id: UUID


class PaymentTaken(Event, type="cauce.contract.PaymentTaken.v1"):
    """The partner paid something on account of the contract."""

    contract_id: UUID
    reference: str
    purpose: Purpose
    amount: Money
    paid_on: date


DisclosureEvent: TypeAlias = RulesApplied | DisclosureDelivered | SigningWindowOpened | PaymentTaken


# -- commands


class DeliverDisclosure(Command):
    """`rules` are the jurisdiction's as they are that day."""

    rules: Rules


class OpenSigningWindow(Command):
    pass


class TakePayment(Command):
    """`reference` is the payment's name in the books: the same again is a repeat."""

    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    purpose: Purpose
    amount: MoneySaid


DisclosureCommand: TypeAlias = DeliverDisclosure | OpenSigningWindow | TakePayment


# -- decide


def apply(draft: Draft, rules: Rules) -> list[RulesApplied]:
    return [] if rules == draft.rules else [RulesApplied(contract_id=draft.contract_id, rules=rules)]


def deliver(contract: Contract, draft: Draft, rules: Rules, now: datetime) -> list[DisclosureEvent]:
    """Before the first signature, and again before a renewal."""
    today = rules.day(now)
    if contract.delivered_on == today:
        return []
    if contract.delivered_on is not None:
        raise Rejected("contract.already_disclosed", delivered_on=contract.delivered_on)
    if contract.status not in (Status.DRAFTED, Status.RENEWAL_ELIGIBLE):
        raise Rejected("contract.not_to_be_disclosed", standing=contract.status.value)
    opens = rules.signing_opens(today)
    delivered = DisclosureDelivered(
        contract_id=draft.contract_id,
        partner_id=draft.partner_id,
        delivered_on=today,
        signing_allowed_from=opens,
        law=rules.citation,
        opens_at=max(rules.start_of(opens), now),
        rules_version=rules.version,
    )
    return [*apply(draft, rules), delivered]


def open_window(contract: Contract, draft: Draft, today: date) -> list[DisclosureEvent]:
    if contract.status is not Status.DISCLOSED:
        return []  # it is signed by now, or withdrawn, or to be renewed
    if contract.signing_opens is None or today < contract.signing_opens:
        raise Rejected("contract.disclosure_period_running", allowed_from=contract.signing_opens)
    return [SigningWindowOpened(contract_id=draft.contract_id)]


def take_payment(contract: Contract, draft: Draft, command: TakePayment, today: date) -> list[DisclosureEvent]:
    amount = Money(amount=command.amount.amount, currency=command.amount.currency)
    known = contract.payments.get(command.reference)
    if known == Payment(command.purpose, amount):
        return []
    if known is not None:
        raise Rejected("contract.payment_reference_used", reference=command.reference, amount=known.amount.amount)
    if contract.status in (Status.WITHDRAWN, Status.EXPIRED, Status.TERMINATED):
        raise Rejected("contract.ended", standing=contract.status.value)
    rule = draft.rules.disclosure
    if rule is not None and rule.bars_payment and contract.effective_from is None:
        if contract.signing_opens is None:
            raise Rejected("contract.not_disclosed", law=rule.citation)
        if today < contract.signing_opens:
            raise Rejected("contract.payment_too_early", allowed_from=contract.signing_opens, law=rule.citation)
    taken = PaymentTaken(
        contract_id=draft.contract_id,
        reference=command.reference,
        purpose=command.purpose,
        amount=amount,
        paid_on=today,
    )
    return [taken]
