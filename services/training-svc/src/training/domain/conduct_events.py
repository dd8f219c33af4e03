"""What happens to a breach of conduct, what somebody wants to happen to it, and how it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from engine import Command, Proposal
from events import Event
from events.training import ConductBreached, Sanction
from pydantic import Field

from training.domain.conduct_code import CodeTerms, ConductRule
from training.domain.words import Code, Note, Reason, Reference

# -- events that stay in the house


class BreachReported(Event, type="cauce.training.BreachReported.v1"):
    """Somebody says that the partner breached a rule; nothing is decided. The partner has up to `answer_until` to
    answer. What it is judged by is the version of then."""

    breach_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    conduct_code: str
    code_version: int
    rule: ConductRule
    happened_on: date
    account: str
    evidence: tuple[str, ...]
    reported_on: date
    answer_until: date
    time_zone: str
    by: tuple[str, ...]


class BreachAnswered(Event, type="cauce.training.BreachAnswered.v1"):
    """The partner's side of it; the newest takes the place of the one before."""

    breach_id: UUID
    account: str
    answered_on: date


class SanctionProposed(Event, type="cauce.training.SanctionProposed.v1"):
    """Somebody wants another sanction than the code has. It is decided when another person wants the same."""

    breach_id: UUID
    sanction: Sanction
    reason: str
    by: tuple[str, ...]


class SanctionReasoned(Event, type="cauce.training.SanctionReasoned.v1"):
    """Why this was decided, and what the code has for the rule and repetition."""

    breach_id: UUID
    reason: str
    expected: Sanction
    by: tuple[str, ...]


class BreachDismissed(Event, type="cauce.training.BreachDismissed.v1"):
    """It was found to be none."""

    breach_id: UUID
    reason: str
    dismissed_on: date


ConductEvent = BreachReported | BreachAnswered | SanctionProposed | ConductBreached | SanctionReasoned | BreachDismissed


# -- commands


class BreachContent(Command):
    """What is said to have happened, against which rule of which code. Not for names; `evidence` are references."""

    partner_id: UUID
    outlet_id: UUID | None = None
    conduct_code: Annotated[Code, Field(examples=["example"])]
    rule: Annotated[Code, Field(examples=["example"])]
    happened_on: Annotated[date, Field(examples=["2026-03-02"])]
    account: Note
    evidence: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()


class ReportBreach(Command):
    """`terms` are the code's version that holds; None: there is none."""

    breach_id: UUID
    content: BreachContent
    terms: CodeTerms | None
    partner_known: bool
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class Answer(Command):
    """The partner's side of it. Not for names."""

    account: Note


class AnswerBreach(Answer):
    pass


class Decision(Command):
    """`sanction`: without it, the one that the code has for this rule and repetition."""

    sanction: Sanction | None = None
    reason: Reason


class DecideBreach(Decision):
    """`before` is how many breaches of the same rule by the same partner were found within the rule's months before
    this one."""

    before: int
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class DismissBreach(Command):
    reason: Reason


ConductCommand = ReportBreach | AnswerBreach | DecideBreach | DismissBreach


# -- state


class Status(StrEnum):
    REPORTED = "reported"
    DECIDED = "decided"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Wanted:
    """A sanction that waits for a second person."""

    sanction: Sanction
    proposal: Proposal


@dataclass(frozen=True)
class ConductBreach:
    reported: BreachReported | None = None
    status: Status = Status.REPORTED
    answer: str | None = None
    wanted: Wanted | None = None
    decided: ConductBreached | None = None
    reason: str | None = None
