"""What risk-svc shows: the shapes of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from events.risk import By, RestrictionKind, Severity
from pydantic import AwareDatetime, BaseModel, Field
from service import scope

from risk.domain.judgement import History, Judged, resting_on
from risk.domain.profile import RiskProfile
from risk.domain.rule import RuleContent, RuleTerms
from risk.domain.variables import JudgedOn, SignalKind

READ, WRITE, DECIDE = scope("risk:read"), scope("risk:write"), scope("risk:decide")


class RuleView(BaseModel):
    """`version` and `terms` are of the version that partners are judged by; 0 and null before the first. `failing_for`
    counts the partners that it could not be judged for: their flags stay as they are."""

    code: str
    version: int
    status: Literal["drafted", "active", "retired"]
    judged_on: JudgedOn | None
    figure: str | None
    severity: Severity | None
    terms: RuleTerms | None
    draft: RuleContent | None
    published_at: AwareDatetime | None
    failing_for: int


def rule_view(terms: str | None, draft: str | None, **row: Any) -> RuleView:
    return RuleView(
        terms=None if terms is None else RuleTerms.model_validate_json(terms),
        draft=None if draft is None else RuleContent.model_validate_json(draft),
        **row,
    )


class FailureView(BaseModel):
    """A partner that a rule could not be judged for, the last time; `because` is the event that it was to be judged
    by. It is no answer about the partner's risk."""

    rule: str
    rule_version: int
    partner_id: UUID
    error: str
    because: UUID
    failed_at: AwareDatetime


class FlagView(BaseModel):
    """`event_id` is the event that raised it; `evidence` are the events that it rests on, and `causes` what these are
    about: a payment, a complaint, a breach ... Another cause joins the flag at `cause_added_at`, and whoever had
    acknowledged it has to look again. `closed_by` is who dismissed it, or the policy by which a later fact resolved
    it."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    rule_version: int
    severity: Severity
    period: str | None
    explanation: str
    evidence: list[UUID]
    causes: list[UUID]
    status: Literal["open", "resolved", "dismissed"]
    acknowledged_by: str | None
    acknowledged_at: AwareDatetime | None
    raised_at: AwareDatetime
    cause_added_at: AwareDatetime | None
    event_id: UUID
    closed_at: AwareDatetime | None
    closed_because: str | None
    closed_by: str | None


class RestrictionView(BaseModel):
    """`event_id` is the event that imposed it; `evidence` are the events that it rests on. `limit_amount` is a credit
    limit's. It is lifted by itself at `expires_at`, and `expired` says that it was."""

    restriction_id: UUID
    partner_id: UUID
    kind: RestrictionKind
    status: Literal["active", "lifted"]
    imposed_by: By
    rule: str | None
    rule_version: int | None
    reason: str
    evidence: list[UUID]
    imposed_at: AwareDatetime
    event_id: UUID
    expires_at: AwareDatetime | None
    limit_amount: Decimal | None
    limit_currency: str | None
    adjustment_id: UUID | None = Field(description="The decided adjustment that it carries out.")
    lifted_by: By | None
    lifted_at: AwareDatetime | None
    lifted_because: str | None
    expired: bool


class FigureView(BaseModel):
    evaluation_id: UUID
    value: Decimal


class EvaluationView(FigureView):
    """A period as it was judged; `replaced` are earlier figures that restatements corrected, oldest first."""

    period: str
    rule_version: int
    low: bool
    lifts: bool
    replaced: list[FigureView]


class HistoryView(BaseModel):
    """A partner's evaluations under one rule, by period."""

    rule: str
    figure: str
    evaluations: list[EvaluationView]


class SignalView(BaseModel):
    """Something that rules count; `events` told it."""

    kind: SignalKind
    subject: UUID
    at: AwareDatetime
    events: list[UUID]
    period: str | None
    days: int


class EvidenceView(BaseModel):
    """An evaluation: the event in performance-svc that told its figure then, and the figure now if it was restated."""

    event_id: UUID
    period: str
    value: Decimal
    restated_to: Decimal | None


def histories(profile: RiskProfile) -> list[HistoryView]:
    return [
        HistoryView(rule=rule, figure=history[-1].terms.figure, evaluations=[_evaluation(j) for j in history])
        for rule, history in sorted(profile.histories.items())
    ]


def signals(profile: RiskProfile) -> list[SignalView]:
    ordered = sorted(profile.signals.values(), key=lambda each: (each.at, each.subject))
    return [SignalView(**vars(each) | {"events": list(each.events)}) for each in ordered]


def _evaluation(judged: Judged) -> EvaluationView:
    return EvaluationView(
        evaluation_id=judged.evaluation_id,
        value=judged.value,
        period=judged.period,
        rule_version=judged.terms.version,
        low=judged.low,
        lifts=judged.lifts,
        replaced=[FigureView(evaluation_id=f.evaluation_id, value=f.value) for f in judged.replaced],
    )


def evidence(history: History, events: Sequence[UUID]) -> list[EvidenceView]:
    """In the order of periods; the figures are the ones that these events told."""
    shown = []
    for judged in resting_on(history, events):
        told = {figure.evaluation_id: figure.value for figure in judged.replaced} | {judged.evaluation_id: judged.value}
        shown += [
            EvidenceView(
                event_id=id,
                period=judged.period,
                value=told[id],
                restated_to=None if id == judged.evaluation_id else judged.value,
            )
            for id in judged.told_by
            if id in events
        ]
    return shown
