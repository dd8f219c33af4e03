"""Tax ids that are taken: one stream each, so that of two partners who claim one at once exactly one has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected
from events import Event

from partner.domain.words import normalised

TAX_IDS = UUID("e2b1c9d4-8f37-4e5a-a6c0-9d7b3f1e5a62")
"""The namespace of the ids of tax ids."""


def tax_id_id(country: str, scheme: str, value: str) -> UUID:
    """The same for every way to write the value: `B-12345678` and `b12345678`. Of a person's it is made from what
    cannot be read back."""
    return uuid5(TAX_IDS, f"{country}/{scheme}/{normalised(value)}")


class TaxIdClaimed(Event, type="cauce.partner.TaxIdClaimed.v1"):
    """It is this partner's."""

    partner_id: UUID


class TaxIdReleased(Event, type="cauce.partner.TaxIdReleased.v1"):
    """It is nobody's any more."""

    partner_id: UUID


TaxIdEvent = TaxIdClaimed | TaxIdReleased


class ClaimTaxId(Command):
    partner_id: UUID


class ReleaseTaxId(Command):
    partner_id: UUID


TaxIdCommand = ClaimTaxId | ReleaseTaxId


@dataclass(frozen=True)
class RegisteredTaxId:
    held_by: UUID | None = None


def decide(command: TaxIdCommand, tax_id: RegisteredTaxId, now: datetime) -> list[TaxIdEvent]:
    match command:
        case ClaimTaxId(partner_id=claimant):
            if tax_id.held_by == claimant:
                return []
            if tax_id.held_by is not None:
                raise Rejected("partner.tax_id_taken", held_by=tax_id.held_by)
            return [TaxIdClaimed(partner_id=claimant)]
        case ReleaseTaxId(partner_id=holder):
            return [TaxIdReleased(partner_id=holder)] if tax_id.held_by == holder else []
        case _:
            assert_never(command)


def evolve(tax_id: RegisteredTaxId, event: TaxIdEvent) -> RegisteredTaxId:
    match event:
        case TaxIdClaimed(partner_id=id):
            return RegisteredTaxId(id)
        case TaxIdReleased():
            return RegisteredTaxId()
        case _:
            assert_never(event)


tax_ids = Decider("tax_id", decide, evolve, initial=RegisteredTaxId, events=TaxIdEvent)
