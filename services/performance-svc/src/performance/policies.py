"""What performance-svc does when a period is closed, when a report comes or is corrected after that, and then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

from engine import Fact, Policy, Reaction, Rows, Send
from events.performance import KPIReported, KPIRestated, PeriodClosed

from performance.audits import report_audits, terms_of_its_metric
from performance.domain.card import NOWHERE, Segment
from performance.domain.evaluation import Evaluate, RecordMissedReports, Reevaluate, evaluations
from performance.domain.figures import Cohort
from performance.domain.period import EvaluationRoundOpened, FinishEvaluation, OpenRound, period_id, periods
from performance.improvement_policies import PLANNED, keep_plans, later_evaluations
from performance.observed import ByMetric, Closing, Late, Round, RoundSize
from performance.observing import Gathered, Observing


def evaluate_partners(fact: Fact[Any], gathered: Gathered) -> Iterator[Send]:
    match fact.event, gathered:
        case PeriodClosed(period=period), RoundSize(rounds=rounds):
            yield Send(periods, period_id(period), OpenRound(number=1, of=rounds))
        case EvaluationRoundOpened(), Round():
            yield from evaluate_round(fact.event, gathered)
        case ((KPIReported() | KPIRestated()), Late()):
            because, partner_id = (fact.event_id,), fact.event.partner_id
            yield from reevaluate(
                gathered.closing, gathered.cohort, partner_id, gathered.observed, because, gathered.segment
            )


def evaluate_round(opened: EvaluationRoundOpened, round: Round) -> Iterator[Send]:
    """Everybody of the round, in the order of their ids, and then the next round or the end."""
    for partner_id in sorted(round.observed.keys() | round.missing.keys() | round.late.keys()):
        yield from evaluate(round, partner_id)
        if partner_id in round.missing:
            missed = RecordMissedReports(partner_id=partner_id, period=opened.period, metrics=round.missing[partner_id])
            yield Send(evaluations, partner_id, missed)
        if partner_id in round.late:
            because, by_metric = round.late[partner_id]
            segment = round.segments.get(partner_id, NOWHERE)
            yield from reevaluate(round.closing, round.cohort, partner_id, by_metric, because, segment)
    id = period_id(opened.period)
    if opened.number < opened.of:
        yield Send(periods, id, OpenRound(number=opened.number + 1, of=opened.of))
    else:
        yield Send(periods, id, FinishEvaluation())


def evaluate(round: Round, partner_id: UUID) -> Iterator[Send]:
    observed, segment = round.observed.get(partner_id, {}), round.segments.get(partner_id, NOWHERE)
    found = judgement(round.closing, round.cohort, partner_id, observed, segment)
    if found is not None:
        yield Send(evaluations, partner_id, Evaluate(closed_by=round.closing.closed_by, **found))


def reevaluate(
    closing: Closing,
    cohort: Cohort,
    partner_id: UUID,
    observed: ByMetric,
    because: tuple[UUID, ...],
    segment: Segment = NOWHERE,
) -> Iterator[Send]:
    found = judgement(closing, cohort, partner_id, observed, segment)
    if found is not None:
        yield Send(evaluations, partner_id, Reevaluate(because=because, **found))


def judgement(
    closing: Closing, cohort: Cohort, partner_id: UUID, observed: ByMetric, segment: Segment = NOWHERE
) -> dict[str, Any] | None:
    """The figures of a partner; None where nothing was observed that the scorecard counts."""
    found = closing.scorings.of(segment).figures(observed)
    if found is None:
        return None
    standing = cohort.standing(partner_id, found.total, closing.card.minimum_cohort)
    return {
        "partner_id": partner_id,
        "period": closing.period,
        "scorecard": closing.card.code,
        "scorecard_version": closing.card.version,
        "scores": found.scores,
        "total": found.total,
        "band": found.band,
        "percentile": standing.percentile,
        "cohort_size": standing.cohort_size,
        "tier": segment.tier,
        "area": segment.area,
    }


def carry_on(fact: Fact[Any], gathered: Any) -> Iterator[Reaction]:
    """One policy hears the own log, for evaluations and for what is done about them: each that hears it reads all of
    it, report by report."""
    if isinstance(fact.event, PLANNED):
        yield from keep_plans(fact, gathered)
    else:
        yield from evaluate_partners(fact, gathered)


def gathering(observing: Observing) -> Callable[[Rows, Fact[Any]], Awaitable[Any]]:
    async def gather(db: Rows, fact: Fact[Any]) -> Any:
        if isinstance(fact.event, PLANNED):
            return await later_evaluations(db, fact)
        return await observing(db, fact)

    return gather


def policies() -> list[Policy]:
    return [
        Policy("evaluation", source="performance", react=carry_on, gather=gathering(Observing())),
        Policy("audits", source="training", react=report_audits, gather=terms_of_its_metric),
    ]
