"""What a close and a late report lead to, as values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from engine import Fact, Send
from engine.testing import fact_of
from events import Event
from events.performance import KPIReported, KPIRestated, MetricScore, PeriodClosed
from performance.domain.card import Band, Line, ScorecardTerms
from performance.domain.evaluation import Evaluate, RecordMissedReports, Reevaluate, evaluations
from performance.domain.figures import Cohort, Observed
from performance.domain.period import EvaluationRoundOpened, FinishEvaluation, OpenRound, period_id, periods
from performance.observed import Closing, Late, Round, RoundSize
from performance.policies import evaluate_partners

AT = datetime(2020, 1, 1, tzinfo=UTC)
A, B, C = (UUID(int=n) for n in (1, 2, 3))
CLOSED_BY, LATE_REPORT = uuid4(), uuid4()
CARD = ScorecardTerms(
    "yearly",
    2,
    (
        Line(metric="score", weight=Decimal(75), floor=Decimal(0), target=Decimal(100), aggregation="mean"),
        Line(metric="sales", weight=Decimal(25), floor=Decimal(0), target=Decimal(10), aggregation="sum"),
    ),
    (Band(name="low", lower=Decimal(0), upper=Decimal(85)), Band(name="high", lower=Decimal(85), upper=Decimal(100))),
    minimum_cohort=2,
)
CLOSING = Closing("2019", CARD, closed_at=100, closed_by=CLOSED_BY)


def fact(event: Event, event_id: UUID = CLOSED_BY) -> Fact[Any]:
    return fact_of(event, occurred_at=AT, event_id=event_id)


def scores(*values: int) -> dict[str, Observed]:
    return {"score": Observed(Decimal(sum(values)), len(values), Decimal(values[-1]))}


def scored(value: str, observations: int) -> MetricScore:
    return MetricScore(
        metric="score", value=Decimal(value), observations=observations, score=Decimal(value), weight=Decimal(75)
    )


def figures(partner_id: UUID, total: str, observations: int, **of: Any) -> dict[str, Any]:
    return {
        "partner_id": partner_id,
        "period": "2019",
        "scorecard": "yearly",
        "scorecard_version": 2,
        "scores": (scored(total, observations),),
        "total": Decimal(total),
        "band": "low",
        **of,
    }


def opened(number: int) -> Fact[Any]:
    return fact(EvaluationRoundOpened(period="2019", number=number, of=2))


def a_round(
    observed: Mapping[UUID, Any], missing: Mapping[UUID, Any] | None = None, late: Mapping[UUID, Any] | None = None
) -> Round:
    cohort = Cohort.of({A: Decimal(80), B: Decimal(70)})
    return Round(CLOSING, cohort, observed, missing or {}, late or {})


def test_a_close_opens_the_first_of_as_many_rounds_as_it_takes() -> None:
    closed = fact(PeriodClosed(period="2019", scorecard="yearly", scorecard_version=2))
    assert list(evaluate_partners(closed, RoundSize(3))) == [
        Send(periods, period_id("2019"), OpenRound(number=1, of=3))
    ]


def test_a_round_evaluates_its_partners_by_id_and_opens_the_next() -> None:
    sends = list(evaluate_partners(opened(1), a_round({B: scores(60, 80), A: scores(80)})))
    first = figures(A, "80", 1, percentile=Decimal(100), cohort_size=2)
    second = figures(B, "70", 2, percentile=Decimal(50), cohort_size=2)
    assert sends == [
        Send(evaluations, A, Evaluate(closed_by=CLOSED_BY, **first)),
        Send(evaluations, B, Evaluate(closed_by=CLOSED_BY, **second)),
        Send(periods, period_id("2019"), OpenRound(number=2, of=2)),
    ]


def test_the_last_round_finishes_the_evaluation_also_where_nobody_is_in_it() -> None:
    assert list(evaluate_partners(opened(2), a_round({}))) == [Send(periods, period_id("2019"), FinishEvaluation())]


def test_a_partner_without_a_report_that_was_due_has_missed_it_and_is_not_evaluated() -> None:
    sends = list(evaluate_partners(opened(2), a_round({}, missing={C: ("score", "sales")})))
    missed = RecordMissedReports(partner_id=C, period="2019", metrics=("score", "sales"))
    assert sends[:-1] == [Send(evaluations, C, missed)]


def test_a_partner_who_lacks_one_of_its_reports_is_evaluated_on_the_others_and_has_missed_that_one() -> None:
    sends = list(evaluate_partners(opened(2), a_round({A: scores(80)}, missing={A: ("sales",)})))
    kinds = [type(send.command) for send in sends]
    assert kinds == [Evaluate, RecordMissedReports, FinishEvaluation]


def test_what_came_between_the_close_and_the_round_restates_at_once() -> None:
    late = {A: ((LATE_REPORT,), scores(80, 90)), C: ((LATE_REPORT,), scores(75))}
    sends = list(evaluate_partners(opened(2), a_round({A: scores(80)}, missing={C: ("score",)}, late=late)))
    changed = figures(A, "85", 2, band="high", percentile=Decimal(100), cohort_size=2)
    joined = figures(C, "75", 1, percentile=Decimal("66.666667"), cohort_size=3)
    assert sends[1] == Send(evaluations, A, Reevaluate(because=(LATE_REPORT,), **changed))
    assert sends[3] == Send(evaluations, C, Reevaluate(because=(LATE_REPORT,), **joined))
    assert [type(s.command) for s in sends] == [
        Evaluate, Reevaluate, RecordMissedReports, Reevaluate, FinishEvaluation
    ]  # fmt: skip


REPORTED = KPIReported(
    report_id=uuid4(), partner_id=B, metric="score", period="2019", value=Decimal(90), source="erp", source_ref="1"
)
RESTATED = KPIRestated(**REPORTED.model_dump(exclude={"outlet_id"}), previous=Decimal(70))


def test_a_report_or_correction_after_the_evaluation_restates_it_in_the_cohort_as_closed() -> None:
    cohort = Cohort.of({A: Decimal(80), B: Decimal(70)})
    changed = figures(B, "90", 1, band="high", percentile=Decimal(100), cohort_size=2)
    for event in (REPORTED, RESTATED):
        sends = list(evaluate_partners(fact(event, LATE_REPORT), Late(CLOSING, cohort, scores(90))))
        assert sends == [Send(evaluations, B, Reevaluate(because=(LATE_REPORT,), **changed))]


def test_a_report_in_an_open_period_leads_to_nothing() -> None:
    assert list(evaluate_partners(fact(REPORTED), None)) == []
