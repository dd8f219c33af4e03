"""What risk-svc shows: the shapes of its answers, and how the why of a partner's state is put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal
from uuid import UUID

from events.risk import By, RestrictionKind, Severity
from pydantic import AwareDatetime, BaseModel, Field

from risk.domain.judgement import History, Judged, resting_on
from risk.domain.risk_profile import RiskProfile
from risk.domain.rule import RuleTerms


class RuleView(BaseModel):
    code: str
    version: int
    metric: str
    flag_below: Decimal
    severity: Severity
    suspend_after: int | None
    lift_at: Decimal | None
    status: Literal["active", "retired"]


class FlagView(BaseModel):
    """`event_id` is the event that raised it; `evidence` are the events of the evaluations that it rests on."""

    flag_id: UUID
    partner_id: UUID
    rule: str
    rule_version: int
    severity: Severity
    period: str | None
    explanation: str
    evidence: list[UUID]
    status: Literal["open", "resolved", "dismissed"]
    acknowledged_by: str | None
    raised_at: AwareDatetime
    event_id: UUID
    closed_at: AwareDatetime | None
    closed_because: str | None


class RestrictionView(BaseModel):
    """`event_id` is the event that imposed it; `evidence` are the events of the evaluations that it rests on."""

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
    lifted_by: By | None
    lifted_at: AwareDatetime | None
    lifted_because: str | None


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
    metric: str
    evaluations: list[EvaluationView]


class ProfileView(BaseModel):
    partner_id: UUID
    version: int
    open_flags: list[FlagView]
    restrictions: list[RestrictionView] = Field(description="Those that hold.")
    histories: list[HistoryView]


class RuleVersionView(BaseModel):
    """The rule as it was when it judged."""

    code: str
    version: int
    metric: str
    flag_below: Decimal
    severity: Severity
    suspend_after: int | None
    lift_at: Decimal | None


class EvidenceView(BaseModel):
    """An evaluation: the event in performance-svc that told its figure then, and the figure now if it was restated."""

    event_id: UUID
    period: str
    value: Decimal
    restated_to: Decimal | None


class WhyFlag(BaseModel):
    flag: FlagView
    because: list[EvidenceView]
    by_rule: RuleVersionView | None


class WhyRestriction(BaseModel):
    restriction: RestrictionView
    because: list[EvidenceView]
    by_rule: RuleVersionView | None = Field(description="null where a person imposed it")


class Why(BaseModel):
    """Each restriction and flag of a partner, latest first, with the evaluations and the rule version behind it."""

    partner_id: UUID
    restrictions: list[WhyRestriction]
    flags: list[WhyFlag]


def histories(profile: RiskProfile) -> list[HistoryView]:
    return [
        HistoryView(rule=rule, metric=history[-1].terms.metric, evaluations=[_evaluation(j) for j in history])
        for rule, history in sorted(profile.histories.items())
    ]


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


def why(
    partner_id: UUID, profile: RiskProfile, restrictions: Iterable[RestrictionView], flags: Iterable[FlagView]
) -> Why:
    """From what the views say and the profile that knows the evaluations."""
    return Why(
        partner_id=partner_id,
        restrictions=[
            WhyRestriction(
                restriction=restriction,
                because=evidence(profile.history(restriction.rule or ""), restriction.evidence),
                by_rule=rule_version(profile.history(restriction.rule or ""), restriction.rule_version),
            )
            for restriction in restrictions
        ],
        flags=[
            WhyFlag(
                flag=flag,
                because=evidence(profile.history(flag.rule), flag.evidence),
                by_rule=rule_version(profile.history(flag.rule), flag.rule_version),
            )
            for flag in flags
        ],
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


def rule_version(history: History, version: int | None) -> RuleVersionView | None:
    terms: RuleTerms | None = next((j.terms for j in history if j.terms.version == version), None)
    return None if terms is None else RuleVersionView(**vars(terms))
