from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from risk.api import shown
from risk.api.shown import EvidenceView
from risk.domain.assessment import AssessEvaluation
from risk.domain.profile import RiskProfile
from risk.domain.risk_profile import risk_profiles

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


def test_evidence_is_shown_with_the_figures_of_then_and_what_became_of_them(
    profile: RiskProfile, event_of: EventOf
) -> None:
    events = [event_of("2005"), event_of("2006")]
    assert shown.evidence(profile.history("low_score"), events) == [
        EvidenceView(event_id=event_of("2005"), period="2005", value=Decimal(84), restated_to=Decimal("83.5")),
        EvidenceView(event_id=event_of("2006"), period="2006", value=Decimal("82.5"), restated_to=None),
    ]


def test_a_profile_shows_each_period_as_it_was_judged_and_what_it_said_before(
    profile: RiskProfile, event_of: EventOf
) -> None:
    (history,) = shown.histories(profile)
    assert (history.rule, history.figure) == ("low_score", "inspection_score")
    assert [(e.period, e.value, e.rule_version, e.low, e.lifts) for e in history.evaluations] == [
        ("2005", Decimal("83.5"), 1, True, False),
        ("2006", Decimal("82.5"), 2, True, False),
    ]
    assert [f.value for f in history.evaluations[0].replaced] == [Decimal(84)]
