"""Which days count where a law counts business days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Literal

import holidays

Counting = Literal["calendar_days", "business_days"]
ONE_DAY = timedelta(days=1)
COUNTRIES = frozenset(holidays.list_supported_countries(include_aliases=False))
"""ISO 3166-1 codes of the countries whose public holidays are known."""


@cache
def _holidays(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


def counts(day: date, counting: Counting, country: str | None) -> bool:
    """Whether the day counts. A business day is neither a Saturday, a Sunday nor a public holiday of the country by the
    `holidays` library. Days on which single offices close, as Mexico's IMPI publishes them, are not among those."""
    if counting == "calendar_days":
        return True
    return day.weekday() < 5 and (country is None or day not in _holidays(country))


def days_after(day: date, counting: Counting, country: str | None) -> Iterator[date]:
    """The days after `day` that count, one after the other."""
    while True:
        day += ONE_DAY
        if counts(day, counting, country):
            yield day
