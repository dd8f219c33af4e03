"""Events of partner-svc: recruiting and the registry."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event, PersonalData
from events.sealed import Sealed

PartnerKind = Literal["franchisee", "reseller", "distributor", "agent"]
ContactRole = Literal["owner", "contact"]
Recommendation = Literal["approve", "interview", "decline", "gather_evidence"]


class ExternalRef(BaseModel):
    """How another system calls this record: `system="erp", key="V-1042"`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    system: str
    key: str


class TaxId(BaseModel):
    """How a tax office calls a partner: the country (ISO 3166-1), its scheme, and the number, which is sealed where the
    partner is a person: `country="ES", scheme="NIF", value="B12345678"`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    country: str
    scheme: str
    value: str


class SuspensionCause(BaseModel):
    """Why a partner is suspended: the restriction (or decided adjustment) that asks for it, and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    cause_id: UUID
    reason: str
    evidence: tuple[UUID, ...] = ()


class DimensionScore(BaseModel):
    """One line of an application's scoring: the score from 0 to 100, and the dimension's weight in percent; how sure
    whoever scored it is of it, from 0 to 1 (null: nobody said), and the documents that it rests on."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    dimension: str
    score: Decimal
    weight: Decimal
    confidence: Decimal | None = None
    evidence: tuple[str, ...] = ()


class GateResult(BaseModel):
    """How an application came through a gate; `figure` is what was judged where the gate asks for a minimum."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    gate: str
    passed: bool
    figure: Decimal | None = None


class PartnerApplied(Event, type="cauce.partner.PartnerApplied.v1", key="application-{application_id}"):
    """Somebody asked to become a partner. The stream is the application's.

    A `sole_trader` is a person: the name is sealed, and `name_key` is the same for the same name.
    """

    application_id: UUID
    legal_name: Annotated[str, PersonalData(of="application_id")]
    kind: PartnerKind
    area: str
    outlet_name: str
    external_refs: tuple[ExternalRef, ...] = ()
    sole_trader: bool = False
    name_key: UUID | None = None


class ApplicationScored(Event, type="cauce.partner.ApplicationScored.v1", key="application-{application_id}"):
    """The application was scored against a version of the standard; `total` is the weighted score from 0 to 100.

    A failed gate refuses approval unless it is overridden. `recommendation` follows from the band of the total, the
    gates and the `confidence` (the weighted mean of the lines'); null where the standard has no bands.
    """

    application_id: UUID
    standard: str
    standard_version: int
    total: Decimal
    failed_gates: tuple[str, ...] = ()
    scores: tuple[DimensionScore, ...] = ()
    gates: tuple[GateResult, ...] = ()
    confidence: Decimal | None = None
    band: str | None = None
    recommendation: Recommendation | None = None
    interview_required: bool = False
    override_roles: tuple[str, ...] = ()


class ApplicationApproved(Event, type="cauce.partner.ApplicationApproved.v1", key="application-{application_id}"):
    """The application was approved; with `override_reason`, although it failed a gate. `partner_id` is the id that the
    partner will have."""

    application_id: UUID
    partner_id: UUID
    override_reason: str | None = None


class ApplicationDeclined(Event, type="cauce.partner.ApplicationDeclined.v1", key="application-{application_id}"):
    """The application was declined, with the reason given to the applicant."""

    application_id: UUID
    reason: str


class PartnerRegistered(Event, type="cauce.partner.PartnerRegistered.v1", key="partner-{partner_id}"):
    """The partner is in the registry, prospective until it signs. Its id is fixed from here on."""

    partner_id: UUID
    application_id: UUID
    legal_name: Annotated[str, PersonalData(of="partner_id")]
    kind: PartnerKind
    area: str
    outlet_id: UUID
    outlet_name: str
    external_refs: tuple[ExternalRef, ...] = ()
    sole_trader: bool = False


class PartnerDetailsChanged(Event, type="cauce.partner.PartnerDetailsChanged.v1", key="partner-{partner_id}"):
    """A partner's master data, whole, as it is from now on. `currency` (ISO 4217) is what the partner is paid in."""

    partner_id: UUID
    tax_ids: Annotated[tuple[TaxId, ...], PersonalData(of="partner_id")]
    currency: str | None


class ExternalReferenceLinked(Event, type="cauce.partner.ExternalReferenceLinked.v1", key="partner-{partner_id}"):
    """Another system calls the partner so from now on; what it called it before is `replaces`."""

    partner_id: UUID
    system: str
    key: str
    replaces: str | None


class ContactChanged(Event, type="cauce.partner.ContactChanged.v1", key="partner-{partner_id}"):
    """A person behind a partner, new or changed, whole. Everything but the role is sealed: ask partner-svc."""

    partner_id: UUID
    person_id: UUID
    role: ContactRole
    name: Annotated[Sealed, PersonalData(of="person_id")]
    email: Annotated[Sealed | None, PersonalData(of="person_id")]
    phone: Annotated[Sealed | None, PersonalData(of="person_id")]


class ContactRemoved(Event, type="cauce.partner.ContactRemoved.v1", key="partner-{partner_id}"):
    """The person has nothing to do with the partner any more."""

    partner_id: UUID
    person_id: UUID


class PersonErased(Event, type="cauce.partner.PersonErased.v1", key="partner-{partner_id}", erases="person_id"):
    """What was sealed of this person can never be opened again; whoever has it in the open is to forget it.

    `person_id` is a contact's, or the partner's own id where the partner is a sole trader.
    """

    partner_id: UUID
    person_id: UUID


class OutletOpened(Event, type="cauce.partner.OutletOpened.v1", key="partner-{partner_id}"):
    """Every critical item of the outlet's opening checklist is done and the outlet opened."""

    partner_id: UUID
    outlet_id: UUID
    name: str
    area: str
    opened_on: date


class OutletChanged(Event, type="cauce.partner.OutletChanged.v1", key="partner-{partner_id}"):
    """An outlet is called otherwise, or is elsewhere, from now on."""

    partner_id: UUID
    outlet_id: UUID
    name: str
    area: str


class OutletClosed(Event, type="cauce.partner.OutletClosed.v1", key="partner-{partner_id}"):
    """An outlet closed for good; `closed_on` is its last day."""

    partner_id: UUID
    outlet_id: UUID
    closed_on: date
    reason: str


class PartnerActivated(Event, type="cauce.partner.PartnerActivated.v1", key="partner-{partner_id}"):
    """Contract in force, required training completed, checklist done: the partner trades."""

    partner_id: UUID


class PartnerSuspended(Event, type="cauce.partner.PartnerSuspended.v1", key="partner-{partner_id}"):
    """The first cause of a suspension came. Further causes are kept by partner-svc and not announced again."""

    partner_id: UUID
    cause: SuspensionCause


class PartnerReinstated(Event, type="cauce.partner.PartnerReinstated.v1", key="partner-{partner_id}"):
    """The last cause of the suspension was taken away."""

    partner_id: UUID
    lifted_cause_id: UUID


class PartnerLapsed(Event, type="cauce.partner.PartnerLapsed.v1", key="partner-{partner_id}"):
    """A prospective partner's negotiation ended without a contract."""

    partner_id: UUID
    reason: str


class PartnerTerminated(Event, type="cauce.partner.PartnerTerminated.v1", key="partner-{partner_id}"):
    """The partner's last contract ended."""

    partner_id: UUID
    contract_id: UUID
    reason: str


class PartnerTierChanged(Event, type="cauce.partner.PartnerTierChanged.v1", key="partner-{partner_id}"):
    """A person decided on the partner's tier in a programme: it joined (`previous` and `direction` null), rose or fell.
    `evidence` are the ids of the evaluations that a change was proposed because of."""

    partner_id: UUID
    programme: str
    programme_version: int
    tier: str
    previous: str | None = None
    direction: Literal["promotion", "demotion"] | None = None
    reason: str
    evidence: tuple[UUID, ...] = ()


class PartnerTransferred(Event, type="cauce.partner.PartnerTransferred.v1", key="partner-{partner_id}"):
    """The partner's business is somebody else's: the partner goes on under its id, with its contracts and its history.

    `legal_name` is the new holder's; where that is a person it is sealed under `holder_id`. Tax ids are told anew.
    """

    partner_id: UUID
    holder_id: UUID
    legal_name: Annotated[str, PersonalData(of="holder_id")]
    sole_trader: bool = False
    previous_holder_id: UUID
    transferred_on: date
    reason: str


PUBLIC: tuple[type[Event], ...] = (
    PartnerApplied,
    ApplicationScored,
    ApplicationApproved,
    ApplicationDeclined,
    PartnerRegistered,
    PartnerDetailsChanged,
    ExternalReferenceLinked,
    ContactChanged,
    ContactRemoved,
    PersonErased,
    OutletOpened,
    OutletChanged,
    OutletClosed,
    PartnerActivated,
    PartnerSuspended,
    PartnerReinstated,
    PartnerLapsed,
    PartnerTerminated,
    PartnerTierChanged,
    PartnerTransferred,
)
