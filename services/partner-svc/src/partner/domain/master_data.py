"""What other systems map a partner by (tax ids, currency, references, outlet), and the people behind it.

What tells who a person is comes here sealed, and stays so.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from engine import Command, Rejected, Unknown
from events.partner import (
    ContactChanged,
    ContactRemoved,
    ContactRole,
    ExternalRef,
    ExternalReferenceLinked,
    PartnerDetailsChanged,
    PersonErased,
    TaxId,
)
from events.sealed import Sealed
from pydantic import Field, StringConstraints

MasterDataEvent: TypeAlias = (
    PartnerDetailsChanged | ExternalReferenceLinked | ContactChanged | ContactRemoved | PersonErased
)

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217, like EUR."""

# -- commands


class ChangeDetails(Command):
    """The whole of it as it is from now on."""

    tax_ids: Annotated[tuple[TaxId, ...], Field(max_length=20)]
    currency: Currency | None


class LinkExternalReference(Command):
    """One system has one name for a partner."""

    system: str
    key: str


class KeepContact(Command):
    person_id: UUID
    role: ContactRole
    name: Sealed
    email: Sealed | None
    phone: Sealed | None


class RemoveContact(Command):
    person_id: UUID


class ErasePerson(Command):
    """A contact, or the partner itself if it is a sole trader."""

    person_id: UUID


MasterDataCommand: TypeAlias = ChangeDetails | LinkExternalReference | KeepContact | RemoveContact | ErasePerson


# -- state


@dataclass(frozen=True)
class Contact:
    role: ContactRole
    name: Sealed
    email: Sealed | None
    phone: Sealed | None


@dataclass(frozen=True)
class MasterData:
    """`references` by system, `contacts` by person; `known` is everybody who ever was a contact, or, as a person, held
    the business before."""

    references: dict[str, str] = field(default_factory=dict)
    tax_ids: tuple[TaxId, ...] = ()
    currency: str | None = None
    contacts: dict[UUID, Contact] = field(default_factory=dict)
    known: frozenset[UUID] = frozenset()
    erased: frozenset[UUID] = frozenset()

    @property
    def external_refs(self) -> tuple[ExternalRef, ...]:
        return tuple(ExternalRef(system=system, key=key) for system, key in self.references.items())


# -- decide


def change_details(data: MasterData, id: UUID, command: ChangeDetails) -> list[MasterDataEvent]:
    if (data.tax_ids, data.currency) == (command.tax_ids, command.currency):
        return []
    schemes = [(each.country, each.scheme) for each in command.tax_ids]
    if twice := sorted({f"{country} {scheme}" for country, scheme in schemes if schemes.count((country, scheme)) > 1}):
        raise Rejected("partner.tax_id_twice", schemes=twice)
    return [PartnerDetailsChanged(partner_id=id, tax_ids=command.tax_ids, currency=command.currency)]


def link(data: MasterData, id: UUID, command: LinkExternalReference) -> list[MasterDataEvent]:
    before = data.references.get(command.system)
    if before == command.key:
        return []
    return [ExternalReferenceLinked(partner_id=id, system=command.system, key=command.key, replaces=before)]


def keep_contact(data: MasterData, id: UUID, command: KeepContact) -> list[MasterDataEvent]:
    if command.person_id in data.erased:
        raise Rejected("partner.person_erased", person_id=command.person_id)
    contact = Contact(command.role, command.name, command.email, command.phone)
    if data.contacts.get(command.person_id) == contact:
        return []
    return [ContactChanged(partner_id=id, person_id=command.person_id, **vars(contact))]


def remove_contact(data: MasterData, id: UUID, person_id: UUID) -> list[MasterDataEvent]:
    if person_id not in data.known:
        raise Unknown("partner.contact_unknown", person_id=person_id)
    return [ContactRemoved(partner_id=id, person_id=person_id)] if person_id in data.contacts else []


def erase(data: MasterData, id: UUID, person_id: UUID, *, trader: UUID | None, out: bool) -> list[MasterDataEvent]:
    """Of a sole trader (`trader`, None: a company) the name is needed for as long as there is a contract to keep (GDPR,
    art. 17(3))."""
    if person_id in data.erased:
        return []
    if person_id == trader and not out:
        raise Rejected("partner.still_a_partner")
    if person_id not in data.known and person_id != trader:
        raise Unknown("partner.contact_unknown", person_id=person_id)
    return [PersonErased(partner_id=id, person_id=person_id)]


def decide(
    command: MasterDataCommand, data: MasterData, id: UUID, *, trader: UUID | None, out: bool
) -> list[MasterDataEvent]:
    """Of the partner `id`; `trader` is the person who holds it, `out`: it is a partner no more."""
    match command:
        case ChangeDetails():
            return change_details(data, id, command)
        case LinkExternalReference():
            return link(data, id, command)
        case KeepContact():
            return keep_contact(data, id, command)
        case RemoveContact(person_id=person_id):
            return remove_contact(data, id, person_id)
        case ErasePerson(person_id=person_id):
            return erase(data, id, person_id, trader=trader, out=out)
        case _:
            assert_never(command)


# -- evolve


def evolve(data: MasterData, event: MasterDataEvent) -> MasterData:
    match event:
        case PartnerDetailsChanged(tax_ids=tax_ids, currency=currency):
            return replace(data, tax_ids=tax_ids, currency=currency)
        case ExternalReferenceLinked(system=system, key=key):
            return replace(data, references={**data.references, system: key})
        case ContactChanged(person_id=person_id):
            contact = Contact(event.role, event.name, event.email, event.phone)
            return replace(data, contacts={**data.contacts, person_id: contact}, known=data.known | {person_id})
        case ContactRemoved(person_id=person_id):
            return replace(data, contacts=_without(data.contacts, person_id))
        case PersonErased(person_id=person_id):
            return replace(data, contacts=_without(data.contacts, person_id), erased=data.erased | {person_id})
        case _:
            assert_never(event)


def left(data: MasterData, person_id: UUID) -> MasterData:
    """The person who held the business holds it no more, and can be erased like a contact that was removed."""
    return replace(data, known=data.known | {person_id})


def _without(contacts: dict[UUID, Contact], person_id: UUID) -> dict[UUID, Contact]:
    return {id: contact for id, contact in contacts.items() if id != person_id}
