import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from devstack.fixtures import Databases
from devstack.issuer import Issuer
from devstack.kafka import Kafka
from devstack.ports import accepts, free
from devstack.postgres import Postgres, with_database
from devstack.wait import until_true


async def settings(url: str, *names: str) -> dict[str, str]:
    connection = await asyncpg.connect(url)
    try:
        return {name: await connection.fetchval(f"show {name}") for name in names}
    finally:
        await connection.close()


async def test_the_test_server_is_postgresql_18_with_durable_settings(postgres: str) -> None:
    found = await settings(postgres, "server_version", "fsync", "synchronous_commit", "full_page_writes")
    assert found.pop("server_version").startswith("18.")
    assert set(found.values()) == {"on"}


async def test_a_test_database_lives_under_a_service_roles_limits(database: str) -> None:
    assert await settings(database, "transaction_timeout", "idle_in_transaction_session_timeout") == {
        "transaction_timeout": "2s",
        "idle_in_transaction_session_timeout": "2s",
    }


async def test_two_databases_share_neither_tables_nor_roles(databases: Databases) -> None:
    one, other = databases.create(), databases.create()
    connection = await asyncpg.connect(one)
    await connection.execute("create table seen (n int)")
    await connection.close()
    connection = await asyncpg.connect(other)
    assert await connection.fetchval("select to_regclass('seen')") is None
    await connection.close()


async def test_a_prepared_schema_is_made_once_and_each_copy_is_its_owners(databases: Databases) -> None:
    prepared = []

    async def prepare(url: str) -> None:
        prepared.append(url)
        connection = await asyncpg.connect(url)
        await connection.execute("create table t (n int); insert into t values (7)")
        await connection.close()

    name = f"probe_{os.getpid()}"
    for _ in range(2):
        connection = await asyncpg.connect(databases.create(name, prepare))
        assert await connection.fetchval("select n from t") == 7
        await connection.execute("alter table t add column m int")
        await connection.close()
    assert len(prepared) == 1


async def test_the_broker_takes_an_idempotent_producer_and_a_consumer_group(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}partner.events"
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=2, replication_factor=1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, acks="all")
    await producer.start()
    for n in range(20):
        await producer.send_and_wait(topic, str(n).encode(), key=str(n % 3).encode())
    await producer.stop()
    group = f"{topic_prefix}risk.rules"
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, group_id=group, auto_offset_reset="earliest")
    await consumer.start()
    values = [int((await asyncio.wait_for(consumer.getone(), 20)).value) for _ in range(20)]
    await consumer.commit()
    await consumer.stop()
    assert sorted(values) == list(range(20))


async def test_a_topic_nobody_created_is_not_made_up_by_the_broker(kafka: str, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        (described,) = await admin.describe_topics([f"{topic_prefix}nobody.events"])
        assert described["error_code"] != 0
        assert f"{topic_prefix}nobody.events" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_killed_postgres_recovers_what_it_had_committed(new_postgres: Callable[[], Postgres]) -> None:
    server = await asyncio.to_thread(new_postgres)
    connection = await asyncpg.connect(server.url())
    await connection.execute("create table kept (n int); insert into kept values (1)")
    server.kill()
    with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.close(timeout=1)
    await asyncio.to_thread(server.start)
    connection = await asyncpg.connect(server.url())
    assert await connection.fetchval("select n from kept") == 1
    await connection.close()


async def test_a_dump_is_restored_into_a_fresh_server(new_postgres: Callable[[], Postgres], tmp_path: Path) -> None:
    old, new = await asyncio.to_thread(new_postgres), await asyncio.to_thread(new_postgres)
    connection = await asyncpg.connect(old.url())
    await connection.execute("create table kept (n int); insert into kept values (1)")
    await connection.close()
    await asyncio.to_thread(old.dump, "postgres", tmp_path / "dump")
    connection = await asyncpg.connect(new.url())
    await connection.execute("create database restored")
    await connection.close()
    await asyncio.to_thread(new.restore, tmp_path / "dump", "restored")
    connection = await asyncpg.connect(with_database(new.url(), "restored"))
    assert await connection.fetchval("select n from kept") == 1
    await connection.close()


def test_a_stopped_broker_comes_back_with_its_topics(new_kafka: Callable[[], Kafka]) -> None:
    async def topics(bootstrap: str, create: str | None = None) -> set[str]:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            if create is not None:
                await admin.create_topics([NewTopic(create, num_partitions=1, replication_factor=1)])
            return set(await admin.list_topics())
        finally:
            await admin.close()

    broker = new_kafka()
    asyncio.run(topics(broker.bootstrap, create="kept"))
    broker.stop()
    broker.start()
    assert "kept" in asyncio.run(topics(broker.bootstrap))


def test_a_cluster_id_may_begin_with_a_dash(tmp_path: Path) -> None:
    """One random id in 64 does."""
    broker = Kafka(tmp_path / "kafka", free(2)[0])
    broker.format("-AAAAAAAAAAAAAAAAAAAAA")
    assert "cluster.id=-AAAA" in (tmp_path / "kafka" / "meta.properties").read_text()


def test_tokens_are_signed_by_the_key_the_services_verify_with(issuer: Issuer) -> None:
    assert issuer.jwks.read_text().count("ES256") == 1
    assert issuer.mint("ana", ["partner:read"]).count(".") == 2
    assert '"d"' not in issuer.jwks.read_text()


INNER = """
import os
from pathlib import Path

def test_one(postgres, kafka, worker_id):
    Path(os.environ["TOLD"], worker_id + "-one").write_text(postgres + " " + kafka)

def test_two(postgres, kafka, worker_id):
    Path(os.environ["TOLD"], worker_id + "-two").write_text(postgres + " " + kafka)

def test_hang(worker_id):
    if os.environ.get("HANG"):
        Path(os.environ["TOLD"], "hanging").touch()
        import threading
        threading.Event().wait()
"""


@pytest.fixture
def inner_run(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a pytest of its own, so with servers of its own, on INNER."""
    (tmp_path / "test_inner.py").write_text(INNER)
    (tmp_path / "told").mkdir()
    unwanted = ("PYTEST_", "CAUCE_TEST_RUN", "CAUCE_POSTGRES_URL", "CAUCE_KAFKA_BOOTSTRAP")

    started = []

    def start(*options: str, **env: str) -> "subprocess.Popen[bytes]":
        clean = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        run = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_inner.py"],
            cwd=tmp_path,
            env=clean | {"TOLD": str(tmp_path / "told")} | env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(run)
        return run

    yield start
    for run in started:
        run.kill()
        run.wait()


def listeners(told: str) -> list[int]:
    """The ports in a line that INNER wrote."""
    return [int(part.rsplit(":", 1)[1].split("/")[0]) for part in told.split()]


def listening(ports: list[int]) -> list[int]:
    return [port for port in ports if accepts(port)]


def eventually(holds: Callable[[], bool], seconds: float = 200) -> None:
    until_true(holds, "what the test waits for", seconds)


def test_xdist_workers_share_one_pair_of_servers_that_ends_with_the_run(
    inner_run: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path
) -> None:
    run = inner_run("-n", "2", "--dist", "each")
    assert run.wait(250) == 0
    told = {file.name: file.read_text() for file in (tmp_path / "told").iterdir()}
    assert set(told) == {"gw0-one", "gw0-two", "gw1-one", "gw1-two"}
    assert len(set(told.values())) == 1
    assert listening(listeners(told["gw0-one"])) == []


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_killed_pytest_leaves_no_server_behind(
    inner_run: Callable[..., "subprocess.Popen[bytes]"], tmp_path: Path, options: tuple[str, ...]
) -> None:
    run = inner_run(*options, HANG="1")
    told = tmp_path / "told"
    eventually(lambda: (told / "hanging").exists() and any(told.glob("*-one")))
    ports = listeners(next(told.glob("*-one")).read_text())
    assert sorted(listening(ports)) == sorted(ports)
    run.send_signal(signal.SIGKILL)
    run.wait()
    eventually(lambda: listening(ports) == [])
