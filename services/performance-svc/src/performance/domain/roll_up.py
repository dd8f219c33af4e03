"""The evaluations of a period, added up for a channel or a territory.

Every evaluated partner counts once, whatever its size: `mean` is the arithmetic mean of partners' totals, and a
metric's `mean_score` that of the partners who have a score of it. It is rounded once, as every figure is. A partner of
several channels counts in each, so channels do not add up to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field

from performance.domain.exact import decimal, millionths, quotient

UNASSIGNED = "unassigned"
"""Where partners are that no channel, or no area, is known of."""


class MetricRollUp(BaseModel):
    model_config = ConfigDict(frozen=True)
    metric: str
    partners: int = Field(description="Who have a score of it.")
    mean_score: Decimal


class RollUp(BaseModel):
    """`bands` and `trends` say how many partners are in each; `missed_reports` how many reports were due and had not
    come."""

    model_config = ConfigDict(frozen=True)
    member: str = Field(description="The channel, or the territory.")
    partners: int
    mean: Decimal
    lowest: Decimal
    highest: Decimal
    bands: Mapping[str, int]
    trends: Mapping[str, int]
    metrics: tuple[MetricRollUp, ...]
    missed_reports: int


def mean(total: Decimal, count: int) -> Decimal:
    return decimal(quotient(millionths(total), count))
