"""A partner's business becomes another's: proposed by one person, done by another. The partner goes on under its id,
with all its history, its contracts and its outlets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Rejected, refuse_same_person
from events import Event
from events.partner import ContactChanged, ContactRemoved, PartnerDetailsChanged, PartnerTransferred
from events.sealed import Sealed
from pydantic import Field

from partner.domain import master_data
from partner.domain.standing import Handover, Holder, Partner, refuse_out, refuse_suspended, refuse_unsigned
from partner.domain.words import LegalName, Reason, Value

# -- events that stay in the house


class NewOwner(Value):
    """A person behind the business from then on. Everything that tells who it is comes sealed."""

    person_id: UUID
    name: Sealed
    email: Sealed | None = None
    phone: Sealed | None = None


class TransferProposed(Event, type="cauce.partner.TransferProposed.v1"):
    """The partner's business is to be this one's. It is when another person wants it, too."""

    partner_id: UUID
    holder: Holder
    owners: tuple[NewOwner, ...]
    reason: str
    by: tuple[str, ...]


class TransferDropped(Event, type="cauce.partner.TransferDropped.v1"):
    """The partner's business stays whose it is."""

    partner_id: UUID
    reason: str


OwnershipEvent: TypeAlias = (
    TransferProposed | TransferDropped | PartnerTransferred | ContactRemoved | ContactChanged | PartnerDetailsChanged
)


# -- commands


class ProposeTransfer(Command):
    """`holder_id` is another for each holder: what is sealed of one is not opened with another's key."""

    holder_id: UUID
    legal_name: LegalName | Sealed
    sole_trader: bool
    owners: Annotated[tuple[NewOwner, ...], Field(min_length=1, max_length=20)]
    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class ApproveTransfer(Command):
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class DropTransfer(Command):
    reason: Reason


OwnershipCommand: TypeAlias = ProposeTransfer | ApproveTransfer | DropTransfer


# -- decide


def propose(partner: Partner, id: UUID, command: ProposeTransfer) -> list[OwnershipEvent]:
    wanted = Holder(command.holder_id, command.legal_name, command.sole_trader)
    before = partner.handover
    owners = told(command.owners)
    if before is not None and (before.to, before.owners, before.reason) == (wanted, owners, command.reason):
        return []
    refuse_out(partner)
    refuse_unsigned(partner)
    refuse_suspended(partner)
    return [TransferProposed(partner_id=id, holder=wanted, owners=command.owners, reason=command.reason, by=command.by)]


def approve(partner: Partner, id: UUID, holder: Holder, command: ApproveTransfer, today: date) -> list[OwnershipEvent]:
    """The former owners are contacts no more, and tax ids, which were the former holder's, are to be told anew."""
    handover = proposed_in(partner)
    refuse_out(partner)
    refuse_suspended(partner)
    refuse_same_person(command.by, handover.by, "partner.second_person_needed")
    transferred = PartnerTransferred(
        partner_id=id,
        holder_id=handover.to.id,
        legal_name=handover.to.legal_name,
        sole_trader=handover.to.sole_trader,
        previous_holder_id=holder.id,
        transferred_on=today,
        reason=handover.reason,
    )
    leaving = [
        ContactRemoved(partner_id=id, person_id=person)
        for person, contact in partner.data.contacts.items()
        if contact.role == "owner"
    ]
    coming = [
        ContactChanged.model_validate({"partner_id": id, "person_id": person, "role": "owner", **each})
        for person, each in handover.owners.items()
    ]
    if not partner.data.tax_ids:
        return [transferred, *leaving, *coming]
    details = PartnerDetailsChanged(partner_id=id, tax_ids=(), currency=partner.data.currency)
    return [transferred, details, *leaving, *coming]


def drop(partner: Partner, id: UUID, reason: str) -> list[OwnershipEvent]:
    proposed_in(partner)
    return [TransferDropped(partner_id=id, reason=reason)]


def told(owners: Sequence[NewOwner]) -> dict[UUID, Mapping[str, str | None]]:
    """By person, as contacts are."""
    return {each.person_id: {"name": each.name, "email": each.email, "phone": each.phone} for each in owners}


def proposed_in(partner: Partner) -> Handover:
    if partner.handover is None:
        raise Rejected("partner.no_transfer_proposed")
    return partner.handover


# -- evolve


def evolve(partner: Partner, event: TransferProposed | TransferDropped | PartnerTransferred) -> Partner:
    match event:
        case TransferProposed(holder=holder, owners=owners, reason=reason, by=by):
            return replace(partner, handover=Handover(holder, told(owners), reason, by))
        case TransferDropped():
            return replace(partner, handover=None)
        case PartnerTransferred():
            before, holder = partner.holder, Holder(event.holder_id, event.legal_name, event.sole_trader)
            data = partner.data
            if before is not None and before.sole_trader:
                data = master_data.left(data, before.id)
            return replace(partner, holder=holder, handover=None, data=data)
