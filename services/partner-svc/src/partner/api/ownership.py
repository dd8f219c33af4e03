"""Routes: a partner's business becomes another's. Names of people are sealed before they are part of a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Send
from events.sealed import is_sealed
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import By, Handle, HandleSeen, Read, Receipt, Seal, scope
from service.sealing import Sealing

from partner.api.master_data import Email, Phone, opened_value, registered, tax_changes, tax_stream
from partner.domain.ownership import ApproveTransfer, DropTransfer, NewOwner, ProposeTransfer
from partner.domain.partner import partners
from partner.domain.registration import NAMES, TakeName, name_id, registered_names
from partner.domain.standing import Holder
from partner.domain.words import LegalName, Reason, Text, normalised

WRITE, DECIDE = scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/partners/{partner_id}/ownership-transfer", tags=["ownership"])


class OwnerContent(BaseModel):
    """A person behind the business from then on."""

    model_config = {"extra": "forbid"}

    name: Text
    email: Email | None = None
    phone: Phone | None = None


class TransferContent(Command):
    """To whom. Of a `sole_trader`, a person, the name is kept sealed."""

    legal_name: LegalName
    sole_trader: bool = False
    owners: Annotated[tuple[OwnerContent, ...], Field(min_length=1, max_length=20)]
    reason: Reason


class Approval(Command):
    """A second person wants it, too."""


@router.put("", dependencies=[DECIDE])
async def propose_transfer(
    partner_id: UUID, body: TransferContent, by: By, db: Read, seal: Seal, handle: Handle
) -> Receipt:
    """The partner's business is to be another's. Nothing changes before another person approves it."""
    await registered(db, partner_id)
    id = await person_of(partner_id, body.legal_name, seal)
    legal_name: str = body.legal_name
    if body.sole_trader:
        legal_name = (await seal.seal(id, {"legal_name": body.legal_name}))["legal_name"] or ""
    command = ProposeTransfer(
        occurred_at=body.occurred_at,
        holder_id=id,
        legal_name=legal_name,
        sole_trader=body.sole_trader,
        owners=tuple([await sealed(await person_of(id, each.name, seal), each, seal) for each in body.owners]),
        reason=body.reason,
        by=by,
    )
    return await handle(partners, partner_id, command)


async def person_of(of: UUID, name: str, seal: Sealing) -> UUID:
    """The same for the same name, so that the same proposal again changes nothing; nobody finds the name by it."""
    return uuid5(of, str(await seal.blind(normalised(name))))


async def sealed(person_id: UUID, owner: OwnerContent, seal: Sealing) -> NewOwner:
    told = await seal.seal(person_id, {"name": owner.name, "email": owner.email, "phone": owner.phone})
    return NewOwner.model_validate({"person_id": person_id, **told})


@router.post("/approval", status_code=201, dependencies=[DECIDE])
async def approve_transfer(
    partner_id: UUID, body: Approval, by: By, db: Read, seal: Seal, handle: HandleSeen
) -> Receipt:
    """The business is the other's from now on, and the partner goes on under its id: contracts, outlets and history
    stay. Another person than who proposed it has to say so. Former owners are contacts no more, tax ids are to be told
    anew. If-Match names the version that was looked at."""
    partner = await registered(db, partner_id)
    to = None if partner.handover is None else partner.handover.to
    stream = None if to is None else await name_stream(to, seal)
    had = [await tax_stream(each, seal) for each in partner.data.tax_ids]
    command = ApproveTransfer(by=by, occurred_at=body.occurred_at)
    return await handle(partners, partner_id, command, also=goes_with_it(partner_id, to, stream, had))


def goes_with_it(partner_id: UUID, to: Holder | None, stream: UUID | None, had: Sequence[UUID]) -> list[Send]:
    """The new holder's name is taken, where it is nobody's yet, and the former one's tax ids are nobody's."""
    released = tax_changes(partner_id, had, [])
    if to is None or stream is None:
        return released
    return [Send(registered_names, stream, TakeName(partner_id=partner_id, legal_name=to.legal_name)), *released]


async def name_stream(holder: Holder, seal: Sealing) -> UUID:
    """Of the holder's name; a person's is found by what cannot be read back."""
    if not is_sealed(holder.legal_name):
        return name_id(holder.legal_name)
    name = await opened_value(seal, "legal_name", holder.legal_name)
    return uuid5(NAMES, str(await seal.blind(normalised(name or str(holder.id)))))


@router.post("/dropping", status_code=201, dependencies=[DECIDE])
async def drop_transfer(partner_id: UUID, command: DropTransfer, handle: Handle) -> Receipt:
    """The business stays whose it is."""
    return await handle(partners, partner_id, command)
