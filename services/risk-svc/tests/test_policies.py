from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Fact, Send
from engine.testing import fact_of
from events.performance import EvaluationRestated, KPIReportMissed, MetricScore, PartnerEvaluated
from risk.domain.risk_profile import AssessEvaluation, risk_profiles
from risk.domain.rule import RuleTerms
from risk.policies import POLICIES, RuleInUse, assess_by_each_rule, rules_in_use

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
EVALUATION = UUID("33333333-3333-4333-8333-333333333333")
NOW = datetime(2007, 1, 10, tzinfo=UTC)
SCORES = (
    MetricScore(
        metric="inspection_score", value=Decimal("82.5"), observations=4, score=Decimal("41"), weight=Decimal(60)
    ),
    MetricScore(metric="sales", value=Decimal("1200"), observations=12, score=Decimal(80), weight=Decimal(40)),
)
Terms = Callable[..., RuleTerms]


def evaluated() -> Fact[Any]:
    event = PartnerEvaluated(
        partner_id=PARTNER,
        period="2006",
        scorecard="yearly",
        scorecard_version=1,
        scores=SCORES,
        total=Decimal("56.6"),
        band="C",
        trend="down",
        percentile=None,
        cohort_size=3,
    )
    return fact_of(event, occurred_at=NOW, event_id=EVALUATION)


def restated() -> Fact[Any]:
    event = EvaluationRestated(
        partner_id=PARTNER,
        period="2005",
        scorecard="yearly",
        scorecard_version=1,
        scores=SCORES[:1],
        total=Decimal("41"),
        previous_total=Decimal("60"),
        band="C",
        trend=None,
        percentile=None,
        cohort_size=3,
        because=(),
    )
    return fact_of(event, occurred_at=NOW, event_id=EVALUATION)


class Rows:
    """Answers one query with given rows and remembers it."""

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


def assessment(period: str, value: str, rule: RuleTerms, *, retired: bool = False) -> Send:
    command = AssessEvaluation(
        partner_id=PARTNER,
        rule=rule,
        retired=retired,
        period=period,
        value=Decimal(value),
        evaluation_id=EVALUATION,
    )
    return Send(risk_profiles, PARTNER, command)


def test_an_evaluation_is_assessed_by_each_rule_on_the_metrics_value_and_not_on_its_score(terms: Terms) -> None:
    sales = terms(code="low_sales", metric="sales", flag_below=Decimal(1000))
    sends = list(assess_by_each_rule(evaluated(), [RuleInUse(sales, False), RuleInUse(terms(), False)]))
    assert sends == [assessment("2006", "1200", sales), assessment("2006", "82.5", terms())]


def test_a_restated_evaluation_is_assessed_again_for_its_own_period(terms: Terms) -> None:
    sends = list(assess_by_each_rule(restated(), [RuleInUse(terms(), False)]))
    assert sends == [assessment("2005", "82.5", terms())]


def test_a_rule_on_a_metric_that_was_not_evaluated_says_nothing(terms: Terms) -> None:
    sales = terms(code="low_sales", metric="sales")
    assert list(assess_by_each_rule(restated(), [RuleInUse(sales, False)])) == []


def test_a_retired_rule_is_passed_on_as_such(terms: Terms) -> None:
    sends = list(assess_by_each_rule(evaluated(), [RuleInUse(terms(), True)]))
    assert sends == [assessment("2006", "82.5", terms(), retired=True)]


def test_other_facts_are_not_assessed(terms: Terms) -> None:
    missed = fact_of(KPIReportMissed(partner_id=PARTNER, metric="sales", period="2006"), occurred_at=NOW)
    assert list(assess_by_each_rule(missed, [RuleInUse(terms(), False)])) == []


async def test_the_rules_are_looked_up_for_the_partner_that_was_evaluated_and_for_no_other_fact(terms: Terms) -> None:
    rows = Rows({**vars(terms()), "retired": False}, {**vars(terms(code="old")), "retired": True})
    missed = fact_of(KPIReportMissed(partner_id=PARTNER, metric="sales", period="2006"), occurred_at=NOW)
    assert (await rules_in_use(rows, missed), rows.asked) == ((), [])
    for fact in (evaluated(), restated()):
        found = await rules_in_use(rows, fact)
        assert found == (RuleInUse(terms(), False), RuleInUse(terms(code="old"), True))
    assert [args for _, args in rows.asked] == [(PARTNER,), (PARTNER,)]


def test_the_policy_hears_performance() -> None:
    assert [(policy.name, policy.source) for policy in POLICIES] == [("assessment", "performance")]
