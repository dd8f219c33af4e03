"""Franchise disclosure by jurisdiction: how long a partner must have had the document before anybody may sign.

Codes are countries ("ES"), or for the United States also a state ("US-AK"), which only says whose clocks count: the
rule is federal. "NONE" is for places without a franchise disclosure law.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DisclosureLaw:
    """`days` that must lie between delivery and signing; only those count that are not in `days_off`."""

    days: int
    citation: str
    days_off: Callable[[date], bool] = lambda day: False


@dataclass(frozen=True)
class Jurisdiction:
    """Legal days are counted in `time_zone`. `law` is None where nothing has to be disclosed."""

    code: str
    time_zone: str
    law: DisclosureLaw | None

    @property
    def citation(self) -> str:
        return self.law.citation if self.law else "no franchise disclosure law"

    def day(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.time_zone)).date()

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, ZoneInfo(self.time_zone)).astimezone(UTC)

    def signing_opens(self, delivered_on: date) -> date:
        """The first day on which somebody may sign.

        The period is whole days between the two: neither the day of delivery nor the day of signing counts. So the
        Federal Trade Commission reads its own rule ("at least 14 calendar-days before"): the days begin on the day
        after delivery, and signing can take place on the fifteenth day after it, which leaves a full 14 days. Spanish
        law leaves out the first day, too (Código Civil, art. 5.1). For China and Mexico it is the reading that cannot
        be too short.
        """
        if self.law is None:
            return delivered_on
        last = delivered_on
        for _ in range(self.law.days):
            last += ONE_DAY
            while self.law.days_off(last):
                last += ONE_DAY
        return last + ONE_DAY


# -- Mexico's business days


def mexican_day_off(day: date) -> bool:
    """Saturdays, Sundays and the mandatory days of rest of the Ley Federal del Trabajo, art. 74, as amended in 2006
    and 2024. Further days on which IMPI closes, which it publishes year by year, are not among them."""
    return day.weekday() >= 5 or day in _days_of_rest(day.year)


@cache
def _days_of_rest(year: int) -> frozenset[date]:
    return frozenset(_rest(year))


def _rest(year: int) -> Iterator[date]:
    yield from (date(year, 1, 1), date(year, 5, 1), date(year, 9, 16), date(year, 12, 25))
    if year < 2006:
        yield from (date(year, 2, 5), date(year, 3, 21), date(year, 11, 20))
    else:
        yield from (_monday(year, 2, 1), _monday(year, 3, 3), _monday(year, 11, 3))
    if year % 6 == 2:  # a president takes office: 2000, 2006, 2012 ...
        yield date(year, 10, 1) if year >= 2024 else date(year, 12, 1)


def _monday(year: int, month: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(7 - first.weekday()) % 7 + 7 * (n - 1))


# -- the laws as data

UNITED_STATES = DisclosureLaw(14, "16 CFR 436.2(a)")
SPAIN = DisclosureLaw(20, "Real Decreto 201/2010, art. 3")
MEXICO = DisclosureLaw(30, "Ley Federal de Protección a la Propiedad Industrial, art. 245", mexican_day_off)
CHINA = DisclosureLaw(30, "Measures for the Information Disclosure of Commercial Franchises (2012), art. 4")

# Of a state that lies in two zones, the one where most of its people live.
STATES_BY_ZONE = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
    "America/Puerto_Rico": "PR VI",
    "Pacific/Guam": "GU MP",
    "Pacific/Pago_Pago": "AS",
}

JURISDICTIONS: Mapping[str, Jurisdiction] = {
    each.code: each
    for each in (
        Jurisdiction("US", "America/New_York", UNITED_STATES),
        *(
            Jurisdiction(f"US-{state}", zone, UNITED_STATES)
            for zone, states in STATES_BY_ZONE.items()
            for state in states.split()
        ),
        Jurisdiction("ES", "Europe/Madrid", SPAIN),
        Jurisdiction("MX", "America/Mexico_City", MEXICO),
        Jurisdiction("CN", "Asia/Shanghai", CHINA),
        Jurisdiction("NONE", "UTC", None),
    )
}


def _known(code: str) -> str:
    if code not in JURISDICTIONS:
        raise ValueError("is not a jurisdiction that is known here: US, US-<state>, ES, MX, CN, or NONE")
    return code


JurisdictionCode = Annotated[str, AfterValidator(_known), Field(examples=["US-AK"])]
