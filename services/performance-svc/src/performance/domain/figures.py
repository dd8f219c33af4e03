"""The figures of an evaluation, from plain values: the one place where they are computed. Arithmetic is `exact`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from events.performance import MetricScore
from pydantic import TypeAdapter

from performance.domain.card import NOWHERE, Band, Line, ScorecardTerms, Segment
from performance.domain.exact import MILLION, decimal, millionths, quotient
from performance.domain.metric import Aggregation

FULL = 100 * MILLION
"""The highest score, in millionths."""


# -- one partner


class Observed(NamedTuple):
    """A partner's observations of one metric in a period: their sum, how many, the one that occurred last, and the sum
    of their denominators."""

    total: Decimal
    observations: int
    last: Decimal
    base: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scorecard makes of a partner's observations. `total` is from 0 to 100."""

    scores: tuple[MetricScore, ...]
    total: Decimal
    band: str


def aggregated(aggregation: Aggregation, observed: Observed) -> Decimal | None:
    """The period's value, in the metric's unit: the sum, the arithmetic mean, the one that occurred last, or the ratio
    of sums. That ratio is the mean of single ratios weighted by their denominators, the "ratio estimator" of W. G.
    Cochran, Sampling Techniques, 3rd ed., chapter 6: a day of one visit does not count as much as one of a thousand.
    None where there is nothing to divide by."""
    match aggregation:
        case "mean":
            return decimal(quotient(millionths(observed.total), observed.observations))
        case "ratio":
            base = millionths(observed.base or Decimal(0))
            return decimal(quotient(millionths(observed.total) * MILLION, base)) if base else None
        case "sum":
            return observed.total
        case "last":
            return observed.last


@dataclass(frozen=True, slots=True)
class Scale:
    """A scorecard's line, in millionths. Where lower is better the target is the lower one, and `span` is negative."""

    line: Line
    metric: str
    mean: bool
    divides: bool
    weight: int
    floor: int
    span: int

    @classmethod
    def of(cls, line: Line) -> Scale:
        floor = millionths(line.floor)
        span = millionths(line.target) - floor
        mean = line.aggregation == "mean"
        divides = mean or line.aggregation == "ratio"
        return cls(line, line.metric, mean, divides, millionths(line.weight), floor, span)

    def value(self, observed: Observed) -> int | None:
        """None where there is nothing to divide by."""
        if self.mean:  # what aggregated() does, without a Decimal between
            return quotient(millionths(observed.total), observed.observations)
        value = aggregated(self.line.aggregation, observed)
        return None if value is None else millionths(value)

    def score(self, value: int) -> int:
        """From 0 at the floor to 100 at the target, linear between them and clipped beyond."""
        score = quotient(FULL * (value - self.floor), self.span)
        return 0 if score < 0 else FULL if score > FULL else score


def score(line: Line, value: Decimal) -> Decimal:
    return decimal(Scale.of(line).score(millionths(value)))


class Scored(NamedTuple):
    """A line's value and score, in millionths, by what was observed of its metric."""

    scale: Scale
    observed: Observed
    value: int
    score: int

    def told(self) -> dict[str, Any]:
        """The fields of a MetricScore."""
        line, observed = self.scale.line, self.observed
        return {
            "metric": line.metric,
            "value": decimal(self.value) if self.scale.divides else aggregated(line.aggregation, observed),
            "observations": observed.observations,
            "score": decimal(self.score),
            "weight": line.weight,
        }


SCORES = TypeAdapter(tuple[MetricScore, ...])
Segments = Mapping[UUID, Segment]
"""By partner; those that are not there are nowhere."""


@dataclass(frozen=True)
class Scoring:
    """A scorecard, prepared for many partners."""

    scales: tuple[Scale, ...]
    bands: Sequence[Band]

    @classmethod
    def by(cls, card: ScorecardTerms, segment: Segment = NOWHERE) -> Scoring:
        return cls(tuple(Scale.of(line.for_segment(segment)) for line in card.lines), card.bands)

    def scored(self, observed: Mapping[str, Observed]) -> list[Scored]:
        """Of the lines that have a value: an observation, and of a ratio something to divide by."""
        found = []
        for scale in self.scales:
            of_metric = observed.get(scale.metric)
            if of_metric is not None:
                value = scale.value(of_metric)
                if value is not None:
                    found.append(Scored(scale, of_metric, value, scale.score(value)))
        return found

    def total(self, observed: Mapping[str, Observed]) -> Decimal | None:
        """None where no line has a value."""
        scored = self.scored(observed)
        return total(scored) if scored else None

    def figures(self, observed: Mapping[str, Observed]) -> Figures | None:
        """None where no line has a value."""
        scored = self.scored(observed)
        if not scored:
            return None
        of_partner = total(scored)
        told = SCORES.validate_python(tuple(each.told() for each in scored))  # all at once: half the time of one by one
        return Figures(told, of_partner, band_of(self.bands, of_partner))


def total(scored: Sequence[Scored]) -> Decimal:
    """The weight of lines without an observation is shared by the others in proportion, so that nobody is judged on
    what was not measured: total = sum(weight * score) / sum(weight) over those present."""
    weighted = sum(each.scale.weight * each.score for each in scored)
    return decimal(quotient(weighted, sum(each.scale.weight for each in scored)))


def figures(card: ScorecardTerms, observed: Mapping[str, Observed]) -> Figures | None:
    return Scoring.by(card).figures(observed)


def band_of(bands: Sequence[Band], total: Decimal) -> str:
    """Bands ascend without gaps, so the last one that begins at or below the total is it."""
    return next(band.name for band in reversed(bands) if band.lower <= total)


# -- among the others


@dataclass(frozen=True, slots=True)
class Standing:
    """`percentile` is None in a cohort below the scorecard's minimum."""

    percentile: Decimal | None
    cohort_size: int


@dataclass(frozen=True)
class Cohort:
    """The totals of all partners evaluated when a period was closed, by partner and ascending."""

    totals: Mapping[UUID, Decimal]
    ascending: Sequence[Decimal]

    @classmethod
    def of(cls, totals: Mapping[UUID, Decimal]) -> Cohort:
        return cls(totals, sorted(totals.values()))

    def standing(self, partner_id: UUID, total: Decimal, minimum: int) -> Standing:
        """The partner's percentile with this total in place of the one that it had when the period was closed, if any.

        The percentage of the cohort whose total is at or below the partner's own, its own included: the cumulative
        distribution function, which SciPy's `percentileofscore` calls `kind="weak"`. Ties share the higher place, the
        best have 100.
        """
        at_or_below = bisect_right(self.ascending, total) + 1
        size = len(self.ascending) + 1
        closed_with = self.totals.get(partner_id)
        if closed_with is not None:
            size -= 1
            at_or_below -= closed_with <= total
        if size < minimum:
            return Standing(None, size)
        return Standing(decimal(quotient(FULL * at_or_below, size)), size)


@dataclass(frozen=True)
class Scorings:
    """A scorecard, prepared for each segment of partners that it is asked for."""

    card: ScorecardTerms
    prepared: dict[Segment, Scoring] = field(default_factory=dict)

    @cached_property
    def segmented(self) -> bool:
        return self.card.segmented

    def of(self, segment: Segment = NOWHERE) -> Scoring:
        key = segment if self.segmented else NOWHERE
        if key not in self.prepared:
            self.prepared[key] = Scoring.by(self.card, key)
        return self.prepared[key]


def totals(
    card: ScorecardTerms, observed: Iterable[tuple[UUID, Mapping[str, Observed]]], segments: Segments | None = None
) -> dict[UUID, Decimal]:
    """The total of each partner that has one."""
    scorings, where = Scorings(card), segments or {}
    found = ((partner_id, scorings.of(where.get(partner_id, NOWHERE)).total(seen)) for partner_id, seen in observed)
    return {partner_id: total for partner_id, total in found if total is not None}
