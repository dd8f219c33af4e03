"""A backlog drained by a relay in a process of its own, and what is repeated when that process is killed in the middle
of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import orjson
from engine import Fact, Statement, Table, View
from engine.kafka import Watcher
from engine.runtime import Engine, Tuning
from engine.store import Db
from engine.wire import raw_from
from events import topic_of

from bench import domain
from bench.child import relay
from bench.fill import fill
from bench.measure import Figure, Spread, Target
from bench.rig import UNLIMITED, Rig, until

KILLS = 5
WINDOW = Tuning().relay_window
EFFECTS = Table("effects", "event_id uuid primary key, times int not null")


async def measure(rig: Rig) -> list[Figure]:
    count = rig.pick(500_000, 30_000)
    async with (
        rig.database() as url,
        rig.topics() as prefix,
        rig.pool(url, 1, **UNLIMITED) as pool,
        pool.acquire() as db,
    ):
        await _engine(rig, url, prefix).migrate()
        rates = []
        for n in range(rig.pick(3, 1)):
            last = await _waiting(rig, db, count, start=n * count)
            rig.step(f"draining {count:,} events, {n + 1}")
            async with relay(url, rig.kafka, prefix):
                rates.append(await drained(db, last))
    return [
        Figure(
            f"drain a backlog of {count:,} events, relay in a process of its own",
            "events/s",
            Spread.of(rates),
            against="Debezium's outbox router, warm, measured apart on such a machine: 22,000/s",
            target=Target("at least", 30_000),
            note="From the first window that is acknowledged to the last.",
        )
    ]


async def measure_killed(rig: Rig) -> list[Figure]:
    """A consumer counts effects by event while the relay is killed and followed by another."""
    count = rig.pick(100_000, 20_000)
    async with (
        rig.database() as url,
        rig.database() as heard,
        rig.topics() as prefix,
        rig.pool(url, 1, **UNLIMITED) as pool,
    ):
        await _engine(rig, url, prefix).migrate()
        async with pool.acquire() as db:
            last = await _waiting(rig, db, count)
            listener = Engine(
                "risk",
                postgres_url=heard,
                kafka_bootstrap=rig.kafka,
                topic_prefix=prefix,
                deciders=[],
                views=[View("effects", 1, (EFFECTS,), count_effect, source=domain.SERVICE)],
            )
            await listener.migrate()
            await listener.start()
            try:
                reached = await _killed_again_and_again(
                    rig, db, url, prefix, [count * n // (KILLS + 1) for n in range(1, KILLS + 1)], last
                )
                async with relay(url, rig.kafka, prefix):
                    await until(lambda: db.fetchval("select published >= $1 from store", last))
                rig.step("waiting for the consumer")
                copies = await _copies(rig, prefix)
                effects = await _effects(listener, count)
            finally:
                await listener.stop()
    if len(copies) != count:
        raise RuntimeError(f"{len(copies)} of {count} events are on the topic")
    again = [sum(n - 1 for position, n in copies.items() if 0 < position - cursor <= WINDOW) for cursor in reached]
    return [
        Figure(
            f"records sent again after a SIGKILL of the relay in the middle of a drain, {KILLS} times",
            "records",
            Spread.of(again),
            against="Debezium after a SIGKILL, measured apart: 9,981 of 10,001",
            target=Target("never above", WINDOW),
            note=f"Of {count:,} events, all of which are on the topic; at most one window of {WINDOW:,}. In all"
            f" {sum(copies.values()) - len(copies):,} were sent again.",
        ),
        Figure(
            "effects of a consumer that were repeated by it",
            "effects",
            Spread.of([effects]),
            target=Target("never above", 0),
            note="A view that counts the effects of each event.",
        ),
    ]


async def _killed_again_and_again(rig: Rig, db: Db, url: str, prefix: str, at: list[int], last: int) -> list[int]:
    """Kills one relay after the other, behind each position, when it has sent what its cursor does not yet cover;
    where the cursor stood then."""
    reached = []
    watcher = Watcher(rig.kafka)
    try:
        for n, position in enumerate(at, 1):
            rig.step(f"killing the relay, {n} of {len(at)}")
            async with relay(url, rig.kafka, prefix) as killed:
                await until(partial(_beyond, db, position), 0.003)
                latest = min(position + WINDOW, last)
                await until(partial(_sending, db, watcher, prefix + topic_of(domain.SERVICE), latest), 0.001)
                await killed.kill()
            reached.append(await _published(db))
    finally:
        await watcher.stop()
    return reached


async def _sending(db: Db, watcher: Watcher, topic: str, latest: int) -> bool:
    """Whether it has; or the cursor is at `latest`, because we did not look at the right moment."""
    ends = await watcher.ends(topic)  # first: what the cursor covers afterwards was not all that there is
    covered: dict[str, int] = orjson.loads(await db.fetchval("select topic_offsets from store"))
    return sum(ends.values()) > sum(covered.values()) or await _published(db) >= latest


def count_effect(fact: Fact[Any]) -> Iterator[Statement]:
    yield EFFECTS.sql(
        "insert into {table} as e (event_id, times) values ($1, 1)"
        " on conflict (event_id) do update set times = e.times + 1",
        fact.event_id,
    )


def _engine(rig: Rig, url: str, prefix: str) -> Engine:
    return Engine(
        domain.SERVICE, postgres_url=url, kafka_bootstrap=rig.kafka, topic_prefix=prefix, deciders=[domain.meters]
    )


async def _waiting(rig: Rig, db: Db, count: int, *, start: int = 0) -> int:
    """So many events more than are published; returns the last one's position."""
    last = await fill(db, count, start=start, progress=lambda done: rig.step(f"writing events, {done:,} of {count:,}"))
    rig.step("vacuum")
    await db.execute("vacuum analyze event")
    return last


async def drained(db: Db, last: int) -> float:
    """Events a second from the first window acknowledged."""
    before = await _published(db)

    async def begun() -> bool:
        return await _published(db) > before

    async def over() -> bool:
        return await _published(db) >= last

    await until(begun, 0.01)
    began, first = time.perf_counter(), await _published(db)
    await until(over, 0.01)
    return (last - first) / (time.perf_counter() - began)


async def _beyond(db: Db, position: int) -> bool:
    return await _published(db) > position


async def _published(db: Db) -> int:
    return int(await db.fetchval("select published from store"))


async def _copies(rig: Rig, prefix: str) -> Counter[int]:
    """How often the event of each position is on the topic."""
    watcher = Watcher(rig.kafka)
    try:
        records = watcher.read(prefix + topic_of(domain.SERVICE), {})
        return Counter([raw_from(list(record.headers), record.value).position async for _, record in records])
    finally:
        await watcher.stop()


async def _effects(listener: Engine, count: int) -> int:
    """How many effects there are too many, once all are there."""
    await until(lambda: listener.pool.fetchval("select count(*) >= $1 from effects", count), 0.5)
    await until(lambda: listener.handled("risk.effects.g1", 10))
    return int(await listener.pool.fetchval("select coalesce(sum(times - 1), 0) from effects"))
