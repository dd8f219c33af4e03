"""A partner's evaluations, one a period: what came of its reports, and how they were restated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected
from events.performance import EvaluationRestated, FigureChange, KPIReportMissed, MetricScore, PartnerEvaluated, Trend
from events.periods import kind

EvaluationEvent = PartnerEvaluated | EvaluationRestated | KPIReportMissed


# -- commands


class Judgement(Command):
    """The figures of one partner for a closed period."""

    partner_id: UUID
    period: str
    scorecard: str
    scorecard_version: int
    scores: tuple[MetricScore, ...]
    total: Decimal
    band: str
    percentile: Decimal | None
    cohort_size: int
    tier: str | None = None
    area: str | None = None


class Evaluate(Judgement):
    """On what had come when the period was closed, by the event `closed_by`."""

    closed_by: UUID


class Reevaluate(Judgement):
    """On what has come since; `because` are the events that changed it."""

    because: tuple[UUID, ...]


class RecordMissedReports(Command):
    """These metrics' reports were due and had not come when the period was closed."""

    partner_id: UUID
    period: str
    metrics: tuple[str, ...]


EvaluationCommand = Evaluate | Reevaluate | RecordMissedReports


# -- state


@dataclass(frozen=True)
class Evaluation:
    period: str
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

    @property
    def figures(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Evaluations:
    """`by_period` as they hold now, in the order of the period's names: of one kind, that is by time."""

    by_period: tuple[Evaluation, ...] = ()
    missed: frozenset[tuple[str, str]] = frozenset()
    """(period, metric)"""

    def of(self, period: str) -> Evaluation | None:
        return next((each for each in self.by_period if each.period == period), None)

    def before(self, period: str) -> Evaluation | None:
        """The partner's evaluation of the latest earlier period of the same kind: years in between may have none."""
        earlier = [e for e in self.by_period if e.period < period and kind(e.period) == kind(period)]
        return earlier[-1] if earlier else None

    def after(self, period: str) -> Evaluation | None:
        later = (e for e in self.by_period if e.period > period and kind(e.period) == kind(period))
        return next(later, None)

    def with_(self, evaluation: Evaluation) -> Evaluations:
        earlier = [e for e in self.by_period if e.period < evaluation.period]
        later = [e for e in self.by_period if e.period > evaluation.period]
        return replace(self, by_period=(*earlier, evaluation, *later))


def trend(before: Evaluation | None, total: Decimal) -> Trend | None:
    """The sign of the difference to the partner's total before, to the millionth: no band of indifference, which would
    hide a slow decline. None for a partner's first evaluation."""
    if before is None:
        return None
    if total == before.total:
        return "level"
    return "up" if total > before.total else "down"


# -- decide


def judged(evaluations: Evaluations, command: Judgement) -> Evaluation:
    return Evaluation(
        period=command.period,
        scorecard=command.scorecard,
        scorecard_version=command.scorecard_version,
        scores=command.scores,
        total=command.total,
        band=command.band,
        trend=trend(evaluations.before(command.period), command.total),
        percentile=command.percentile,
        cohort_size=command.cohort_size,
        tier=command.tier,
        area=command.area,
    )


def evaluate(evaluations: Evaluations, command: Evaluate) -> list[EvaluationEvent]:
    """A repeat where the period was evaluated by the same scorecard; raises `performance.evaluated_otherwise`."""
    known = evaluations.of(command.period)
    if known is not None:
        if (known.scorecard, known.scorecard_version) == (command.scorecard, command.scorecard_version):
            return []
        raise Rejected("performance.evaluated_otherwise", period=known.period, scorecard=known.scorecard)
    evaluation = judged(evaluations, command)
    return [
        PartnerEvaluated(partner_id=command.partner_id, **evaluation.figures),
        *retrended(evaluations, evaluation, command.partner_id, (command.closed_by,)),
    ]


def reevaluate(evaluations: Evaluations, command: Reevaluate) -> list[EvaluationEvent]:
    """Nothing where the figures are what they were. A partner that had missed its report is evaluated for the first
    time here, with no previous total."""
    known = evaluations.of(command.period)
    evaluation = judged(evaluations, command)
    if evaluation == known:
        return []
    restated = restate(command.partner_id, known, evaluation, command.because)
    return [restated, *retrended(evaluations, evaluation, command.partner_id, command.because)]


def retrended(
    evaluations: Evaluations, judged: Evaluation, partner_id: UUID, because: Sequence[UUID]
) -> list[EvaluationEvent]:
    """The trend of the evaluation after the one that is judged now rests on its total."""
    later = evaluations.after(judged.period)
    if later is None:
        return []
    changed = replace(later, trend=trend(judged, later.total))
    if changed == later:
        return []
    return [restate(partner_id, later, changed, because)]


def restate(
    partner_id: UUID, before: Evaluation | None, after: Evaluation, because: Sequence[UUID]
) -> EvaluationRestated:
    return EvaluationRestated(
        partner_id=partner_id,
        previous_total=None if before is None else before.total,
        because=tuple(because),
        changes=tuple(changes(before, after)),
        **after.figures,
    )


COMPARED = ("total", "band", "trend", "percentile", "cohort_size", "tier", "area")
COMPARED_OF_A_SCORE = ("value", "observations", "score", "weight")


def changes(before: Evaluation | None, after: Evaluation) -> Iterator[FigureChange]:
    """Each figure that is another than before, the total first, then metric by metric. Nothing for one that was not
    there: all of it is new."""
    if before is None:
        return
    for name in COMPARED:
        yield from changed(name, getattr(before, name), getattr(after, name))
    was, is_ = ({score.metric: score for score in each.scores} for each in (before, after))
    for metric in dict.fromkeys([*was, *is_]):
        for name in COMPARED_OF_A_SCORE:
            values = (getattr(each.get(metric), name, None) for each in (was, is_))
            yield from changed(f"scores.{metric}.{name}", *values)


def changed(figure: str, before: Any, after: Any) -> Iterator[FigureChange]:
    if before != after:
        told = (None if each is None else str(each) for each in (before, after))
        yield FigureChange(figure=figure, **dict(zip(("before", "after"), told, strict=True)))


def miss(evaluations: Evaluations, command: RecordMissedReports) -> list[EvaluationEvent]:
    return [
        KPIReportMissed(partner_id=command.partner_id, metric=metric, period=command.period)
        for metric in command.metrics
        if (command.period, metric) not in evaluations.missed
    ]


def decide(command: EvaluationCommand, evaluations: Evaluations, now: datetime) -> list[EvaluationEvent]:
    match command:
        case Evaluate():
            return evaluate(evaluations, command)
        case Reevaluate():
            return reevaluate(evaluations, command)
        case RecordMissedReports():
            return miss(evaluations, command)
        case _:
            assert_never(command)


# -- evolve


def evolve(evaluations: Evaluations, event: EvaluationEvent) -> Evaluations:
    match event:
        case PartnerEvaluated() | EvaluationRestated():
            return evaluations.with_(
                Evaluation(
                    event.period,
                    event.scorecard,
                    event.scorecard_version,
                    event.scores,
                    event.total,
                    event.band,
                    event.trend,
                    event.percentile,
                    event.cohort_size,
                    event.tier,
                    event.area,
                )
            )
        case KPIReportMissed(period=period, metric=metric):
            return replace(evaluations, missed=evaluations.missed | {(period, metric)})
        case _:
            assert_never(event)


evaluations = Decider("evaluation", decide, evolve, initial=Evaluations, events=EvaluationEvent)
