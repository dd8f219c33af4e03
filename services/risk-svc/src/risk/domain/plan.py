"""A contingency plan: what is to be done, by whom and by when, where a partner becomes a risk. It is drafted, looked at
and published by version; a contingency keeps the version that it was activated by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire, content_of, next_version, publishable
from events import Event
from events.risk import Severity
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk.domain.words import Code

PLANS = UUID("0c6a6f0b-5f0e-4a7b-b9a4-8d9c4e2b7f13")
"""The namespace of plan ids."""
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high", "critical")
Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]


def plan_id(code: str) -> UUID:
    return uuid5(PLANS, code)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Value):
    """`owner` is a role of ours; `due_hours` run from the activation."""

    code: Code
    title: Title
    owner: Title
    due_hours: Annotated[int, Field(ge=1, le=24 * 365)]


class PlanContent(_Value):
    """A flag of one of `rules` of at least this severity activates the plan by itself; without rules only people do."""

    title: Title
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50)]
    rules: Annotated[tuple[Code, ...], Field(max_length=50)] = ()
    at_least: Severity = "low"

    def asked_for_by(self, rule: str, severity: Severity) -> bool:
        return rule in self.rules and SEVERITIES.index(severity) >= SEVERITIES.index(self.at_least)


class PlanTerms(PlanContent):
    """A version of a plan, from 1."""

    code: str
    version: int


# -- events


class PlanDrafted(Event, type="cauce.risk.PlanDrafted.v1"):
    """A plan that somebody means to publish."""

    code: str
    content: PlanContent


class PlanPublished(Event, type="cauce.risk.PlanPublished.v1"):
    """From now on the plan is activated in this version."""

    code: str
    plan: PlanTerms


class PlanDraftDiscarded(Event, type="cauce.risk.PlanDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class PlanRetired(Event, type="cauce.risk.PlanRetired.v1"):
    """The plan is not activated any more; what runs goes on."""

    code: str


PlanEvent = PlanDrafted | PlanPublished | PlanDraftDiscarded | PlanRetired


# -- commands


class DraftPlan(Command):
    code: Code
    content: PlanContent


PlanCommand = DraftPlan | Publish | DiscardDraft | Retire


# -- state


@dataclass(frozen=True)
class Plan:
    """`terms` is None until the plan is published, `code` until somebody drafts."""

    code: str | None = None
    draft: PlanContent | None = None
    terms: PlanTerms | None = None
    retired: bool = False


# -- decide and evolve


def draft(plan: Plan, command: DraftPlan) -> list[PlanEvent]:
    if plan.retired:
        raise Rejected("risk.plan_retired", plan=command.code)
    codes = [step.code for step in command.content.steps]
    twice = next((code for code in codes if codes.count(code) > 1), None)
    if twice is not None:
        raise Rejected("risk.step_twice", step=twice)
    return [] if plan.draft == command.content else [PlanDrafted(code=command.code, content=command.content)]


def publish(plan: Plan, code: str) -> list[PlanEvent]:
    if plan.retired:
        raise Rejected("risk.plan_retired", plan=code)
    version = None if plan.terms is None else {"plan_version": plan.terms.version}
    content = publishable(plan.draft, content_of(plan.terms, PlanContent), "risk", {"plan": code}, version)
    return [PlanPublished(code=code, plan=next_version(PlanTerms, content, plan.terms, code=code))]


def decide(command: PlanCommand, plan: Plan, now: datetime) -> list[PlanEvent]:
    if isinstance(command, DraftPlan):
        return draft(plan, command)
    code = plan.code
    if code is None:
        raise Unknown("risk.plan_unknown")
    match command:
        case Publish():
            return publish(plan, code)
        case DiscardDraft():
            return [] if plan.draft is None else [PlanDraftDiscarded(code=code)]
        case Retire():
            return [] if plan.retired else [PlanRetired(code=code)]
        case _:
            assert_never(command)


def evolve(plan: Plan, event: PlanEvent) -> Plan:
    match event:
        case PlanDrafted(code=code, content=content):
            return replace(plan, code=code, draft=content)
        case PlanPublished(code=code, plan=terms):
            return replace(plan, code=code, terms=terms, draft=None)
        case PlanDraftDiscarded():
            return replace(plan, draft=None)
        case PlanRetired():
            return replace(plan, draft=None, retired=True)
        case _:
            assert_never(event)


plans = Decider("plan", decide, evolve, initial=Plan, events=PlanEvent)
