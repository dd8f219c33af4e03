from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from events import Event
from events.training import ConductBreached, Sanction
from pydantic import ValidationError
from training.domain.conduct_breach import conduct_breaches
from training.domain.conduct_code import (
    CodeTerms,
    ConductCodeDraftDiscarded,
    ConductCodeDrafted,
    ConductCodePublished,
    ConductContent,
    ConductRule,
    DraftConductCode,
    conduct_codes,
)
from training.domain.conduct_events import (
    AnswerBreach,
    BreachAnswered,
    BreachContent,
    BreachDismissed,
    BreachReported,
    DecideBreach,
    DismissBreach,
    ReportBreach,
    SanctionProposed,
    SanctionReasoned,
)
from training.domain.conduct_record import ConductWeighed, WeighConduct, conduct_records

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = date(2026, 3, 2)
LATER = datetime(2026, 3, 10, 12, tzinfo=UTC)
RULE = ConductRule(
    code="prices", title="Prices as agreed", text="Nobody charges more.", severity="serious",
    ladder=("warning", "final_warning", "referral"),
)  # fmt: skip
CONTENT = ConductContent(title="Conduct", document="dam://conduct", rules=(RULE,))
TERMS = CodeTerms("general", 2, CONTENT)
BREACH, PARTNER = UUID(int=1), UUID(int=2)
SAID = BreachContent(
    partner_id=PARTNER, conduct_code="general", rule="prices", happened_on=date(2026, 3, 1), account="Two dollars more."
)


# -- the code


def test_a_code_is_drafted_published_and_a_draft_discarded() -> None:
    drafted = ConductCodeDrafted(code="general", content=CONTENT)
    published = ConductCodePublished(code="general", version=1, content=CONTENT, published_on=TODAY)
    draft = DraftConductCode(code="general", content=CONTENT)
    scenario(conduct_codes, when=draft, at=NOW, then=drafted)
    scenario(conduct_codes, given=[drafted], when=draft, at=NOW, then=[])
    scenario(conduct_codes, given=[drafted], when=Publish(), at=NOW, then=published)
    assert conduct_codes.fold([drafted]).terms is None
    assert conduct_codes.fold([drafted, published]).terms == CodeTerms("general", 1, CONTENT)
    discarded = ConductCodeDraftDiscarded(code="general")
    scenario(conduct_codes, given=[drafted], when=DiscardDraft(), at=NOW, then=discarded)
    scenario(conduct_codes, given=[drafted, published], when=DiscardDraft(), at=NOW, then=[])
    none = Rejected("training.nothing_drafted", version=1)
    scenario(conduct_codes, given=[drafted, published], when=Publish(), at=NOW, then=none)
    for command in (Publish(), DiscardDraft()):
        scenario(conduct_codes, when=command, at=NOW, then=Unknown("training.conduct_code_unknown"))


def test_a_ladder_has_a_step_for_every_repetition() -> None:
    assert [RULE.expected(n) for n in (1, 2, 3, 4, 9)] == ["warning", "final_warning", *["referral"] * 3]
    with pytest.raises(ValidationError):
        ConductContent(title="Conduct", document="dam://conduct", rules=(RULE, RULE))
    with pytest.raises(ValidationError):
        ConductRule(code="a", title="A", text="A.", severity="minor", ladder=())


# -- a breach


def report(**changes: Any) -> ReportBreach:
    said: dict[str, Any] = {
        "breach_id": BREACH, "content": SAID, "terms": TERMS, "partner_known": True, "by": ("ana",),
    }  # fmt: skip
    return ReportBreach(**{**said, **changes})


REPORTED = BreachReported(
    breach_id=BREACH, partner_id=PARTNER, outlet_id=None, conduct_code="general", code_version=2, rule=RULE,
    happened_on=date(2026, 3, 1), account="Two dollars more.", evidence=(), reported_on=TODAY,
    answer_until=date(2026, 3, 9), time_zone="UTC", by=("ana",),
)  # fmt: skip
ANSWERED = BreachAnswered(breach_id=BREACH, account="A mistake of the till.", answered_on=TODAY)


def judge(sanction: Sanction | None = None, by: tuple[str, ...] = ("ben",), before: int = 0) -> DecideBreach:
    return DecideBreach(sanction=sanction, reason="The receipts show it.", by=by, before=before)


def decided(sanction: Sanction, repetition: int = 1, departs: bool = False, on: date = TODAY) -> ConductBreached:
    return ConductBreached(
        breach_id=BREACH, partner_id=PARTNER, outlet_id=None, conduct_code="general", code_version=2, rule="prices",
        severity="serious", repetition=repetition, sanction=sanction, departs=departs, happened_on=date(2026, 3, 1),
        decided_on=on,
    )  # fmt: skip


def reasoned(expected: Sanction, by: str = "ben") -> SanctionReasoned:
    return SanctionReasoned(breach_id=BREACH, reason="The receipts show it.", expected=expected, by=(by,))


def test_a_breach_is_reported_against_a_rule_of_the_code_as_it_is_now() -> None:
    scenario(conduct_breaches, when=report(), at=NOW, then=REPORTED)
    scenario(conduct_breaches, given=[REPORTED], when=report(), at=NOW, then=[])
    other = report(content=SAID.model_copy(update={"account": "Three."}))
    differs = Rejected("training.breach_differs", breach_id=BREACH)
    scenario(conduct_breaches, given=[REPORTED], when=other, at=NOW, then=differs)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"partner_known": False}, Unknown("training.partner_unknown", partner_id=PARTNER)),
        ({"terms": None}, Rejected("training.conduct_code_not_in_use", conduct_code="general")),
        (
            {"content": SAID.model_copy(update={"rule": "logo"})},
            Unknown("training.rule_unknown", rule="logo", rules=["prices"]),
        ),
        (
            {"content": SAID.model_copy(update={"happened_on": date(2026, 3, 3)})},
            Rejected("training.happened_in_the_future", today=TODAY, time_zone="UTC"),
        ),
    ],
    ids=["no-partner", "no-code", "no-rule", "not-yet"],
)
def test_what_cannot_be_judged_is_not_taken(changes: dict[str, Any], refusal: Rejected) -> None:
    scenario(conduct_breaches, when=report(**changes), at=NOW, then=refusal)


def test_nothing_is_decided_before_the_partner_has_answered_or_its_time_to_is_over() -> None:
    hearing = Rejected("training.hearing_open", answer_until=date(2026, 3, 9))
    scenario(conduct_breaches, given=[REPORTED], when=judge(), at=NOW, then=hearing)
    answer = AnswerBreach(account="A mistake of the till.")
    scenario(conduct_breaches, given=[REPORTED], when=answer, at=NOW, then=ANSWERED)
    scenario(conduct_breaches, given=[REPORTED, ANSWERED], when=answer, at=NOW, then=[])
    then = [decided("warning"), reasoned("warning")]
    scenario(conduct_breaches, given=[REPORTED, ANSWERED], when=judge(), at=NOW, then=then)
    then = [decided("warning", on=date(2026, 3, 10)), reasoned("warning")]
    scenario(conduct_breaches, given=[REPORTED], when=judge(), at=LATER, then=then)


@pytest.mark.parametrize(
    ("before", "sanction"), [(0, "warning"), (1, "final_warning"), (2, "referral"), (5, "referral")]
)
def test_the_same_breach_leads_to_the_codes_sanction_for_its_repetition(before: int, sanction: Sanction) -> None:
    then = [decided(sanction, before + 1), reasoned(sanction)]
    scenario(conduct_breaches, given=[REPORTED, ANSWERED], when=judge(before=before), at=NOW, then=then)


def test_who_reported_it_does_not_decide_on_it() -> None:
    refusal = Rejected("training.second_person_needed", reported_by=["ana"])
    scenario(conduct_breaches, given=[REPORTED, ANSWERED], when=judge(by=("ana",)), at=NOW, then=refusal)


def test_another_sanction_than_the_code_has_takes_a_second_person_and_shows() -> None:
    given: list[Event] = [REPORTED, ANSWERED]
    proposed = SanctionProposed(breach_id=BREACH, sanction="penalty", reason="The receipts show it.", by=("ben",))
    scenario(conduct_breaches, given=given, when=judge("penalty"), at=NOW, then=proposed)
    given.append(proposed)
    again = Rejected("training.second_person_needed", proposed_by=["ben"])
    scenario(conduct_breaches, given=given, when=judge("penalty"), at=NOW, then=again)
    then = [decided("penalty", departs=True), reasoned("warning", "eva")]
    scenario(conduct_breaches, given=given, when=judge("penalty", by=("eva",)), at=NOW, then=then)
    milder = SanctionProposed(breach_id=BREACH, sanction="reminder", reason="The receipts show it.", by=("eva",))
    scenario(conduct_breaches, given=given, when=judge("reminder", by=("eva",)), at=NOW, then=milder)
    # What the code has anyhow waits for nobody.
    then = [decided("warning"), reasoned("warning", "eva")]
    scenario(conduct_breaches, given=given, when=judge("warning", by=("eva",)), at=NOW, then=then)


def test_a_breach_is_decided_on_once() -> None:
    given = [REPORTED, ANSWERED, decided("warning"), reasoned("warning")]
    scenario(conduct_breaches, given=given, when=judge(), at=NOW, then=[])
    closed = Rejected("training.breach_closed", standing="decided")
    for command in (judge("penalty"), AnswerBreach(account="Too late."), DismissBreach(reason="None.")):
        scenario(conduct_breaches, given=given, when=command, at=NOW, then=closed)
    dismissed = BreachDismissed(breach_id=BREACH, reason="None.", dismissed_on=TODAY)
    scenario(conduct_breaches, given=[REPORTED], when=DismissBreach(reason="None."), at=NOW, then=dismissed)
    scenario(conduct_breaches, given=[REPORTED, dismissed], when=DismissBreach(reason="None."), at=NOW, then=[])
    over = Rejected("training.breach_closed", standing="dismissed")
    scenario(conduct_breaches, given=[REPORTED, dismissed], when=judge(), at=LATER, then=over)
    unknown = Unknown("training.conduct_breach_unknown")
    scenario(conduct_breaches, when=judge(), at=LATER + timedelta(days=1), then=unknown)


def test_decisions_on_a_partner_are_taken_one_after_the_other_each_with_those_before_in_view() -> None:
    partner, one, two = UUID(int=1), UUID(int=2), UUID(int=3)
    first = ConductWeighed(partner_id=partner, breach_id=one, number=1)
    weigh = WeighConduct(partner_id=partner, breach_id=one, after=0)
    scenario(conduct_records, when=weigh, at=NOW, then=first)
    late = WeighConduct(partner_id=partner, breach_id=two, after=0)
    hint = "another decision came in between: look again"
    scenario(
        conduct_records, given=[first], when=late, at=NOW, then=Rejected("training.another_breach_decided", hint=hint)
    )
    again = WeighConduct(partner_id=partner, breach_id=two, after=1)
    second = ConductWeighed(partner_id=partner, breach_id=two, number=2)
    scenario(conduct_records, given=[first], when=again, at=NOW, then=second)
