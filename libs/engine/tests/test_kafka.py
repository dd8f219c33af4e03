"""The producer and the topics, on a real broker: refusals, failures in the middle of a window, sizes, partitions."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import confluent_kafka
import pytest
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import KafkaError, KafkaException
from conftest import MakeEngine
from engine import Context, Send
from engine import kafka as engine_kafka
from engine import producer as engine_producer
from engine.errors import EventTooLarge, Refused, Unavailable
from engine.kafka import Watcher, admin, bounded, create_topic, find_topic, partition_of, topic_ids
from engine.producer import Producer, Record
from engine.runtime import Engine
from engine.store import EVENT_LIMIT
from engine_example import Open, Suspend, heard_view, mirror_policy, partners
from engine_writing import ME, assert_heard_once, compared, opened, read_topic, suspend, until
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

LARGE = "x" * 300_000  # three of these fill one batch


class Gate:
    """A failpoint at which the relay stands while the gate is shut."""

    def __init__(self, at: str = "relay_read") -> None:
        self._at = at
        self._open = asyncio.Event()
        self._open.set()
        self.reached = asyncio.Event()

    async def __call__(self, name: str) -> None:
        if name == self._at and not self._open.is_set():
            self.reached.set()
            await self._open.wait()

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


async def gathered(engine: Engine, gate: Gate, appends: Callable[[], Any]) -> None:
    """Has the relay find all of these appends in its next window."""
    gate.shut()
    await opened(engine, 1)
    await asyncio.wait_for(gate.reached.wait(), 5)
    await appends()
    gate.open()


def in_partition(partition: int) -> UUID:
    while partition_of(f"partner-{(id := uuid4())}", 3) != partition:
        pass
    return id


async def opened_in(engine: Engine, partition: int) -> UUID:
    id = in_partition(partition)
    await engine.handle(Send(partners, id, Open(partner_id=id)), ME)
    return id


async def set_size(kafka: str, topic: str, size: int) -> None:
    """The largest batch that the broker takes for the topic."""
    async with admin(kafka) as client:
        answers = await client.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(size)})]
        )
    assert all(error[0] == 0 for answer in answers for error in answer.resources), answers


def refused(engine: Engine) -> float:
    return engine.registry.get_sample_value("cauce_relay_refused") or 0.0


# -- refusals


async def test_a_refused_batch_stops_the_relay_loudly_and_nothing_is_lost_behind_it(
    make_engine: MakeEngine, kafka: str
) -> None:
    gate = Gate()
    engine = await make_engine(failpoint=gate)
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    topic = engine.topic("partner")
    ill, well = await opened_in(engine, 0), await opened_in(engine, 1)
    assert await engine.published(2, 5)
    await set_size(kafka, topic, 500_000)

    async def appends() -> None:
        for n in range(3):
            await suspend(engine, ill, LARGE)  # a batch of 900 kB
            await suspend(engine, well, str(n))
        for _ in range(3):
            await suspend(engine, ill, "small")  # in the partition's next batch, which the broker would take

    with capture_logs() as logs:
        await gathered(engine, gate, appends)
        await until(lambda: refused(engine) == 1)
        await until(lambda: [entry["event"] for entry in logs].count("relay_refused") >= 2, what="it tries again")
    loud = next(entry for entry in logs if entry["event"] == "relay_refused")
    assert loud["log_level"] == "critical"
    assert "too large" in loud["error"].lower()
    assert (engine.registry.get_sample_value("cauce_relay_failures_total", {"kind": "refused"}) or 0) >= 2
    assert (await engine.log()).final < (await engine.log()).head
    sent = [raw for raw in (await read_topic(kafka, topic)).raws if raw.stream == f"partner-{ill}"]
    assert [raw.version for raw in sent] == [1]  # nothing of the ill partition after its failure
    await set_size(kafka, topic, 1_048_588)
    assert (await compared(engine, kafka)).fine
    await assert_heard_once(engine, risk)
    await until(lambda: refused(engine) == 0)


async def test_while_the_relay_stands_appends_go_on(make_engine: MakeEngine, kafka: str) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)
    assert await engine.published(1, 5)
    await set_size(kafka, engine.topic("partner"), 1000)
    await suspend(engine, id, "x" * 2000)
    await until(lambda: refused(engine) == 1)
    for _ in range(5):
        await suspend(engine, id)
    assert engine.health() == {}
    assert (await engine.log()).head == 7
    await set_size(kafka, engine.topic("partner"), 1_048_588)
    assert (await compared(engine, kafka)).fine


async def test_an_error_that_nobody_expected_stops_the_relay_as_loudly_and_does_not_end_it(
    make_engine: MakeEngine, kafka: str
) -> None:
    broken = [True]

    async def failpoint(name: str) -> None:
        if name == "relay_read" and broken[0]:
            raise ZeroDivisionError("a defect")

    engine = await make_engine(failpoint=failpoint)
    with capture_logs() as logs:
        await opened(engine, 3)
        await until(lambda: refused(engine) == 1)
    assert any(e["event"] == "relay_refused" and "a defect" in e["error"] for e in logs)
    broken[0] = False
    assert (await compared(engine, kafka)).fine
    assert refused(engine) == 0


# -- failures in the middle of a window


class Edge(confluent_kafka.Producer):
    """The client with one failure: at the n-th record for partner's topic, when those before it have arrived, or once
    all of the window has arrived and only the answer is lost."""

    fail_at = 0
    sent_first = False
    records = 0

    @classmethod
    def arm(cls, at: int, *, sent_first: bool) -> None:
        cls.fail_at, cls.sent_first, cls.records = at, sent_first, 0

    def produce(self, topic: str, *args: Any, **more: Any) -> None:
        Edge.records += "risk" not in topic
        if "risk" not in topic and Edge.records == Edge.fail_at and not Edge.sent_first:
            super().flush()
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "the line is dead"))
        super().produce(topic, *args, **more)

    def flush(self, *args: Any) -> int:
        if Edge.sent_first and Edge.records >= Edge.fail_at:
            super().flush()
            Edge.sent_first = False
            raise KafkaException(KafkaError(KafkaError._TRANSPORT, "the line is dead"))
        return super().flush(*args)


@pytest.mark.parametrize("sent_first", [False, True], ids=["before it is sent", "after its answer is lost"])
async def test_a_window_that_fails_in_the_middle_is_sent_again_as_a_whole(
    make_engine: MakeEngine, kafka: str, monkeypatch: pytest.MonkeyPatch, sent_first: bool
) -> None:
    monkeypatch.setattr(confluent_kafka, "Producer", Edge)
    Edge.arm(0, sent_first=False)
    gate = Gate()
    engine = await make_engine(failpoint=gate)
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = [await opened_in(engine, n % 3) for n in range(6)]

    async def appends() -> None:
        for n in range(60):
            await suspend(engine, ids[n % 6], str(n))
        Edge.arm(31, sent_first=sent_first)

    with capture_logs() as logs:
        await gathered(engine, gate, appends)
        await until(lambda: any(e["event"] == "relay_retries" and "line is dead" in e["error"] for e in logs))
    assert (await compared(engine, kafka)).fine
    copies = (await read_topic(kafka, engine.topic("partner"))).copies
    assert set(copies.values()) == {1, 2}
    assert sum(n == 2 for n in copies.values()) <= 61
    await assert_heard_once(engine, risk)


async def test_behind_a_batch_that_is_refused_nothing_of_its_partition_is_taken(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_producer, "BATCH_BYTES", 300)  # about a record: several batches are in flight at once
    topic = f"{topic_prefix}x"
    await create_topic(kafka, topic, partitions=3, replication=1)
    await set_size(kafka, topic, 5000)
    window = {p: [Record(b"key", b"%d-%d " % (p, n) * 20, [], 1000) for n in range(40)] for p in range(3)}
    window[1][10] = Record(b"key", b"x" * 10_000, [], 1000)
    producer, watcher = Producer(kafka), Watcher(kafka)
    with pytest.raises(Refused):
        await producer.send(topic, window, 3)
    ends = await watcher.ends(topic)
    taken = [record.value async for p, record in watcher.read(topic, {}) if p == 1]
    assert taken == [record.value for record in window[1][: ends[1]]]
    assert ends[1] <= 10
    await set_size(kafka, topic, 1_048_588)
    again = await producer.send(topic, window, 3)
    assert all(again[p] >= ends[p] + 40 for p in range(3))
    found: dict[int, list[bytes]] = {p: [] for p in range(3)}
    async for p, record in watcher.read(topic, {}):
        found[p].append(record.value)
    for p in range(3):
        assert list(dict.fromkeys(found[p])) == [record.value for record in window[p]]  # each first seen in order
    await producer.stop()
    await watcher.stop()


class Mute(confluent_kafka.Producer):
    """A client that takes records and never says more of them."""

    waited = threading.Event()

    def produce(self, *_: Any, **__: Any) -> None:
        pass

    def flush(self, *_: Any) -> int:
        self.waited.set()
        time.sleep(0.01)  # as long as it would block
        return 1


async def test_a_send_that_is_cancelled_throws_its_producer_away(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{topic_prefix}x"
    await create_topic(kafka, topic, partitions=1, replication=1)
    producer = Producer(kafka)
    with monkeypatch.context() as patch:
        patch.setattr(confluent_kafka, "Producer", Mute)
        sending = asyncio.create_task(producer.send(topic, {0: [Record(b"k", b"v", [], 0)]}, 1))
        assert await asyncio.to_thread(Mute.waited.wait, 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert await producer.send(topic, {0: [Record(b"k", b"v", [], 0)]}, 1) == {0: 1}
    await producer.stop()


async def test_a_kafka_that_takes_nothing_is_unavailable_and_named(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = f"{topic_prefix}x"
    await create_topic(kafka, topic, partitions=1, replication=1)
    monkeypatch.setattr(confluent_kafka, "Producer", Mute)
    producer = Producer(kafka)
    monkeypatch.setattr(engine_kafka, "REQUEST_SECONDS", 1.0)
    with pytest.raises(Unavailable, match="took nothing for 2 s"):
        await producer.send(topic, {0: [Record(b"k", b"v", [], 0)]}, 1)
    await producer.stop()


# -- sizes and times


async def test_the_largest_event_that_is_stored_is_published(make_engine: MakeEngine, kafka: str) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)

    async def largest(actor: str, tracestate: str = "") -> None:
        cause, context = uuid4(), Context(actor, traceparent=f"00-{1:032x}-{1:016x}-01", tracestate=tracestate)
        size = EVENT_LIMIT - 900 - len(actor.encode()) - len(tracestate) - 3 * len(f"partner-{id}")
        data = partners.decide(Suspend(cause_id=cause), await loaded(), datetime.now(UTC))[0].data()
        reason = "x" * (size - len(data) + len("late payment"))
        with pytest.raises(EventTooLarge):
            await engine.handle(Send(partners, id, Suspend(cause_id=cause, reason=f"{reason}x")), context)
        await engine.handle(Send(partners, id, Suspend(cause_id=cause, reason=reason)), context)

    async def loaded() -> Any:
        return (await engine.load(partners, id)).state

    await largest("ana")
    await largest("å" * 200_000, f"a={'x' * 510}")
    assert (await compared(engine, kafka)).fine
    assert refused(engine) == 0


async def test_an_event_recorded_by_a_clock_that_was_ahead_is_published_too(
    make_engine: MakeEngine, kafka: str
) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)
    ahead = datetime.now(UTC) + timedelta(hours=5)  # brokers refuse records more than an hour ahead
    await engine.pool.execute("update stream set recorded_at = $1", ahead)
    await suspend(engine, id)
    assert (await compared(engine, kafka)).fine
    assert [raw.recorded_at for raw in (await read_topic(kafka, engine.topic("partner"))).raws][-1] == ahead


async def test_a_window_holds_so_many_bytes_and_not_only_so_many_events(
    make_engine: MakeEngine, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.relay.WINDOW_BYTES", 700_000)
    held: list[int] = []
    send = Producer.send

    async def sending(producer: Producer, topic: str, window: dict[int, list[Record]], partitions: int) -> Any:
        held.append(sum(len(record.value) for records in window.values() for record in records))
        return await send(producer, topic, window, partitions)

    monkeypatch.setattr(Producer, "send", sending)
    gate = Gate()
    engine = await make_engine(failpoint=gate)
    [id] = await opened(engine, 1)

    async def appends() -> None:
        for _ in range(6):
            await suspend(engine, id, LARGE)

    await gathered(engine, gate, appends)
    assert (await compared(engine, kafka)).fine
    assert max(held) < 700_000 + 301_000


# -- topics


@given(st.text(max_size=60), st.integers(1, 50))
def test_keys_go_where_kafkas_own_clients_would_send_them(key: str, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key.encode(), every, every)


async def test_a_topic_is_made_once_keeps_everything_and_is_never_resized(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}x"
    made = await asyncio.gather(*(create_topic(kafka, topic, partitions=3, replication=1) for _ in range(3)))
    assert sorted(made) == [False, False, True]
    found = await find_topic(kafka, topic)
    assert found is not None
    assert (found.partitions, found.replication) == (3, 1)
    kept = found.configs
    assert (kept["retention.ms"], kept["retention.bytes"], kept["cleanup.policy"]) == ("-1", "-1", "delete")
    assert int(kept["max.message.bytes"]) > EVENT_LIMIT
    assert await find_topic(kafka, f"{topic_prefix}absent") is None
    with pytest.raises(ValueError, match="3 partitions and not 4"):
        await create_topic(kafka, topic, partitions=4, replication=1)


async def test_a_relay_set_to_another_number_of_partitions_does_not_send(make_engine: MakeEngine, kafka: str) -> None:
    first = await make_engine()
    [id] = await opened(first, 1)
    assert await first.published(1, 5)
    async with admin(kafka) as client:
        await client.create_partitions({first.topic("partner"): NewPartitions(5)})
    receipt = await suspend(first, id)
    assert receipt.position is not None
    assert await first.published(receipt.position, 5)  # its keys stay where they were
    await first.stop()
    second = await make_engine(partitions=5)  # migrate finds what it expects, the store knows better
    with capture_logs() as logs:
        await until(lambda: refused(second) == 1)
    assert any("3 partitions and not 5" in entry.get("error", "") for entry in logs)


async def test_a_topic_with_fewer_partitions_than_it_should_have_is_refused(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}x"
    await create_topic(kafka, topic, partitions=2, replication=1)
    producer = Producer(kafka)
    with pytest.raises(Refused, match="2 partitions and not 3"):
        await producer.send(topic, {0: [Record(b"k", b"v", [], 0)]}, 3)
    await producer.stop()


async def test_a_topic_made_anew_has_another_id(kafka: str, topic_prefix: str) -> None:
    one, other = f"{topic_prefix}one", f"{topic_prefix}other"
    for topic in (one, other):
        await create_topic(kafka, topic, partitions=1, replication=1)
    before = await topic_ids(kafka, [one, other, f"{topic_prefix}absent"])
    assert set(before) == {one, other}
    assert before[one] != before[other]
    async with admin(kafka) as client:
        await client.delete_topics([one])

    async def made() -> bool:
        await create_topic(kafka, one, partitions=1, replication=1)
        return one in await topic_ids(kafka, [one])

    await until(made)
    after = await topic_ids(kafka, [one, other])
    assert after[one] != before[one]
    assert after[other] == before[other]
    assert await topic_ids(kafka, []) == {}


async def test_what_kafka_does_not_answer_in_time_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"0\.05 s"):
        await bounded(asyncio.Event().wait(), 0.05)
