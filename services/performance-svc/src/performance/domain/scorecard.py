"""A scorecard: which metrics count how much, how a value becomes a score, and what a total is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from performance.domain.metric import Aggregation, Code, MetricTerms, Value

SCORECARDS = UUID("8f4e1a77-55f4-4d0b-9d1c-6f1b3d5a2c43")
"""The namespace of scorecard ids."""

WHOLE = Decimal(100)


def scorecard_id(code: str) -> UUID:
    return uuid5(SCORECARDS, code)


Percent = Annotated[Decimal, Field(gt=0, le=100, max_digits=9, decimal_places=6)]
Bound = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
BandName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


class Band(BaseModel):
    """The name of totals from `lower` up to but not including `upper`; the band that ends at 100 includes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: BandName
    lower: Bound
    upper: Bound


class Weighted(BaseModel):
    """A metric's weight in percent, and the values that score 0 (`floor`) and 100 (`target`), linear between them and
    level beyond. Where lower is better, the target is the lower one."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: Code
    weight: Percent
    floor: Value
    target: Value


class Line(BaseModel):
    """A scorecard's line with what it takes from the metric, which is fixed for good."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metric: str
    weight: Decimal
    floor: Decimal
    target: Decimal
    aggregation: Aggregation


# -- events


class ScorecardDefined(Event, type="cauce.performance.ScorecardDefined.v1"):
    """A version of the scorecard, from 1; periods that are closed keep theirs. Bands ascend."""

    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int


# -- commands


LINES = [{"metric": "example", "weight": 100, "floor": 0, "target": 100}]
BANDS = [{"name": "low", "lower": 0, "upper": 85}, {"name": "high", "lower": 85, "upper": 100}]
"""Examples that hold together."""


class ScorecardContent(Command):
    """`minimum_cohort`: with fewer evaluated partners in a period there is no percentile."""

    lines: Annotated[tuple[Weighted, ...], Field(min_length=1, max_length=100, examples=[LINES])]
    bands: Annotated[tuple[Band, ...], Field(min_length=1, max_length=100, examples=[BANDS])]
    minimum_cohort: Annotated[int, Field(ge=1, le=1_000_000)]


class DefineScorecard(ScorecardContent):
    """`metrics` are the terms of those of the lines' metrics that are known."""

    code: Code
    metrics: Mapping[str, MetricTerms]


# -- state


@dataclass(frozen=True)
class ScorecardTerms:
    """The version that a period is evaluated by."""

    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int


@dataclass(frozen=True)
class Scorecard:
    """`terms` is None until the scorecard is defined."""

    terms: ScorecardTerms | None = None


# -- decide


def decide(command: DefineScorecard, scorecard: Scorecard, now: datetime) -> list[ScorecardDefined]:
    lines = tuple(line(weighted, command.metrics) for weighted in command.lines)
    check_weights(lines)
    last = scorecard.terms
    terms = ScorecardTerms(
        command.code, 1 if last is None else last.version + 1, lines, ordered(command.bands), command.minimum_cohort
    )
    if last is not None and replace(terms, version=last.version) == last:
        return []
    return [ScorecardDefined(**vars(terms))]


def line(weighted: Weighted, metrics: Mapping[str, MetricTerms]) -> Line:
    """Raises `performance.metric_unknown`, `performance.target_not_better`."""
    metric = metrics.get(weighted.metric)
    if metric is None:
        raise Unknown("performance.metric_unknown", metric=weighted.metric)
    worse, better = (weighted.floor, weighted.target)
    if metric.direction == "lower":
        worse, better = better, worse
    if not worse < better:
        raise Rejected(
            "performance.target_not_better",
            metric=metric.code,
            direction=metric.direction,
            floor=weighted.floor,
            target=weighted.target,
        )
    return Line(**weighted.model_dump(), aggregation=metric.aggregation)


def check_weights(lines: Sequence[Line]) -> None:
    """Raises `performance.metric_twice`, `performance.weights_not_100`."""
    seen: set[str] = set()
    for each in lines:
        if each.metric in seen:
            raise Rejected("performance.metric_twice", metric=each.metric)
        seen.add(each.metric)
    total = sum((each.weight for each in lines), Decimal(0))
    if total != WHOLE:
        raise Rejected("performance.weights_not_100", total=total)


def ordered(bands: Sequence[Band]) -> tuple[Band, ...]:
    """Ascending; together they cover 0 to 100. Raises `performance.band_twice`, `performance.band_empty`,
    `performance.bands_leave_a_gap`, `performance.bands_overlap`."""
    names: set[str] = set()
    for band in bands:
        if band.name in names:
            raise Rejected("performance.band_twice", band=band.name)
        names.add(band.name)
        if band.lower >= band.upper:
            raise Rejected("performance.band_empty", band=band.name, lower=band.lower, upper=band.upper)
    ascending = sorted(bands, key=lambda band: band.lower)
    for left, right in pairwise(ascending):
        if left.upper > right.lower:
            raise Rejected("performance.bands_overlap", bands=(left.name, right.name))
    ends = [Decimal(0), *(band.upper for band in ascending)]
    starts = [*(band.lower for band in ascending), WHOLE]
    for end, start in zip(ends, starts, strict=True):
        if end != start:
            raise Rejected("performance.bands_leave_a_gap", from_=end, to=start)
    return tuple(ascending)


# -- evolve


def evolve(scorecard: Scorecard, event: ScorecardDefined) -> Scorecard:
    return Scorecard(ScorecardTerms(event.code, event.version, event.lines, event.bands, event.minimum_cohort))


scorecards = Decider("scorecard", decide, evolve, initial=Scorecard, events=ScorecardDefined)
