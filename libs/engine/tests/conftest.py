"""What the engine's tests share. The example domain is the module `engine_example`, beside this file; child processes
of tests import it, too."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from devstack.fixtures import Databases
from engine import Context, Policy, Process, PublicState, View
from engine.decider import Decider
from engine.runtime import Engine, Tuning, no_failpoint, utc_now
from engine.store import SCHEMA, prepare

sys.path.insert(0, str(Path(__file__).parent))

import engine_example as example

SHORT = {
    "partitions": 3,
    "lease_seconds": 1.5,
    "session_seconds": 6.0,
    "transaction_seconds": 2.0,
    "pool_size": 8,
}
"""The tuning of tests, as keywords of Tuning; Kafka's broker takes no session below 6 s."""

ME = Context("tester")


async def _migrate(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set client_min_messages = warning")
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def migrated() -> Callable[[Databases], str]:
    """Makes a fresh database with the engine's schema among the given ones; returns its URL, as the owner."""
    template = f"engine_{hashlib.sha256(SCHEMA.encode()).hexdigest()[:12]}"
    return lambda databases: databases.create(template, _migrate)


@pytest.fixture
def engine_databases(databases: Databases, migrated: Callable[[Databases], str]) -> Callable[[], str]:
    """Makes fresh databases with the engine's schema; returns a URL, as the owner."""
    return lambda: migrated(databases)


@pytest.fixture
def engine_database(engine_databases: Callable[[], str]) -> str:
    """A fresh database with the engine's schema."""
    return engine_databases()


@pytest.fixture
async def db(engine_database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection to `engine_database`, prepared as the engine's own are."""
    connection = await asyncpg.connect(engine_database)
    await prepare(connection)
    yield connection
    await connection.close()


class MakeEngine(Protocol):
    async def __call__(
        self,
        service: str = "partner",
        *,
        start: bool = True,
        url: str | None = None,
        role: str = "all",
        deciders: Sequence[Decider[Any, Any, Any]] | None = None,
        views: Sequence[View] = (),
        policies: Sequence[Policy | Process[Any]] = (),
        states: Sequence[PublicState[Any]] = (),
        clock: Callable[[], Any] = utc_now,
        failpoint: Callable[[str], Awaitable[None]] = no_failpoint,
        bootstrap: str | None = None,
        **tuning: Any,
    ) -> Engine: ...


@pytest.fixture
async def make_engine(engine_databases: Callable[[], str], kafka: str, topic_prefix: str) -> AsyncIterator[MakeEngine]:
    """Makes engines with short tuning on this test's topic prefix, migrated and (unless start=False) started; stops
    them afterwards. Engines of one service share its database; `partner` writes and `risk` hears by default."""
    made: list[Engine] = []
    urls: dict[str, str] = {}
    own = {"partner": (example.partners,), "risk": (example.profiles,)}

    async def make(
        service: str = "partner",
        *,
        start: bool = True,
        url: str | None = None,
        role: str = "all",
        deciders: Sequence[Decider[Any, Any, Any]] | None = None,
        views: Sequence[View] = (),
        policies: Sequence[Policy | Process[Any]] = (),
        states: Sequence[PublicState[Any]] = (),
        clock: Callable[[], Any] = utc_now,
        failpoint: Callable[[str], Awaitable[None]] = no_failpoint,
        bootstrap: str | None = None,
        **tuning: Any,
    ) -> Engine:
        if url is None:
            url = urls.get(service) or urls.setdefault(service, engine_databases())
        engine = Engine(
            service,
            postgres_url=url,
            kafka_bootstrap=bootstrap or kafka,
            role=role,  # type: ignore[arg-type]
            topic_prefix=topic_prefix,
            deciders=own.get(service, ()) if deciders is None else deciders,
            views=views,
            policies=policies,
            states=states,
            clock=clock,
            failpoint=failpoint,
            tuning=Tuning(**{**SHORT, **tuning}),
        )
        await engine.migrate()
        made.append(engine)
        if start:
            await engine.start()
        return engine

    yield make
    await asyncio.gather(*(engine.stop() for engine in made))
