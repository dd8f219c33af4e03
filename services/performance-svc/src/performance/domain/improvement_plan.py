"""An improvement plan: what an evaluation showed, what is done about it by whom until when, and whether the evaluations
of later periods show that it helped. They verify it by themselves; a person closes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.days import TimeZone, day_in
from events.performance import ImprovementPlanClosed, ImprovementPlanOpened, PlanOutcome, PlanProblem
from events.periods import kind

from performance.domain.plan_action import (
    Action,
    ActionAsked,
    ActionCommand,
    ActionEvent,
    Actions,
    AddAction,
    BecomeOverdue,
    EndAction,
    PlanActionAdded,
    PlanActionEnded,
    PlanActionOverdue,
    Text,
    add,
    become_overdue,
    check_due,
    end,
    evolve_actions,
    numbered,
)
from performance.domain.shortfall import Judged, ProblemAsked, problems

PLANS = UUID("5b1c7a8e-2f4d-4c53-9a0b-7d9e6f1a3c28")
"""The namespace of plan ids."""


def plan_id(partner_id: UUID, period: str) -> UUID:
    """An evaluation has one plan: of two that are opened at once, one wins."""
    return uuid5(PLANS, f"{partner_id}/{period}")


# -- events that stay in the house


class ImprovementMeasured(Event, type="cauce.performance.ImprovementMeasured.v1"):
    """A later period was evaluated, by the event `evaluation_id`: the score of each problem's metric (null: it was not
    measured), and whether all have reached their goals."""

    plan_id: UUID
    period: str
    evaluation_id: UUID
    scores: dict[str, Decimal | None]
    reached: bool


PlanEvent = ImprovementPlanOpened | ActionEvent | ImprovementMeasured | ImprovementPlanClosed


# -- commands


class OpenPlan(Command):
    """`problems`: every shortfall against the target, if there are none. Days are counted in `time_zone`."""

    partner_id: UUID
    period: str
    judged: Judged
    problems: tuple[ProblemAsked, ...]
    actions: tuple[ActionAsked, ...]
    time_zone: TimeZone


class Measure(Command):
    """What the evaluation of a later period says of each metric."""

    period: str
    evaluation_id: UUID
    scores: Mapping[str, Decimal]


class ClosePlan(Command):
    outcome: PlanOutcome
    reason: Text


PlanCommand = OpenPlan | ActionCommand | Measure | ClosePlan


# -- state


@dataclass(frozen=True)
class Measured:
    evaluation_id: UUID
    scores: Mapping[str, Decimal | None]
    reached: bool


@dataclass(frozen=True)
class Plan:
    """`measured` by period. It is verified if the last period that was evaluated has reached every goal."""

    opened: ImprovementPlanOpened | None = None
    actions: Actions = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)
    closed: ImprovementPlanClosed | None = None

    @property
    def verified_in(self) -> str | None:
        last = max(self.measured, default=None)
        return last if last is not None and self.measured[last].reached else None


# -- decide


def open_plan(plan: Plan, command: OpenPlan, now: datetime) -> list[PlanEvent]:
    """A repeat where it says the same; raises `performance.plan_exists` and what `problems` and `check_due` raise."""
    id, judged = plan_id(command.partner_id, command.period), command.judged
    found = problems(judged, command.problems)
    actions = tuple(numbered(n, each) for n, each in enumerate(command.actions, 1))
    if plan.opened is not None:
        if (plan.opened.problems, plan.opened.actions) == (found, actions):
            return []
        raise Rejected("performance.plan_exists", plan_id=id, closed=plan.closed is not None)
    check_due(command.actions, command.time_zone, now)
    return [
        ImprovementPlanOpened(
            plan_id=id,
            partner_id=command.partner_id,
            period=command.period,
            evaluation_id=judged.evaluation_id,
            scorecard=judged.scorecard,
            scorecard_version=judged.scorecard_version,
            problems=found,
            actions=actions,
            time_zone=command.time_zone,
        )
    ]


def measure(plan: Plan, opened: ImprovementPlanOpened, command: Measure) -> list[PlanEvent]:
    """Nothing where the figures are what they were. Raises `performance.not_a_later_period`."""
    if command.period <= opened.period or kind(command.period) != kind(opened.period):
        raise Rejected("performance.not_a_later_period", period=command.period, plan_of=opened.period)
    scores = {each.metric: command.scores.get(each.metric) for each in opened.problems}
    before = plan.measured.get(command.period)
    if before is not None and before.scores == scores:
        return []
    reached = all(reaches(each, scores[each.metric]) for each in opened.problems)
    return [
        ImprovementMeasured(
            plan_id=opened.plan_id,
            period=command.period,
            evaluation_id=command.evaluation_id,
            scores=scores,
            reached=reached,
        )
    ]


def reaches(problem: PlanProblem, score: Decimal | None) -> bool:
    return score is not None and score >= problem.goal


def close(plan: Plan, opened: ImprovementPlanOpened, command: ClosePlan) -> list[PlanEvent]:
    """Raises `performance.not_verified`, with what each goal lacks."""
    if command.outcome == "improved" and plan.verified_in is None:
        last = max(plan.measured, default=None)
        seen = {} if last is None else plan.measured[last].scores
        lacking = {p.metric: seen.get(p.metric) for p in opened.problems if not reaches(p, seen.get(p.metric))}
        raise Rejected("performance.not_verified", period=last, lacking=lacking)
    return [
        ImprovementPlanClosed(
            plan_id=opened.plan_id,
            partner_id=opened.partner_id,
            period=opened.period,
            outcome=command.outcome,
            reason=command.reason,
            verified_in=plan.verified_in,
            open_actions=tuple(number for number, each in plan.actions.items() if each.status == "open"),
        )
    ]


def decide(command: PlanCommand, plan: Plan, now: datetime) -> list[PlanEvent]:
    if isinstance(command, OpenPlan):
        return open_plan(plan, command, now)
    opened, closed = plan.opened, plan.closed
    if opened is None:
        raise Unknown("performance.improvement_plan_unknown")
    if closed is not None:
        if isinstance(command, ClosePlan) and command.outcome == closed.outcome:
            return []
        raise Rejected("performance.plan_closed", outcome=closed.outcome)
    today = day_in(opened.time_zone, now)
    match command:
        case AddAction(action=asked):
            return [*add(plan.actions, opened, asked, now)]
        case EndAction():
            return [*end(plan.actions, opened, command, today)]
        case BecomeOverdue(number=number):
            return [*become_overdue(plan.actions, opened, number, today)]
        case Measure():
            return measure(plan, opened, command)
        case ClosePlan():
            return close(plan, opened, command)
        case _:
            assert_never(command)


# -- evolve


def evolve(plan: Plan, event: PlanEvent) -> Plan:
    match event:
        case ImprovementPlanOpened(actions=actions):
            return Plan(event, {each.number: Action(each) for each in actions})
        case PlanActionAdded() | PlanActionEnded() | PlanActionOverdue():
            return replace(plan, actions=evolve_actions(plan.actions, event))
        case ImprovementMeasured(period=period):
            measured = Measured(event.evaluation_id, event.scores, event.reached)
            return replace(plan, measured={**plan.measured, period: measured})
        case ImprovementPlanClosed():
            return replace(plan, closed=event)
        case _:
            assert_never(event)


improvement_plans = Decider(
    "improvement_plan",
    decide,
    evolve,
    initial=Plan,
    events=PlanEvent,
    owner=lambda plan: None if plan.opened is None else plan.opened.partner_id,
)
