"""What is done about a problem: the actions of an improvement plan, each with a role that owns it and a day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Literal, TypeAlias, assert_never
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Event
from events.days import day_in
from events.performance import ImprovementPlanOpened, PlanAction
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from performance.domain.metric import Code

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
"""Not for names of people."""
Day = Annotated[date, Field(ge=date(1, 1, 2), le=date(9999, 12, 30), examples=["2026-06-30"])]
MOST_ACTIONS = 100


# -- events that stay in the house


class PlanActionAdded(Event, type="cauce.performance.PlanActionAdded.v1"):
    """One more thing that is to be done."""

    plan_id: UUID
    partner_id: UUID
    action: PlanAction
    time_zone: str


class PlanActionEnded(Event, type="cauce.performance.PlanActionEnded.v1"):
    """It was done, or will not be; `note` says what was done, or why not."""

    plan_id: UUID
    number: int
    how: Literal["done", "dropped"]
    note: str
    late: bool


class PlanActionOverdue(Event, type="cauce.performance.PlanActionOverdue.v1"):
    """Its day has passed and it is not done."""

    plan_id: UUID
    number: int


ActionEvent: TypeAlias = PlanActionAdded | PlanActionEnded | PlanActionOverdue


# -- commands


class ActionAsked(BaseModel):
    """`owner` is a role, as `store-manager`, not a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    what: Text
    owner: Code
    due_on: Day


class AddAction(Command):
    action: ActionAsked


class EndAction(Command):
    number: int
    how: Literal["done", "dropped"]
    note: Text


class BecomeOverdue(Command):
    number: int


ActionCommand: TypeAlias = AddAction | EndAction | BecomeOverdue


# -- state


@dataclass(frozen=True)
class Action:
    what: PlanAction
    status: Literal["open", "done", "dropped"] = "open"
    overdue: bool = False


Actions: TypeAlias = Mapping[int, Action]


# -- decide


def numbered(number: int, asked: ActionAsked) -> PlanAction:
    return PlanAction(number=number, **dict(asked))


def check_due(asked: Iterable[ActionAsked], time_zone: str, now: datetime) -> None:
    """Raises `performance.due_on_passed`."""
    today = day_in(time_zone, now)
    for each in asked:
        if each.due_on < today:
            raise Rejected("performance.due_on_passed", field="due_on", due_on=each.due_on, today=today)


def add(actions: Actions, opened: ImprovementPlanOpened, asked: ActionAsked, now: datetime) -> list[ActionEvent]:
    """The same again while it is open changes nothing. Raises `performance.too_many_actions` and what `check_due`
    raises."""
    for number, known in actions.items():
        if known.status == "open" and known.what == numbered(number, asked):
            return []
    check_due([asked], opened.time_zone, now)
    if len(actions) >= MOST_ACTIONS:
        raise Rejected("performance.too_many_actions", most=MOST_ACTIONS)
    action = numbered(len(actions) + 1, asked)
    return [
        PlanActionAdded(plan_id=opened.plan_id, partner_id=opened.partner_id, action=action, time_zone=opened.time_zone)
    ]


def action_of(actions: Actions, number: int) -> Action:
    """Raises `performance.action_unknown`."""
    if number not in actions:
        raise Unknown("performance.action_unknown", number=number)
    return actions[number]


def end(actions: Actions, opened: ImprovementPlanOpened, command: EndAction, today: date) -> list[ActionEvent]:
    """Raises `performance.action_ended`."""
    action = action_of(actions, command.number)
    if action.status == command.how:
        return []
    if action.status != "open":
        raise Rejected("performance.action_ended", number=command.number, how=action.status)
    late = today > action.what.due_on
    return [
        PlanActionEnded(plan_id=opened.plan_id, number=command.number, how=command.how, note=command.note, late=late)
    ]


def become_overdue(actions: Actions, opened: ImprovementPlanOpened, number: int, today: date) -> list[ActionEvent]:
    """Raises `performance.not_yet_due`."""
    action = action_of(actions, number)
    if action.overdue or action.status != "open":
        return []
    if today <= action.what.due_on:
        raise Rejected("performance.not_yet_due", number=number, due_on=action.what.due_on)
    return [PlanActionOverdue(plan_id=opened.plan_id, number=number)]


# -- evolve


def evolve_actions(actions: Actions, event: ActionEvent) -> Actions:
    match event:
        case PlanActionAdded(action=action):
            return {**actions, action.number: Action(action)}
        case PlanActionEnded(number=number, how=how):
            return {**actions, number: replace(actions[number], status=how)}
        case PlanActionOverdue(number=number):
            return {**actions, number: replace(actions[number], overdue=True)}
        case _:
            assert_never(event)
