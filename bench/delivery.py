"""How long an event takes from its append to a consumer, and what the relay costs meanwhile: it runs in a process of
its own, hears of appends by NOTIFY, and its processor time is read from the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from engine.kafka import Watcher
from engine.runtime import Engine
from events import topic_of

from bench import domain
from bench.child import Relay, relay
from bench.measure import Figure, Spread, Target
from bench.rig import Rig, until

RATES = (100, 1000)
DEBEZIUM = (
    "Debezium's outbox router, tuned hard, measured apart on such a machine: p50 3.1 to 3.9 ms, p99 about 9 ms, at 75"
    " to 80 % of a core; at its defaults p50 about 500 ms"
)


@dataclass
class Watch:
    """When each command was called for and its INSERT sent, and how long (ms) from either to its receipt."""

    called: dict[UUID, float] = field(default_factory=dict)
    inserted: dict[UUID, float] = field(default_factory=dict)
    since_call: list[float] = field(default_factory=list)
    since_insert: list[float] = field(default_factory=list)

    def received(self, id: UUID) -> None:
        called, inserted = self.called.pop(id, None), self.inserted.pop(id, None)
        if called is not None and inserted is not None:
            now = time.perf_counter()
            self.since_call.append((now - called) * 1000)
            self.since_insert.append((now - inserted) * 1000)


def percentile(took: list[float], p: int) -> float:
    return statistics.quantiles(took, n=100, method="inclusive")[p - 1]


async def measure(rig: Rig) -> list[Figure]:
    figures: list[Figure] = []
    async with rig.database() as url, rig.topics() as prefix:
        engine = Engine(
            domain.SERVICE,
            postgres_url=url,
            kafka_bootstrap=rig.kafka,
            topic_prefix=prefix,
            role="api",
            deciders=[domain.meters],
        )
        await engine.migrate()
        await engine.start()
        try:
            async with relay(url, rig.kafka, prefix) as child:
                for rate in RATES:
                    figures += await _at(rig, engine, child, prefix + topic_of(domain.SERVICE), rate)
        finally:
            await engine.stop()
    return figures


async def _at(rig: Rig, engine: Engine, child: Relay, topic: str, rate: int) -> list[Figure]:
    medians, tails, calls, cores = [], [], [], []
    for n in range(rig.pick(5, 1) + 1):
        rig.step(f"{rate:,} a second, round {n} of {rig.pick(5, 1)}" if n else "warming up")
        watch = Watch()
        async with receiving(rig, topic, watch), noting(engine, watch):
            before, began = child.cpu_seconds(), time.perf_counter()
            await send(engine, watch, rate, rig.pick(8, 2) if n else 1)
            cpu = (child.cpu_seconds() - before) / (time.perf_counter() - began)
            await _all_received(watch)
        if n:
            medians.append(percentile(watch.since_insert, 50))
            tails.append(percentile(watch.since_insert, 99))
            calls.append(percentile(watch.since_call, 99))
            cores.append(cpu * 100)
    judged = rate == max(RATES)
    return [
        Figure(
            f"append to Kafka at {rate:,}/s, p50",
            "ms",
            Spread.of(medians),
            against=DEBEZIUM if judged else "",
            target=Target("at most", 3.0) if judged else None,
            note="From the INSERT being sent to the record in a consumer's hands." if judged else "",
        ),
        Figure(
            f"append to Kafka at {rate:,}/s, p99",
            "ms",
            Spread.of(tails),
            target=Target("at most", 9.0) if judged else None,
        ),
        Figure(
            f"from the call of `handle`, which also loads, decides and waits its turn, to Kafka at {rate:,}/s, p99",
            "ms",
            Spread.of(calls),
        ),
        Figure(
            f"the relay's processor time at {rate:,}/s",
            "% of a core",
            Spread.of(cores),
            target=Target("at most", 30.0) if judged else None,
            note="All of its process, heartbeat and measuring included." if judged else "",
        ),
    ]


async def send(engine: Engine, watch: Watch, rate: int, seconds: int) -> None:
    """Commands at even distances, whether or not those before them are answered."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for n in range(rate * seconds):
            due = began + n / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            meter = uuid4()
            watch.called[meter] = time.perf_counter()
            tasks.create_task(engine.handle(domain.report(meter), domain.ME))


async def _all_received(watch: Watch) -> None:
    async def received() -> bool:
        return not watch.called

    await until(received, 0.01, 30)


@contextlib.asynccontextmanager
async def noting(engine: Engine, watch: Watch) -> AsyncIterator[None]:
    """Notes when INSERTs are sent."""
    store, real = engine.store, engine.store._append

    async def append(db: Any, batch: Any, working: Any) -> list[int]:
        now = time.perf_counter()
        watch.inserted |= dict.fromkeys((UUID(stream[-36:]) for stream in batch.streams), now)
        return await real(db, batch, working)

    store._append = append  # type: ignore[method-assign]
    try:
        yield
    finally:
        del store._append


@contextlib.asynccontextmanager
async def receiving(rig: Rig, topic: str, watch: Watch) -> AsyncIterator[None]:
    """A plain consumer at the end of the topic; the key of a record names the meter."""
    watcher = Watcher(rig.kafka)
    ends = await watcher.ends(topic)
    await watcher.stop()
    consumer = AIOKafkaConsumer(bootstrap_servers=rig.kafka, enable_auto_commit=False)
    await consumer.start()
    consumer.assign([TopicPartition(topic, p) for p in ends])
    for partition, end in ends.items():
        consumer.seek(TopicPartition(topic, partition), end)

    async def receive() -> None:
        async for record in consumer:
            watch.received(UUID(record.key.decode()[-36:]))

    receiving = asyncio.create_task(receive())
    try:
        yield
    finally:
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiving
        await consumer.stop()
