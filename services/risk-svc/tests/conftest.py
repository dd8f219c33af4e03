"""The rule and the evaluations of the tests; and risk-svc as it runs, with a performance-svc that only evaluates."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from devstack.serving import ClientOf, Others, Said, Serve
from events.operational import ConsumerFeedbackReported, SalesReported
from events.performance import EvaluationRestated, MetricScore, PartnerEvaluated
from fastapi import FastAPI
from risk.app import app as risk_app
from risk.domain.assessment import AssessEvaluation
from risk.domain.evaluation import Evaluation
from risk.domain.rule import RuleTerms

PARTNER = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="session")
def partner() -> UUID:
    return PARTNER


@pytest.fixture(scope="session")
def terms() -> Callable[..., RuleTerms]:
    """The rule: below 85 is a risk, two in a row suspend, 90 lifts. The limits may be given as numbers."""

    def make(metric: str = "inspection_score", flag_below: Any = 85, lift_at: Any = 90, **changes: Any) -> RuleTerms:
        return RuleTerms(
            **{
                "code": "low_score",
                "version": 1,
                "judged_on": "evaluations",
                "figure": metric,
                "metrics": (metric,),
                "value": f'metrics["{metric}"]',
                "when": f"value < {float(flag_below)}",
                "severity": "high",
                "suspend_after": 2,
                "lifts_when": None if lift_at is None else f"value >= {float(lift_at)}",
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
                "evaluation": Evaluation(
                    event_of(period, n), str(period), {"inspection_score": Decimal(value)}, Decimal(value)
                ),
                **changes,
            }
        )

    return make


@pytest.fixture
async def risk(serve: Serve) -> FastAPI:
    return await serve(risk_app)


@pytest.fixture
def caller(client_of: ClientOf, risk: FastAPI) -> Callable[[str], httpx.AsyncClient]:
    """Clients by role."""
    return partial(client_of, risk)


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide."""
    return caller("channel-manager")


def evaluated(partner_id: UUID, period: str, value: str | int, *, restated: bool) -> Said:
    score = MetricScore(
        metric="inspection_score", value=Decimal(value), observations=3, score=Decimal(1), weight=Decimal(100)
    )
    common: dict[str, Any] = {
        "partner_id": partner_id,
        "period": period,
        "scorecard": "yearly",
        "scorecard_version": 1,
        "scores": (score,),
        "total": Decimal(1),
        "band": "C",
        "trend": None,
        "percentile": None,
        "cohort_size": 1,
    }
    restatement = {"previous_total": None, "because": (uuid4(),)}
    event = EvaluationRestated(**common, **restatement) if restated else PartnerEvaluated(**common)
    return Said(event, datetime(int(period) + 1, 1, 5, tzinfo=UTC), partner_id)


@pytest.fixture
def evaluates(others: Others, risk: FastAPI) -> Callable[..., Awaitable[list[str]]]:
    """`ids = await evaluates(partner_id, ("2005", 84), ...)`: performance-svc says so, by events of these ids, and
    risk-svc has handled all of it."""

    async def make(partner_id: UUID, *figures: tuple[str, str | int], restated: bool = False) -> list[str]:
        said = [evaluated(partner_id, period, value, restated=restated) for period, value in figures]
        return [str(id) for id in await others(risk, "performance", *said)]

    return make


@pytest.fixture
def complains(others: Others, risk: FastAPI) -> Callable[[UUID, int], Awaitable[list[str]]]:
    """`ids = await complains(partner_id, 3)`: performance-svc reports three complaints of today."""

    async def make(partner_id: UUID, n: int) -> list[str]:
        now = datetime.now(UTC)
        said = [
            Said(
                ConsumerFeedbackReported(
                    consumer_feedback_id=uuid4(),
                    partner_id=partner_id,
                    instrument="complaint",
                    given_on=now.date(),
                    source="app",
                    source_ref=str(uuid4()),
                ),
                now,
                partner_id,
            )
            for _ in range(n)
        ]
        return [str(id) for id in await others(risk, "performance", *said)]

    return make


@pytest.fixture
def sells(others: Others, risk: FastAPI) -> Callable[..., Awaitable[None]]:
    """`await sells((partner_id, number, amount, restatement), ...)`: performance-svc says so of today."""

    async def make(*sales: tuple[UUID, int, int, int]) -> None:
        now = datetime.now(UTC)
        said = [
            SalesReported(
                sale_id=UUID(int=number),
                partner_id=partner_id,
                amount=Decimal(amount),
                currency="EUR",
                sold_on=now.date(),
                source="till",
                source_ref=str(number),
                restatement=restatement,
            )
            for partner_id, number, amount, restatement in sales
        ]
        await others(risk, "performance", *(Said(each, now, each.sale_id) for each in said))

    return make


@pytest.fixture
def followed(risk: FastAPI) -> Callable[[], Awaitable[None]]:
    """Everything that risk-svc does by itself is done: what it heard, what it decided, what was due by now."""

    async def make() -> None:
        engine = risk.state.engine
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 30)
            assert await engine.handled("risk.following", 30, position=head)
            async with engine.acquire() as db:
                due = await db.fetchval("select count(*) from timer where error is null and due_at <= now()")
            if due == 0 and (await engine.log()).head == head:
                return
            await asyncio.sleep(0.01)

    return make
