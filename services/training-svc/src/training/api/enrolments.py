"""Routes: partners' enrolments in courses."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, Collection, Handle, Read, Receipt, history_of, list_of, own, scope

from training.domain.course import course_id, courses
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import (
    CompleteModule,
    OpenRenewal,
    RecordAssessment,
    StartTraining,
    Status,
    assignment,
    enrolment_id,
)
from training.domain.words import Code
from training.views import enrolments_view

READ, WRITE = scope("training:read"), scope("training:write")

router = APIRouter(prefix="/enrolments", tags=["enrolments"])


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
    modules_open: list[str] = Field(description="Required ones that are left before an assessment.")
    modules_done: list[str]
    certificates: int = Field(description="How many were issued: more than one, and it was renewed.")
    expiring: bool = Field(description="The certificate's last day comes near.")


class Assignment(Command):
    """Assigns an active course by hand, whether or not it is required for launch."""

    partner_id: UUID
    course: Annotated[Code, Field(examples=["example"])]


class Completion(Command):
    """Nothing but that it was done."""


ENROLMENTS = Collection(
    enrolments,
    enrolments_view,
    EnrolmentView,
    key="enrolment_id",
    filters=("status", "partner_id", "course", "required_for_launch", "expiring"),
    sorts=("assigned_on", "completed_on", "valid_until"),
)


@router.post("", status_code=201, dependencies=[WRITE])
async def assign_training(body: Assignment, db: Read, handle: Handle) -> Receipt:
    """A partner is to take a course, as it is now. The same course again is no second enrolment."""
    course = await db.load(courses, course_id(body.course))
    command = assignment(body.partner_id, course.state.assignable(), body.occurred_at)
    return await handle(enrolments, enrolment_id(body.partner_id, body.course), command)


@router.post("/{enrolment_id}/start", status_code=201, dependencies=[WRITE])
async def start_training(enrolment_id: UUID, command: StartTraining, handle: Handle) -> Receipt:
    """The partner has begun."""
    return await handle(enrolments, enrolment_id, command)


@router.post("/{enrolment_id}/modules/{module}/completion", status_code=201, dependencies=[WRITE])
async def complete_module(enrolment_id: UUID, module: Code, body: Completion, handle: Handle) -> Receipt:
    """The partner went through a module. Nobody is assessed before all that are required are done."""
    return await handle(enrolments, enrolment_id, CompleteModule(module=module, **body.model_dump()))


@router.post("/{enrolment_id}/assessments", status_code=201, dependencies=[WRITE])
async def record_assessment(enrolment_id: UUID, command: RecordAssessment, handle: Handle) -> Receipt:
    """The result of an attempt: a certificate if it is at or above the pass mark, else one attempt less."""
    return await handle(enrolments, enrolment_id, command)


@router.post("/{enrolment_id}/renewal", status_code=201, dependencies=[WRITE])
async def open_renewal(enrolment_id: UUID, command: OpenRenewal, handle: Handle) -> Receipt:
    """Before or after the certificate expires, the partner may be assessed anew."""
    return await handle(enrolments, enrolment_id, command)


router.add_api_route("", list_of(ENROLMENTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@router.get("/{enrolment_id}", dependencies=[READ, own("enrolment_id", enrolments)])
async def read_enrolment(enrolment_id: UUID, db: Read, at: At) -> EnrolmentView:
    """The enrolment, with its last score and the certificate that holds."""
    return await db.one(ENROLMENTS, at, enrolment_id=enrolment_id)


router.add_api_route("/{id}/history", history_of(enrolments), methods=["GET"], dependencies=[READ])
