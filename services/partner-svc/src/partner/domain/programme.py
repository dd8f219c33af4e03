"""A programme with its tiers: what each asks for and what it gives, in versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, content_of, drafted, next_version, publishable
from events import Event
from events.partner import PartnerKind
from pydantic import Field

from partner.domain.words import Code, Reason, Text, Value, twice

PROGRAMMES = UUID("7c9a4f18-53e2-4b0d-8f61-0d3e2a9c5b47")
"""The namespace of programme ids."""


def programme_id(code: str) -> UUID:
    return uuid5(PROGRAMMES, code)


# -- what a programme says


class Criterion(Value):
    """An evaluation's total, or its score of a `metric`, is `at_least` so much, from 0 to 100."""

    at_least: Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
    metric: Code | None = None


class Benefit(Value):
    """What partners of the tier have from it."""

    code: Code
    text: Reason


class Tier(Value):
    """Its criteria are met by each of the last `periods` evaluations, and the partner has been `months` in the
    programme. The first tier of a programme asks for nothing."""

    code: Code
    title: Text
    criteria: Annotated[tuple[Criterion, ...], Field(max_length=20)] = ()
    periods: Annotated[int, Field(ge=1, le=8)] = 1
    months: Annotated[int, Field(ge=0, le=600)] = 0
    benefits: Annotated[tuple[Benefit, ...], Field(max_length=50)] = ()


TIERS = [
    {"code": "member", "title": "Member"},
    {
        "code": "gold",
        "title": "Gold",
        "criteria": [{"at_least": "90"}],
        "benefits": [{"code": "leads", "text": "Leads come first."}],
    },
]
"""An example, from the lowest up."""


class ProgrammeContent(Value):
    """For partners of the `kinds`, by evaluations of one kind of `period` (and by one `scorecard`, if it is named).
    `tiers` go from the lowest up. A partner whose last `grace_periods` evaluations do not meet its tier's criteria is
    proposed for a lower one."""

    title: Text
    kinds: Annotated[tuple[PartnerKind, ...], Field(min_length=1, max_length=4)]
    period: Literal["month", "quarter", "year"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=10, examples=[TIERS])]
    grace_periods: Annotated[int, Field(ge=1, le=8)] = 1
    scorecard: Code | None = None


class ProgrammeTerms(ProgrammeContent):
    """A version of a programme, from 1."""

    code: Code
    version: int

    def place(self, tier: str) -> int:
        """From 0, the lowest; a tier that is there no more is the lowest, too."""
        codes = [each.code for each in self.tiers]
        return codes.index(tier) if tier in codes else 0


# -- events that stay in the house


class ProgrammeDrafted(Event, type="cauce.partner.ProgrammeDrafted.v1"):
    """What the next version is to be; nobody is placed by it yet."""

    code: str
    content: ProgrammeContent


class ProgrammePublished(Event, type="cauce.partner.ProgrammePublished.v1"):
    """Evaluations that come from now on are judged by this version."""

    code: str
    terms: ProgrammeTerms


class ProgrammeDraftDiscarded(Event, type="cauce.partner.ProgrammeDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


ProgrammeEvent = ProgrammeDrafted | ProgrammePublished | ProgrammeDraftDiscarded


# -- commands


class DraftProgramme(Command):
    code: Code
    content: ProgrammeContent


ProgrammeCommand = DraftProgramme | Publish | DiscardDraft


# -- state


@dataclass(frozen=True)
class Programme:
    """`code` is None until somebody drafts; `terms` until a version is published."""

    code: str | None = None
    draft: ProgrammeContent | None = None
    terms: ProgrammeTerms | None = None

    def drafted(self) -> ProgrammeTerms:
        """The version that publishing the draft would make. Raises `partner.nothing_drafted`."""
        return next_version(ProgrammeTerms, drafted(self.draft, "partner"), self.terms, code=self.code)


# -- decide and evolve


def draft(programme: Programme, command: DraftProgramme) -> list[ProgrammeEvent]:
    """Raises `partner.tier_twice` and `partner.first_tier_asks`."""
    content = command.content
    if repeated := twice(tier.code for tier in content.tiers):
        raise Rejected("partner.tier_twice", tiers=repeated)
    first = content.tiers[0]
    if first.criteria or first.months:
        raise Rejected("partner.first_tier_asks", tier=first.code)
    if programme.draft == content:
        return []
    return [ProgrammeDrafted(code=command.code, content=content)]


def decide(command: ProgrammeCommand, programme: Programme, now: datetime) -> list[ProgrammeEvent]:
    if isinstance(command, DraftProgramme):
        return draft(programme, command)
    if programme.code is None:
        raise Unknown("partner.programme_unknown")
    match command:
        case Publish():
            publishable(programme.draft, content_of(programme.terms, ProgrammeContent), "partner")
            return [ProgrammePublished(code=programme.code, terms=programme.drafted())]
        case DiscardDraft():
            return [] if programme.draft is None else [ProgrammeDraftDiscarded(code=programme.code)]
        case _:
            assert_never(command)


def evolve(programme: Programme, event: ProgrammeEvent) -> Programme:
    match event:
        case ProgrammeDrafted(code=code, content=content):
            return replace(programme, code=code, draft=content)
        case ProgrammePublished(code=code, terms=terms):
            return Programme(code, terms=terms)
        case ProgrammeDraftDiscarded():
            return replace(programme, draft=None)
        case _:
            assert_never(event)


programmes = Decider("programme", decide, evolve, initial=Programme, events=ProgrammeEvent)
