"""What an audit template says: its sections and items, and by what an audit is passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from events.training import PeriodKind


@dataclass(frozen=True)
class Item:
    """`owner` is who at the partner puts a miss right: a role, not a person. `correct_within_days` counts from the day
    on which an audit is published; None: a miss is a finding and no more."""

    code: str
    title: str
    weight: Decimal
    critical: bool
    correct_within_days: int | None
    owner: str


@dataclass(frozen=True)
class Section:
    code: str
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Content:
    """`critical_cap`: a total with a missed critical item is at most this. The total is a report of `metric`."""

    title: str
    sections: tuple[Section, ...]
    pass_mark: Decimal
    critical_cap: Decimal | None
    metric: str | None
    metric_period: PeriodKind
    time_zone: str

    @property
    def items(self) -> Iterator[tuple[Section, Item]]:
        return ((section, item) for section in self.sections for item in section.items)


@dataclass(frozen=True)
class TemplateTerms:
    """The version that an audit is scored by."""

    code: str
    version: int
    content: Content
