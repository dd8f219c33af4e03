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
)

DRAFTED: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    (
        "partner",
        f"/standards/{STANDARD}",
        {
            "content": {
                "title": "Food establishments",
                "dimensions": [{"code": code, "weight": weight} for code, weight in DIMENSIONS.items()],
                "gates": [{"code": GATE, "kind": "background"}],
            }
        },
    ),
    (
        "risk",
        f"/rules/{RULE}",
        {
            "rule": {
                "judged_on": "evaluations",
                "figure": METRIC,
                "metrics": [METRIC],
                "value": f'metrics["{METRIC}"]',
                "when": "value < 85.0",
                "severity": "high",
                "suspend_after": 2,
                "lifts_when": "value >= 90.0",
            }
        },
    ),
)
"""What is gone by only once its draft is published."""


async def define(services: Mapping[str, Service], at: datetime) -> None:
    """Once: the key makes a second run leave alone what somebody has changed since."""
    said = {"occurred_at": at.isoformat()}
    for name, path, content in DEFINITIONS:
        await services[name].put(path, {**content, **said}, key="sample/definition")
    for name, path, content in DRAFTED:
        await services[name].put(f"{path}/draft", {**content, **said}, key="sample/definition")
        await services[name].post(f"{path}/publication", said, key="sample/definition", seen=path)
