"""A technical support plan: what a partner needs help with in a stretch of time, by how many visits, and what came of
it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.days import TimeZone, day_in, end_of
from pydantic import Field, model_validator

from training.domain.words import Note, Title

Result = Literal["met", "partly_met", "not_met"]


# -- events that stay in the house


class SupportPlanOpened(Event, type="cauce.training.SupportPlanOpened.v1"):
    """Somebody of ours will help the partner with these needs, up to `ends_on`, a day that is over at `ends_at`."""

    plan_id: UUID
    partner_id: UUID
    title: str
    needs: tuple[str, ...]
    visits_wanted: int
    starts_on: date
    ends_on: date
    ends_at: datetime
    time_zone: str


class SupportPlanOverran(Event, type="cauce.training.SupportPlanOverran.v1"):
    """Its last day has passed, and nobody has said what came of it."""

    plan_id: UUID


class SupportPlanClosed(Event, type="cauce.training.SupportPlanClosed.v1"):
    """What came of it."""

    plan_id: UUID
    result: Result
    summary: str
    closed_on: date


PlanEvent = SupportPlanOpened | SupportPlanOverran | SupportPlanClosed


# -- commands


class PlanContent(Command):
    """`needs` are what the partner is helped with. Not for names."""

    partner_id: UUID
    title: Title
    needs: Annotated[tuple[Note, ...], Field(min_length=1, max_length=50)]
    visits_wanted: Annotated[int, Field(ge=1, le=100)] = 1
    starts_on: Annotated[date, Field(examples=["2026-03-02"])]
    ends_on: Annotated[date, Field(examples=["2026-06-30"])]
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on is before starts_on")
        return self


class OpenSupportPlan(PlanContent):
    plan_id: UUID
    partner_known: bool


class Closing(Command):
    result: Result
    summary: Note


class CloseSupportPlan(Closing):
    """`open_visits` are those of the plan that are planned, or held and not followed up."""

    open_visits: tuple[UUID, ...] = ()


class CallPlanOverrun(Command):
    pass


PlanCommand = OpenSupportPlan | CloseSupportPlan | CallPlanOverrun


# -- state, decide and evolve


class Status(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class SupportPlan:
    opened: SupportPlanOpened | None = None
    closed: SupportPlanClosed | None = None
    overran: bool = False

    def open_for(self) -> UUID | None:
        """The partner that visits may be planned for."""
        return None if self.opened is None or self.closed is not None else self.opened.partner_id


def open_plan(plan: SupportPlan, command: OpenSupportPlan) -> list[PlanEvent]:
    opened = SupportPlanOpened(
        ends_at=end_of(command.ends_on, command.time_zone),
        **command.model_dump(exclude={"occurred_at", "partner_known"}),
    )
    if plan.opened is not None:
        if plan.opened == opened:
            return []
        raise Rejected("training.support_plan_opened", plan_id=command.plan_id)
    if not command.partner_known:
        raise Unknown("training.partner_unknown", partner_id=command.partner_id)
    return [opened]


def close(plan: SupportPlan, opened: SupportPlanOpened, command: CloseSupportPlan, today: date) -> list[PlanEvent]:
    before = plan.closed
    if before is not None:
        if (before.result, before.summary) == (command.result, command.summary):
            return []
        raise Rejected("training.support_plan_closed", result=before.result, closed_on=before.closed_on)
    if command.open_visits:
        raise Rejected("training.visits_open", visits=[str(each) for each in command.open_visits])
    return [SupportPlanClosed(plan_id=opened.plan_id, result=command.result, summary=command.summary, closed_on=today)]


def call_overrun(plan: SupportPlan, opened: SupportPlanOpened, today: date) -> list[PlanEvent]:
    if plan.overran or plan.closed is not None:
        return []
    if today <= opened.ends_on:
        raise Rejected("training.not_yet_due", due_on=opened.ends_on)
    return [SupportPlanOverran(plan_id=opened.plan_id)]


def decide(command: PlanCommand, plan: SupportPlan, now: datetime) -> list[PlanEvent]:
    if isinstance(command, OpenSupportPlan):
        return open_plan(plan, command)
    opened = plan.opened
    if opened is None:
        raise Unknown("training.support_plan_unknown")
    today = day_in(opened.time_zone, now)
    match command:
        case CloseSupportPlan():
            return close(plan, opened, command, today)
        case CallPlanOverrun():
            return call_overrun(plan, opened, today)
        case _:
            assert_never(command)


def evolve(plan: SupportPlan, event: PlanEvent) -> SupportPlan:
    match event:
        case SupportPlanOpened():
            return SupportPlan(event)
        case SupportPlanOverran():
            return replace(plan, overran=True)
        case SupportPlanClosed():
            return replace(plan, closed=event)
        case _:
            assert_never(event)


support_plans = Decider(
    "support_plan",
    decide,
    evolve,
    initial=SupportPlan,
    events=PlanEvent,
    owner=lambda plan: None if plan.opened is None else plan.opened.partner_id,
)
