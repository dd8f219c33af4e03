from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events import Event
from events.training import FieldAuditPublished, Finding
from pydantic import ValidationError
from training.domain.action_events import action_id
from training.domain.audit_answers import Answer
from training.domain.audit_events import (
    AuditContent,
    AuditRevision,
    FieldAuditRecorded,
    FieldAuditReturned,
    PublishAudit,
    RecordAudit,
    ReturnAudit,
    ReviseAudit,
    audit_id,
)
from training.domain.field_audit import field_audits, shown_to
from training.domain.template_content import Content, Item, Section, TemplateTerms

PARTNER, OUTLET = (UUID(int=n) for n in (1, 2))
ID = audit_id("auditor-app", "17")
ALASKA = "America/Anchorage"
EVENING = datetime(2026, 3, 3, 6, tzinfo=UTC)  # still the 2nd in Alaska
ON = date(2026, 3, 2)
CONTENT = Content(
    title="Food safety",
    sections=(
        Section(
            "hygiene",
            "Hygiene",
            (
                Item("cold", "Cold food at 5 degrees or less", Decimal(3), True, 7, "cook"),
                Item("floors", "Floors are clean", Decimal(1), False, None, "manager"),
            ),
        ),
        Section("brand", "Brand", (Item("signs", "Signs as agreed", Decimal(1), False, 30, "manager"),)),
    ),
    pass_mark=Decimal(80),
    critical_cap=None,
    metric="audit_score",
    metric_period="month",
    time_zone=ALASKA,
)
TERMS = TemplateTerms("food-safety", 3, CONTENT)
ALL_MET = (
    Answer(item="cold", rating=Decimal(100)),
    Answer(item="floors", rating=Decimal(100)),
    Answer(item="signs", rating=None),
)
SOME_MISSED = (
    Answer(item="cold", rating=Decimal(50), note="8 degrees", evidence=("photo-1",)),
    Answer(item="floors", rating=Decimal(80)),
    Answer(item="signs", rating=None),
)


def content(**changed: Any) -> AuditContent:
    kept = {"source": "auditor-app", "source_ref": "17", "partner_id": PARTNER, "outlet_id": OUTLET}
    seen = {"template": "food-safety", "audited_on": ON, "answers": SOME_MISSED}
    return AuditContent.model_validate(kept | seen | changed)


def record(*, terms: TemplateTerms | None = TERMS, known: bool = True, by: str = "ana", **changed: Any) -> RecordAudit:
    return RecordAudit(audit_id=ID, content=content(**changed), terms=terms, partner_known=known, by=(by,))


def recorded(**changed: Any) -> FieldAuditRecorded:
    [event] = field_audits.decide(record(**changed), field_audits.initial(), EVENING)
    assert isinstance(event, FieldAuditRecorded)
    return event


RECORDED = recorded()
RETURNED = FieldAuditReturned(audit_id=ID, reason="The photograph shows another fridge.")
FINDINGS = (
    Finding(
        item="cold",
        section="hygiene",
        title="Cold food at 5 degrees or less",
        critical=True,
        rating=Decimal(50),
        owner="cook",
        action_id=action_id(ID, "cold"),
        due_on=date(2026, 3, 9),
    ),
    Finding(
        item="floors",
        section="hygiene",
        title="Floors are clean",
        critical=False,
        rating=Decimal(80),
        owner="manager",
        action_id=None,
        due_on=None,
    ),
)
PUBLISHED = FieldAuditPublished(
    audit_id=ID,
    partner_id=PARTNER,
    outlet_id=OUTLET,
    template="food-safety",
    template_version=3,
    audited_on=ON,
    total=RECORDED.total,
    passed=False,
    critical_missed=("cold",),
    sections=RECORDED.sections,
    findings=FINDINGS,
    metric="audit_score",
    metric_period="month",
    time_zone=ALASKA,
)
BEN = PublishAudit(by=("ben",))
DONE: list[Event] = [RECORDED, PUBLISHED]


# -- recorded


def test_an_audit_is_scored_by_the_version_it_was_made_with_and_keeps_what_was_asked() -> None:
    assert (RECORDED.template_version, RECORDED.total, RECORDED.passed) == (3, Decimal("57.50"), False)
    assert [(a.section, a.item, a.weight, a.rating) for a in RECORDED.answers] == [
        ("hygiene", "cold", Decimal(3), Decimal(50)),
        ("hygiene", "floors", Decimal(1), Decimal(80)),
        ("brand", "signs", Decimal(1), None),
    ]
    assert (RECORDED.answers[0].note, RECORDED.answers[0].evidence) == ("8 degrees", ("photo-1",))
    scenario(field_audits, given=[], when=record(), at=EVENING, then=RECORDED)


def test_the_same_audit_again_changes_nothing_in_whichever_order_its_answers_come() -> None:
    backwards = record(answers=tuple(reversed(SOME_MISSED)))
    for given in ([RECORDED], [RECORDED, RETURNED], DONE):
        scenario(field_audits, given=given, when=backwards, at=EVENING, then=[])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"partner_id": UUID(int=9)}, "partner_id"),
        ({"outlet_id": None}, "outlet_id"),
        ({"template": "brand"}, "template"),
        ({"audited_on": date(2026, 3, 1)}, "audited_on"),
        ({"answers": ALL_MET}, "answers"),
    ],
    ids=["partner", "outlet", "template", "day", "answers"],
)
def test_another_audit_under_the_same_key_is_refused_with_the_field_that_differs(
    changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Rejected) as refused:
        field_audits.decide(record(**changed), field_audits.fold([RECORDED]), EVENING)
    assert (refused.value.code, refused.value.details["field"]) == ("training.audit_differs", field)


def test_what_is_not_known_is_not_audited() -> None:
    refusal = Unknown("training.partner_unknown", partner_id=PARTNER)
    scenario(field_audits, given=[], when=record(known=False), at=EVENING, then=refusal)
    refusal = Rejected("training.template_not_in_use", template="food-safety")
    scenario(field_audits, given=[], when=record(terms=None), at=EVENING, then=refusal)


def test_nobody_was_there_tomorrow_as_days_are_counted_where_the_template_says() -> None:
    refusal = Rejected("training.audited_in_the_future", today=ON, time_zone=ALASKA)
    scenario(field_audits, given=[], when=record(audited_on=date(2026, 3, 3)), at=EVENING, then=refusal)


def test_answers_that_do_not_fit_the_template_are_named() -> None:
    refusal = Rejected("training.answers_do_not_fit_template", missing=["signs"], unknown=[])
    scenario(field_audits, given=[], when=record(answers=SOME_MISSED[:2]), at=EVENING, then=refusal)
    refusal = Rejected("training.answered_twice", items=["cold"])
    scenario(field_audits, given=[], when=record(answers=(*SOME_MISSED, SOME_MISSED[0])), at=EVENING, then=refusal)


@pytest.mark.parametrize("lacking", ["source", "source_ref"])
def test_a_key_is_given_whole_or_not_at_all(lacking: str) -> None:
    with pytest.raises(ValidationError, match="go together"):
        content(**{lacking: None})
    without = content(source=None, source_ref=None)
    assert (content().id(UUID(int=7)), without.id(UUID(int=7))) == (ID, UUID(int=7))


# -- approved, by somebody else


def test_publication_says_what_was_missed_and_counts_the_days_from_then() -> None:
    scenario(field_audits, given=[RECORDED], when=BEN, at=EVENING, then=PUBLISHED)
    scenario(field_audits, given=DONE, when=BEN, at=EVENING, then=[])


def test_who_recorded_it_does_not_approve_it_not_even_in_anothers_name() -> None:
    refusal = Rejected("training.second_person_needed", recorded_by=["ana"])
    for by in (("ana",), ("ben", "ana")):
        scenario(field_audits, given=[RECORDED], when=PublishAudit(by=by), at=EVENING, then=refusal)


def test_an_audit_that_feeds_no_metric_says_of_no_period() -> None:
    quiet = TemplateTerms("food-safety", 3, Content(**(vars(CONTENT) | {"metric": None})))
    then = PUBLISHED.model_copy(update={"metric": None, "metric_period": None})
    scenario(field_audits, given=[recorded(terms=quiet)], when=BEN, at=EVENING, then=then)


def test_it_is_nobodys_to_see_before_it_is_published_and_the_partners_after() -> None:
    for before in ([], [RECORDED], [RECORDED, RETURNED]):
        assert shown_to(field_audits.fold(before)) is None
    assert shown_to(field_audits.fold(DONE)) == PARTNER


# -- returned and revised


def revise(*answers: Answer, by: str = "ana") -> ReviseAudit:
    return ReviseAudit(revision=AuditRevision(audited_on=ON, answers=answers), terms=TERMS, by=(by,))


def test_a_returned_audit_is_not_approved_until_it_was_revised() -> None:
    scenario(field_audits, given=[RECORDED], when=ReturnAudit(reason=RETURNED.reason), at=EVENING, then=RETURNED)
    refusal = Rejected("training.audit_returned", reason=RETURNED.reason)
    scenario(field_audits, given=[RECORDED, RETURNED], when=BEN, at=EVENING, then=refusal)
    again = recorded(answers=ALL_MET)
    scenario(field_audits, given=[RECORDED, RETURNED], when=revise(*ALL_MET), at=EVENING, then=again)
    assert again.passed
    scenario(field_audits, given=[RECORDED, RETURNED, again], when=revise(*ALL_MET), at=EVENING, then=[])


def test_who_revised_it_is_who_stands_behind_it() -> None:
    by_ben = recorded(answers=ALL_MET, by="ben")
    scenario(field_audits, given=[RECORDED, RETURNED], when=revise(*ALL_MET, by="ben"), at=EVENING, then=by_ben)
    refusal = Rejected("training.second_person_needed", recorded_by=["ben"])
    scenario(field_audits, given=[RECORDED, RETURNED, by_ben], when=BEN, at=EVENING, then=refusal)


def test_what_waits_for_approval_or_is_published_is_not_revised() -> None:
    refusal = Rejected("training.audit_not_returned")
    scenario(field_audits, given=[RECORDED], when=revise(*ALL_MET), at=EVENING, then=refusal)
    refusal = Rejected("training.audit_published")
    scenario(field_audits, given=DONE, when=revise(*ALL_MET), at=EVENING, then=refusal)


def test_returning_twice_changes_nothing_and_for_another_reason_is_refused() -> None:
    given = [RECORDED, RETURNED]
    scenario(field_audits, given=given, when=ReturnAudit(reason=RETURNED.reason), at=EVENING, then=[])
    refusal = Rejected("training.audit_returned", reason=RETURNED.reason)
    scenario(field_audits, given=given, when=ReturnAudit(reason="Late."), at=EVENING, then=refusal)
    refusal = Rejected("training.audit_published")
    scenario(field_audits, given=DONE, when=ReturnAudit(reason="Late."), at=EVENING, then=refusal)


@pytest.mark.parametrize(
    "command", [BEN, ReturnAudit(reason="x"), revise(*ALL_MET)], ids=["publish", "return", "revise"]
)
def test_there_is_nothing_to_do_with_an_audit_that_nobody_recorded(command: Any) -> None:
    scenario(field_audits, given=[], when=command, at=EVENING, then=Unknown("training.field_audit_unknown"))
