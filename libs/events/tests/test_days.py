from datetime import UTC, date, datetime, timedelta

import pytest
from events.days import TimeZone, day_in, end_of, start_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

ZONES = ("UTC", "Europe/Madrid", "America/Anchorage", "Pacific/Kiritimati", "America/Santiago")
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Europe/Madrid", date(2024, 3, 31), datetime(2024, 3, 30, 23, tzinfo=UTC), 23),
        ("Europe/Madrid", date(2024, 10, 27), datetime(2024, 10, 26, 22, tzinfo=UTC), 25),
        ("America/Anchorage", date(2019, 3, 31), datetime(2019, 3, 31, 8, tzinfo=UTC), 24),
    ],
)
def test_a_day_begins_and_ends_by_the_clocks_of_the_place(zone: str, day: date, start: datetime, hours: int) -> None:
    assert (start_of(day, zone), end_of(day, zone)) == (start, start + timedelta(hours=hours))


@given(st.dates(date(1971, 1, 2), date(2037, 12, 30)), st.sampled_from(ZONES))
def test_it_is_that_day_from_its_start_to_its_end(day: date, zone: str) -> None:
    assert day_in(zone, end_of(day, zone) - MOMENT) == day
    assert day_in(zone, end_of(day, zone)) == day + timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
def test_where_the_calendar_ends_a_day_is_that_of_utc(zone: str) -> None:
    assert day_in(zone, datetime.max.replace(tzinfo=UTC)) == date.max
    assert day_in(zone, datetime.min.replace(tzinfo=UTC)) == date.min


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../../etc/passwd", "", "x" * 65])
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TimeZone).validate_python(name)
