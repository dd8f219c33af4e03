"""What the scenario works by, under codes of its own, and when. Nothing in it is real."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

SEED = 7
SYSTEM = "scenario"
LABEL = "(simulated)"
CODE = "scenario"
"""Of everything that has one: the standard, the course, the metric, the rule ... The sample's have others."""
METRIC = "scenario_service"
KIND = "reseller"
"""The sample's establishments are franchisees: what is for resellers is not for them."""
STATE = "US-WI"
NAMES = ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Juniper", "Linden", "Maple", "Rowan", "Willow")
BELOW = 60
"""The rule flags a month below this."""


@dataclass(frozen=True)
class Figures:
    """Everything that follows from the seed."""

    seed: int
    regular: str
    overridden: str
    declined: str
    sales: tuple[str, ...]
    good: tuple[int, int]
    poor: tuple[int, int]
    goal: int


def figures(seed: int) -> Figures:
    draw = random.Random(seed)  # noqa: S311 -- a story, no secret
    regular, overridden, declined = (f"{name} Supplies {LABEL}" for name in draw.sample(NAMES, 3))
    low = draw.randint(30, 40)
    return Figures(
        seed,
        regular,
        overridden,
        declined,
        sales=tuple(f"{draw.randint(8_000_00, 20_000_00) / 100:.2f}" for _ in range(3)),
        good=(draw.randint(80, 90), draw.randint(85, 95)),
        poor=(low, low + draw.randint(8, 15)),
        goal=low + 5,
    )


@dataclass(frozen=True)
class Calendar:
    """The days of the story: two months that are over, and the time before them in which the partners joined."""

    first: date
    """The first day of the first of the two months."""

    @classmethod
    def before(cls, today: date) -> Calendar:
        return cls(_month(today, -2))

    @property
    def second(self) -> date:
        return _month(self.first, 1)

    @property
    def after(self) -> date:
        return _month(self.second, 1)

    @property
    def periods(self) -> tuple[str, str]:
        return f"{self.first:%Y-%m}", f"{self.second:%Y-%m}"

    def before_trading(self, days: int) -> str:
        return _noon(self.first - timedelta(days=days))

    def in_first(self, days: int) -> str:
        return _noon(self.first + timedelta(days=days))

    def in_second(self, days: int) -> str:
        return _noon(self.second + timedelta(days=days))

    @property
    def over(self) -> str:
        """The first instant after both months."""
        return datetime.combine(self.after, time(), UTC).isoformat()


def _month(day: date, later: int = 0) -> date:
    month = day.year * 12 + day.month - 1 + later
    return date(month // 12, month % 12 + 1, 1)


def _noon(day: date) -> str:
    return datetime.combine(day, time(18), UTC).isoformat()


STANDARD: dict[str, Any] = {
    "title": f"Resellers in Wisconsin {LABEL}",
    "dimensions": [{"code": "experience", "weight": 60}, {"code": "location", "weight": 40}],
    "gates": [
        {"code": "own_funds", "kind": "capital", "minimum": "50000", "unit": "USD"},
        {"code": "record", "kind": "background"},
    ],
}
COURSE: dict[str, Any] = {
    "title": f"Selling with care {LABEL}",
    "pass_mark": 70,
    "required_for_launch": True,
    "required_of": [KIND],
    "max_attempts": 3,
}
MANUAL: dict[str, Any] = {
    "title": f"Operations for resellers {LABEL}",
    "document": "dam://scenario/operations-1",
    "summary": "First edition.",
    "kinds": [KIND],
    "acknowledge_within_days": 365,
}
TEMPLATE: dict[str, Any] = {
    "title": f"A visit to the shop {LABEL}",
    "pass_mark": 80,
    "sections": [
        {
            "code": "shop",
            "title": "The shop",
            "items": [
                {"code": "stock", "title": "Stock is counted", "weight": 3, "correct_within_days": 365},
                {"code": "signs", "title": "Signs as agreed", "weight": 1},
            ],
        }
    ],
}
METRIC_TERMS: dict[str, Any] = {
    "unit": "points",
    "direction": "higher",
    "aggregation": "mean",
    "minimum": 0,
    "maximum": 100,
    "due": "on_occurrence",
}
CARD: dict[str, Any] = {
    "lines": [{"metric": METRIC, "weight": 100, "floor": 0, "target": 100}],
    "bands": [
        {"name": "low", "lower": 0, "upper": BELOW},
        {"name": "fair", "lower": BELOW, "upper": 80},
        {"name": "good", "lower": 80, "upper": 100},
    ],
    "minimum_cohort": 3,
}
STRICTER: dict[str, Any] = {
    **CARD,
    "bands": [{"name": "low", "lower": 0, "upper": 97}, {"name": "good", "lower": 97, "upper": 100}],
}
RULE: dict[str, Any] = {
    "judged_on": "evaluations",
    "figure": "service",
    "metrics": [METRIC],
    "value": f'metrics["{METRIC}"]',
    "when": f"value < {BELOW}.0",
    "severity": "high",
}


def terms(percent: str) -> dict[str, Any]:
    return {
        "jurisdiction": STATE,
        "grants": [{"area": STATE}],
        "royalties": [{"percent": percent}],
        "royalty_currency": "USD",
    }
