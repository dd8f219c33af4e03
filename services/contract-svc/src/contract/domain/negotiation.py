"""A negotiation between the principal and a registered partner: rounds of offers until one is accepted, or none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.contract import ContractTerms, NegotiationAccepted, NegotiationLapsed, NegotiationOpened
from pydantic import Field

from contract.domain.rules import Rules
from contract.domain.shipped import SHIPPED
from contract.domain.standing import Party
from contract.domain.terms import Reason, TermsSaid, over, terms_of, told_flat

NEGOTIATIONS = UUID("4f2c07a6-7c57-4b7e-8f43-0a1c5b7f9d21")
"""The namespace of negotiation ids: a partner has one."""
MOST_ROUNDS = 100


def negotiation_id(partner_id: UUID) -> UUID:
    return uuid5(NEGOTIATIONS, str(partner_id))


def contract_id(negotiation_id: UUID) -> UUID:
    """Of the contract that the negotiation leads to."""
    return uuid5(negotiation_id, "contract")


# -- events that stay in the house


class TermsOffered(Event, type="cauce.contract.TermsOffered.v1"):
    """A party offers terms; what stood before is off the table. They may be accepted up to `valid_until`, a legal day
    that is over at `lapses_at`; null: until there is another offer. `rules` are those of the terms' jurisdiction."""

    negotiation_id: UUID
    round: int
    party: Party
    terms: ContractTerms
    rules: Rules
    valid_until: date | None
    lapses_at: datetime | None


NegotiationEvent = NegotiationOpened | TermsOffered | NegotiationAccepted | NegotiationLapsed


# -- commands


class OpenNegotiation(Command):
    partner_id: UUID


class Offer(Command):
    """The first offer, or a counter-offer. Without `valid_until`, the last day on which it may be accepted, it stands
    until there is another."""

    terms: TermsSaid
    valid_until: date | None = None


class OfferTerms(Offer):
    party: Party
    rules: Rules


class Acceptance(Command):
    """Of the offer that stands, by the number of its round."""

    round: Annotated[int, Field(ge=1, le=MOST_ROUNDS, examples=[1])]


class AcceptOffer(Acceptance):
    party: Party


class LetLapse(Command):
    reason: Reason


class LapseOffer(Command):
    """The offer of this round was not answered in time."""

    round: int


class EndWithoutContract(Command):
    """What was agreed on came to no contract: it was withdrawn before all had signed."""

    reason: Reason


NegotiationCommand = OpenNegotiation | OfferTerms | AcceptOffer | LetLapse | LapseOffer | EndWithoutContract


# -- state


class Status(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    LAPSED = "lapsed"


@dataclass(frozen=True)
class Round:
    number: int
    party: Party
    terms: ContractTerms
    rules: Rules
    valid_until: date | None


@dataclass(frozen=True)
class Negotiation:
    """`partner_id` is None until it is opened; the last of `rounds` is the offer that stands."""

    partner_id: UUID | None = None
    status: Status = Status.OPEN
    rounds: tuple[Round, ...] = ()
    accepted: int | None = None
    lapsed_because: str | None = None


# -- decide


def offer(partner_id: UUID, negotiation: Negotiation, command: OfferTerms, now: datetime) -> list[NegotiationEvent]:
    terms, rules = command.terms.agreed(), command.rules
    standing = negotiation.rounds[-1] if negotiation.rounds else None
    round = Round(1 + len(negotiation.rounds), command.party, terms, rules, command.valid_until)
    if standing == replace(round, number=len(negotiation.rounds)):
        return []
    refuse_closed(negotiation)
    if round.number > MOST_ROUNDS:
        raise Rejected("contract.too_many_rounds", at_most=MOST_ROUNDS)
    today = rules.day(now)
    if over(terms, today):
        raise Rejected("contract.term_over", term_ends_on=terms.term_ends_on)
    if command.valid_until is not None and command.valid_until < today:
        raise Rejected("contract.offer_over", valid_until=command.valid_until, today=today)
    return [
        TermsOffered(
            negotiation_id=negotiation_id(partner_id),
            round=round.number,
            party=command.party,
            terms=terms,
            rules=rules,
            valid_until=command.valid_until,
            lapses_at=None if command.valid_until is None else rules.end_of(command.valid_until),
        )
    ]


def accept(partner_id: UUID, negotiation: Negotiation, command: AcceptOffer, now: datetime) -> list[NegotiationEvent]:
    if negotiation.accepted == command.round:
        return []
    refuse_closed(negotiation)
    if command.round > len(negotiation.rounds):
        raise Rejected("contract.nothing_offered", round=command.round, rounds=len(negotiation.rounds))
    standing = negotiation.rounds[-1]
    if command.round < standing.number:
        raise Rejected("contract.offer_superseded", round=command.round, standing=standing.number)
    if command.party == standing.party:
        raise Rejected("contract.own_offer", round=command.round, awaits=other(standing.party).value)
    today = standing.rules.day(now)
    if standing.valid_until is not None and today > standing.valid_until:
        raise Rejected("contract.offer_over", valid_until=standing.valid_until, today=today)
    if over(standing.terms, today):
        raise Rejected("contract.term_over", term_ends_on=standing.terms.term_ends_on)
    id = negotiation_id(partner_id)
    return [
        NegotiationAccepted(
            negotiation_id=id,
            partner_id=partner_id,
            contract_id=contract_id(id),
            round=standing.number,
            **told_flat(standing.terms),
        )
    ]


def other(party: Party) -> Party:
    return Party.PARTNER if party is Party.PRINCIPAL else Party.PRINCIPAL


def let_lapse(partner_id: UUID, negotiation: Negotiation, reason: str) -> list[NegotiationEvent]:
    if negotiation.status is Status.LAPSED and negotiation.lapsed_because == reason:
        return []
    refuse_closed(negotiation)
    return [NegotiationLapsed(negotiation_id=negotiation_id(partner_id), partner_id=partner_id, reason=reason)]


def lapse_offer(partner_id: UUID, negotiation: Negotiation, round: int, now: datetime) -> list[NegotiationEvent]:
    if negotiation.status is not Status.OPEN or round != len(negotiation.rounds):
        return []  # it was answered
    standing = negotiation.rounds[-1]
    if standing.valid_until is None or standing.rules.day(now) <= standing.valid_until:
        raise Rejected("contract.offer_stands", valid_until=standing.valid_until)
    reason = f"The offer of round {round} was not answered by {standing.valid_until}."
    return let_lapse(partner_id, negotiation, reason)


def end_without_contract(partner_id: UUID, negotiation: Negotiation, reason: str) -> list[NegotiationEvent]:
    if negotiation.status is Status.LAPSED:
        return []
    return [NegotiationLapsed(negotiation_id=negotiation_id(partner_id), partner_id=partner_id, reason=reason)]


def refuse_closed(negotiation: Negotiation) -> None:
    if negotiation.status is not Status.OPEN:
        raise Rejected("contract.negotiation_closed", standing=negotiation.status.value)


def decide(command: NegotiationCommand, negotiation: Negotiation, now: datetime) -> list[NegotiationEvent]:
    partner_id = negotiation.partner_id
    if isinstance(command, OpenNegotiation):
        opened = NegotiationOpened(negotiation_id=negotiation_id(command.partner_id), partner_id=command.partner_id)
        return [opened] if partner_id is None else []
    if partner_id is None:
        raise Unknown("contract.negotiation_unknown")
    match command:
        case OfferTerms():
            return offer(partner_id, negotiation, command, now)
        case AcceptOffer():
            return accept(partner_id, negotiation, command, now)
        case LetLapse(reason=reason):
            return let_lapse(partner_id, negotiation, reason)
        case LapseOffer(round=round):
            return lapse_offer(partner_id, negotiation, round, now)
        case EndWithoutContract(reason=reason):
            return end_without_contract(partner_id, negotiation, reason)
        case _:
            assert_never(command)


# -- evolve


def evolve(negotiation: Negotiation, event: NegotiationEvent) -> Negotiation:
    match event:
        case NegotiationOpened(partner_id=partner_id):
            return Negotiation(partner_id)
        case TermsOffered():
            round = Round(event.round, event.party, event.terms, event.rules, event.valid_until)
            return replace(negotiation, rounds=(*negotiation.rounds, round))
        case NegotiationAccepted():
            return replace(as_accepted(negotiation, event), status=Status.ACCEPTED)
        case NegotiationLapsed(reason=reason):
            return replace(negotiation, status=Status.LAPSED, lapsed_because=reason)
        case _:
            assert_never(event)


def as_accepted(negotiation: Negotiation, event: NegotiationAccepted) -> Negotiation:
    """Before there were rounds, terms were accepted as they were said."""
    if event.round is not None:
        return replace(negotiation, accepted=event.round)
    round = Round(1, Party.PRINCIPAL, terms_of(event), SHIPPED[event.jurisdiction], None)
    return replace(negotiation, rounds=(round,), accepted=1)


negotiations = Decider(
    "negotiation",
    decide,
    evolve,
    initial=Negotiation,
    events=NegotiationEvent,
    owner=lambda negotiation: negotiation.partner_id,
)
