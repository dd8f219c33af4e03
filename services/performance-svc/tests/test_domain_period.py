from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from engine import Rejected, Unknown
from engine.testing import scenario
from events.performance import PeriodClosed
from events.periods import containing, first_day, kind, last_day, previous
from hypothesis import given
from hypothesis import strategies as st
from performance.domain.period import (
    Close,
    EvaluationRoundOpened,
    FinishEvaluation,
    OpenRound,
    PartnerLife,
    Period,
    PeriodEvaluated,
    closes_from,
    has_begun,
    ids_of,
    owes_report,
    periods,
    round_of,
)
from pydantic import TypeAdapter, ValidationError

NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)
CLOSED = PeriodClosed(period="2019", scorecard="yearly", scorecard_version=2)
PARTNER = UUID("11111111-1111-4111-8111-111111111111")

YEARS = st.integers(2, 9998).map(lambda y: f"{y:04}")
QUARTERS = st.tuples(YEARS, st.integers(1, 4)).map(lambda p: f"{p[0]}-Q{p[1]}")
MONTHS = st.tuples(YEARS, st.integers(1, 12)).map(lambda p: f"{p[0]}-{p[1]:02}")
PERIODS = YEARS | QUARTERS | MONTHS


def close(**changes: Any) -> Close:
    asked = {"scorecard": "yearly", "period": "2019", "scorecard_version": 2, "latest_closed": None}
    return Close(**{**asked, **changes})


def opened(number: int, of: int) -> EvaluationRoundOpened:
    return EvaluationRoundOpened(period="2019", number=number, of=of)


# -- days


@pytest.mark.parametrize(
    ("period", "first", "last", "before"),
    [
        ("2020", date(2020, 1, 1), date(2020, 12, 31), "2019"),
        ("2020-Q1", date(2020, 1, 1), date(2020, 3, 31), "2019-Q4"),
        ("2020-Q3", date(2020, 7, 1), date(2020, 9, 30), "2020-Q2"),
        ("2020-02", date(2020, 2, 1), date(2020, 2, 29), "2020-01"),
        ("2100-02", date(2100, 2, 1), date(2100, 2, 28), "2100-01"),
        ("2020-01", date(2020, 1, 1), date(2020, 1, 31), "2019-12"),
    ],
)
def test_the_days_of_a_period_and_the_one_before(period: str, first: date, last: date, before: str) -> None:
    assert (first_day(period), last_day(period), previous(period)) == (first, last, before)


@given(PERIODS)
def test_periods_of_a_kind_follow_each_other_without_a_day_between(period: str) -> None:
    before = previous(period)
    assert kind(before) == kind(period)
    assert last_day(before) + timedelta(days=1) == first_day(period) == closes_from(before)
    assert first_day(period) <= last_day(period)
    assert before < period


@given(st.dates(date(2, 1, 1), date(9998, 12, 31)), st.sampled_from(["month", "quarter", "year"]))
def test_every_day_is_in_the_one_period_of_a_kind_that_contains_it(day: date, of: Any) -> None:
    period = containing(day, of)
    assert kind(period) == of
    assert first_day(period) <= day <= last_day(period)


@given(PERIODS, PERIODS)
def test_periods_of_a_kind_sort_as_text_by_time(a: str, b: str) -> None:
    if kind(a) == kind(b):
        assert (a < b) == (first_day(a) < first_day(b))


@pytest.mark.parametrize("text", ["0000", "9999", "2020-13", "2020-00", "2020-Q5", "2020-Q0", "20", "2020-1", "2020 "])
def test_what_is_no_period_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Period).validate_python(text)


def test_a_period_begins_when_it_begins_somewhere_on_earth() -> None:
    assert has_begun("2020", datetime(2019, 12, 31, 10, tzinfo=UTC))
    assert not has_begun("2020", datetime(2019, 12, 31, 9, 59, 59, tzinfo=UTC))
    assert has_begun("0001", datetime(1, 1, 1, tzinfo=UTC))


# -- closing


def test_a_period_is_closed_from_its_end_on_by_the_scorecard_as_it_is_then() -> None:
    scenario(periods, when=close(), at=NEW_YEAR, then=CLOSED)


def test_closing_before_the_end_is_refused_with_the_first_day_on_which_it_is_allowed() -> None:
    refusal = Rejected("performance.period_not_over", period="2019", allowed_from=date(2020, 1, 1))
    scenario(periods, when=close(), at=NEW_YEAR - timedelta(microseconds=1), then=refusal)


def test_the_end_is_judged_in_utc_wherever_the_caller_is() -> None:
    in_alaska = datetime(2019, 12, 31, 15, tzinfo=timezone(timedelta(hours=-9)))
    scenario(periods, when=close(), at=in_alaska, then=CLOSED)
    in_kiribati = datetime(2020, 1, 1, 13, 59, tzinfo=timezone(timedelta(hours=14)))
    refusal = Rejected("performance.period_not_over", period="2019", allowed_from=date(2020, 1, 1))
    scenario(periods, when=close(), at=in_kiribati, then=refusal)


def test_closing_again_by_the_same_scorecard_changes_nothing_even_in_a_newer_version() -> None:
    scenario(periods, given=[CLOSED], when=close(scorecard_version=3), at=NEW_YEAR, then=[])


def test_closing_again_by_another_scorecard_is_refused() -> None:
    refusal = Rejected("performance.period_closed", period="2019", scorecard="yearly")
    scenario(periods, given=[CLOSED], when=close(scorecard="other"), at=NEW_YEAR, then=refusal)


def test_closing_by_a_scorecard_that_does_not_exist_is_refused() -> None:
    refusal = Unknown("performance.scorecard_unknown", scorecard="yearly")
    scenario(periods, when=close(scorecard_version=None), at=NEW_YEAR, then=refusal)


def test_closing_a_period_before_one_that_is_closed_is_refused_unless_it_is_meant() -> None:
    refusal = Rejected("performance.later_period_closed", period="2019", closed="2020")
    late = datetime(2021, 1, 1, tzinfo=UTC)
    scenario(periods, when=close(latest_closed="2020"), at=late, then=refusal)
    scenario(periods, when=close(latest_closed="2020", out_of_order=True), at=late, then=CLOSED)


def test_periods_may_be_left_out() -> None:
    scenario(periods, when=close(latest_closed="2009"), at=NEW_YEAR, then=CLOSED)


# -- rounds


def test_rounds_open_one_after_the_other_and_then_the_period_is_evaluated() -> None:
    given: list[Any] = [CLOSED]
    for number in (1, 2, 3):
        scenario(periods, given=given, when=OpenRound(number=number, of=3), at=NEW_YEAR, then=opened(number, 3))
        given.append(opened(number, 3))
        scenario(periods, given=given, when=OpenRound(number=number, of=3), at=NEW_YEAR, then=[])
    scenario(periods, given=given, when=FinishEvaluation(), at=NEW_YEAR, then=PeriodEvaluated(period="2019"))
    given.append(PeriodEvaluated(period="2019"))
    scenario(periods, given=given, when=FinishEvaluation(), at=NEW_YEAR, then=[])


@pytest.mark.parametrize(
    ("given", "asked"), [([], (2, 3)), ([(1, 3)], (3, 3)), ([(1, 3)], (2, 4)), ([(1, 3), (2, 3), (3, 3)], (4, 3))]
)
def test_a_round_out_of_its_turn_is_refused(given: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    last = given[-1] if given else (0, 0)
    refusal = Rejected("performance.round_out_of_order", round=last[0], of=last[1], asked=asked[0])
    before = [CLOSED, *(opened(*each) for each in given)]
    scenario(periods, given=before, when=OpenRound(number=asked[0], of=asked[1]), at=NEW_YEAR, then=refusal)


def test_the_evaluation_does_not_end_before_the_last_round() -> None:
    for before, round, of in (([CLOSED], 0, 0), ([CLOSED, opened(1, 2)], 1, 2)):
        refusal = Rejected("performance.rounds_to_come", round=round, of=of)
        scenario(periods, given=before, when=FinishEvaluation(), at=NEW_YEAR, then=refusal)


def test_an_open_period_is_not_evaluated() -> None:
    for command in (OpenRound(number=1, of=1), FinishEvaluation()):
        scenario(periods, when=command, at=NEW_YEAR, then=Rejected("performance.period_open"))


@given(st.uuids(), st.integers(1, 1000))
def test_a_partner_is_in_exactly_the_round_whose_ids_contain_its_own(partner_id: UUID, of: int) -> None:
    number = round_of(partner_id, of)
    assert 1 <= number <= of
    first, last = ids_of(number, of)
    assert first <= partner_id <= last
    assert round_of(first, of) == round_of(last, of) == number


@given(st.integers(1, 1000))
def test_rounds_leave_out_no_id(of: int) -> None:
    ends = [ids_of(number, of) for number in range(1, of + 1)]
    assert ends[0][0].int == 0
    assert ends[-1][1].int == 2**128 - 1
    assert all(left[1].int + 1 == right[0].int for left, right in pairwise(ends))


# -- who owes a report


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def owes(activated: str | None, terminated: str | None = None, *suspensions: tuple[str, str | None]) -> bool:
    return owes_report(
        "2019",
        PartnerLife(
            PARTNER,
            at(activated) if activated else None,
            at(terminated) if terminated else None,
            tuple((at(since), at(until) if until else None) for since, until in suspensions),
        ),
    )


def test_a_partner_who_was_active_all_the_period_owes_its_report() -> None:
    assert owes("2019-01-01")
    assert owes("2015-06-01", "2020-01-01")


def test_a_partner_who_joined_in_the_period_or_left_in_it_owes_none() -> None:
    assert not owes("2019-01-02")
    assert not owes(None)
    assert not owes("2015-01-01", "2019-12-31")


def test_a_partner_who_was_suspended_all_the_while_owes_none() -> None:
    assert not owes("2015-01-01", None, ("2018-05-01", None))
    assert not owes("2015-01-01", None, ("2019-01-01", "2020-01-01"))
    assert not owes("2015-01-01", None, ("2019-06-01", None), ("2018-01-01", "2019-06-01"))


def test_a_partner_who_was_suspended_for_a_part_of_it_owes_its_report() -> None:
    assert owes("2015-01-01", None, ("2019-01-02", None))
    assert owes("2015-01-01", None, ("2018-01-01", "2019-12-31"))
    assert owes("2015-01-01", None, ("2018-01-01", "2019-06-01"), ("2019-06-02", None))
    assert owes("2015-01-01", None, ("2016-01-01", "2017-01-01"))


DAYS = st.integers(-400, 800).map(lambda n: at("2019-01-01") + timedelta(days=n))
SPANS = st.lists(st.tuples(DAYS, st.none() | DAYS).filter(lambda s: s[1] is None or s[0] < s[1]), max_size=5)


@given(SPANS)
def test_only_a_suspension_of_every_day_excuses(suspensions: list[tuple[datetime, datetime | None]]) -> None:
    days = [at("2019-01-01") + timedelta(days=n) for n in range(365)]
    free = [d for d in days if not any(s <= d and (u is None or d < u) for s, u in suspensions)]
    assert owes_report("2019", PartnerLife(PARTNER, at("2015-01-01"), None, suspensions)) == bool(free)
