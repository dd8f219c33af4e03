"""One Kafka fetcher a process, feeding all of its subscriptions; each keeps its own offsets, in Postgres."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from engine.errors import Fenced, Unavailable, passes
from engine.kafka import bounded, closed, group_consumer, topic_ids
from engine.subscriptions import Applier, Heard, Place, Subscription
from engine.wire import Raw, raw_from, unreadable

log = structlog.get_logger()

FIRST_DELAY = 0.1
TOPICS_SECONDS = 30.0
"""After which a consumer looks whether its topics are still those that it joined."""


@dataclass(frozen=True)
class Source:
    """Another service's topic, how its events are read, and who listens."""

    service: str
    topic: str
    heard: Heard
    subscriptions: Sequence[Subscription]


@dataclass
class _Held:
    """A subscription's hold on a partition."""

    subscription: Subscription
    place: Place
    epoch: int
    next_offset: int


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        applier: Applier,
        bootstrap: str,
        group: str,
        sources: Sequence[Source],
        *,
        session_seconds: float = 10.0,
        max_records: int = 2000,
        commit_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._applier = applier
        self._bootstrap = bootstrap
        self._group = group
        self._sources: Mapping[str, Source] = {source.topic: source for source in sources}
        self._session_seconds = session_seconds
        self._max_records = max_records
        self._commit_seconds = commit_seconds
        self._topic_ids: dict[str, UUID] = {}
        self._held: dict[TopicPartition, list[_Held]] = {}
        self._assigned = asyncio.Event()
        self._broken: Exception | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._stopping = asyncio.Event()
        self.ready = False

    async def run(self) -> None:
        """Consumes until `stop`; leaves and rejoins the group after whatever passes by itself."""
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            try:
                await self._consume()
                return
            except Exception as error:
                if not passes(error):
                    raise
                if self.ready:  # it had got somewhere
                    delay = FIRST_DELAY
                self._applier.metrics.rejoins.inc()
                log.warning("consumer_rejoins", group=self._group, error=repr(error), delay=delay)
            finally:
                self.ready = False
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, 2.0)

    def stop(self) -> None:
        """Finishes the batch in hand, commits and leaves the group."""
        self._stopping.set()

    async def _consume(self) -> None:
        self._topic_ids = await topic_ids(self._bootstrap, list(self._sources))
        missing = self._sources.keys() - self._topic_ids.keys()
        if missing:
            raise Unavailable(f"no such topic yet: {', '.join(sorted(missing))}")
        self._held, self._broken = {}, None
        self._assigned.clear()
        consumer = self._consumer = group_consumer(
            self._bootstrap,
            list(self._sources),
            self._group,
            session_seconds=self._session_seconds,
            max_records=self._max_records,
            listener=self,
        )
        try:
            await bounded(consumer.start(), 30)
            committed = looked = asyncio.get_running_loop().time()
            while not self._stopping.is_set():
                if self._broken is not None:
                    raise self._broken
                try:
                    batches = await bounded(consumer.getmany(timeout_ms=300), 30)
                except NoOffsetForPartitionError:  # fetched before on_partitions_assigned has sought
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._assigned.wait(), 1)
                    continue
                self.ready = True
                await self._apply(consumer, batches)
                if asyncio.get_running_loop().time() - looked > TOPICS_SECONDS:
                    await self._same_topics()
                    looked = asyncio.get_running_loop().time()
                if asyncio.get_running_loop().time() - committed > self._commit_seconds:
                    await self._commit(consumer)
                    committed = asyncio.get_running_loop().time()
            await self._commit(consumer)
        finally:
            self._consumer = None
            await closed(consumer.stop())

    async def _same_topics(self) -> None:
        """Raises Unavailable where a topic was made anew: what its offsets mean is not known from the old one's."""
        found = await topic_ids(self._bootstrap, list(self._sources))
        if anew := sorted(topic for topic, id in self._topic_ids.items() if found.get(topic) != id):
            raise Unavailable(f"made anew since it was joined: {', '.join(anew)}")

    async def _apply(self, consumer: AIOKafkaConsumer, batches: Mapping[TopicPartition, Sequence[Any]]) -> None:
        results = await asyncio.gather(
            *(self._partition(consumer, tp, records) for tp, records in batches.items()), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _partition(self, consumer: AIOKafkaConsumer, tp: TopicPartition, records: Sequence[Any]) -> None:
        source = self._sources[tp.topic]
        read = [(record.offset, _read(record)) for record in records]
        for held in self._held.get(tp, ()):
            fresh = [(offset, raw) for offset, raw in read if offset >= held.next_offset]
            if not fresh:
                continue
            try:
                await self._applier.apply(held.subscription, held.place, held.epoch, source.heard, fresh)
            except Fenced:
                if tp in consumer.assignment() and held in self._held.get(tp, ()):
                    raise  # somebody took what we believe is ours: leave and rejoin
                return
            held.next_offset = fresh[-1][0] + 1

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._assigned.clear()
        for tp in revoked:
            self._held.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        consumer = self._consumer
        if consumer is None:
            return
        try:
            await self._same_topics()
            beginnings = await bounded(consumer.beginning_offsets(list(assigned))) if assigned else {}
            ends = await bounded(consumer.end_offsets(list(assigned))) if assigned else {}
            for tp in assigned:
                kept = range(beginnings[tp], ends[tp] + 1)
                self._held[tp] = held = [await self._take(tp, s, kept) for s in self._sources[tp.topic].subscriptions]
                consumer.seek(tp, min(h.next_offset for h in held))
        except Exception as error:  # noqa: BLE001 - raised by the loop; aiokafka would log it and go on without offsets
            self._broken = error if passes(error) else Unavailable(repr(error))
        self._assigned.set()

    async def _take(self, tp: TopicPartition, subscription: Subscription, kept: range) -> _Held:
        """`kept` are the offsets at which reading may go on. Behind the end there is nothing: the topic lost what was
        read already, and what it holds now is read again from its beginning, behind the watermark."""
        place = Place(subscription.name, self._sources[tp.topic].service, self._topic_ids[tp.topic], tp.partition)
        async with self._pool.acquire() as db:
            epoch, next_offset = await self._applier.take_over(db, subscription, place)
            if next_offset not in kept:
                log.error("topic_does_not_reach", place=str(place), wanted=next_offset, first=kept[0], end=kept[-1])
                next_offset = kept[0]
                await db.execute(
                    "update consumer_offset set next_offset = $5 where subscription = $1 and topic_id = $2"
                    " and partition = $3 and epoch = $4",
                    place.subscription,
                    place.topic_id,
                    place.partition,
                    epoch,
                    next_offset,
                )
        return _Held(subscription, place, epoch, next_offset)

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Tells Kafka how far we are, for lag tools only."""
        offsets = {tp: min(h.next_offset for h in held) for tp, held in self._held.items() if held}
        if offsets:
            try:
                await bounded(consumer.commit(offsets))
            except (KafkaError, Unavailable) as error:
                log.info("kafka_offsets_not_committed", error=repr(error))


def _read(record: Any) -> Raw:
    try:
        return raw_from(list(record.headers), record.value)
    except (KeyError, ValueError, TypeError, AttributeError):  # the last two: a header without a value
        at = datetime.fromtimestamp(record.timestamp / 1000, tz=UTC)
        return unreadable(record.topic, record.partition, record.offset, at, record.value or b"")
