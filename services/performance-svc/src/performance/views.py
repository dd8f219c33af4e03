"""Read models: what partners are evaluated on, and their evaluations. Both are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.performance import (
    EvaluationRestated,
    KPIReported,
    KPIReportMissed,
    KPIRestated,
    PartnerEvaluated,
    PeriodClosed,
)
from events.periods import kind
from pydantic import TypeAdapter

from performance.domain.card import Band, Line
from performance.domain.figures import SCORES
from performance.domain.metric import MetricDefined
from performance.domain.period import EvaluationRoundOpened, PeriodEvaluated
from performance.domain.scorecard import ScorecardDefined

LINES = TypeAdapter(tuple[Line, ...])
BANDS = TypeAdapter(tuple[Band, ...])

METRICS = Table(
    "metrics",
    """
    code text primary key,
    version integer not null,
    unit text not null,
    direction text not null,
    aggregation text not null,
    minimum numeric,
    maximum numeric,
    due text not null,
    due_since timestamptz
    """,
)

SCORECARDS = Table(
    "scorecards",
    """
    code text not null,
    version integer not null,
    lines json not null,
    bands json not null,
    minimum_cohort integer not null,
    programme text,
    primary key (code, version)
    """,
)

OBSERVATIONS = Table(
    "observations",
    # One row a value that a report has or had: it holds from `position` until, exclusive, `superseded_at`.
    # `reported_at` and `occurred_at` are of the report itself, which keeps its place when it is corrected.
    """
    position bigint primary key,
    superseded_at bigint,
    event_id uuid not null,
    report_id uuid not null,
    partner_id uuid not null,
    outlet_id uuid,
    metric text not null,
    period text not null,
    value numeric not null,
    denominator numeric,
    source text not null,
    source_ref text not null,
    reported_at bigint not null,
    occurred_at timestamptz not null,
    restatements integer not null
    """,
    indexes=(
        "(report_id)",
        "(period, partner_id, metric)",
        "(partner_id, reported_at)",
        "(reported_at) where superseded_at is null",
    ),
)

PERIODS = Table(
    "periods",
    """
    period text primary key,
    kind text not null,
    scorecard text not null,
    scorecard_version integer not null,
    closed_at bigint not null,
    closed_by uuid not null,
    closed_on timestamptz not null,
    rounds integer,
    evaluated boolean not null
    """,
    indexes=("(kind, period)",),
)

ROUNDS = Table(
    "evaluation_rounds",
    """
    period text not null,
    number integer not null,
    opened_at bigint not null,
    primary key (period, number)
    """,
)

EVALUATIONS = Table(
    "evaluations",
    """
    partner_id uuid not null,
    period text not null,
    scorecard text not null,
    scorecard_version integer not null,
    scores json not null,
    total numeric not null,
    band text not null,
    trend text,
    percentile numeric,
    cohort_size integer not null,
    restatements integer not null,
    event_id uuid not null,
    tier text,
    area text,
    primary key (partner_id, period)
    """,
    indexes=("(period, partner_id)", "(band, partner_id, period)"),
)

MISSED = Table(
    "missed_reports",
    """
    partner_id uuid not null,
    period text not null,
    metric text not null,
    event_id uuid not null,
    primary key (partner_id, period, metric)
    """,
    indexes=("(period, partner_id)",),
)

RESTATE = """
with earlier as (
    update {table} set superseded_at = $1 where report_id = $2 and superseded_at is null returning *
)
insert into {table} (position, event_id, report_id, partner_id, outlet_id, metric, period, value, denominator, source,
                     source_ref, reported_at, occurred_at, restatements)
select $1::bigint, $3::uuid, report_id, partner_id, outlet_id, metric, period, $4::numeric, $5::numeric, source,
       source_ref, reported_at, occurred_at, restatements + 1
from earlier
"""


def project_basis(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case MetricDefined() as metric:
            yield METRICS.upsert("code", **metric.model_dump())
        case ScorecardDefined() as card:
            yield SCORECARDS.insert(
                code=card.code,
                version=card.version,
                lines=LINES.dump_json(card.lines),
                bands=BANDS.dump_json(card.bands),
                minimum_cohort=card.minimum_cohort,
                programme=card.programme,
            )
        case KPIReported() as report:
            yield OBSERVATIONS.insert(
                position=fact.position,
                event_id=fact.event_id,
                report_id=report.report_id,
                partner_id=report.partner_id,
                outlet_id=report.outlet_id,
                metric=report.metric,
                period=report.period,
                value=report.value,
                denominator=report.denominator,
                source=report.source,
                source_ref=report.source_ref,
                reported_at=fact.position,
                occurred_at=fact.occurred_at,
                restatements=0,
            )
        case KPIRestated(report_id=id, value=value, denominator=denominator):
            yield OBSERVATIONS.sql(RESTATE, fact.position, id, fact.event_id, value, denominator)
        case PeriodClosed(period=period) as closed:
            yield PERIODS.insert(
                period=period,
                kind=kind(period),
                scorecard=closed.scorecard,
                scorecard_version=closed.scorecard_version,
                closed_at=fact.position,
                closed_by=fact.event_id,
                closed_on=fact.occurred_at,
                evaluated=False,
            )
        case EvaluationRoundOpened(period=period, number=number, of=of):
            yield PERIODS.update({"period": period}, rounds=of)
            yield ROUNDS.insert(period=period, number=number, opened_at=fact.position)
        case PeriodEvaluated(period=period):
            yield PERIODS.update({"period": period}, evaluated=True)


RESTATE_EVALUATION = """
insert into {table} as e (partner_id, period, scorecard, scorecard_version, scores, total, band, trend, percentile,
                          cohort_size, event_id, tier, area, restatements)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1)
on conflict (partner_id, period) do update set scores = excluded.scores, total = excluded.total, band = excluded.band,
    trend = excluded.trend, percentile = excluded.percentile, cohort_size = excluded.cohort_size,
    event_id = excluded.event_id, tier = excluded.tier, area = excluded.area, restatements = e.restatements + 1
"""


def project_evaluations(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PartnerEvaluated() as evaluated:
            yield EVALUATIONS.insert(**_evaluation(fact, evaluated), restatements=0)
        case EvaluationRestated() as restated:
            yield EVALUATIONS.sql(RESTATE_EVALUATION, *_evaluation(fact, restated).values())
        case KPIReportMissed(partner_id=partner_id, period=period, metric=metric):
            yield MISSED.insert(partner_id=partner_id, period=period, metric=metric, event_id=fact.event_id)


def _evaluation(fact: Fact[Any], event: PartnerEvaluated | EvaluationRestated) -> dict[str, Any]:
    return {
        "partner_id": event.partner_id,
        "period": event.period,
        "scorecard": event.scorecard,
        "scorecard_version": event.scorecard_version,
        "scores": SCORES.dump_json(event.scores),
        "total": event.total,
        "band": event.band,
        "trend": event.trend,
        "percentile": event.percentile,
        "cohort_size": event.cohort_size,
        "event_id": fact.event_id,
        "tier": event.tier,
        "area": event.area,
    }


# One view, because evaluation reads all of it as of one position: none of its tables is ever ahead of another.
basis_view = View(
    "basis",
    version=3,
    tables=(METRICS, SCORECARDS, OBSERVATIONS, PERIODS, ROUNDS),
    project=project_basis,
    inline=True,
)
evaluations_view = View(
    "evaluations", version=2, tables=(EVALUATIONS, MISSED), project=project_evaluations, inline=True
)

VIEWS = (basis_view, evaluations_view)
