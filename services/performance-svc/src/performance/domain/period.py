"""A reporting period: which days it has, when it may be closed, and how its evaluation goes on in rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events import Period as PeriodName
from events.performance import PeriodClosed
from events.periods import first_day, in_the_calendar, last_day
from pydantic import AfterValidator, Field

from performance.domain.metric import Code

PERIODS = UUID("e2b1c6d8-0f6b-4a5e-8f6d-2a7c9b4e1d65")
"""The namespace of period ids."""

AHEAD_OF_UTC = timedelta(hours=14)
"""How much earlier than in UTC a day begins where it begins first."""


def period_id(period: str) -> UUID:
    return uuid5(PERIODS, period)


Period = Annotated[PeriodName, AfterValidator(in_the_calendar)]
"""`2026-09`, `2026-Q3` or `2026`, of the years 0001 to 9998. Of one kind, they sort as text by time."""


# -- days


def closes_from(period: str) -> date:
    """The first day on which the period may be closed: the one after its last."""
    return last_day(period) + timedelta(days=1)


def begins(period: str) -> datetime:
    """The instant (UTC) at which it begins."""
    return datetime.combine(first_day(period), time(), UTC)


def has_begun(period: str, now: datetime) -> bool:
    """Somewhere on earth."""
    return now >= begins(period) - AHEAD_OF_UTC if first_day(period).year > 1 else True


def ends(period: str) -> datetime:
    """The instant (UTC) at which it is over."""
    return datetime.combine(closes_from(period), time(), UTC)


# -- events, besides PeriodClosed


class EvaluationRoundOpened(Event, type="cauce.performance.EvaluationRoundOpened.v1"):
    """The partners of a closed period are evaluated in `of` rounds, one transaction each, in the order of their ids."""

    period: str
    number: int
    of: int


class PeriodEvaluated(Event, type="cauce.performance.PeriodEvaluated.v1"):
    """The last round is done: every partner that was to be evaluated has been."""

    period: str


PeriodEvent = PeriodClosed | EvaluationRoundOpened | PeriodEvaluated


# -- commands


class ClosePeriod(Command):
    """`scorecard` is the one to evaluate by, in the version that it has now. A period before one that is closed
    already, of the same kind, is only closed with `out_of_order`: the later evaluations' trends change with it."""

    scorecard: Code
    out_of_order: bool = False


class Close(ClosePeriod):
    """`scorecard_version` is None where there is no such scorecard; `latest_closed` is the latest of the same kind."""

    period: Period
    scorecard_version: int | None
    latest_closed: Period | None


class OpenRound(Command):
    number: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]


class FinishEvaluation(Command):
    pass


PeriodCommand = Close | OpenRound | FinishEvaluation


# -- state


@dataclass(frozen=True)
class ClosedPeriod:
    """`period` is empty while it is open; `round` of `rounds` is the last that was opened."""

    period: str = ""
    scorecard: str = ""
    scorecard_version: int = 0
    round: int = 0
    rounds: int = 0
    evaluated: bool = False


# -- decide


def close(closed: ClosedPeriod, command: Close, now: datetime) -> list[PeriodEvent]:
    if closed.period:
        if closed.scorecard == command.scorecard:
            return []
        raise Rejected("performance.period_closed", period=closed.period, scorecard=closed.scorecard)
    if command.scorecard_version is None:
        raise Unknown("performance.scorecard_unknown", scorecard=command.scorecard)
    if now < ends(command.period):
        raise Rejected("performance.period_not_over", period=command.period, allowed_from=closes_from(command.period))
    latest = command.latest_closed
    if latest is not None and command.period < latest and not command.out_of_order:
        raise Rejected("performance.later_period_closed", period=command.period, closed=latest)
    return [
        PeriodClosed(period=command.period, scorecard=command.scorecard, scorecard_version=command.scorecard_version)
    ]


def open_round(closed: ClosedPeriod, command: OpenRound) -> list[PeriodEvent]:
    if (closed.round, closed.rounds) == (command.number, command.of):
        return []
    follows = command.number == closed.round + 1 and (closed.rounds == command.of or closed.round == 0)
    if not follows or command.number > command.of:
        raise Rejected("performance.round_out_of_order", round=closed.round, of=closed.rounds, asked=command.number)
    return [EvaluationRoundOpened(period=closed.period, number=command.number, of=command.of)]


def finish(closed: ClosedPeriod) -> list[PeriodEvent]:
    if closed.evaluated:
        return []
    if closed.round == 0 or closed.round < closed.rounds:
        raise Rejected("performance.rounds_to_come", round=closed.round, of=closed.rounds)
    return [PeriodEvaluated(period=closed.period)]


def decide(command: PeriodCommand, closed: ClosedPeriod, now: datetime) -> list[PeriodEvent]:
    if isinstance(command, Close):
        return close(closed, command, now)
    if not closed.period:
        raise Rejected("performance.period_open")
    match command:
        case OpenRound():
            return open_round(closed, command)
        case FinishEvaluation():
            return finish(closed)
        case _:
            assert_never(command)


# -- evolve


def evolve(closed: ClosedPeriod, event: PeriodEvent) -> ClosedPeriod:
    match event:
        case PeriodClosed():
            return ClosedPeriod(event.period, event.scorecard, event.scorecard_version)
        case EvaluationRoundOpened(number=number, of=of):
            return replace(closed, round=number, rounds=of)
        case PeriodEvaluated():
            return replace(closed, evaluated=True)
        case _:
            assert_never(event)


periods = Decider("period", decide, evolve, initial=ClosedPeriod, events=PeriodEvent)


# -- rounds


IDS = 1 << 128


def round_of(partner_id: UUID, of: int) -> int:
    """In which of the rounds, from 1, the partner is evaluated: they share the space of ids evenly."""
    return (partner_id.int * of >> 128) + 1


def ids_of(number: int, of: int) -> tuple[UUID, UUID]:
    """The first and the last partner id of a round."""
    return UUID(int=-(-(number - 1) * IDS // of)), UUID(int=-(-number * IDS // of) - 1)


# -- who owes a report


@dataclass(frozen=True)
class PartnerLife:
    """Since when a partner trades, until when, and its suspensions (from, until; None: it lasts)."""

    partner_id: UUID
    activated_at: datetime | None
    terminated_at: datetime | None = None
    suspensions: Sequence[tuple[datetime, datetime | None]] = ()


def owes_report(period: str, life: PartnerLife) -> bool:
    """Whether a report that is due every period was due of this partner: active from before the period began until
    it was over, and not suspended all the while."""
    start, end = begins(period), ends(period)
    if life.activated_at is None or life.activated_at > start:
        return False
    if life.terminated_at is not None and life.terminated_at < end:
        return False
    free_from = start
    for since, until in sorted(life.suspensions, key=lambda each: each[0]):
        if since > free_from:
            break
        free_from = max(free_from, end if until is None else until)
    return free_from < end
