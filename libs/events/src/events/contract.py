"""Events of contract-svc: negotiation and contracts."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event

Party = Literal["principal", "partner"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Money(_Value):
    """An amount in a currency (ISO 4217): `amount="25000.00", currency="EUR"`."""

    amount: Decimal
    currency: str


class RoyaltyRate(_Value):
    """A line of the royalty schedule: what is due of the sales of `effective_from` to `effective_to`, both included;
    null: from the beginning, to the end. `minimum` and `maximum` are a period's."""

    percent: Decimal
    brand_fund_percent: Decimal = Decimal(0)
    minimum: Money | None = None
    maximum: Money | None = None
    effective_from: date | None = None
    effective_to: date | None = None


class AreaGrant(_Value):
    """An area in which the partner may sell: a country, with a subdivision or a postal code. Null: any brand, any
    channel. If `exclusive`, nobody else may there."""

    area: str
    brand: str | None = None
    channel: str | None = None
    exclusive: bool = False


class Fees(_Value):
    """What is paid once: at the beginning, for a transfer, for a renewal."""

    initial: Money | None = None
    transfer: Money | None = None
    renewal: Money | None = None


class RenewalTerms(_Value):
    """The contract may be renewed so many `times` by so many `months`, from `window_days` before its term ends."""

    times: int
    months: int
    window_days: int


class Clause(_Value):
    """A restriction on the partner, as `non_compete`, and its words."""

    kind: str
    text: str


class ContractTerms(_Value):
    """All that two parties agree on. Without `term_ends_on`, the last day of the term, it has no end. `notice_days` and
    `cure_days` hold where no law asks for more. Royalties are stated in `royalty_currency` and paid within
    `royalty_due_days` after their period; what comes later costs `royalty_interest_percent` a year. Null: not agreed
    here."""

    jurisdiction: str
    grants: tuple[AreaGrant, ...]
    royalties: tuple[RoyaltyRate, ...]
    fees: Fees = Fees()
    term_ends_on: date | None = None
    notice_days: int = 30
    cure_days: int = 30
    renewal: RenewalTerms | None = None
    restrictions: tuple[Clause, ...] = ()
    royalty_currency: str | None = None
    royalty_due_days: int | None = None
    royalty_interest_percent: Decimal | None = None

    @property
    def areas(self) -> tuple[str, ...]:
        """Each area once, in order."""
        return tuple(dict.fromkeys(grant.area for grant in self.grants))


class NegotiationOpened(Event, type="cauce.contract.NegotiationOpened.v1", key="negotiation-{negotiation_id}"):
    """A registered partner and the principal began to negotiate. The stream is the negotiation's."""

    negotiation_id: UUID
    partner_id: UUID


class NegotiationAccepted(Event, type="cauce.contract.NegotiationAccepted.v1", key="negotiation-{negotiation_id}"):
    """Both sides agree on the offer of a round; a contract is drafted from its terms. `areas`, `royalty_percent` (the
    schedule's first) and `term_ends_on` are told again beside the whole `terms`."""

    negotiation_id: UUID
    partner_id: UUID
    contract_id: UUID
    jurisdiction: str
    areas: tuple[str, ...]
    royalty_percent: Decimal
    term_ends_on: date | None = None
    round: int | None = None
    terms: ContractTerms | None = None


class NegotiationLapsed(Event, type="cauce.contract.NegotiationLapsed.v1", key="negotiation-{negotiation_id}"):
    """The negotiation ended without a contract: nobody accepted, or what was agreed on was withdrawn before all had
    signed it."""

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
    terms: ContractTerms | None = None


class DisclosureDelivered(Event, type="cauce.contract.DisclosureDelivered.v1", key="contract-{contract_id}"):
    """The disclosure document reached the partner; signing is allowed from `signing_allowed_from`, a legal day that
    begins at `opens_at`. `rules_version` is that of the jurisdiction's rules that it was judged by."""

    contract_id: UUID
    partner_id: UUID
    delivered_on: date
    signing_allowed_from: date
    law: str
    opens_at: datetime | None = None
    rules_version: int | None = None


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


class ContractRenewed(Event, type="cauce.contract.ContractRenewed.v1", key="contract-{contract_id}"):
    """Both parties renewed the contract: its term now ends on `term_ends_on`. It is in force all the while."""

    contract_id: UUID
    partner_id: UUID
    renewal: int
    term_ends_on: date


class ContractTransferred(Event, type="cauce.contract.ContractTransferred.v1", key="contract-{contract_id}"):
    """Everybody consented: from `effective_on` on the contract in force is another partner's. `partner_id` is whose it
    is now."""

    contract_id: UUID
    partner_id: UUID
    from_partner_id: UUID
    effective_on: date


class ContractExpired(Event, type="cauce.contract.ContractExpired.v1", key="contract-{contract_id}"):
    """The contract's term ended."""

    contract_id: UUID
    partner_id: UUID


class ContractTerminated(Event, type="cauce.contract.ContractTerminated.v1", key="contract-{contract_id}"):
    """The contract was ended before its term: because of a breach, or, without one, in agreement with the partner."""

    contract_id: UUID
    partner_id: UUID
    reason: str
    breach_id: UUID | None = None


class BreachNoticed(Event, type="cauce.contract.BreachNoticed.v1", key="contract-{contract_id}"):
    """The partner was given notice of a breach, with every reason. It may be cured up to `cure_until`, and the contract
    terminated from `termination_allowed_from` on, by the `law` that is cited. `cure_until` is null where the ground
    asks for no cure. `evidence` are event ids."""

    contract_id: UUID
    partner_id: UUID
    breach_id: UUID
    ground: str
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]
    noticed_on: date
    cure_until: date | None
    lapses_at: datetime | None
    termination_allowed_from: date
    law: str


class BreachCured(Event, type="cauce.contract.BreachCured.v1", key="contract-{contract_id}"):
    """The breach is no more: the partner cured it, or the principal waived it."""

    contract_id: UUID
    partner_id: UUID
    breach_id: UUID
    resolution: Literal["cured", "waived"]
    reason: str


class CureLapsed(Event, type="cauce.contract.CureLapsed.v1", key="contract-{contract_id}"):
    """The time for curing the breach is over, and it was not cured."""

    contract_id: UUID
    partner_id: UUID
    breach_id: UUID


PUBLIC: tuple[type[Event], ...] = (
    NegotiationOpened,
    NegotiationAccepted,
    NegotiationLapsed,
    ContractDrafted,
    DisclosureDelivered,
    PartnerSigned,
    ContractInForce,
    ContractRenewed,
    ContractTransferred,
    ContractExpired,
    ContractTerminated,
    BreachNoticed,
    BreachCured,
    CureLapsed,
)
