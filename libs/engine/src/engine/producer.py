"""Sending records to Kafka, over librdkafka: for its price a record, and because a producer of its can be thrown away
without a flush. docs/adr/0010 says what was measured.

It calls back from `poll` only, so a producer lives in a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple, TypeVar

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException, Message

from engine import kafka
from engine.errors import Refused, Unavailable
from engine.wire import Headers

T = TypeVar("T")

BATCH_BYTES = 950_000
POLL_SECONDS = 0.05
REFUSALS: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_RECORD,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._GAPLESS_GUARANTEE,
    }
)
"""What the broker will never take; the last is said by the client for whatever a broker refuses for good."""

_log = logging.getLogger("librdkafka")


class Record(NamedTuple):
    key: bytes
    value: bytes | None
    headers: Headers
    timestamp_ms: int


class Producer:
    """Sends windows of records and waits for all of a window. After a failure the producer is thrown away without a
    flush, because a batch that succeeds behind one that failed would lose events behind the consumers' watermark."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._thread = ThreadPoolExecutor(1, "producer")
        self._producer: confluent_kafka.Producer | None = None
        self._partitions: dict[str, int] = {}
        self._fatal: KafkaError | None = None
        self._given_up = threading.Event()

    async def send(self, topic: str, window: Mapping[int, Sequence[Record]], partitions: int) -> dict[int, int]:
        """Sends all of the window; returns the offset behind the last record by partition, where the broker said it.
        The topic must have at least so many partitions.

        Raises Refused for what the broker will never take, otherwise Unavailable; in each case the whole window has
        to be sent again, by a producer made anew.
        """
        self._given_up.clear()
        try:
            return await self._apart(self._send, topic, window, partitions)
        except BaseException:
            await self.abort()
            raise

    async def abort(self) -> None:
        """Ends the producer without sending what it still holds."""
        self._given_up.set()
        await asyncio.shield(self._apart(self._drop))

    async def stop(self) -> None:
        """Every send was awaited: there is nothing to flush."""
        await self.abort()
        self._thread.shutdown(wait=False)

    async def _apart(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *arguments)

    # -- in the thread

    def _send(self, topic: str, window: Mapping[int, Sequence[Record]], partitions: int) -> dict[int, int]:
        ends: dict[int, int] = {}
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            """Of a partition's last record: it is not taken unless all before it were."""
            waiting.discard(partition := message.partition() or 0)
            if error is not None:
                failures.append(error)
            elif (offset := message.offset()) is not None and offset >= 0:  # a repeat's offset is not known
                ends[partition] = offset + 1

        waiting = set(window)
        try:
            producer = self._started(topic, partitions)
            produce: Callable[..., None] = producer.produce
            for partition, records in window.items():
                *before, (key, value, headers, at) = records
                for k, v, h, t in before:  # a call back for each would cost more than all else of it
                    produce(topic, v, k, partition, timestamp=t, headers=h)
                produce(topic, value, key, partition, delivered, timestamp=at, headers=headers)
            self._wait(producer, lambda: not waiting or bool(failures))
        except KafkaException as error:
            raise self._meant(error.args[0]) from error
        if failures:
            raise self._meant(failures[0])
        return ends

    def _wait(self, producer: confluent_kafka.Producer, over: Callable[[], bool]) -> None:
        """Raises Unavailable where Kafka takes nothing for too long, or the producer is given up."""
        patience = 2 * kafka.REQUEST_SECONDS
        left, deadline = len(producer), time.monotonic() + patience
        while not over():
            producer.flush(POLL_SECONDS)
            if self._given_up.is_set():
                raise Unavailable("the producer was thrown away")
            if len(producer) < left:
                left, deadline = len(producer), time.monotonic() + patience
            elif time.monotonic() > deadline:
                raise Unavailable(f"Kafka took nothing for {patience:g} s")

    def _started(self, topic: str, partitions: int) -> confluent_kafka.Producer:
        producer = self._producer
        if producer is None:
            self._fatal = None
            producer = self._producer = confluent_kafka.Producer(self._settings(), logger=_log)
        if topic not in self._partitions:
            self._partitions[topic] = self._find(producer, topic)
        if (found := self._partitions[topic]) < partitions:
            raise Refused(f"topic {topic} has {found} partitions and not {partitions}")
        return producer

    def _find(self, producer: confluent_kafka.Producer, topic: str) -> int:
        """How many partitions it has. Asks in slices, so that it can be given up meanwhile."""
        deadline = time.monotonic() + kafka.REQUEST_SECONDS
        while True:
            try:
                found = producer.list_topics(topic, min(1.0, kafka.REQUEST_SECONDS)).topics[topic]
            except KafkaException:
                if self._given_up.is_set() or time.monotonic() > deadline:
                    raise
            else:
                if found.error is not None:
                    raise Unavailable(f"topic {topic}: {found.error.str()}")
                return len(found.partitions)

    def _settings(self) -> dict[str, Any]:
        return {
            **kafka.by_librdkafka(self._bootstrap),
            "acks": "all",
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,  # no batch of a partition is taken behind one that was refused
            "message.timeout.ms": 0,  # nothing is given up but all: see _send
            "request.timeout.ms": int(kafka.REQUEST_SECONDS * 1000),
            "socket.timeout.ms": int(kafka.REQUEST_SECONDS * 1000),
            "reconnect.backoff.max.ms": 1000,
            "socket.nagle.disable": True,
            "linger.ms": 1000,  # batches are filled while a window is handed over; flush() then waits for nothing
            "batch.size": BATCH_BYTES,
            "log_level": 3,  # errors
            "error_cb": self._told,
        }

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        self._partitions.clear()
        if producer is not None:
            producer.purge()
            producer.poll(0)  # its reports go nowhere; then the last reference goes, which ends it

    def _told(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error

    def _meant(self, error: KafkaError) -> Exception:
        """What a failure comes to. Where one was fatal it is the cause, and the rest of the window only follows it."""
        error = self._fatal or error
        kind = Refused if error.code() in REFUSALS else Unavailable
        return kind(f"{error.name()}: {error.str()}")
