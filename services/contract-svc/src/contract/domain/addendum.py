"""Addenda: dated, numbered, proposed by the principal and signed by the partner."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected, Unknown, differences
from events import Event
from events.contract import ContractTerms

from contract.domain.standing import Addendum, Contract, Draft, refuse_not_in_force
from contract.domain.terms import TermsSaid, Text, royalty_currency

FIXED = ("jurisdiction", "grants", "term_ends_on", "renewal")
"""Terms that an addendum does not change: they are judged by other rules."""


# -- events that stay in the house


class AddendumProposed(Event, type="cauce.contract.AddendumProposed.v1"):
    """The principal signed an addendum and asks the partner to; `terms` null: none of these change."""

    contract_id: UUID
    number: int
    text: str
    effective_from: date
    terms: ContractTerms | None


class AddendumSigned(Event, type="cauce.contract.AddendumSigned.v1"):
    """The addendum is part of the contract, from its day on: `terms` are what it makes of the contract's, with
    `partner_id`. Null in events from before they were told here."""

    contract_id: UUID
    number: int
    signed_on: date
    partner_id: UUID | None = None
    effective_from: date | None = None
    terms: ContractTerms | None = None


AddendumEvent: TypeAlias = AddendumProposed | AddendumSigned


# -- commands


class ProposeAddendum(Command):
    """`terms` are all of them, as they are to be from `effective_from` on; without them it is its text only."""

    text: Text
    effective_from: date
    terms: TermsSaid | None = None


class SignAddendum(Command):
    number: int


AddendumCommand: TypeAlias = ProposeAddendum | SignAddendum


# -- decide


def propose(contract: Contract, draft: Draft, command: ProposeAddendum, today: date) -> list[AddendumEvent]:
    terms = None if command.terms is None else command.terms.agreed()
    for each in contract.addenda:
        if (each.text, each.effective_from, each.terms) == (command.text, command.effective_from, terms):
            return []
    refuse_not_in_force(contract)
    if command.effective_from < today:
        raise Rejected("contract.effective_before_signing", effective_from=command.effective_from, signed_on=today)
    if terms is not None:
        changed = [each.term for each in differences(draft.terms, terms)]
        fixed = [term for term in changed if term.partition("[")[0].partition(".")[0] in FIXED]
        before, after = royalty_currency(draft.terms), royalty_currency(terms)
        if None not in (before, after) and before != after:
            fixed.append("royalty_currency")
        if fixed:
            raise Rejected("contract.not_by_addendum", terms=fixed)
    return [
        AddendumProposed(
            contract_id=draft.contract_id,
            number=len(contract.addenda) + 1,
            text=command.text,
            effective_from=command.effective_from,
            terms=terms,
        )
    ]


def sign(contract: Contract, draft: Draft, number: int, today: date) -> list[AddendumEvent]:
    addendum = next((each for each in contract.addenda if each.number == number), None)
    if addendum is None:
        raise Unknown("contract.addendum_unknown", number=number)
    if addendum.signed_on is not None:
        return []
    refuse_not_in_force(contract)
    if addendum.effective_from < today:
        raise Rejected("contract.effective_before_signing", effective_from=addendum.effective_from, signed_on=today)
    return [
        AddendumSigned(
            contract_id=draft.contract_id,
            number=number,
            signed_on=today,
            partner_id=draft.partner_id,
            effective_from=addendum.effective_from,
            terms=addendum.terms,
        )
    ]


# -- evolve


def evolve(addenda: tuple[Addendum, ...], event: AddendumEvent) -> tuple[Addendum, ...]:
    match event:
        case AddendumProposed():
            return (*addenda, Addendum(event.number, event.text, event.effective_from, event.terms))
        case AddendumSigned(number=number, signed_on=day):
            return tuple(replace(each, signed_on=day) if each.number == number else each for each in addenda)
