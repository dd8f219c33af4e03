from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from engine import Statement
from engine.testing import fact_of
from events import Event
from events.training import CertificateExpired, TrainingAssigned, TrainingCompleted, TrainingFailed
from training.domain.course import CourseDefined, CourseRetired, Module
from training.domain.enrolment_events import (
    CertificateExpiring,
    CertificateIssued,
    CurriculumAssigned,
    ModuleCompleted,
    RenewalOpened,
    TrainingStarted,
    enrolment_id,
)
from training.views import COURSES, ENROLMENTS, VIEWS, project_courses, project_enrolments

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
ID = enrolment_id(PARTNER, "hygiene")
KEY = {"enrolment_id": ID}
NOW = datetime(2000, 3, 1, 9, tzinfo=UTC)


def of_enrolment(event: Event) -> list[Statement]:
    return list(project_enrolments(fact_of(event, stream=f"enrolment-{ID}", occurred_at=NOW)))


def test_a_course_shows_its_latest_version_and_whether_it_is_in_use() -> None:
    course = CourseDefined(
        code="hygiene",
        version=2,
        title="Food hygiene",
        pass_mark=Decimal(70),
        required_for_launch=True,
        validity_months=None,
        max_attempts=3,
        time_zone="UTC",
    )
    assert list(project_courses(fact_of(course, occurred_at=NOW))) == [
        COURSES.upsert(
            "code",
            code="hygiene",
            version=2,
            title="Food hygiene",
            pass_mark=Decimal(70),
            required_for_launch=True,
            validity_months=None,
            max_attempts=3,
            time_zone="UTC",
            expiring_days=30,
            modules=b"[]",
            required_of=[],
            status="active",
        )
    ]
    retired = fact_of(CourseRetired(code="hygiene"), occurred_at=NOW)
    assert list(project_courses(retired)) == [COURSES.update({"code": "hygiene"}, status="retired")]
    assert list(project_enrolments(retired)) == []


def test_an_assignment_opens_a_row_with_its_terms() -> None:
    event = TrainingAssigned(
        enrolment_id=ID,
        partner_id=PARTNER,
        course="hygiene",
        course_version=3,
        required_for_launch=True,
        pass_mark=Decimal(70),
        max_attempts=2,
        validity_months=24,
        time_zone="UTC",
        assigned_on=date(2000, 3, 1),
    )
    assert of_enrolment(event) == [
        ENROLMENTS.upsert(
            "enrolment_id",
            enrolment_id=ID,
            partner_id=PARTNER,
            course="hygiene",
            course_version=3,
            required_for_launch=True,
            pass_mark=Decimal(70),
            status="assigned",
            attempts_left=2,
            assigned_on=date(2000, 3, 1),
        )
    ]
    assert list(project_courses(fact_of(event, occurred_at=NOW))) == []


def test_each_step_of_an_enrolment_is_shown() -> None:
    day, until = date(2000, 3, 8), date(2002, 3, 8)
    started = TrainingStarted(enrolment_id=ID, started_on=day)
    assert of_enrolment(started) == [ENROLMENTS.update(KEY, status="started", started_on=day)]
    completed = TrainingCompleted(
        enrolment_id=ID,
        partner_id=PARTNER,
        course="hygiene",
        required_for_launch=True,
        score=Decimal("91.5"),
        valid_until=until,
    )
    assert of_enrolment(completed) == [
        ENROLMENTS.update(KEY, status="completed", last_score=Decimal("91.5"), valid_until=until, expired_on=None)
    ]
    issued = CertificateIssued(enrolment_id=ID, issued_on=day, valid_until=until, expires_at=NOW)
    (statement,) = of_enrolment(issued)
    assert statement.args == (ID, day)
    assert "certificates = certificates + 1" in statement.template
    curriculum = CurriculumAssigned(
        enrolment_id=ID, modules=(Module("cold", "Cold"), Module("art", "Art", required=False)), expiring_days=30
    )
    assert of_enrolment(curriculum) == [ENROLMENTS.update(KEY, modules_open=["cold"])]
    (statement,) = of_enrolment(ModuleCompleted(enrolment_id=ID, module="cold", completed_on=day))
    assert (statement.args, "array_remove(modules_open" in statement.template) == ((ID, "cold"), True)
    assert of_enrolment(CertificateExpiring(enrolment_id=ID, valid_until=until)) == [
        ENROLMENTS.update(KEY, expiring=True)
    ]
    renewal = RenewalOpened(enrolment_id=ID, opened_on=day, attempts_left=2)
    assert of_enrolment(renewal) == [ENROLMENTS.update(KEY, status="renewing", attempts_left=2)]


def test_a_failed_attempt_shows_what_is_left_and_the_last_one_shows_failed() -> None:
    failed = TrainingFailed(
        enrolment_id=ID,
        partner_id=PARTNER,
        course="hygiene",
        score=Decimal(50),
        pass_mark=Decimal(70),
        attempts_left=1,
    )
    assert of_enrolment(failed) == [ENROLMENTS.update(KEY, last_score=Decimal(50), attempts_left=1)]
    final = failed.model_copy(update={"attempts_left": 0})
    assert of_enrolment(final) == [ENROLMENTS.update(KEY, status="failed", last_score=Decimal(50), attempts_left=0)]


def test_an_expiry_takes_the_certificate_away_and_leaves_a_renewal_its_status() -> None:
    expired = CertificateExpired(enrolment_id=ID, partner_id=PARTNER, course="hygiene", expired_on=date(2002, 3, 9))
    (statement,) = of_enrolment(expired)
    assert statement.args == (ID, date(2002, 3, 9))
    assert "when 'completed' then 'expired' else status" in statement.template


def test_both_views_are_written_with_the_append() -> None:
    assert [(view.name, view.inline) for view in VIEWS] == [("courses", True), ("enrolments", True)]
