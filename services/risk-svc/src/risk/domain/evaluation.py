"""A partner's evaluation as rules see it, and what one rule makes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from events import Period

from risk.domain import expression
from risk.domain.rule import RuleTerms


@dataclass(frozen=True)
class Evaluation:
    """What the event `id` told of a period: first, or restated."""

    id: UUID
    period: Period
    metrics: dict[str, Decimal] = field(default_factory=dict)
    total: Decimal = Decimal(0)
    band: str = ""
    percentile: Decimal | None = None

    def for_rule(self, terms: RuleTerms) -> Evaluation:
        """With only the metrics that the rule lists."""
        listed = {code: value for code, value in self.metrics.items() if code in terms.metrics}
        return Evaluation(self.id, self.period, listed, self.total, self.band, self.percentile)

    def is_for(self, terms: RuleTerms) -> bool:
        return all(metric in self.metrics for metric in terms.metrics)


@dataclass(frozen=True)
class Verdict:
    """What the rule's `value` came to, and whether that is a risk, or lifts a suspension."""

    value: Decimal
    low: bool
    lifts: bool


def judged(terms: RuleTerms, evaluation: Evaluation, before: Evaluation | None, count: int) -> Verdict:
    """`before` is the one of the period before, `count` how many there are up to this one. Raises Broken."""
    variables: dict[str, Any] = {
        "metrics": {code: float(value) for code, value in evaluation.metrics.items()},
        "total": float(evaluation.total),
        "band": evaluation.band,
        "evaluations": count,
    }
    if evaluation.percentile is not None:
        variables["percentile"] = float(evaluation.percentile)
    if before is not None:
        variables["previous_total"] = float(before.total)
        variables["total_change"] = float(evaluation.total - before.total)
    return verdict(terms, variables)


def verdict(terms: RuleTerms, variables: dict[str, Any]) -> Verdict:
    """Raises Broken."""
    value = expression.figure(terms.judged_on, terms.value, variables)
    low = expression.holds(terms.judged_on, terms.when, variables, value)
    lifts = not low and (
        terms.judged_on == "events"
        if terms.lifts_when is None
        else expression.holds(terms.judged_on, terms.lifts_when, variables, value)
    )
    return Verdict(value, low, lifts)
