"""A royalty schedule: what a contract's sales are charged from one day to another, as its terms say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated

from engine import Rejected
from events.contract import RoyaltyRate
from pydantic import BaseModel, ConfigDict, Field

from contract.domain.money import Amount, Percent

ONE_DAY = timedelta(days=1)
NotNegative = Annotated[Amount, Field(ge=0)]


class RoyaltySchedule(BaseModel):
    """`percent` of sales, at least `minimum` and at most `maximum` a period, and `brand_fund_percent` of sales besides,
    from `effective_from` to `effective_to`, both included; without it, until another says otherwise. Amounts are in the
    currency of the terms."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    percent: Percent
    brand_fund_percent: Percent = Decimal(0)
    minimum: NotNegative | None = None
    maximum: NotNegative | None = None
    effective_from: date
    effective_to: date | None = None


@dataclass(frozen=True)
class Stretch:
    """Days of a period, both included, on which one schedule holds."""

    schedule: RoyaltySchedule
    first_day: date
    last_day: date

    @property
    def days(self) -> int:
        return (self.last_day - self.first_day).days + 1


def check_schedules(schedules: Iterable[RoyaltySchedule]) -> None:
    """Raises `contract.schedule_reversed`, `contract.minimum_above_maximum`, `contract.schedules_overlap`,
    `contract.schedules_have_a_gap`: each day from the first has one schedule."""
    before: RoyaltySchedule | None = None
    for each in sorted(schedules, key=lambda schedule: schedule.effective_from):
        if each.effective_to is not None and each.effective_to < each.effective_from:
            raise Rejected("contract.schedule_reversed", effective_from=each.effective_from, to=each.effective_to)
        if each.minimum is not None and each.maximum is not None and each.minimum > each.maximum:
            raise Rejected("contract.minimum_above_maximum", minimum=each.minimum, maximum=each.maximum)
        if before is not None:
            if before.effective_to is None or before.effective_to >= each.effective_from:
                raise Rejected("contract.schedules_overlap", effective_from=each.effective_from)
            if before.effective_to + ONE_DAY < each.effective_from:
                raise Rejected("contract.schedules_have_a_gap", first=before.effective_to + ONE_DAY)
        before = each


def agreed(lines: Iterable[RoyaltyRate], day: date) -> tuple[RoyaltySchedule, ...]:
    """The lines of agreed terms that are taken up on that day."""
    return tuple(
        RoyaltySchedule(
            percent=line.percent,
            brand_fund_percent=line.brand_fund_percent,
            minimum=None if line.minimum is None else line.minimum.amount,
            maximum=None if line.maximum is None else line.maximum.amount,
            effective_from=max(line.effective_from or day, day),
            effective_to=line.effective_to,
        )
        for line in lines
        if line.effective_to is None or line.effective_to >= day
    )


def up_to(schedules: Iterable[RoyaltySchedule], day: date) -> tuple[RoyaltySchedule, ...]:
    """What of the schedules holds before that day."""
    last = day - ONE_DAY
    return tuple(
        each.model_copy(update={"effective_to": min(last, each.effective_to or last)})
        for each in schedules
        if each.effective_from < day
    )


def stretches(schedules: Iterable[RoyaltySchedule], first_day: date, last_day: date) -> tuple[Stretch, ...]:
    """The days from the first to the last, both included, by the schedule that holds on them."""
    found = (
        Stretch(each, max(first_day, each.effective_from), min(last_day, each.effective_to or last_day))
        for each in sorted(schedules, key=lambda schedule: schedule.effective_from)
    )
    return tuple(each for each in found if each.first_day <= each.last_day)
