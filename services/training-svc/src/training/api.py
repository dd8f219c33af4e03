"""Routes: courses, and partners' enrolments in them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from engine import Command, Unknown
from fastapi import APIRouter
from pydantic import BaseModel
from service import Handle, Listing, Page, Read, Receipt, history_of, listing, own, scope

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


@course_routes.put("/{code}", dependencies=[DECIDE])
async def define_course(code: CourseCode, content: CourseContent, handle: Handle) -> Receipt:
    """A new version of the course, for enrolments to come; the same content again changes nothing."""
    return await handle(courses, course_id(code), DefineCourse(code=code, **content.model_dump()))


@course_routes.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_course(code: CourseCode, command: RetireCourse, handle: Handle) -> Receipt:
    return await handle(courses, course_id(code), command)


@course_routes.get("", dependencies=[READ, own(reads=["courses"])])
async def list_courses(db: Read, page: Page, status: Literal["active", "retired"] | None = None) -> Listing[CourseView]:
    rows = await db.fetch(
        "select * from courses where ($1::text is null or status = $1) and ($2::text is null or code > $2)"
        " order by code limit $3",
        status,
        page.after,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: row["code"], item=CourseView)


@course_routes.get("/{code}", dependencies=[READ, own(reads=["courses"])])
async def read_course(code: CourseCode, db: Read) -> CourseView:
    row = await db.fetchrow("select * from courses where code = $1", code)
    if row is None:
        raise Unknown("training.course_unknown", course=code)
    return CourseView(**row)


@enrolment_routes.post("", status_code=201, dependencies=[WRITE])
async def assign_training(body: Assignment, db: Read, handle: Handle) -> Receipt:
    course = await db.load(courses, course_id(body.course))
    command = assignment(body.partner_id, course.state.assignable(), body.occurred_at)
    return await handle(enrolments, enrolment_id(body.partner_id, body.course), command)


@enrolment_routes.post("/{enrolment_id}/start", status_code=201, dependencies=[WRITE])
async def start_training(enrolment_id: UUID, command: StartTraining, handle: Handle) -> Receipt:
    return await handle(enrolments, enrolment_id, command)


@enrolment_routes.post("/{enrolment_id}/assessments", status_code=201, dependencies=[WRITE])
async def record_assessment(enrolment_id: UUID, command: RecordAssessment, handle: Handle) -> Receipt:
    return await handle(enrolments, enrolment_id, command)


@enrolment_routes.post("/{enrolment_id}/renewal", status_code=201, dependencies=[WRITE])
async def open_renewal(enrolment_id: UUID, command: OpenRenewal, handle: Handle) -> Receipt:
    return await handle(enrolments, enrolment_id, command)


@enrolment_routes.get("", dependencies=[READ, own(query="partner_id")])
async def list_enrolments(
    db: Read,
    page: Page,
    status: Status | None = None,
    partner_id: UUID | None = None,
    course: CourseCode | None = None,
) -> Listing[EnrolmentView]:
    rows = await db.fetch(
        "select * from enrolments where ($1::text is null or status = $1) and ($2::uuid is null or partner_id = $2)"
        " and ($3::text is null or course = $3) and ($4::uuid is null or enrolment_id > $4)"
        " order by enrolment_id limit $5",
        status,
        partner_id,
        course,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["enrolment_id"]), item=EnrolmentView)


@enrolment_routes.get("/{enrolment_id}", dependencies=[READ, own("enrolment_id", enrolments)])
async def read_enrolment(enrolment_id: UUID, db: Read) -> EnrolmentView:
    row = await db.fetchrow("select * from enrolments where enrolment_id = $1", enrolment_id)
    if row is None:
        raise Unknown("training.enrolment_unknown", enrolment_id=enrolment_id)
    return EnrolmentView(**row)


enrolment_routes.add_api_route("/{id}/history", history_of(enrolments), methods=["GET"], dependencies=[READ])


ROUTES = (course_routes, enrolment_routes)
