"""The rule and the evaluations of the tests; and risk-svc as it runs, with a performance-svc that only evaluates."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx
import pytest
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events.performance import EvaluationRestated, MetricScore, PartnerEvaluated
from fastapi import FastAPI
from risk.app import app as risk_app
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


@pytest.fixture
async def risk(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", database)
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
    app = risk_app()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def caller(risk: FastAPI, issuer: Issuer) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """Clients by role."""
    clients: list[httpx.AsyncClient] = []

    def make(role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {issuer.mint('somebody', scopes_of(role))}"}
        transport = httpx.ASGITransport(risk)
        client = httpx.AsyncClient(transport=transport, base_url="http://risk", headers=headers)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide."""
    return caller("channel-manager")


class Evaluate(Command):
    partner_id: UUID
    period: str
    value: Decimal
    restated: bool


def evaluate(command: Evaluate, evaluations: int, now: datetime) -> list[PartnerEvaluated | EvaluationRestated]:
    score = MetricScore(
        metric="inspection_score", value=command.value, observations=3, score=Decimal(1), weight=Decimal(100)
    )
    common: dict[str, Any] = {
        "partner_id": command.partner_id,
        "period": command.period,
        "scorecard": "yearly",
        "scorecard_version": 1,
        "scores": (score,),
        "total": Decimal(1),
        "band": "C",
        "trend": None,
        "percentile": None,
        "cohort_size": 1,
    }
    if command.restated:
        return [EvaluationRestated(**common, previous_total=None, because=(uuid4(),))]
    return [PartnerEvaluated(**common)]


evaluations: Decider[Evaluate, int, PartnerEvaluated | EvaluationRestated] = Decider(
    "evaluation", evaluate, lambda n, _: n + 1, int, PartnerEvaluated | EvaluationRestated
)


@pytest.fixture
async def evaluates(
    databases: Databases, kafka: str, topic_prefix: str, risk: FastAPI
) -> AsyncIterator[Callable[..., Awaitable[list[str]]]]:
    """`ids = await evaluates(partner_id, ("2005", 84), ...)`: performance-svc says so, by events of these ids, and
    risk-svc has handled all of it."""
    performance = Engine(
        "performance",
        postgres_url=databases.create(),
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        deciders=[evaluations],
    )
    await performance.migrate()
    await performance.start()

    async def make(partner_id: UUID, *figures: tuple[str, str | int], restated: bool = False) -> list[str]:
        before = (await performance.load(evaluations, partner_id)).version
        sends = [
            Send(
                evaluations,
                partner_id,
                Evaluate(
                    partner_id=partner_id,
                    period=period,
                    value=Decimal(value),
                    restated=restated,
                    occurred_at=datetime(int(period) + 1, 1, 5, tzinfo=UTC),
                ),
            )
            for period, value in figures
        ]
        await performance.handle_many(sends, Context("test"))
        facts = await performance.history(evaluations, partner_id, after=before)
        assert await performance.published(facts[-1].position, 30)
        assert await risk.state.engine.handled("risk.assessment", 30)
        return [str(fact.event_id) for fact in facts]

    yield make
    await performance.stop()
