"""When things happen in a year of the sample. Only the years are real; the days are made up around them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

NOON = time(12, tzinfo=timezone(timedelta(hours=-9)))
"""In Anchorage: the same day in every time zone of the United States."""

Day = tuple[int, int]

APPLIED: Day = (1, 5)
SCORED: Day = (1, 7)
APPROVED: Day = (1, 8)
DUPLICATE_DECIDED: Day = (1, 9)
TERMS_OFFERED: Day = (1, 10)
TERMS_ACCEPTED: Day = (1, 12)
DISCLOSED: Day = (1, 13)
SIGNED_BY_PARTNER: Day = (1, 28)
SIGNED_BY_PRINCIPAL: Day = (1, 29)
IN_FORCE: Day = (2, 1)
TRAINING_STARTED: Day = (2, 2)
ASSESSED: Day = (2, 12)
CHECKED: Day = (2, 14)
OPENED: Day = (2, 15)
INSPECTED: Day = (12, 31)
"""The day of an inspection is not known; at the end of its year it has certainly been."""


def on(year: int, day: Day) -> datetime:
    return datetime.combine(date(year, *day), NOON)


def closing(year: int) -> datetime:
    """When the year is closed: the first day after it."""
    return on(year + 1, (1, 1))


def year_closed(instant: str) -> int | str:
    """The year whose closing it is; the instant itself where it is none."""
    year = datetime.fromisoformat(instant).year - 1
    return year if datetime.fromisoformat(instant) == closing(year) else instant
