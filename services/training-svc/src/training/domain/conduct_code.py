"""A code of conduct: its rules, and what a breach of each leads to the first time, the second, and from then on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Self, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Unknown
from engine.drafts import DiscardDraft, Publish
from events import Event
from events.days import TimeZone, day_in
from events.training import Sanction, Severity
from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.domain.drafts import Drafted
from training.domain.words import Code, Note, Reference, Title

CODES = UUID("1f5d8e3a-90b7-4c62-a1d4-6e2b7c0f8a86")
"""The namespace of the ids of codes."""


def code_id(code: str) -> UUID:
    return uuid5(CODES, code)


# -- what a code says


class ConductRule(BaseModel):
    """`ladder` is what a breach leads to the first time, the second and so on; its last step is for all that follow.
    Breaches within `repeat_months` before one make it a repetition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    title: Title
    text: Note
    severity: Severity
    ladder: Annotated[tuple[Sanction, ...], Field(min_length=1, max_length=10)]
    repeat_months: Annotated[int, Field(ge=1, le=120)] = 24

    def expected(self, repetition: int) -> Sanction:
        return self.ladder[min(repetition, len(self.ladder)) - 1]


RULES = [
    {"code": "example", "title": "Prices as agreed", "text": "Nobody charges more than the list says.",
     "severity": "serious", "ladder": ["warning", "final_warning", "referral"]},
]  # fmt: skip
"""An example that holds together."""


class ConductContent(BaseModel):
    """`document` says where its whole text is. Who is said to have breached it has `answer_within_days` to answer
    before anything is decided. Days are counted in `time_zone`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title
    document: Reference
    rules: Annotated[tuple[ConductRule, ...], Field(min_length=1, max_length=100, examples=[RULES])]
    answer_within_days: Annotated[int, Field(ge=0, le=90)] = 7
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _rules_once(self) -> Self:
        if len({rule.code for rule in self.rules}) != len(self.rules):
            raise ValueError("a rule is named twice")
        return self

    def rule(self, code: str) -> ConductRule | None:
        return next((rule for rule in self.rules if rule.code == code), None)


@dataclass(frozen=True)
class CodeTerms:
    """The version that a breach is judged by."""

    code: str
    version: int
    content: ConductContent


# -- events that stay in the house


class ConductCodeDrafted(Event, type="cauce.training.ConductCodeDrafted.v1"):
    """What the next version is to be; nobody is judged by it yet."""

    code: str
    content: ConductContent


class ConductCodeDraftDiscarded(Event, type="cauce.training.ConductCodeDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class ConductCodePublished(Event, type="cauce.training.ConductCodePublished.v1"):
    """A version, from 1; what is reported from now on is judged by it."""

    code: str
    version: int
    content: ConductContent
    published_on: date


CodeEvent = ConductCodeDrafted | ConductCodeDraftDiscarded | ConductCodePublished


# -- commands


class DraftConductCode(Command):
    code: Code
    content: ConductContent


CodeCommand = DraftConductCode | DiscardDraft | Publish


# -- state, decide and evolve


@dataclass(frozen=True)
class ConductCode:
    code: str | None = None
    versions: Drafted[ConductContent] = field(default_factory=Drafted)

    @property
    def terms(self) -> CodeTerms | None:
        """None: no version holds."""
        if self.code is None or self.versions.content is None:
            return None
        return CodeTerms(self.code, self.versions.version, self.versions.content)


def publish(conduct: ConductCode, code: str, now: datetime) -> list[CodeEvent]:
    content = conduct.versions.to_publish()
    return [
        ConductCodePublished(
            code=code,
            version=conduct.versions.version + 1,
            content=content,
            published_on=day_in(content.time_zone, now),
        )
    ]


def decide(command: CodeCommand, conduct: ConductCode, now: datetime) -> list[CodeEvent]:
    if isinstance(command, DraftConductCode):
        if not conduct.versions.changed_by(command.content):
            return []
        return [ConductCodeDrafted(code=command.code, content=command.content)]
    code = conduct.code
    if code is None:
        raise Unknown("training.conduct_code_unknown")
    match command:
        case DiscardDraft():
            return [] if conduct.versions.draft is None else [ConductCodeDraftDiscarded(code=code)]
        case Publish():
            return publish(conduct, code, now)
        case _:
            assert_never(command)


def evolve(conduct: ConductCode, event: CodeEvent) -> ConductCode:
    match event:
        case ConductCodeDrafted(code=code, content=content):
            return ConductCode(code, replace(conduct.versions, draft=content))
        case ConductCodeDraftDiscarded():
            return replace(conduct, versions=replace(conduct.versions, draft=None))
        case ConductCodePublished(version=version, content=content):
            return replace(conduct, versions=Drafted(None, content, version))
        case _:
            assert_never(event)


conduct_codes = Decider("conduct_code", decide, evolve, initial=ConductCode, events=CodeEvent)
