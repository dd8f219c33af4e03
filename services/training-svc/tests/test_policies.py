from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import CancelTimer, Send, SetTimer
from engine.testing import fact_of
from events.contract import ContractInForce, PartnerSigned
from events.training import CorrectiveActionVerified, FieldAuditPublished, Finding
from training.domain.action_events import (
    BecomeOverdue,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    OpenCorrectiveAction,
)
from training.domain.corrective_action import corrective_actions
from training.domain.course import CourseTerms
from training.domain.enrolment import enrolments
from training.domain.enrolment_events import (
    AssignTraining,
    CertificateIssued,
    ExpireCertificate,
    TrainingStarted,
    WarnOfExpiry,
    enrolment_id,
)
from training.policies import (
    POLICIES,
    assign_what_launch_requires,
    expire_certificates,
    follow_findings,
    launch_courses,
    watch_the_clock,
)

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
CONTRACT = UUID("22222222-2222-4222-8222-222222222222")
NOW = datetime(2000, 3, 1, 9, tzinfo=UTC)
SIGNED = PartnerSigned(contract_id=CONTRACT, partner_id=PARTNER, areas=("US-AK",), effective_from=date(2000, 3, 1))
HYGIENE = CourseTerms("hygiene", 3, Decimal(70), True, 24, 2, "America/Anchorage")
SAFETY = CourseTerms("safety", 1, Decimal(50), True, None, 1, "UTC")


class Rows:
    """Answers one query with given rows and remembers it."""

    def __init__(self, *rows: dict[str, Any]) -> None:
        self.rows, self.asked = rows, ""

    async def fetch(self, query: str, *args: Any) -> list[Any]:
        self.asked = query
        return list(self.rows)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        raise NotImplementedError

    async def fetchval(self, query: str, *args: Any) -> Any:
        raise NotImplementedError


def test_a_partner_who_signs_is_assigned_each_course_that_launch_requires() -> None:
    sends = list(assign_what_launch_requires(fact_of(SIGNED, occurred_at=NOW), [HYGIENE, SAFETY]))
    assert sends == [
        Send(
            enrolments,
            enrolment_id(PARTNER, "hygiene"),
            AssignTraining(
                partner_id=PARTNER,
                course="hygiene",
                course_version=3,
                required_for_launch=True,
                pass_mark=Decimal(70),
                max_attempts=2,
                validity_months=24,
                time_zone="America/Anchorage",
            ),
        ),
        Send(
            enrolments,
            enrolment_id(PARTNER, "safety"),
            AssignTraining(
                partner_id=PARTNER,
                course="safety",
                course_version=1,
                required_for_launch=True,
                pass_mark=Decimal(50),
                max_attempts=1,
                validity_months=None,
                time_zone="UTC",
            ),
        ),
    ]


def test_other_facts_of_contracts_assign_nothing() -> None:
    in_force = fact_of(ContractInForce(contract_id=CONTRACT, partner_id=PARTNER), occurred_at=NOW)
    assert list(assign_what_launch_requires(in_force, [HYGIENE])) == []


async def test_the_courses_are_looked_up_for_a_signature_only() -> None:
    rows = Rows({**vars(HYGIENE), "modules": b"[]", "required_of": []})
    in_force = fact_of(ContractInForce(contract_id=CONTRACT, partner_id=PARTNER), occurred_at=NOW)
    assert (await launch_courses(rows, in_force), rows.asked) == ((), "")
    assert await launch_courses(rows, fact_of(SIGNED, occurred_at=NOW)) == (HYGIENE,)
    assert "required_for_launch" in rows.asked
    assert "active" in rows.asked
    assert "known_partners" in rows.asked


def test_a_certificate_sets_the_one_timer_of_its_enrolment_to_the_instant_after_its_last_day() -> None:
    id, at = enrolment_id(PARTNER, "hygiene"), datetime(2002, 3, 9, 9, tzinfo=UTC)
    issued = CertificateIssued(enrolment_id=id, issued_on=date(2000, 3, 8), valid_until=date(2002, 3, 8), expires_at=at)
    timers = list(expire_certificates(fact_of(issued, occurred_at=NOW)))
    assert timers == [SetTimer(str(id), at, Send(enrolments, id, ExpireCertificate(valid_until=date(2002, 3, 8))))]


def test_a_certificate_is_said_to_expire_before_it_does() -> None:
    id, warned, ends = enrolment_id(PARTNER, "hygiene"), NOW, NOW.replace(month=4)
    issued = CertificateIssued(
        enrolment_id=id, issued_on=NOW.date(), valid_until=date(2000, 3, 31), expires_at=ends, expiring_at=warned
    )
    first, _ = expire_certificates(fact_of(issued, occurred_at=NOW))
    assert first == SetTimer(
        f"{id}/expiring", warned, Send(enrolments, id, WarnOfExpiry(valid_until=date(2000, 3, 31)))
    )


def test_a_certificate_that_does_not_expire_sets_no_timer() -> None:
    id = enrolment_id(PARTNER, "safety")
    issued = CertificateIssued(enrolment_id=id, issued_on=date(2000, 3, 8), valid_until=None, expires_at=None)
    started = TrainingStarted(enrolment_id=id, started_on=date(2000, 3, 1))
    assert [list(expire_certificates(fact_of(event, occurred_at=NOW))) for event in (issued, started)] == [[], []]


def test_the_policies_hear_contracts_and_the_house_itself() -> None:
    heard = {policy.name: policy.source for policy in POLICIES}
    assert heard == {"assignment": "contract", "expiry": "training", "findings": "training", "due": "training"}


# -- audits

AUDIT, ACTION = UUID(int=4), UUID(int=5)
ASKED: dict[str, Any] = {
    "action_id": ACTION,
    "audit_id": AUDIT,
    "partner_id": PARTNER,
    "outlet_id": None,
    "item": "cold",
    "title": "Cold food",
    "critical": True,
    "owner": "cook",
    "due_on": date(2026, 3, 9),
    "time_zone": "America/Anchorage",
}


def finding(item: str, **action: Any) -> Finding:
    asked = {"section": "hygiene", "title": "Cold food", "critical": True, "rating": Decimal(50), "owner": "cook"}
    return Finding.model_validate({"item": item, "action_id": None, "due_on": None, **asked, **action})


def test_each_finding_that_has_to_be_put_right_is_followed_and_no_other() -> None:
    published = FieldAuditPublished(
        audit_id=AUDIT,
        partner_id=PARTNER,
        outlet_id=None,
        template="food-safety",
        template_version=1,
        audited_on=date(2026, 3, 1),
        total=Decimal(50),
        passed=False,
        critical_missed=("cold",),
        sections=(),
        findings=(finding("cold", action_id=ACTION, due_on=date(2026, 3, 9)), finding("floors")),
        metric=None,
        metric_period=None,
        time_zone="America/Anchorage",
    )
    sends = list(follow_findings(fact_of(published, occurred_at=NOW)))
    assert sends == [Send(corrective_actions, ACTION, OpenCorrectiveAction(**ASKED))]


def test_an_action_is_overdue_the_instant_after_its_last_day_unless_it_was_closed() -> None:
    due_at = datetime(2026, 3, 10, 8, tzinfo=UTC)
    opened = CorrectiveActionOpened(**ASKED, opened_on=date(2026, 3, 2), due_at=due_at)
    timers = list(watch_the_clock(fact_of(opened, occurred_at=NOW)))
    assert timers == [SetTimer(str(ACTION), due_at, Send(corrective_actions, ACTION, BecomeOverdue()))]
    named = {name: ASKED[name] for name in CorrectiveActionVerified.model_fields if name in ASKED}
    verified = CorrectiveActionVerified(**named, verified_on=date(2026, 3, 4), late=False)
    waived = CorrectiveActionWaived(action_id=ACTION, reason="r", waived_on=date(2026, 3, 4))
    for end in (verified, waived):
        assert list(watch_the_clock(fact_of(end, occurred_at=NOW))) == [CancelTimer(str(ACTION))]
