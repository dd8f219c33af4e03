"""A course: the modules to go through, what has to be scored, how often it may be tried and how long its certificate
holds; and whether launch requires it, of which kinds of partners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
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


# -- events


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


CourseEvent = CourseDefined | CourseRetired


# -- commands


class CourseModule(BaseModel):
    """Who skips a `required` one is not assessed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    title: Title
    required: bool = True


class CourseContent(Command):
    """`pass_mark` from 0 to 100; attempts count afresh for each renewal. Days are counted in `time_zone`. What launch
    requires it requires of the kinds `required_of`, or of every partner where none is named. `expiring_days` before
    its last day a certificate is said to expire."""

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


class DefineCourse(CourseContent):
    code: Code


class RetireCourse(Command):
    pass


CourseCommand = DefineCourse | RetireCourse


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


@dataclass(frozen=True)
class Course:
    """`terms` is None until the course is defined."""

    terms: CourseTerms | None = None
    title: str = ""
    retired: bool = False

    def assignable(self) -> CourseTerms:
        """Raises `training.course_unknown`, `training.course_retired`."""
        if self.terms is None:
            raise Unknown("training.course_unknown")
        if self.retired:
            raise Rejected("training.course_retired", course=self.terms.code)
        return self.terms


# -- decide and evolve


def define(course: Course, command: DefineCourse) -> list[CourseEvent]:
    if course.retired:
        raise Rejected("training.course_retired", course=command.code)
    terms = CourseTerms(
        code=command.code,
        version=1 if course.terms is None else course.terms.version + 1,
        pass_mark=command.pass_mark,
        required_for_launch=command.required_for_launch,
        validity_months=command.validity_months,
        max_attempts=command.max_attempts,
        time_zone=command.time_zone,
        modules=tuple(Module(**each.model_dump()) for each in command.modules),
        required_of=tuple(sorted(set(command.required_of))),
        expiring_days=command.expiring_days,
    )
    if course.terms is not None and course == Course(replace(terms, version=course.terms.version), command.title):
        return []
    return [CourseDefined(title=command.title, **vars(terms))]


def retire(course: Course) -> list[CourseEvent]:
    if course.terms is None:
        raise Unknown("training.course_unknown")
    return [] if course.retired else [CourseRetired(code=course.terms.code)]


def decide(command: CourseCommand, course: Course, now: datetime) -> list[CourseEvent]:
    match command:
        case DefineCourse():
            return define(course, command)
        case RetireCourse():
            return retire(course)
        case _:
            assert_never(command)


def evolve(course: Course, event: CourseEvent) -> Course:
    match event:
        case CourseDefined():
            terms = CourseTerms(
                event.code,
                event.version,
                event.pass_mark,
                event.required_for_launch,
                event.validity_months,
                event.max_attempts,
                event.time_zone,
                event.modules,
                event.required_of,
                event.expiring_days,
            )
            return Course(terms, event.title)
        case CourseRetired():
            return replace(course, retired=True)
        case _:
            assert_never(event)


courses = Decider("course", decide, evolve, initial=Course, events=CourseEvent)
