"""What people decide about flags and restrictions, and what rules make of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.contract import Money
from events.risk import CreditLimitChanged, RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved
from pydantic import ValidationError
from risk.domain.assessment import AssessEvaluation, EvaluationAssessed
from risk.domain.flag import AcknowledgeFlag, DismissFlag, FlagAcknowledged, flag_id
from risk.domain.restriction import (
    ChangeCreditLimit,
    ExpireRestriction,
    ImposeRestriction,
    LiftRestriction,
    Limit,
    restriction_id,
    restriction_id_by_hand,
)
from risk.domain.risk_profile import risk_profiles

NOW = datetime(2007, 1, 10, tzinfo=UTC)
PARTNER = UUID("11111111-1111-4111-8111-111111111111")
NOBODYS = uuid4()
Evaluation = Callable[..., AssessEvaluation]
EventOf = Callable[..., UUID]


def after(*commands: Any) -> list[Any]:
    events: list[Any] = []
    for command in commands:
        events += risk_profiles.decide(command, risk_profiles.fold(events), NOW)
    return events


def consequences(given: list[Any], command: Any) -> list[Any]:
    events = risk_profiles.decide(command, risk_profiles.fold(given), NOW)
    return [event for event in events if not isinstance(event, EvaluationAssessed)]


@pytest.fixture
def flag(event_of: EventOf) -> UUID:
    return flag_id(PARTNER, "low_score", event_of("2005"))


@pytest.fixture
def suspension(event_of: EventOf) -> UUID:
    return restriction_id(PARTNER, "low_score", event_of("2006"))


@pytest.fixture
def is_flagged(evaluation: Evaluation) -> list[Any]:
    return after(evaluation(2005, 84))


@pytest.fixture
def is_resolved(evaluation: Evaluation) -> list[Any]:
    return after(evaluation(2005, 84), evaluation(2006, 86))


@pytest.fixture
def is_suspended(evaluation: Evaluation) -> list[Any]:
    return after(evaluation(2005, 84), evaluation(2006, 83))


def dismissed(flag: UUID, reason: str) -> RiskResolved:
    return RiskResolved(
        flag_id=flag, partner_id=PARTNER, rule="low_score", resolution="dismissed", explanation=reason, evidence=()
    )


def by_hand(kind: Any, reason: str, n: int = 1) -> RestrictionImposed:
    return RestrictionImposed(
        restriction_id=restriction_id_by_hand(PARTNER, n),
        partner_id=PARTNER,
        kind=kind,
        reason=reason,
        evidence=(),
        by="person",
        imposed_at=NOW,
    )


def lifted_by_hand(restriction: UUID, kind: Any, reason: str) -> RestrictionLifted:
    return RestrictionLifted(
        restriction_id=restriction, partner_id=PARTNER, kind=kind, reason=reason, by="person", lifted_at=NOW
    )


# -- acknowledging


def test_an_open_flag_is_acknowledged_once(is_flagged: list[Any], flag: UUID) -> None:
    seen = FlagAcknowledged(partner_id=PARTNER, flag_id=flag)
    scenario(risk_profiles, given=is_flagged, when=AcknowledgeFlag(flag_id=flag), at=NOW, then=seen)
    scenario(risk_profiles, given=[*is_flagged, seen], when=AcknowledgeFlag(flag_id=flag), at=NOW, then=[])


def test_an_acknowledged_flag_is_open_until_an_evaluation_resolves_it(
    is_flagged: list[Any], flag: UUID, evaluation: Evaluation
) -> None:
    given = [*is_flagged, FlagAcknowledged(partner_id=PARTNER, flag_id=flag)]
    assert [type(event) for event in consequences(given, evaluation(2006, 86))] == [RiskResolved]


def test_a_flag_that_is_not_open_is_neither_acknowledged_nor_dismissed(is_resolved: list[Any], flag: UUID) -> None:
    refusal = Rejected("risk.flag_not_open", flag_id=flag, flag_status="resolved")
    for command in (AcknowledgeFlag(flag_id=flag), DismissFlag(flag_id=flag, reason="Rebuilding.")):
        scenario(risk_profiles, given=is_resolved, when=command, at=NOW, then=refusal)


@pytest.mark.parametrize(
    "command",
    [AcknowledgeFlag(flag_id=NOBODYS), DismissFlag(flag_id=NOBODYS, reason="Rebuilding.")],
)
def test_a_flag_that_does_not_exist_is_unknown(is_flagged: list[Any], command: Any) -> None:
    scenario(risk_profiles, given=is_flagged, when=command, at=NOW, then=Unknown("risk.flag_unknown", flag_id=NOBODYS))


@pytest.mark.parametrize(
    "command",
    [
        AcknowledgeFlag(flag_id=NOBODYS),
        DismissFlag(flag_id=NOBODYS, reason="Rebuilding."),
        LiftRestriction(restriction_id=NOBODYS, reason="Rebuilding."),
    ],
)
def test_there_is_nothing_to_decide_about_a_partner_of_whom_nothing_is_known(command: Any) -> None:
    scenario(risk_profiles, when=command, at=NOW, then=Unknown("risk.risk_profile_unknown"))


# -- dismissing


def test_a_flag_is_dismissed_with_a_reason(is_flagged: list[Any], flag: UUID) -> None:
    command = DismissFlag(flag_id=flag, reason="  The kitchen was being rebuilt. ")
    then = dismissed(flag, "The kitchen was being rebuilt.")
    scenario(risk_profiles, given=is_flagged, when=command, at=NOW, then=then)
    scenario(risk_profiles, given=[*is_flagged, then], when=command, at=NOW, then=[])


def test_a_dismissed_flag_is_not_dismissed_for_another_reason(is_flagged: list[Any], flag: UUID) -> None:
    given = [*is_flagged, dismissed(flag, "Rebuilding.")]
    refusal = Rejected("risk.flag_not_open", flag_id=flag, flag_status="dismissed")
    scenario(risk_profiles, given=given, when=DismissFlag(flag_id=flag, reason="A mistake."), at=NOW, then=refusal)
    scenario(risk_profiles, given=given, when=AcknowledgeFlag(flag_id=flag), at=NOW, then=refusal)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001, "Rebuild\0ing."])
def test_a_decision_has_a_reason_that_can_be_read(reason: str) -> None:
    with pytest.raises(ValidationError):
        DismissFlag(flag_id=NOBODYS, reason=reason)
    with pytest.raises(ValidationError):
        LiftRestriction(restriction_id=NOBODYS, reason=reason)


def test_a_new_low_after_a_dismissal_raises_a_new_flag_that_rests_on_it_alone(
    is_flagged: list[Any], flag: UUID, evaluation: Evaluation, event_of: EventOf
) -> None:
    given = [*is_flagged, dismissed(flag, "Rebuilding.")]
    raised = consequences(given, evaluation(2006, 83))[0]
    assert isinstance(raised, RiskFlagged)
    assert raised.evidence == (event_of("2006"),)
    assert raised.flag_id != flag


def test_a_good_evaluation_after_a_dismissal_resolves_nothing(
    is_flagged: list[Any], flag: UUID, evaluation: Evaluation
) -> None:
    assert consequences([*is_flagged, dismissed(flag, "Rebuilding.")], evaluation(2006, 95)) == []


def test_a_dismissal_covers_the_figure_and_its_equal_and_not_another_one(
    is_flagged: list[Any], flag: UUID, evaluation: Evaluation
) -> None:
    given = [*is_flagged, dismissed(flag, "Rebuilding.")]
    assert consequences(given, evaluation(2005, "84.0", n=1)) == []
    assert [type(event) for event in consequences(given, evaluation(2005, 40, n=2))] == [RiskFlagged]


def test_a_dismissed_flags_evaluation_still_counts_towards_a_suspension(
    is_flagged: list[Any], flag: UUID, evaluation: Evaluation
) -> None:
    given = [*is_flagged, dismissed(flag, "Rebuilding.")]
    assert RestrictionImposed in [type(event) for event in consequences(given, evaluation(2006, 83))]


def test_dismissing_the_flag_of_a_suspended_partner_leaves_the_suspension(
    is_suspended: list[Any], flag: UUID, suspension: UUID, evaluation: Evaluation, event_of: EventOf
) -> None:
    given = [*is_suspended, dismissed(flag, "Rebuilding.")]
    then = consequences(given, evaluation(2007, 95))
    assert then == [
        RestrictionLifted(
            restriction_id=suspension,
            partner_id=PARTNER,
            kind="suspension",
            reason="inspection_score 95 in 2007 (value >= 90.0)",
            evidence=(event_of("2007"),),
            by="rule",
            lifted_at=NOW,
        )
    ]


# -- restricting by hand


@pytest.mark.parametrize("kind", ["order_block", "no_new_outlet", "fund_freeze", "suspension"])
def test_a_person_restricts_a_partner_of_whom_nothing_is_known_yet(kind: Any) -> None:
    command = ImposeRestriction(partner_id=PARTNER, kind=kind, reason="Unpaid since May.")
    scenario(risk_profiles, when=command, at=NOW, then=by_hand(kind, "Unpaid since May."))


def test_a_credit_limit_needs_an_amount_and_nothing_else_has_one() -> None:
    refusal = Rejected("risk.limit_is_of_credit_limits", kind="credit_limit")
    without = ImposeRestriction(partner_id=PARTNER, kind="credit_limit", reason="Unpaid since May.")
    scenario(risk_profiles, when=without, at=NOW, then=refusal)
    limit = Limit(amount=Decimal(5000), currency="USD")
    odd = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Unpaid since May.", limit=limit)
    scenario(risk_profiles, when=odd, at=NOW, then=Rejected("risk.limit_is_of_credit_limits", kind="order_block"))


def test_the_same_restriction_again_changes_nothing_and_for_another_reason_is_refused() -> None:
    given = [by_hand("order_block", "Unpaid since May.")]
    same = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Unpaid since May.")
    scenario(risk_profiles, given=given, when=same, at=NOW, then=[])
    other = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Complaints.")
    refusal = Rejected(
        "risk.already_restricted", restriction_id=restriction_id_by_hand(PARTNER, 1), reason="Unpaid since May."
    )
    scenario(risk_profiles, given=given, when=other, at=NOW, then=refusal)


def test_restrictions_of_different_kinds_stand_side_by_side() -> None:
    given = [by_hand("order_block", "Unpaid since May.")]
    command = ImposeRestriction(partner_id=PARTNER, kind="fund_freeze", reason="Unpaid since May.")
    scenario(risk_profiles, given=given, when=command, at=NOW, then=by_hand("fund_freeze", "Unpaid since May.", n=2))


def test_a_restriction_by_hand_is_lifted_with_a_reason_and_can_be_imposed_again() -> None:
    first = by_hand("order_block", "Unpaid since May.")
    command = LiftRestriction(restriction_id=first.restriction_id, reason="Paid.")
    lifted = lifted_by_hand(first.restriction_id, "order_block", "Paid.")
    scenario(risk_profiles, given=[first], when=command, at=NOW, then=lifted)
    scenario(risk_profiles, given=[first, lifted], when=command, at=NOW, then=[])
    again = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Unpaid since May.")
    then = by_hand("order_block", "Unpaid since May.", n=2)
    scenario(risk_profiles, given=[first, lifted], when=again, at=NOW, then=then)


def test_what_was_lifted_is_not_lifted_for_another_reason() -> None:
    first = by_hand("order_block", "Unpaid since May.")
    given = [first, lifted_by_hand(first.restriction_id, "order_block", "Paid.")]
    command = LiftRestriction(restriction_id=first.restriction_id, reason="A mistake.")
    refusal = Rejected("risk.restriction_not_active", restriction_id=first.restriction_id, lifted_because="Paid.")
    scenario(risk_profiles, given=given, when=command, at=NOW, then=refusal)


def test_a_restriction_that_does_not_exist_is_unknown(is_flagged: list[Any]) -> None:
    refusal = Unknown("risk.restriction_unknown", restriction_id=NOBODYS)
    command = LiftRestriction(restriction_id=NOBODYS, reason="Paid.")
    scenario(risk_profiles, given=is_flagged, when=command, at=NOW, then=refusal)


def test_evaluations_do_not_lift_what_a_person_imposed(evaluation: Evaluation) -> None:
    given = [by_hand("suspension", "Arrested."), *after(evaluation(2005, 84))]
    assert [type(event) for event in consequences(given, evaluation(2006, 95))] == [RiskResolved]


def test_a_rule_suspends_beside_a_suspension_by_hand_and_each_is_lifted_for_itself(
    evaluation: Evaluation, suspension: UUID
) -> None:
    given = [by_hand("suspension", "Arrested."), *after(evaluation(2005, 84), evaluation(2006, 84))]
    assert RestrictionImposed in [type(event) for event in given[1:]]
    lifted = consequences(given, evaluation(2007, 95))[-1]
    assert isinstance(lifted, RestrictionLifted)
    assert lifted.restriction_id == suspension


def test_what_evaluations_lifted_is_not_lifted_by_hand(
    is_suspended: list[Any], suspension: UUID, evaluation: Evaluation
) -> None:
    state = risk_profiles.fold(is_suspended)
    given = [*is_suspended, *risk_profiles.decide(evaluation(2007, 95), state, NOW)]
    refusal = Rejected(
        "risk.restriction_not_active",
        restriction_id=suspension,
        lifted_because="inspection_score 95 in 2007 (value >= 90.0)",
    )
    command = LiftRestriction(restriction_id=suspension, reason="Paid.")
    scenario(risk_profiles, given=given, when=command, at=NOW, then=refusal)


# -- lifting what a rule imposed


@pytest.fixture
def is_lifted_by_hand(is_suspended: list[Any], suspension: UUID) -> list[Any]:
    lifted = lifted_by_hand(suspension, "suspension", "New owner.")
    command = LiftRestriction(restriction_id=suspension, reason="New owner.")
    scenario(risk_profiles, given=is_suspended, when=command, at=NOW, then=lifted)
    return [*is_suspended, lifted]


def test_after_a_person_lifted_a_suspension_the_rule_counts_anew(
    is_lifted_by_hand: list[Any], evaluation: Evaluation, event_of: EventOf
) -> None:
    assert consequences(is_lifted_by_hand, evaluation(2007, 83)) == []
    state = risk_profiles.fold(is_lifted_by_hand)
    given = [*is_lifted_by_hand, *risk_profiles.decide(evaluation(2007, 83), state, NOW)]
    (imposed,) = consequences(given, evaluation(2008, 82))
    assert isinstance(imposed, RestrictionImposed)
    assert imposed.evidence == (event_of("2007"), event_of("2008"))


def test_the_flag_stays_open_when_a_person_lifts_the_suspension(
    is_lifted_by_hand: list[Any], evaluation: Evaluation
) -> None:
    assert [type(event) for event in consequences(is_lifted_by_hand, evaluation(2007, 85))] == [RiskResolved]


def test_a_late_period_before_a_persons_decision_does_not_suspend_against_it(
    is_lifted_by_hand: list[Any], evaluation: Evaluation
) -> None:
    assert consequences(is_lifted_by_hand, evaluation(2004, 60)) == []


def test_an_evaluation_restated_to_the_same_figure_does_not_count_anew(
    is_lifted_by_hand: list[Any], evaluation: Evaluation
) -> None:
    given = list(is_lifted_by_hand)
    given += risk_profiles.decide(evaluation(2006, "83.0", n=1), risk_profiles.fold(given), NOW)
    assert consequences(given, evaluation(2007, 83)) == []


def test_a_figure_restated_after_a_persons_decision_counts_anew(
    is_lifted_by_hand: list[Any], evaluation: Evaluation, event_of: EventOf
) -> None:
    given = list(is_lifted_by_hand)
    given += risk_profiles.decide(evaluation(2006, 40, n=1), risk_profiles.fold(given), NOW)
    (imposed,) = consequences(given, evaluation(2007, 83))
    assert isinstance(imposed, RestrictionImposed)
    assert imposed.evidence == (event_of("2006", 1), event_of("2007"))


# -- for a time, and credit limits

LATER = datetime(2007, 3, 1, tzinfo=UTC)


def test_a_restriction_for_a_time_is_lifted_when_it_is_over_and_not_before() -> None:
    command = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Unpaid since May.", expires_at=LATER)
    imposed = by_hand("order_block", "Unpaid since May.").model_copy(update={"expires_at": LATER})
    scenario(risk_profiles, when=command, at=NOW, then=imposed)
    expire = ExpireRestriction(restriction_id=imposed.restriction_id)
    scenario(risk_profiles, given=[imposed], when=expire, at=LATER - timedelta(seconds=1), then=[])
    lifted = RestrictionLifted(
        restriction_id=imposed.restriction_id,
        partner_id=PARTNER,
        kind="order_block",
        reason="It was imposed up to 2007-03-01 00:00 UTC.",
        by="person",
        expired=True,
        lifted_at=LATER,
    )
    scenario(risk_profiles, given=[imposed], when=expire, at=LATER, then=lifted)
    scenario(risk_profiles, given=[imposed, lifted], when=expire, at=LATER, then=[])


def test_what_would_end_before_it_begins_is_not_imposed() -> None:
    command = ImposeRestriction(partner_id=PARTNER, kind="order_block", reason="Unpaid.", expires_at=NOW)
    refusal = Rejected("risk.expires_before_it_begins", expires_at=NOW, begins_at=NOW)
    scenario(risk_profiles, when=command, at=NOW, then=refusal)


def money(amount: int) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def changed(limit: Money | None, previous: Money | None, reason: str) -> CreditLimitChanged:
    return CreditLimitChanged(
        restriction_id=restriction_id_by_hand(PARTNER, 1),
        partner_id=PARTNER,
        limit=limit,
        previous=previous,
        reason=reason,
    )


def test_a_credit_limit_is_told_when_it_is_imposed_changed_and_lifted() -> None:
    impose = ImposeRestriction(
        partner_id=PARTNER, kind="credit_limit", reason="Late.", limit=Limit(amount=Decimal(5000), currency="USD")
    )
    imposed = by_hand("credit_limit", "Late.").model_copy(update={"limit": money(5000)})
    first = [imposed, changed(money(5000), None, "Late.")]
    scenario(risk_profiles, when=impose, at=NOW, then=first)
    scenario(risk_profiles, given=first, when=impose, at=NOW, then=[])
    lower = ChangeCreditLimit(
        restriction_id=imposed.restriction_id, limit=Limit(amount=Decimal(1000), currency="USD"), reason="Later."
    )
    second = changed(money(1000), money(5000), "Later.")
    scenario(risk_profiles, given=first, when=lower, at=NOW, then=second)
    scenario(risk_profiles, given=[*first, second], when=lower, at=NOW, then=[])
    lift = LiftRestriction(restriction_id=imposed.restriction_id, reason="Paid.")
    over = [lifted_by_hand(imposed.restriction_id, "credit_limit", "Paid."), changed(None, money(1000), "Paid.")]
    scenario(risk_profiles, given=[*first, second], when=lift, at=NOW, then=over)


def test_only_a_credit_limit_that_holds_is_changed() -> None:
    block = by_hand("order_block", "Unpaid.")
    change = ChangeCreditLimit(
        restriction_id=block.restriction_id, limit=Limit(amount=Decimal(1), currency="USD"), reason="Later."
    )
    refusal = Rejected("risk.limit_is_of_credit_limits", kind="order_block")
    scenario(risk_profiles, given=[block], when=change, at=NOW, then=refusal)
    given = [block, lifted_by_hand(block.restriction_id, "order_block", "Paid.")]
    refusal = Rejected("risk.restriction_not_active", restriction_id=block.restriction_id, lifted_because="Paid.")
    scenario(risk_profiles, given=given, when=change, at=NOW, then=refusal)
