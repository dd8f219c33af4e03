"""The documents of the compacted `<service>.state` topics: how a thing is now, for systems that need no history.

The record's key is the stream. A record without a value says that the thing is not there any more. Like events, the
documents are pinned and released, and only grow by optional fields; anything else is a new major with an upcast, which
takes the place of the old one on the topic. Sealed personal data stays sealed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Period, Versioned
from events.contract import ContractTerms
from events.partner import ExternalRef, PartnerKind, TaxId
from events.performance import Trend
from events.risk import RestrictionKind


class State(Versioned):
    """`class PartnerState(State, type="cauce.partner.PartnerState.v1", key="partner-{partner_id}")`."""

    def __init_subclass__(cls, *, key: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(key=key, **kwargs)
        if not cls.__name__.endswith("State") or not key:
            raise TypeError(f"{cls.__name__}: a state is called ...State, and has key='<stream>'")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class OutletNow(_Part):
    """A partner's place of business; `opened_on` null: not open yet, `closed_on` null: not closed."""

    outlet_id: UUID
    name: str
    area: str
    opened_on: date | None
    closed_on: date | None = None
    external_refs: tuple[ExternalRef, ...] = ()


class TierNow(_Part):
    """A partner's tier in a programme."""

    programme: str
    tier: str


class PartnerState(State, type="cauce.partner.PartnerState.v1", key="partner-{partner_id}"):
    """A partner of the registry. `suspended_because` has the reasons while it is suspended."""

    partner_id: UUID
    application_id: UUID
    legal_name: str
    kind: PartnerKind
    area: str
    status: Literal["prospective", "onboarding", "active", "suspended", "lapsed", "terminated"]
    suspended_because: tuple[str, ...]
    outlets: tuple[OutletNow, ...]
    external_refs: tuple[ExternalRef, ...]
    tax_ids: tuple[TaxId, ...] = ()
    currency: str | None = None
    sole_trader: bool = False
    tiers: tuple[TierNow, ...] = ()


class ContractState(State, type="cauce.contract.ContractState.v1", key="contract-{contract_id}"):
    """A contract, from its draft on. `terms` are those that it was drafted with, with the end of the term of now."""

    contract_id: UUID
    partner_id: UUID
    status: Literal["drafted", "disclosed", "signed", "in_force", "expired", "terminated"]
    jurisdiction: str
    areas: tuple[str, ...]
    royalty_percent: Decimal
    effective_from: date | None
    signed_by: tuple[str, ...]
    terms: ContractTerms | None = None


class RoyaltyStatementState(
    State, type="cauce.contract.RoyaltyStatementState.v1", key="royalty_statement-{statement_id}"
):
    """What a partner owes under a contract for a period, and what of it is paid; `due_on` null: no day is agreed."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    currency: str
    total: Decimal
    due_on: date | None
    paid: Decimal
    outstanding: Decimal
    days_late: int
    corrections: int
    disputed: bool


class EnrolmentState(State, type="cauce.training.EnrolmentState.v1", key="enrolment-{enrolment_id}"):
    """A partner's training in a course; `valid_until` is the last day of a certificate that holds."""

    enrolment_id: UUID
    partner_id: UUID
    course: str
    required_for_launch: bool
    status: Literal["assigned", "started", "completed", "failed", "expired", "renewing"]
    valid_until: date | None


class FieldAuditState(State, type="cauce.training.FieldAuditState.v1", key="field_audit-{audit_id}"):
    """A field audit that was published; `total` from 0 to 100. Before that it is not shown."""

    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    template: str
    template_version: int
    audited_on: date
    total: Decimal
    passed: bool


class CorrectiveActionState(State, type="cauce.training.CorrectiveActionState.v1", key="corrective_action-{action_id}"):
    """A finding that has to be put right by the end of `due_on`. `overdue` stays once it was."""

    action_id: UUID
    audit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    item: str
    critical: bool
    due_on: date
    status: Literal["open", "submitted", "verified", "waived"]
    overdue: bool


class EvaluationNow(_Part):
    """The evaluation of a period as it holds now; `percentile` null: the cohort is too small."""

    period: Period
    scorecard: str
    scorecard_version: int
    total: Decimal
    band: str
    trend: Trend | None
    percentile: Decimal | None
    cohort_size: int


class EvaluationState(State, type="cauce.performance.EvaluationState.v1", key="evaluation-{partner_id}"):
    """A partner's newest evaluation of each kind of period: year, quarter, month."""

    partner_id: UUID
    newest: tuple[EvaluationNow, ...]


class FlagNow(_Part):
    """An open flag."""

    flag_id: UUID
    rule: str
    acknowledged: bool


class RestrictionNow(_Part):
    """A restriction that holds; `rule` null: a person imposed it."""

    restriction_id: UUID
    kind: RestrictionKind
    rule: str | None
    reason: str


class RiskProfileState(State, type="cauce.risk.RiskProfileState.v1", key="risk_profile-{partner_id}"):
    """What stands against a partner now: open flags, and restrictions to obey."""

    partner_id: UUID
    flags: tuple[FlagNow, ...]
    restrictions: tuple[RestrictionNow, ...]


STATES: Mapping[str, tuple[type[State], ...]] = {
    "partner": (PartnerState,),
    "contract": (ContractState, RoyaltyStatementState),
    "training": (EnrolmentState, FieldAuditState, CorrectiveActionState),
    "performance": (EvaluationState,),
    "risk": (RiskProfileState,),
}
"""Every document by the service whose state topic carries it."""
