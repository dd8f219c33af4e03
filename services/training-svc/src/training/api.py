"""Routes: courses, and partners' enrolments in them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import BaseModel
from service import At, Collection, Handle, HandlePut, Read, Receipt, history_of, list_of, own, scope

from training.domain.course import CourseCode, CourseContent, DefineCourse, RetireCourse, course_id, courses
from training.domain.enrolment import (
    OpenRenewal,
    RecordAssessment,
    StartTraining,
    Status,
    assignment,
    enrolment_id,
    enrolments,
)
from training.views import courses_view, enrolments_view

READ, WRITE, DECIDE = scope("training:read"), scope("training:write"), scope("training:decide")

course_routes = APIRouter(prefix="/courses", tags=["courses"])
enrolment_routes = APIRouter(prefix="/enrolments", tags=["enrolments"])


class CourseView(BaseModel):
    code: str
    version: int
    title: str
    pass_mark: Decimal
    required_for_launch: bool
    validity_months: int | None
    max_attempts: int
    time_zone: str
    status: Literal["active", "retired"]


class EnrolmentView(BaseModel):
    """`valid_until` is the last day of the certificate that holds; null where none does or it does not expire."""

    enrolment_id: UUID
    partner_id: UUID
    course: str
    course_version: int
    required_for_launch: bool
    pass_mark: Decimal
    status: Status
    attempts_left: int
    last_score: Decimal | None
    valid_until: date | None
    expired_on: date | None
    assigned_on: date
    started_on: date | None
    completed_on: date | None


class Assignment(Command):
    """Assigns an active course by hand, whether or not it is required for launch."""

    partner_id: UUID
    course: CourseCode


COURSES = Collection(courses, courses_view, CourseView, key="code", filters=("status",), sorts=("title",))
ENROLMENTS = Collection(
    enrolments,
    enrolments_view,
    EnrolmentView,
    key="enrolment_id",
    filters=("status", "partner_id", "course"),
    sorts=("assigned_on", "completed_on", "valid_until"),
)


@course_routes.put("/{code}", dependencies=[DECIDE])
async def define_course(code: CourseCode, content: CourseContent, handle: HandlePut) -> Receipt:
    """A new version of the course, for enrolments to come; the same content again changes nothing."""
    return await handle(courses, course_id(code), DefineCourse(code=code, **content.model_dump()))


@course_routes.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_course(code: CourseCode, command: RetireCourse, handle: Handle) -> Receipt:
    """Nobody is assigned to the course any more; enrolments in it go on."""
    return await handle(courses, course_id(code), command)


course_routes.add_api_route("", list_of(COURSES), methods=["GET"], dependencies=[READ, own(reads=["courses"])])


@course_routes.get("/{code}", dependencies=[READ, own(reads=["courses"])])
async def read_course(code: CourseCode, db: Read, at: At) -> CourseView:
    """The course in its newest version."""
    return await db.one(COURSES, at, of=course_id(code), code=code)


course_routes.add_api_route(
    "/{code}/history",
    history_of(courses, "code", course_id),
    methods=["GET"],
    dependencies=[READ, own(reads=["courses"])],
)


@enrolment_routes.post("", status_code=201, dependencies=[WRITE])
async def assign_training(body: Assignment, db: Read, handle: Handle) -> Receipt:
    """A partner is to take a course, as it is now. The same course again is no second enrolment."""
    course = await db.load(courses, course_id(body.course))
    command = assignment(body.partner_id, course.state.assignable(), body.occurred_at)
    return await handle(enrolments, enrolment_id(body.partner_id, body.course), command)


@enrolment_routes.post("/{enrolment_id}/start", status_code=201, dependencies=[WRITE])
async def start_training(enrolment_id: UUID, command: StartTraining, handle: Handle) -> Receipt:
    """The partner has begun."""
    return await handle(enrolments, enrolment_id, command)


@enrolment_routes.post("/{enrolment_id}/assessments", status_code=201, dependencies=[WRITE])
async def record_assessment(enrolment_id: UUID, command: RecordAssessment, handle: Handle) -> Receipt:
    """The result of an attempt: a certificate if it is at or above the pass mark, else one attempt less."""
    return await handle(enrolments, enrolment_id, command)


@enrolment_routes.post("/{enrolment_id}/renewal", status_code=201, dependencies=[WRITE])
async def open_renewal(enrolment_id: UUID, command: OpenRenewal, handle: Handle) -> Receipt:
    """Before or after the certificate expires, the partner may be assessed anew."""
    return await handle(enrolments, enrolment_id, command)


enrolment_routes.add_api_route("", list_of(ENROLMENTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@enrolment_routes.get("/{enrolment_id}", dependencies=[READ, own("enrolment_id", enrolments)])
async def read_enrolment(enrolment_id: UUID, db: Read, at: At) -> EnrolmentView:
    """The enrolment, with its last score and the certificate that holds."""
    return await db.one(ENROLMENTS, at, enrolment_id=enrolment_id)


enrolment_routes.add_api_route("/{id}/history", history_of(enrolments), methods=["GET"], dependencies=[READ])


ROUTES = (course_routes, enrolment_routes)
