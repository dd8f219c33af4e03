from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from contract.domain.jurisdiction import CHINA, JURISDICTIONS, MEXICO, SPAIN, UNITED_STATES, mexican_day_off
from hypothesis import given
from hypothesis import strategies as st

DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
DISCLOSING = st.sampled_from([j for j in JURISDICTIONS.values() if j.law is not None])


def days_between(delivered: date, signing: date) -> list[date]:
    return [delivered + timedelta(days=n) for n in range(1, (signing - delivered).days)]


@pytest.mark.parametrize(
    ("code", "opens"),
    [("US", date(2026, 1, 16)), ("ES", date(2026, 1, 22)), ("CN", date(2026, 2, 1)), ("NONE", date(2026, 1, 1))],
)
def test_a_document_delivered_on_new_year_opens_signing_after_the_whole_period(code: str, opens: date) -> None:
    assert JURISDICTIONS[code].signing_opens(date(2026, 1, 1)) == opens


def test_in_the_united_states_signing_opens_on_the_fifteenth_day_after_delivery_in_each_state() -> None:
    american = [j for j in JURISDICTIONS.values() if j.code.startswith("US")]
    assert len(american) == 1 + 50 + 1 + 5
    assert {j.signing_opens(date(2024, 2, 20)) for j in american} == {date(2024, 3, 6)}


def test_in_mexico_only_business_days_count() -> None:
    # 9-12, 15-19, 22-24, 26 and 29-31 December are sixteen; 2, 5-9, 12-16 and 19-21 January the other fourteen.
    assert JURISDICTIONS["MX"].signing_opens(date(2025, 12, 8)) == date(2026, 1, 22)


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
)
def test_mexico_rests_on_weekends_and_on_the_days_that_its_labour_law_names(day: date) -> None:
    assert mexican_day_off(day)


@pytest.mark.parametrize("day", [date(2026, 2, 5), date(2001, 2, 6), date(2026, 10, 1), date(2026, 6, 8)])
def test_mexico_works_on_other_days(day: date) -> None:
    assert not mexican_day_off(day)


@given(DISCLOSING, DAYS)
def test_the_days_that_the_law_asks_for_lie_between_delivery_and_signing_and_not_one_more(j, delivered) -> None:  # type: ignore[no-untyped-def]
    opens = j.signing_opens(delivered)
    counted = [day for day in days_between(delivered, opens) if not j.law.days_off(day)]
    assert len(counted) == j.law.days
    assert counted[-1] == opens - timedelta(days=1), "signing opens on the day after the last that counts"


@given(DISCLOSING, DAYS, st.integers(1, 400))
def test_a_later_delivery_never_opens_signing_earlier(j, delivered, later) -> None:  # type: ignore[no-untyped-def]
    assert j.signing_opens(delivered) <= j.signing_opens(delivered + timedelta(days=later))


@given(st.sampled_from(list(JURISDICTIONS.values())), DAYS)
def test_a_legal_day_begins_at_its_first_instant_on_the_clocks_of_the_place(j, day) -> None:  # type: ignore[no-untyped-def]
    start = j.start_of(day)
    assert start.tzinfo is UTC
    assert j.day(start) == day
    assert j.day(start - timedelta(microseconds=1)) == day - timedelta(days=1)


def test_the_same_instant_is_two_legal_days_in_alaska_and_in_china() -> None:
    now = datetime(2026, 1, 1, 23, tzinfo=ZoneInfo("America/Anchorage"))
    assert (JURISDICTIONS["US-AK"].day(now), JURISDICTIONS["CN"].day(now)) == (date(2026, 1, 1), date(2026, 1, 2))


def test_each_law_is_cited() -> None:
    assert [JURISDICTIONS[code].citation for code in ("US", "ES", "MX", "CN")] == [
        law.citation for law in (UNITED_STATES, SPAIN, MEXICO, CHINA)
    ]
    assert JURISDICTIONS["NONE"].citation == "no franchise disclosure law"
    assert UNITED_STATES.citation == "16 CFR 436.2(a)"
