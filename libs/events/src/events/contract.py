"""Events of contract-svc: negotiation and contracts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from events.base import Event


class NegotiationOpened(Event, type="cauce.contract.NegotiationOpened.v1", key="negotiation-{negotiation_id}"):
    """A registered partner and the principal began to negotiate. The stream is the negotiation's."""

    negotiation_id: UUID
    partner_id: UUID


class NegotiationAccepted(Event, type="cauce.contract.NegotiationAccepted.v1", key="negotiation-{negotiation_id}"):
    """Both sides agree on the terms; a contract is drafted from them."""

    negotiation_id: UUID
    partner_id: UUID
    contract_id: UUID
    jurisdiction: str
    areas: tuple[str, ...]
    royalty_percent: Decimal
    term_ends_on: date | None = None


class NegotiationLapsed(Event, type="cauce.contract.NegotiationLapsed.v1", key="negotiation-{negotiation_id}"):
    """The negotiation ended without a contract."""

    negotiation_id: UUID
    partner_id: UUID
    reason: str


class ContractDrafted(Event, type="cauce.contract.ContractDrafted.v1", key="contract-{contract_id}"):
    """A contract was drafted under a jurisdiction's rules. The stream is the contract's."""

    contract_id: UUID
    partner_id: UUID
    jurisdiction: str
    areas: tuple[str, ...]
    royalty_percent: Decimal
    term_ends_on: date | None = None


class DisclosureDelivered(Event, type="cauce.contract.DisclosureDelivered.v1", key="contract-{contract_id}"):
    """The disclosure document reached the partner; signing is allowed from `signing_allowed_from`."""

    contract_id: UUID
    partner_id: UUID
    delivered_on: date
    signing_allowed_from: date
    law: str


class PartnerSigned(Event, type="cauce.contract.PartnerSigned.v1", key="contract-{contract_id}"):
    """Every required party has signed; the contract takes effect on `effective_from`."""

    contract_id: UUID
    partner_id: UUID
    areas: tuple[str, ...]
    effective_from: date


class ContractInForce(Event, type="cauce.contract.ContractInForce.v1", key="contract-{contract_id}"):
    """The contract's effective day has come."""

    contract_id: UUID
    partner_id: UUID


class ContractExpired(Event, type="cauce.contract.ContractExpired.v1", key="contract-{contract_id}"):
    """The contract's term ended."""

    contract_id: UUID
    partner_id: UUID


class ContractTerminated(Event, type="cauce.contract.ContractTerminated.v1", key="contract-{contract_id}"):
    """The contract was ended before its term."""

    contract_id: UUID
    partner_id: UUID
    reason: str


PUBLIC: tuple[type[Event], ...] = (
    NegotiationOpened,
    NegotiationAccepted,
    NegotiationLapsed,
    ContractDrafted,
    DisclosureDelivered,
    PartnerSigned,
    ContractInForce,
    ContractExpired,
    ContractTerminated,
)
