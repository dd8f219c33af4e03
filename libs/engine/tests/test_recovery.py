"""After a restore: a new incarnation. Nothing is skipped, nothing is hidden behind what the lost timeline published,
nothing that topic and store both have happens twice, and what only the topic has is counted."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from conftest import MakeEngine
from devstack import ports
from devstack.postgres import BINARIES, Postgres, environment, with_database
from engine import Command, Decider, Send
from engine.database import create_owned_database
from engine.kafka import Watcher, admin
from engine.leases import Lease
from engine.metrics import Metrics
from engine.recovery import _CLUSTER, Recovery, declare_restore
from engine.runtime import Engine
from engine.sealing import MasterKeys, Vault
from engine_example import Suspend, heard_view, mirror_policy, partners, profiles
from engine_writing import ME, PUBLIC_TYPES, assert_heard_once, compared, opened, read_topic, suspend, until
from events.partner import PersonErased
from structlog.testing import capture_logs


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def run(tool: str, *arguments: str) -> None:
    done = subprocess.run(
        [str(BINARIES / tool), *arguments], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Another cluster than the one that the tests write in."""
    server = Postgres(tmp_path_factory.mktemp("elsewhere") / "postgres", ports.free()[0])
    server.start()
    yield server
    server.stop("immediate")


@dataclass
class Dumps:
    """Dumps of the test server's databases, to be loaded into another cluster or back into the same one."""

    postgres: str
    elsewhere: Postgres
    folder: Path

    async def take(self, engine: Engine) -> Path:
        path = self.folder / f"{uuid4()}.dump"
        url = with_database(self.postgres, name_of(engine._postgres_url))
        await asyncio.to_thread(run, "pg_dump", "--format=custom", f"--file={path}", f"--dbname={url}")
        return path

    async def load_elsewhere(self, engine: Engine, dump: Path) -> str:
        """The URL of the restored database, in the other cluster."""
        name = name_of(engine._postgres_url)
        connection = await asyncpg.connect(self.elsewhere.url())
        await connection.execute(f'drop database if exists "{name}" with (force)')
        await create_owned_database(connection, name, "secret")
        await connection.close()
        await asyncio.to_thread(self.elsewhere.restore, dump, name)
        return with_database(self.elsewhere.url(), name, name, "secret")

    async def load_back(self, engine: Engine, dump: Path) -> str:
        """The URL of the database, which is the same as before, made anew from the dump."""
        name = name_of(engine._postgres_url)
        connection = await asyncpg.connect(self.postgres)
        await connection.execute(f'drop database "{name}" with (force)')
        await connection.execute(f'create database "{name}" owner "{name}"')
        await connection.close()
        url = with_database(self.postgres, name)
        await asyncio.to_thread(run, "pg_restore", "--exit-on-error", f"--dbname={url}", str(dump))
        return engine._postgres_url


@pytest.fixture
def dumps(postgres: str, elsewhere: Postgres, tmp_path: Path) -> Dumps:
    return Dumps(postgres, elsewhere, tmp_path)


class Gate:
    """Lets the relay send and then stand before it moves its cursor, when shut."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.reached = asyncio.Event()

    async def __call__(self, name: str) -> None:
        if name == "relay_sent" and not self._open.is_set():
            self.reached.set()
            await self._open.wait()

    def shut(self) -> None:
        self.reached.clear()
        self._open.clear()

    def open(self) -> None:
        self._open.set()


async def public_ids(engine: Engine, above: int = 0) -> set[UUID]:
    rows = await engine.pool.fetch("select id from event where type = any ($1) and position > $2", PUBLIC_TYPES, above)
    return {row["id"] for row in rows}


async def heard(risk: Engine) -> dict[UUID, int]:
    assert await risk.handled("risk.mirror", 20)
    assert await risk.handled("risk.heard.g1", 20)
    return {row["event_id"]: row["times"] for row in await risk.pool.fetch("select event_id, times from heard")}


async def published(engine: Engine) -> None:
    assert await engine.published((await engine.log()).head, 15), await engine.log()


async def in_incarnation(engine: Engine, number: int) -> None:
    """Returns when the relay has found the restore and begun a new incarnation."""

    async def begun() -> bool:
        return (await engine.log()).incarnation == number

    await until(begun, 10)


def ghosts(engine: Engine) -> float:
    return engine.registry.get_sample_value("cauce_ghost_events") or 0.0


# -- restores


async def test_a_restore_of_the_latest_state_goes_on_in_a_new_incarnation(
    make_engine: MakeEngine, dumps: Dumps, kafka: str
) -> None:
    before = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(before, 6)
    for id in ids:
        await suspend(before, id)
    await published(before)
    await before.stop()
    after = await make_engine(url=await dumps.load_elsewhere(before, await dumps.take(before)))
    await in_incarnation(after, 2)
    await opened(after, 3)
    for id in ids:
        await suspend(after, id)
    await published(after)
    assert (await after.log()).incarnation == 2
    assert ghosts(after) == 0
    assert (await compared(after, kafka)).fine
    assert set((await read_topic(kafka, after.topic("partner"))).copies.values()) == {1}
    await assert_heard_once(after, risk)


@dataclass
class Lost:
    """A timeline that went on after the dump was taken: what both have, and what only the topic has."""

    engine: Engine
    risk: Engine
    ids: list[UUID]
    dump: Path
    both: set[UUID]
    ghosts: set[UUID]


@pytest.fixture
async def lost(make_engine: MakeEngine, dumps: Dumps) -> Lost:
    """The dump was taken when six events had been sent and the cursor did not yet say so."""
    gate = Gate()
    engine = await make_engine(failpoint=gate)
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(engine, 6)
    await published(engine)
    gate.shut()
    await engine.handle_many([Send(partners, id, Suspend(cause_id=uuid4())) for id in ids], ME)
    await asyncio.wait_for(gate.reached.wait(), 5)
    dump = await dumps.take(engine)
    cursor, head = (await engine.log()).final, (await engine.log()).head
    assert (cursor, head) == (6, 12)
    gate.open()
    for id in ids[:4]:
        await suspend(engine, id, "in the lost timeline")
    await opened(engine, 1)
    await published(engine)
    both, gone = await public_ids(engine, 6) - await public_ids(engine, 12), await public_ids(engine, 12)
    assert (len(both), len(gone)) == (6, 5)
    await heard(risk)
    await engine.stop()
    return Lost(engine, risk, ids, dump, both, gone)


async def assert_recovered(after: Engine, lost: Lost, kafka: str) -> None:
    """After the restored store went on: every event of it and every ghost had its effect once."""
    store = await public_ids(after)
    assert lost.both < store
    assert not lost.ghosts & store
    assert await heard(lost.risk) == dict.fromkeys(store | lost.ghosts, 1)
    topic = await read_topic(kafka, after.topic("partner"))
    assert set(topic.copies) == store | lost.ghosts
    assert all(topic.copies[id] == 1 for id in lost.both)
    before = max(raw.position for raw in topic.raws if raw.incarnation == 1)
    assert min(raw.position for raw in topic.raws if raw.incarnation == 2) > before
    suspensions = sum("PartnerSuspended" in raw.type for raw in topic.raws)
    seen = [s for id in lost.ids for s in (await lost.risk.load(profiles, id)).state.seen]
    assert len(seen) == len(set(seen)) == suspensions


async def test_a_restore_of_a_state_older_than_what_was_published_hides_nothing_and_repeats_nothing(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str
) -> None:
    with capture_logs() as logs:
        after = await make_engine(url=await dumps.load_elsewhere(lost.engine, lost.dump))
        await in_incarnation(after, 2)
    for id in lost.ids:
        await suspend(after, id, "in the new timeline")
    await published(after)
    assert (await after.log()).incarnation == 2
    [told] = [entry for entry in logs if entry["event"] == "new_incarnation"]
    assert (told["ghosts"], told["published_and_kept"]) == (5, 6)
    assert {UUID(id) for id in told["first_ghosts"]} == lost.ghosts
    assert ghosts(after) == 5
    await assert_recovered(after, lost, kafka)


async def test_what_is_appended_before_the_new_relay_has_looked_is_not_hidden_either(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str
) -> None:
    url = await dumps.load_elsewhere(lost.engine, lost.dump)
    api = await make_engine(url=url, role="api")
    early = [await suspend(api, id, "at a position of the lost timeline") for id in lost.ids]
    assert early[0].position == 13
    after = await make_engine(url=url)
    for id in lost.ids:
        await suspend(after, id)
    await published(after)
    store = await public_ids(after)
    assert await heard(lost.risk) == dict.fromkeys(store | lost.ghosts, 1)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not declared"])
async def test_a_dump_loaded_back_into_its_own_cluster_has_to_be_declared(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str, declared: bool
) -> None:
    url = await dumps.load_back(lost.engine, lost.dump)
    if declared:
        connection = await asyncpg.connect(url)
        await declare_restore(connection)
        await connection.close()
    after = await make_engine(url=url)
    if declared:
        await in_incarnation(after, 2)
    for id in lost.ids:
        await suspend(after, id)
    await published(after)
    if declared:
        await assert_recovered(after, lost, kafka)
    else:  # nothing inside the database tells; new events hide behind the lost ones: what the declaration is for
        assert set(await heard(lost.risk)) < await public_ids(after) | lost.ghosts


async def test_a_declaration_makes_the_relay_that_leads_let_go(make_engine: MakeEngine, kafka: str) -> None:
    engine = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    [id] = await opened(engine, 1)
    await published(engine)
    async with engine.pool.acquire() as db:
        await declare_restore(db)
    await in_incarnation(engine, 2)
    await suspend(engine, id)
    await published(engine)
    await assert_heard_once(engine, risk)


async def test_a_store_without_a_row_cannot_be_declared(db: asyncpg.Connection[Any]) -> None:
    await db.execute("delete from store")
    with pytest.raises(LookupError, match="migrate"):
        await declare_restore(db)


# -- in the middle of it


async def recovered_and_crashed(url: str, kafka: str, topic: str) -> int:
    """Starts a new incarnation and ends before anything is sent; returns how many events it found on both."""
    connection = await asyncpg.connect(url)
    watcher, lease = Watcher(kafka), Lease("relay", "one that crashes", 0.1)
    assert await lease.acquire(connection)
    resumed = await Recovery(watcher, topic, Metrics()).resume(connection, lease, 3)
    await lease.release(connection)
    await watcher.stop()
    await connection.close()
    return len(resumed.skip)


@pytest.mark.parametrize("declared_again", [False, True], ids=["goes on", "is declared once more"])
async def test_a_crash_right_after_the_new_incarnation_was_recorded_repeats_nothing(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str, declared_again: bool
) -> None:
    url = await dumps.load_elsewhere(lost.engine, lost.dump)
    topic = lost.engine.topic("partner")
    assert await recovered_and_crashed(url, kafka, topic) == 6
    if declared_again:
        connection = await asyncpg.connect(url)
        await declare_restore(connection)
        await connection.close()
        assert await recovered_and_crashed(url, kafka, topic) == 6
    after = await make_engine(url=url)
    await in_incarnation(after, 3 if declared_again else 2)
    for id in lost.ids:
        await suspend(after, id)
    await published(after)
    assert (await after.log()).incarnation == (3 if declared_again else 2)
    store = await public_ids(after)
    assert await heard(lost.risk) == dict.fromkeys(store | lost.ghosts, 1)
    found = await read_topic(kafka, topic)
    assert [found.copies[id] for id in lost.both] == [1] * 6
    highest = max(raw.position for raw in found.raws if raw.incarnation == 1)
    assert min(raw.position for raw in found.raws if raw.incarnation > 1) > highest


async def test_two_restores_of_the_same_dump_have_two_incarnations(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str
) -> None:
    everything = set[UUID]()
    for incarnation in (2, 3):
        after = await make_engine(url=await dumps.load_elsewhere(lost.engine, lost.dump))
        for id in lost.ids:
            await suspend(after, id)
        await published(after)
        assert (await after.log()).incarnation == incarnation
        everything |= await public_ids(after)
        await after.stop()
    assert await heard(lost.risk) == dict.fromkeys(everything | lost.ghosts, 1)


# -- what the topic may hold


async def test_a_store_made_anew_beside_a_topic_that_is_not_new_hides_nothing(
    make_engine: MakeEngine, engine_databases: Callable[[], str], kafka: str
) -> None:
    before = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    await opened(before, 5)
    await published(before)
    old = await public_ids(before)
    await before.stop()
    anew = await make_engine(url=engine_databases())
    await opened(anew, 3)
    await published(anew)
    assert await heard(risk) == dict.fromkeys(old | await public_ids(anew), 1)
    assert (await anew.log()).incarnation == 2
    assert ghosts(anew) == 5


async def test_records_that_are_not_ours_or_were_deleted_do_not_stop_a_recovery(
    make_engine: MakeEngine, lost: Lost, dumps: Dumps, kafka: str
) -> None:
    topic = lost.engine.topic("partner")
    watcher, producer = Watcher(kafka), AIOKafkaProducer(bootstrap_servers=kafka)
    empty = sum(
        end == 0 for end in (await watcher.ends(topic)).values()
    )  # there a junk record is the first, and deleted
    await watcher.stop()
    await producer.start()
    for partition in range(3):
        await producer.send_and_wait(topic, b"junk", partition=partition)
        await producer.send_and_wait(topic, None, key=b"junk", partition=partition)
    await producer.stop()
    async with admin(kafka) as client:
        await client.delete_records({TopicPartition(topic, p): RecordsToDelete(before_offset=1) for p in range(3)})
    url = await dumps.load_elsewhere(lost.engine, lost.dump)
    connection = await asyncpg.connect(url)
    await connection.execute("update store set topic_offsets = '{}'")
    await connection.close()
    with capture_logs() as logs:
        after = await make_engine(url=url)
        for id in lost.ids:
            await suspend(after, id)
        await published(after)
    assert sum(entry["event"] == "record_not_ours" for entry in logs) == 6 - empty
    assert ghosts(after) == 5  # what was published before the cursor and is found again is none
    assert (await after.log()).incarnation == 2


# -- promotion


async def test_a_promoted_replica_that_lagged_starts_a_new_incarnation(
    make_engine: MakeEngine, new_postgres: Callable[[], Postgres], tmp_path: Path, kafka: str
) -> None:
    primary = await asyncio.to_thread(new_postgres)
    connection = await asyncpg.connect(primary.url())
    await create_owned_database(connection, "partner", "secret")
    await connection.close()
    url = with_database(primary.url(), "partner", "partner", "secret")
    engine = await make_engine(url=url)
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(engine, 4)
    await published(engine)
    await asyncio.to_thread(primary.stop)
    replica = await asyncio.to_thread(copied, primary, tmp_path / "replica")
    await asyncio.to_thread(primary.start)
    for id in ids:  # the replica never hears of these
        await retried(partial(suspend, engine, id))
    await published(engine)
    gone = await public_ids(engine, 4)
    await engine.stop()
    await asyncio.to_thread(primary.stop)
    try:
        replica.child.start()
        await promoted(replica)
        after = await make_engine(url=with_database(replica.url(), "partner", "partner", "secret"))
        for id in ids:
            await suspend(after, id)
        await published(after)
        assert (await after.log()).incarnation == 2
        assert ghosts(after) == len(gone) == 4
        assert await heard(risk) == dict.fromkeys(await public_ids(after) | gone, 1)
        await after.stop()
    finally:
        await asyncio.to_thread(replica.stop, "immediate")


def copied(server: Postgres, data: Path) -> Postgres:
    """A stopped server's replica, which hears of nothing after this."""
    replica = Postgres(data, ports.free()[0])
    shutil.copytree(server.data, replica.data)
    shutil.copy(server.secret, replica.secret)
    (replica.data / "standby.signal").touch()
    for path in [replica.data, *replica.data.rglob("*")]:
        shutil.chown(path, server.data.owner(), server.data.group())
    return replica


async def promoted(server: Postgres) -> None:
    """Promotes a replica. Its control file tells of the old timeline until a checkpoint is done, minutes later where
    there is much to write: not what may be asked."""
    connection: asyncpg.Connection[Any] | None = None

    async def reached() -> bool:
        nonlocal connection
        try:
            connection = await asyncpg.connect(server.url())
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        return True

    await until(reached, 15)
    assert connection is not None
    assert await connection.fetchval("select pg_promote(true)")
    row = await connection.fetchrow(_CLUSTER)
    assert row is not None
    assert row["timeline"] == 2
    await connection.close()


async def retried(command: Callable[[], Awaitable[Any]]) -> None:
    async def done() -> bool:
        try:
            await command()
        except Exception:  # noqa: BLE001 - the server is coming back
            return False
        return True

    await until(done, 15)


class Forget(Command):
    person_id: UUID


async def test_who_was_erased_after_the_dump_is_erased_again_before_anything_is_published(
    make_engine: MakeEngine, dumps: Dumps
) -> None:
    erasures = Decider(
        "partner",
        lambda command, count, now: [PersonErased(partner_id=command.person_id, person_id=command.person_id)],
        lambda count, event: count + 1,
        int,
        PersonErased,
    )
    vault, ana, ben = Vault(MasterKeys({"one": bytes(32)})), uuid4(), uuid4()
    before = await make_engine(deciders=[erasures])
    async with before.acquire() as db:
        sealed = [(await vault.seal(db, each, {"name": "a name"}))["name"] for each in (ana, ben)]
    dump = await dumps.take(before)
    async with before.acquire() as db:
        await vault.erase(db, ana)
    await before.handle(Send(erasures, ana, Forget(person_id=ana)), ME)
    await published(before)
    await before.stop()
    after = await make_engine(url=await dumps.load_elsewhere(before, dump), deciders=[erasures])
    await in_incarnation(after, 2)
    async with after.acquire() as db:
        assert await vault.open(db, "name", sealed) == [None, "a name"]
