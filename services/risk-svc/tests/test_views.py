from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from engine import Statement
from engine.testing import fact_of
from events import Event
from events.risk import RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved
from risk.domain.flag import FlagAcknowledged
from risk.domain.rule import RuleDefined, RuleRetired
from risk.views import FLAGS, RESTRICTIONS, RULES, VIEWS

PARTNER, FLAG, RESTRICTION, EVIDENCE, FACT = (UUID(int=n) for n in range(1, 6))
NOW = datetime(2007, 1, 10, tzinfo=UTC)


def projected(event: Event) -> list[Statement]:
    fact = fact_of(event, stream=f"risk_profile-{PARTNER}", occurred_at=NOW, event_id=FACT)
    return [statement for view in VIEWS for statement in view.project(fact)]


def test_a_rule_shows_its_latest_version_and_whether_it_is_in_use() -> None:
    rule = RuleDefined(
        code="low_score",
        version=2,
        metric="inspection_score",
        flag_below=Decimal(85),
        severity="high",
        suspend_after=2,
        lift_at=Decimal(90),
    )
    assert projected(rule) == [
        RULES.upsert(
            "code",
            code="low_score",
            version=2,
            metric="inspection_score",
            flag_below=Decimal(85),
            severity="high",
            suspend_after=2,
            lift_at=Decimal(90),
            status="active",
        )
    ]
    assert projected(RuleRetired(code="low_score")) == [RULES.update({"code": "low_score"}, status="retired")]


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
        )
    ]
    seen = FlagAcknowledged(partner_id=PARTNER, flag_id=FLAG)
    assert projected(seen) == [FLAGS.update({"flag_id": FLAG}, acknowledged_by="test")]
    resolved = RiskResolved(
        flag_id=FLAG, partner_id=PARTNER, rule="low_score", resolution="resolved", explanation="86 in 2007"
    )
    assert projected(resolved) == [
        FLAGS.update({"flag_id": FLAG}, status="resolved", closed_at=NOW, closed_because="86 in 2007")
    ]
    dismissed = resolved.model_copy(update={"resolution": "dismissed", "explanation": "Rebuilding."})
    assert projected(dismissed) == [
        FLAGS.update({"flag_id": FLAG}, status="dismissed", closed_at=NOW, closed_because="Rebuilding.")
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
        )
    ]


def test_all_views_are_written_with_the_append() -> None:
    assert all(view.inline for view in VIEWS)
