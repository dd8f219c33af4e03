"""Routes: courses."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from engine import Command
from engine.drafts import drafted
from events.partner import PartnerKind
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, Collection, Drafts, Filter, HandlePut, Read, Receipt, history_of, list_of, own

from training.api.shown import DECIDE, READ, DifferenceView, Publication, shown_differences
from training.domain.course import (
    Content,
    CourseContent,
    CourseTerms,
    DefineCourse,
    DraftCourse,
    Module,
    course_id,
    courses,
    terms_of,
)
from training.domain.words import Code
from training.views import MODULES, courses_view

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


class CourseDraftView(BaseModel):
    """`course_version` is the one that enrolments are made in now; null: none is."""

    code: str
    course_version: int | None
    draft: Content | None = Field(description="Null where nothing is drafted.")


class CoursePreview(BaseModel):
    """What publishing the draft would change, and whom it would not reach: enrolments keep the version that they were
    made in, and certificates hold on."""

    code: str
    version: int
    differences: list[DifferenceView]
    under_way: int = Field(description="Enrolments that are not completed yet.")
    would_not_pass: int = Field(description="Completed ones whose score is below the draft's pass mark.")


class DraftedCourse(Command):
    course: Content


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
    """A new version of the course at once, without a draft, for enrolments to come; the same content again changes
    nothing."""
    return await handle(courses, course_id(code), DefineCourse(code=code, **content.model_dump()))


UNDER_WAY = "select count(*) from enrolments where course = $1 and status in ('assigned', 'started', 'renewing')"
BELOW = "select count(*) from enrolments where course = $1 and status = 'completed' and last_score < $2"


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_course(code: Code, body: DraftedCourse, handle: HandlePut) -> Receipt:
    """What the next version is to be; nobody is assigned to it yet."""
    command = DraftCourse(code=code, content=body.course, occurred_at=body.occurred_at)
    return await handle(courses, course_id(code), command)


@router.get("/{code}/draft", dependencies=[READ])
async def read_draft(code: Code, db: Read) -> CourseDraftView:
    """The draft. The ETag is what publishing it names."""
    course = (await db.state(courses, course_id(code), course=code)).state
    version = None if course.terms is None else course.terms.version
    return CourseDraftView(code=code, course_version=version, draft=course.draft)


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_course(code: Code, db: Read) -> CoursePreview:
    """What publishing would change, for enrolments to come; and what stays as it is."""
    course = (await db.state(courses, course_id(code), course=code)).state
    draft, terms = drafted(course.draft, "training", {"course": code}), course.terms
    version = 1 if terms is None else terms.version + 1
    then = said(draft.title, terms_of(code, version, draft))
    return CoursePreview(
        code=code,
        version=version,
        differences=shown_differences(None if terms is None else said(course.title, terms), then),
        under_way=await db.fetchval(UNDER_WAY, code),
        would_not_pass=await db.fetchval(BELOW, code, draft.pass_mark),
    )


def said(title: str, terms: CourseTerms) -> dict[str, Any]:
    return {"title": title, **{name: value for name, value in vars(terms).items() if name not in ("code", "version")}}


drafts = Drafts(router, courses, course_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_course",
    "The draft is the next version, for enrolments to come. If-Match names the version that was looked at.",
    Publication,
)
drafts.discarding("discard_draft", Publication)
drafts.retirement("retire_course", "Nobody is assigned to the course any more; enrolments in it go on.", Publication)

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
