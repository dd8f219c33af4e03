from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Command, Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.days import start_of
from events.training import CertificateExpired, TrainingAssigned, TrainingCompleted, TrainingFailed
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from training.domain.course import CourseTerms, Module
from training.domain.days import months_later
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import (
    CertificateExpiring,
    CertificateIssued,
    CompleteModule,
    CurriculumAssigned,
    Enrolment,
    EnrolmentEvent,
    ExpireCertificate,
    ModuleCompleted,
    OpenRenewal,
    RecordAssessment,
    RenewalOpened,
    StartTraining,
    TrainingStarted,
    WarnOfExpiry,
    assignment,
    enrolment_id,
)

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
ID = enrolment_id(PARTNER, "hygiene")
TERMS = CourseTerms("hygiene", 3, Decimal(70), True, 24, 2, "America/Anchorage")
MARCH_1 = datetime(2000, 3, 1, 20, tzinfo=UTC)  # 11:00 in Anchorage
MARCH_8 = MARCH_1 + timedelta(days=7)
UNTIL = date(2002, 3, 8)
AFTER = datetime(2002, 3, 9, 9, tzinfo=UTC)  # midnight in Anchorage


def assigned(**changes: Any) -> TrainingAssigned:
    terms: dict[str, Any] = {
        "enrolment_id": ID,
        "partner_id": PARTNER,
        "course": "hygiene",
        "course_version": 3,
        "required_for_launch": True,
        "pass_mark": Decimal(70),
        "max_attempts": 2,
        "validity_months": 24,
        "time_zone": "America/Anchorage",
        "assigned_on": date(2000, 3, 1),
    }
    return TrainingAssigned(**{**terms, **changes})


def completed(score: str = "91.5", until: date | None = UNTIL) -> TrainingCompleted:
    return TrainingCompleted(
        enrolment_id=ID,
        partner_id=PARTNER,
        course="hygiene",
        required_for_launch=True,
        score=Decimal(score),
        valid_until=until,
    )


def issued(on: date = date(2000, 3, 8), until: date | None = UNTIL, at: datetime | None = AFTER) -> CertificateIssued:
    warned = None if until is None else start_of(until - timedelta(days=30), "America/Anchorage")
    return CertificateIssued(enrolment_id=ID, issued_on=on, valid_until=until, expires_at=at, expiring_at=warned)


def failed(score: str, left: int) -> TrainingFailed:
    return TrainingFailed(
        enrolment_id=ID,
        partner_id=PARTNER,
        course="hygiene",
        score=Decimal(score),
        pass_mark=Decimal(70),
        attempts_left=left,
    )


def renewal(on: date) -> RenewalOpened:
    return RenewalOpened(enrolment_id=ID, opened_on=on, attempts_left=2)


STARTED = TrainingStarted(enrolment_id=ID, started_on=date(2000, 3, 1))
EXPIRED = CertificateExpired(enrolment_id=ID, partner_id=PARTNER, course="hygiene", expired_on=date(2002, 3, 9))

IS_ASSIGNED: list[Event] = [assigned()]
IS_STARTED = [*IS_ASSIGNED, STARTED]
IS_COMPLETED = [*IS_STARTED, completed(), issued()]
IS_COMPLETED_FOR_EVER = [assigned(validity_months=None), STARTED, completed(until=None), issued(until=None, at=None)]
IS_FAILED = [*IS_STARTED, failed("50", 1), failed("60", 0)]
IS_EXPIRED = [*IS_COMPLETED, EXPIRED]
IS_RENEWING = [*IS_COMPLETED, renewal(date(2002, 2, 1))]
IS_RENEWING_LATE = [*IS_EXPIRED, renewal(date(2002, 4, 1))]

ASSIGN = assignment(PARTNER, TERMS)
START = StartTraining()
PASS = RecordAssessment(score=Decimal("91.5"))
RENEW = OpenRenewal()
EXPIRE = ExpireCertificate(valid_until=UNTIL)


# -- assigned


def test_an_assignment_keeps_the_terms_of_the_course_as_they_are_that_day() -> None:
    scenario(enrolments, when=ASSIGN, at=MARCH_1, then=assigned())


def test_the_day_of_assignment_is_counted_in_the_courses_time_zone() -> None:
    evening_before = datetime(2000, 3, 1, 5, tzinfo=UTC)
    scenario(enrolments, when=ASSIGN, at=evening_before, then=assigned(assigned_on=date(2000, 2, 29)))


@pytest.mark.parametrize("given", [IS_ASSIGNED, IS_STARTED, IS_COMPLETED, IS_RENEWING, IS_RENEWING_LATE])
def test_a_second_contract_assigns_nothing_twice(given: list[Event]) -> None:
    newer = assignment(PARTNER, CourseTerms("hygiene", 4, Decimal(90), True, 12, 1, "UTC"))
    scenario(enrolments, given=given, when=newer, at=MARCH_8, then=[])


def test_who_failed_for_good_is_not_assigned_the_course_again() -> None:
    refusal = Rejected("training.no_attempts_left", course="hygiene")
    scenario(enrolments, given=IS_FAILED, when=ASSIGN, at=MARCH_8, then=refusal)


def test_an_expired_certificate_asks_for_a_renewal_and_not_for_an_assignment() -> None:
    refusal = Rejected("training.certificate_expired", course="hygiene", expired_on=date(2002, 3, 9))
    scenario(enrolments, given=IS_EXPIRED, when=ASSIGN, at=AFTER, then=refusal)


@pytest.mark.parametrize("command", [START, PASS, RENEW, EXPIRE])
def test_nothing_happens_to_an_enrolment_that_does_not_exist(command: Command) -> None:
    scenario(enrolments, when=command, at=MARCH_1, then=Unknown("training.enrolment_unknown"))


# -- started


def test_an_assigned_training_is_started() -> None:
    scenario(enrolments, given=IS_ASSIGNED, when=START, at=MARCH_1, then=STARTED)


def test_starting_twice_changes_nothing() -> None:
    scenario(enrolments, given=IS_STARTED, when=START, at=MARCH_8, then=[])
    scenario(enrolments, given=[*IS_STARTED, failed("50", 1)], when=START, at=MARCH_8, then=[])


@pytest.mark.parametrize(
    ("given", "status"),
    [(IS_COMPLETED, "completed"), (IS_FAILED, "failed"), (IS_EXPIRED, "expired"), (IS_RENEWING, "renewing")],
)
def test_what_is_past_its_start_is_not_started_again(given: list[Event], status: str) -> None:
    refusal = Rejected("training.not_to_be_started", standing=status)
    scenario(enrolments, given=given, when=START, at=AFTER, then=refusal)


def test_a_training_does_not_start_on_a_day_before_it_was_assigned() -> None:
    refusal = Rejected("training.before_the_last_step", last_step_on=date(2000, 3, 1))
    scenario(enrolments, given=IS_ASSIGNED, when=START, at=MARCH_1 - timedelta(days=1), then=refusal)


def test_an_earlier_hour_of_the_same_day_is_no_earlier_step() -> None:
    scenario(enrolments, given=IS_ASSIGNED, when=START, at=MARCH_1 - timedelta(hours=3), then=STARTED)


# -- assessed


def test_a_score_at_or_above_the_pass_mark_completes_the_training_and_issues_a_certificate() -> None:
    scenario(enrolments, given=IS_STARTED, when=PASS, at=MARCH_8, then=[completed(), issued()])


def test_a_score_of_exactly_the_pass_mark_passes() -> None:
    command = RecordAssessment(score=Decimal("70.0"))
    scenario(enrolments, given=IS_STARTED, when=command, at=MARCH_8, then=[completed("70.0"), issued()])


def test_a_score_just_below_the_pass_mark_fails_and_says_how_many_attempts_are_left() -> None:
    command = RecordAssessment(score=Decimal("69.999999"))
    scenario(enrolments, given=IS_STARTED, when=command, at=MARCH_8, then=failed("69.999999", 1))


def test_the_last_attempt_that_fails_is_final() -> None:
    given = [*IS_STARTED, failed("50", 1)]
    scenario(enrolments, given=given, when=RecordAssessment(score=Decimal(60)), at=MARCH_8, then=failed("60", 0))
    refusal = Rejected("training.no_attempts_left", course="hygiene")
    scenario(enrolments, given=IS_FAILED, when=PASS, at=MARCH_8, then=refusal)


def test_the_last_attempt_can_pass() -> None:
    given = [*IS_STARTED, failed("50", 1)]
    scenario(enrolments, given=given, when=PASS, at=MARCH_8, then=[completed(), issued()])


def test_the_pass_mark_is_the_one_by_which_the_training_was_assigned() -> None:
    given = [assigned(pass_mark=Decimal(95)), STARTED]
    refused = failed("91.5", 1).model_copy(update={"pass_mark": Decimal(95)})
    scenario(enrolments, given=given, when=PASS, at=MARCH_8, then=refused)


def test_the_same_score_twice_is_two_attempts() -> None:
    given = [*IS_STARTED, failed("50", 1)]
    scenario(enrolments, given=given, when=RecordAssessment(score=Decimal(50)), at=MARCH_8, then=failed("50", 0))


def test_a_course_without_validity_issues_a_certificate_that_does_not_expire() -> None:
    given = [assigned(validity_months=None), STARTED]
    then = [completed(until=None), issued(until=None, at=None)]
    scenario(enrolments, given=given, when=PASS, at=MARCH_8, then=then)


def test_validity_runs_from_the_business_day_of_the_assessment() -> None:
    new_years_eve = datetime(2001, 1, 1, 5, tzinfo=UTC)  # 20:00 of 31 December 2000 in Anchorage
    until = date(2002, 12, 31)
    then = [completed(until=until), issued(date(2000, 12, 31), until, datetime(2003, 1, 1, 9, tzinfo=UTC))]
    scenario(enrolments, given=IS_STARTED, when=PASS, at=new_years_eve, then=then)


def test_assessing_before_the_start_is_refused() -> None:
    scenario(enrolments, given=IS_ASSIGNED, when=PASS, at=MARCH_8, then=Rejected("training.not_started"))


def test_assessing_after_completion_is_refused_with_the_day_to_which_the_certificate_holds() -> None:
    refusal = Rejected("training.already_completed", valid_until=UNTIL)
    scenario(enrolments, given=IS_COMPLETED, when=PASS, at=MARCH_8, then=refusal)
    refusal = Rejected("training.already_completed", valid_until=None)
    scenario(enrolments, given=IS_COMPLETED_FOR_EVER, when=PASS, at=MARCH_8, then=refusal)


def test_assessing_after_expiry_needs_a_renewal_also_when_the_timer_has_not_fired_yet() -> None:
    refusal = Rejected("training.renewal_not_opened")
    scenario(enrolments, given=IS_EXPIRED, when=PASS, at=AFTER, then=refusal)
    scenario(enrolments, given=IS_COMPLETED, when=PASS, at=AFTER, then=refusal)


def test_an_assessment_on_a_day_before_the_start_is_refused() -> None:
    refusal = Rejected("training.before_the_last_step", last_step_on=date(2000, 3, 1))
    scenario(enrolments, given=IS_STARTED, when=PASS, at=datetime(2000, 2, 29, 20, tzinfo=UTC), then=refusal)


@pytest.mark.parametrize("score", ["-0.1", "100.1", "NaN", "Infinity", "1e9"])
def test_a_score_outside_0_to_100_is_no_assessment(score: str) -> None:
    with pytest.raises(ValidationError):
        RecordAssessment(score=Decimal(score))


# -- expired


def test_a_certificate_expires_on_the_day_after_its_last() -> None:
    scenario(enrolments, given=IS_COMPLETED, when=EXPIRE, at=AFTER, then=EXPIRED)


def test_a_certificate_holds_to_the_end_of_its_last_day() -> None:
    refusal = Rejected("training.certificate_still_valid", valid_until=UNTIL)
    scenario(enrolments, given=IS_COMPLETED, when=EXPIRE, at=AFTER - timedelta(microseconds=1), then=refusal)


def test_expiring_twice_changes_nothing() -> None:
    scenario(enrolments, given=IS_EXPIRED, when=EXPIRE, at=AFTER, then=[])
    scenario(enrolments, given=IS_RENEWING_LATE, when=EXPIRE, at=AFTER, then=[])


def test_the_timer_of_a_certificate_that_was_renewed_is_refused() -> None:
    renewed_until = date(2004, 2, 2)
    given = [*IS_RENEWING, completed(until=renewed_until), issued(date(2002, 2, 2), renewed_until, AFTER)]
    refusal = Rejected("training.certificate_renewed", valid_until=renewed_until)
    scenario(enrolments, given=given, when=EXPIRE, at=AFTER, then=refusal)


@pytest.mark.parametrize("given", [IS_ASSIGNED, IS_STARTED, IS_FAILED, IS_COMPLETED_FOR_EVER])
def test_there_is_nothing_to_expire_without_a_certificate_that_can(given: list[Event]) -> None:
    scenario(enrolments, given=given, when=EXPIRE, at=AFTER, then=Rejected("training.no_certificate"))


# -- renewed


def test_a_renewal_can_be_opened_before_expiry_and_after() -> None:
    before = datetime(2002, 2, 1, 20, tzinfo=UTC)
    scenario(enrolments, given=IS_COMPLETED, when=RENEW, at=before, then=renewal(date(2002, 2, 1)))
    after = datetime(2002, 4, 1, 20, tzinfo=UTC)
    scenario(enrolments, given=IS_EXPIRED, when=RENEW, at=after, then=renewal(date(2002, 4, 1)))


def test_a_renewal_after_the_last_day_records_the_expiry_if_the_timer_has_not() -> None:
    after = datetime(2002, 4, 1, 20, tzinfo=UTC)
    scenario(enrolments, given=IS_COMPLETED, when=RENEW, at=after, then=[EXPIRED, renewal(date(2002, 4, 1))])


def test_opening_a_renewal_twice_changes_nothing() -> None:
    scenario(enrolments, given=IS_RENEWING, when=RENEW, at=AFTER, then=[])


def test_a_renewal_is_refused_where_there_is_nothing_to_renew() -> None:
    for given, refusal in [
        (IS_ASSIGNED, Rejected("training.nothing_to_renew", standing="assigned")),
        (IS_STARTED, Rejected("training.nothing_to_renew", standing="started")),
        (IS_FAILED, Rejected("training.no_attempts_left", course="hygiene")),
        (IS_COMPLETED_FOR_EVER, Rejected("training.certificate_does_not_expire")),
    ]:
        scenario(enrolments, given=given, when=RENEW, at=MARCH_8, then=refusal)


def test_a_renewed_certificate_runs_from_the_day_of_the_new_assessment() -> None:
    day, until = datetime(2002, 2, 2, 20, tzinfo=UTC), date(2004, 2, 2)
    then = [completed(until=until), issued(date(2002, 2, 2), until, datetime(2004, 2, 3, 9, tzinfo=UTC))]
    scenario(enrolments, given=IS_RENEWING, when=PASS, at=day, then=then)


def test_the_old_certificate_can_expire_while_its_renewal_is_under_way_and_the_renewal_goes_on() -> None:
    scenario(enrolments, given=IS_RENEWING, when=EXPIRE, at=AFTER, then=EXPIRED)
    until = date(2004, 3, 9)
    then = [completed(until=until), issued(date(2002, 3, 9), until, datetime(2004, 3, 10, 9, tzinfo=UTC))]
    scenario(enrolments, given=[*IS_RENEWING, EXPIRED], when=PASS, at=AFTER, then=then)


def test_an_assessment_after_the_last_day_records_the_expiry_if_the_timer_has_not() -> None:
    scenario(
        enrolments,
        given=IS_RENEWING,
        when=RecordAssessment(score=Decimal(10)),
        at=AFTER,
        then=[EXPIRED, failed("10", 1)],
    )


def test_a_renewal_has_all_attempts_again_and_then_none() -> None:
    given = [assigned(), STARTED, failed("50", 1), completed(), issued(), renewal(date(2002, 2, 1))]
    day = datetime(2002, 2, 2, 20, tzinfo=UTC)
    low = RecordAssessment(score=Decimal(10))
    scenario(enrolments, given=given, when=low, at=day, then=failed("10", 1))
    scenario(enrolments, given=[*given, failed("10", 1)], when=low, at=day, then=failed("10", 0))


def test_a_certificate_still_expires_on_its_day_after_its_renewal_failed_for_good() -> None:
    given = [*IS_RENEWING, failed("10", 1), failed("10", 0)]
    scenario(enrolments, given=given, when=EXPIRE, at=AFTER, then=EXPIRED)
    refusal = Rejected("training.no_attempts_left", course="hygiene")
    scenario(enrolments, given=[*given, EXPIRED], when=RENEW, at=AFTER, then=refusal)


# -- days and months


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2001, 1, 31), 1, date(2001, 2, 28)),
        (date(2000, 1, 31), 1, date(2000, 2, 29)),
        (date(2000, 2, 29), 12, date(2001, 2, 28)),
        (date(2000, 2, 29), 48, date(2004, 2, 29)),
        (date(2000, 12, 15), 1, date(2001, 1, 15)),
        (date(2000, 11, 30), 3, date(2001, 2, 28)),
        (date(2000, 6, 1), 24, date(2002, 6, 1)),
    ],
)
def test_months_later_is_the_same_day_or_the_months_last(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


@for_all(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.integers(1, 600))
def test_months_later_lands_in_the_right_month_and_never_on_a_later_day_of_it(day: date, months: int) -> None:
    later = months_later(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@for_all(st.lists(st.decimals(0, 100, places=2), max_size=8), st.integers(1, 4))
def test_as_many_attempts_as_assigned_and_not_one_more(scores: list[Decimal], max_attempts: int) -> None:
    state = enrolments.fold([assigned(max_attempts=max_attempts), STARTED])
    taken = 0
    for score in scores:
        try:
            state = enrolments.fold(enrolments.decide(RecordAssessment(score=score), state, MARCH_8), state)
        except Rejected:
            break
        taken += 1
    passing = next((n for n, score in enumerate(scores[:max_attempts], 1) if score >= 70), None)
    assert taken == (passing or min(max_attempts, len(scores)))


@pytest.mark.parametrize(
    "events",
    [[], IS_ASSIGNED, IS_STARTED, IS_COMPLETED, IS_COMPLETED_FOR_EVER, IS_FAILED, IS_EXPIRED, IS_RENEWING_LATE],
)
def test_the_state_survives_a_snapshot(events: list[Any]) -> None:
    state = enrolments.fold(events)
    adapter = TypeAdapter(Enrolment)
    assert adapter.validate_json(adapter.dump_json(state)) == state


# -- modules, and a certificate whose last day comes near

MODULES = (Module("cold", "Cold chain"), Module("art", "Latte art", required=False), Module("fire", "Fire safety"))
CURRICULUM = CurriculumAssigned(enrolment_id=ID, modules=MODULES, expiring_days=60)


def module(code: str, on: date = date(2000, 3, 1)) -> ModuleCompleted:
    return ModuleCompleted(enrolment_id=ID, module=code, completed_on=on)


def test_an_enrolment_keeps_the_curriculum_of_the_day_it_was_assigned() -> None:
    terms = replace(TERMS, modules=MODULES, expiring_days=60)
    scenario(enrolments, when=assignment(PARTNER, terms), at=MARCH_1, then=[assigned(), CURRICULUM])


def test_nobody_is_assessed_before_every_required_module_is_done() -> None:
    given: list[EnrolmentEvent] = [assigned(), CURRICULUM, STARTED]
    refusal = Rejected("training.modules_open", modules=["cold", "fire"])
    scenario(enrolments, given=given, when=RecordAssessment(score=Decimal(90)), at=MARCH_1, then=refusal)
    scenario(enrolments, given=given, when=CompleteModule(module="cold"), at=MARCH_1, then=module("cold"))
    given += [module("cold")]
    scenario(enrolments, given=given, when=CompleteModule(module="cold"), at=MARCH_1, then=[])
    left = Rejected("training.modules_open", modules=["fire"])
    scenario(enrolments, given=given, when=RecordAssessment(score=Decimal(90)), at=MARCH_1, then=left)
    given += [module("fire")]
    below = RecordAssessment(score=Decimal(50))
    scenario(enrolments, given=given, when=below, at=MARCH_1, then=failed("50", 1))


def test_a_module_is_one_of_the_course_and_is_gone_through_while_it_is_taken() -> None:
    given: list[EnrolmentEvent] = [assigned(), CURRICULUM]
    unknown = Unknown("training.module_unknown", module="sushi", modules=["cold", "art", "fire"])
    scenario(enrolments, given=given, when=CompleteModule(module="sushi"), at=MARCH_1, then=unknown)
    early = Rejected("training.not_started")
    scenario(enrolments, given=given, when=CompleteModule(module="cold"), at=MARCH_1, then=early)
    over = [*given, STARTED, module("cold"), module("fire"), completed(), issued()]
    refusal = Rejected("training.not_under_way", standing="completed")
    scenario(enrolments, given=over, when=CompleteModule(module="art"), at=MARCH_8, then=refusal)


def test_a_certificate_is_said_to_expire_once_before_its_last_day() -> None:
    given: list[EnrolmentEvent] = [assigned(), STARTED, completed(), issued()]
    warn = WarnOfExpiry(valid_until=UNTIL)
    begins = start_of(date(2002, 2, 6), "America/Anchorage")
    early = Rejected("training.certificate_not_expiring", expiring_from=date(2002, 2, 6))
    scenario(enrolments, given=given, when=warn, at=begins - timedelta(seconds=1), then=early)
    expiring = CertificateExpiring(enrolment_id=ID, valid_until=UNTIL)
    scenario(enrolments, given=given, when=warn, at=begins, then=expiring)
    scenario(enrolments, given=[*given, expiring], when=warn, at=begins, then=[])
    gone = Rejected("training.no_certificate")
    scenario(enrolments, given=[assigned()], when=warn, at=begins, then=gone)
    state = enrolments.fold([*given, expiring])
    renewed = enrolments.fold(
        [
            RenewalOpened(enrolment_id=ID, opened_on=date(2002, 2, 7), attempts_left=2),
            completed(until=date(2004, 2, 7)),
            issued(date(2002, 2, 7), date(2004, 2, 7)),
        ],
        state,
    )
    assert (state.expiring, renewed.expiring) == (True, False)
    other = Rejected("training.certificate_renewed", valid_until=date(2004, 2, 7))
    with pytest.raises(Rejected) as refusal:
        enrolments.decide(warn, renewed, begins)
    assert refusal.value == other
