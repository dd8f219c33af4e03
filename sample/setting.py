"""What the channel works by: a standard, a course, a metric, a scorecard and a rule. All of it is made up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sample.services import Service

STANDARD = "sample-establishments"
COURSE = "food-safety"
METRIC = "inspection_score"
SCORECARD = "inspections"
RULE = "low-inspection-score"
MINIMUM_COHORT = 30

DIMENSIONS = {"location": 40, "experience": 35, "capital": 25}
GATE = "food_permit"

PUBLISHED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (
        "partner",
        f"/standards/{STANDARD}",
        {
            "title": "Food establishments",
            "dimensions": [{"code": code, "weight": weight} for code, weight in DIMENSIONS.items()],
            "gates": [{"code": GATE, "kind": "background"}],
        },
    ),
)
"""Drafted, and then published."""

DEFINITIONS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (
        "training",
        f"/courses/{COURSE}",
        {
            "title": "Food safety for operators",
            "pass_mark": 70,
            "required_for_launch": True,
            "max_attempts": 3,
            "time_zone": "America/Anchorage",
        },
    ),
    (
        "performance",
        f"/metrics/{METRIC}",
        {
            "unit": "points",
            "direction": "higher",
            "aggregation": "mean",
            "minimum": 0,
            "maximum": 100,
            "due": "on_occurrence",
        },
    ),
    (
        "performance",
        f"/scorecards/{SCORECARD}",
        {
            # The score is the value itself, so that a total reads as the mean of the year's inspections.
            "lines": [{"metric": METRIC, "weight": 100, "floor": 0, "target": 100}],
            "bands": [
                {"name": "low", "lower": 0, "upper": 85},
                {"name": "fair", "lower": 85, "upper": 90},
                {"name": "good", "lower": 90, "upper": 97},
                {"name": "excellent", "lower": 97, "upper": 100},
            ],
            "minimum_cohort": MINIMUM_COHORT,
        },
    ),
    (
        "risk",
        f"/rules/{RULE}",
        {"metric": METRIC, "flag_below": 85, "severity": "high", "suspend_after": 2, "lift_at": 90},
    ),
)


async def define(services: Mapping[str, Service], at: datetime) -> None:
    """Once: the key makes a second run leave alone what somebody has changed since."""
    when = at.isoformat()
    for name, path, content in PUBLISHED:
        service = services[name]
        await service.put(f"{path}/draft", {"content": content, "occurred_at": when}, key="sample/definition")
        await service.post(f"{path}/publication", {"occurred_at": when}, key="sample/definition", seen=path)
    for name, path, content in DEFINITIONS:
        await services[name].put(path, {**content, "occurred_at": when}, key="sample/definition")
