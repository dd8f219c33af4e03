"""The relay killed, paused and cut off: duplicates only within a window, every effect exactly once downstream."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka.errors import KafkaError
from conftest import MakeEngine
from devstack import ports
from devstack.kafka import Kafka
from engine import Send
from engine import kafka as engine_kafka
from engine.errors import Unavailable
from engine.kafka import Watcher, create_topic
from engine.producer import Producer, Record
from engine.runtime import Engine
from engine_example import Note, Reinstate, Suspend, heard_view, mirror_policy, partners
from engine_writing import ME, assert_heard_once, child_engine, compared, opened, read_topic, until
from structlog.testing import capture_logs

WINDOW = 20  # of the child's relay


WENT_BACK = """
create table went_back (n bigint);
create function note_going_back() returns trigger language plpgsql as $$
begin
    insert into went_back values (new.published);
    return new;
end $$;
create trigger going_back before update on store for each row when (new.published < old.published)
    execute function note_going_back()
"""
"""Keeps it where somebody moves the relay's cursor back."""


async def busy(engine: Engine, ids: list[UUID], rounds: int) -> None:
    """Suspensions and reinstatements, notes between them, in every stream."""
    for _ in range(rounds):
        causes = [uuid4() for _ in ids]
        await engine.handle_many(
            [Send(partners, id, Suspend(cause_id=cause)) for id, cause in zip(ids, causes, strict=True)]
            + [Send(partners, id, Note(text="x")) for id in ids[::3]]
            + [Send(partners, id, Reinstate(cause_id=cause)) for id, cause in zip(ids, causes, strict=True)],
            ME,
        )


async def assert_sent_again_at_most(engine: Engine, kafka: str, window: int) -> int:
    copies = (await read_topic(kafka, engine.topic("partner"))).copies
    again = sum(n - 1 for n in copies.values())
    assert max(copies.values()) <= 2
    assert again <= window
    return again


@pytest.mark.parametrize("point", ["relay_read", "relay_sent"])
async def test_a_relay_that_stumbles_before_or_after_its_send_goes_on_from_its_cursor(
    make_engine: MakeEngine, kafka: str, point: str
) -> None:
    passed = 0

    async def failpoint(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed == 2:
            raise OSError("the line is dead")

    engine = await make_engine(failpoint=failpoint, relay_window=WINDOW)
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    await busy(engine, await opened(engine, 10), 4)
    assert (await compared(engine, kafka)).fine
    assert passed >= 3
    again = await assert_sent_again_at_most(engine, kafka, WINDOW)
    assert (again > 0) == (point == "relay_sent")
    await assert_heard_once(engine, risk)


async def test_an_engine_that_stops_in_the_middle_leaves_nothing_undone_for_the_next(
    make_engine: MakeEngine, kafka: str
) -> None:
    reached = asyncio.Event()

    async def stand(name: str) -> None:
        if name == "relay_sent":
            reached.set()
            await asyncio.Event().wait()

    long = {"lease_seconds": 600.0}  # nobody waits for it to run out
    first = await make_engine(failpoint=stand, **long)
    await opened(first, 10)
    await asyncio.wait_for(reached.wait(), 5)
    await first.stop()
    second = await make_engine(**long)
    assert (await compared(second, kafka)).fine


async def test_a_relay_killed_between_send_and_cursor_repeats_one_window_and_nothing_happens_twice(
    make_engine: MakeEngine, kafka: str, topic_prefix: str
) -> None:
    engine = await make_engine(role="api")
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    async with child_engine(engine._postgres_url, kafka, topic_prefix, at="relay_sent", nth=3) as child:
        await busy(engine, await opened(engine, 10), 4)
        await child.said("there")
        assert await child.ended() == -signal.SIGKILL
    after = await make_engine(role="worker")
    assert (await compared(after, kafka)).fine
    assert await assert_sent_again_at_most(engine, kafka, WINDOW) > 0
    await assert_heard_once(engine, risk)


@pytest.mark.parametrize("point", ["relay_read", "relay_sent"])
async def test_a_relay_paused_past_its_lease_is_fenced_when_it_wakes_and_does_no_harm(
    make_engine: MakeEngine, kafka: str, topic_prefix: str, point: str
) -> None:
    engine = await make_engine(role="api")
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    await engine.pool.execute(WENT_BACK)
    url = engine._postgres_url
    async with child_engine(url, kafka, topic_prefix, at=point, nth=2, signal=signal.SIGSTOP) as child:
        ids = await opened(engine, 10)
        await busy(engine, ids, 2)
        await until(lambda: child.paused)
        other = await make_engine(role="worker", relay_window=7)
        await busy(engine, ids, 2)
        assert await other.published((await engine.log()).head, 10), "the other takes over when the lease has run out"
        child.resume()  # it sends its old window, or moves its old cursor, and finds that it is fenced
        await busy(engine, ids, 2)
        assert (await compared(engine, kafka)).fine
        await other.stop()
        await busy(engine, ids, 1)
        assert await engine.published((await engine.log()).head, 10), "it leads again when it is its turn"
        assert (await compared(engine, kafka)).fine
        await assert_heard_once(engine, risk)
        row = await engine.pool.fetchrow("select epoch, holder from lease where name = 'relay'")
        assert row is not None
        assert row["epoch"] == 3
        assert f"/{child.pid}/" in row["holder"]
        assert await engine.pool.fetchval("select count(*) from went_back") == 0


async def test_a_relay_that_cannot_reach_kafka_lets_another_lead(make_engine: MakeEngine, kafka: str) -> None:
    astray = [True]

    async def failpoint(name: str) -> None:
        if name == "relay_read" and astray[0]:
            raise OSError("no route to the broker")

    first = await make_engine(failpoint=failpoint, lease_seconds=60)
    await opened(first, 3)
    with capture_logs() as logs:
        await until(lambda: any(entry["event"] == "relay_retries" for entry in logs), what="it stumbles")
    await make_engine(lease_seconds=60)
    assert await first.published(3, 30)
    astray[0] = False
    assert (await compared(first, kafka)).fine


async def test_a_relay_whose_connections_are_cut_goes_on(make_engine: MakeEngine, kafka: str, postgres: str) -> None:
    engine = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(engine, 5)
    superuser = await asyncpg.connect(postgres)

    async def cut() -> None:
        for _ in range(4):
            await superuser.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
                engine._postgres_url.rpartition("/")[2],
            )
            await asyncio.sleep(0.15)

    async def append() -> None:
        for n in range(60):
            id = uuid4()
            send = Send(partners, ids[n % 5], Suspend(cause_id=id))
            while True:
                try:
                    await engine.handle(send, ME, command_id=id)
                    break
                except Unavailable:
                    continue

    await asyncio.gather(cut(), append())
    await superuser.close()
    assert (await compared(engine, kafka)).fine
    assert await engine.pool.fetchval("select count(*) from event") == 65
    await assert_heard_once(engine, risk)


# -- a broker that vanishes


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker for these tests alone, to freeze and to kill."""
    broker = Kafka(tmp_path_factory.mktemp("broker") / "kafka", ports.free(2)[0])
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_kafka, "REQUEST_SECONDS", 1.0)


def freeze(broker: Kafka) -> None:
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, broker.child.pid, os.WSTOPPED)  # until then some thread of it may still answer


def thaw(broker: Kafka) -> None:
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGCONT)


async def test_a_producer_that_is_thrown_away_sends_nothing_that_it_still_held(
    own_broker: Kafka, topic_prefix: str, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.producer.BATCH_BYTES", 200)  # a record: five are in flight, the others wait for them
    topic = f"{topic_prefix}x"
    await create_topic(own_broker.bootstrap, topic, partitions=1, replication=1)
    producer = Producer(own_broker.bootstrap)
    await producer.send(topic, {0: [Record(b"k", b"first", [], 0)]}, 1)
    window = [Record(b"k", b"%d " % n * 40, [], 0) for n in range(30)]
    freeze(own_broker)
    try:
        sending = asyncio.create_task(producer.send(topic, {0: window}, 1))
        await asyncio.wait([sending], timeout=0.5)  # until it has sent what it may
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(sending, 3)
    finally:
        thaw(own_broker)
    again = Producer(own_broker.bootstrap)
    [end] = (await again.send(topic, {0: [Record(b"k", b"last", [], 0)]}, 1)).values()
    await again.stop()
    await producer.stop()
    watcher = Watcher(own_broker.bootstrap)
    values = [record.value async for _, record in watcher.read(topic, {})]
    await watcher.stop()
    assert values[0] == b"first"
    assert b"last" in values
    arrived = [value for value in values if value not in (b"first", b"last")]
    assert arrived == [record.value for record in window[: len(arrived)]]
    assert len(arrived) < len(window)
    assert len(values) >= end


async def test_a_relay_whose_broker_freezes_and_dies_waits_for_neither_for_ever_and_goes_on(
    make_engine: MakeEngine, own_broker: Kafka, impatient: None
) -> None:
    engine = await make_engine(bootstrap=own_broker.bootstrap)
    ids = await opened(engine, 5)
    assert await engine.published(5, 5)
    with capture_logs() as logs:
        freeze(own_broker)
        try:
            await busy(engine, ids, 2)  # appends do not notice
            await until(lambda: any(entry["event"] == "relay_retries" for entry in logs), 8)
        finally:
            thaw(own_broker)
        assert (await compared(engine, own_broker.bootstrap)).fine
    await asyncio.to_thread(own_broker.kill)
    await busy(engine, ids, 2)
    assert not await engine.published((await engine.log()).head, 0.3)
    await asyncio.to_thread(own_broker.start)
    assert (await compared(engine, own_broker.bootstrap)).fine
    assert engine.health() == {}
    await asyncio.wait_for(engine.stop(), 12)


async def test_of_many_who_ask_a_frozen_broker_none_waits_for_the_others(
    own_broker: Kafka, topic_prefix: str, impatient: None
) -> None:
    topic = f"{topic_prefix}x"
    await create_topic(own_broker.bootstrap, topic, partitions=3, replication=1)
    watcher = Watcher(own_broker.bootstrap)
    assert await watcher.ends(topic) == {0: 0, 1: 0, 2: 0}
    freeze(own_broker)
    try:
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*(watcher.ends(topic) for _ in range(10)), return_exceptions=True)
    finally:
        thaw(own_broker)
    assert [answer for answer in answers if not isinstance(answer, Unavailable | KafkaError)] == []
    assert await watcher.ends(topic) == {0: 0, 1: 0, 2: 0}
    await watcher.stop()


async def test_an_engine_stops_in_time_while_its_broker_is_frozen(
    make_engine: MakeEngine, own_broker: Kafka, impatient: None
) -> None:
    engine = await make_engine(bootstrap=own_broker.bootstrap)
    await opened(engine, 5)
    assert await engine.published(5, 5)
    freeze(own_broker)
    try:
        await opened(engine, 5)
        await asyncio.wait_for(engine.stop(), 12)
    finally:
        thaw(own_broker)
