"""Events of performance-svc: facts and evaluation."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event, Period

Trend = Literal["up", "level", "down"]
Against = Literal["target", "peers"]
PlanOutcome = Literal["improved", "not_improved", "withdrawn"]


class MetricScore(BaseModel):
    """One line of an evaluation: what was measured (`value`, in the metric's unit, over `observations` reports)
    and the score from 0 to 100 that the scorecard gives it, with its weight in percent."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metric: str
    value: Decimal
    observations: int
    score: Decimal
    weight: Decimal


class FigureChange(BaseModel):
    """A figure of an evaluation that is another than before, by its path: `total`, `band`, `scores.sales.value`. Null:
    it was not there, or is not."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    figure: str
    before: str | None
    after: str | None


class PlanProblem(BaseModel):
    """What a plan is to mend: the metric, its `value` and `score` then, and the score that a later period has to reach
    (`goal`), which is that of `goal_value`. `against` the scorecard's target, or the median of the others."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metric: str
    against: Against
    value: Decimal
    score: Decimal
    goal: Decimal
    goal_value: Decimal


class PlanAction(BaseModel):
    """What is to be done, by a role (`owner`), up to and including a day."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    number: int
    what: str
    owner: str
    due_on: date


class KPIReported(Event, type="cauce.performance.KPIReported.v1", key="kpi_report-{report_id}"):
    """One observation of a metric, identified by (source, source_ref). The stream is the report's. Of a ratio metric,
    `value` is the numerator and `denominator` what it is divided by; for the others that is null."""

    report_id: UUID
    partner_id: UUID
    outlet_id: UUID | None = None
    metric: str
    period: Period
    value: Decimal
    source: str
    source_ref: str
    denominator: Decimal | None = None


class KPIRestated(Event, type="cauce.performance.KPIRestated.v1", key="kpi_report-{report_id}"):
    """A report was corrected; the earlier value stays in the report's history."""

    report_id: UUID
    partner_id: UUID
    metric: str
    period: Period
    previous: Decimal
    value: Decimal
    source: str
    source_ref: str
    previous_denominator: Decimal | None = None
    denominator: Decimal | None = None


class KPIReportMissed(Event, type="cauce.performance.KPIReportMissed.v1", key="evaluation-{partner_id}"):
    """A report was due for the period and had not come when the period was closed."""

    partner_id: UUID
    metric: str
    period: Period


class PeriodClosed(Event, type="cauce.performance.PeriodClosed.v1", key="period-{uuid}"):
    """The period takes no more ordinary reports; partners are evaluated on what came. The stream is the period's."""

    period: Period
    scorecard: str
    scorecard_version: int


class PartnerEvaluated(Event, type="cauce.performance.PartnerEvaluated.v1", key="evaluation-{partner_id}"):
    """A partner's evaluation for a closed period. The stream holds all evaluations of the partner, in order.

    `total` is the weighted score from 0 to 100; `percentile` is the percentage of the cohort at or below it and
    None where the cohort is smaller than the scorecard's minimum ("insufficient data"). `tier` and `area` are those of
    the partner that its targets were chosen by; null where the scorecard has the same targets for all.
    """

    partner_id: UUID
    period: Period
    scorecard: str
    scorecard_version: int
    scores: tuple[MetricScore, ...]
    total: Decimal
    band: str
    trend: Trend | None
    percentile: Decimal | None
    cohort_size: int
    tier: str | None = None
    area: str | None = None


class EvaluationRestated(Event, type="cauce.performance.EvaluationRestated.v1", key="evaluation-{partner_id}"):
    """Late or corrected facts changed an evaluation; `because` are the event ids of those facts, `changes` names each
    figure that is another than before."""

    partner_id: UUID
    period: Period
    scorecard: str
    scorecard_version: int
    scores: tuple[MetricScore, ...]
    total: Decimal
    previous_total: Decimal | None
    band: str
    trend: Trend | None
    percentile: Decimal | None
    cohort_size: int
    because: tuple[UUID, ...]
    tier: str | None = None
    area: str | None = None
    changes: tuple[FigureChange, ...] = ()


class ImprovementPlanOpened(Event, type="cauce.performance.ImprovementPlanOpened.v1", key="improvement_plan-{plan_id}"):
    """A plan was made to mend what a partner's evaluation showed, the event `evaluation_id`. Days are counted in
    `time_zone`. The stream is the plan's."""

    plan_id: UUID
    partner_id: UUID
    period: Period
    evaluation_id: UUID
    scorecard: str
    scorecard_version: int
    problems: tuple[PlanProblem, ...]
    actions: tuple[PlanAction, ...]
    time_zone: str


class ImprovementPlanClosed(Event, type="cauce.performance.ImprovementPlanClosed.v1", key="improvement_plan-{plan_id}"):
    """A person closed the plan. `improved`: the evaluation of a later period, `verified_in`, reached every goal. What
    was still to be done (`open_actions`, by number) is let go."""

    plan_id: UUID
    partner_id: UUID
    period: Period
    outcome: PlanOutcome
    reason: str
    verified_in: Period | None
    open_actions: tuple[int, ...]


PUBLIC: tuple[type[Event], ...] = (
    KPIReported,
    KPIRestated,
    KPIReportMissed,
    PeriodClosed,
    PartnerEvaluated,
    EvaluationRestated,
    ImprovementPlanOpened,
    ImprovementPlanClosed,
)
