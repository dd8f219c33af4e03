"""Routes: a partner's master data, and the people behind it. Only here, and only for callers with the scope
`partner:personal`, is what is known of people shown in the open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from engine import Command, Send, Unknown
from events.partner import ContactRole, TaxId
from events.sealed import is_sealed
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from service import Handle, HandlePut, Read, Receipt, Seal, own, scope
from service.sealing import Sealing

from partner.domain import master_data
from partner.domain.master_data import (
    ChangeDetails,
    Currency,
    ErasePerson,
    KeepContact,
    LinkExternalReference,
    RemoveContact,
)
from partner.domain.partner import partners
from partner.domain.standing import Partner
from partner.domain.tax_id import ClaimTaxId, ReleaseTaxId, tax_id_id, tax_ids
from partner.domain.words import Code, Country, Text, normalised

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")
PERSONAL = scope("partner:personal")

router = APIRouter(prefix="/partners/{partner_id}", tags=["master data"])

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ()./-]{3,40}$")]


class TaxIdContent(BaseModel):
    """`{"country": "ES", "scheme": "NIF", "value": "B12345678"}`"""

    model_config = {"extra": "forbid"}

    country: Country
    scheme: Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,19}$")]
    value: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]


class Details(Command):
    """The whole of it: what is not named is not so any more. `currency` by ISO 4217."""

    tax_ids: Annotated[tuple[TaxIdContent, ...], Field(max_length=20)] = ()
    currency: Currency | None = None


class Key(Command):
    """How the other system calls the partner."""

    key: Text


class ContactContent(Command):
    """A person behind the partner, whole."""

    role: ContactRole
    name: Text
    email: Email | None = None
    phone: Phone | None = None


class Nothing(Command):
    """No more is to be said."""


class ContactView(BaseModel):
    """A person in the open; null is what nobody knows (any more)."""

    person_id: UUID
    role: ContactRole
    name: str | None
    email: str | None
    phone: str | None


class TaxIdView(BaseModel):
    country: str
    scheme: str
    value: str | None


class PersonalData(BaseModel):
    """What is known of the people behind a partner. `legal_name` is a sole trader's own; null once it was erased."""

    partner_id: UUID
    legal_name: str | None
    tax_ids: list[TaxIdView]
    contacts: list[ContactView]


@router.put("/details", status_code=200, dependencies=[WRITE])
async def change_details(partner_id: UUID, body: Details, db: Read, seal: Seal, handle: HandlePut) -> Receipt:
    """Tax ids and currency, as they are from now on. A sole trader's tax ids are kept sealed."""
    partner = await registered(db, partner_id)
    holder = partner.holder
    told, claimed = [], []
    for each in body.tax_ids:
        value: str | None = each.value
        if holder is not None and holder.sole_trader:
            field = tax_field(each.country, each.scheme)
            value = (await seal.seal(holder.id, {field: each.value}))[field]
        told.append(TaxId(country=each.country, scheme=each.scheme, value=value or ""))
        claimed.append(await tax_stream(told[-1], seal))
    command = ChangeDetails(occurred_at=body.occurred_at, tax_ids=tuple(told), currency=body.currency)
    had = [await tax_stream(each, seal) for each in partner.data.tax_ids]
    return await handle(partners, partner_id, command, also=tax_changes(partner_id, had, claimed))


def tax_changes(partner_id: UUID, had: Sequence[UUID], claimed: Sequence[UUID]) -> list[Send]:
    """Of two partners who claim a tax id at once one has it, and the other's details stay as they are."""
    gone = [Send(tax_ids, id, ReleaseTaxId(partner_id=partner_id)) for id in had if id not in claimed]
    return [*gone, *(Send(tax_ids, id, ClaimTaxId(partner_id=partner_id)) for id in dict.fromkeys(claimed))]


async def tax_stream(tax_id: TaxId, seal: Sealing) -> UUID:
    """The stream in which it is taken. A person's is found by what cannot be read back; once they were erased it is
    nobody's."""
    value = tax_id.value
    if is_sealed(value):
        opened = await opened_value(seal, tax_field(tax_id.country, tax_id.scheme), value)
        value = value if opened is None else str(await seal.blind(normalised(opened)))
    return tax_id_id(tax_id.country, tax_id.scheme, value)


@router.put("/external-references/{system}", status_code=200, dependencies=[WRITE])
async def link_external_reference(partner_id: UUID, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the partner so from now on."""
    command = LinkExternalReference(occurred_at=body.occurred_at, system=system, key=body.key)
    return await handle(partners, partner_id, command)


@router.put("/contacts/{person_id}", status_code=200, dependencies=[WRITE])
async def keep_contact(
    partner_id: UUID, person_id: UUID, body: ContactContent, db: Read, seal: Seal, handle: Handle
) -> Receipt:
    """A person behind the partner, new or changed. Name, email and phone are kept sealed."""
    await registered(db, partner_id)
    sealed = await seal.seal(person_id, {"name": body.name, "email": body.email, "phone": body.phone})
    command = KeepContact.model_validate(
        {"occurred_at": body.occurred_at, "person_id": person_id, "role": body.role, **sealed}
    )
    return await handle(partners, partner_id, command)


@router.post("/contacts/{person_id}/removal", status_code=201, dependencies=[WRITE])
async def remove_contact(partner_id: UUID, person_id: UUID, body: Nothing, handle: Handle) -> Receipt:
    """The person has nothing to do with the partner any more; what is known of them stays, sealed, until erased."""
    return await handle(partners, partner_id, RemoveContact(occurred_at=body.occurred_at, person_id=person_id))


@router.post("/people/{person_id}/erasure", status_code=201, dependencies=[DECIDE, PERSONAL])
async def erase_person(
    partner_id: UUID, person_id: UUID, body: Nothing, db: Read, seal: Seal, handle: Handle
) -> Receipt:
    """Nobody can ever again read what is known of the person: not here, not in any log, topic, view or backup that is
    made from now on. A sole trader is erased by the partner's own id, when it is a partner no more."""
    command = ErasePerson(occurred_at=body.occurred_at, person_id=person_id)
    partner = await registered(db, partner_id)
    # A refusal has to come before anything is destroyed.
    trader = partner.holder.id if partner.holder is not None and partner.holder.sole_trader else None
    master_data.erase(partner.data, partner_id, person_id, trader=trader, out=partner.out)
    had = [await tax_stream(each, seal) for each in partner.data.tax_ids] if person_id == trader else []
    await seal.erase(person_id)
    return await handle(partners, partner_id, command, also=tax_changes(partner_id, had, []))


@router.get("/personal-data", dependencies=[READ, PERSONAL, own("partner_id")])
async def read_personal_data(partner_id: UUID, db: Read, seal: Seal) -> PersonalData:
    """The people behind the partner, in the open."""
    partner = await registered(db, partner_id)
    data, holder = partner.data, partner.holder
    contacts = list(data.contacts.values())
    opened = {
        field: await seal.open(field, [getattr(contact, field) for contact in contacts])
        for field in ("name", "email", "phone")
    }
    values = [await opened_value(seal, tax_field(each.country, each.scheme), each.value) for each in data.tax_ids]
    return PersonalData(
        partner_id=partner_id,
        legal_name=None if holder is None else await opened_value(seal, "legal_name", holder.legal_name),
        tax_ids=[
            TaxIdView(country=each.country, scheme=each.scheme, value=value)
            for each, value in zip(data.tax_ids, values, strict=True)
        ],
        contacts=[
            ContactView(person_id=id, role=contact.role, name=name, email=email, phone=phone)
            for (id, contact), name, email, phone in zip(
                data.contacts.items(), opened["name"], opened["email"], opened["phone"], strict=True
            )
        ],
    )


async def registered(db: Read, partner_id: UUID) -> Partner:
    loaded = await db.load(partners, partner_id)
    if loaded.state.registration is None:
        raise Unknown("partner.partner_unknown", partner_id=partner_id)
    return loaded.state


async def opened_value(seal: Sealing, field: str, text: str) -> str | None:
    """As it is where it is not sealed."""
    return (await seal.open(field, [text]))[0] if is_sealed(text) else text


def tax_field(country: str, scheme: str) -> str:
    """What a sole trader's tax id is sealed as: one of one scheme does not open as another's."""
    return f"tax_id/{country}/{scheme}"
