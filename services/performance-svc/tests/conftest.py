"""performance-svc as it runs, on a real Postgres and a real Kafka, and a partner-svc that only tells of partners."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events import Event
from events.partner import (
    PartnerActivated,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    SuspensionCause,
)
from fastapi import FastAPI
from performance.app import app as performance_app


@pytest.fixture
async def performance(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", database)
    monkeypatch.setenv("CAUCE_KAFKA_BOOTSTRAP", kafka)
    monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("CAUCE_JWKS", str(issuer.jwks))
    app = performance_app()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def caller(performance: FastAPI, issuer: Issuer) -> AsyncIterator[Callable[[str], httpx.AsyncClient]]:
    """Clients by role."""
    clients: list[httpx.AsyncClient] = []

    def make(role: str) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {issuer.mint('somebody', scopes_of(role))}"}
        transport = httpx.ASGITransport(performance)
        client = httpx.AsyncClient(transport=transport, base_url="http://performance", headers=headers, timeout=60)
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May do everything, in the past, too."""
    return caller("backfill")


PartnerEvent = PartnerRegistered | PartnerActivated | PartnerSuspended | PartnerReinstated | PartnerTerminated
What = Literal["registered", "activated", "suspended", "reinstated", "terminated"]


class Tell(Command):
    partner_id: UUID
    what: What


def tell(command: Tell, told: int, now: datetime) -> list[Event]:
    id = command.partner_id
    match command.what:
        case "registered":
            return [
                PartnerRegistered(
                    partner_id=id, application_id=id, legal_name="A", kind="franchisee", area="US-AK", outlet_id=id,
                    outlet_name="A",
                )
            ]  # fmt: skip
        case "activated":
            return [PartnerActivated(partner_id=id)]
        case "suspended":
            return [PartnerSuspended(partner_id=id, cause=SuspensionCause(cause_id=uuid4(), reason="r"))]
        case "reinstated":
            return [PartnerReinstated(partner_id=id, lifted_cause_id=uuid4())]
        case "terminated":
            return [PartnerTerminated(partner_id=id, contract_id=uuid4(), reason="over")]


partners: Decider[Any, Any, Any] = Decider("partner", tell, lambda n, _: n + 1, int, PartnerEvent)


@dataclass(frozen=True)
class Partners:
    """`await tells(("registered", id, "2019-01-01"), ...)`: partner-svc says so, and performance-svc has heard it."""

    engine: Engine
    performance: FastAPI

    async def __call__(self, *happened: tuple[What, UUID, str]) -> None:
        sends = [
            Send(
                partners,
                id,
                Tell(partner_id=id, what=what, occurred_at=datetime.fromisoformat(day).replace(tzinfo=UTC)),
            )
            for what, id, day in happened
        ]
        for start in range(0, len(sends), 500):
            await self.engine.handle_many(sends[start : start + 500], Context("test"))
        assert await self.engine.published((await self.engine.log()).head, 30)
        performance: Engine = self.performance.state.engine
        (heard,) = (s.name for s in await performance.subscriptions() if s.source == "partner")
        assert await performance.handled(heard, 30)


@pytest.fixture
async def tells(
    databases: Databases, kafka: str, topic_prefix: str, performance: FastAPI
) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    engine = Engine(
        "partner",
        postgres_url=databases.create(),
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        deciders=[partners],
    )
    await engine.migrate()
    await engine.start()
    yield Partners(engine, performance)
    await engine.stop()


@pytest.fixture
def settles(performance: FastAPI) -> Callable[[], Awaitable[None]]:
    """`await settles()`: the policy has handled the log, and all that came of it."""
    engine: Engine = performance.state.engine

    async def settled() -> None:
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 30)
            assert await engine.handled("performance.evaluation", 30, position=head)
            assert not await engine.parked()
            if (await engine.log()).head == head:
                return

    return settled
