from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from contract.domain.calendar import counts
from contract.domain.jurisdiction import (
    DraftDiscarded,
    DraftRules,
    RulesDrafted,
    RulesPublished,
    jurisdiction_id,
    jurisdictions,
)
from contract.domain.rules import DisclosureRule, Rules, RulesContent
from contract.domain.shipped import CHINA, MEXICO, SHIPPED, SPAIN, UNITED_STATES
from engine import Rejected, Unknown
from engine.drafts import DiscardDraft, Publish
from engine.testing import scenario
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
DISCLOSING = st.sampled_from([rules for rules in SHIPPED.values() if rules.disclosure is not None])


def days_between(delivered: date, signing: date) -> list[date]:
    return [delivered + timedelta(days=n) for n in range(1, (signing - delivered).days)]


# -- the clock of disclosure


@pytest.mark.parametrize(
    ("code", "opens"),
    [("US", date(2026, 1, 16)), ("ES", date(2026, 1, 22)), ("CN", date(2026, 2, 1)), ("NONE", date(2026, 1, 1))],
)
def test_a_document_delivered_on_new_year_opens_signing_after_the_whole_period(code: str, opens: date) -> None:
    assert SHIPPED[code].signing_opens(date(2026, 1, 1)) == opens


def test_in_the_united_states_signing_opens_on_the_fifteenth_day_after_delivery_in_each_state() -> None:
    american = [rules for rules in SHIPPED.values() if rules.code.startswith("US")]
    assert len(american) == 1 + 50 + 1 + 5
    assert {rules.signing_opens(date(2024, 2, 20)) for rules in american} == {date(2024, 3, 6)}


def test_in_mexico_only_business_days_count() -> None:
    # 9-12, 15-19, 22-24, 26 and 29-31 December are sixteen; 2, 5-9, 12-16 and 19-21 January the other fourteen.
    assert SHIPPED["MX"].signing_opens(date(2025, 12, 8)) == date(2026, 1, 22)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 1, 1),
        date(2026, 2, 2),
        date(2026, 3, 16),
        date(2026, 5, 1),
        date(2026, 9, 16),
        date(2026, 11, 16),
        date(2026, 12, 25),
        date(2024, 10, 1),
        date(2018, 12, 1),
        date(2001, 2, 5),
        date(2001, 3, 21),
        date(2001, 11, 20),
        date(2026, 6, 6),
        date(2026, 6, 7),
    ],
    ids=str,
)
def test_mexico_rests_on_weekends_and_on_the_days_that_its_labour_law_names(day: date) -> None:
    """Ley Federal del Trabajo, art. 74, as amended in 2006 and 2024."""
    assert not counts(day, "business_days", "MX")
    assert counts(day, "calendar_days", None)


@pytest.mark.parametrize("day", [date(2026, 2, 5), date(2001, 2, 6), date(2026, 10, 1), date(2026, 6, 8)], ids=str)
def test_mexico_works_on_other_days(day: date) -> None:
    assert counts(day, "business_days", "MX")


@given(DISCLOSING, DAYS)
def test_the_days_that_the_law_asks_for_lie_between_delivery_and_signing_and_not_one_more(
    rules: Rules, delivered: date
) -> None:
    rule = rules.disclosure
    assert rule is not None
    opens = rules.signing_opens(delivered)
    counted = [day for day in days_between(delivered, opens) if counts(day, rule.counting, rule.country)]
    assert len(counted) == rule.days
    assert counted[-1] == opens - timedelta(days=1), "signing opens on the day after the last that counts"


@given(DISCLOSING, DAYS, st.integers(1, 400))
def test_a_later_delivery_never_opens_signing_earlier(rules: Rules, delivered: date, later: int) -> None:
    assert rules.signing_opens(delivered) <= rules.signing_opens(delivered + timedelta(days=later))


@given(st.sampled_from(list(SHIPPED.values())), DAYS)
def test_a_legal_day_begins_at_its_first_instant_on_the_clocks_of_the_place(rules: Rules, day: date) -> None:
    start = rules.start_of(day)
    assert start.tzinfo is UTC
    assert rules.day(start) == day
    assert rules.day(start - timedelta(microseconds=1)) == day - timedelta(days=1)
    assert rules.end_of(day) == rules.start_of(day + timedelta(days=1))


def test_the_same_instant_is_two_legal_days_in_alaska_and_in_china() -> None:
    now = datetime(2026, 1, 1, 23, tzinfo=ZoneInfo("America/Anchorage"))
    assert (SHIPPED["US-AK"].day(now), SHIPPED["CN"].day(now)) == (date(2026, 1, 1), date(2026, 1, 2))


def test_each_law_is_cited() -> None:
    assert [SHIPPED[code].citation for code in ("US", "ES", "MX", "CN")] == [
        law.citation for law in (UNITED_STATES, SPAIN, MEXICO, CHINA)
    ]
    assert SHIPPED["NONE"].citation == "no franchise disclosure law"
    assert UNITED_STATES.citation == "16 CFR 436.2(a)"
    assert all(ground.citation for rules in SHIPPED.values() for ground in rules.grounds)


# -- rules, drafted and published


STRICTER = RulesContent(time_zone="Europe/Madrid", disclosure=DisclosureRule(days=30, citation="Ley nueva, art. 1"))
DRAFTED = RulesDrafted(code="ES", content=STRICTER)
FIRST = Rules(code="ES", version=1, time_zone=STRICTER.time_zone, disclosure=STRICTER.disclosure)
PUBLISHED = RulesPublished(code="ES", rules=FIRST)


def test_rules_are_drafted_and_then_published_as_a_version_of_their_own() -> None:
    scenario(jurisdictions, when=DraftRules(code="ES", content=STRICTER), at=NOW, then=DRAFTED)
    scenario(jurisdictions, given=[DRAFTED], when=DraftRules(code="ES", content=STRICTER), at=NOW, then=[])
    scenario(jurisdictions, given=[DRAFTED], when=Publish(), at=NOW, then=PUBLISHED)
    assert jurisdictions.fold([DRAFTED]).rules == SHIPPED["ES"], "a draft is no law"
    assert jurisdictions.fold([DRAFTED, PUBLISHED]).rules == FIRST


def test_every_publication_has_a_higher_version() -> None:
    looser = STRICTER.model_copy(update={"disclosure": SPAIN})
    second = FIRST.model_copy(update={"version": 2, "disclosure": SPAIN})
    given = [DRAFTED, PUBLISHED, RulesDrafted(code="ES", content=looser)]
    scenario(jurisdictions, given=given, when=Publish(), at=NOW, then=RulesPublished(code="ES", rules=second))


def test_a_place_that_nothing_was_shipped_for_gets_its_rules_by_publication() -> None:
    content = RulesContent(time_zone="America/Sao_Paulo", disclosure=DisclosureRule(days=10, citation="Lei 13.966"))
    first = Rules(code="BR", version=1, time_zone=content.time_zone, disclosure=content.disclosure)
    drafted = RulesDrafted(code="BR", content=content)
    scenario(jurisdictions, given=[drafted], when=Publish(), at=NOW, then=RulesPublished(code="BR", rules=first))


def test_what_is_not_drafted_or_changes_nothing_is_not_published() -> None:
    nothing = Rejected("contract.nothing_drafted", jurisdiction="ES")
    scenario(jurisdictions, given=[DRAFTED, PUBLISHED], when=Publish(), at=NOW, then=nothing)
    same = Rejected("contract.draft_changes_nothing", jurisdiction="ES", rules_version=1)
    scenario(jurisdictions, given=[DRAFTED, PUBLISHED, DRAFTED], when=Publish(), at=NOW, then=same)
    scenario(jurisdictions, when=Publish(), at=NOW, then=Unknown("contract.jurisdiction_unknown"))


def test_a_draft_may_be_discarded() -> None:
    discarded = DraftDiscarded(code="ES")
    scenario(jurisdictions, given=[DRAFTED], when=DiscardDraft(), at=NOW, then=discarded)
    scenario(jurisdictions, given=[DRAFTED, discarded], when=DiscardDraft(), at=NOW, then=[])


def test_each_jurisdiction_is_a_stream_of_its_own() -> None:
    assert jurisdiction_id("ES") == jurisdiction_id("ES") != jurisdiction_id("MX")


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Spain"},
        {"time_zone": "UTC", "disclosure": {"days": 0, "citation": "x"}},
        {"time_zone": "UTC", "disclosure": {"days": 10, "citation": " "}},
        {"time_zone": "UTC", "disclosure": {"days": 10, "citation": "x", "country": "XX"}},
        {"time_zone": "UTC", "grounds": [{"ground": "Non Payment", "citation": "x"}]},
    ],
    ids=range(5),
)
def test_rules_that_make_no_sense_are_no_draft(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RulesContent.model_validate(wrong)
