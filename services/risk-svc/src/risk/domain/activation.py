"""Which contingencies run for a partner by a plan: however many flags ask for it in one instant, it is set in motion
once, and again only when nothing runs by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider
from events import Event

from risk.domain.contingency import contingency_id
from risk.domain.plan import PlanTerms


def activation_id(partner_id: UUID, plan: str) -> UUID:
    return uuid5(partner_id, f"plan/{plan}")


# -- events


class PlanCalledFor(Event, type="cauce.risk.PlanCalledFor.v1"):
    """A flag asks for the plan, and nothing runs by it: it is to be set in motion as this contingency."""

    contingency_id: UUID
    partner_id: UUID
    plan: PlanTerms
    flag_id: UUID
    reason: str


class ActivationNoted(Event, type="cauce.risk.ActivationNoted.v1"):
    """A person set the plan in motion."""

    contingency_id: UUID


class ClosingNoted(Event, type="cauce.risk.ClosingNoted.v1"):
    """That contingency is over."""

    contingency_id: UUID


ActivationEvent = PlanCalledFor | ActivationNoted | ClosingNoted


# -- commands


class CallForPlan(Command):
    partner_id: UUID
    plan: PlanTerms
    flag_id: UUID
    reason: str


class NoteActivation(Command):
    contingency_id: UUID


class NoteClosing(Command):
    contingency_id: UUID


ActivationCommand = CallForPlan | NoteActivation | NoteClosing


# -- state, decide and evolve


@dataclass(frozen=True)
class Activation:
    running: frozenset[UUID] = frozenset()


def decide(command: ActivationCommand, activation: Activation, now: datetime) -> list[ActivationEvent]:
    match command:
        case CallForPlan(plan=plan, flag_id=flag):
            if activation.running:
                return []
            said = command.model_dump(include={"partner_id", "flag_id", "reason"})
            return [PlanCalledFor(contingency_id=contingency_id(plan.code, flag), plan=plan, **said)]
        case NoteActivation(contingency_id=id):
            return [] if id in activation.running else [ActivationNoted(contingency_id=id)]
        case NoteClosing(contingency_id=id):
            return [ClosingNoted(contingency_id=id)] if id in activation.running else []
        case _:
            assert_never(command)


def evolve(activation: Activation, event: ActivationEvent) -> Activation:
    match event:
        case PlanCalledFor(contingency_id=id) | ActivationNoted(contingency_id=id):
            return Activation(activation.running | {id})
        case ClosingNoted(contingency_id=id):
            return Activation(activation.running - {id})
        case _:
            assert_never(event)


activations = Decider("activation", decide, evolve, initial=Activation, events=ActivationEvent)
