"""A scorecard as a channel manager keeps it: drafted, looked at, published. Each version stays; a period that was
closed by one goes on by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, content_of, drafted
from events import Event

from performance.domain.card import Band, Bands, Content, Line, Lines, MinimumCohort, ScorecardTerms, terms_of
from performance.domain.metric import Code, MetricTerms

SCORECARDS = UUID("8f4e1a77-55f4-4d0b-9d1c-6f1b3d5a2c43")
"""The namespace of scorecard ids."""


def scorecard_id(code: str) -> UUID:
    return uuid5(SCORECARDS, code)


# -- events


class ScorecardDrafted(Event, type="cauce.performance.ScorecardDrafted.v1"):
    """A scorecard that somebody means to publish; nothing is evaluated by it yet."""

    code: str
    content: Content


class ScorecardDraftDiscarded(Event, type="cauce.performance.ScorecardDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class ScorecardDefined(Event, type="cauce.performance.ScorecardDefined.v1"):
    """A version of the scorecard was published, from 1; periods that are closed keep theirs. Bands ascend."""

    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int
    programme: str | None = None


ScorecardEvent = ScorecardDrafted | ScorecardDraftDiscarded | ScorecardDefined


# -- commands


class ScorecardContent(Command):
    """`minimum_cohort`: with fewer evaluated partners in a period there is no percentile. Tiers in targets are those of
    the `programme`; where none is named, the tier that was decided on last counts, in whichever programme."""

    lines: Lines
    bands: Bands
    minimum_cohort: MinimumCohort
    programme: Code | None = None

    @property
    def content(self) -> Content:
        return content_of(self, Content)


class DraftScorecard(Command):
    """`metrics` are the terms of those of the lines' metrics that are known."""

    code: Code
    content: Content
    metrics: Mapping[str, MetricTerms]


class DefineScorecard(ScorecardContent):
    """Published at once, without a draft."""

    code: Code
    metrics: Mapping[str, MetricTerms]


class PublishScorecard(Command):
    """`metrics` are the terms of the draft's metrics."""

    metrics: Mapping[str, MetricTerms]


ScorecardCommand = DraftScorecard | DefineScorecard | PublishScorecard | DiscardDraft


# -- state


@dataclass(frozen=True)
class Scorecard:
    """`terms` is None until a version is published; `code` until somebody drafts or defines it."""

    terms: ScorecardTerms | None = None
    code: str | None = None
    draft: Content | None = None


# -- decide


def draft(scorecard: Scorecard, command: DraftScorecard) -> list[ScorecardEvent]:
    """A draft is checked as what is published is: what can be looked at can be published."""
    terms_of(command.code, 0, command.content, command.metrics)
    if scorecard.draft == command.content:
        return []
    return [ScorecardDrafted(code=command.code, content=command.content)]


def defined(
    scorecard: Scorecard, code: str, content: Content, metrics: Mapping[str, MetricTerms]
) -> list[ScorecardEvent]:
    """Nothing where it is what the last version says."""
    last = scorecard.terms
    terms = terms_of(code, 1 if last is None else last.version + 1, content, metrics)
    if last is not None and replace(terms, version=last.version) == last:
        return []
    return [ScorecardDefined(**vars(terms))]


def publish(scorecard: Scorecard, code: str, command: PublishScorecard) -> list[ScorecardEvent]:
    """Raises `performance.nothing_drafted`, `performance.draft_changes_nothing`."""
    content = drafted(scorecard.draft, "performance", {"scorecard": code})
    published = defined(scorecard, code, content, command.metrics)
    if not published:
        version = None if scorecard.terms is None else scorecard.terms.version
        raise Rejected("performance.draft_changes_nothing", scorecard=code, scorecard_version=version)
    return published


def decide(command: ScorecardCommand, scorecard: Scorecard, now: datetime) -> list[ScorecardEvent]:
    if isinstance(command, DraftScorecard):
        return draft(scorecard, command)
    if isinstance(command, DefineScorecard):
        return defined(scorecard, command.code, command.content, command.metrics)
    code = scorecard.code
    if code is None:
        raise Unknown("performance.scorecard_unknown")
    match command:
        case PublishScorecard():
            return publish(scorecard, code, command)
        case DiscardDraft():
            return [] if scorecard.draft is None else [ScorecardDraftDiscarded(code=code)]
        case _:
            assert_never(command)


# -- evolve


def evolve(scorecard: Scorecard, event: ScorecardEvent) -> Scorecard:
    match event:
        case ScorecardDrafted(code=code, content=content):
            return replace(scorecard, code=code, draft=content)
        case ScorecardDraftDiscarded():
            return replace(scorecard, draft=None)
        case ScorecardDefined(code=code):
            terms = ScorecardTerms(**{each.name: getattr(event, each.name) for each in fields(ScorecardTerms)})
            # A definition past a draft leaves it: whoever drafted it sees by the version that it is another's turn.
            kept = None if scorecard.draft is None or same(scorecard.draft, terms) else scorecard.draft
            return Scorecard(terms, code, kept)
        case _:
            assert_never(event)


def same(content: Content, terms: ScorecardTerms) -> bool:
    """Whether the terms say what the content says."""
    lines = tuple(each.model_dump(exclude={"aggregation"}) for each in terms.lines)
    written = tuple(each.model_dump() for each in content.lines)
    ascending = tuple(sorted(content.bands, key=lambda band: band.lower))
    said = (written, ascending, content.minimum_cohort, content.programme)
    return said == (lines, terms.bands, terms.minimum_cohort, terms.programme)


scorecards = Decider("scorecard", decide, evolve, initial=Scorecard, events=ScorecardEvent)
