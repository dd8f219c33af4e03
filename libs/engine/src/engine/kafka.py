"""All that Cauce asks of Kafka but to send records (see producer.py), over aiokafka. Every await is bounded: aiokafka
can hang where brokers vanish."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2
from events import Topic

from engine.errors import Unavailable
from engine.topic_ids import TopicIds

log = structlog.get_logger()
T = TypeVar("T")

REQUEST_SECONDS = 10.0


class Brokers(str):
    """The address of a broker that is spoken to by TLS, and the folder that says who this process is there: `user.crt`
    and `user.key` are its own, `ca.crt` is the brokers' authority. All of it PEM, as operators make it.

    The files are read for each client that is made, so what is made after they were renewed goes by the new ones.
    """

    tls: Path

    def __new__(cls, address: str, tls: Path) -> Brokers:
        made = super().__new__(cls, address)
        made.tls = tls
        return made


def by_librdkafka(bootstrap: str) -> dict[str, str]:
    """How librdkafka is told to reach it."""
    if not isinstance(bootstrap, Brokers):
        return {"bootstrap.servers": bootstrap}
    return {
        "bootstrap.servers": bootstrap,
        "security.protocol": "ssl",
        "ssl.ca.location": str(bootstrap.tls / "ca.crt"),
        "ssl.certificate.location": str(bootstrap.tls / "user.crt"),
        "ssl.key.location": str(bootstrap.tls / "user.key"),
    }


def by_aiokafka(bootstrap: str) -> dict[str, Any]:
    """How aiokafka is told to reach it."""
    if not isinstance(bootstrap, Brokers):
        return {"bootstrap_servers": bootstrap}
    context = ssl.create_default_context(cafile=str(bootstrap.tls / "ca.crt"))
    context.load_cert_chain(bootstrap.tls / "user.crt", bootstrap.tls / "user.key")
    return {"bootstrap_servers": bootstrap, "security_protocol": "SSL", "ssl_context": context}


@lru_cache(maxsize=65_536)
def partition_of(stream: str, partitions: int) -> int:
    """Where a stream's records go: murmur2 of the key, as Kafka's own clients do it by default."""
    return int(murmur2(stream.encode()) & 0x7FFFFFFF) % partitions


_left_behind: set[asyncio.Future[Any]] = set()


async def bounded(awaitable: Awaitable[T], seconds: float | None = None) -> T:
    """Raises Unavailable when Kafka does not answer in time (REQUEST_SECONDS, unless said otherwise).

    Unlike `asyncio.wait_for` it does not wait for what it cancelled: aiokafka swallows cancellations in places.
    """
    if seconds is None:
        seconds = REQUEST_SECONDS
    work = asyncio.ensure_future(awaitable)
    try:
        answered, _ = await asyncio.wait({work}, timeout=seconds)
    finally:
        if not work.done():
            work.cancel()
            _left_behind.add(work)
            work.add_done_callback(_over)
    if not answered:
        raise Unavailable(f"Kafka did not answer within {seconds:g} s")
    if work.cancelled():
        raise Unavailable("Kafka's client gave up")
    return work.result()


def _over(work: asyncio.Future[Any]) -> None:
    _left_behind.discard(work)
    if not work.cancelled():
        work.exception()  # nobody waits for it any more


async def closed(closing: Awaitable[Any]) -> None:
    """Waits for a client to close; one that does not in time is left behind."""
    try:
        await bounded(closing)
    except Exception as error:  # noqa: BLE001 - it is thrown away in any case
        log.info("kafka_client_not_closed", error=repr(error))


@contextlib.asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(**by_aiokafka(bootstrap), request_timeout_ms=int(REQUEST_SECONDS * 1000))
    try:
        await bounded(client.start())
        yield client
    finally:
        await closed(client.close())


async def create_topic(
    bootstrap: str, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] | None = None
) -> bool:
    """Creates the topic, with the settings that topics of ours usually have unless told otherwise; False if it was
    there, which whoever may not make topics is told, too. Asserts that it has this many partitions: the count decides
    where keys go and is never changed (growth is a new topic)."""
    configs = dict(Topic("").configs(replication) if configs is None else configs)
    async with admin(bootstrap) as client:
        [there] = await bounded(client.describe_topics([topic]))
        if there["partitions"]:
            _assert_partitions(topic, len(there["partitions"]), partitions)
            return False
        answer = await bounded(client.create_topics([NewTopic(topic, partitions, replication, topic_configs=configs)]))
        created = True
        for _, code, *rest in answer.topic_errors:
            error = for_code(code)
            if error is TopicAlreadyExistsError:
                created = False
            elif code != 0:
                raise error(f"creating {topic}: {rest[0] if rest else ''}")
        described = await bounded(client.describe_topics([topic]))
        _assert_partitions(topic, len(described[0]["partitions"]) or partitions, partitions)  # 0: this moment, unled
    return created


def _assert_partitions(topic: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise ValueError(f"topic {topic} has {found} partitions and not {wanted}: a topic is never resized")


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as it is: of how many partitions, how often each record is kept, and its settings."""

    partitions: int
    replication: int
    configs: Mapping[str, str]


async def find_topic(bootstrap: str, topic: str) -> FoundTopic | None:
    """The topic as it is now; None where there is none."""
    async with admin(bootstrap) as client:
        [described] = await bounded(client.describe_topics([topic]))
        if not described["partitions"]:
            return None
        [answer] = await bounded(client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
    return FoundTopic(
        partitions=len(described["partitions"]),
        replication=min(len(partition["replicas"]) for partition in described["partitions"]),
        configs={entry[0]: entry[1] for entry in answer.resources[0][4]},
    )


async def topic_ids(bootstrap: str, topics: Sequence[str]) -> dict[str, UUID]:
    """The id of each topic that exists; a topic made anew under the same name has another."""
    if not topics:
        return {}
    async with admin(bootstrap) as client:
        answer = await bounded(client._send_request(TopicIds(list(topics))))
        return {name: id for code, name, id, *_ in answer.topics if code == 0}


def group_consumer(
    bootstrap: str, topics: Sequence[str], group: str, *, session_seconds: float, max_records: int, listener: Any
) -> AIOKafkaConsumer:
    """A member of a group that keeps its offsets elsewhere: the listener seeks on every assignment."""
    consumer = AIOKafkaConsumer(
        **by_aiokafka(bootstrap),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        session_timeout_ms=int(session_seconds * 1000),
        heartbeat_interval_ms=int(session_seconds * 1000 / 3),
        max_poll_records=max_records,
        metadata_max_age_ms=30_000,
        request_timeout_ms=int(max(REQUEST_SECONDS, session_seconds + 5) * 1000),
    )
    consumer.subscribe(topics=list(topics), listener=listener)
    return consumer


def intake_consumer(bootstrap: str, topic: str, group: str, *, max_records: int) -> AIOKafkaConsumer:
    """A member of a group that keeps its offsets in Kafka, and begins with the first record that is kept: for what may
    be handled again without harm."""
    return AIOKafkaConsumer(
        topic,
        **by_aiokafka(bootstrap),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=max_records,
        metadata_max_age_ms=30_000,
        request_timeout_ms=int(REQUEST_SECONDS * 1000) + 5000,
    )


class Watcher:
    """Reads topics without being a member of a group: their ends, and what they hold from an offset on."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()
        self._failed = float("-inf")

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(**by_aiokafka(self._bootstrap), enable_auto_commit=False)
            try:
                await bounded(consumer.start())
            except BaseException:
                await closed(consumer.stop())
                raise
            self._consumer = consumer
        return self._consumer

    async def stop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await closed(consumer.stop())

    async def ends(self, topic: str) -> dict[int, int]:
        """The end offset of each partition. Of many who ask while Kafka is away, each waits for one time-out only."""
        asked = asyncio.get_running_loop().time()
        async with self._turn:
            if self._failed >= asked:
                raise Unavailable("Kafka did not answer the caller before")
            try:
                consumer = await self._started()
                partitions = [TopicPartition(topic, p) for p in await self._partitions(consumer, topic)]
                return {tp.partition: end for tp, end in (await bounded(consumer.end_offsets(partitions))).items()}
            except (KafkaError, Unavailable, OSError):
                await self.stop()
                self._failed = asyncio.get_running_loop().time()
                raise

    async def topic_id(self, topic: str) -> UUID:
        """Of the topic as it is now. Raises Unavailable where there is none."""
        async with self._turn:
            try:
                client = (await self._started())._client
                answer = await bounded(client.send(client.get_random_node(), TopicIds([topic])))
            except (KafkaError, Unavailable, OSError):
                await self.stop()
                raise
        for code, _, id, *_ in answer.topics:
            if code == 0:
                found: UUID = id
                return found
        raise Unavailable(f"no such topic yet: {topic}")

    async def clear(self, topic: str) -> None:
        """Deletes all that the topic holds now."""
        ends = await self.ends(topic)
        full = {TopicPartition(topic, p): RecordsToDelete(before_offset=end) for p, end in ends.items() if end}
        async with admin(self._bootstrap) as client:
            await bounded(client.delete_records(full))

    async def _partitions(self, consumer: AIOKafkaConsumer, topic: str) -> list[int]:
        found = await bounded(consumer._client._wait_on_metadata(topic))
        return sorted(found)

    async def read(self, topic: str, start: Mapping[int, int]) -> AsyncGenerator[tuple[int, Any], None]:
        """Every record from the given offsets (or the first that is kept) to the ends as they are now, with its
        partition."""
        ends = await self.ends(topic)
        consumer = AIOKafkaConsumer(**by_aiokafka(self._bootstrap), enable_auto_commit=False)
        try:
            await bounded(consumer.start())
            assigned = {TopicPartition(topic, p): end for p, end in ends.items() if start.get(p, 0) < end}
            consumer.assign(list(assigned))
            beginnings = await bounded(consumer.beginning_offsets(list(assigned))) if assigned else {}
            for tp, beginning in beginnings.items():
                consumer.seek(tp, max(start.get(tp.partition, 0), beginning))
            while left := [tp for tp, end in assigned.items() if await bounded(consumer.position(tp)) < end]:
                for tp, records in (await bounded(consumer.getmany(*left, timeout_ms=1000))).items():
                    for record in records:
                        if record.offset < assigned[tp]:
                            yield tp.partition, record
        finally:
            await closed(consumer.stop())
