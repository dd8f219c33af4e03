from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import CancelTimer, Send, SetTimer
from engine.testing import fact_of
from events.contract import ContractInForce, PartnerSigned
from events.training import CorrectiveActionVerified, FieldAuditPublished, Finding, ManualAcknowledged
from training.domain.acknowledgement import (
    AcknowledgementAsked,
    AcknowledgementWithdrawn,
    AskAcknowledgement,
    CallAcknowledgementOverdue,
    WithdrawRequest,
    acknowledgement_id,
    acknowledgements,
)
from training.domain.action_events import (
    BecomeOverdue,
    CorrectiveActionOpened,
    CorrectiveActionWaived,
    OpenCorrectiveAction,
)
from training.domain.coaching_events import AgreedActionFollowedUp, CallActionOverdue, CoachingHeld, Followed, Guidance
from training.domain.coaching_visit import coaching_visits
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
from training.domain.manual import (
    ManualContent,
    ManualPublished,
    ManualRetired,
    ManualSent,
    RequestsWithdrawn,
    SendManual,
    WithdrawRequests,
    manual_id,
    manuals,
)
from training.domain.support_plan import CallPlanOverrun, SupportPlanClosed, SupportPlanOpened, support_plans
from training.policies import (
    POLICIES,
    Joining,
    PublishedManual,
    Readers,
    Unread,
    expire_certificates,
    follow_findings,
    launch_courses,
    readers,
    support,
    watch_the_clock,
    welcome,
    what_joining_takes,
    whom_it_concerns,
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
    sends = list(welcome(fact_of(SIGNED, occurred_at=NOW), Joining([HYGIENE, SAFETY])))
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


MANUAL = PublishedManual(
    "operations",
    2,
    ManualContent(
        title="Operations",
        document="dam://operations",
        summary="New.",
        kinds=("franchisee",),
        acknowledge_within_days=10,
        time_zone="UTC",
    ),
)


def asks(partner_id: UUID) -> Send:
    return Send(
        acknowledgements,
        acknowledgement_id(partner_id, "operations"),
        AskAcknowledgement(
            partner_id=partner_id,
            manual="operations",
            version=2,
            title="Operations",
            document="dam://operations",
            within_days=10,
            time_zone="UTC",
        ),
    )


def test_a_partner_who_signs_is_asked_to_acknowledge_the_manuals_of_its_kind() -> None:
    assert list(welcome(fact_of(SIGNED, occurred_at=NOW), Joining((), [MANUAL]))) == [asks(PARTNER)]


# -- manuals, coaching, support plans

PUBLISHED = ManualPublished(code="operations", version=2, content=MANUAL.content, published_on=date(2000, 3, 1))


def test_a_published_manual_goes_to_a_page_of_partners_and_says_how_far_it_came() -> None:
    page = Readers(MANUAL, [UUID(int=1), UUID(int=2)])
    sends = list(support(fact_of(PUBLISHED, occurred_at=NOW), page))
    further = Send(manuals, manual_id("operations"), SendManual(version=2, through=UUID(int=2)))
    assert sends == [asks(UUID(int=1)), asks(UUID(int=2)), further]
    sent = ManualSent(code="operations", version=2, through=UUID(int=2))
    assert list(support(fact_of(sent, occurred_at=NOW), Readers(MANUAL, []))) == [], "so it ends by itself"


async def test_who_is_next_is_looked_up_for_a_publication_and_its_pages_only() -> None:
    rows = Rows({"partner_id": PARTNER})
    assert await readers(rows, fact_of(PUBLISHED, occurred_at=NOW)) == Readers(MANUAL, [PARTNER])
    assert "not ended" in rows.asked
    elsewhere = Rows()
    retired = ManualRetired(code="operations")
    assert (await readers(elsewhere, fact_of(retired, occurred_at=NOW)), elsewhere.asked) == (None, "")


def asked(id: UUID) -> AcknowledgementAsked:
    day = date(2000, 3, 1)
    return AcknowledgementAsked(
        acknowledgement_id=id, partner_id=PARTNER, manual="operations", version=2, title="O", document="d",
        asked_on=day, due_on=day, due_at=NOW, time_zone="UTC",
    )  # fmt: skip


def test_requests_for_a_retired_manual_are_withdrawn_a_page_at_a_time() -> None:
    one, two = UUID(int=1), UUID(int=2)
    retired = fact_of(ManualRetired(code="operations"), occurred_at=NOW)
    sends = list(support(retired, Unread("operations", [one, two], two)))
    withdrawn = [Send(acknowledgements, id, WithdrawRequest()) for id in (one, two)]
    assert sends == [*withdrawn, Send(manuals, manual_id("operations"), WithdrawRequests(through=two))]
    further = fact_of(RequestsWithdrawn(code="operations", through=two), occurred_at=NOW)
    assert list(support(further, Unread("operations", []))) == [], "so it ends by itself"


async def test_open_requests_are_looked_up_for_a_retirement_and_its_pages() -> None:
    rows = Rows({"acknowledgement_id": UUID(int=1)})
    for event in (ManualRetired(code="operations"), RequestsWithdrawn(code="operations", through=UUID(int=9))):
        found = await whom_it_concerns(rows, fact_of(event, occurred_at=NOW))
        assert found == Unread("operations", [UUID(int=1)], UUID(int=1))


def test_who_was_asked_by_somebody_that_had_not_heard_of_the_retirement_is_asked_no_more() -> None:
    id = UUID(int=7)
    late = list(support(fact_of(asked(id), occurred_at=NOW), Unread("operations", [id])))
    assert late[1:] == [Send(acknowledgements, id, WithdrawRequest())], "and no page of others is passed over by it"


def test_what_is_asked_for_agreed_on_or_planned_has_its_day() -> None:
    id, at, day = UUID(int=7), NOW, date(2000, 3, 1)
    action = Followed(1, "Buy a thermometer", "partner", "manager", day, at)
    guidance = (Guidance(topic="cold", note="n"),)
    held = CoachingHeld(visit_id=id, partner_id=PARTNER, held_on=day, guidance=guidance, actions=(action,))
    opened = SupportPlanOpened(
        plan_id=id, partner_id=PARTNER, title="T", needs=("n",), visits_wanted=1, starts_on=day, ends_on=day,
        ends_at=at, time_zone="UTC",
    )  # fmt: skip
    late = Send(acknowledgements, id, CallAcknowledgementOverdue(version=2))
    undone = Send(coaching_visits, id, CallActionOverdue(number=1))
    for event, timer in (
        (asked(id), SetTimer(str(id), at, late)),
        (held, SetTimer(f"{id}/1", at, undone)),
        (opened, SetTimer(str(id), at, Send(support_plans, id, CallPlanOverrun()))),
    ):
        assert list(support(fact_of(event, occurred_at=NOW), None)) == [timer]
    named = {"acknowledgement_id": id, "partner_id": PARTNER, "manual": "operations", "version": 2, "document": "d"}
    done = ManualAcknowledged.model_validate({**named, "due_on": day, "acknowledged_on": day, "late": False})
    followed = AgreedActionFollowedUp(visit_id=id, number=1, outcome="done", note="n", followed_up_on=day, late=False)
    closed = SupportPlanClosed(plan_id=id, result="met", summary="s", closed_on=day)
    withdrawn = AcknowledgementWithdrawn(acknowledgement_id=id, partner_id=PARTNER, manual="operations", version=2)
    for end, key in ((done, str(id)), (withdrawn, str(id)), (followed, f"{id}/1"), (closed, str(id))):
        assert list(support(fact_of(end, occurred_at=NOW), None)) == [CancelTimer(key)]


def test_other_facts_of_contracts_assign_nothing() -> None:
    in_force = fact_of(ContractInForce(contract_id=CONTRACT, partner_id=PARTNER), occurred_at=NOW)
    assert list(welcome(in_force, Joining([HYGIENE], [MANUAL]))) == []


async def test_the_courses_are_looked_up_for_a_signature_only() -> None:
    rows = Rows({**vars(HYGIENE), "modules": b"[]", "required_of": []})
    in_force = fact_of(ContractInForce(contract_id=CONTRACT, partner_id=PARTNER), occurred_at=NOW)
    assert (await what_joining_takes(rows, in_force), rows.asked) == (Joining(), "")
    assert await launch_courses(rows, PARTNER) == (HYGIENE,)
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
    own = dict.fromkeys(("expiry", "findings", "due", "support"), "training")
    assert heard == {"assignment": "contract", **own}


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
