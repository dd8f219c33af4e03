"""A course: the modules to go through, what has to be scored, how often it may be tried and how long its certificate
holds; and whether launch requires it, of which kinds of partners."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, Retire, content_of, drafted
from events import Event
from events.days import TimeZone
from events.partner import PartnerKind
from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.domain.words import Code, Score, Title

COURSES = UUID("5b1f8b0a-3d0c-4b54-9a55-7a4f6c0f1d11")
"""The namespace of course ids."""


def course_id(code: str) -> UUID:
    return uuid5(COURSES, code)


EXPIRING_DAYS = 30
"""So long before its last day a certificate is said to expire, where a course says nothing else."""


@dataclass(frozen=True)
class Module:
    """A part of the course. Who skips a `required` one is not assessed."""

    code: str
    title: str
    required: bool = True


class CourseModule(BaseModel):
    """Who skips a `required` one is not assessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    title: Title
    required: bool = True


class Content(BaseModel):
    """`pass_mark` from 0 to 100; attempts count afresh for each renewal. Days are counted in `time_zone`. What launch
    requires it requires of the kinds `required_of`, or of every partner where none is named. `expiring_days` before
    its last day a certificate is said to expire."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: Title
    pass_mark: Score
    required_for_launch: bool
    validity_months: Annotated[int, Field(ge=1, le=600)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=100)]
    time_zone: TimeZone = "UTC"
    modules: Annotated[tuple[CourseModule, ...], Field(max_length=100)] = ()
    required_of: Annotated[tuple[PartnerKind, ...], Field(max_length=10)] = ()
    expiring_days: Annotated[int, Field(ge=1, le=365)] = EXPIRING_DAYS

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len({each.code for each in self.modules}) != len(self.modules):
            raise ValueError("a module is named twice")
        if self.required_of and not self.required_for_launch:
            raise ValueError("launch does not require it, of no kind of partners")
        return self


# -- events


class CourseDrafted(Event, type="cauce.training.CourseDrafted.v1"):
    """What the next version is to be; nobody is assigned to it yet."""

    code: str
    content: Content


class CourseDraftDiscarded(Event, type="cauce.training.CourseDraftDiscarded.v1"):
    """The draft is not to be published."""

    code: str


class CourseDefined(Event, type="cauce.training.CourseDefined.v1"):
    """A version of the course, from 1; it replaces the one before for enrolments to come."""

    code: str
    version: int
    title: str
    pass_mark: Decimal
    required_for_launch: bool
    validity_months: int | None
    max_attempts: int
    time_zone: str
    modules: tuple[Module, ...] = ()
    required_of: tuple[str, ...] = ()
    expiring_days: int = EXPIRING_DAYS


class CourseRetired(Event, type="cauce.training.CourseRetired.v1"):
    """The course is not assigned any more. Enrolments that there are go on."""

    code: str


CourseEvent = CourseDrafted | CourseDraftDiscarded | CourseDefined | CourseRetired


# -- commands


class DraftCourse(Command):
    code: Code
    content: Content


class CourseContent(Command, Content):
    """`pass_mark` from 0 to 100; attempts count afresh for each renewal. Days are counted in `time_zone`. What launch
    requires it requires of the kinds `required_of`, or of every partner where none is named. `expiring_days` before
    its last day a certificate is said to expire."""


class DefineCourse(CourseContent):
    """Published at once, without a draft."""

    code: Code


CourseCommand = DraftCourse | DefineCourse | Publish | DiscardDraft | Retire


# -- state


@dataclass(frozen=True)
class CourseTerms:
    """What an enrolment takes from the course on the day it is assigned."""

    code: str
    version: int
    pass_mark: Decimal
    required_for_launch: bool
    validity_months: int | None
    max_attempts: int
    time_zone: str
    modules: tuple[Module, ...] = ()
    required_of: tuple[str, ...] = ()
    expiring_days: int = EXPIRING_DAYS


def terms_of(code: str, version: int, content: Content) -> CourseTerms:
    return CourseTerms(
        code=code,
        version=version,
        pass_mark=content.pass_mark,
        required_for_launch=content.required_for_launch,
        validity_months=content.validity_months,
        max_attempts=content.max_attempts,
        time_zone=content.time_zone,
        modules=tuple(Module(**each.model_dump()) for each in content.modules),
        required_of=tuple(sorted(set(content.required_of))),
        expiring_days=content.expiring_days,
    )


@dataclass(frozen=True)
class Course:
    """`terms` is None until a version is published, `code` until somebody drafts or defines it."""

    terms: CourseTerms | None = None
    title: str = ""
    retired: bool = False
    code: str | None = None
    draft: Content | None = None

    def assignable(self) -> CourseTerms:
        """Raises `training.course_unknown`, `training.course_retired`."""
        if self.terms is None:
            raise Unknown("training.course_unknown")
        if self.retired:
            raise Rejected("training.course_retired", course=self.terms.code)
        return self.terms

    def says(self, content: Content) -> bool:
        """The version that holds says just that."""
        if self.terms is None:
            return False
        return (self.terms, self.title) == (terms_of(self.terms.code, self.terms.version, content), content.title)


# -- decide and evolve


def refuse_retired(course: Course, code: str) -> None:
    if course.retired:
        raise Rejected("training.course_retired", course=code)


def draft(course: Course, command: DraftCourse) -> list[CourseEvent]:
    refuse_retired(course, command.code)
    return [] if course.draft == command.content else [CourseDrafted(code=command.code, content=command.content)]


def define(course: Course, code: str, content: Content) -> list[CourseEvent]:
    """Nothing where it is what the last version says."""
    refuse_retired(course, code)
    if course.says(content):
        return []
    terms = terms_of(code, 1 if course.terms is None else course.terms.version + 1, content)
    return [CourseDefined(title=content.title, **vars(terms))]


def publish(course: Course, code: str) -> list[CourseEvent]:
    """Raises `training.course_retired`, `training.nothing_drafted`, `training.draft_changes_nothing`."""
    refuse_retired(course, code)
    published = define(course, code, drafted(course.draft, "training", {"course": code}))
    if not published:
        version = None if course.terms is None else course.terms.version
        raise Rejected("training.draft_changes_nothing", course=code, course_version=version)
    return published


def decide(command: CourseCommand, course: Course, now: datetime) -> list[CourseEvent]:
    if isinstance(command, DraftCourse):
        return draft(course, command)
    if isinstance(command, DefineCourse):
        return define(course, command.code, content_of(command, Content))
    code = course.code
    if code is None:
        raise Unknown("training.course_unknown")
    match command:
        case Publish():
            return publish(course, code)
        case DiscardDraft():
            return [] if course.draft is None else [CourseDraftDiscarded(code=code)]
        case Retire():
            return [] if course.retired else [CourseRetired(code=code)]
        case _:
            assert_never(command)


def evolve(course: Course, event: CourseEvent) -> Course:
    match event:
        case CourseDrafted(code=code, content=content):
            return replace(course, code=code, draft=content)
        case CourseDraftDiscarded():
            return replace(course, draft=None)
        case CourseDefined(title=title):
            terms = CourseTerms(**{each.name: getattr(event, each.name) for each in fields(CourseTerms)})
            defined = replace(course, code=event.code, terms=terms, title=title)
            # A definition past a draft leaves it: whoever drafted it sees by the version that it is another's turn.
            return replace(defined, draft=None) if course.draft and defined.says(course.draft) else defined
        case CourseRetired():
            return replace(course, draft=None, retired=True)
        case _:
            assert_never(event)


courses = Decider("course", decide, evolve, initial=Course, events=CourseEvent)
