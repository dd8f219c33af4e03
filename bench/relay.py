"""How fast the relay publishes what is waiting, beside a plain producer that has the very same records in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg
from aiokafka import AIOKafkaProducer
from engine.kafka import create_topic, partition_of
from engine.producer import BATCH_BYTES, Record
from engine.runtime import Engine
from engine.wire import headers_of, raw_of

from bench import domain
from bench.fill import fill
from bench.measure import Figure, Target
from bench.rig import UNLIMITED, Rig


async def measure(rig: Rig) -> list[Figure]:
    count = rig.pick(60_000, 5_000)
    async with rig.database() as url, rig.topics() as prefix, rig.pool(url, 1, **UNLIMITED) as pool:
        engine = Engine(
            domain.SERVICE,
            postgres_url=url,
            kafka_bootstrap=rig.kafka,
            topic_prefix=prefix,
            role="worker",
            deciders=[domain.meters],
        )
        await engine.migrate()
        partitions = engine.partitions(domain.SERVICE)
        await create_topic(rig.kafka, f"{prefix}raw", partitions=partitions, replication=1)
        await engine.start()
        try:
            filled = 0

            async def relayed() -> float:
                nonlocal filled
                async with pool.acquire() as db, db.transaction():  # invisible to the relay until it is committed
                    last = await fill(db, count, start=filled)
                filled += count
                began = time.perf_counter()
                engine.wake()
                while not await engine.published(last, 60):
                    continue
                return count / (time.perf_counter() - began)

            await relayed()
            records = await stored(pool, count)
            producer = AIOKafkaProducer(
                bootstrap_servers=rig.kafka,
                acks="all",
                enable_idempotence=True,
                max_batch_size=BATCH_BYTES,
                linger_ms=5,
            )
            await producer.start()
            try:
                by_send = await rig.pairs(relayed, lambda: sent(producer, f"{prefix}raw", records))
                by_batch = await rig.pairs(
                    relayed, lambda: sent_in_batches(producer, f"{prefix}raw", records, partitions)
                )
            finally:
                await producer.stop()
        finally:
            await engine.stop()
    return [
        Figure.compared(
            "relay to Kafka",
            "events/s",
            by_send,
            against="aiokafka's producer.send of the same records from memory, acks=all, idempotent",
            target=Target("at least", 0.80),
            note="Ours also reads from Postgres, makes the headers, and moves its cursor under its lease; it sends by"
            " librdkafka (docs/adr/0010).",
        ),
        Figure.compared(
            "relay to Kafka",
            "events/s",
            by_batch,
            against="aiokafka's send_batch of the same records from memory, one batch a partition in flight",
            note="The fastest that this client can do with one batch a partition in flight.",
        ),
    ]


async def stored(pool: asyncpg.Pool[asyncpg.Record], count: int) -> list[Record]:
    rows = await pool.fetch("select e.*, s.incarnation from event e, store s order by position limit $1", count)
    source = f"/cauce/{domain.SERVICE}"
    return [
        Record(raw.stream.encode(), raw.data, headers_of(raw, source), int(raw.recorded_at.timestamp() * 1000))
        for raw in map(raw_of, rows)
    ]


async def sent(producer: AIOKafkaProducer, topic: str, records: Sequence[Record]) -> float:
    began = time.perf_counter()
    deliveries = [
        await producer.send(topic, r.value, key=r.key, headers=r.headers, timestamp_ms=r.timestamp_ms) for r in records
    ]
    await asyncio.gather(*deliveries)
    return len(records) / (time.perf_counter() - began)


async def sent_in_batches(producer: AIOKafkaProducer, topic: str, records: Sequence[Record], partitions: int) -> float:
    began = time.perf_counter()
    by_partition: dict[int, list[Record]] = {}
    for record in records:
        by_partition.setdefault(partition_of(record.key.decode(), partitions), []).append(record)
    await asyncio.gather(*(_in_turn(producer, topic, p, each) for p, each in by_partition.items()))
    return len(records) / (time.perf_counter() - began)


async def _in_turn(producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]) -> None:
    batch = producer.create_batch()
    for r in records:
        if batch.append(key=r.key, value=r.value, timestamp=r.timestamp_ms, headers=r.headers) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=r.key, value=r.value, timestamp=r.timestamp_ms, headers=r.headers)
    await (await producer.send_batch(batch, topic, partition=partition))
