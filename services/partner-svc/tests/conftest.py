"""An applicant; and partner-svc as it runs, with other services that only say what a test has them say."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

import httpx
import pytest
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events import CATALOGUE, Event
from events.partner import ExternalRef
from fastapi import FastAPI
from partner.app import app as partner_app
from partner.domain.registration import Registration, partner_id

APPLICATION = UUID("22222222-2222-4222-8222-222222222222")


@pytest.fixture(scope="session")
def application() -> UUID:
    return APPLICATION


@pytest.fixture(scope="session")
def partner() -> UUID:
    return partner_id(APPLICATION)


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2000, 1, 5, 21, tzinfo=UTC)


@pytest.fixture(scope="session")
def registration() -> Callable[..., Registration]:
    """The applicant, or another one where `application_id` says so."""

    def make(application_id: UUID = APPLICATION, **changes: Any) -> Registration:
        return Registration(
            **{
                "application_id": application_id,
                "partner_id": partner_id(application_id),
                "legal_name": "TESORO - SEWARD HWY",
                "kind": "franchisee",
                "area": "US-AK",
                "outlet_name": "Seward Highway",
                "external_refs": (ExternalRef(system="erp", key="V-1042"),),
                **changes,
            }
        )

    return make


@pytest.fixture
async def service(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", database)
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
    app = partner_app()
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
        client = httpx.AsyncClient(transport=transport, base_url="http://partner", headers=headers)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide, and bring in the past."""
    return caller("backfill")


class Say(Command):
    event_type: str
    data: str


def saying(service: str) -> Decider[Any, int, Any]:
    types = {event.event_type: event for event in CATALOGUE[service]}

    def say(command: Say, said: int, now: datetime) -> list[Event]:
        return [types[command.event_type].model_validate_json(command.data)]

    events: Any = reduce(or_, CATALOGUE[service])
    return Decider("saying", say, lambda said, event: said + 1, int, events)


@pytest.fixture
async def says(
    databases: Databases, kafka: str, topic_prefix: str, service: FastAPI
) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """`await says("risk", RestrictionImposed(...), on=datetime(...))`: the other service says so, and partner-svc has
    handled it."""
    engines: dict[str, tuple[Engine, Decider[Any, int, Any]]] = {}
    heard_by = {"contract": "partner.contracts", "training": "partner.trainings", "risk": "partner.restrictions"}

    async def speaker(name: str) -> tuple[Engine, Decider[Any, int, Any]]:
        if name not in engines:
            decider = saying(name)
            engine = Engine(
                name,
                postgres_url=databases.create(),
                kafka_bootstrap=kafka,
                topic_prefix=topic_prefix,
                deciders=[decider],
            )
            await engine.migrate()
            await engine.start()
            engines[name] = engine, decider
        return engines[name]

    async def say(name: str, event: Event, *, on: datetime) -> None:
        engine, decider = await speaker(name)
        command = Say(event_type=event.event_type, data=event.data().decode(), occurred_at=on)
        receipt = await engine.handle(Send(decider, UUID(int=1), command), Context("test"))
        assert receipt.position is not None
        assert await engine.published(receipt.position, 30)
        assert await service.state.engine.handled(heard_by[name], 30)

    yield say
    for engine, _ in engines.values():
        await engine.stop()
