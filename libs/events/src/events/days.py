"""Days where they are counted: in a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise ValueError("is not the name of a time zone, like Europe/Madrid") from error
    return name


TimeZone = Annotated[str, AfterValidator(_known_time_zone), Field(max_length=64, examples=["Europe/Madrid"])]


def day_in(time_zone: str, now: datetime) -> date:
    if not 1 < now.year < 9999:
        return now.date()  # the calendar ends
    return now.astimezone(ZoneInfo(time_zone)).date()


def start_of(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which the day begins."""
    return datetime.combine(day, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def end_of(day: date, time_zone: str) -> datetime:
    """The instant (UTC) at which the day is over."""
    return start_of(day + timedelta(days=1), time_zone)
