"""A negotiation between the principal and a registered partner: open, then accepted or lapsed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events.contract import NegotiationAccepted, NegotiationLapsed, NegotiationOpened

from contract.domain.terms import AgreedTerms, Reason, Terms

NEGOTIATIONS = UUID("4f2c07a6-7c57-4b7e-8f43-0a1c5b7f9d21")
"""The namespace of negotiation ids: a partner has one."""


def negotiation_id(partner_id: UUID) -> UUID:
    return uuid5(NEGOTIATIONS, str(partner_id))


def contract_id(negotiation_id: UUID) -> UUID:
    """Of the contract that the negotiation leads to."""
    return uuid5(negotiation_id, "contract")


NegotiationEvent = NegotiationOpened | NegotiationAccepted | NegotiationLapsed


# -- commands


class OpenNegotiation(Command):
    partner_id: UUID


class AcceptTerms(AgreedTerms):
    pass


class LetLapse(Command):
    reason: Reason


NegotiationCommand = OpenNegotiation | AcceptTerms | LetLapse


# -- state


class Status(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Negotiation:
    """`partner_id` is None until it is opened."""

    partner_id: UUID | None = None
    status: Status = Status.OPEN
    terms: Terms | None = None
    lapsed_because: str | None = None


# -- decide and evolve


def accept(partner_id: UUID, negotiation: Negotiation, terms: Terms, now: datetime) -> list[NegotiationEvent]:
    if negotiation.status is Status.ACCEPTED and negotiation.terms == terms:
        return []
    if negotiation.status is not Status.OPEN:
        raise Rejected("contract.negotiation_closed", status=negotiation.status.value)
    if terms.over(terms.day(now)):
        raise Rejected("contract.term_over", term_ends_on=terms.term_ends_on)
    id = negotiation_id(partner_id)
    accepted = NegotiationAccepted(negotiation_id=id, partner_id=partner_id, contract_id=contract_id(id), **vars(terms))
    return [accepted]


def let_lapse(partner_id: UUID, negotiation: Negotiation, reason: str) -> list[NegotiationEvent]:
    if negotiation.status is Status.LAPSED and negotiation.lapsed_because == reason:
        return []
    if negotiation.status is not Status.OPEN:
        raise Rejected("contract.negotiation_closed", status=negotiation.status.value)
    return [NegotiationLapsed(negotiation_id=negotiation_id(partner_id), partner_id=partner_id, reason=reason)]


def decide(command: NegotiationCommand, negotiation: Negotiation, now: datetime) -> list[NegotiationEvent]:
    partner_id = negotiation.partner_id
    if isinstance(command, OpenNegotiation):
        opened = NegotiationOpened(negotiation_id=negotiation_id(command.partner_id), partner_id=command.partner_id)
        return [opened] if partner_id is None else []
    if partner_id is None:
        raise Unknown("contract.negotiation_unknown")
    match command:
        case AcceptTerms():
            return accept(partner_id, negotiation, command.terms(), now)
        case LetLapse(reason=reason):
            return let_lapse(partner_id, negotiation, reason)
        case _:
            assert_never(command)


def evolve(negotiation: Negotiation, event: NegotiationEvent) -> Negotiation:
    match event:
        case NegotiationOpened(partner_id=partner_id):
            return Negotiation(partner_id)
        case NegotiationAccepted():
            terms = Terms(event.jurisdiction, event.areas, event.royalty_percent, event.term_ends_on)
            return replace(negotiation, status=Status.ACCEPTED, terms=terms)
        case NegotiationLapsed(reason=reason):
            return replace(negotiation, status=Status.LAPSED, lapsed_because=reason)
        case _:
            assert_never(event)


negotiations = Decider(
    "negotiation",
    decide,
    evolve,
    initial=Negotiation,
    events=NegotiationEvent,
    owner=lambda negotiation: negotiation.partner_id,
)
