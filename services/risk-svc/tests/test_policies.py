"""What is heard of partners, in our own words, and what follows from it."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from engine import CancelTimer, Fact, Send, SetTimer
from engine.testing import fact_of
from events import Event
from events.contract import BreachCured, BreachNoticed, ContractTerminated, CureLapsed
from events.operational import ConsumerFeedbackReported, PaymentReported
from events.performance import (
    EvaluationRestated,
    KPIReported,
    KPIReportMissed,
    MetricScore,
    PartnerEvaluated,
    PeriodClosed,
)
from events.risk import ProbationStarted, RestrictionImposed, RestrictionLifted
from events.royalty import RoyaltyPaidLate
from events.training import CertificateExpired, CorrectiveActionOverdue, CorrectiveActionVerified, TrainingCompleted
from risk.domain.adjustment import EndProbation
from risk.domain.assessment import AssessEvaluation
from risk.domain.evaluation import Evaluation
from risk.domain.restriction import ExpireRestriction
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RulePublished, RuleTerms
from risk.domain.signal import Signal
from risk.domain.watch import (
    CallForReview,
    ClearSignal,
    JudgeAgain,
    JudgementFailed,
    NoteSignal,
    ReviewDue,
    ReviewPlanned,
    RuleInUse,
)
from risk.gathering import FAILURES, Gathered, Moved, Review, for_own_facts, rules_in_use, what_it_means
from risk.heard import Cleared, heard_of
from risk.policies import POLICIES, follow, judge

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
EVENT, THING = UUID(int=3), UUID(int=4)
NOW = datetime(2007, 1, 10, tzinfo=UTC)
DAY = date(2007, 1, 10)
SCORES = (
    MetricScore(
        metric="inspection_score", value=Decimal("82.5"), observations=4, score=Decimal("41"), weight=Decimal(60)
    ),
    MetricScore(metric="sales", value=Decimal("1200"), observations=12, score=Decimal(80), weight=Decimal(40)),
)
Terms = Callable[..., RuleTerms]


def fact(event: Event) -> Fact[Any]:
    return fact_of(event, occurred_at=NOW, event_id=EVENT)


def evaluated(*scores: MetricScore) -> PartnerEvaluated:
    return PartnerEvaluated(
        partner_id=PARTNER,
        period="2006",
        scorecard="yearly",
        scorecard_version=1,
        scores=scores,
        total=Decimal("56.6"),
        band="C",
        trend="down",
        percentile=Decimal(20),
        cohort_size=3,
    )


def told(*scores: MetricScore) -> Evaluation:
    metrics = {score.metric: score.value for score in scores}
    return Evaluation(EVENT, "2006", metrics, Decimal("56.6"), "C", Decimal(20))


def on_events(terms: Terms) -> RuleTerms:
    return terms(
        code="load", judged_on="events", metrics=(), value="complaints", suspend_after=None, lift_at=None, flag_below=3
    )


# -- what is heard


def signal(kind: Any, subject: UUID = THING, **more: Any) -> Signal:
    return Signal(kind, subject, NOW, (EVENT,), **more)


def payment(**changes: Any) -> PaymentReported:
    return PaymentReported(
        **{
            "payment_id": THING,
            "partner_id": PARTNER,
            "purpose": "goods",
            "amount": Decimal(5),
            "currency": "EUR",
            "paid_on": date(2007, 1, 9),
            "due_on": date(2007, 1, 2),
            "source": "erp",
            "source_ref": "1",
            **changes,
        }
    )


def feedback(instrument: Any, restatement: int = 0) -> ConsumerFeedbackReported:
    return ConsumerFeedbackReported(
        consumer_feedback_id=THING,
        partner_id=PARTNER,
        instrument=instrument,
        given_on=DAY,
        source="app",
        source_ref="1",
        restatement=restatement,
    )


ACTION: dict[str, Any] = {
    "action_id": THING, "audit_id": EVENT, "partner_id": PARTNER, "outlet_id": None, "item": "floors", "due_on": DAY
}  # fmt: skip
HEARD: dict[str, tuple[Event, Any]] = {
    "evaluation": (evaluated(*SCORES), told(*SCORES)),
    "missed": (
        KPIReportMissed(partner_id=PARTNER, metric="sales", period="2006"),
        signal("missed_report", uuid5(PARTNER, "sales/2006"), period="2006"),
    ),
    "complaint": (feedback("complaint"), signal("complaint")),
    "praise": (feedback("review"), None),
    "no complaint after all": (feedback("review", restatement=1), Cleared(THING)),
    "late payment": (payment(), signal("late_payment", days=7)),
    "payment in time": (payment(paid_on=date(2007, 1, 2)), None),
    "in time after all": (payment(paid_on=date(2007, 1, 2), restatement=1), Cleared(THING)),
    "royalty, told by statement": (payment(purpose="royalty"), None),
    "royalty paid late": (
        RoyaltyPaidLate(
            statement_id=THING, contract_id=EVENT, partner_id=PARTNER, period="2006", currency="EUR", due_on=DAY,
            days_late=9, paid=Decimal(5), outstanding=Decimal(0),
        ),
        signal("late_payment", days=9),
    ),
    "expired": (
        CertificateExpired(enrolment_id=THING, partner_id=PARTNER, course="hygiene", expired_on=DAY),
        signal("expired_certificate"),
    ),
    "renewed": (
        TrainingCompleted(
            enrolment_id=THING, partner_id=PARTNER, course="hygiene", required_for_launch=True, score=Decimal(90)
        ),
        Cleared(THING),
    ),
    "overdue": (CorrectiveActionOverdue(**ACTION, critical=False), signal("overdue_action")),
    "critical": (CorrectiveActionOverdue(**ACTION, critical=True), signal("critical_overdue_action")),
    "verified": (CorrectiveActionVerified(**ACTION, critical=True, verified_on=DAY, late=True), Cleared(THING)),
    "never late": (CorrectiveActionVerified(**ACTION, critical=True, verified_on=DAY, late=False), None),
    "breach": (
        BreachNoticed(
            contract_id=EVENT, partner_id=PARTNER, breach_id=THING, ground="noncompliance", reasons=("Dirty.",),
            evidence=(), noticed_on=DAY, cure_until=None, lapses_at=None, termination_allowed_from=DAY, law="none",
        ),
        signal("breach"),
    ),
    "cured": (
        BreachCured(contract_id=EVENT, partner_id=PARTNER, breach_id=THING, resolution="cured", reason="Clean."),
        Cleared(THING),
    ),
    "lapsed": (CureLapsed(contract_id=EVENT, partner_id=PARTNER, breach_id=THING), signal("lapsed_cure")),
    "ended by the breach": (
        ContractTerminated(contract_id=EVENT, partner_id=PARTNER, reason="Dirty.", breach_id=THING),
        Cleared(THING),
    ),
    "a report": (
        KPIReported(
            report_id=THING, partner_id=PARTNER, metric="sales", period="2006", value=Decimal(1), source="erp",
            source_ref="1",
        ),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HEARD))
def test_what_other_services_tell_is_heard_in_our_own_words(name: str) -> None:
    event, what = HEARD[name]
    heard = heard_of(fact(event))
    assert (None if heard is None else heard.what) == what
    if heard is not None:
        assert (heard.id, heard.partner_id, heard.at) == (EVENT, PARTNER, NOW)


def test_ends_of_contracts_are_outcomes_also_where_they_are_no_signal() -> None:
    ended = ContractTerminated(contract_id=EVENT, partner_id=PARTNER, reason="Agreed.")
    heard = heard_of(fact(ended))
    assert heard is not None
    assert (heard.what, heard.outcome) == (None, "terminated")
    breach = heard_of(fact(HEARD["breach"][0]))
    assert breach is not None
    assert breach.outcome == "breach_noticed"


# -- what follows


def gathered(event: Event, *rules: RuleInUse) -> Gathered:
    heard = heard_of(fact(event))
    assert heard is not None
    return Gathered(heard, rules)


def test_an_evaluation_is_assessed_by_each_rule_that_it_has_the_metrics_of(terms: Terms) -> None:
    sales, stock = terms(code="low_sales", metric="sales"), terms(code="low_stock", metric="stock")
    event = evaluated(*SCORES)
    rules = [RuleInUse(each) for each in (sales, stock, terms(), on_events(terms))]
    assert list(judge(fact(event), gathered(event, *rules))) == [
        Send(risk_profiles, PARTNER, AssessEvaluation(partner_id=PARTNER, rule=rule, evaluation=told(*SCORES)))
        for rule in (sales, terms())
    ]


def test_a_restated_evaluation_is_assessed_for_its_own_period_and_a_retired_rule_passed_on_as_such(
    terms: Terms,
) -> None:
    values = {**dict(evaluated(*SCORES[:1])), "period": "2005", "previous_total": Decimal(60), "because": ()}
    event = EvaluationRestated(**values)
    (send,) = judge(fact(event), gathered(event, RuleInUse(terms(), retired=True)))
    assert isinstance(send, Send)
    assert isinstance(send.command, AssessEvaluation)
    assert (send.command.evaluation.period, send.command.retired) == ("2005", True)


def test_a_signal_is_noted_once_and_judged_by_all_rules_on_events(terms: Terms) -> None:
    load, event = RuleInUse(on_events(terms)), feedback("complaint")
    note = NoteSignal(partner_id=PARTNER, signal=signal("complaint"), rules=(load,))
    assert list(judge(fact(event), gathered(event, RuleInUse(terms()), load))) == [Send(risk_profiles, PARTNER, note)]


def test_it_is_noted_although_there_is_no_rule_yet() -> None:
    event = feedback("complaint")
    note = NoteSignal(partner_id=PARTNER, signal=signal("complaint"))
    assert list(judge(fact(event), gathered(event))) == [Send(risk_profiles, PARTNER, note)]


def test_what_was_made_good_is_cleared(terms: Terms) -> None:
    load, event = RuleInUse(on_events(terms)), HEARD["verified"][0]
    clear = ClearSignal(partner_id=PARTNER, subject=THING, because=EVENT, rules=(load,))
    assert list(judge(fact(event), gathered(event, load))) == [Send(risk_profiles, PARTNER, clear)]


def test_other_facts_are_not_judged() -> None:
    assert list(judge(fact(HEARD["a report"][0]), None)) == []


class Rows:
    """Answers each query with given rows and remembers it."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows = rows
        self.asked: list[Any] = []

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        self.asked.append((query, args))
        return list(self.rows)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        raise NotImplementedError

    async def fetchval(self, query: str, *args: Any) -> Any:
        raise NotImplementedError


async def test_the_rules_are_looked_up_for_the_partner_that_was_spoken_of_and_for_no_report(terms: Terms) -> None:
    rows = Rows(
        {"terms": terms().model_dump_json(), "retired": False},
        {"terms": terms(code="old").model_dump_json(), "retired": True},
    )
    assert await what_it_means(rows, fact(HEARD["a report"][0])) is None
    assert rows.asked == []
    found = await rules_in_use(rows, PARTNER)
    assert found == (RuleInUse(terms(), False), RuleInUse(terms(code="old"), True))
    meant = await what_it_means(rows, fact(feedback("complaint")))
    assert isinstance(meant, Gathered)
    assert (meant.rules, meant.concentration) == (found, None)
    assert [args for _, args in rows.asked] == [(PARTNER,), (PARTNER,)]


async def test_at_a_periods_close_concentration_is_judged_of_everybody_who_sold(terms: Terms) -> None:
    closed = fact(PeriodClosed(period="2006", scorecard="yearly", scorecard_version=1))
    of_sales = on_events(terms).model_copy(update={"code": "share", "value": "sales_share"})
    rows = Rows({"terms": of_sales.model_dump_json(), "currency": "EUR", "partner_id": PARTNER, "amount": Decimal(5)})
    moved = await what_it_means(rows, closed)
    assert moved == Moved(("share",), (PARTNER,))
    call = Send(risk_profiles, PARTNER, CallForReview(partner_id=PARTNER, rule="share"))
    assert list(judge(closed, moved)) == [SetTimer(f"{PARTNER}/review/share", NOW, call)]
    rows = Rows({"terms": on_events(terms).model_dump_json()})
    assert await what_it_means(rows, closed) is None
    assert len(rows.asked) == 1


# -- of our own decisions


def test_a_review_is_called_for_at_its_time_and_judges_by_the_rules_of_then(terms: Terms) -> None:
    later = NOW + timedelta(days=30)
    planned = ReviewPlanned(partner_id=PARTNER, rule="load", at=later)
    call = Send(risk_profiles, PARTNER, CallForReview(partner_id=PARTNER, rule="load"))
    assert list(follow(fact(planned), None)) == [SetTimer(f"{PARTNER}/review/load", later, call)]
    load = RuleInUse(on_events(terms))
    due = ReviewDue(partner_id=PARTNER, rule="load")
    again = JudgeAgain(partner_id=PARTNER, rules=(load,), because=EVENT)
    assert list(follow(fact(due), Review((load,), None))) == [Send(risk_profiles, PARTNER, again)]


def test_a_published_rule_on_events_calls_for_a_review_of_everybody_with_signals(terms: Terms) -> None:
    published = RulePublished(code="load", rule=on_events(terms))
    call = Send(risk_profiles, PARTNER, CallForReview(partner_id=PARTNER, rule="load"))
    assert list(follow(fact(published), (PARTNER,))) == [SetTimer(f"{PARTNER}/review/load", NOW, call)]
    assert list(follow(fact(published), ())) == []


def test_a_restriction_for_a_time_expires_and_one_that_was_lifted_does_not() -> None:
    imposed = RestrictionImposed(
        restriction_id=THING, partner_id=PARTNER, kind="order_block", reason="Unpaid.", evidence=(), expires_at=NOW
    )
    key = f"{PARTNER}/expiry/{THING}"
    expire = Send(risk_profiles, PARTNER, ExpireRestriction(restriction_id=THING))
    assert list(follow(fact(imposed), None)) == [SetTimer(key, NOW, expire)]
    assert list(follow(fact(imposed.model_copy(update={"expires_at": None})), None)) == []
    lifted = RestrictionLifted(restriction_id=THING, partner_id=PARTNER, kind="order_block", reason="Paid.")
    assert list(follow(fact(lifted), None)) == [CancelTimer(key)]


def test_a_probation_ends_at_its_time() -> None:
    started = ProbationStarted(adjustment_id=THING, partner_id=PARTNER, reasons=("Late.",), ends_at=NOW)
    end = Send(risk_profiles, PARTNER, EndProbation(adjustment_id=THING))
    assert list(follow(fact(started), None)) == [SetTimer(f"{PARTNER}/probation/{THING}", NOW, end)]


async def test_a_rule_that_fails_is_counted_and_logged() -> None:
    failed = JudgementFailed(partner_id=PARTNER, rule="load", rule_version=1, error="absent", because=EVENT)
    before = FAILURES.labels("load")._value.get()
    assert await for_own_facts(Rows(), fact(failed)) is None
    assert list(follow(fact(failed), None)) == []
    assert FAILURES.labels("load")._value.get() == before + 1


def test_the_policies_hear_whoever_speaks_of_partners() -> None:
    assert [(policy.name, policy.source) for policy in POLICIES] == [
        ("assessment", "performance"),
        ("training_signals", "training"),
        ("contract_signals", "contract"),
        ("following", "risk"),
    ]
