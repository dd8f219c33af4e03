"""Contingency plans, what is set in motion by them, and how a rule would have done."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire
from engine.testing import scenario
from events.risk import ContingencyActivated, ContingencyClosed
from hypothesis import given as given_any
from hypothesis import strategies as st
from risk.domain.activation import (
    ActivationNoted,
    CallForPlan,
    ClosingNoted,
    NoteActivation,
    NoteClosing,
    PlanCalledFor,
    activations,
)
from risk.domain.backtest import Raised, measured
from risk.domain.contingency import (
    Activate,
    CallStepOverdue,
    CloseContingency,
    ReportStep,
    StepDone,
    StepOverdue,
    StepsPlanned,
    contingencies,
    contingency_id,
)
from risk.domain.plan import (
    DraftPlan,
    PlanContent,
    PlanDraftDiscarded,
    PlanDrafted,
    PlanPublished,
    PlanRetired,
    PlanTerms,
    plans,
)

PARTNER, FLAG = UUID(int=1), UUID(int=2)
NOW = datetime(2025, 3, 3, 9, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def content(**changes: Any) -> PlanContent:
    return PlanContent.model_validate(
        {
            "title": "A kitchen at risk",
            "steps": [
                {"code": "call", "title": "Call the owner", "owner": "field consultant", "due_hours": 24},
                {"code": "visit", "title": "Visit", "owner": "auditor", "due_hours": 72},
            ],
            "rules": ["low_score"],
            "at_least": "high",
            **changes,
        }
    )


def terms(version: int = 1, **changes: Any) -> PlanTerms:
    return PlanTerms(code="kitchen", version=version, **dict(content(**changes)))


DRAFTED = PlanDrafted(code="kitchen", content=content())
PUBLISHED = PlanPublished(code="kitchen", plan=terms())


def test_a_plan_is_drafted_published_revised_and_retired() -> None:
    draft = DraftPlan(code="kitchen", content=content())
    scenario(plans, when=draft, at=NOW, then=DRAFTED)
    scenario(plans, given=[DRAFTED], when=draft, at=NOW, then=[])
    scenario(plans, given=[DRAFTED], when=Publish(), at=NOW, then=PUBLISHED)
    slower = PlanDrafted(code="kitchen", content=content(at_least="critical"))
    then = PlanPublished(code="kitchen", plan=terms(2, at_least="critical"))
    scenario(plans, given=[DRAFTED, PUBLISHED, slower], when=Publish(), at=NOW, then=then)
    dropped = PlanDraftDiscarded(code="kitchen")
    scenario(plans, given=[DRAFTED], when=DiscardDraft(), at=NOW, then=dropped)
    scenario(plans, given=[DRAFTED, dropped], when=DiscardDraft(), at=NOW, then=[])
    retired = PlanRetired(code="kitchen")
    scenario(plans, given=[DRAFTED, PUBLISHED], when=Retire(), at=NOW, then=retired)
    scenario(plans, given=[DRAFTED, PUBLISHED, retired], when=Retire(), at=NOW, then=[])


def test_what_cannot_be_a_plan_is_refused() -> None:
    step = {"code": "call", "title": "Call", "owner": "us", "due_hours": 1}
    twice = DraftPlan(code="kitchen", content=content(steps=[step, step]))
    scenario(plans, when=twice, at=NOW, then=Rejected("risk.step_twice", step="call"))
    nothing = Rejected("risk.nothing_drafted", plan="kitchen")
    scenario(plans, given=[DRAFTED, PUBLISHED], when=Publish(), at=NOW, then=nothing)
    same = Rejected("risk.draft_changes_nothing", plan="kitchen", plan_version=1)
    scenario(plans, given=[DRAFTED, PUBLISHED, DRAFTED], when=Publish(), at=NOW, then=same)
    for command in (Publish(), DiscardDraft(), Retire()):
        scenario(plans, when=command, at=NOW, then=Unknown("risk.plan_unknown"))
    given = [DRAFTED, PUBLISHED, PlanRetired(code="kitchen")]
    for late in (DraftPlan(code="kitchen", content=content()), Publish()):
        scenario(plans, given=given, when=late, at=NOW, then=Rejected("risk.plan_retired", plan="kitchen"))


@pytest.mark.parametrize(
    ("rule", "severity", "asked"),
    [
        ("low_score", "high", True),
        ("low_score", "critical", True),
        ("low_score", "medium", False),
        ("x", "high", False),
    ],
)
def test_a_flag_asks_for_a_plan_by_its_rule_and_severity(rule: str, severity: Any, asked: bool) -> None:
    assert content().asked_for_by(rule, severity) is asked


# -- in motion

ID = contingency_id("kitchen", FLAG)
ACTIVATED = ContingencyActivated(
    contingency_id=ID,
    partner_id=PARTNER,
    plan="kitchen",
    plan_version=1,
    flag_id=FLAG,
    reason="Low.",
    steps=("call", "visit"),
)
PLANNED = StepsPlanned(
    contingency_id=ID, partner_id=PARTNER, plan=terms(), due={"call": NOW + DAY, "visit": NOW + 3 * DAY}
)
RUNNING = [ACTIVATED, PLANNED]


def done(step: str, status: Any = "done", note: str = "Done.") -> StepDone:
    return StepDone(contingency_id=ID, step=step, status=status, note=note)


def closed(outcome: Any, *overdue: str) -> ContingencyClosed:
    return ContingencyClosed(
        contingency_id=ID, partner_id=PARTNER, plan="kitchen", outcome=outcome, summary="Rebuilt.", overdue=overdue
    )


def test_a_plan_is_activated_once_with_the_time_of_each_step() -> None:
    command = Activate(contingency_id=ID, partner_id=PARTNER, plan=terms(), flag_id=FLAG, reason="Low.")
    scenario(contingencies, when=command, at=NOW, then=RUNNING)
    scenario(contingencies, given=RUNNING, when=command, at=NOW, then=[])


def test_a_step_is_done_or_skipped_with_a_note_and_once() -> None:
    command = ReportStep(step="call", note="Done.")
    scenario(contingencies, given=RUNNING, when=command, at=NOW, then=done("call"))
    scenario(contingencies, given=[*RUNNING, done("call")], when=command, at=NOW, then=[])
    other = ReportStep(step="call", note="Not needed.", skipped=True)
    scenario(contingencies, given=RUNNING, when=other, at=NOW, then=done("call", "skipped", "Not needed."))
    refusal = Rejected("risk.step_over", step="call", step_status="done")
    scenario(contingencies, given=[*RUNNING, done("call")], when=other, at=NOW, then=refusal)
    unknown = Unknown("risk.step_unknown", step="sing")
    scenario(contingencies, given=RUNNING, when=ReportStep(step="sing", note="La."), at=NOW, then=unknown)


def test_a_step_that_is_not_done_by_its_time_is_overdue_and_may_still_be_done() -> None:
    late = StepOverdue(contingency_id=ID, step="call", owner="field consultant")
    call = CallStepOverdue(step="call")
    scenario(contingencies, given=RUNNING, when=call, at=NOW + DAY - HOUR, then=[])
    scenario(contingencies, given=RUNNING, when=call, at=NOW + DAY, then=late)
    scenario(contingencies, given=[*RUNNING, late], when=call, at=NOW + DAY, then=[])
    scenario(contingencies, given=[*RUNNING, done("call")], when=call, at=NOW + DAY, then=[])
    report = ReportStep(step="call", note="Done.")
    scenario(contingencies, given=[*RUNNING, late], when=report, at=NOW + 2 * DAY, then=done("call"))


def test_it_is_closed_with_an_outcome_when_no_step_is_open() -> None:
    close = CloseContingency(outcome="averted", summary="Rebuilt.")
    refusal = Rejected("risk.steps_open", contingency_id=ID, steps=["visit"])
    scenario(contingencies, given=[*RUNNING, done("call")], when=close, at=NOW, then=refusal)
    late = StepOverdue(contingency_id=ID, step="visit", owner="auditor")
    given = [*RUNNING, done("call"), late, done("visit")]
    scenario(contingencies, given=given, when=close, at=NOW, then=closed("averted", "visit"))
    scenario(contingencies, given=[*given, closed("averted", "visit")], when=close, at=NOW, then=[])
    other = CloseContingency(outcome="occurred", summary="Closed down.")
    refusal = Rejected("risk.contingency_closed", contingency_id=ID, outcome="averted")
    scenario(contingencies, given=[*given, closed("averted", "visit")], when=other, at=NOW, then=refusal)
    report = ReportStep(step="call", note="Again.")
    scenario(contingencies, given=[*RUNNING, closed("false_alarm")], when=report, at=NOW, then=Rejected(
        "risk.contingency_closed", contingency_id=ID, outcome="false_alarm"
    ))  # fmt: skip


def test_a_false_alarm_is_closed_as_it_is() -> None:
    close = CloseContingency(outcome="false_alarm", summary="Rebuilt.")
    scenario(contingencies, given=RUNNING, when=close, at=NOW, then=closed("false_alarm"))
    for command in (close, CallStepOverdue(step="call"), ReportStep(step="call", note="Done.")):
        scenario(contingencies, when=command, at=NOW, then=Unknown("risk.contingency_unknown"))


# -- how good a rule would have been


def test_alarms_are_true_false_or_undecided_and_outcomes_foreseen_or_not() -> None:
    one, two, three = (UUID(int=n) for n in (1, 2, 3))
    alarms = [
        Raised(one, NOW),  # 100 days before
        Raised(one, NOW + 60 * DAY),  # again, 40 days before
        Raised(two, NOW),  # nothing within a year
        Raised(three, NOW + 700 * DAY),  # its year is not over
    ]
    outcomes = {one: [NOW + 100 * DAY], two: [NOW + 400 * DAY], three: [NOW + 700 * DAY]}
    found = measured(alarms, outcomes, 365 * DAY, until=NOW + 800 * DAY)
    assert (found.alarms, found.true_alarms, found.false_alarms, found.undecided) == (4, 2, 1, 1)
    assert (found.outcomes, found.foreseen) == (3, 1)
    assert (found.precision, found.recall) == (Decimal("0.6667"), Decimal("0.3333"))
    assert (found.lead_days, found.shortest_lead_days) == (Decimal("100.0"), 100)


def test_an_alarm_at_the_very_moment_foresees_nothing() -> None:
    found = measured([Raised(PARTNER, NOW)], {PARTNER: [NOW]}, 365 * DAY, until=NOW + 999 * DAY)
    assert (found.true_alarms, found.false_alarms, found.foreseen) == (0, 1, 0)


def test_without_alarms_there_is_no_precision_and_without_outcomes_no_recall() -> None:
    found = measured([], {}, DAY, until=NOW)
    assert (found.precision, found.recall, found.lead_days) == (None, None, None)


MOMENTS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 1000)), max_size=20)


@given_any(MOMENTS, MOMENTS, st.integers(1, 400), st.integers(1000, 1400))
def test_every_alarm_is_counted_once_and_parts_lie_between_none_and_all(
    raised: list[tuple[int, int]], ends: list[tuple[int, int]], horizon: int, until: int
) -> None:
    alarms = [Raised(UUID(int=who), NOW + day * DAY) for who, day in raised]
    outcomes: dict[UUID, list[datetime]] = {}
    for who, day in ends:
        outcomes.setdefault(UUID(int=who), []).append(NOW + day * DAY)
    found = measured(alarms, outcomes, horizon * DAY, NOW + until * DAY)
    assert found.true_alarms + found.false_alarms + found.undecided == found.alarms == len(alarms)
    assert 0 <= found.foreseen <= found.outcomes == len(ends)
    assert found.precision is None or 0 <= found.precision <= 1
    assert found.recall is None or 0 <= found.recall <= 1
    assert (found.true_alarms > 0) == (found.foreseen > 0)
    naive = sum(any(w == who and d < day <= d + horizon for w, d in raised) for who, day in ends)
    assert found.foreseen == naive


# -- activated once


def call(flag: UUID) -> CallForPlan:
    return CallForPlan(partner_id=PARTNER, plan=terms(), flag_id=flag, reason="Low.")


def called(flag: UUID) -> PlanCalledFor:
    id = contingency_id("kitchen", flag)
    return PlanCalledFor(contingency_id=id, partner_id=PARTNER, plan=terms(), flag_id=flag, reason="Low.")


OTHER_FLAG = UUID(int=3)


def test_of_two_flags_in_one_instant_one_sets_the_plan_in_motion() -> None:
    scenario(activations, when=call(FLAG), at=NOW, then=called(FLAG))
    for flag in (FLAG, OTHER_FLAG):
        scenario(activations, given=[called(FLAG)], when=call(flag), at=NOW, then=[])


def test_when_what_ran_is_closed_the_next_flag_sets_it_in_motion_again() -> None:
    closed = ClosingNoted(contingency_id=contingency_id("kitchen", FLAG))
    closing = NoteClosing(contingency_id=closed.contingency_id)
    scenario(activations, given=[called(FLAG)], when=closing, at=NOW, then=closed)
    scenario(activations, given=[called(FLAG), closed], when=closing, at=NOW, then=[])
    scenario(activations, given=[called(FLAG), closed], when=call(OTHER_FLAG), at=NOW, then=called(OTHER_FLAG))


def test_what_a_person_set_in_motion_counts_too_and_a_person_may_have_it_run_twice() -> None:
    one, two = (ActivationNoted(contingency_id=UUID(int=n)) for n in (7, 8))
    scenario(activations, when=NoteActivation(contingency_id=UUID(int=7)), at=NOW, then=one)
    scenario(activations, given=[one], when=NoteActivation(contingency_id=UUID(int=7)), at=NOW, then=[])
    scenario(activations, given=[one], when=NoteActivation(contingency_id=UUID(int=8)), at=NOW, then=two)
    given = [one, two, ClosingNoted(contingency_id=UUID(int=7))]
    scenario(activations, given=given, when=call(FLAG), at=NOW, then=[])
