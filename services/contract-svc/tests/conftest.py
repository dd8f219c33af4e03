"""Ordinary terms in Alaska; and contract-svc as it runs, with a partner-svc that only registers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from contract.app import app as contract_app
from contract.domain.negotiation import contract_id, negotiation_id
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events.partner import PartnerRegistered
from fastapi import FastAPI

PARTNER = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="session")
def partner() -> UUID:
    return PARTNER


@pytest.fixture(scope="session")
def negotiation() -> UUID:
    return negotiation_id(PARTNER)


@pytest.fixture(scope="session")
def contract(negotiation: UUID) -> UUID:
    return contract_id(negotiation)


@pytest.fixture(scope="session")
def alaska() -> Callable[..., datetime]:
    """An instant by Anchorage's clocks, in UTC: `alaska(2000, 1, 13, 9)`."""
    return lambda *parts: datetime(*parts).replace(tzinfo=ZoneInfo("America/Anchorage")).astimezone(UTC)


@pytest.fixture(scope="session")
def terms() -> Callable[..., dict[str, Any]]:
    """Ordinary terms in Alaska, without end, and what is different about them."""
    return lambda **changes: {
        "jurisdiction": "US-AK",
        "areas": ("US-AK-99501",),
        "royalty_percent": Decimal("5.5"),
        "term_ends_on": None,
        **changes,
    }


@pytest.fixture
async def service(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", database)
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
    app = contract_app()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def caller(service: FastAPI, issuer: Issuer) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """Clients by role."""
    clients: list[httpx.AsyncClient] = []

    def make(role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {issuer.mint('somebody', scopes_of(role))}"}
        transport = httpx.ASGITransport(service)
        client = httpx.AsyncClient(transport=transport, base_url="http://contract", headers=headers)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide, and bring in the past."""
    return caller("backfill")


class Register(Command):
    partner_id: UUID


def register(command: Register, partners: int, now: datetime) -> list[PartnerRegistered]:
    registered = PartnerRegistered(
        partner_id=command.partner_id,
        application_id=command.partner_id,
        legal_name="TESORO - SEWARD HWY",
        kind="franchisee",
        area="US-AK",
        outlet_id=command.partner_id,
        outlet_name="Seward Highway",
    )
    return [registered]


partners: Decider[Register, int, PartnerRegistered] = Decider(
    "partner", register, lambda n, _: n + 1, int, PartnerRegistered
)


@pytest.fixture
async def registers(
    databases: Databases, kafka: str, topic_prefix: str, service: FastAPI
) -> AsyncIterator[Callable[[UUID], Awaitable[None]]]:
    """`await registers(partner_id)`: partner-svc says so, and contract-svc has handled it."""
    engine = Engine(
        "partner",
        postgres_url=databases.create(),
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        deciders=[partners],
    )
    await engine.migrate()
    await engine.start()

    async def make(partner_id: UUID) -> None:
        occurred_at = datetime(2000, 1, 9, 21, tzinfo=UTC)
        receipt = await engine.handle(
            Send(partners, partner_id, Register(partner_id=partner_id, occurred_at=occurred_at)), Context("test")
        )
        assert receipt.position is not None
        assert await engine.published(receipt.position, 30)
        assert await service.state.engine.handled("contract.opening", 30)

    yield make
    await engine.stop()
