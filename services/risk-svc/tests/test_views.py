from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from engine import Statement, as_json
from engine.testing import fact_of
from events import Event
from events.contract import BreachCured, ContractTerminated, Money
from events.operational import SalesReported
from events.performance import KPIReportMissed, PartnerEvaluated
from events.risk import (
    AdjustmentDecided,
    ContingencyActivated,
    ContingencyClosed,
    CreditLimitChanged,
    RestrictionImposed,
    RestrictionLifted,
    RiskCauseAdded,
    RiskFlagged,
    RiskResolved,
)
from risk import adjustment_views, contingency_views, heard_views, views
from risk.adjustment_views import ADJUSTMENTS
from risk.contingency_views import CONTINGENCIES, STEPS
from risk.domain.contingency import StepDone, StepOverdue, StepsPlanned
from risk.domain.flag import FlagAcknowledged
from risk.domain.plan import PlanTerms, Step
from risk.domain.proposal import AdjustmentContested
from risk.domain.rule import RuleContent, RuleDraftDiscarded, RuleDrafted, RulePublished, RuleRetired, RuleTerms
from risk.domain.watch import JudgementFailed, JudgementRecovered
from risk.heard import heard_of
from risk.heard_views import HEARD, PARTNER_SALES
from risk.reading import KINDS
from risk.views import FLAGS, RESTRICTIONS, RULE_FAILURES, RULE_VERSIONS, RULEBOOK

PARTNER, FLAG, RESTRICTION, EVIDENCE, FACT, CAUSE = (UUID(int=n) for n in range(1, 7))
NOW = datetime(2007, 1, 10, tzinfo=UTC)


VIEWS = (*views.VIEWS, *adjustment_views.VIEWS, *contingency_views.VIEWS, *heard_views.VIEWS)


def projected(event: Event) -> list[Statement]:
    fact = fact_of(event, stream=f"risk_profile-{PARTNER}", occurred_at=NOW, event_id=FACT)
    return [statement for view in VIEWS for statement in view.project(fact)]


CONTENT = RuleContent(
    judged_on="evaluations",
    figure="inspection_score",
    metrics=("inspection_score",),
    value='metrics["inspection_score"]',
    when="value < 85.0",
    severity="high",
)
TERMS = RuleTerms(code="low_score", version=2, **dict(CONTENT))


def test_a_rule_shows_its_draft_the_version_that_judges_and_whether_it_is_in_use() -> None:
    assert projected(RuleDrafted(code="low_score", content=CONTENT)) == [
        RULEBOOK.upsert("code", code="low_score", draft=as_json(CONTENT))
    ]
    assert projected(RulePublished(code="low_score", rule=TERMS)) == [
        RULEBOOK.upsert(
            "code",
            code="low_score",
            status="active",
            judged_on="evaluations",
            figure="inspection_score",
            severity="high",
            version=2,
            terms=as_json(TERMS),
            draft=None,
            published_at=NOW,
        ),
        RULE_VERSIONS.upsert(
            "code",
            "version",
            code="low_score",
            version=2,
            terms=as_json(TERMS),
            published_by="test",
            published_at=NOW,
        ),
    ]
    assert projected(RuleDraftDiscarded(code="low_score")) == [RULEBOOK.update({"code": "low_score"}, draft=None)]
    assert projected(RuleRetired(code="low_score")) == [
        RULEBOOK.update({"code": "low_score"}, status="retired", draft=None)
    ]


def test_a_rule_that_fails_for_a_partner_is_on_the_list_until_it_is_judged_again() -> None:
    failed = JudgementFailed(partner_id=PARTNER, rule="low_score", rule_version=2, error="absent", because=EVIDENCE)
    assert projected(failed) == [RULE_FAILURES.upsert("rule", "partner_id", **failed.model_dump(), failed_at=NOW)]
    assert projected(JudgementRecovered(partner_id=PARTNER, rule="low_score")) == [
        RULE_FAILURES.delete(rule="low_score", partner_id=PARTNER)
    ]


def test_a_flag_shows_the_event_that_raised_it_and_who_saw_it_and_how_it_ended() -> None:
    flag = RiskFlagged(
        flag_id=FLAG,
        partner_id=PARTNER,
        rule="low_score",
        rule_version=2,
        severity="high",
        period="2006",
        explanation="inspection_score 82.5 in 2006, below 85",
        evidence=(EVIDENCE,),
        causes=(CAUSE,),
    )
    assert projected(flag) == [
        FLAGS.upsert(
            "flag_id",
            flag_id=FLAG,
            partner_id=PARTNER,
            rule="low_score",
            rule_version=2,
            severity="high",
            period="2006",
            explanation="inspection_score 82.5 in 2006, below 85",
            evidence=[EVIDENCE],
            status="open",
            raised_at=NOW,
            event_id=FACT,
            causes=[CAUSE],
        )
    ]
    another = RiskCauseAdded(
        flag_id=FLAG,
        partner_id=PARTNER,
        rule="low_score",
        rule_version=2,
        added=(FACT,),
        causes=(CAUSE, FACT),
        explanation="2 of them",
        evidence=(EVIDENCE, FACT),
    )
    assert projected(another) == [
        FLAGS.update(
            {"flag_id": FLAG},
            causes=[CAUSE, FACT],
            explanation="2 of them",
            evidence=[EVIDENCE, FACT],
            acknowledged_by=None,
            acknowledged_at=None,
            cause_added_at=NOW,
        )
    ], "who acknowledged it has to look again"
    seen = FlagAcknowledged(partner_id=PARTNER, flag_id=FLAG)
    assert projected(seen) == [FLAGS.update({"flag_id": FLAG}, acknowledged_by="test", acknowledged_at=NOW)]
    resolved = RiskResolved(
        flag_id=FLAG, partner_id=PARTNER, rule="low_score", resolution="resolved", explanation="86 in 2007"
    )
    assert projected(resolved) == [
        FLAGS.update({"flag_id": FLAG}, status="resolved", closed_at=NOW, closed_because="86 in 2007", closed_by="test")
    ]
    dismissed = resolved.model_copy(update={"resolution": "dismissed", "explanation": "Rebuilding."})
    assert projected(dismissed) == [
        FLAGS.update(
            {"flag_id": FLAG}, status="dismissed", closed_at=NOW, closed_because="Rebuilding.", closed_by="test"
        )
    ]


def test_a_restriction_shows_who_imposed_it_and_who_lifted_it_and_why() -> None:
    imposed = RestrictionImposed(
        restriction_id=RESTRICTION,
        partner_id=PARTNER,
        kind="suspension",
        reason="both below 85",
        evidence=(EVIDENCE,),
        by="rule",
        rule="low_score",
        rule_version=2,
    )
    assert projected(imposed) == [
        RESTRICTIONS.upsert(
            "restriction_id",
            restriction_id=RESTRICTION,
            partner_id=PARTNER,
            kind="suspension",
            status="active",
            imposed_by="rule",
            rule="low_score",
            rule_version=2,
            reason="both below 85",
            evidence=[EVIDENCE],
            imposed_at=NOW,
            event_id=FACT,
            expires_at=None,
            limit_amount=None,
            limit_currency=None,
            adjustment_id=None,
        )
    ]
    lifted = RestrictionLifted(
        restriction_id=RESTRICTION, partner_id=PARTNER, kind="suspension", reason="New owner.", by="person"
    )
    assert projected(lifted) == [
        RESTRICTIONS.update(
            {"restriction_id": RESTRICTION},
            status="lifted",
            lifted_by="person",
            lifted_at=NOW,
            lifted_because="New owner.",
            expired=False,
        )
    ]


def test_a_credit_limit_shows_its_newest_amount() -> None:
    changed = CreditLimitChanged(
        restriction_id=RESTRICTION,
        partner_id=PARTNER,
        limit=Money(amount=Decimal(500), currency="EUR"),
        previous=None,
        reason="Better.",
    )
    assert projected(changed) == [
        RESTRICTIONS.update({"restriction_id": RESTRICTION}, limit_amount=Decimal(500), limit_currency="EUR")
    ]
    assert projected(changed.model_copy(update={"limit": None})) == []


def test_of_a_sale_that_was_corrected_the_newest_holds() -> None:
    sale = SalesReported(
        sale_id=FACT,
        partner_id=PARTNER,
        amount=Decimal(5),
        currency="EUR",
        sold_on=date(2025, 1, 2),
        source="till",
        source_ref="1",
        restatement=1,
    )
    (statement,) = projected(sale)
    assert statement.table is PARTNER_SALES
    assert statement.args == (FACT, PARTNER, date(2025, 1, 2), "EUR", Decimal(5), 1)
    assert "restatement < excluded.restatement" in statement.template


def test_what_our_own_decisions_write_is_written_with_the_append() -> None:
    assert {view.name for view in VIEWS if not view.inline} == {"heard", "partner_sales"}


# -- contingencies and adjustments

STEP = Step(code="call", title="Call", owner="us", due_hours=1)
PLAN = PlanTerms(code="kitchen", version=1, title="A kitchen at risk", steps=(STEP,))


def test_a_contingency_shows_its_steps_with_owners_and_times_and_how_it_came_out() -> None:
    (activated,) = projected(
        ContingencyActivated(
            contingency_id=FLAG, partner_id=PARTNER, plan="kitchen", plan_version=1, flag_id=None, reason="Low.",
            steps=("call",),
        )
    )  # fmt: skip
    assert (activated.table, "running" in activated.args) == (CONTINGENCIES, True)
    (planned,) = projected(StepsPlanned(contingency_id=FLAG, partner_id=PARTNER, plan=PLAN, due={"call": NOW}))
    assert (planned.table, planned.args[2:7]) == (STEPS, (PARTNER, 1, "Call", "us", NOW))
    where = {"contingency_id": FLAG, "step": "call"}
    assert projected(StepOverdue(contingency_id=FLAG, step="call", owner="us")) == [STEPS.update(where, overdue=True)]
    assert projected(StepDone(contingency_id=FLAG, step="call", status="done", note="Called.")) == [
        STEPS.update(where, status="done", note="Called.", done_by="test", done_at=NOW)
    ]
    closed = ContingencyClosed(
        contingency_id=FLAG, partner_id=PARTNER, plan="kitchen", outcome="averted", summary="Rebuilt."
    )
    (ended,) = projected(closed)
    assert ended.args[:4] == ("closed", "averted", "Rebuilt.", "test")


def test_an_adjustment_shows_who_wanted_it_what_the_partner_said_and_who_decided() -> None:
    key = {"adjustment_id": FLAG}
    contested = AdjustmentContested(adjustment_id=FLAG, partner_id=PARTNER, statement="It burnt.")
    assert projected(contested) == [
        ADJUSTMENTS.update(key, status="contested", contested="It burnt.", contested_at=NOW)
    ]
    decided = AdjustmentDecided(
        adjustment_id=FLAG, partner_id=PARTNER, kind="replace", reasons=("Low.",), decided_by=("ana",)
    )
    assert projected(decided) == [
        ADJUSTMENTS.update(key, decided_by=["ana"], status="decided", closed_at=NOW, decision_id=FACT)
    ]


@pytest.mark.parametrize("kind", ["evaluation", "signal", "clearance", "outcome"])
def test_what_was_heard_is_read_back_as_it_was(kind: str) -> None:
    events: dict[str, Event] = {
        "evaluation": PartnerEvaluated(
            partner_id=PARTNER, period="2025", scorecard="c", scorecard_version=1, scores=(), total=Decimal("84.5"),
            band="low", trend=None, percentile=None, cohort_size=1,
        ),
        "signal": KPIReportMissed(partner_id=PARTNER, metric="sales", period="2025"),
        "clearance": BreachCured(
            contract_id=FACT, partner_id=PARTNER, breach_id=FLAG, resolution="cured", reason="Clean."
        ),
        "outcome": ContractTerminated(contract_id=FACT, partner_id=PARTNER, reason="Agreed."),
    }  # fmt: skip
    (statement,) = projected(events[kind])
    assert statement.table is HEARD
    columns = ("id", "partner_id", "at", "kind", "event_type", "outcome", "subject", "because", "what")
    row = dict(zip(columns, statement.args, strict=True))
    heard = heard_of(fact_of(events[kind], occurred_at=NOW, event_id=FACT))
    assert heard is not None
    assert (row["kind"], row["outcome"], row["subject"]) == (kind, heard.outcome, heard.subject)
    assert (None if row["what"] is None else KINDS[kind].validate_json(row["what"])) == heard.what
