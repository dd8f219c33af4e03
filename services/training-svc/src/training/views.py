"""Read models: the courses, and each enrolment as it stands. Both are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.training import CertificateExpired, TrainingAssigned, TrainingCompleted, TrainingFailed
from pydantic import TypeAdapter

from training.domain.course import CourseDefined, CourseRetired, Module
from training.domain.enrolment_events import (
    CertificateExpiring,
    CertificateIssued,
    CurriculumAssigned,
    ModuleCompleted,
    RenewalOpened,
    Status,
    TrainingStarted,
)

MODULES = TypeAdapter(tuple[Module, ...])

COURSES = Table(
    "courses",
    """
    code text primary key,
    version integer not null,
    title text not null,
    pass_mark numeric not null,
    required_for_launch boolean not null,
    validity_months integer,
    max_attempts integer not null,
    time_zone text not null,
    modules json not null,
    required_of text[] not null,
    expiring_days integer not null,
    status text not null
    """,
)

ENROLMENTS = Table(
    "enrolments",
    """
    enrolment_id uuid primary key,
    partner_id uuid not null,
    course text not null,
    course_version integer not null,
    required_for_launch boolean not null,
    pass_mark numeric not null,
    status text not null,
    attempts_left integer not null,
    last_score numeric,
    valid_until date,
    expired_on date,
    assigned_on date not null,
    started_on date,
    completed_on date,
    modules_open text[] not null default '{}',
    modules_done text[] not null default '{}',
    certificates integer not null default 0,
    expiring boolean not null default false
    """,
    indexes=("(partner_id)", "(status, enrolment_id)", "(course, enrolment_id)"),
)


def project_courses(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case CourseDefined() as course:
            row = course.model_dump(exclude={"modules", "required_of"})
            modules, kinds = MODULES.dump_json(course.modules), list(course.required_of)
            yield COURSES.upsert("code", **row, modules=modules, required_of=kinds, status="active")
        case CourseRetired(code=code):
            yield COURSES.update({"code": code}, status="retired")


def project_enrolments(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"enrolment_id": fact.stream_id}
    match fact.event:
        case TrainingAssigned() as assigned:
            yield ENROLMENTS.upsert(
                "enrolment_id",
                enrolment_id=assigned.enrolment_id,
                partner_id=assigned.partner_id,
                course=assigned.course,
                course_version=assigned.course_version,
                required_for_launch=assigned.required_for_launch,
                pass_mark=assigned.pass_mark,
                status=Status.ASSIGNED.value,
                attempts_left=assigned.max_attempts,
                assigned_on=assigned.assigned_on,
            )
        case CurriculumAssigned(modules=modules):
            yield ENROLMENTS.update(key, modules_open=[each.code for each in modules if each.required])
        case ModuleCompleted(module=module):
            yield ENROLMENTS.sql(
                "update {table} set modules_open = array_remove(modules_open, $2),"
                " modules_done = array_append(modules_done, $2) where enrolment_id = $1",
                fact.stream_id,
                module,
            )
        case CertificateExpiring():
            yield ENROLMENTS.update(key, expiring=True)
        case TrainingStarted(started_on=day):
            yield ENROLMENTS.update(key, status=Status.STARTED.value, started_on=day)
        case TrainingCompleted(score=score, valid_until=until):
            yield ENROLMENTS.update(
                key, status=Status.COMPLETED.value, last_score=score, valid_until=until, expired_on=None
            )
        case CertificateIssued(issued_on=day):
            yield ENROLMENTS.sql(
                "update {table} set completed_on = $2, certificates = certificates + 1, expiring = false"
                " where enrolment_id = $1",
                fact.stream_id,
                day,
            )
        case TrainingFailed(score=score, attempts_left=0):
            yield ENROLMENTS.update(key, status=Status.FAILED.value, last_score=score, attempts_left=0)
        case TrainingFailed(score=score, attempts_left=left):
            yield ENROLMENTS.update(key, last_score=score, attempts_left=left)
        case RenewalOpened(attempts_left=left):
            yield ENROLMENTS.update(key, status=Status.RENEWING.value, attempts_left=left)
        case CertificateExpired(expired_on=day):
            # A renewal that is under way, or that failed, keeps its status.
            yield ENROLMENTS.sql(
                "update {table} set valid_until = null, expired_on = $2, expiring = false,"
                " status = case status when 'completed' then 'expired' else status end where enrolment_id = $1",
                fact.stream_id,
                day,
            )


courses_view = View("courses", version=2, tables=(COURSES,), project=project_courses, inline=True)
enrolments_view = View("enrolments", version=2, tables=(ENROLMENTS,), project=project_enrolments, inline=True)

VIEWS = (courses_view, enrolments_view)
