from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import pytest
from risk.domain.risk_profile import AssessEvaluation
from risk.domain.rule import RuleTerms

PARTNER = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="session")
def partner() -> UUID:
    return PARTNER


@pytest.fixture(scope="session")
def terms() -> Callable[..., RuleTerms]:
    """The rule: below 85 is a risk, two in a row suspend, 90 lifts."""

    def make(**changes: Any) -> RuleTerms:
        return RuleTerms(
            **{
                "code": "low_score",
                "version": 1,
                "metric": "inspection_score",
                "flag_below": Decimal(85),
                "severity": "high",
                "suspend_after": 2,
                "lift_at": Decimal(90),
                **changes,
            }
        )

    return make


@pytest.fixture(scope="session")
def event_of() -> Callable[..., UUID]:
    """The id of the event that told a period's figure; `n` counts restatements."""
    return lambda period, n=0: uuid5(PARTNER, f"{period}/{n}")


@pytest.fixture(scope="session")
def evaluation(terms: Callable[..., RuleTerms], event_of: Callable[..., UUID]) -> Callable[..., AssessEvaluation]:
    def make(period: str | int, value: str | int | Decimal, n: int = 0, **changes: Any) -> AssessEvaluation:
        return AssessEvaluation(
            **{
                "partner_id": PARTNER,
                "rule": terms(),
                "period": str(period),
                "value": Decimal(value),
                "evaluation_id": event_of(period, n),
                **changes,
            }
        )

    return make
