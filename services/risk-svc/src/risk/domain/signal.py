"""Signals: what other services told of a partner that events' rules count; one a thing that it is about, so that what
is told of it later takes its place, or clears it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from events import Event, Period
from events.periods import first_day, last_day

from risk.domain.rule import RuleTerms
from risk.domain.variables import EVENTS, SignalKind

LONGEST_WINDOW = timedelta(days=3660)
COUNTED = {each.name: each for each in EVENTS if each.of}


@dataclass(frozen=True)
class Signal:
    """`subject` is what it is about: a corrective action, a breach, a payment ... `events` told it, the newest last.
    `period` is that of a missed report, `days` by how many a payment was late."""

    kind: SignalKind
    subject: UUID
    at: datetime
    events: tuple[UUID, ...]
    period: Period | None = None
    days: int = 0


Signals = Mapping[UUID, Signal]


@dataclass(frozen=True)
class Span:
    """A time under suspension; `until` None: it goes on."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class Concentration:
    """A partner's part of all partners' sales, and the index of these."""

    share: float
    hhi: float


class SignalNoted(Event, type="cauce.risk.SignalNoted.v1"):
    """Something that rules count, whole; of the same subject it takes the place of what was noted before."""

    partner_id: UUID
    signal: Signal


class SignalCleared(Event, type="cauce.risk.SignalCleared.v1"):
    """What the signal was about was made good, as the event `because` told."""

    partner_id: UUID
    subject: UUID
    because: UUID


def noted(signals: Signals, signal: Signal) -> dict[UUID, Signal]:
    """What is older than any rule's window is forgotten."""
    known = signals.get(signal.subject)
    if known is not None:
        signal = replace(signal, events=(*known.events, *signal.events))
    kept = {
        id: each for id, each in signals.items() if not _counts_by_window(each) or signal.at - each.at <= LONGEST_WINDOW
    }
    return {**kept, signal.subject: signal}


def cleared(signals: Signals, subject: UUID) -> dict[UUID, Signal]:
    return {id: each for id, each in signals.items() if id != subject}


def _counts_by_window(signal: Signal) -> bool:
    return any(each.windowed and signal.kind in each.of for each in EVENTS)


def counted(
    signals: Signals, terms: RuleTerms, now: datetime, suspended: Sequence[Span]
) -> dict[str, tuple[Signal, ...]]:
    """For each variable that counts signals those that count now, the oldest first."""
    begins = now - timedelta(days=terms.window_days)
    ordered = sorted(signals.values(), key=lambda each: (each.at, each.events))
    return {
        name: tuple(
            each
            for each in ordered
            if each.kind in variable.of
            and (not variable.windowed or begins < each.at <= now)
            and not (each.kind == "missed_report" and _under(suspended, each.period))
        )
        for name, variable in COUNTED.items()
    }


def _under(suspended: Iterable[Span], period: Period | None) -> bool:
    """Some of the period was under suspension: a report is not held against somebody who was kept from the business."""
    if period is None:
        return False
    first, last = first_day(period), last_day(period)
    return any(_day(span.since) <= last and (span.until is None or _day(span.until) >= first) for span in suspended)


def _day(moment: datetime) -> date:
    return moment.date()


def variables(
    counts: Mapping[str, Sequence[Signal]], *, suspended: bool, on_probation: bool, concentration: Concentration | None
) -> dict[str, Any]:
    """As expressions see them."""
    made: dict[str, Any] = {name: len(found) for name, found in counts.items() if name != "days_late"}
    made["days_late"] = max((each.days for each in counts["days_late"]), default=0)
    made |= {"suspended": suspended, "on_probation": on_probation}
    if concentration is not None:
        made |= {"sales_share": concentration.share, "sales_hhi": concentration.hhi}
    return made


def evidence(counts: Mapping[str, Sequence[Signal]], terms: RuleTerms) -> tuple[Signal, ...]:
    """The signals that count under variables that the rule speaks of, each once."""
    found = {each.subject: each for name, counts_so in counts.items() if name in terms.speaks_of for each in counts_so}
    return tuple(sorted(found.values(), key=lambda each: (each.at, each.events)))


def leaves_at(rests_on: Iterable[Signal], terms: RuleTerms, now: datetime) -> datetime | None:
    """When the first of these leaves the rule's window; None where none will."""
    moments = [
        each.at + timedelta(days=terms.window_days)
        for each in rests_on
        if any(COUNTED[name].windowed and each.kind in COUNTED[name].of for name in terms.speaks_of & COUNTED.keys())
    ]
    return min((moment for moment in moments if moment > now), default=None)
