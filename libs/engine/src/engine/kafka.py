"""All that Cauce asks of Kafka, over aiokafka. Every await is bounded: aiokafka can hang where brokers vanish."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.partitioner import murmur2
from events import Topic

from engine.errors import Refused, Unavailable
from engine.topic_ids import TopicIds
from engine.wire import Headers

log = structlog.get_logger()
T = TypeVar("T")

REQUEST_SECONDS = 10.0
BATCH_BYTES = 950_000
REFUSALS: Final = (
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    InvalidTimestampError,
    TopicAuthorizationFailedError,
)


@dataclass(frozen=True, slots=True)
class Record:
    key: bytes
    value: bytes | None
    headers: Headers
    timestamp_ms: int


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


class Producer:
    """Sends windows of records: one batch a partition in flight, awaited before that partition's next. After a
    failure nothing more is sent and the producer is thrown away without a flush, because a later batch that succeeds
    behind an earlier failed one would lose events behind the consumers' watermark."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def send(self, topic: str, window: Mapping[int, Sequence[Record]], partitions: int) -> dict[int, int]:
        """Sends all of the window; returns the offset behind the last record by partition. The topic must have at
        least so many partitions.

        Raises Refused for what the broker will never take, otherwise KafkaError or Unavailable; in each case the
        whole window has to be sent again, by a producer made anew.
        """
        producer = await self._started()
        failed = asyncio.Event()
        try:
            found = len(await bounded(producer.partitions_for(topic)))
            if found < partitions:
                raise Refused(f"topic {topic} has {found} partitions and not {partitions}")
            sent = await asyncio.gather(
                *(self._send_partition(producer, topic, p, records, failed) for p, records in window.items()),
                return_exceptions=True,
            )
            for result in sent:
                if isinstance(result, BaseException):
                    raise result
        except BaseException as error:
            await self.abort()
            if isinstance(error, REFUSALS):
                raise Refused(f"{type(error).__name__}: {error}") from error
            raise
        return {p: end for p, end in zip(window, sent, strict=True) if isinstance(end, int) and end >= 0}

    async def _send_partition(
        self, producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record], failed: asyncio.Event
    ) -> int:
        end, start = -1, 0
        try:
            while start < len(records) and not failed.is_set():
                batch = producer.create_batch()
                stop = start
                for record in records[start:]:
                    if (
                        batch.append(
                            key=record.key, value=record.value, timestamp=record.timestamp_ms, headers=record.headers
                        )
                        is None
                    ):
                        break
                    stop += 1
                batch.close()
                delivery = await bounded(producer.send_batch(batch, topic, partition=partition))
                metadata = await bounded(delivery, 2 * REQUEST_SECONDS)
                end = metadata.offset + (stop - start) if metadata.offset >= 0 else -1
                start = stop
        except BaseException:
            failed.set()
            raise
        return end

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                max_request_size=8 * BATCH_BYTES,
                request_timeout_ms=int(REQUEST_SECONDS * 1000),
                linger_ms=0,
            )
            try:
                await bounded(producer.start(), 2 * REQUEST_SECONDS)
            except BaseException:
                await _drop(producer)
                raise
            self._producer = producer
        return self._producer

    async def abort(self) -> None:
        """Ends the producer without sending what it still holds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _drop(producer)

    stop = abort  # every send was awaited: there is nothing to flush


async def _drop(producer: AIOKafkaProducer) -> None:
    # aiokafka's own stop() flushes. There is no public way not to.
    producer._closed = True
    sender = producer._sender.sender_task if producer._sender is not None else None
    if sender is not None and not sender.done():
        sender.cancel()
    for connection in list(producer.client._conns.values()):
        if connection._writer is not None:
            connection._writer.transport.abort()  # close() would still send what is buffered
    accumulator = producer._message_accumulator
    accumulator._pending_batches.update(batch for batches in accumulator._batches.values() for batch in batches)
    for batch in list(accumulator._pending_batches):
        batch.failure(KafkaError("the producer was aborted"))
        for future in (batch.future, batch._drain_waiter):
            if not future.cancelled():
                future.exception()  # nobody waits for it any more
    await closed(producer.client.close())


@contextlib.asynccontextmanager
async def admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(REQUEST_SECONDS * 1000))
    try:
        await bounded(client.start())
        yield client
    finally:
        await closed(client.close())


async def create_topic(
    bootstrap: str, topic: str, *, partitions: int, replication: int, configs: Mapping[str, str] | None = None
) -> bool:
    """Creates the topic, with the settings that topics of ours usually have unless told otherwise; False if it was
    there. Asserts that it has this many partitions: the count decides where keys go and is never changed (growth is a
    new topic)."""
    configs = dict(Topic("").configs(replication) if configs is None else configs)
    async with admin(bootstrap) as client:
        answer = await bounded(client.create_topics([NewTopic(topic, partitions, replication, topic_configs=configs)]))
        created = True
        for _, code, *rest in answer.topic_errors:
            error = for_code(code)
            if error is TopicAlreadyExistsError:
                created = False
            elif code != 0:
                raise error(f"creating {topic}: {rest[0] if rest else ''}")
        described = await bounded(client.describe_topics([topic]))
        found = len(described[0]["partitions"])
        if found not in (0, partitions):  # 0: created this moment, not yet led
            raise ValueError(f"topic {topic} has {found} partitions and not {partitions}: a topic is never resized")
    return created


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
        bootstrap_servers=bootstrap,
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


class Watcher:
    """Reads topics without being a member of a group: their ends, and what they hold from an offset on."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()
        self._failed = float("-inf")

    async def _started(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
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

    async def _partitions(self, consumer: AIOKafkaConsumer, topic: str) -> list[int]:
        found = await bounded(consumer._client._wait_on_metadata(topic))
        return sorted(found)

    async def read(self, topic: str, start: Mapping[int, int]) -> AsyncGenerator[tuple[int, Any], None]:
        """Every record from the given offsets (or the first that is kept) to the ends as they are now, with its
        partition."""
        ends = await self.ends(topic)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, enable_auto_commit=False)
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
