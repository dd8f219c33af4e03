"""A partner's acknowledgement of a manual: asked for with each version, given by one of the partner's own people, and
asked for no more when the manual is retired."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.days import day_in, end_of
from events.training import ManualAcknowledged
from pydantic import Field

ACKNOWLEDGEMENTS = UUID("e4a7d1b0-2c96-4f3b-8d5e-7a0c1f6b9e75")
"""The namespace of acknowledgement ids: a partner has one a manual, for ever."""


def acknowledgement_id(partner_id: UUID, manual: str) -> UUID:
    return uuid5(ACKNOWLEDGEMENTS, f"{partner_id}/{manual}")


# -- events that stay in the house


class AcknowledgementAsked(Event, type="cauce.training.AcknowledgementAsked.v1"):
    """The partner has to acknowledge this version up to `due_on`, a day that is over at `due_at`. What was asked
    before is settled by it."""

    acknowledgement_id: UUID
    partner_id: UUID
    manual: str
    version: int
    title: str
    document: str
    asked_on: date
    due_on: date
    due_at: datetime
    time_zone: str


class AcknowledgementOverdue(Event, type="cauce.training.AcknowledgementOverdue.v1"):
    """The day has passed, and nobody at the partner has acknowledged it."""

    acknowledgement_id: UUID
    partner_id: UUID
    manual: str
    version: int
    due_on: date


class AcknowledgementWithdrawn(Event, type="cauce.training.AcknowledgementWithdrawn.v1"):
    """The manual is retired: nobody has to acknowledge it any more, whether or not it was overdue."""

    acknowledgement_id: UUID
    partner_id: UUID
    manual: str
    version: int


AcknowledgementEvent = AcknowledgementAsked | AcknowledgementOverdue | AcknowledgementWithdrawn | ManualAcknowledged


# -- commands


class AskAcknowledgement(Command):
    partner_id: UUID
    manual: str
    version: int
    title: str
    document: str
    within_days: int
    time_zone: str


class Acknowledgement(Command):
    """Of the version that was read."""

    version: Annotated[int, Field(ge=1, examples=[1])]


class AcknowledgeManual(Acknowledgement):
    """`theirs`: by one of the partner's own people."""

    theirs: bool


class CallAcknowledgementOverdue(Command):
    version: int


class WithdrawRequest(Command):
    """Its manual is retired."""


AcknowledgementCommand = AskAcknowledgement | AcknowledgeManual | CallAcknowledgementOverdue | WithdrawRequest


# -- state, decide and evolve


@dataclass(frozen=True)
class ManualAcknowledgement:
    """`asked` is what was asked last."""

    asked: AcknowledgementAsked | None = None
    acknowledged: bool = False
    overdue: bool = False
    withdrawn: bool = False

    @property
    def open(self) -> bool:
        return not (self.acknowledged or self.withdrawn)


def ask(state: ManualAcknowledgement, command: AskAcknowledgement, now: datetime) -> list[AcknowledgementEvent]:
    if state.asked is not None and state.asked.version >= command.version:
        return []
    today = day_in(command.time_zone, now)
    due_on = today + timedelta(days=command.within_days)
    return [
        AcknowledgementAsked(
            acknowledgement_id=acknowledgement_id(command.partner_id, command.manual),
            asked_on=today,
            due_on=due_on,
            due_at=end_of(due_on, command.time_zone),
            **command.model_dump(exclude={"occurred_at", "within_days"}),
        )
    ]


def acknowledge(
    state: ManualAcknowledgement, asked: AcknowledgementAsked, command: AcknowledgeManual, today: date
) -> list[AcknowledgementEvent]:
    if not command.theirs:
        raise Rejected(
            "training.partner_acknowledges", hint="one of the partner's own people has read it, not one of us"
        )
    if command.version != asked.version:
        raise Rejected("training.manual_superseded", version=asked.version, document=asked.document)
    if state.withdrawn:
        raise Rejected("training.manual_retired", manual=asked.manual)
    if state.acknowledged:
        return []
    given = ManualAcknowledged(
        **named(asked), document=asked.document, acknowledged_on=today, late=today > asked.due_on
    )
    return [*lapse(state, asked, today), given]


def call_overdue(
    state: ManualAcknowledgement, asked: AcknowledgementAsked, version: int, today: date
) -> list[AcknowledgementEvent]:
    if not state.open or version != asked.version:
        return []
    if today <= asked.due_on:
        raise Rejected("training.not_yet_due", due_on=asked.due_on)
    return lapse(state, asked, today)


def lapse(state: ManualAcknowledgement, asked: AcknowledgementAsked, today: date) -> list[AcknowledgementEvent]:
    """It is overdue from its day on, whether or not the timer has come round to it."""
    if state.overdue or not state.open or today <= asked.due_on:
        return []
    return [AcknowledgementOverdue(**named(asked))]


def withdraw(state: ManualAcknowledgement, asked: AcknowledgementAsked) -> list[AcknowledgementEvent]:
    if not state.open:
        return []
    names = AcknowledgementWithdrawn.model_fields
    return [AcknowledgementWithdrawn(**{name: getattr(asked, name) for name in names})]


def named(asked: AcknowledgementAsked) -> dict[str, Any]:
    return {name: getattr(asked, name) for name in AcknowledgementOverdue.model_fields}


def decide(command: AcknowledgementCommand, state: ManualAcknowledgement, now: datetime) -> list[AcknowledgementEvent]:
    if isinstance(command, AskAcknowledgement):
        return ask(state, command, now)
    asked = state.asked
    if asked is None:
        raise Unknown("training.manual_acknowledgement_unknown")
    today = day_in(asked.time_zone, now)
    match command:
        case AcknowledgeManual():
            return acknowledge(state, asked, command, today)
        case CallAcknowledgementOverdue(version=version):
            return call_overdue(state, asked, version, today)
        case WithdrawRequest():
            return withdraw(state, asked)
        case _:
            assert_never(command)


def evolve(state: ManualAcknowledgement, event: AcknowledgementEvent) -> ManualAcknowledgement:
    match event:
        case AcknowledgementAsked():
            return ManualAcknowledgement(event)
        case AcknowledgementOverdue():
            return replace(state, overdue=True)
        case AcknowledgementWithdrawn():
            return replace(state, withdrawn=True, overdue=False)
        case ManualAcknowledged():
            return replace(state, acknowledged=True, overdue=False)
        case _:
            assert_never(event)


acknowledgements = Decider(
    "manual_acknowledgement",
    decide,
    evolve,
    initial=ManualAcknowledgement,
    events=AcknowledgementEvent,
    owner=lambda state: None if state.asked is None else state.asked.partner_id,
)
