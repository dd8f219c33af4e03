"""Events of risk-svc: risk, restrictions, contingency, adjustment."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from events.base import Event, Period
from events.contract import Money

Severity = Literal["low", "medium", "high", "critical"]
RestrictionKind = Literal["order_block", "credit_limit", "no_new_outlet", "fund_freeze", "suspension"]
By = Literal["rule", "person"]
AdjustmentKind = Literal["probation", "suspend", "replace", "terminate"]


class RiskFlagged(Event, type="cauce.risk.RiskFlagged.v1", key="risk_profile-{partner_id}"):
    """A rule found a risk in a partner. The stream is the partner's risk profile; `evidence` are event ids. `causes`
    are what it is about, by id: the late payment, the complaint, the breach ...; none where the rule speaks of
    evaluations or of sales."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    rule_version: int
    severity: Severity
    period: Period | None
    explanation: str
    evidence: tuple[UUID, ...]
    causes: tuple[UUID, ...] = ()


class RiskCauseAdded(Event, type="cauce.risk.RiskCauseAdded.v1", key="risk_profile-{partner_id}"):
    """An open flag rests on something more: the rule has one flag a partner, so that another cause joins it. Whoever
    had acknowledged it has not seen this. `added` is new; `causes` and `evidence` are all that it rests on now."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    rule_version: int
    added: tuple[UUID, ...]
    causes: tuple[UUID, ...]
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
    It holds from `imposed_at` (null: from when the event occurred), and is lifted by itself at `expires_at` (null: it
    is not). A credit limit has its `limit`; with `adjustment_id` it carries out what was decided.
    """

    restriction_id: UUID
    partner_id: UUID
    kind: RestrictionKind
    reason: str
    evidence: tuple[UUID, ...]
    by: By = "rule"
    rule: str | None = None
    rule_version: int | None = None
    imposed_at: datetime | None = None
    expires_at: datetime | None = None
    limit: Money | None = None
    adjustment_id: UUID | None = None


class RestrictionLifted(Event, type="cauce.risk.RestrictionLifted.v1", key="risk_profile-{partner_id}"):
    """The restriction no longer holds: later evaluations lifted it, a person did, or its time was over (`expired`)."""

    restriction_id: UUID
    partner_id: UUID
    kind: RestrictionKind
    reason: str
    evidence: tuple[UUID, ...] = ()
    by: By = "rule"
    expired: bool = False
    lifted_at: datetime | None = None


class CreditLimitChanged(Event, type="cauce.risk.CreditLimitChanged.v1", key="risk_profile-{partner_id}"):
    """From now on a partner is to be supplied on credit up to `limit`, and as its terms say where that is null. It
    belongs to a restriction of the kind `credit_limit`; `previous` is what held before."""

    restriction_id: UUID
    partner_id: UUID
    limit: Money | None
    previous: Money | None
    reason: str


class ProbationStarted(Event, type="cauce.risk.ProbationStarted.v1", key="risk_profile-{partner_id}"):
    """By a decided adjustment a partner is on probation up to `ends_at`: it goes on trading, and is watched."""

    adjustment_id: UUID
    partner_id: UUID
    reasons: tuple[str, ...]
    ends_at: datetime


class AdjustmentDecided(Event, type="cauce.risk.AdjustmentDecided.v1", key="risk_profile-{partner_id}"):
    """A person decided on a partner: probation, suspension, replacement or termination. The owning services carry it
    out: a termination begins with notice of the breach, and its cure is never skipped. `evidence` are event ids.
    `decided_by` are the persons, `contested` says whether the partner had contested the proposal."""

    adjustment_id: UUID
    partner_id: UUID
    kind: AdjustmentKind
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...] = ()
    decided_by: tuple[str, ...] = ()
    contested: bool = False


class ContingencyActivated(Event, type="cauce.risk.ContingencyActivated.v1", key="contingency-{contingency_id}"):
    """A contingency plan was set in motion for a partner, by a version of its template: because of a flag, or by hand
    where `flag_id` is null. The stream is the contingency's."""

    contingency_id: UUID
    partner_id: UUID
    plan: str
    plan_version: int
    flag_id: UUID | None
    reason: str
    steps: tuple[str, ...]


class ContingencyClosed(Event, type="cauce.risk.ContingencyClosed.v1", key="contingency-{contingency_id}"):
    """A contingency is over. `overdue` are the steps that were not done by their time."""

    contingency_id: UUID
    partner_id: UUID
    plan: str
    outcome: Literal["averted", "contained", "occurred", "false_alarm"]
    summary: str
    overdue: tuple[str, ...] = ()


PUBLIC: tuple[type[Event], ...] = (
    RiskFlagged,
    RiskCauseAdded,
    RiskResolved,
    RestrictionImposed,
    RestrictionLifted,
    CreditLimitChanged,
    ProbationStarted,
    AdjustmentDecided,
    ContingencyActivated,
    ContingencyClosed,
)
