"""The figures of an evaluation, from plain values: the one place where they are computed.

Arithmetic is decimal. Every figure that a division makes is rounded once, at the end, to six places, half to even;
sums are exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from uuid import UUID

from events.performance import MetricScore

from performance.domain.metric import Aggregation
from performance.domain.scorecard import WHOLE, Band, Line, ScorecardTerms

SIX_PLACES = Decimal("0.000001")
NOTHING, FULL = Decimal("0.000000"), Decimal("100.000000")
EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)
"""Values have up to 24 digits. The quotient of sums of them that is not halfway between two results differs from
halfway by far more than the 200th digit, so that rounding a second time, to six places, gives what once would."""


def ratio(dividend: Decimal, divisor: Decimal) -> Decimal:
    # plus() makes zero of a negative zero
    return EXACT.plus(EXACT.quantize(EXACT.divide(dividend, divisor), SIX_PLACES))


# -- one partner


@dataclass(frozen=True, slots=True)
class Observed:
    """A partner's observations of one metric in a period: their sum, how many, and the one that occurred last."""

    total: Decimal
    observations: int
    last: Decimal


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scorecard makes of a partner's observations. `total` is from 0 to 100."""

    scores: tuple[MetricScore, ...]
    total: Decimal
    band: str


def aggregated(aggregation: Aggregation, observed: Observed) -> Decimal:
    """The period's value, in the metric's unit."""
    match aggregation:
        case "mean":
            return ratio(observed.total, Decimal(observed.observations))
        case "sum":
            return observed.total
        case "last":
            return observed.last


def score(line: Line, value: Decimal) -> Decimal:
    """From 0 at the floor to 100 at the target, linear between them and clipped beyond; where lower is better the
    target is the lower one, and both differences change sign."""
    done = EXACT.multiply(WHOLE, EXACT.subtract(value, line.floor))
    return min(max(ratio(done, EXACT.subtract(line.target, line.floor)), NOTHING), FULL)


def figures(card: ScorecardTerms, observed: Mapping[str, Observed]) -> Figures | None:
    """None where no line has an observation. The weight of lines without one is shared by the others in proportion,
    so that nobody is judged on what was not measured: total = sum(weight * score) / sum(weight) over those present.
    """
    scores = tuple(_scored(line, observed[line.metric]) for line in card.lines if line.metric in observed)
    if not scores:
        return None
    weighted = sum((EXACT.multiply(each.weight, each.score) for each in scores), Decimal(0))
    total = ratio(weighted, sum((each.weight for each in scores), Decimal(0)))
    return Figures(scores, total, band_of(card.bands, total))


def _scored(line: Line, observed: Observed) -> MetricScore:
    value = aggregated(line.aggregation, observed)
    return MetricScore(
        metric=line.metric,
        value=value,
        observations=observed.observations,
        score=score(line, value),
        weight=line.weight,
    )


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
        return Standing(ratio(WHOLE * at_or_below, Decimal(size)), size)


def totals(card: ScorecardTerms, observed: Iterable[tuple[UUID, Mapping[str, Observed]]]) -> dict[UUID, Decimal]:
    """The total of each partner that has one."""
    found: dict[UUID, Decimal] = {}
    for partner_id, by_metric in observed:
        of_partner = figures(card, by_metric)
        if of_partner is not None:
            found[partner_id] = of_partner.total
    return found
