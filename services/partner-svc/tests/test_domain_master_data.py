"""Master data that other systems map by, and the people behind a partner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.partner import (
    ContactChanged,
    ContactRemoved,
    ExternalReferenceLinked,
    OutletChanged,
    PartnerDetailsChanged,
    PartnerRegistered,
    PartnerTerminated,
    PersonErased,
    TaxId,
)
from partner.domain.checklist import OPENING_CHECKLIST
from partner.domain.master_data import (
    ChangeDetails,
    ErasePerson,
    KeepContact,
    LinkExternalReference,
    RemoveContact,
)
from partner.domain.outlet import ChangeOutlet
from partner.domain.partner import partners
from partner.domain.readiness import ChecklistDrawnUp
from partner.domain.registration import Registration, outlet_id
from pydantic import ValidationError

ANA, BEN = UUID(int=501), UUID(int=502)
NIF = TaxId(country="ES", scheme="NIF", value="B12345678")
VAT = TaxId(country="ES", scheme="VAT", value="ESB12345678")


def sealed(person: UUID, secret: str) -> str:
    return f"sealed.1.{person}.{secret}"


def keep(person: UUID, name: str = "QW5h", **changes: Any) -> KeepContact:
    content = {"role": "owner", "name": sealed(person, name), "email": None, "phone": None, **changes}
    return KeepContact(person_id=person, **content)


@pytest.fixture
def given(partner: UUID, registration: Callable[..., Registration]) -> Callable[..., list[Any]]:
    """A registered partner, and what happened since."""

    def make(*since: Any, sole_trader: bool = False) -> list[Any]:
        who = registration()
        registered = PartnerRegistered(
            partner_id=partner,
            application_id=who.application_id,
            legal_name=sealed(partner, "QW5h") if sole_trader else who.legal_name,
            kind=who.kind,
            area=who.area,
            outlet_id=outlet_id(partner),
            outlet_name=who.outlet_name,
            external_refs=who.external_refs,
            sole_trader=sole_trader,
        )
        return [
            registered,
            ChecklistDrawnUp(partner_id=partner, outlet_id=outlet_id(partner), items=OPENING_CHECKLIST),
            *since,
        ]

    return make


@pytest.fixture
def told(partner: UUID) -> dict[str, Any]:
    return {"partner_id": partner}


Given = Callable[..., list[Any]]


def test_tax_ids_and_currency_are_told_whole(given: Given, told: dict[str, Any], now: datetime) -> None:
    changed = PartnerDetailsChanged(**told, tax_ids=(NIF, VAT), currency="EUR")
    scenario(partners, given=given(), when=ChangeDetails(tax_ids=(NIF, VAT), currency="EUR"), at=now, then=changed)
    repeat = ChangeDetails(tax_ids=(NIF, VAT), currency="EUR")
    scenario(partners, given=given(changed), when=repeat, at=now, then=[])


def test_one_scheme_of_one_country_has_one_tax_id(given: Given, now: datetime) -> None:
    twice = ChangeDetails(tax_ids=(NIF, replace_value(NIF)), currency=None)
    refused = Rejected("partner.tax_id_twice", schemes=["ES NIF"])
    scenario(partners, given=given(), when=twice, at=now, then=refused)


def replace_value(tax_id: TaxId) -> TaxId:
    return tax_id.model_copy(update={"value": "B87654321"})


@pytest.mark.parametrize("currency", ["eur", "EURO", "E1R", ""])
def test_a_currency_is_an_iso_4217_code(currency: str) -> None:
    with pytest.raises(ValidationError):
        ChangeDetails(tax_ids=(), currency=currency)


def test_a_reference_replaces_what_the_system_called_the_partner_before(
    given: Given, told: dict[str, Any], now: datetime
) -> None:
    linked = ExternalReferenceLinked(**told, system="erp", key="V-2000", replaces="V-1042")
    scenario(partners, given=given(), when=LinkExternalReference(system="erp", key="V-2000"), at=now, then=linked)
    scenario(partners, given=given(linked), when=LinkExternalReference(system="erp", key="V-2000"), at=now, then=[])
    first = ExternalReferenceLinked(**told, system="crm", key="77", replaces=None)
    scenario(partners, given=given(linked), when=LinkExternalReference(system="crm", key="77"), at=now, then=first)


def test_an_outlet_that_is_renamed_or_moved_is_told(
    given: Given, partner: UUID, told: dict[str, Any], now: datetime
) -> None:
    changed = OutletChanged(**told, outlet_id=outlet_id(partner), name="Dimond", area="US-AK")
    scenario(partners, given=given(), when=ChangeOutlet(name="Dimond", area="US-AK"), at=now, then=changed)
    scenario(partners, given=given(changed), when=ChangeOutlet(name="Dimond", area="US-AK"), at=now, then=[])


def ana(told: dict[str, Any], **changes: Any) -> ContactChanged:
    content = {"role": "owner", "name": sealed(ANA, "QW5h"), "email": None, "phone": None, **changes}
    return ContactChanged(**told, person_id=ANA, **content)


def test_a_contact_is_told_sealed(given: Given, told: dict[str, Any], now: datetime) -> None:
    scenario(partners, given=given(), when=keep(ANA), at=now, then=ana(told))
    scenario(partners, given=given(ana(told)), when=keep(ANA), at=now, then=[])
    as_contact = ana(told, role="contact")
    scenario(partners, given=given(ana(told)), when=keep(ANA, role="contact"), at=now, then=as_contact)


@pytest.mark.parametrize("field", ["name", "email", "phone"])
def test_a_contact_in_the_open_is_no_command(field: str) -> None:
    with pytest.raises(ValidationError):
        keep(ANA, **{field: "Ana Sánchez"}) if field != "name" else KeepContact(
            person_id=ANA, role="owner", name="Ana Sánchez", email=None, phone=None
        )


def test_a_contact_is_removed_once(given: Given, told: dict[str, Any], now: datetime) -> None:
    removed = ContactRemoved(**told, person_id=ANA)
    scenario(partners, given=given(ana(told)), when=RemoveContact(person_id=ANA), at=now, then=removed)
    scenario(partners, given=given(ana(told), removed), when=RemoveContact(person_id=ANA), at=now, then=[])
    unknown = Unknown("partner.contact_unknown", person_id=BEN)
    scenario(partners, given=given(ana(told)), when=RemoveContact(person_id=BEN), at=now, then=unknown)


def test_a_contact_is_erased_also_after_the_removal_and_never_comes_back(
    given: Given, told: dict[str, Any], now: datetime
) -> None:
    erased, removed = PersonErased(**told, person_id=ANA), ContactRemoved(**told, person_id=ANA)
    scenario(partners, given=given(ana(told)), when=ErasePerson(person_id=ANA), at=now, then=erased)
    scenario(partners, given=given(ana(told), removed), when=ErasePerson(person_id=ANA), at=now, then=erased)
    scenario(partners, given=given(ana(told), erased), when=ErasePerson(person_id=ANA), at=now, then=[])
    refused = Rejected("partner.person_erased", person_id=ANA)
    scenario(partners, given=given(ana(told), erased), when=keep(ANA), at=now, then=refused)
    unknown = Unknown("partner.contact_unknown", person_id=BEN)
    scenario(partners, given=given(ana(told)), when=ErasePerson(person_id=BEN), at=now, then=unknown)


def test_a_sole_trader_is_erased_when_it_is_a_partner_no_more(
    given: Given, partner: UUID, told: dict[str, Any], now: datetime
) -> None:
    trading, ended = given(sole_trader=True), PartnerTerminated(**told, contract_id=UUID(int=101), reason="The end.")
    erase, erased = ErasePerson(person_id=partner), PersonErased(**told, person_id=partner)
    scenario(partners, given=trading, when=erase, at=now, then=Rejected("partner.still_a_partner"))
    scenario(partners, given=[*trading, ended], when=erase, at=now, then=erased)


def test_a_company_is_no_person_to_erase(given: Given, partner: UUID, told: dict[str, Any], now: datetime) -> None:
    ended = PartnerTerminated(**told, contract_id=UUID(int=101), reason="The end.")
    unknown = Unknown("partner.contact_unknown", person_id=partner)
    scenario(partners, given=given(ended), when=ErasePerson(person_id=partner), at=now, then=unknown)


def test_two_sole_traders_of_one_name_are_found_by_its_key(registration: Callable[..., Registration]) -> None:
    key, other_key = UUID(int=1), UUID(int=2)
    one = registration(legal_name=sealed(ANA, "QW5h"), sole_trader=True, name_key=key)
    other = replace(one, legal_name=sealed(BEN, "QmVu"))
    assert one.name_id == other.name_id
    assert one.name_id != replace(one, name_key=other_key).name_id
    assert registration().name_id == registration(legal_name="TESORO -SEWARD HWY").name_id
