from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from engine import Rejected
from engine.testing import scenario
from events.performance import EvaluationRestated, FigureChange, KPIReportMissed, MetricScore, PartnerEvaluated
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.evaluation import Evaluate, RecordMissedReports, Reevaluate, evaluations
from pydantic import TypeAdapter

NOW = datetime(2020, 1, 1, tzinfo=UTC)
PARTNER = UUID("11111111-1111-4111-8111-111111111111")
CLOSE, LATE = uuid4(), uuid4()


def score_of(metric: str, total: str | int) -> MetricScore:
    return MetricScore(metric=metric, value=Decimal(total), observations=2, score=Decimal(total), weight=Decimal(100))


def figures(period: str, total: str | int, **changes: Any) -> dict[str, Any]:
    score = score_of("score", total)
    content: dict[str, Any] = {
        "partner_id": PARTNER,
        "period": period,
        "scorecard": "yearly",
        "scorecard_version": 1,
        "scores": (score,),
        "total": Decimal(total),
        "band": "good",
        "percentile": Decimal(50),
        "cohort_size": 10,
    }
    return {**content, **changes}


def evaluate(period: str, total: str | int, **changes: Any) -> Evaluate:
    return Evaluate(closed_by=CLOSE, **figures(period, total, **changes))


def reevaluate(period: str, total: str | int, **changes: Any) -> Reevaluate:
    return Reevaluate(because=(LATE,), **figures(period, total, **changes))


def evaluated(period: str, total: str | int, trend: str | None = None, **changes: Any) -> PartnerEvaluated:
    return PartnerEvaluated(trend=trend, **figures(period, total, **changes))


def restated(
    period: str, before: str | int | None, total: str | int, trend: str | None = None, **changes: Any
) -> EvaluationRestated:
    because = changes.pop("because", (LATE,))
    told = tuple(FigureChange(figure=f, before=b, after=a) for f, b, a in changes.pop("changes", ()))
    previous = None if before is None else Decimal(before)
    return EvaluationRestated(
        trend=trend, previous_total=previous, because=because, changes=told, **figures(period, total, **changes)
    )


def moved(before: int, after: int) -> list[tuple[str, str, str]]:
    """What a change of the one score changes, besides the trend."""
    told = (str(before), str(after))
    return [("total", *told), ("scores.score.value", *told), ("scores.score.score", *told)]


def turned(before: str | None, after: str | None) -> tuple[str, str | None, str | None]:
    return ("trend", before, after)


def test_a_partners_first_evaluation_has_no_trend() -> None:
    scenario(evaluations, when=evaluate("2019", 80), at=NOW, then=evaluated("2019", 80))


def test_the_trend_is_against_the_partners_evaluation_before() -> None:
    for total, trend in ((81, "up"), ("80.0", "level"), ("79.999999", "down")):
        expected = evaluated("2019", total, trend)
        scenario(evaluations, given=[evaluated("2018", 80)], when=evaluate("2019", total), at=NOW, then=expected)


def test_years_without_an_evaluation_in_between_do_not_matter_to_the_trend() -> None:
    given = [evaluated("2008", 70), evaluated("2009", 80, "up")]
    scenario(evaluations, given=given, when=evaluate("2015", 90), at=NOW, then=evaluated("2015", 90, "up"))


def test_a_year_is_not_compared_with_a_quarter_or_a_month() -> None:
    given = [evaluated("2018-Q4", 10), evaluated("2018-12", 20)]
    scenario(evaluations, given=given, when=evaluate("2019", 90), at=NOW, then=evaluated("2019", 90))
    expected = evaluated("2019-Q1", 5, "down")
    scenario(evaluations, given=given, when=evaluate("2019-Q1", 5), at=NOW, then=expected)


def test_a_period_is_evaluated_once() -> None:
    given = [evaluated("2019", 80)]
    scenario(evaluations, given=given, when=evaluate("2019", 80), at=NOW, then=[])
    refusal = Rejected("performance.evaluated_otherwise", period="2019", scorecard="yearly")
    scenario(evaluations, given=given, when=evaluate("2019", 80, scorecard="other"), at=NOW, then=refusal)


def test_a_period_that_is_closed_out_of_order_changes_the_trend_of_the_one_after_it() -> None:
    given = [evaluated("2017", 70), evaluated("2019", 80, "up")]
    turn = [turned("up", "down")]
    then = [evaluated("2018", 90, "up"), restated("2019", 80, 80, "down", because=(CLOSE,), changes=turn)]
    scenario(evaluations, given=given, when=evaluate("2018", 90), at=NOW, then=then)
    scenario(evaluations, given=given, when=evaluate("2018", 75), at=NOW, then=evaluated("2018", 75, "up"))


def test_a_late_fact_restates_the_evaluation_with_what_it_was_and_because_of_what() -> None:
    given = [evaluated("2018", 80), evaluated("2019", 84, "up")]
    total, *scores = moved(84, 79)
    changes = [total, ("band", "good", "fair"), turned("up", "down"), *scores]
    then = restated("2019", 84, 79, "down", band="fair", changes=changes)
    scenario(evaluations, given=given, when=reevaluate("2019", 79, band="fair"), at=NOW, then=then)


def test_figures_that_did_not_change_are_not_restated() -> None:
    given = [evaluated("2018", 80), evaluated("2019", 84, "up")]
    scenario(evaluations, given=given, when=reevaluate("2019", "84.0"), at=NOW, then=[])
    scenario(
        evaluations, given=[*given, restated("2019", 84, 79, "down")], when=reevaluate("2019", 79), at=NOW, then=[]
    )


def test_another_count_of_observations_is_a_change_though_the_total_stays() -> None:
    three = MetricScore(metric="score", value=Decimal(84), observations=3, score=Decimal(84), weight=Decimal(100))
    then = restated("2019", 84, 84, scores=(three,), changes=[("scores.score.observations", "2", "3")])
    scenario(
        evaluations, given=[evaluated("2019", 84)], when=reevaluate("2019", 84, scores=(three,)), at=NOW, then=then
    )


def test_the_evaluation_after_a_year_is_the_next_years_not_a_quarters() -> None:
    given = [evaluated("2018-Q1", 50), evaluated("2018-Q2", 60, "up"), evaluated("2019", 80)]
    turn = [turned(None, "down")]
    then = [evaluated("2018", 90), restated("2019", 80, 80, "down", because=(CLOSE,), changes=turn)]
    scenario(evaluations, given=given, when=evaluate("2018", 90), at=NOW, then=then)


def test_a_restated_total_changes_the_trend_of_the_evaluation_after_it() -> None:
    given = [evaluated("2018", 80), evaluated("2019", 84, "up")]
    turn = [turned("up", "down")]
    then = [restated("2018", 80, 90, changes=moved(80, 90)), restated("2019", 84, 84, "down", changes=turn)]
    scenario(evaluations, given=given, when=reevaluate("2018", 90), at=NOW, then=then)
    scenario(
        evaluations,
        given=given,
        when=reevaluate("2018", 83),
        at=NOW,
        then=restated("2018", 80, 83, changes=moved(80, 83)),
    )


def test_a_metric_that_comes_to_an_evaluation_and_one_that_goes_are_named_with_their_figures() -> None:
    of = {metric: score_of(metric, 80) for metric in ("sales", "audits")}
    then = restated(
        "2019", 80, 80, scores=(of["audits"],),
        changes=[
            ("scores.sales.value", "80", None), ("scores.sales.observations", "2", None),
            ("scores.sales.score", "80", None), ("scores.sales.weight", "100", None),
            ("scores.audits.value", None, "80"), ("scores.audits.observations", None, "2"),
            ("scores.audits.score", None, "80"), ("scores.audits.weight", None, "100"),
        ],
    )  # fmt: skip
    given = [evaluated("2019", 80, scores=(of["sales"],))]
    scenario(evaluations, given=given, when=reevaluate("2019", 80, scores=(of["audits"],)), at=NOW, then=then)


def test_an_evaluation_is_restated_in_the_tier_and_the_area_that_it_is_judged_in() -> None:
    given = [evaluated("2019", 80, tier="gold", area="US-AK")]
    when = reevaluate("2019", 80, tier="silver", area="US-AK")
    then = restated("2019", 80, 80, tier="silver", area="US-AK", changes=[("tier", "gold", "silver")])
    scenario(evaluations, given=given, when=when, at=NOW, then=then)


def test_a_report_that_was_missed_and_comes_late_makes_the_first_evaluation() -> None:
    missed = KPIReportMissed(partner_id=PARTNER, metric="score", period="2019")
    scenario(evaluations, given=[missed], when=reevaluate("2019", 84), at=NOW, then=restated("2019", None, 84))


def test_a_missed_report_is_told_once_a_metric_and_period() -> None:
    command = RecordMissedReports(partner_id=PARTNER, period="2019", metrics=("score", "sales"))
    score, sales = (KPIReportMissed(partner_id=PARTNER, metric=m, period="2019") for m in ("score", "sales"))
    scenario(evaluations, when=command, at=NOW, then=[score, sales])
    scenario(evaluations, given=[score], when=command, at=NOW, then=[sales])
    scenario(evaluations, given=[score, sales], when=command, at=NOW, then=[])
    other_year = KPIReportMissed(partner_id=PARTNER, metric="score", period="2018")
    scenario(evaluations, given=[other_year], when=command, at=NOW, then=[score, sales])


def test_the_state_survives_a_snapshot() -> None:
    missed = KPIReportMissed(partner_id=PARTNER, metric="sales", period="2019")
    state = evaluations.fold([evaluated("2018", 80), evaluated("2019", 84, "up", percentile=None), missed])
    adapter: TypeAdapter[Any] = evaluations.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state


YEARS = st.integers(2000, 2008).map(str)


@given(st.lists(st.tuples(YEARS, st.integers(0, 3), st.booleans()), max_size=25))
def test_whatever_order_things_come_in_every_trend_told_last_fits_the_totals_told_last(
    happened: list[tuple[str, int, bool]],
) -> None:
    state = evaluations.initial()
    told: dict[str, Any] = {}
    for period, total, late in happened:
        command = reevaluate(period, total) if late else evaluate(period, total)
        for event in evaluations.decide(command, state, NOW):
            state = evaluations.evolve(state, event)
            told[event.period] = event
    before = None
    for period in sorted(told):
        now = told[period].total
        expected = None if before is None else "level" if now == before else "up" if now > before else "down"
        assert told[period].trend == expected
        before = now
    assert [e.period for e in state.by_period] == sorted(told)
