"""A course: what has to be scored, how often it may be tried and how long its certificate holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from pydantic import Field

from training.domain.words import Code, Score, TimeZone, Title

COURSES = UUID("5b1f8b0a-3d0c-4b54-9a55-7a4f6c0f1d11")
"""The namespace of course ids."""


def course_id(code: str) -> UUID:
    return uuid5(COURSES, code)


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


class CourseRetired(Event, type="cauce.training.CourseRetired.v1"):
    """The course is not assigned any more. Enrolments that there are go on."""

    code: str


CourseEvent = CourseDefined | CourseRetired


# -- commands


class CourseContent(Command):
    """`pass_mark` from 0 to 100; attempts count afresh for each renewal. Days are counted in `time_zone`."""

    title: Title
    pass_mark: Score
    required_for_launch: bool
    validity_months: Annotated[int, Field(ge=1, le=600)] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=100)]
    time_zone: TimeZone = "UTC"


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
            )
            return Course(terms, event.title)
        case CourseRetired():
            return replace(course, retired=True)
        case _:
            assert_never(event)


courses = Decider("course", decide, evolve, initial=Course, events=CourseEvent)
