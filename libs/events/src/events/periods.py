"""The days of a reporting period, by its name: `2026`, `2026-Q3` or `2026-09`. Of one kind, names sort by time."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Literal

Kind = Literal["month", "quarter", "year"]


def kind(period: str) -> Kind:
    if len(period) == 4:
        return "year"
    return "quarter" if period[5] == "Q" else "month"


def first_day(period: str) -> date:
    year = int(period[:4])
    match kind(period):
        case "year":
            return date(year, 1, 1)
        case "quarter":
            return date(year, 3 * int(period[6]) - 2, 1)
        case "month":
            return date(year, int(period[5:]), 1)


def last_day(period: str) -> date:
    first = first_day(period)
    match kind(period):
        case "year":
            month = 12
        case "quarter":
            month = first.month + 2
        case "month":
            month = first.month
    return date(first.year, month, monthrange(first.year, month)[1])


def previous(period: str) -> str:
    """The period of the same kind just before. Raises OverflowError where the calendar begins."""
    return containing(first_day(period) - timedelta(days=1), kind(period))


def containing(day: date, kind: Kind) -> str:
    match kind:
        case "year":
            return f"{day.year:04}"
        case "quarter":
            return f"{day.year:04}-Q{(day.month + 2) // 3}"
        case "month":
            return f"{day.year:04}-{day.month:02}"


def in_the_calendar(period: str) -> str:
    """Raises ValueError for what the calendar has no days for, and none behind it."""
    if not 1 <= int(period[:4]) <= 9998:
        raise ValueError("is not a year of the calendar")
    return period
