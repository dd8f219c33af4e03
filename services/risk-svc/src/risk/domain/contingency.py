"""A contingency: a plan in motion for a partner. Each step has an owner and a time; what is not done by then is told as
overdue and may still be done. A person closes it, and says how it came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.risk import ContingencyActivated, ContingencyClosed

from risk.domain.plan import PlanTerms
from risk.domain.words import Reason

Outcome = Literal["averted", "contained", "occurred", "false_alarm"]
StepStatus = Literal["open", "done", "skipped"]


def contingency_id(plan: str, because: UUID) -> UUID:
    """Of the plan that a flag activates."""
    return uuid5(because, f"contingency/{plan}")


# -- events that stay in the house


class StepsPlanned(Event, type="cauce.risk.StepsPlanned.v1"):
    """When each step is due, by the plan in this version."""

    contingency_id: UUID
    partner_id: UUID
    plan: PlanTerms
    due: dict[str, datetime]


class StepDone(Event, type="cauce.risk.StepDone.v1"):
    """A step was done, or is not needed."""

    contingency_id: UUID
    step: str
    status: Literal["done", "skipped"]
    note: str


class StepOverdue(Event, type="cauce.risk.StepOverdue.v1"):
    """A step was not done by its time."""

    contingency_id: UUID
    step: str
    owner: str


ContingencyEvent = ContingencyActivated | StepsPlanned | StepDone | StepOverdue | ContingencyClosed


# -- commands


class Activate(Command):
    """`flag_id` None: a person did."""

    contingency_id: UUID
    partner_id: UUID
    plan: PlanTerms
    flag_id: UUID | None = None
    reason: Reason


class StepReport(Command):
    """`skipped`: it is not needed, for the reason in `note`."""

    note: Reason
    skipped: bool = False


class ReportStep(StepReport):
    step: str


class CallStepOverdue(Command):
    """Its time is over."""

    step: str


class Closing(Command):
    outcome: Outcome
    summary: Reason


class CloseContingency(Closing):
    pass


ContingencyCommand = Activate | ReportStep | CallStepOverdue | CloseContingency


# -- state


@dataclass(frozen=True)
class StepNow:
    due_at: datetime
    owner: str
    status: StepStatus = "open"
    note: str = ""
    overdue: bool = False


@dataclass(frozen=True)
class Contingency:
    """`outcome` is None while it runs."""

    id: UUID | None = None
    partner_id: UUID | None = None
    plan: str = ""
    steps: dict[str, StepNow] = field(default_factory=dict)
    outcome: Outcome | None = None
    summary: str = ""


# -- decide


def activate(contingency: Contingency, command: Activate, now: datetime) -> list[ContingencyEvent]:
    if contingency.id is not None:
        return []
    steps = command.plan.steps
    return [
        ContingencyActivated(
            contingency_id=command.contingency_id,
            partner_id=command.partner_id,
            plan=command.plan.code,
            plan_version=command.plan.version,
            flag_id=command.flag_id,
            reason=command.reason,
            steps=tuple(step.code for step in steps),
        ),
        StepsPlanned(
            contingency_id=command.contingency_id,
            partner_id=command.partner_id,
            plan=command.plan,
            due={step.code: now + timedelta(hours=step.due_hours) for step in steps},
        ),
    ]


def report(id: UUID, contingency: Contingency, command: ReportStep) -> list[ContingencyEvent]:
    step = _known(contingency.steps, command.step)
    status: Literal["done", "skipped"] = "skipped" if command.skipped else "done"
    if (step.status, step.note) == (status, command.note):
        return []
    _refuse_closed(id, contingency)
    if step.status != "open":
        raise Rejected("risk.step_over", step=command.step, step_status=step.status)
    return [StepDone(contingency_id=id, step=command.step, status=status, note=command.note)]


def call_overdue(id: UUID, contingency: Contingency, command: CallStepOverdue, now: datetime) -> list[ContingencyEvent]:
    step = contingency.steps.get(command.step)
    if step is None or contingency.outcome is not None or step.status != "open" or step.overdue or now < step.due_at:
        return []
    return [StepOverdue(contingency_id=id, step=command.step, owner=step.owner)]


def close(id: UUID, partner_id: UUID, contingency: Contingency, command: CloseContingency) -> list[ContingencyEvent]:
    if (contingency.outcome, contingency.summary) == (command.outcome, command.summary):
        return []
    _refuse_closed(id, contingency)
    left = [code for code, step in contingency.steps.items() if step.status == "open"]
    if left and command.outcome != "false_alarm":
        raise Rejected("risk.steps_open", contingency_id=id, steps=left)
    return [
        ContingencyClosed(
            contingency_id=id,
            partner_id=partner_id,
            plan=contingency.plan,
            outcome=command.outcome,
            summary=command.summary,
            overdue=tuple(code for code, step in contingency.steps.items() if step.overdue),
        )
    ]


def _known(steps: Mapping[str, StepNow], code: str) -> StepNow:
    if code not in steps:
        raise Unknown("risk.step_unknown", step=code)
    return steps[code]


def _refuse_closed(id: UUID, contingency: Contingency) -> None:
    if contingency.outcome is not None:
        raise Rejected("risk.contingency_closed", contingency_id=id, outcome=contingency.outcome)


def decide(command: ContingencyCommand, contingency: Contingency, now: datetime) -> list[ContingencyEvent]:
    if isinstance(command, Activate):
        return activate(contingency, command, now)
    id, partner_id = contingency.id, contingency.partner_id
    if id is None or partner_id is None:
        raise Unknown("risk.contingency_unknown")
    match command:
        case ReportStep():
            return report(id, contingency, command)
        case CallStepOverdue():
            return call_overdue(id, contingency, command, now)
        case CloseContingency():
            return close(id, partner_id, contingency, command)
        case _:
            assert_never(command)


def evolve(contingency: Contingency, event: ContingencyEvent) -> Contingency:
    match event:
        case ContingencyActivated(contingency_id=id, partner_id=partner_id, plan=plan):
            return replace(contingency, id=id, partner_id=partner_id, plan=plan)
        case StepsPlanned(plan=terms, due=due):
            return replace(contingency, steps={step.code: StepNow(due[step.code], step.owner) for step in terms.steps})
        case StepDone(step=code, status=status, note=note):
            return _with_step(contingency, code, replace(contingency.steps[code], status=status, note=note))
        case StepOverdue(step=code):
            return _with_step(contingency, code, replace(contingency.steps[code], overdue=True))
        case ContingencyClosed(outcome=outcome, summary=summary):
            return replace(contingency, outcome=outcome, summary=summary)
        case _:
            assert_never(event)


def _with_step(contingency: Contingency, code: str, step: StepNow) -> Contingency:
    return replace(contingency, steps={**contingency.steps, code: step})


contingencies = Decider(
    "contingency",
    decide,
    evolve,
    initial=Contingency,
    events=ContingencyEvent,
    owner=lambda contingency: contingency.partner_id,
)
