"""A metric: what a KPI counts, in which unit, which way is better and what its values may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected
from events import Event
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

METRICS = UUID("3c0a2f51-7a0e-4c39-8a43-0d7f2f0c9b21")
"""The namespace of metric ids."""

EXACT_BELOW = 10**9
"""A JSON number is read as a double, which keeps six decimals exactly up to here."""


def metric_id(code: str) -> UUID:
    return uuid5(METRICS, code)


def _exact(value: Any) -> Any:
    if isinstance(value, float) and abs(value) >= EXACT_BELOW:
        raise PydanticCustomError("number_inexact", "give a number with decimals from 1e9 on as a string")
    return value


def _plain(value: Decimal) -> Decimal:
    """Without an exponent: 1E+3 is told as 1000."""
    return value.quantize(Decimal(1)) if "E+" in str(value) else value


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Value = Annotated[
    Decimal,
    Field(max_digits=24, decimal_places=6, allow_inf_nan=False),
    BeforeValidator(_exact),
    AfterValidator(_plain),
]
Unit = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=32)]
Direction = Literal["higher", "lower"]
Aggregation = Literal["mean", "sum", "last", "ratio"]
Due = Literal["every_period", "on_occurrence"]


# -- events


class MetricDefined(Event, type="cauce.performance.MetricDefined.v1"):
    """A version of the metric, from 1. Unit, direction and aggregation are the same in all of them. A report is due for
    periods that begin at `due_since` or later (null: for all)."""

    code: str
    version: int
    unit: str
    direction: Direction
    aggregation: Aggregation
    minimum: Decimal | None
    maximum: Decimal | None
    due: Due
    due_since: datetime | None = None


# -- commands


class MetricContent(Command):
    """`direction` is the better one. `aggregation` makes one value of a period's observations; `last` is the one
    that occurred last, `ratio` the sum of numerators by the sum of denominators. `minimum` and `maximum` bound every
    observation, of a ratio its quotient. `due`: whether an active partner owes a report each period, from the first
    that begins when the metric is there."""

    unit: Unit
    direction: Direction
    aggregation: Aggregation
    minimum: Value | None = None
    maximum: Value | None = None
    due: Due


class DefineMetric(MetricContent):
    code: Code


# -- state


@dataclass(frozen=True)
class MetricTerms:
    """The metric as reports and scorecards are judged by."""

    code: str
    version: int
    unit: str
    direction: Direction
    aggregation: Aggregation
    minimum: Decimal | None
    maximum: Decimal | None
    due: Due
    due_since: datetime | None = None


@dataclass(frozen=True)
class Metric:
    """`terms` is None until the metric is defined."""

    terms: MetricTerms | None = None


FIXED: tuple[Literal["unit", "direction", "aggregation"], ...] = ("unit", "direction", "aggregation")


# -- decide


def decide(command: DefineMetric, metric: Metric, now: datetime) -> list[MetricDefined]:
    """Raises `performance.bounds_reversed`, `performance.metric_fixed`: reports of another unit, direction or
    aggregation would be another metric's."""
    if command.minimum is not None and command.maximum is not None and command.minimum > command.maximum:
        raise Rejected("performance.bounds_reversed", minimum=command.minimum, maximum=command.maximum)
    content = command.model_dump(exclude={"occurred_at"})
    content["due_since"] = due_since(metric.terms, command.due, now)
    if metric.terms is None:
        return [MetricDefined(version=1, **content)]
    for field in FIXED:
        is_, asked = getattr(metric.terms, field), getattr(command, field)
        if is_ != asked:
            raise Rejected("performance.metric_fixed", metric=command.code, field=field, is_=is_, asked=asked)
    defined = MetricDefined(version=metric.terms.version + 1, **content)
    if terms_of(defined) == MetricTerms(**{**vars(metric.terms), "version": defined.version}):
        return []
    return [defined]


def due_since(terms: MetricTerms | None, due: Due, now: datetime) -> datetime | None:
    """A report that is due stays due since when it was."""
    if due != "every_period":
        return None
    return now if terms is None or terms.due != due else terms.due_since


# -- evolve


def terms_of(defined: MetricDefined) -> MetricTerms:
    return MetricTerms(**defined.model_dump())


def evolve(metric: Metric, event: MetricDefined) -> Metric:
    return Metric(terms_of(event))


metrics = Decider("metric", decide, evolve, initial=Metric, events=MetricDefined)
