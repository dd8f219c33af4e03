"""What happens on a coaching visit and after it, what somebody wants to happen, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from engine import Command
from events import Event
from events.days import TimeZone
from events.training import CoachingCompleted
from pydantic import BaseModel, ConfigDict, Field

from training.domain.words import Code, Note, Reason, Title

Side = Literal["partner", "principal"]
Outcome = Literal["done", "dropped"]


class Guidance(BaseModel):
    """On a topic. Notes are not for names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: Code
    note: Note


class AgreedAction(BaseModel):
    """What one `side` will do by the end of a day; `owner` is a role there, not a person."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Note
    side: Side = "partner"
    owner: Code
    due_on: date


@dataclass(frozen=True)
class Followed:
    """An agreed action, by its number from 1, with the instant after its last day."""

    number: int
    what: str
    side: Side
    owner: str
    due_on: date
    due_at: datetime


# -- events that stay in the house


class CoachingPlanned(Event, type="cauce.training.CoachingPlanned.v1"):
    """Somebody of ours will visit the partner and help. `plan_id` is the technical support plan that it is part of."""

    visit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    plan_id: UUID | None
    purpose: str
    planned_on: date
    time_zone: str


class CoachingHeld(Event, type="cauce.training.CoachingHeld.v1"):
    """The visit took place: what guidance was given, and who does what by when."""

    visit_id: UUID
    partner_id: UUID
    held_on: date
    guidance: tuple[Guidance, ...]
    actions: tuple[Followed, ...]


class CoachingCancelled(Event, type="cauce.training.CoachingCancelled.v1"):
    """The visit does not take place."""

    visit_id: UUID
    reason: str


class AgreedActionReported(Event, type="cauce.training.AgreedActionReported.v1"):
    """Whose it is says that it is done; whether it is, is for the follow-up to say."""

    visit_id: UUID
    number: int
    account: str
    reported_on: date


class AgreedActionOverdue(Event, type="cauce.training.AgreedActionOverdue.v1"):
    """Its last day has passed, and nobody has said that it is done."""

    visit_id: UUID
    number: int
    due_on: date


class AgreedActionFollowedUp(Event, type="cauce.training.AgreedActionFollowedUp.v1"):
    """It was seen to: done, or no longer wanted."""

    visit_id: UUID
    number: int
    outcome: Outcome
    note: str
    followed_up_on: date
    late: bool


CoachingEvent = (
    CoachingPlanned
    | CoachingHeld
    | CoachingCancelled
    | AgreedActionReported
    | AgreedActionOverdue
    | AgreedActionFollowedUp
    | CoachingCompleted
)


# -- commands


class VisitContent(Command):
    """`plan_id`: the partner's technical support plan that the visit is part of, if any."""

    partner_id: UUID
    outlet_id: UUID | None = None
    plan_id: UUID | None = None
    purpose: Title
    planned_on: date
    time_zone: TimeZone = "UTC"


class PlanCoaching(VisitContent):
    """Whether the partner is known, and whose the plan is, if it is open."""

    visit_id: UUID
    partner_known: bool
    plan_of: UUID | None = None


class HoldCoaching(Command):
    """What came of the visit. With no action agreed on it is complete."""

    held_on: date
    guidance: Annotated[tuple[Guidance, ...], Field(min_length=1, max_length=50)]
    actions: Annotated[tuple[AgreedAction, ...], Field(max_length=50)] = ()


class CancelCoaching(Command):
    reason: Reason


class ActionAccount(Command):
    """What was done. Not for names."""

    account: Note


class ReportAgreedAction(ActionAccount):
    number: int


class FollowUp(Command):
    """What was found: it is done, or it is no longer wanted and why."""

    outcome: Outcome
    note: Note


class FollowUpAction(FollowUp):
    number: int


class CallActionOverdue(Command):
    number: int


CoachingCommand = PlanCoaching | HoldCoaching | CancelCoaching | ReportAgreedAction | FollowUpAction | CallActionOverdue


# -- state


class Status(StrEnum):
    PLANNED = "planned"
    HELD = "held"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


ActionStatus = Literal["agreed", "reported", "done", "dropped"]


@dataclass(frozen=True)
class ActionNow:
    """How an agreed action stands."""

    agreed: Followed
    status: ActionStatus = "agreed"
    account: str | None = None
    overdue: bool = False
    late: bool = False

    @property
    def open(self) -> bool:
        return self.status in ("agreed", "reported")


@dataclass(frozen=True)
class CoachingVisit:
    """`actions` by number."""

    planned: CoachingPlanned | None = None
    status: Status = Status.PLANNED
    held: CoachingHeld | None = None
    cancelled_because: str | None = None
    actions: Mapping[int, ActionNow] = field(default_factory=dict)
