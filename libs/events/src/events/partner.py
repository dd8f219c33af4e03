"""Events of partner-svc: recruiting and the registry."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event, PersonalData

PartnerKind = Literal["franchisee", "reseller", "distributor", "agent"]


class ExternalRef(BaseModel):
    """How another system calls this record: `system="erp", key="V-1042"`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    system: str
    key: str


class SuspensionCause(BaseModel):
    """Why a partner is suspended: the restriction (or decided adjustment) that asks for it, and what it rests on."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    cause_id: UUID
    reason: str
    evidence: tuple[UUID, ...] = ()


class DimensionScore(BaseModel):
    """One line of an application's scoring: the score from 0 to 100, and the dimension's weight in percent."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    dimension: str
    score: Decimal
    weight: Decimal


class PartnerApplied(Event, type="cauce.partner.PartnerApplied.v1", key="application-{application_id}"):
    """Somebody asked to become a partner. The stream is the application's."""

    application_id: UUID
    legal_name: Annotated[str, PersonalData(of="application_id")]
    kind: PartnerKind
    area: str
    outlet_name: str
    external_refs: tuple[ExternalRef, ...] = ()


class ApplicationScored(Event, type="cauce.partner.ApplicationScored.v1", key="application-{application_id}"):
    """The application was scored against a version of the standard; `total` is the weighted score from 0 to 100.

    A failed gate refuses approval unless it is overridden.
    """

    application_id: UUID
    standard: str
    standard_version: int
    total: Decimal
    failed_gates: tuple[str, ...] = ()
    scores: tuple[DimensionScore, ...] = ()


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


class OutletOpened(Event, type="cauce.partner.OutletOpened.v1", key="partner-{partner_id}"):
    """Every critical item of the outlet's opening checklist is done and the outlet opened."""

    partner_id: UUID
    outlet_id: UUID
    name: str
    area: str
    opened_on: date


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


PUBLIC: tuple[type[Event], ...] = (
    PartnerApplied,
    ApplicationScored,
    ApplicationApproved,
    ApplicationDeclined,
    PartnerRegistered,
    OutletOpened,
    PartnerActivated,
    PartnerSuspended,
    PartnerReinstated,
    PartnerLapsed,
    PartnerTerminated,
)
