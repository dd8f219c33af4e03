"""pytest fixtures for services: one as it runs, callers by role, and other services that only say what a test says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

import httpx
import pytest
from engine import Command, Context, Decider, Send
from engine.runtime import Engine
from events import CATALOGUE, Event
from fastapi import FastAPI

from devstack.fixtures import Databases
from devstack.issuer import Issuer, known_role

PATIENCE = 30.0

Serve = Callable[[Callable[[], FastAPI]], Awaitable[FastAPI]]
ClientOf = Callable[..., httpx.AsyncClient]


@pytest.fixture
async def serve(
    database: str, kafka: str, topic_prefix: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Serve]:
    """`app = await serve(partner.app.app)`: migrated and started, on a database and topics of this test's own."""
    async with AsyncExitStack() as running:

        async def start(make: Callable[[], FastAPI]) -> FastAPI:
            for name, value in (
                ("POSTGRES_URL", database),
                ("KAFKA_BOOTSTRAP", kafka),
                ("JWKS", str(issuer.jwks)),
                ("SEALING_KEYS", issuer.sealing_keys()),
            ):
                monkeypatch.setenv(f"CAUCE_{name}", value)
            monkeypatch.setenv("CAUCE_TOPIC_PREFIX", topic_prefix)
            app = make()
            await app.state.engine.migrate()
            await running.enter_async_context(app.router.lifespan_context(app))
            return app

        yield start


@pytest.fixture
async def client_of(issuer: Issuer) -> AsyncIterator[ClientOf]:
    """`client_of(app, "auditor")`: calls the app with a token of that role, as somebody or as a `subject`, and as one
    of a partner's own people with a `partner_id`."""
    async with AsyncExitStack() as opened:

        def make(
            app: FastAPI, role: str, subject: str = "somebody", partner_id: UUID | None = None
        ) -> httpx.AsyncClient:
            known_role(role)
            headers = {"Authorization": f"Bearer {issuer.mint(subject, roles=[role], partner_id=partner_id)}"}
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://service", headers=headers, timeout=60
            )
            opened.push_async_callback(client.aclose)
            return client

        yield make


class Say(Command):
    event_type: str
    data: str


SOMETHING = UUID(int=1)


@dataclass(frozen=True)
class Said:
    """What another service says happened, and when; `about` names the stream."""

    event: Event
    on: datetime
    about: UUID = SOMETHING


@dataclass
class Others:
    """`ids = await others(app, "risk", Said(RestrictionImposed(...), on=...))`: risk-svc says so, by events of these
    ids, and whatever in the app listens to it has handled it."""

    databases: Databases
    kafka: str
    topic_prefix: str
    running: AsyncExitStack
    engines: dict[str, tuple[Engine, Decider[Any, Any, Any]]] = field(default_factory=dict)

    async def __call__(self, listener: FastAPI, service: str, *said: Said) -> list[UUID]:
        engine, decider = await self._speaker(service)
        before = (await engine.log()).head
        sends = [
            Send(
                decider,
                each.about,
                Say(event_type=each.event.event_type, data=each.event.data().decode(), occurred_at=each.on),
            )
            for each in said
        ]
        for start in range(0, len(sends), 500):
            await engine.handle_many(sends[start : start + 500], Context("test"))
        assert await engine.published((await engine.log()).head, PATIENCE)  # noqa: S101 - a fixture
        hears: Engine = listener.state.engine
        for status in await hears.subscriptions():
            if status.source == service:
                assert await hears.handled(status.name, PATIENCE)  # noqa: S101
        async with engine.acquire() as db:
            rows = await db.fetch("select id from event where position > $1 order by position", before)
        return [row["id"] for row in rows]

    async def _speaker(self, service: str) -> tuple[Engine, Decider[Any, Any, Any]]:
        if service not in self.engines:
            decider = saying(service)
            engine = Engine(
                service,
                postgres_url=self.databases.create(),
                kafka_bootstrap=self.kafka,
                topic_prefix=self.topic_prefix,
                deciders=[decider],
            )
            await engine.migrate()
            await engine.start()
            self.running.push_async_callback(engine.stop)
            self.engines[service] = engine, decider
        return self.engines[service]


def saying(service: str) -> Decider[Any, int, Any]:
    types = {event.event_type: event for event in CATALOGUE[service]}

    def say(command: Say, said: int, now: datetime) -> list[Event]:
        return [types[command.event_type].model_validate_json(command.data)]

    events: Any = reduce(or_, CATALOGUE[service])
    return Decider("saying", say, lambda said, event: said + 1, int, events)


@pytest.fixture
async def others(databases: Databases, kafka: str, topic_prefix: str) -> AsyncIterator[Others]:
    async with AsyncExitStack() as running:
        yield Others(databases, kafka, topic_prefix, running)
