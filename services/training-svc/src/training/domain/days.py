"""Days where they are counted: in a time zone."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo


def day_in(time_zone: str, now: datetime) -> date:
    return now.astimezone(ZoneInfo(time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which the day begins."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def months_later(day: date, months: int) -> date:
    """The same day of the month, or the month's last where it has no such day: 31 January + 1 is 28 or 29 February."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))
