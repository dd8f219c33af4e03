"""What a scorecard says: which metrics count how much, how a value becomes a score, for whom other targets hold, and
what a total is called. All of it is checked here, before anything is judged by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, NamedTuple

from engine import Rejected, Unknown
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from performance.domain.metric import Aggregation, Code, MetricTerms, Value

WHOLE = Decimal(100)

Percent = Annotated[Decimal, Field(gt=0, le=100, max_digits=9, decimal_places=6)]
Bound = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
BandName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Area = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$"),
    Field(examples=["US-AK"]),
]
"""A country, with a subdivision and a postal code; it contains those that begin with it."""


class Segment(NamedTuple):
    """What targets are chosen by: the partner's tier in the scorecard's programme, and the area where it is."""

    tier: str | None = None
    area: str | None = None


NOWHERE = Segment()


class Band(BaseModel):
    """The name of totals from `lower` up to but not including `upper`; the band that ends at 100 includes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: BandName
    lower: Bound
    upper: Bound


class Target(BaseModel):
    """Other values that score 0 and 100, for partners of a tier, in an area, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tier: Code | None = None
    area: Area | None = None
    floor: Value
    target: Value

    @model_validator(mode="after")
    def says_for_whom(self) -> Target:
        if self.tier is None and self.area is None:
            raise ValueError("names neither a tier nor an area")
        return self

    def holds_for(self, segment: Segment) -> bool:
        return self.tier in (None, segment.tier) and (self.area is None or within(segment.area, self.area))

    def covers(self, other: Target) -> bool:
        """Whether it holds for everybody whom the other holds for."""
        return self.tier in (None, other.tier) and (self.area is None or within(other.area, self.area))


def within(area: str | None, wider: str) -> bool:
    return area is not None and (area == wider or area.startswith(f"{wider}-"))


class Weighted(BaseModel):
    """A metric's weight in percent, and the values that score 0 (`floor`) and 100 (`target`), linear between them and
    level beyond. Where lower is better, the target is the lower one. Of `targets`, which hold instead for a tier or an
    area, the first that fits a partner holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: Code
    weight: Percent
    floor: Value
    target: Value
    targets: Annotated[tuple[Target, ...], Field(max_length=200)] = ()


class Line(BaseModel):
    """A scorecard's line with what it takes from the metric, which is fixed for good."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    metric: str
    weight: Decimal
    floor: Decimal
    target: Decimal
    aggregation: Aggregation
    targets: tuple[Target, ...] = ()

    def for_segment(self, segment: Segment) -> Line:
        """The line with the floor and the target that hold for the segment."""
        for each in self.targets:
            if each.holds_for(segment):
                return self.model_copy(update={"floor": each.floor, "target": each.target, "targets": ()})
        return self


LINES = [{"metric": "example", "weight": "100", "floor": "0", "target": "100"}]
BANDS = [{"name": "low", "lower": "0", "upper": "85"}, {"name": "high", "lower": "85", "upper": "100"}]
"""Examples that hold together."""
Lines = Annotated[tuple[Weighted, ...], Field(min_length=1, max_length=100, examples=[LINES])]
Bands = Annotated[tuple[Band, ...], Field(min_length=1, max_length=100, examples=[BANDS])]
MinimumCohort = Annotated[int, Field(ge=1, le=1_000_000, examples=[30])]


class Content(BaseModel):
    """A scorecard as it is written, before anything is taken from metrics. Tiers in its targets are those of the
    `programme`; where none is named, the tier that was decided on last counts, in whichever programme."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    lines: Lines
    bands: Bands
    minimum_cohort: MinimumCohort
    programme: Code | None = None


@dataclass(frozen=True)
class ScorecardTerms:
    """The version that a period is evaluated by."""

    code: str
    version: int
    lines: tuple[Line, ...]
    bands: tuple[Band, ...]
    minimum_cohort: int
    programme: str | None = None

    @property
    def segmented(self) -> bool:
        """Whether not everybody has the same targets."""
        return any(line.targets for line in self.lines)


# -- checks


def terms_of(code: str, version: int, content: Content, metrics: Mapping[str, MetricTerms]) -> ScorecardTerms:
    """Raises what `line`, `check_weights` and `ordered` raise."""
    lines = tuple(line(weighted, metrics) for weighted in content.lines)
    check_weights(lines)
    return ScorecardTerms(code, version, lines, ordered(content.bands), content.minimum_cohort, content.programme)


def line(weighted: Weighted, metrics: Mapping[str, MetricTerms]) -> Line:
    """Raises `performance.metric_unknown`, `performance.target_not_better`, `performance.target_never_holds`."""
    metric = metrics.get(weighted.metric)
    if metric is None:
        raise Unknown("performance.metric_unknown", metric=weighted.metric)
    check_better(metric, weighted)
    for each in weighted.targets:
        check_better(metric, each)
    for wider, narrower in never_holding(weighted.targets):
        raise Rejected(
            "performance.target_never_holds",
            metric=metric.code,
            tier=narrower.tier,
            area=narrower.area,
            behind={"tier": wider.tier, "area": wider.area},
        )
    return Line(
        metric=weighted.metric,
        weight=weighted.weight,
        floor=weighted.floor,
        target=weighted.target,
        aggregation=metric.aggregation,
        targets=weighted.targets,
    )


def check_better(metric: MetricTerms, values: Weighted | Target) -> None:
    """Raises `performance.target_not_better`."""
    worse, better = (values.floor, values.target)
    if metric.direction == "lower":
        worse, better = better, worse
    if not worse < better:
        raise Rejected(
            "performance.target_not_better",
            metric=metric.code,
            direction=metric.direction,
            floor=values.floor,
            target=values.target,
        )


def never_holding(targets: Sequence[Target]) -> Iterator[tuple[Target, Target]]:
    """Those behind one that holds for everybody whom they hold for: the first that fits is taken."""
    for n, narrower in enumerate(targets):
        for wider in targets[:n]:
            if wider.covers(narrower):
                yield wider, narrower


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
