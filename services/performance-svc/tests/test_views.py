"""What each event does to the tables, as values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from engine import Fact
from engine.testing import SOME_ID, fact_of
from events import Event
from events.contract import (
    ContractDrafted,
    ContractExpired,
    ContractInForce,
    ContractTerminated,
    ContractTerms,
    ContractTransferred,
)
from events.partner import (
    PartnerActivated,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    PartnerTierChanged,
    SuspensionCause,
)
from events.performance import (
    EvaluationRestated,
    ImprovementPlanClosed,
    ImprovementPlanOpened,
    KPIReported,
    KPIReportMissed,
    KPIRestated,
    MetricScore,
    PartnerEvaluated,
    PeriodClosed,
    PlanAction,
    PlanProblem,
)
from performance import partner_views
from performance.domain.card import Band, Line
from performance.domain.improvement_plan import ImprovementMeasured
from performance.domain.metric import MetricDefined
from performance.domain.period import EvaluationRoundOpened, PeriodEvaluated
from performance.domain.plan_action import PlanActionAdded, PlanActionEnded, PlanActionOverdue
from performance.domain.scorecard import ScorecardDefined
from performance.improvement_views import ACTIONS, MEASURED, PLANS, PROBLEMS
from performance.improvement_views import project as project_plans
from performance.partner_views import (
    CHANNELS,
    PARTNERS,
    SUSPENSIONS,
    TIERS,
    TRANSFER,
    project_channels,
    project_partners,
)
from performance.views import (
    BANDS,
    EVALUATIONS,
    LINES,
    METRICS,
    MISSED,
    OBSERVATIONS,
    PERIODS,
    RESTATE,
    RESTATE_EVALUATION,
    ROUNDS,
    SCORECARDS,
    SCORES,
    VIEWS,
    project_basis,
    project_evaluations,
)

AT = datetime(2019, 12, 31, 12, tzinfo=UTC)
PARTNER, REPORT = uuid4(), uuid4()


def fact(event: Event, position: int = 7, version: int = 1) -> Fact[Any]:
    return fact_of(event, occurred_at=AT, position=position, version=version)


def test_a_metric_is_shown_in_its_latest_version() -> None:
    metric = MetricDefined(
        code="score", version=2, unit="points", direction="higher", aggregation="mean", minimum=None, maximum=None,
        due="every_period",
    )  # fmt: skip
    assert list(project_basis(fact(metric))) == [METRICS.upsert("code", **metric.model_dump())]


def test_every_version_of_a_scorecard_is_kept() -> None:
    lines = (Line(metric="score", weight=Decimal(100), floor=Decimal(0), target=Decimal(100), aggregation="mean"),)
    bands = (Band(name="all", lower=Decimal(0), upper=Decimal(100)),)
    card = ScorecardDefined(code="yearly", version=2, lines=lines, bands=bands, minimum_cohort=5, programme="stars")
    (statement,) = project_basis(fact(card))
    expected = SCORECARDS.insert(
        code="yearly",
        version=2,
        lines=LINES.dump_json(lines),
        bands=BANDS.dump_json(bands),
        minimum_cohort=5,
        programme="stars",
    )
    assert statement == expected
    assert LINES.validate_json(statement.args[2]) == lines
    assert BANDS.validate_json(statement.args[3]) == bands


def test_a_report_is_an_observation_from_its_position_on() -> None:
    report = KPIReported(
        report_id=REPORT, partner_id=PARTNER, metric="score", period="2019", value=Decimal(84), source="erp",
        source_ref="1",
    )  # fmt: skip
    expected = OBSERVATIONS.insert(
        position=7,
        event_id=SOME_ID,
        report_id=REPORT,
        partner_id=PARTNER,
        outlet_id=None,
        metric="score",
        period="2019",
        value=Decimal(84),
        denominator=None,
        source="erp",
        source_ref="1",
        reported_at=7,
        occurred_at=AT,
        restatements=0,
    )
    assert list(project_basis(fact(report))) == [expected]


def test_a_correction_ends_the_value_before_and_begins_another() -> None:
    event = KPIRestated(
        report_id=REPORT, partner_id=PARTNER, metric="score", period="2019", previous=Decimal(84), value=Decimal(90),
        source="erp", source_ref="2",
    )  # fmt: skip
    assert list(project_basis(fact(event, position=9))) == [
        OBSERVATIONS.sql(RESTATE, 9, REPORT, SOME_ID, Decimal(90), None)
    ]


def test_a_closed_period_has_the_position_of_its_close_then_its_rounds_and_then_it_is_evaluated() -> None:
    closed = PeriodClosed(period="2019", scorecard="yearly", scorecard_version=2)
    assert list(project_basis(fact(closed))) == [
        PERIODS.insert(
            period="2019",
            kind="year",
            scorecard="yearly",
            scorecard_version=2,
            closed_at=7,
            closed_by=SOME_ID,
            closed_on=AT,
            evaluated=False,
        )
    ]
    assert list(project_basis(fact(EvaluationRoundOpened(period="2019", number=2, of=3), position=8))) == [
        PERIODS.update({"period": "2019"}, rounds=3),
        ROUNDS.insert(period="2019", number=2, opened_at=8),
    ]
    assert list(project_basis(fact(PeriodEvaluated(period="2019")))) == [
        PERIODS.update({"period": "2019"}, evaluated=True)
    ]


SCORE = MetricScore(metric="score", value=Decimal(84), observations=2, score=Decimal(84), weight=Decimal(100))
FIGURES: dict[str, Any] = {
    "partner_id": PARTNER,
    "period": "2019",
    "scorecard": "yearly",
    "scorecard_version": 2,
    "scores": (SCORE,),
    "total": Decimal(84),
    "band": "fair",
    "trend": "up",
    "percentile": None,
    "cohort_size": 3,
}


def test_an_evaluation_is_shown_as_it_holds() -> None:
    shown = {**FIGURES, "scores": SCORES.dump_json((SCORE,)), "event_id": SOME_ID, "tier": None, "area": None}
    evaluated = PartnerEvaluated(**FIGURES)
    assert list(project_evaluations(fact(evaluated))) == [EVALUATIONS.insert(**shown, restatements=0)]
    restated = EvaluationRestated(**FIGURES, previous_total=Decimal(80), because=(uuid4(),))
    assert list(project_evaluations(fact(restated))) == [EVALUATIONS.sql(RESTATE_EVALUATION, *shown.values())]


def test_a_missed_report_is_kept() -> None:
    event = KPIReportMissed(partner_id=PARTNER, metric="score", period="2019")
    assert list(project_evaluations(fact(event))) == [
        MISSED.insert(partner_id=PARTNER, period="2019", metric="score", event_id=SOME_ID)
    ]


def test_a_partner_is_known_from_the_first_that_is_heard_of_it() -> None:
    registered = PartnerRegistered(
        partner_id=PARTNER, application_id=uuid4(), legal_name="A", kind="franchisee", area="US-AK", outlet_id=uuid4(),
        outlet_name="A",
    )  # fmt: skip
    assert list(project_partners(fact(registered))) == [PARTNERS.upsert("partner_id", partner_id=PARTNER, area="US-AK")]
    activated = PartnerActivated(partner_id=PARTNER)
    assert list(project_partners(fact(activated))) == [
        PARTNERS.upsert("partner_id", partner_id=PARTNER, activated_at=AT)
    ]
    terminated = PartnerTerminated(partner_id=PARTNER, contract_id=uuid4(), reason="over")
    assert list(project_partners(fact(terminated))) == [
        PARTNERS.upsert("partner_id", partner_id=PARTNER, terminated_at=AT)
    ]


def test_a_partner_has_a_tier_from_the_day_of_its_decision() -> None:
    changed = PartnerTierChanged(partner_id=PARTNER, programme="growth", programme_version=1, tier="gold", reason="r")
    assert list(project_partners(fact(changed, version=6))) == [
        TIERS.insert(partner_id=PARTNER, version=6, programme="growth", tier="gold", since=AT)
    ]


def test_a_suspension_lasts_until_the_reinstatement() -> None:
    suspended = PartnerSuspended(partner_id=PARTNER, cause=SuspensionCause(cause_id=uuid4(), reason="r"))
    assert list(project_partners(fact(suspended, version=5))) == [
        SUSPENSIONS.insert(partner_id=PARTNER, version=5, since=AT)
    ]
    reinstated = PartnerReinstated(partner_id=PARTNER, lifted_cause_id=uuid4())
    (statement,) = project_partners(fact(reinstated))
    assert (statement.table, statement.args) == (SUSPENSIONS, (PARTNER, AT))
    assert "until is null" in statement.template


def test_a_partner_is_in_the_channels_of_its_contracts_from_their_first_day_to_their_last() -> None:
    contract, successor = uuid4(), uuid4()
    terms = ContractTerms.model_validate(
        {
            "jurisdiction": "NONE",
            "grants": [{"area": "US-AK", "channel": "retail"}, {"area": "US-WA", "channel": "retail"}, {"area": "CA"}],
            "royalties": [{"percent": 5}],
        }
    )
    drafted = ContractDrafted(
        contract_id=contract, partner_id=PARTNER, jurisdiction="NONE", areas=("US-AK",), royalty_percent=Decimal(5),
        terms=terms,
    )  # fmt: skip
    key = ("contract_id", "channel", "partner_id")
    assert list(project_channels(fact(drafted))) == [
        CHANNELS.upsert(*key, contract_id=contract, channel=channel, partner_id=PARTNER)
        for channel in ("any", "retail")
    ]
    of = {"contract_id": contract}
    assert list(project_channels(fact(ContractInForce(**of, partner_id=PARTNER)))) == [
        CHANNELS.update(of, in_force_from=AT)
    ]
    moved = ContractTransferred(**of, partner_id=successor, from_partner_id=PARTNER, effective_on=AT.date())
    assert list(project_channels(fact(moved))) == [
        CHANNELS.sql(TRANSFER, contract, PARTNER, successor, AT),
        CHANNELS.update({**of, "partner_id": PARTNER}, ended_at=AT),
    ]
    for ended in (
        ContractExpired(**of, partner_id=successor),
        ContractTerminated(**of, partner_id=successor, reason=""),
    ):
        assert list(project_channels(fact(ended))) == [CHANNELS.update({**of, "partner_id": successor}, ended_at=AT)]


def test_only_what_is_known_of_partners_and_contracts_is_not_written_with_the_append() -> None:
    inline = {view.name: view.inline for view in (*VIEWS, *partner_views.VIEWS)}
    assert inline == {"basis": True, "evaluations": True, "partners": False, "channels": False}


def test_events_of_others_are_passed_over() -> None:
    event = KPIReportMissed(partner_id=UUID(int=0), metric="m", period="2019")
    assert list(project_basis(fact(event))) == list(project_partners(fact(event))) == []
    assert list(project_evaluations(fact(PeriodEvaluated(period="2019")))) == []


def test_a_plan_is_shown_with_its_actions_what_measured_it_last_and_how_it_ended() -> None:
    plan, evaluation = uuid4(), uuid4()
    problem = PlanProblem(
        metric="score", against="target", value=Decimal(40), score=Decimal(40), goal=Decimal(80), goal_value=Decimal(80)
    )
    action = PlanAction(number=1, what="Train.", owner="manager", due_on=date(2020, 3, 31))
    of: dict[str, Any] = {"scorecard": "yearly", "scorecard_version": 2, "evaluation_id": evaluation}
    opened = ImprovementPlanOpened(
        plan_id=plan,
        partner_id=PARTNER,
        period="2019-Q1",
        problems=(problem,),
        actions=(action,),
        time_zone="UTC",
        **of,
    )
    row: dict[str, Any] = {"plan_id": plan, "partner_id": PARTNER, **action.model_dump()}
    assert list(project_plans(fact(opened))) == [
        PLANS.insert(
            plan_id=plan, partner_id=PARTNER, period="2019-Q1", period_kind="quarter", evaluation_id=evaluation,
            scorecard="yearly", scorecard_version=2, problems=PROBLEMS.dump_json((problem,)), time_zone="UTC",
            status="open", opened_at=AT,
        ),
        ACTIONS.insert(**row, status="open", overdue=False),
    ]  # fmt: skip
    second = action.model_copy(update={"number": 2})
    added = PlanActionAdded(plan_id=plan, partner_id=PARTNER, action=second, time_zone="UTC")
    assert list(project_plans(fact(added))) == [ACTIONS.insert(**{**row, "number": 2}, status="open", overdue=False)]
    overdue = PlanActionOverdue(plan_id=plan, number=2)
    key = {"plan_id": plan, "number": 2}
    assert list(project_plans(fact(overdue))) == [ACTIONS.update(key, overdue=True)]
    ended = PlanActionEnded(plan_id=plan, number=2, how="done", note="So.", late=True)
    assert list(project_plans(fact(ended))) == [ACTIONS.update(key, status="done", late=True, note="So.")]
    measured = ImprovementMeasured(
        plan_id=plan,
        period="2019-Q2",
        evaluation_id=uuid4(),
        scores={"score": Decimal("80.5"), "x": None},
        reached=False,
    )
    told = b'{"score":"80.5","x":null}'
    assert list(project_plans(fact(measured))) == [PLANS.sql(MEASURED, plan, "2019-Q2", told, False)]
    closed = ImprovementPlanClosed(
        plan_id=plan, partner_id=PARTNER, period="2019-Q1", outcome="withdrawn", reason="r", verified_in=None,
        open_actions=(),
    )  # fmt: skip
    assert list(project_plans(fact(closed))) == [
        PLANS.update({"plan_id": plan}, status="closed", outcome="withdrawn", reason="r", closed_at=AT)
    ]
