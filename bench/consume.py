"""A view kept from another service's topic, each event's effect once, beside the shortest loop that could do it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from engine.kafka import Watcher
from engine.runtime import Engine, Tuning
from events import topic_of

from bench import domain, views
from bench.child import relay
from bench.fill import fill
from bench.measure import Figure, Target
from bench.rig import UNLIMITED, Rig, until


async def measure(rig: Rig) -> list[Figure]:
    count = rig.pick(60_000, 5_000)
    async with rig.topics() as prefix:
        rig.step(f"putting {count:,} events on a topic")
        await published(rig, prefix, count)
        pairs = await rig.pairs(lambda: consumed(rig, prefix, count), lambda: by_hand(rig, prefix, count))
    return [
        Figure.compared(
            "consume from Kafka and keep a view",
            "events/s",
            pairs,
            against="getmany, executemany of the same upsert, the offset in the same transaction",
            target=Target("at least", 0.70),
            note="From the first commit to the last. Ours also decodes the envelope and validates the event, keeps the"
            " watermark, proves its epoch, and looks whether the stream is parked. One upsert an event, 1,000 rows."
            " Where its processor time goes (a profile by py-spy): about a fifth each to aiokafka's unpacking, to the"
            " envelope and to the validation of the event, a tenth to sending the upserts.",
        )
    ]


async def published(rig: Rig, prefix: str, count: int) -> None:
    """So many events of the service on its topic."""
    async with rig.database() as url, rig.pool(url, 1, **UNLIMITED) as pool:
        engine = Engine(
            domain.SERVICE, postgres_url=url, kafka_bootstrap=rig.kafka, topic_prefix=prefix, deciders=[domain.meters]
        )
        await engine.migrate()
        async with pool.acquire() as db:
            last = await fill(db, count)
            async with relay(url, rig.kafka, prefix):
                await until(lambda: db.fetchval("select published >= $1 from store", last))


async def consumed(rig: Rig, prefix: str, count: int) -> float:
    async with rig.database() as url:
        engine = Engine(
            "risk",
            postgres_url=url,
            kafka_bootstrap=rig.kafka,
            topic_prefix=prefix,
            deciders=[],
            views=[views.totals(domain.SERVICE)],
        )
        await engine.migrate()
        await engine.start()
        try:
            await until(lambda: _handled(engine))
            began, first = time.perf_counter(), await _handled(engine)
            await until(lambda: _handled(engine, count))
            took = time.perf_counter() - began
            kept = await engine.pool.fetchval("select sum(reports) from totals")
            if kept != count:
                raise RuntimeError(f"the view holds {kept} of {count} events")
            return (count - first) / took
        finally:
            await engine.stop()


async def _handled(engine: Engine, least: int = 1) -> int:
    """How many records are; 0 while there are fewer than asked for."""
    handled = int(await engine.pool.fetchval("select coalesce(sum(next_offset), 0) from consumer_offset"))
    return handled if handled >= least else 0


async def by_hand(rig: Rig, prefix: str, count: int) -> float:
    topic = prefix + topic_of(domain.SERVICE)
    async with rig.database() as url, rig.pool(url, Tuning().pool_size) as pool:
        await pool.execute(views.RAW_TABLES)
        ends = await _ends(rig, topic)
        await pool.executemany("insert into raw_offset values ($1, 0)", [(p,) for p in ends])
        consumer = AIOKafkaConsumer(
            bootstrap_servers=rig.kafka, enable_auto_commit=False, auto_offset_reset="earliest", max_poll_records=2000
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, p) for p in ends])

            async def keep(partition: int, records: list[Any]) -> int:
                for start in range(0, len(records), Tuning().batch):
                    piece = records[start : start + Tuning().batch]
                    async with pool.acquire() as db, db.transaction():
                        await db.executemany(views.RAW_ADD, views.raw_arguments(r.value for r in piece))
                        await db.execute(
                            "update raw_offset set next_offset = $2 where partition = $1",
                            partition,
                            piece[-1].offset + 1,
                        )
                return len(records)

            began, first, handled = 0.0, 0, 0
            while handled < count:
                batches = await consumer.getmany(timeout_ms=300)
                handled += sum(await asyncio.gather(*(keep(tp.partition, each) for tp, each in batches.items())))
                if handled and not first:
                    began, first = time.perf_counter(), handled
            return (count - first) / (time.perf_counter() - began)
        finally:
            await consumer.stop()


async def _ends(rig: Rig, topic: str) -> dict[int, int]:
    watcher = Watcher(rig.kafka)
    try:
        return await watcher.ends(topic)
    finally:
        await watcher.stop()
