"""Events of risk-svc: risk, restrictions, contingency, adjustment."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from events.base import Event, Period

Severity = Literal["low", "medium", "high", "critical"]
RestrictionKind = Literal["order_block", "credit_limit", "no_new_outlet", "fund_freeze", "suspension"]
By = Literal["rule", "person"]


class RiskFlagged(Event, type="cauce.risk.RiskFlagged.v1", key="risk_profile-{partner_id}"):
    """A rule found a risk in a partner. The stream is the partner's risk profile; `evidence` are event ids."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    rule_version: int
    severity: Severity
    period: Period | None
    explanation: str
    evidence: tuple[UUID, ...]


class RiskResolved(Event, type="cauce.risk.RiskResolved.v1", key="risk_profile-{partner_id}"):
    """A flag is no longer open: resolved by a later fact, or dismissed by a person with a reason."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    resolution: Literal["resolved", "dismissed"]
    explanation: str
    evidence: tuple[UUID, ...] = ()


class RestrictionImposed(Event, type="cauce.risk.RestrictionImposed.v1", key="risk_profile-{partner_id}"):
    """A restriction that other services obey; only the kind `suspension` suspends a partner.

    `reason` is a sentence for people, `evidence` are event ids. With `by="rule"`, `rule` and `rule_version` say which.
    """

    restriction_id: UUID
    partner_id: UUID
    kind: RestrictionKind
    reason: str
    evidence: tuple[UUID, ...]
    by: By = "rule"
    rule: str | None = None
    rule_version: int | None = None


class RestrictionLifted(Event, type="cauce.risk.RestrictionLifted.v1", key="risk_profile-{partner_id}"):
    """The restriction no longer holds: later evaluations lifted it, or a person did."""

    restriction_id: UUID
    partner_id: UUID
    kind: RestrictionKind
    reason: str
    evidence: tuple[UUID, ...] = ()
    by: By = "rule"


class AdjustmentDecided(Event, type="cauce.risk.AdjustmentDecided.v1", key="risk_profile-{partner_id}"):
    """A person decided on a partner: probation, suspension, replacement or termination. The owning services carry it
    out: a termination begins with notice of the breach, and its cure is never skipped. `evidence` are event ids."""

    adjustment_id: UUID
    partner_id: UUID
    kind: Literal["probation", "suspend", "replace", "terminate"]
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...] = ()


PUBLIC: tuple[type[Event], ...] = (RiskFlagged, RiskResolved, RestrictionImposed, RestrictionLifted, AdjustmentDecided)
