"""A contract: drafted, disclosed, signed by each party, in force from a day on, expired or terminated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.contract import (
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    DisclosureDelivered,
    PartnerSigned,
)
from pydantic import Field

from contract.domain.terms import AgreedTerms, Reason, Terms


class Party(StrEnum):
    PRINCIPAL = "principal"
    PARTNER = "partner"


PARTIES = tuple(Party)
"""Everybody whose signature is required."""


# -- events that stay in the house


class PartySigned(Event, type="cauce.contract.PartySigned.v1"):
    """A party signed; `effective_from` is the day that is agreed so far for the contract to take effect, if any."""

    contract_id: UUID
    party: Party
    signed_on: date
    effective_from: date | None


class TerminationProposed(Event, type="cauce.contract.TerminationProposed.v1"):
    """Somebody wants to terminate it. It is terminated when another person wants the same."""

    contract_id: UUID
    reason: str
    by: tuple[str, ...]


class ContractExecuted(Event, type="cauce.contract.ContractExecuted.v1"):
    """The last signature set the clock: in force from the one instant, expired at the other. None: it has no end."""

    contract_id: UUID
    in_force_at: datetime
    expires_at: datetime | None


ContractEvent = (
    ContractDrafted
    | DisclosureDelivered
    | PartySigned
    | PartnerSigned
    | ContractExecuted
    | ContractInForce
    | ContractExpired
    | TerminationProposed
    | ContractTerminated
)


# -- commands


class DraftContract(AgreedTerms):
    contract_id: UUID
    partner_id: UUID


class DeliverDisclosure(Command):
    pass


class SignContract(Command):
    """`effective_from` is the day from which the contract is to hold: one that the parties agree on, not before the
    last signature; without it, the day of the last signature."""

    party: Party
    effective_from: date | None = None


class BringIntoForce(Command):
    pass


class ExpireContract(Command):
    pass


class TerminateContract(Command):
    """Once two persons have said so for the same reason. `by` is everybody who stands behind this one."""

    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]


ContractCommand = DraftContract | DeliverDisclosure | SignContract | BringIntoForce | ExpireContract | TerminateContract


# -- state


class Status(StrEnum):
    DRAFTED = "drafted"
    DISCLOSED = "disclosed"
    SIGNED = "signed"
    IN_FORCE = "in_force"
    EXPIRED = "expired"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Draft:
    """Who agreed on what."""

    contract_id: UUID
    partner_id: UUID
    terms: Terms


@dataclass(frozen=True)
class Termination:
    """As one person wants it."""

    reason: str
    by: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """`draft` is None until it is drafted; `signing_opens` None until disclosure. `effective_from` is what the parties
    who signed agreed on. `termination` waits for a second person."""

    draft: Draft | None = None
    status: Status = Status.DRAFTED
    delivered_on: date | None = None
    signing_opens: date | None = None
    signed_by: frozenset[Party] = frozenset()
    effective_from: date | None = None
    termination: Termination | None = None
    terminated_because: str | None = None


# -- decide


def deliver_disclosure(contract: Contract, draft: Draft, today: date) -> list[ContractEvent]:
    if contract.delivered_on == today:
        return []
    if contract.delivered_on is not None:
        raise Rejected("contract.already_disclosed", delivered_on=contract.delivered_on)
    if contract.status is not Status.DRAFTED:
        raise Rejected("contract.not_to_be_disclosed", status=contract.status.value)
    rules = draft.terms.rules
    return [
        DisclosureDelivered(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            delivered_on=today,
            signing_allowed_from=rules.signing_opens(today),
            law=rules.citation,
        )
    ]


def sign(contract: Contract, draft: Draft, command: SignContract, now: datetime) -> list[ContractEvent]:
    rules, today = draft.terms.rules, draft.terms.day(now)
    if command.party in contract.signed_by:
        if command.effective_from in (None, contract.effective_from):
            return []
        raise Rejected("contract.already_signed", party=command.party.value, effective_from=contract.effective_from)
    if contract.signing_opens is None and rules.law is not None:
        raise Rejected("contract.not_disclosed", law=rules.citation)
    if contract.signing_opens is not None and today < contract.signing_opens:
        raise Rejected("contract.disclosure_period_running", allowed_from=contract.signing_opens, law=rules.citation)
    agreed = agreed_day(contract, draft.terms, command.effective_from, today)
    last = contract.signed_by | {command.party} == set(PARTIES)
    signed = PartySigned(
        contract_id=draft.contract_id,
        party=command.party,
        signed_on=today,
        effective_from=(agreed or today) if last else agreed,
    )
    return [signed, *execute(draft, agreed or today, now)] if last else [signed]


def agreed_day(contract: Contract, terms: Terms, proposed: date | None, today: date) -> date | None:
    """The day on which the contract is to take effect. One that has passed before all have signed is open again."""
    agreed = contract.effective_from
    if agreed is not None and agreed < today:
        agreed = None
    if proposed is not None and proposed < today:
        raise Rejected("contract.effective_before_signing", effective_from=proposed, signed_on=today)
    if proposed is not None and agreed is not None and proposed != agreed:
        raise Rejected("contract.effective_from_differs", effective_from=proposed, agreed=agreed)
    day = proposed or agreed
    if terms.over(day or today):
        raise Rejected("contract.term_over", term_ends_on=terms.term_ends_on)
    return day


def execute(draft: Draft, effective_from: date, now: datetime) -> list[ContractEvent]:
    rules, ends_on = draft.terms.rules, draft.terms.term_ends_on
    return [
        PartnerSigned(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            areas=draft.terms.areas,
            effective_from=effective_from,
        ),
        ContractExecuted(
            contract_id=draft.contract_id,
            # The day of the last signature began before it: nothing is in force before it is signed.
            in_force_at=max(rules.start_of(effective_from), now),
            expires_at=None if ends_on is None else rules.start_of(ends_on + timedelta(days=1)),
        ),
    ]


def bring_into_force(contract: Contract, draft: Draft, today: date) -> list[ContractEvent]:
    if contract.status is Status.IN_FORCE:
        return []
    if contract.status in (Status.EXPIRED, Status.TERMINATED):
        raise Rejected("contract.ended", status=contract.status.value)
    if contract.status is not Status.SIGNED or contract.effective_from is None:
        raise Rejected("contract.not_signed", status=contract.status.value)
    if today < contract.effective_from:
        raise Rejected("contract.not_yet_effective", effective_from=contract.effective_from)
    return [ContractInForce(contract_id=draft.contract_id, partner_id=draft.partner_id)]


def expire(contract: Contract, draft: Draft, today: date) -> list[ContractEvent]:
    if contract.status is Status.EXPIRED:
        return []
    if contract.status is not Status.IN_FORCE:
        raise Rejected("contract.not_in_force", status=contract.status.value)
    if not draft.terms.over(today):
        raise Rejected("contract.term_not_over", term_ends_on=draft.terms.term_ends_on)
    return [ContractExpired(contract_id=draft.contract_id, partner_id=draft.partner_id)]


def terminate(contract: Contract, draft: Draft, wanted: Termination, today: date) -> list[ContractEvent]:
    if contract.status is Status.TERMINATED and contract.terminated_because == wanted.reason:
        return []
    if contract.status is not Status.IN_FORCE:
        raise Rejected("contract.not_in_force", status=contract.status.value)
    if contract.effective_from is not None and today < contract.effective_from:
        raise Rejected("contract.not_yet_effective", effective_from=contract.effective_from)
    if draft.terms.over(today):
        # It has ended by itself; its timer says so any moment now.
        raise Rejected("contract.term_over", term_ends_on=draft.terms.term_ends_on)
    if not seconds(wanted, contract.termination):
        return [TerminationProposed(contract_id=draft.contract_id, **vars(wanted))]
    return [ContractTerminated(contract_id=draft.contract_id, partner_id=draft.partner_id, reason=wanted.reason)]


def seconds(wanted: Termination, proposed: Termination | None) -> bool:
    """Whether it is what another person wants as well; for another reason it is a proposal of its own."""
    if proposed is None or proposed.reason != wanted.reason:
        return False
    if set(proposed.by) & set(wanted.by):
        raise Rejected("contract.second_person_needed", proposed_by=list(proposed.by))
    return True


def draft_contract(contract: Contract, command: DraftContract) -> list[ContractEvent]:
    draft = Draft(command.contract_id, command.partner_id, command.terms())
    if contract.draft == draft:
        return []
    if contract.draft is not None:
        raise Rejected("contract.already_drafted", contract_id=command.contract_id)
    return [ContractDrafted(contract_id=command.contract_id, partner_id=command.partner_id, **vars(draft.terms))]


def decide(command: ContractCommand, contract: Contract, now: datetime) -> list[ContractEvent]:
    if isinstance(command, DraftContract):
        return draft_contract(contract, command)
    draft = contract.draft
    if draft is None:
        raise Unknown("contract.contract_unknown")
    today = draft.terms.day(now)
    match command:
        case DeliverDisclosure():
            return deliver_disclosure(contract, draft, today)
        case SignContract():
            return sign(contract, draft, command, now)
        case BringIntoForce():
            return bring_into_force(contract, draft, today)
        case ExpireContract():
            return expire(contract, draft, today)
        case TerminateContract(reason=reason, by=by):
            return terminate(contract, draft, Termination(reason, by), today)
        case _:
            assert_never(command)


# -- evolve


def evolve(contract: Contract, event: ContractEvent) -> Contract:
    match event:
        case ContractDrafted():
            terms = Terms(event.jurisdiction, event.areas, event.royalty_percent, event.term_ends_on)
            return Contract(Draft(event.contract_id, event.partner_id, terms))
        case DisclosureDelivered(delivered_on=day, signing_allowed_from=opens):
            return replace(contract, status=Status.DISCLOSED, delivered_on=day, signing_opens=opens)
        case PartySigned(party=party, effective_from=day):
            return replace(contract, signed_by=contract.signed_by | {party}, effective_from=day)
        case PartnerSigned():
            return replace(contract, status=Status.SIGNED)
        case ContractExecuted():
            return contract
        case ContractInForce():
            return replace(contract, status=Status.IN_FORCE)
        case ContractExpired():
            return replace(contract, status=Status.EXPIRED)
        case TerminationProposed(reason=reason, by=by):
            return replace(contract, termination=Termination(reason, by))
        case ContractTerminated(reason=reason):
            return replace(contract, status=Status.TERMINATED, terminated_because=reason)
        case _:
            assert_never(event)


contracts = Decider(
    "contract",
    decide,
    evolve,
    initial=Contract,
    events=ContractEvent,
    owner=lambda contract: None if contract.draft is None else contract.draft.partner_id,
)
