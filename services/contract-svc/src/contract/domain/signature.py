"""Signatures: each party's, none before the law allows it; the last sets the contract's clock. And withdrawal, which
ends what not all have signed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.contract import ContractTerms, PartnerSigned

from contract.domain.rules import Rules
from contract.domain.standing import PARTIES, Contract, Draft, Party, Status, refuse_before_window
from contract.domain.terms import Reason, over

# -- events that stay in the house


class PartySigned(Event, type="cauce.contract.PartySigned.v1"):
    """A party signed; `effective_from` is the day that is agreed so far for the contract to take effect, if any."""

    contract_id: UUID
    party: Party
    signed_on: date
    effective_from: date | None


class ContractExecuted(Event, type="cauce.contract.ContractExecuted.v1"):
    """The last signature set the clock: in force from the one instant, expired at the other, to be renewed from
    `renewable_at` on. None: it has no end, or is not to be renewed."""

    contract_id: UUID
    in_force_at: datetime
    expires_at: datetime | None
    renewable_at: datetime | None = None


class ContractWithdrawn(Event, type="cauce.contract.ContractWithdrawn.v1"):
    """It came to no contract."""

    contract_id: UUID
    partner_id: UUID
    reason: str


SignatureEvent: TypeAlias = PartySigned | PartnerSigned | ContractExecuted | ContractWithdrawn


# -- commands


class SignContract(Command):
    """`effective_from` is the day from which the contract is to hold: one that the parties agree on, not before the
    last signature; without it, the day of the last signature."""

    party: Party
    effective_from: date | None = None


class WithdrawContract(Command):
    reason: Reason


SignatureCommand: TypeAlias = SignContract | WithdrawContract


# -- decide


def sign(contract: Contract, draft: Draft, command: SignContract, now: datetime) -> list[SignatureEvent]:
    rules, today = draft.rules, draft.rules.day(now)
    if contract.status is Status.WITHDRAWN:
        raise Rejected("contract.withdrawn", reason=contract.ended_because)
    if command.party in contract.signed_by:
        if command.effective_from in (None, contract.effective_from):
            return []
        raise Rejected("contract.already_signed", party=command.party.value, effective_from=contract.effective_from)
    refuse_before_window(contract, rules, today)
    agreed = agreed_day(contract, draft.terms, command.effective_from, today)
    last = contract.signed_by | {command.party} == set(PARTIES)
    signed = PartySigned(
        contract_id=draft.contract_id,
        party=command.party,
        signed_on=today,
        effective_from=(agreed or today) if last else agreed,
    )
    return [signed, *execute(draft, agreed or today, now)] if last else [signed]


def agreed_day(contract: Contract, terms: ContractTerms, proposed: date | None, today: date) -> date | None:
    """The day on which the contract is to take effect. One that has passed before all have signed is open again."""
    agreed = contract.effective_from
    if agreed is not None and agreed < today:
        agreed = None
    if proposed is not None and proposed < today:
        raise Rejected("contract.effective_before_signing", effective_from=proposed, signed_on=today)
    if proposed is not None and agreed is not None and proposed != agreed:
        raise Rejected("contract.effective_from_differs", effective_from=proposed, agreed=agreed)
    day = proposed or agreed
    if over(terms, day or today):
        raise Rejected("contract.term_over", term_ends_on=terms.term_ends_on)
    return day


def execute(draft: Draft, effective_from: date, now: datetime) -> list[SignatureEvent]:
    # The day of the last signature began before it: nothing is in force before it is signed.
    in_force_at = max(draft.rules.start_of(effective_from), now)
    expires_at, renewable_at = clocks(draft.rules, draft.terms)
    return [
        PartnerSigned(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            areas=draft.terms.areas,
            effective_from=effective_from,
        ),
        ContractExecuted(
            contract_id=draft.contract_id,
            in_force_at=in_force_at,
            expires_at=expires_at,
            renewable_at=None if renewable_at is None else max(renewable_at, in_force_at),
        ),
    ]


def clocks(rules: Rules, terms: ContractTerms, renewals: int = 0) -> tuple[datetime | None, datetime | None]:
    """When a contract with these terms expires, and from when it may be renewed once more."""
    if terms.term_ends_on is None:
        return None, None
    expires_at = rules.end_of(terms.term_ends_on)
    if terms.renewal is None or renewals >= terms.renewal.times:
        return expires_at, None
    return expires_at, rules.start_of(renewable_from(terms.term_ends_on, terms.renewal.window_days))


def renewable_from(term_ends_on: date, window_days: int) -> date:
    """So many days, the last of the term among them, are left to renew."""
    return term_ends_on - timedelta(days=window_days - 1)


def withdraw(contract: Contract, draft: Draft, reason: str) -> list[SignatureEvent]:
    if contract.status is Status.WITHDRAWN and contract.ended_because == reason:
        return []
    if contract.status not in (Status.DRAFTED, Status.DISCLOSED, Status.IN_WINDOW):
        raise Rejected("contract.not_to_be_withdrawn", standing=contract.status.value)
    return [ContractWithdrawn(contract_id=draft.contract_id, partner_id=draft.partner_id, reason=reason)]
