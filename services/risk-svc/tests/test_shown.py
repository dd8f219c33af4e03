from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from risk import shown
from risk.domain.risk_profile import AssessEvaluation, RiskProfile, risk_profiles
from risk.shown import EvidenceView, RestrictionView, RuleVersionView

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2007, 1, 10, tzinfo=UTC)
Evaluation = Callable[..., AssessEvaluation]
EventOf = Callable[..., UUID]


@pytest.fixture
def profile(evaluation: Evaluation, terms: Any) -> RiskProfile:
    state = risk_profiles.initial()
    second = terms(version=2, flag_below=Decimal(84))
    for command in (evaluation(2005, 84), evaluation(2006, "82.5", rule=second), evaluation(2005, "83.5", n=1)):
        state = risk_profiles.fold(risk_profiles.decide(command, state, NOW), state)
    return state


def restriction(event_of: EventOf, **changes: Any) -> RestrictionView:
    shown: dict[str, Any] = {
        "restriction_id": UUID(int=7),
        "partner_id": PARTNER,
        "kind": "suspension",
        "status": "active",
        "imposed_by": "rule",
        "rule": "low_score",
        "rule_version": 2,
        "reason": "both low",
        "evidence": [event_of("2005"), event_of("2006")],
        "imposed_at": NOW,
        "event_id": UUID(int=8),
        "lifted_by": None,
        "lifted_at": None,
        "lifted_because": None,
        **changes,
    }
    return RestrictionView(**shown)


def test_why_goes_from_the_restriction_to_its_evaluations_and_the_rule_version_that_judged(
    profile: RiskProfile, event_of: EventOf
) -> None:
    (answer,) = shown.why(PARTNER, profile, [restriction(event_of)], []).restrictions
    assert answer.because == [
        EvidenceView(event_id=event_of("2005"), period="2005", value=Decimal(84), restated_to=Decimal("83.5")),
        EvidenceView(event_id=event_of("2006"), period="2006", value=Decimal("82.5"), restated_to=None),
    ]
    assert answer.by_rule == RuleVersionView(
        code="low_score",
        version=2,
        metric="inspection_score",
        flag_below=Decimal(84),
        severity="high",
        suspend_after=2,
        lift_at=Decimal(90),
    )


def test_a_restriction_by_hand_has_its_reason_and_no_rule(profile: RiskProfile, event_of: EventOf) -> None:
    row = restriction(event_of, imposed_by="person", rule=None, rule_version=None, evidence=[], reason="Arrested.")
    (answer,) = shown.why(PARTNER, profile, [row], []).restrictions
    assert (answer.because, answer.by_rule, answer.restriction.reason) == ([], None, "Arrested.")


def test_a_profile_shows_each_period_as_it_was_judged_and_what_it_said_before(
    profile: RiskProfile, event_of: EventOf
) -> None:
    (history,) = shown.histories(profile)
    assert (history.rule, history.metric) == ("low_score", "inspection_score")
    assert [(e.period, e.value, e.rule_version, e.low, e.lifts) for e in history.evaluations] == [
        ("2005", Decimal("83.5"), 1, True, False),
        ("2006", Decimal("82.5"), 2, True, False),
    ]
    assert [f.value for f in history.evaluations[0].replaced] == [Decimal(84)]
