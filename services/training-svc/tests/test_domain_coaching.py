from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.training import CoachingCompleted
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import ValidationError
from training.domain.coaching_events import (
    AgreedAction,
    AgreedActionFollowedUp,
    AgreedActionOverdue,
    AgreedActionReported,
    CallActionOverdue,
    CancelCoaching,
    CoachingCancelled,
    CoachingCommand,
    CoachingEvent,
    CoachingHeld,
    CoachingPlanned,
    Followed,
    FollowUpAction,
    Guidance,
    HoldCoaching,
    Outcome,
    PlanCoaching,
    ReportAgreedAction,
    Status,
)
from training.domain.coaching_visit import coaching_visits
from training.domain.support_plan import (
    CallPlanOverrun,
    CloseSupportPlan,
    OpenSupportPlan,
    SupportPlanClosed,
    SupportPlanOpened,
    SupportPlanOverran,
    support_plans,
)

VISIT, PARTNER, OTHER, PLAN = (UUID(int=n) for n in range(1, 5))
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
DAY, DUE = date(2026, 3, 9), date(2026, 3, 31)
AFTER = datetime(2026, 4, 1, tzinfo=UTC)
CONTENT: dict[str, Any] = {
    "visit_id": VISIT, "partner_id": PARTNER, "outlet_id": None, "plan_id": PLAN, "purpose": "Cold chain",
    "planned_on": DAY, "time_zone": "UTC",
}  # fmt: skip
PLANNED = CoachingPlanned(**CONTENT)
GUIDANCE = (Guidance(topic="cold", note="Measure twice a day."), Guidance(topic="cold", note="Write it down."))
ACTIONS = (
    AgreedAction(what="Buy a thermometer", owner="manager", due_on=DUE),
    AgreedAction(what="Send the log sheets", side="principal", owner="consultant", due_on=DUE),
)
HOLD = HoldCoaching(held_on=DAY, guidance=GUIDANCE, actions=ACTIONS)


def held(*actions: AgreedAction) -> CoachingHeld:
    followed = [
        Followed(n, each.what, each.side, each.owner, each.due_on, AFTER) for n, each in enumerate(actions, start=1)
    ]
    return CoachingHeld(visit_id=VISIT, partner_id=PARTNER, held_on=DAY, guidance=GUIDANCE, actions=tuple(followed))


HELD = held(*ACTIONS)


def followed_up(number: int, outcome: Outcome = "done", late: bool = False, on: date = DAY) -> AgreedActionFollowedUp:
    return AgreedActionFollowedUp(
        visit_id=VISIT, number=number, outcome=outcome, note="Seen.", followed_up_on=on, late=late
    )


def completed(agreed: int, done: int, late: int = 0, on: date = DAY) -> CoachingCompleted:
    return CoachingCompleted(
        visit_id=VISIT, partner_id=PARTNER, outlet_id=None, plan_id=PLAN, held_on=DAY, completed_on=on,
        topics=("cold",), agreed=agreed, done=done, late=late,
    )  # fmt: skip


def plan(**changes: Any) -> PlanCoaching:
    return PlanCoaching(**{**CONTENT, "partner_known": True, "plan_of": PARTNER, **changes})


def overdue(number: int) -> AgreedActionOverdue:
    return AgreedActionOverdue(visit_id=VISIT, number=number, due_on=DUE)


def test_a_visit_is_planned_for_a_known_partner_within_an_open_plan_of_theirs() -> None:
    scenario(coaching_visits, when=plan(), at=NOW, then=PLANNED)
    scenario(coaching_visits, given=[PLANNED], when=plan(), at=NOW, then=[])
    alone = CoachingPlanned(**{**CONTENT, "plan_id": None})
    scenario(coaching_visits, when=plan(plan_id=None, plan_of=None), at=NOW, then=alone)
    unknown = Unknown("training.partner_unknown", partner_id=PARTNER)
    scenario(coaching_visits, when=plan(partner_known=False), at=NOW, then=unknown)
    for of in (None, OTHER):
        refusal = Rejected("training.support_plan_not_open", plan_id=PLAN)
        scenario(coaching_visits, when=plan(plan_of=of), at=NOW, then=refusal)
    another = plan(purpose="Something else")
    refusal = Rejected("training.visit_planned", visit_id=VISIT)
    scenario(coaching_visits, given=[PLANNED], when=another, at=NOW, then=refusal)


def test_guidance_is_given_and_actions_are_agreed_with_owner_and_day() -> None:
    scenario(coaching_visits, given=[PLANNED], when=HOLD, at=NOW, then=HELD)
    scenario(coaching_visits, given=[PLANNED, HELD], when=HOLD, at=NOW, then=[])
    nothing = HoldCoaching(held_on=DAY, guidance=GUIDANCE)
    scenario(coaching_visits, given=[PLANNED], when=nothing, at=NOW, then=[held(), completed(0, 0)])
    with pytest.raises(ValidationError):
        HoldCoaching(held_on=DAY, guidance=())


def test_a_visit_is_not_reported_before_it_was_nor_with_days_that_had_passed() -> None:
    tomorrow = HOLD.model_copy(update={"held_on": DAY + timedelta(days=1)})
    early = Rejected("training.held_in_the_future", today=DAY, time_zone="UTC")
    scenario(coaching_visits, given=[PLANNED], when=tomorrow, at=NOW, then=early)
    past = HoldCoaching(
        held_on=DAY, guidance=GUIDANCE, actions=(ACTIONS[0].model_copy(update={"due_on": date(2026, 3, 8)}),)
    )
    refusal = Rejected("training.due_before_the_visit", held_on=DAY, due_on=date(2026, 3, 8))
    scenario(coaching_visits, given=[PLANNED], when=past, at=NOW, then=refusal)


def test_what_is_cancelled_does_not_take_place_and_what_took_place_is_not_cancelled() -> None:
    cancelled = CoachingCancelled(visit_id=VISIT, reason="Closed that day.")
    cancel = CancelCoaching(reason="Closed that day.")
    scenario(coaching_visits, given=[PLANNED], when=cancel, at=NOW, then=cancelled)
    scenario(coaching_visits, given=[PLANNED, cancelled], when=cancel, at=NOW, then=[])
    refusal = Rejected("training.visit_not_planned", standing="cancelled")
    scenario(coaching_visits, given=[PLANNED, cancelled], when=HOLD, at=NOW, then=refusal)
    over = Rejected("training.visit_not_planned", standing="held")
    scenario(coaching_visits, given=[PLANNED, HELD], when=cancel, at=NOW, then=over)


def test_with_the_last_action_that_is_followed_up_the_visit_is_complete() -> None:
    given: list[Event] = [PLANNED, HELD]
    first = FollowUpAction(number=1, outcome="done", note="Seen.")
    scenario(coaching_visits, given=given, when=first, at=NOW, then=followed_up(1))
    given += [followed_up(1)]
    scenario(coaching_visits, given=given, when=first, at=NOW, then=[])
    dropped = FollowUpAction(number=2, outcome="dropped", note="Seen.")
    then = [followed_up(2, "dropped"), completed(2, 1)]
    scenario(coaching_visits, given=given, when=dropped, at=NOW, then=then)
    closed = Rejected("training.agreed_action_closed", number=1, standing="done")
    scenario(coaching_visits, given=given, when=ReportAgreedAction(number=1, account="Done."), at=NOW, then=closed)
    other = FollowUpAction(number=1, outcome="dropped", note="Seen.")
    scenario(coaching_visits, given=given, when=other, at=NOW, then=closed)
    unknown = Unknown("training.agreed_action_unknown", number=3, agreed=2)
    scenario(coaching_visits, given=given, when=CallActionOverdue(number=3), at=NOW, then=unknown)


def test_an_action_that_nobody_says_is_done_by_its_day_is_overdue_once() -> None:
    given: list[Event] = [PLANNED, HELD]
    call = CallActionOverdue(number=1)
    early = Rejected("training.not_yet_due", due_on=DUE)
    scenario(coaching_visits, given=given, when=call, at=AFTER - timedelta(seconds=1), then=early)
    scenario(coaching_visits, given=given, when=call, at=AFTER, then=overdue(1))
    scenario(coaching_visits, given=[*given, overdue(1)], when=call, at=AFTER, then=[])
    reported = AgreedActionReported(visit_id=VISIT, number=1, account="Bought.", reported_on=DAY)
    report = ReportAgreedAction(number=1, account="Bought.")
    scenario(coaching_visits, given=given, when=report, at=NOW, then=reported)
    scenario(coaching_visits, given=[*given, reported], when=report, at=NOW, then=[])
    scenario(coaching_visits, given=[*given, reported], when=call, at=AFTER, then=[])


def test_what_is_followed_up_after_its_day_is_late_and_what_was_reported_in_time_is_not() -> None:
    april = date(2026, 4, 1)
    follow = FollowUpAction(number=1, outcome="done", note="Seen.")
    then = [overdue(1), followed_up(1, late=True, on=april)]
    scenario(coaching_visits, given=[PLANNED, HELD], when=follow, at=AFTER, then=then)
    reported = AgreedActionReported(visit_id=VISIT, number=1, account="Bought.", reported_on=DAY)
    in_time = followed_up(1, on=april)
    scenario(coaching_visits, given=[PLANNED, HELD, reported], when=follow, at=AFTER, then=in_time)


@pytest.mark.parametrize(
    "command", [HOLD, CancelCoaching(reason="r"), CallActionOverdue(number=1)], ids=lambda c: type(c).__name__
)
def test_a_visit_that_nobody_planned_is_unknown(command: Command) -> None:
    scenario(coaching_visits, when=command, at=NOW, then=Unknown("training.coaching_visit_unknown"))


@for_all(st.lists(st.sampled_from(["report", "done", "dropped", "overdue"]), max_size=12), st.integers(1, 3))
def test_however_it_goes_a_visit_is_complete_exactly_when_nothing_is_open(steps: list[str], agreed: int) -> None:
    state = coaching_visits.fold([PLANNED, held(*(ACTIONS[0],) * agreed)])
    happened: list[CoachingEvent] = []
    for n, step in enumerate(steps):
        number = 1 + n % agreed
        commands: dict[str, CoachingCommand] = {
            "report": ReportAgreedAction(number=number, account=f"{n}"),
            "done": FollowUpAction(number=number, outcome="done", note="n"),
            "dropped": FollowUpAction(number=number, outcome="dropped", note="n"),
            "overdue": CallActionOverdue(number=number),
        }
        try:
            events = coaching_visits.decide(commands[step], state, AFTER)
        except Rejected:
            continue
        happened += events
        state = coaching_visits.fold(events, state)
    complete = [each for each in happened if isinstance(each, CoachingCompleted)]
    assert len(complete) == (0 if any(each.open for each in state.actions.values()) else 1)
    assert (state.status is Status.COMPLETED) == bool(complete)


# -- support plans

SAID: dict[str, Any] = {
    "plan_id": PLAN, "partner_id": PARTNER, "title": "Cold chain", "needs": ("Temperatures are not kept.",),
    "visits_wanted": 2, "starts_on": DAY, "ends_on": DUE, "time_zone": "UTC",
}  # fmt: skip
OPENED = SupportPlanOpened(**SAID, ends_at=AFTER)
CLOSED = SupportPlanClosed(plan_id=PLAN, result="met", summary="Kept for a month.", closed_on=DAY)


def test_a_support_plan_is_opened_and_closed_with_what_came_of_it() -> None:
    open_plan = OpenSupportPlan(**SAID, partner_known=True)
    scenario(support_plans, when=open_plan, at=NOW, then=OPENED)
    scenario(support_plans, given=[OPENED], when=open_plan, at=NOW, then=[])
    other = OpenSupportPlan(**{**SAID, "title": "Other"}, partner_known=True)
    scenario(
        support_plans, given=[OPENED], when=other, at=NOW, then=Rejected("training.support_plan_opened", plan_id=PLAN)
    )
    nobody = OpenSupportPlan(**SAID, partner_known=False)
    scenario(support_plans, when=nobody, at=NOW, then=Unknown("training.partner_unknown", partner_id=PARTNER))
    close = CloseSupportPlan(result="met", summary="Kept for a month.")
    scenario(support_plans, given=[OPENED], when=close, at=NOW, then=CLOSED)
    scenario(support_plans, given=[OPENED, CLOSED], when=close, at=NOW, then=[])
    otherwise = CloseSupportPlan(result="not_met", summary="Kept for a month.")
    refusal = Rejected("training.support_plan_closed", result="met", closed_on=DAY)
    scenario(support_plans, given=[OPENED, CLOSED], when=otherwise, at=NOW, then=refusal)
    assert support_plans.fold([OPENED]).open_for() == PARTNER
    assert support_plans.fold([OPENED, CLOSED]).open_for() is None


def test_a_plan_is_not_closed_while_one_of_its_visits_is_open() -> None:
    close = CloseSupportPlan(result="met", summary="Kept.", open_visits=(VISIT,))
    refusal = Rejected("training.visits_open", visits=[str(VISIT)])
    scenario(support_plans, given=[OPENED], when=close, at=NOW, then=refusal)


def test_a_plan_whose_last_day_has_passed_without_a_result_has_overrun() -> None:
    overran = SupportPlanOverran(plan_id=PLAN)
    early = Rejected("training.not_yet_due", due_on=DUE)
    scenario(support_plans, given=[OPENED], when=CallPlanOverrun(), at=NOW, then=early)
    scenario(support_plans, given=[OPENED], when=CallPlanOverrun(), at=AFTER, then=overran)
    for given in ([OPENED, overran], [OPENED, CLOSED]):
        scenario(support_plans, given=given, when=CallPlanOverrun(), at=AFTER, then=[])
    scenario(support_plans, when=CallPlanOverrun(), at=AFTER, then=Unknown("training.support_plan_unknown"))
    with pytest.raises(ValidationError):
        OpenSupportPlan(**{**SAID, "ends_on": date(2026, 3, 1)}, partner_known=True)
