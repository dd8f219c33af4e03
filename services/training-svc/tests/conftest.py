"""training-svc as it runs, on a real Postgres and a real Kafka, and a contract-svc that only signs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events.contract import PartnerSigned
from fastapi import FastAPI
from training.app import app as training_app


@pytest.fixture
async def training(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", database)
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
    app = training_app()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def caller(training: FastAPI, issuer: Issuer) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """Clients by role."""
    clients: list[httpx.AsyncClient] = []

    def make(role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {issuer.mint('somebody', scopes_of(role))}"}
        transport = httpx.ASGITransport(training)
        client = httpx.AsyncClient(transport=transport, base_url="http://training", headers=headers)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May do everything, in the past, too."""
    return caller("backfill")


class Sign(Command):
    partner_id: UUID


def sign(command: Sign, signed: int, now: datetime) -> list[PartnerSigned]:
    day = now.date()
    return [PartnerSigned(contract_id=uuid4(), partner_id=command.partner_id, areas=("US-AK",), effective_from=day)]


contracts: Decider[Sign, int, PartnerSigned] = Decider("contract", sign, lambda n, _: n + 1, int, PartnerSigned)


@pytest.fixture
async def signs(
    databases: Databases, kafka: str, topic_prefix: str, training: FastAPI
) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """`await signs(partner_id, on=date)`: contract-svc says so, and training-svc has handled it."""
    contract = Engine(
        "contract",
        postgres_url=databases.create(),
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        deciders=[contracts],
    )
    await contract.migrate()
    await contract.start()

    async def make(partner_id: UUID, on: date) -> None:
        at = datetime(on.year, on.month, on.day, 12, tzinfo=UTC)
        command = Sign(partner_id=partner_id, occurred_at=at)
        receipt = await contract.handle(Send(contracts, uuid4(), command), Context("test"))
        assert receipt.position is not None
        assert await contract.published(receipt.position, 30)
        assert await training.state.engine.handled("training.assignment", 30)

    yield make
    await contract.stop()


@pytest.fixture
def hygiene() -> dict[str, Any]:
    return {
        "title": "Food hygiene",
        "pass_mark": 70,
        "required_for_launch": True,
        "validity_months": 24,
        "max_attempts": 2,
    }
