"""What evaluations lead to. Figures are of `inspection_score`: low is below 85, two in a row suspend, 90 lifts."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected
from events.risk import RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from risk.domain.assessment import AssessEvaluation, EvaluationAssessed
from risk.domain.evaluation import Evaluation, Verdict
from risk.domain.flag import DismissFlag, flag_id
from risk.domain.profile import RiskProfile
from risk.domain.restriction import LiftRestriction, restriction_id
from risk.domain.risk_profile import risk_profiles
from risk.domain.rule import RuleTerms

NOW = datetime(2007, 1, 10, tzinfo=UTC)
PARTNER = UUID("11111111-1111-4111-8111-111111111111")
Evaluates = Callable[..., AssessEvaluation]
EventOf = Callable[..., UUID]
Terms = Callable[..., RuleTerms]


def told(*commands: Any) -> tuple[list[Any], list[Any]]:
    """What all of the commands led to, and what the last of them did, without the record of the evaluation itself."""
    events: list[Any] = []
    latest: list[Any] = []
    state = risk_profiles.initial()
    for command in commands:
        latest = list(risk_profiles.decide(command, state, NOW))
        state = risk_profiles.fold(latest, state)
        events += latest
    return events, [event for event in latest if not isinstance(event, EvaluationAssessed)]


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def flagged(event: UUID, period: str, explanation: str, *evidence: UUID, version: int = 1) -> RiskFlagged:
    return RiskFlagged(
        flag_id=flag_id(PARTNER, "low_score", event),
        partner_id=PARTNER,
        rule="low_score",
        rule_version=version,
        severity="high",
        period=period,
        explanation=explanation,
        evidence=evidence or (event,),
    )


def resolved(raised_by: UUID, event: UUID, explanation: str) -> RiskResolved:
    return RiskResolved(
        flag_id=flag_id(PARTNER, "low_score", raised_by),
        partner_id=PARTNER,
        rule="low_score",
        resolution="resolved",
        explanation=explanation,
        evidence=(event,),
    )


def suspended(event: UUID, reason: str, *evidence: UUID, version: int = 1) -> RestrictionImposed:
    return RestrictionImposed(
        restriction_id=restriction_id(PARTNER, "low_score", event),
        partner_id=PARTNER,
        kind="suspension",
        reason=reason,
        evidence=evidence,
        by="rule",
        rule="low_score",
        rule_version=version,
        imposed_at=NOW,
    )


def lifted(imposed_by: UUID, event: UUID, reason: str) -> RestrictionLifted:
    return RestrictionLifted(
        restriction_id=restriction_id(PARTNER, "low_score", imposed_by),
        partner_id=PARTNER,
        kind="suspension",
        reason=reason,
        evidence=(event,),
        by="rule",
        lifted_at=NOW,
    )


# -- flags


def test_every_evaluation_is_recorded_with_the_terms_it_was_judged_by(
    evaluation: Evaluates, event_of: EventOf, terms: Terms
) -> None:
    events, consequences = told(evaluation(2005, 92))
    assert events == [
        EvaluationAssessed(
            partner_id=PARTNER,
            rule=terms(),
            evaluation=Evaluation(event_of("2005"), "2005", {"inspection_score": Decimal(92)}, Decimal(92)),
            verdict=Verdict(Decimal(92), low=False, lifts=True),
        )
    ]
    assert consequences == []


def test_a_value_below_85_raises_a_flag_with_the_evaluation_as_evidence(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    _, then = told(evaluation(2005, "82.5"))
    assert then == [flagged(event_of("2005"), "2005", "inspection_score 82.5 in 2005 (value < 85.0)")]


@pytest.mark.parametrize(("value", "flags"), [("84.999999", 1), ("85", 0), ("85.000001", 0)])
def test_exactly_85_is_not_below_85(evaluation: Evaluates, value: str, flags: int) -> None:
    _, then = told(evaluation(2005, value))
    assert len(then) == flags


def test_a_second_low_evaluation_raises_no_second_flag(evaluation: Evaluates, event_of: EventOf, terms: Terms) -> None:
    never = terms(suspend_after=None, lift_at=None)
    _, then = told(evaluation(2005, 82, rule=never), evaluation(2006, 70, rule=never))
    assert then == []


@pytest.mark.parametrize("value", ["85", "89.99"])
def test_the_flag_is_resolved_by_an_evaluation_of_85_or_more(
    evaluation: Evaluates, event_of: EventOf, value: str
) -> None:
    _, then = told(evaluation(2005, 82), evaluation(2006, value))
    assert then == [
        resolved(event_of("2005"), event_of("2006"), f"inspection_score {value} in 2006 (not value < 85.0)")
    ]


def test_a_flag_stays_open_through_a_year_without_evaluation(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 82), evaluation(2009, 86))
    assert then == [resolved(event_of("2005"), event_of("2009"), "inspection_score 86 in 2009 (not value < 85.0)")]


def test_a_new_low_after_a_resolved_flag_raises_a_new_one(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 82), evaluation(2006, 86), evaluation(2007, 84))
    assert then == [flagged(event_of("2007"), "2007", "inspection_score 84 in 2007 (value < 85.0)")]


def test_each_rule_has_flags_of_its_own(evaluation: Evaluates, terms: Terms) -> None:
    strict = terms(code="strict", flag_below=Decimal(95), suspend_after=None, lift_at=None)
    events, then = told(evaluation(2005, 82), evaluation(2005, 82, rule=strict), evaluation(2006, 90, rule=strict))
    assert [event.rule for event in events if isinstance(event, RiskFlagged)] == ["low_score", "strict"]
    assert then == []
    state = risk_profiles.fold(events)
    assert state.open_flag("low_score") is not None
    assert state.open_flag("strict") is not None


# -- suspensions


def test_two_low_evaluations_in_a_row_suspend_with_a_sentence_and_their_evidence(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, "82.5"))
    assert then == [
        suspended(
            event_of("2006"),
            "inspection_score 82.5 in 2006 after 84 in 2005 (value < 85.0)",
            event_of("2005"),
            event_of("2006"),
        )
    ]


def test_a_year_without_an_evaluation_does_not_break_the_run(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2009, 84), evaluation(2015, 80))
    assert kinds(then) == ["RestrictionImposed"]


def test_a_value_between_the_thresholds_breaks_the_run(evaluation: Evaluates) -> None:
    events, then = told(evaluation(2005, 84), evaluation(2006, 85), evaluation(2007, 84))
    assert kinds(then) == ["RiskFlagged"]
    assert not any(isinstance(event, RestrictionImposed) for event in events)


def test_a_rule_may_suspend_at_once_or_after_three(evaluation: Evaluates, event_of: EventOf, terms: Terms) -> None:
    _, then = told(evaluation(2005, 84, rule=terms(suspend_after=1)))
    assert kinds(then) == ["RiskFlagged", "RestrictionImposed"]
    three = terms(suspend_after=3)
    years = [evaluation(2005, 84, rule=three), evaluation(2006, 84, rule=three), evaluation(2007, 80, rule=three)]
    assert told(*years[:2])[1] == []
    (imposed,) = told(*years)[1]
    assert isinstance(imposed, RestrictionImposed)
    assert imposed.reason == "inspection_score 80 in 2007 after 84 in 2006 and 84 in 2005 (value < 85.0)"
    assert imposed.evidence == (event_of("2005"), event_of("2006"), event_of("2007"))


def test_further_lows_do_not_suspend_twice(evaluation: Evaluates) -> None:
    lows = [evaluation(2005 + n, 80) for n in range(5)]
    events, then = told(*lows)
    assert then == []
    assert sum(isinstance(event, RestrictionImposed) for event in events) == 1


def test_a_value_between_the_thresholds_resolves_the_flag_and_leaves_the_suspension(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2007, "89.999"))
    assert then == [resolved(event_of("2005"), event_of("2007"), "inspection_score 89.999 in 2007 (not value < 85.0)")]


def test_lows_after_a_value_in_between_flag_again_and_do_not_suspend_twice(evaluation: Evaluates) -> None:
    years = [evaluation(2005 + n, value) for n, value in enumerate([84, 84, 87, 84, 84])]
    assert kinds(told(*years[:4])[1]) == ["RiskFlagged"]
    assert told(*years)[1] == []


def test_exactly_90_lifts_the_suspension_and_resolves_the_flag(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2007, 90))
    assert then == [
        resolved(event_of("2005"), event_of("2007"), "inspection_score 90 in 2007 (not value < 85.0)"),
        lifted(event_of("2006"), event_of("2007"), "inspection_score 90 in 2007 (value >= 90.0)"),
    ]


def test_a_lift_after_a_value_in_between_lifts_alone(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2007, 86), evaluation(2008, 95))
    assert then == [lifted(event_of("2006"), event_of("2008"), "inspection_score 95 in 2008 (value >= 90.0)")]


def test_after_a_lift_the_run_is_counted_anew(evaluation: Evaluates, event_of: EventOf) -> None:
    years = [evaluation(2005 + n, value) for n, value in enumerate([84, 84, 90, 84, 83])]
    assert kinds(told(*years[:4])[1]) == ["RiskFlagged"]
    assert told(*years)[1] == [
        suspended(
            event_of("2009"),
            "inspection_score 83 in 2009 after 84 in 2008 (value < 85.0)",
            event_of("2008"),
            event_of("2009"),
        )
    ]


# -- repeats, new versions and retirement of the rule


def test_the_same_evaluation_again_changes_nothing_even_after_its_restatement(evaluation: Evaluates) -> None:
    again = evaluation(2005, 84)
    events, _ = told(evaluation(2005, 84), again)
    assert len(events) == 2
    events, _ = told(evaluation(2005, 84), evaluation(2005, 95, n=1), again)
    assert kinds(events) == ["EvaluationAssessed", "RiskFlagged", "EvaluationAssessed", "RiskResolved"]


def test_a_new_version_of_the_rule_judges_what_comes_and_not_what_was(
    evaluation: Evaluates, event_of: EventOf, terms: Terms
) -> None:
    softer = terms(version=2, flag_below=Decimal(80))
    _, then = told(evaluation(2005, 84), evaluation(2006, "79.5", rule=softer))
    assert then == [
        suspended(
            event_of("2006"),
            "inspection_score 79.5 in 2006 (value < 80.0) after 84 in 2005 (value < 85.0)",
            event_of("2005"),
            event_of("2006"),
            version=2,
        )
    ]
    _, then = told(evaluation(2005, 84), evaluation(2006, 82, rule=softer))
    assert then == [resolved(event_of("2005"), event_of("2006"), "inspection_score 82 in 2006 (not value < 80.0)")]


def test_a_stricter_version_does_not_suspend_for_an_evaluation_that_is_not_low(
    evaluation: Evaluates, terms: Terms
) -> None:
    three = terms(suspend_after=3)
    two = terms(version=2, suspend_after=2)
    _, then = told(evaluation(2005, 84, rule=three), evaluation(2006, 84, rule=three), evaluation(2007, 87, rule=two))
    assert kinds(then) == ["RiskResolved"]


def test_a_retired_rule_still_resolves_and_lifts_what_it_opened(evaluation: Evaluates) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2007, 95, retired=True))
    assert kinds(then) == ["RiskResolved", "RestrictionLifted"]


def test_a_retired_rule_raises_and_imposes_nothing(evaluation: Evaluates) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84, retired=True))
    assert then == []
    state = risk_profiles.fold(told(evaluation(2005, 84), evaluation(2006, 85))[0])
    with pytest.raises(Rejected) as refusal:
        risk_profiles.decide(evaluation(2007, 84, retired=True), state, NOW)
    assert refusal.value == Rejected("risk.rule_retired", rule="low_score")


# -- restatements and late periods


def test_the_latest_period_restated_to_a_good_figure_resolves_and_lifts(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2006, 86, n=1))
    assert then == [
        resolved(event_of("2005"), event_of("2006", 1), "inspection_score 86 in 2006 (not value < 85.0)"),
        lifted(
            event_of("2006"),
            event_of("2006", 1),
            "inspection_score 86 in 2006 ends the run of evaluations that the suspension rested on",
        ),
    ]


def test_the_earlier_period_restated_to_a_good_figure_lifts_and_the_flag_rests_on_the_later_one(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 83), evaluation(2005, 91, n=1))
    assert then == [
        resolved(event_of("2005"), event_of("2005", 1), "inspection_score 91 in 2005 (not value < 85.0)"),
        flagged(event_of("2005", 1), "2006", "inspection_score 83 in 2006 (value < 85.0)", event_of("2006")),
        lifted(
            event_of("2006"),
            event_of("2005", 1),
            "inspection_score 91 in 2005 ends the run of evaluations that the suspension rested on",
        ),
    ]


def test_a_restatement_that_stays_low_keeps_the_flag_and_the_suspension(evaluation: Evaluates) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2006, 84), evaluation(2005, 60, n=1), evaluation(2006, 61, n=1))
    assert then == []


def test_a_restatement_that_makes_a_run_suspends(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 88), evaluation(2006, 83), evaluation(2005, 84, n=1))
    assert then == [
        suspended(
            event_of("2005", 1),
            "inspection_score 83 in 2006 after 84 in 2005 (value < 85.0)",
            event_of("2005", 1),
            event_of("2006"),
        )
    ]


def test_a_restatement_of_a_year_that_was_made_good_since_changes_nothing(evaluation: Evaluates) -> None:
    years = [evaluation(2004, 84), evaluation(2005, 88), evaluation(2006, 95)]
    assert told(*years, evaluation(2005, 70, n=1))[1] == []


def test_a_lift_that_is_restated_away_suspends_again_for_the_same_run(evaluation: Evaluates, event_of: EventOf) -> None:
    years = [evaluation(2005, 84), evaluation(2006, 83), evaluation(2007, 92)]
    assert told(*years, evaluation(2007, 88, n=1))[1] == [
        suspended(
            event_of("2007", 1),
            "inspection_score 83 in 2006 after 84 in 2005 (value < 85.0)",
            event_of("2005"),
            event_of("2006"),
        )
    ]


def test_a_later_run_takes_the_place_of_the_cause_without_reinstating_in_between(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    values = [84, 84, 87, 80, 81]
    years = [evaluation(2005 + n, value) for n, value in enumerate(values)]
    assert told(*years, evaluation(2006, 86, n=1))[1] == [
        suspended(
            event_of("2006", 1),
            "inspection_score 81 in 2009 after 80 in 2008 (value < 85.0)",
            event_of("2008"),
            event_of("2009"),
        ),
        lifted(
            event_of("2006"),
            event_of("2006", 1),
            "inspection_score 86 in 2006 ends the run of evaluations that the suspension rested on",
        ),
    ]


def test_a_restatement_above_90_after_the_run_lifts_as_it_would_have_then(
    evaluation: Evaluates, event_of: EventOf
) -> None:
    years = [evaluation(2005, 84), evaluation(2006, 84), evaluation(2007, 87), evaluation(2008, 86)]
    assert told(*years, evaluation(2007, 91, n=1))[1] == [
        lifted(event_of("2006"), event_of("2007", 1), "inspection_score 91 in 2007 (value >= 90.0)")
    ]


def test_a_restatement_is_judged_by_the_version_that_its_period_was_judged_by(
    evaluation: Evaluates, event_of: EventOf, terms: Terms
) -> None:
    softer = terms(version=2, flag_below=Decimal(60))
    _, then = told(evaluation(2005, 88), evaluation(2005, 84, n=1, rule=softer))
    assert then == [flagged(event_of("2005", 1), "2005", "inspection_score 84 in 2005 (value < 85.0)")]


def test_a_period_that_comes_late_takes_its_place_in_order(evaluation: Evaluates, event_of: EventOf) -> None:
    assert told(evaluation(2006, 84), evaluation(2005, 83))[1] == [
        suspended(
            event_of("2005"),
            "inspection_score 84 in 2006 after 83 in 2005 (value < 85.0)",
            event_of("2005"),
            event_of("2006"),
        )
    ]
    assert told(evaluation(2006, 92), evaluation(2005, 83))[1] == []


def test_a_late_period_that_is_good_breaks_the_run_that_it_falls_into(evaluation: Evaluates, event_of: EventOf) -> None:
    _, then = told(evaluation(2005, 84), evaluation(2007, 83), evaluation(2006, 87))
    assert then == [
        resolved(event_of("2005"), event_of("2006"), "inspection_score 87 in 2006 (not value < 85.0)"),
        flagged(event_of("2006"), "2007", "inspection_score 83 in 2007 (value < 85.0)", event_of("2007")),
        lifted(
            event_of("2007"),
            event_of("2006"),
            "inspection_score 87 in 2006 ends the run of evaluations that the suspension rested on",
        ),
    ]


def test_a_late_period_that_is_low_leaves_the_run_a_run(evaluation: Evaluates) -> None:
    assert told(evaluation(2005, 84), evaluation(2007, 83), evaluation(2006, 80))[1] == []


def test_a_flag_raised_again_after_a_restatement_is_another_flag(evaluation: Evaluates, event_of: EventOf) -> None:
    years = [evaluation(2005, 84), evaluation(2006, 86), evaluation(2006, 84, n=1)]
    events, then = told(*years)
    ids = [event.flag_id for event in events if isinstance(event, RiskFlagged)]
    assert len(set(ids)) == 2
    assert isinstance(then[0], RiskFlagged)
    assert then[0].evidence == (event_of("2005"), event_of("2006", 1))


# -- the stream equals a naive recomputation

VALUES = st.one_of(
    st.sampled_from([Decimal(v) for v in ("84", "84.9999", "85", "85.0001", "89.9999", "90", "90.0001", "70", "100")]),
    st.decimals(0, 100, places=2),
)


def naive(values: list[Decimal], suspend_after: int | None) -> list[list[str]]:
    """For each evaluation in turn, what it leads to; written without looking at the service."""
    open_flag = suspended = False
    lows = 0
    out = []
    for value in values:
        step = []
        if value < 85:
            lows += 1
            if not open_flag:
                step.append("RiskFlagged")
            open_flag = True
            if suspend_after is not None and lows >= suspend_after and not suspended:
                step.append("RestrictionImposed")
                suspended = True
        else:
            lows = 0
            if open_flag:
                step.append("RiskResolved")
            open_flag = False
            if value >= 90 and suspended:
                step.append("RestrictionLifted")
                suspended = False
        out.append(step)
    return out


@given(st.lists(VALUES, max_size=25), st.sampled_from([None, 1, 2, 3]))
@example([Decimal(v) for v in (84, 84, 89, 84, 90, 84, 84)], 2)
def test_flags_and_suspensions_of_a_sequence_equal_a_naive_recomputation(
    evaluation: Evaluates, terms: Terms, values: list[Decimal], suspend_after: int | None
) -> None:
    rule = terms(suspend_after=suspend_after)
    state = risk_profiles.initial()
    seen = []
    for n, value in enumerate(values):
        events = risk_profiles.decide(evaluation(2000 + n, value, rule=rule), state, NOW)
        state = risk_profiles.fold(events, state)
        seen.append([type(event).__name__ for event in events[1:]])
    assert seen == naive(values, suspend_after)


@given(st.lists(st.tuples(st.integers(2000, 2006), VALUES), max_size=30), st.sampled_from([1, 2, 3]))
def test_whatever_the_order_and_the_restatements_the_state_is_that_of_the_final_history(
    evaluation: Evaluates, terms: Terms, figures: list[tuple[int, Decimal]], suspend_after: int
) -> None:
    rule = terms(suspend_after=suspend_after)
    state = risk_profiles.initial()
    for n, (year, value) in enumerate(figures):
        events = risk_profiles.decide(evaluation(year, value, n=n, rule=rule), state, NOW)
        state = risk_profiles.fold(events, state)
        open_flags = [flag for flag in state.flags.values() if flag.status == "open"]
        active = [r for r in state.restrictions.values() if r.lifted_by is None]
        latest = dict(figures[: n + 1])
        steps = [step for steps in naive([latest[y] for y in sorted(latest)], suspend_after) for step in steps]
        assert len(open_flags) == steps.count("RiskFlagged") - steps.count("RiskResolved")
        assert len(active) == steps.count("RestrictionImposed") - steps.count("RestrictionLifted")
        history = state.history("low_score")
        for flag in open_flags:
            rests_on = [judged for judged in history if set(judged.told_by) & set(flag.evidence)]
            assert len(rests_on) == len(flag.evidence)
            assert all(judged.value < 85 for judged in rests_on)
        for restriction in active:
            rests_on = [judged for judged in history if set(judged.told_by) & set(restriction.evidence)]
            assert len(rests_on) == suspend_after
            assert all(judged.value < 85 for judged in rests_on)


@given(st.lists(st.tuples(st.integers(2000, 2006), VALUES), max_size=30))
def test_no_flag_and_no_restriction_is_ever_raised_twice_under_one_id(
    evaluation: Evaluates, figures: list[tuple[int, Decimal]]
) -> None:
    events, _ = told(*(evaluation(year, value, n=n) for n, (year, value) in enumerate(figures)))
    raised = [event.flag_id for event in events if isinstance(event, RiskFlagged)]
    imposed = [event.restriction_id for event in events if isinstance(event, RestrictionImposed)]
    assert len(raised) == len(set(raised))
    assert len(imposed) == len(set(imposed))


def test_the_state_survives_a_snapshot(evaluation: Evaluates, event_of: EventOf) -> None:
    flag = flag_id(PARTNER, "low_score", event_of("2005"))
    restriction = restriction_id(PARTNER, "low_score", event_of("2006"))
    events, _ = told(
        evaluation(2005, 84),
        evaluation(2006, 84),
        DismissFlag(flag_id=flag, reason="Being rebuilt."),
        LiftRestriction(restriction_id=restriction, reason="Being rebuilt."),
        evaluation(2005, "83.5", n=1),
    )
    for n in range(len(events) + 1):
        state = risk_profiles.fold(events[:n])
        adapter = TypeAdapter(RiskProfile)
        assert adapter.validate_json(adapter.dump_json(state)) == state
