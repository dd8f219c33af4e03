from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.partner import (
    ContactChanged,
    ContactRemoved,
    PartnerDetailsChanged,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTransferred,
    PersonErased,
    SuspensionCause,
    TaxId,
)
from partner.domain.launch import ContractSigned
from partner.domain.master_data import ErasePerson
from partner.domain.ownership import (
    ApproveTransfer,
    DropTransfer,
    NewOwner,
    ProposeTransfer,
    TransferDropped,
    TransferProposed,
)
from partner.domain.partner import partners
from partner.domain.register import (
    Brand,
    Entry,
    KeepEntry,
    LinkEntry,
    Principal,
    RegisterEntryKept,
    RegisterEntryLinked,
    RegisterEntryRetired,
    RetireEntry,
    register_entries,
)
from partner.domain.registration import (
    NameClaimed,
    NameTaken,
    Registration,
    TakeName,
    outlet_id,
    registered_names,
)
from partner.domain.standing import Holder
from partner.domain.tax_id import ClaimTaxId, ReleaseTaxId, TaxIdClaimed, TaxIdReleased, tax_id_id, tax_ids
from pydantic import ValidationError

NOW = datetime(2005, 6, 1, 12, tzinfo=UTC)
HOLDER, OLD_OWNER, CLERK, NEW_OWNER, OTHER = (UUID(int=n) for n in range(601, 606))
NIF = TaxId(country="ES", scheme="NIF", value="B12345678")


def sealed(person: UUID, secret: str = "QW5h") -> str:
    return f"sealed.1.{person}.{secret}"


class Story:
    def __init__(self, id: UUID, registration: Registration) -> None:
        self.id, self.of = id, {"partner_id": id}
        self.registered = self._registered(registration)
        self.signed: list[Any] = [
            self.registered,
            ContractSigned(**self.of, contract_id=UUID(int=101), effective_from=date(2000, 2, 1)),
        ]
        contact = {"name": sealed(OLD_OWNER), "email": None, "phone": None}
        self.people: list[Any] = [
            ContactChanged(**self.of, person_id=OLD_OWNER, role="owner", **contact),
            ContactChanged(**self.of, person_id=CLERK, role="contact", **contact),
            PartnerDetailsChanged(**self.of, tax_ids=(NIF,), currency="EUR"),
        ]
        self.owner = NewOwner(person_id=NEW_OWNER, name=sealed(NEW_OWNER))
        self.proposed = TransferProposed(
            **self.of, holder=Holder(HOLDER, "NEW SL"), owners=(self.owner,), reason="Sold.", by=("ana",)
        )
        self.before = [*self.signed, *self.people, self.proposed]
        self.transferred = PartnerTransferred(
            **self.of,
            holder_id=HOLDER,
            legal_name="NEW SL",
            previous_holder_id=id,
            transferred_on=date(2005, 6, 1),
            reason="Sold.",
        )
        self.then: list[Any] = [
            self.transferred,
            PartnerDetailsChanged(**self.of, tax_ids=(), currency="EUR"),
            ContactRemoved(**self.of, person_id=OLD_OWNER),
            ContactChanged(
                **self.of, person_id=NEW_OWNER, role="owner", name=sealed(NEW_OWNER), email=None, phone=None
            ),
        ]
        cause = SuspensionCause(cause_id=UUID(int=9), reason="Unpaid.")
        self.suspended = PartnerSuspended(**self.of, cause=cause)
        self.reinstated = PartnerReinstated(**self.of, lifted_cause_id=cause.cause_id)

    def _registered(self, registration: Registration, **changes: Any) -> PartnerRegistered:
        return PartnerRegistered.model_validate(
            {
                "partner_id": self.id,
                "application_id": registration.application_id,
                "legal_name": registration.legal_name,
                "kind": registration.kind,
                "area": registration.area,
                "outlet_id": outlet_id(self.id),
                "outlet_name": registration.outlet_name,
                **changes,
            }
        )

    def propose(self, **changes: Any) -> ProposeTransfer:
        said = {
            "holder_id": HOLDER,
            "legal_name": "NEW SL",
            "sole_trader": False,
            "owners": (self.owner,),
            "reason": "Sold.",
            "by": ("ana",),
        }
        return ProposeTransfer.model_validate({**said, **changes})


@pytest.fixture
def story(partner: UUID, registration: Callable[..., Registration]) -> Story:
    return Story(partner, registration())


APPROVE = ApproveTransfer(by=("ben",))


def test_a_business_becomes_anothers_when_a_second_person_approves_it(story: Story) -> None:
    given = [*story.signed, *story.people]
    scenario(partners, given=given, when=story.propose(), at=NOW, then=story.proposed)
    scenario(partners, given=story.before, when=story.propose(), at=NOW, then=[])
    scenario(partners, given=story.before, when=APPROVE, at=NOW, then=story.then)
    state = partners.fold([*story.before, *story.then])
    assert state.holder == Holder(HOLDER, "NEW SL")
    assert set(state.data.contacts) == {CLERK, NEW_OWNER}, "who is no owner goes on"
    assert state.contracts.keys() == {UUID(int=101)}, "contracts and history stay"
    assert state.registration == partners.fold(story.signed).registration


@pytest.mark.parametrize("by", [("ana",), ("cid", "ana")], ids=["herself", "in her name"])
def test_one_person_does_not_transfer_a_business_alone(story: Story, by: tuple[str, ...]) -> None:
    refused = Rejected("partner.second_person_needed", proposed_by=["ana"])
    scenario(partners, given=story.before, when=ApproveTransfer(by=by), at=NOW, then=refused)


def test_a_suspended_partner_is_not_transferred_before_it_is_reinstated(story: Story) -> None:
    refused = Rejected("partner.suspended", reasons=["Unpaid."])
    scenario(partners, given=[*story.signed, story.suspended], when=story.propose(), at=NOW, then=refused)
    given = [*story.before, story.suspended]
    scenario(partners, given=given, when=APPROVE, at=NOW, then=refused)
    scenario(partners, given=[*given, story.reinstated], when=APPROVE, at=NOW, then=story.then)


def test_only_a_partner_who_has_signed_is_transferred_and_only_by_what_is_proposed(story: Story) -> None:
    unsigned = Rejected("partner.not_signed")
    scenario(partners, given=[story.registered], when=story.propose(), at=NOW, then=unsigned)
    nothing = Rejected("partner.no_transfer_proposed")
    for command in (APPROVE, DropTransfer(reason="No.")):
        scenario(partners, given=story.signed, when=command, at=NOW, then=nothing)
    dropped = TransferDropped(**story.of, reason="No.")
    scenario(partners, given=story.before, when=DropTransfer(reason="No."), at=NOW, then=dropped)
    scenario(partners, given=[*story.before, dropped], when=APPROVE, at=NOW, then=nothing)


def test_a_person_who_held_the_business_can_be_erased_when_it_is_anothers(
    story: Story, registration: Callable[..., Registration]
) -> None:
    trader = story._registered(registration(), legal_name=sealed(story.id), sole_trader=True)
    given = [trader, *story.signed[1:], story.proposed]
    erase = ErasePerson(person_id=story.id)
    scenario(partners, given=given, when=erase, at=NOW, then=Rejected("partner.still_a_partner"))
    erased = PersonErased(**story.of, person_id=story.id)
    scenario(partners, given=[*given, story.transferred], when=erase, at=NOW, then=erased)


def test_the_new_holder_who_is_a_person_is_kept_while_the_business_is_theirs(story: Story) -> None:
    name = sealed(HOLDER)
    person = story.transferred.model_copy(update={"legal_name": name, "sole_trader": True})
    refused = Rejected("partner.still_a_partner")
    given = [*story.signed, person]
    scenario(partners, given=given, when=ErasePerson(person_id=HOLDER), at=NOW, then=refused)
    stranger = Unknown("partner.contact_unknown", person_id=OTHER)
    scenario(partners, given=given, when=ErasePerson(person_id=OTHER), at=NOW, then=stranger)


def test_owners_in_the_open_are_no_command() -> None:
    with pytest.raises(ValidationError):
        NewOwner(person_id=NEW_OWNER, name="Ana")


# -- names and tax ids that are taken


def test_a_name_that_another_partner_has_is_not_taken(partner: UUID, registration: Callable[..., Registration]) -> None:
    take = TakeName(partner_id=OTHER, legal_name="NEW SL")
    scenario(registered_names, when=take, at=NOW, then=NameTaken(partner_id=OTHER, legal_name="NEW SL"))
    claimed = NameClaimed(registration=registration())
    scenario(registered_names, given=[claimed], when=take, at=NOW, then=Rejected("partner.name_taken", held_by=partner))
    own = TakeName(partner_id=partner, legal_name="TESORO")
    scenario(registered_names, given=[claimed], when=own, at=NOW, then=[])


def test_a_tax_id_is_one_partners_until_it_is_released() -> None:
    claim, claimed = ClaimTaxId(partner_id=HOLDER), TaxIdClaimed(partner_id=HOLDER)
    scenario(tax_ids, when=claim, at=NOW, then=claimed)
    scenario(tax_ids, given=[claimed], when=claim, at=NOW, then=[])
    taken = Rejected("partner.tax_id_taken", held_by=HOLDER)
    scenario(tax_ids, given=[claimed], when=ClaimTaxId(partner_id=OTHER), at=NOW, then=taken)
    scenario(tax_ids, given=[claimed], when=ReleaseTaxId(partner_id=OTHER), at=NOW, then=[])
    released = TaxIdReleased(partner_id=HOLDER)
    scenario(tax_ids, given=[claimed], when=ReleaseTaxId(partner_id=HOLDER), at=NOW, then=released)
    given = [claimed, released]
    scenario(tax_ids, given=given, when=ClaimTaxId(partner_id=OTHER), at=NOW, then=TaxIdClaimed(partner_id=OTHER))


def test_a_tax_id_is_the_same_however_it_is_written() -> None:
    assert tax_id_id("ES", "NIF", "B-12345678") == tax_id_id("ES", "NIF", "b12345678")
    assert len({tax_id_id("ES", "NIF", "1"), tax_id_id("PT", "NIF", "1"), tax_id_id("ES", "VAT", "1")}) == 3


# -- principals, brands and channels

PRINCIPAL = Principal(name="Burgers SA", country="ES", time_zone="Europe/Madrid", currency="EUR")
BRAND = Brand(name="Burgers", principal="burgers-sa")
KEPT = RegisterEntryKept(code="burgers", content=BRAND)


@pytest.mark.parametrize("content", [PRINCIPAL, BRAND], ids=["principal", "brand"])
def test_an_entry_is_kept_whole_and_changed(content: Principal | Brand) -> None:
    keep = KeepEntry(code="burgers", content=content)
    kept = RegisterEntryKept(code="burgers", content=content)
    scenario(register_entries, when=keep, at=NOW, then=kept)
    scenario(register_entries, given=[kept], when=keep, at=NOW, then=[])
    renamed = content.model_copy(update={"name": "Better Burgers"})
    anew = KeepEntry(code="burgers", content=renamed)
    scenario(register_entries, given=[kept], when=anew, at=NOW, then=RegisterEntryKept(code="burgers", content=renamed))


def test_an_entry_is_called_by_others_and_retired() -> None:
    linked = RegisterEntryLinked(code="burgers", register_name="brand", system="erp", key="B1", replaces=None)
    link = LinkEntry(system="erp", key="B1")
    scenario(register_entries, given=[KEPT], when=link, at=NOW, then=linked)
    scenario(register_entries, given=[KEPT, linked], when=link, at=NOW, then=[])
    retired = RegisterEntryRetired(code="burgers", register_name="brand", reason="Sold.")
    retire = RetireEntry(reason="Sold.")
    scenario(register_entries, given=[KEPT, linked], when=retire, at=NOW, then=retired)
    scenario(register_entries, given=[KEPT, retired], when=retire, at=NOW, then=[])
    refused = Rejected("partner.register_entry_retired", entry="burgers", reason="Sold.")
    anew = KeepEntry(code="burgers", content=BRAND.model_copy(update={"name": "Other"}))
    scenario(register_entries, given=[KEPT, retired], when=anew, at=NOW, then=refused)
    for command in (link, retire):
        scenario(register_entries, when=command, at=NOW, then=Unknown("partner.register_entry_unknown"))
    assert register_entries.fold([]) == Entry()


@pytest.mark.parametrize(
    "wrong", [{"country": "Spain"}, {"time_zone": "Europe/Atlantis"}, {"currency": "euro"}], ids=str
)
def test_a_principal_that_is_nowhere_is_no_command(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Principal.model_validate({**PRINCIPAL.model_dump(), **wrong})
