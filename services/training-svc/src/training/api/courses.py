"""Routes: courses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from events.partner import PartnerKind
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, Collection, Filter, Handle, HandlePut, Read, Receipt, history_of, list_of, own, scope

from training.domain.course import CourseContent, DefineCourse, Module, RetireCourse, course_id, courses
from training.domain.words import Code
from training.views import MODULES, courses_view

READ, DECIDE = scope("training:read"), scope("training:decide")

router = APIRouter(prefix="/courses", tags=["courses"])


class CourseView(BaseModel):
    code: str
    version: int
    title: str
    pass_mark: Decimal
    required_for_launch: bool
    validity_months: int | None
    max_attempts: int
    time_zone: str
    modules: tuple[Module, ...]
    required_of: list[str] = Field(description="Kinds of partners of which launch requires it; none named: of all.")
    expiring_days: int
    status: Literal["active", "retired"]


def shown(**row: Any) -> CourseView:
    return CourseView(modules=MODULES.validate_json(row.pop("modules")), **row)


COURSES = Collection(
    courses,
    courses_view,
    CourseView,
    key="code",
    filters=(
        "status",
        "required_for_launch",
        Filter(
            "required_of",
            PartnerKind,
            "required_for_launch and (required_of = '{{}}' or {} = any(required_of))",
            description="Only what launch requires of this kind of partners: its curriculum.",
        ),
    ),
    sorts=("title",),
    shown=shown,
)


@router.put("/{code}", dependencies=[DECIDE])
async def define_course(code: Code, content: CourseContent, handle: HandlePut) -> Receipt:
    """A new version of the course, for enrolments to come; the same content again changes nothing."""
    return await handle(courses, course_id(code), DefineCourse(code=code, **content.model_dump()))


@router.post("/{code}/retirement", status_code=201, dependencies=[DECIDE])
async def retire_course(code: Code, command: RetireCourse, handle: Handle) -> Receipt:
    """Nobody is assigned to the course any more; enrolments in it go on."""
    return await handle(courses, course_id(code), command)


router.add_api_route("", list_of(COURSES), methods=["GET"], dependencies=[READ, own(reads=["courses"])])


@router.get("/{code}", dependencies=[READ, own(reads=["courses"])])
async def read_course(code: Code, db: Read, at: At) -> CourseView:
    """The course in its newest version."""
    return await db.one(COURSES, at, of=course_id(code), code=code)


router.add_api_route(
    "/{code}/history",
    history_of(courses, "code", course_id),
    methods=["GET"],
    dependencies=[READ, own(reads=["courses"])],
)
