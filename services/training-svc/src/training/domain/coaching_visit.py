"""A coaching visit: planned, held with guidance and agreed actions, each followed up, and then complete."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import assert_never

from engine import Decider, Rejected, Unknown
from events.days import day_in, end_of
from events.training import CoachingCompleted

from training.domain.coaching_events import (
    ActionNow,
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
    CoachingVisit,
    Followed,
    FollowUpAction,
    HoldCoaching,
    PlanCoaching,
    ReportAgreedAction,
    Status,
)

# -- decide


def plan(visit: CoachingVisit, command: PlanCoaching) -> list[CoachingEvent]:
    """Raises `training.partner_unknown`, `training.support_plan_not_open`."""
    planned = CoachingPlanned(**command.model_dump(exclude={"occurred_at", "partner_known", "plan_of"}))
    if visit.planned is not None:
        if visit.planned == planned:
            return []
        raise Rejected("training.visit_planned", visit_id=command.visit_id)
    if not command.partner_known:
        raise Unknown("training.partner_unknown", partner_id=command.partner_id)
    if command.plan_id is not None and command.plan_of != command.partner_id:
        raise Rejected("training.support_plan_not_open", plan_id=command.plan_id)
    return [planned]


def hold(visit: CoachingVisit, planned: CoachingPlanned, command: HoldCoaching, today: date) -> list[CoachingEvent]:
    """Raises `training.held_in_the_future`, `training.due_before_the_visit` and `training.visit_not_planned`."""
    held = CoachingHeld(
        visit_id=planned.visit_id,
        partner_id=planned.partner_id,
        held_on=command.held_on,
        guidance=command.guidance,
        actions=tuple(
            Followed(
                number=number,
                due_at=end_of(each.due_on, planned.time_zone),
                **each.model_dump(),
            )
            for number, each in enumerate(command.actions, start=1)
        ),
    )
    if visit.held == held:
        return []
    if visit.status is not Status.PLANNED:
        raise Rejected("training.visit_not_planned", standing=visit.status.value)
    if command.held_on > today:
        raise Rejected("training.held_in_the_future", today=today, time_zone=planned.time_zone)
    if early := [each.due_on for each in command.actions if each.due_on < command.held_on]:
        raise Rejected("training.due_before_the_visit", held_on=command.held_on, due_on=min(early))
    return completed([held], replace(visit, planned=planned), today)


def cancel(visit: CoachingVisit, planned: CoachingPlanned, reason: str) -> list[CoachingEvent]:
    if visit.status is Status.CANCELLED and visit.cancelled_because == reason:
        return []
    if visit.status is not Status.PLANNED:
        raise Rejected("training.visit_not_planned", standing=visit.status.value)
    return [CoachingCancelled(visit_id=planned.visit_id, reason=reason)]


def action_of(visit: CoachingVisit, number: int) -> ActionNow:
    if number not in visit.actions:
        raise Unknown("training.agreed_action_unknown", number=number, agreed=len(visit.actions))
    return visit.actions[number]


def report(
    visit: CoachingVisit, planned: CoachingPlanned, command: ReportAgreedAction, today: date
) -> list[CoachingEvent]:
    action = action_of(visit, command.number)
    if action.status == "reported" and action.account == command.account:
        return []
    if not action.open:
        raise Rejected("training.agreed_action_closed", number=command.number, standing=action.status)
    return [
        *lapse(planned, action, today),
        AgreedActionReported(
            visit_id=planned.visit_id, number=command.number, account=command.account, reported_on=today
        ),
    ]


def follow_up(
    visit: CoachingVisit, planned: CoachingPlanned, command: FollowUpAction, today: date
) -> list[CoachingEvent]:
    action = action_of(visit, command.number)
    if action.status == command.outcome:
        return []
    if not action.open:
        raise Rejected("training.agreed_action_closed", number=command.number, standing=action.status)
    overdue = lapse(planned, action, today)
    followed = AgreedActionFollowedUp(
        visit_id=planned.visit_id,
        number=command.number,
        outcome=command.outcome,
        note=command.note,
        followed_up_on=today,
        late=action.overdue or bool(overdue),
    )
    return completed([*overdue, followed], visit, today)


def call_overdue(visit: CoachingVisit, planned: CoachingPlanned, number: int, today: date) -> list[CoachingEvent]:
    action = action_of(visit, number)
    if action.status == "agreed" and today <= action.agreed.due_on:
        raise Rejected("training.not_yet_due", due_on=action.agreed.due_on)
    return lapse(planned, action, today)


def lapse(planned: CoachingPlanned, action: ActionNow, today: date) -> list[CoachingEvent]:
    """It is overdue from its day on, unless somebody has said by then that it is done."""
    agreed = action.agreed
    if action.overdue or action.status != "agreed" or today <= agreed.due_on:
        return []
    return [AgreedActionOverdue(visit_id=planned.visit_id, number=agreed.number, due_on=agreed.due_on)]


def completed(happened: list[CoachingEvent], visit: CoachingVisit, today: date) -> list[CoachingEvent]:
    """With the last action that is followed up the visit is complete."""
    after = coaching_visits.fold(happened, visit)
    planned, held, actions = after.planned, after.held, tuple(after.actions.values())
    if planned is None or held is None or any(each.open for each in actions):
        return happened
    done = [each for each in actions if each.status == "done"]
    return [
        *happened,
        CoachingCompleted(
            visit_id=planned.visit_id,
            partner_id=planned.partner_id,
            outlet_id=planned.outlet_id,
            plan_id=planned.plan_id,
            held_on=held.held_on,
            completed_on=today,
            topics=tuple(dict.fromkeys(each.topic for each in held.guidance)),
            agreed=len(actions),
            done=len(done),
            late=sum(each.late for each in done),
        ),
    ]


def decide(command: CoachingCommand, visit: CoachingVisit, now: datetime) -> list[CoachingEvent]:
    if isinstance(command, PlanCoaching):
        return plan(visit, command)
    planned = visit.planned
    if planned is None:
        raise Unknown("training.coaching_visit_unknown")
    today = day_in(planned.time_zone, now)
    match command:
        case HoldCoaching():
            return hold(visit, planned, command, today)
        case CancelCoaching(reason=reason):
            return cancel(visit, planned, reason)
        case ReportAgreedAction():
            return report(visit, planned, command, today)
        case FollowUpAction():
            return follow_up(visit, planned, command, today)
        case CallActionOverdue(number=number):
            return call_overdue(visit, planned, number, today)
        case _:
            assert_never(command)


# -- evolve


def evolve(visit: CoachingVisit, event: CoachingEvent) -> CoachingVisit:
    match event:
        case CoachingPlanned():
            return CoachingVisit(event)
        case CoachingHeld(actions=actions):
            agreed = {each.number: ActionNow(each) for each in actions}
            return replace(visit, status=Status.HELD, held=event, actions=agreed)
        case CoachingCancelled(reason=reason):
            return replace(visit, status=Status.CANCELLED, cancelled_because=reason)
        case AgreedActionReported(number=number, account=account):
            return with_action(visit, replace(visit.actions[number], status="reported", account=account))
        case AgreedActionOverdue(number=number):
            return with_action(visit, replace(visit.actions[number], overdue=True))
        case AgreedActionFollowedUp(number=number, outcome=outcome, late=late):
            return with_action(visit, replace(visit.actions[number], status=outcome, late=late))
        case CoachingCompleted():
            return replace(visit, status=Status.COMPLETED)
        case _:
            assert_never(event)


def with_action(visit: CoachingVisit, action: ActionNow) -> CoachingVisit:
    return replace(visit, actions={**visit.actions, action.agreed.number: action})


coaching_visits = Decider(
    "coaching_visit",
    decide,
    evolve,
    initial=CoachingVisit,
    events=CoachingEvent,
    owner=lambda visit: None if visit.planned is None else visit.planned.partner_id,
)
