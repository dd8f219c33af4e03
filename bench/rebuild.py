"""How long a view takes to be built anew from the log: its cost must not grow with the log, and is held against
reading the same events through a server-side cursor and doing nothing with them."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from engine import View
from engine.runtime import Engine
from engine.store import Db

from bench import domain, views
from bench.fill import fill
from bench.measure import Figure, Pairs, Spread, Target
from bench.rig import UNLIMITED, Rig, until

SIZES = {100_000: 5, 1_000_000: 1, 5_000_000: 1}
"""Events, and how often such a log is read."""

CHUNK = 500
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306}
"""Student's t at 97.5 % by degrees of freedom."""


async def measure(rig: Rig) -> list[Figure]:
    sizes = {10_000: 2, 30_000: 2} if rig.quick else SIZES
    smallest = min(sizes)
    figures: list[Figure] = []
    points: list[tuple[int, float]] = []
    async with (
        rig.database() as url,
        rig.topics() as prefix,
        rig.pool(url, 1, **UNLIMITED) as pool,
        pool.acquire() as db,
    ):
        builds = Builds(url, rig.kafka, prefix)
        await builds.migrate()
        filled = 0
        for size, count in sizes.items():
            await _grow(rig, db, filled, size)
            filled = size
            seconds: list[float] = []

            async def built(size: int = size, seconds: list[float] = seconds) -> float:
                seconds.append(await builds.one(size))
                return size / seconds[-1]

            async def read(size: int = size) -> float:
                return size / await read_only(db)

            pairs = await rig.pairs(built, read, count=count, warm_up=size == smallest)
            points += [(size, each) for each in seconds[-len(pairs.ours.values) :]]
            figures.append(_rate(size, pairs))
            if size == smallest:
                figures.append(_by_hand(await rig.pairs(built, lambda: by_hand(db, smallest), count=3, warm_up=False)))
    return [_slope(points), *figures]


async def _grow(rig: Rig, db: Db, filled: int, size: int) -> None:
    def told(done: int) -> None:
        rig.step(f"writing events, {filled + done:,} of {size:,}")

    await fill(db, size - filled, start=filled, progress=told)
    rig.step("vacuum")  # else the first to read would pay for it
    await db.execute("vacuum analyze event")
    await db.execute("update store set published = (select max(position) from event)")


def _rate(size: int, pairs: Pairs) -> Figure:
    return Figure.compared(
        f"rebuild a view of {size:,} events",
        "events/s",
        pairs,
        against="reading them through a server-side cursor",
        target=Target("at least", 0.50),
        note="The cursor only reads: nothing is decoded and nothing written. Ours runs one upsert an event and commits"
        f" every {CHUNK} with its offset.",
    )


def _by_hand(pairs: Pairs) -> Figure:
    return Figure.compared(
        "rebuild a view",
        "events/s",
        pairs,
        against="the same by hand: pages of rows, executemany of the same upsert, the offset in the same transaction",
    )


def _slope(points: list[tuple[int, float]]) -> Figure:
    """Of log(seconds) over log(events), with its 95 % interval."""
    x, y = [math.log(events) for events, _ in points], [math.log(seconds) for _, seconds in points]
    slope, intercept = statistics.linear_regression(x, y)
    freedom = len(points) - 2
    residual = sum((b - slope * a - intercept) ** 2 for a, b in zip(x, y, strict=True)) / freedom
    error = math.sqrt(residual / sum((a - statistics.fmean(x)) ** 2 for a in x))
    half = T95[min(freedom, max(T95))] * error
    return Figure(
        "rebuild a view: slope of log(seconds) over log(events)",
        "",
        Spread.of([slope - half, slope, slope + half]),
        target=Target("contains", 1.0),
        note="In brackets the 95 % interval. 1: twice the events take twice as long.",
    )


class Builds:
    """Each build is of a view version that is new to the log, so that nothing else is read meanwhile."""

    def __init__(self, url: str, kafka: str, prefix: str) -> None:
        self._url, self._kafka, self._prefix = url, kafka, prefix
        self._version = 0

    def _engine(self, views: Sequence[View]) -> Engine:
        return Engine(
            domain.SERVICE,
            postgres_url=self._url,
            kafka_bootstrap=self._kafka,
            topic_prefix=self._prefix,
            deciders=[domain.meters],
            views=views,
        )

    async def migrate(self) -> None:
        await self._engine(()).migrate()

    async def one(self, size: int) -> float:
        """Seconds until all of the log is in the view."""
        self._version += 1
        engine = self._engine([replace(views.totals(), version=self._version)])
        await engine.migrate()
        await engine.start()
        began = time.perf_counter()
        try:
            reached = "select next_offset > $2 from consumer_offset where subscription = $1"
            name = f"{domain.SERVICE}.totals.g{self._version}"
            await until(lambda: engine.pool.fetchval(reached, name, size))
            took = time.perf_counter() - began
            live = "select live from view_build where generation = $1"
            await until(lambda: engine.pool.fetchval(live, self._version), 0.1)
            kept = await engine.pool.fetchval("select sum(reports) from totals")
        finally:
            await engine.stop()
        if kept != size:
            raise RuntimeError(f"the view holds {kept} of {size} events")
        return took


async def read_only(db: Db) -> float:
    began = time.perf_counter()
    async with db.transaction():
        async for _ in db.cursor("select * from event order by position", prefetch=CHUNK):
            pass
    return time.perf_counter() - began


async def by_hand(db: Db, size: int) -> float:
    """Events a second, read and kept by the shortest loop."""
    await db.execute("drop table if exists raw_totals, raw_offset")
    await db.execute(views.RAW_TABLES)
    await db.execute("insert into raw_offset values (0, 0)")
    began, position = time.perf_counter(), 0
    while rows := await db.fetch("select * from event where position > $1 order by position limit $2", position, CHUNK):
        position = rows[-1]["position"]
        async with db.transaction():
            await db.executemany(views.RAW_ADD, views.raw_arguments(row["data"] for row in rows))
            await db.execute("update raw_offset set next_offset = $1", position)
    return size / (time.perf_counter() - began)
