"""How good a rule would have been: its alarms over history against what came of the partners.

An alarm is true where the outcome follows within the horizon, and false where the horizon has passed without; one whose
horizon has not passed yet is undecided, and counted as neither. Precision is the part of the decided alarms that are
true, recall the part of the outcomes that an alarm came before, within the horizon. Lead time runs from the first such
alarm to the outcome. (C. J. van Rijsbergen, Information Retrieval, 1979, chapter 7, for precision and recall.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from uuid import UUID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Raised:
    """When an alarm was raised for whom."""

    partner_id: UUID
    at: datetime


@dataclass(frozen=True)
class Measured:
    """`precision` is None without decided alarms, `recall` without outcomes, `lead_days` (the median) without an
    outcome that an alarm came before."""

    alarms: int
    true_alarms: int
    false_alarms: int
    undecided: int
    outcomes: int
    foreseen: int
    precision: Decimal | None
    recall: Decimal | None
    lead_days: Decimal | None
    shortest_lead_days: int | None


def measured(
    alarms: Sequence[Raised], outcomes: Mapping[UUID, Iterable[datetime]], horizon: timedelta, until: datetime
) -> Measured:
    """`until` is how far history goes."""
    ends = {id: sorted(moments) for id, moments in outcomes.items()}
    raised: dict[UUID, list[datetime]] = {}
    true = undecided = 0
    for alarm in alarms:
        raised.setdefault(alarm.partner_id, []).append(alarm.at)
        verdict = came_true(alarm.at, ends.get(alarm.partner_id, ()), horizon, until)
        true += verdict is True
        undecided += verdict is None
    leads = [
        end - min(before)
        for id, moments in ends.items()
        for end in moments
        if (before := [at for at in raised.get(id, ()) if at < end <= at + horizon])
    ]
    total = sum(len(moments) for moments in ends.values())
    return Measured(
        alarms=len(alarms),
        true_alarms=true,
        false_alarms=len(alarms) - true - undecided,
        undecided=undecided,
        outcomes=total,
        foreseen=len(leads),
        precision=_part(true, len(alarms) - undecided),
        recall=_part(len(leads), total),
        lead_days=None if not leads else Decimal(str(round(median(lead / DAY for lead in leads), 1))),
        shortest_lead_days=None if not leads else min(leads).days,
    )


def came_true(at: datetime, ends: Iterable[datetime], horizon: timedelta, until: datetime) -> bool | None:
    """Of an alarm; None while nobody knows."""
    if any(at < end <= at + horizon for end in ends):
        return True
    return None if at + horizon > until else False


def _part(some: int, whole: int) -> Decimal | None:
    """To four places."""
    return None if whole == 0 else (Decimal(some) / whole).quantize(Decimal("0.0001"))
