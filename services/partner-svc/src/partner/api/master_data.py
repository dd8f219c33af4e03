"""Routes: a partner's master data, and the people behind it. Only here, and only for callers with the scope
`partner:personal`, is what is known of people shown in the open."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from engine import Command, Unknown
from events.partner import ContactRole, TaxId
from events.sealed import is_sealed
from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints
from service import Handle, HandlePut, Read, Receipt, Seal, own, scope

from partner.domain import master_data
from partner.domain.checklist import ChangeOutlet
from partner.domain.master_data import (
    ChangeDetails,
    Currency,
    ErasePerson,
    KeepContact,
    LinkExternalReference,
    RemoveContact,
)
from partner.domain.partner import Partner, partners
from partner.domain.words import Code, Text

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")
PERSONAL = scope("partner:personal")

router = APIRouter(prefix="/partners/{partner_id}", tags=["master data"])

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(examples=["ES"])]
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
    tax_ids = []
    for each in body.tax_ids:
        value: str | None = each.value
        if partner.sole_trader:
            field = tax_field(each.country, each.scheme)
            value = (await seal.seal(partner_id, {field: each.value}))[field]
        tax_ids.append(TaxId(country=each.country, scheme=each.scheme, value=value or ""))
    command = ChangeDetails(occurred_at=body.occurred_at, tax_ids=tuple(tax_ids), currency=body.currency)
    return await handle(partners, partner_id, command)


@router.put("/external-references/{system}", status_code=200, dependencies=[WRITE])
async def link_external_reference(partner_id: UUID, system: Code, body: Key, handle: Handle) -> Receipt:
    """Another system calls the partner so from now on."""
    command = LinkExternalReference(occurred_at=body.occurred_at, system=system, key=body.key)
    return await handle(partners, partner_id, command)


@router.put("/outlet", status_code=200, dependencies=[WRITE])
async def change_outlet(partner_id: UUID, command: ChangeOutlet, handle: HandlePut) -> Receipt:
    """The outlet is called so, and is there, from now on."""
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
    master_data.erase(partner.data, partner_id, person_id, sole_trader=partner.sole_trader, out=partner.out)
    await seal.erase(person_id)
    return await handle(partners, partner_id, command)


@router.get("/personal-data", dependencies=[READ, PERSONAL, own("partner_id")])
async def read_personal_data(partner_id: UUID, db: Read, seal: Seal) -> PersonalData:
    """The people behind the partner, in the open."""
    partner = await registered(db, partner_id)
    data, registration = partner.data, partner.registration
    contacts = list(data.contacts.values())
    opened = {
        field: await seal.open(field, [getattr(contact, field) for contact in contacts])
        for field in ("name", "email", "phone")
    }
    values = [await opened_value(seal, tax_field(each.country, each.scheme), each.value) for each in data.tax_ids]
    return PersonalData(
        partner_id=partner_id,
        legal_name=await opened_value(seal, "legal_name", registration.legal_name) if registration else None,
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


async def opened_value(seal: Seal, field: str, text: str) -> str | None:
    """As it is where it is not sealed."""
    return (await seal.open(field, [text]))[0] if is_sealed(text) else text


def tax_field(country: str, scheme: str) -> str:
    """What a sole trader's tax id is sealed as: one of one scheme does not open as another's."""
    return f"tax_id/{country}/{scheme}"
