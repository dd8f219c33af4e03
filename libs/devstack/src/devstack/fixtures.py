"""pytest fixtures: one real Postgres and one real Kafka a test run, xdist workers included; each test its own database
and its own topic names. Nothing starts before a test asks.

CAUCE_POSTGRES_URL (a superuser's) and CAUCE_KAFKA_BOOTSTRAP point the fixtures at servers that are there already;
CAUCE_TEST_INFRA=containers takes container images.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from engine.database import create_owned_database, quoted

from devstack import keeper, ports
from devstack.issuer import Issuer
from devstack.kafka import Kafka
from devstack.keeper import Servers
from devstack.postgres import Postgres, with_database
from devstack.wait import run_apart

if TYPE_CHECKING:  # the SDK takes a while to be read, and few tests need it
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

RUN = "CAUCE_TEST_RUN"
Prepare = Callable[[str], Awaitable[None]]


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[RUN] = str(os.getpid())  # xdist's workers inherit it


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        keeper.ended(keeper.folder_of(os.getpid()))


@pytest.fixture(scope="session")
def servers() -> Servers:
    """The run's servers."""
    pytest_pid = int(os.environ[RUN])
    return keeper.servers(keeper.folder_of(pytest_pid), pytest_pid)


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> str:
    """The server's URL, as superuser."""
    return servers.postgres


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> str:
    """The broker's bootstrap address."""
    return servers.kafka


async def drop_owned_database(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    """The database, whoever is connected to it, and its role."""
    await connection.execute(f"drop database if exists {quoted(name)} with (force)")
    await connection.execute(f"drop role if exists {quoted(name)}")


@dataclass
class Databases:
    """Makes databases, each with a role of its own under a service role's limits; drops them at the test's end."""

    server: str
    made: list[str] = field(default_factory=list)

    def create(self, template: str | None = None, prepare: Prepare | None = None) -> str:
        """The URL of a fresh database, as its owner.

        With `template` (a name) and `prepare` (called with a URL) the schema is made once a server and copied from
        then on: for schemas that take longer to make than the 50 ms of a copy.
        """
        name, password = f"t_{secrets.token_hex(6)}", secrets.token_hex(8)
        self.made.append(name)
        run_apart(self._create(name, password, template, prepare))
        return with_database(self.server, name, name, password)

    async def _create(self, name: str, password: str, template: str | None, prepare: Prepare | None) -> None:
        connection = await asyncpg.connect(self.server)
        try:
            if template is None or prepare is None:
                await create_owned_database(connection, name, password)
                return
            source = f"template_{template}"
            await self._prepared(connection, source, prepare)
            await create_owned_database(connection, name, password, template=source)
        finally:
            await connection.close()
        copy = await asyncpg.connect(with_database(self.server, name))
        try:
            await copy.execute(f"reassign owned by {quoted(source)} to {quoted(name)}")
        finally:
            await copy.close()

    async def _prepared(self, connection: "asyncpg.Connection", source: str, prepare: Prepare) -> None:
        await connection.execute("select pg_advisory_lock(hashtext($1))", source)
        if not await connection.fetchval("select datistemplate from pg_database where datname = $1", source):
            await drop_owned_database(connection, source)
            password = secrets.token_hex(8)
            await create_owned_database(connection, source, password)
            await prepare(with_database(self.server, source, source, password))
            # no longer its role's, or the reassignment in a copy would hand over this database, too
            await connection.execute(f"alter database {quoted(source)} owner to current_user")
            await connection.execute(f"alter database {quoted(source)} is_template true")
        await connection.execute("select pg_advisory_unlock(hashtext($1))", source)

    def drop(self) -> None:
        async def drop() -> None:
            connection = await asyncpg.connect(self.server)
            try:
                for name in self.made:
                    await drop_owned_database(connection, name)
            finally:
                await connection.close()

        if self.made:
            run_apart(drop())


@pytest.fixture
def databases(postgres: str) -> Iterator[Databases]:
    """Makes as many databases as the test needs."""
    made = Databases(postgres)
    yield made
    made.drop()


@pytest.fixture
def database(databases: Databases) -> str:
    """A fresh database's URL, as its owner: a service's own database, empty."""
    return databases.create()


async def delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


@pytest.fixture
def topic_prefix(kafka: str) -> Iterator[str]:
    """What this test prepends to topic and group names; its topics are deleted afterwards."""
    prefix = f"t{secrets.token_hex(6)}."
    yield prefix
    run_apart(delete_topics(kafka, prefix))


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Mints tokens; `issuer.jwks` is the path of the key set that verifies them."""
    made = Issuer(tmp_path_factory.mktemp("issuer"))
    made.publish()
    return made


@pytest.fixture
def new_postgres(tmp_path: Path) -> Iterator[Callable[[], Postgres]]:
    """Starts Postgres servers that are the test's own, to stop, kill, dump and restore."""
    made: list[Postgres] = []

    def start() -> Postgres:
        server = Postgres(tmp_path / f"postgres-{len(made)}", ports.free()[0])
        made.append(server)
        server.start()
        return server

    yield start
    for server in made:
        server.stop("immediate")


@pytest.fixture
def new_kafka(tmp_path: Path) -> Iterator[Callable[[], Kafka]]:
    """Starts brokers that are the test's own, to stop and kill."""
    made: list[Kafka] = []

    def start() -> Kafka:
        broker = Kafka(tmp_path / f"kafka-{len(made)}", ports.free(2)[0])
        made.append(broker)
        broker.start()
        return broker

    yield start
    for broker in made:
        broker.kill()


@pytest.fixture
def record_spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], "InMemorySpanExporter"]]:
    """From when it is called there is an SDK; what it returns has the spans that ended. Until then there is none."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)

    def record() -> InMemorySpanExporter:
        spans = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(spans))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # by its own call it can be set once a process
        return spans

    yield record
    provider.shutdown()
