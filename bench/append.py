"""What a caller of `handle` gets: decide, append and commit of one event, from 16 callers at once, beside 16
connections that do nothing but INSERT the same row. Of aggregates that the process remembers, and of others."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
from engine.recent import LIMIT
from engine.runtime import Engine, Tuning
from engine.store import Intent

from bench import domain, raw
from bench.measure import Figure, Target
from bench.rig import Rig

CALLERS = 16
COLD = 4 * LIMIT
BULK_CALLERS = 4
MANY = 100


async def measure(rig: Rig) -> list[Figure]:
    cold = [uuid4() for _ in range(COLD)]
    async with engine_and_pool(rig) as (engine, pool):

        async def handled() -> float:
            meters = [uuid4() for _ in range(CALLERS)]
            return await rate(rig.seconds, CALLERS, lambda n: engine.handle(domain.report(meters[n]), domain.ME))

        await engine.handle_many([domain.report(meter) for meter in cold], domain.ME)
        turn = itertools.cycle(cold)

        async def unremembered() -> float:
            """Each in its turn: none is among those of late when it is its turn again."""
            return await rate(rig.seconds, CALLERS, lambda n: engine.handle(domain.report(next(turn)), domain.ME))

        async def alone() -> float:
            meters = [uuid4() for _ in range(CALLERS)]

            async def execute(n: int) -> None:
                async with engine.acquire() as db:
                    await engine.store.execute(db, [Intent(domain.report(meters[n]), domain.NOON, domain.ME)])

            return await rate(rig.seconds, CALLERS, execute)

        async def inserted() -> float:
            meters, versions = [uuid4() for _ in range(CALLERS)], [0] * CALLERS

            async def insert(n: int) -> None:
                versions[n] += 1
                async with pool.acquire() as db:
                    await db.fetchrow(raw.INSERT, *raw.row(meters[n], versions[n]))

            return await rate(rig.seconds, CALLERS, insert)

        together = await rig.pairs(handled, inserted)
        loaded = await rig.pairs(unremembered, inserted)
        apart = await rig.pairs(alone, inserted)
    against = f"raw asyncpg INSERT of the same row and indexes, {CALLERS} connections"
    return [
        Figure.compared(
            f"handle a command of one event, {CALLERS} callers",
            "commands/s",
            together,
            against=against,
            target=Target("at least", 0.80),
            note="Ours also decides. Callers that come at once share a transaction; each is answered after its commit."
            " Each caller has an aggregate of its own, which the process remembers (docs/adr/0011).",
        ),
        Figure.compared(
            f"the same, of {COLD:,} aggregates in turn, which are loaded each time, {CALLERS} callers",
            "commands/s",
            loaded,
            against=against,
            note="More than are remembered.",
        ),
        Figure.compared(
            f"the same, each command in a transaction of its own, {CALLERS} connections",
            "commands/s",
            apart,
            against=against,
            note="As many writers of other processes would: two round trips, one to load and one to append.",
        ),
    ]


async def measure_many(rig: Rig) -> list[Figure]:
    async with engine_and_pool(rig) as (engine, pool):

        async def handled() -> float:
            meters = [uuid4() for _ in range(BULK_CALLERS)]
            return MANY * await rate(
                rig.seconds, BULK_CALLERS, lambda n: engine.handle(domain.report(meters[n], times=MANY), domain.ME)
            )

        async def inserted() -> float:
            meters, versions = [uuid4() for _ in range(BULK_CALLERS)], [0] * BULK_CALLERS

            async def insert(n: int) -> None:
                rows = [raw.row(meters[n], versions[n] + each) for each in range(1, MANY + 1)]
                versions[n] += MANY
                async with pool.acquire() as db:
                    await db.fetch(raw.INSERT_MANY, *map(list, zip(*rows, strict=True)))

            return MANY * await rate(rig.seconds, BULK_CALLERS, insert)

        pairs = await rig.pairs(handled, inserted)
    return [
        Figure.compared(
            f"handle a command of {MANY} events, {BULK_CALLERS} callers",
            "events/s",
            pairs,
            against=f"raw INSERT from unnest of the same {MANY} rows, {BULK_CALLERS} connections",
            target=Target("at least", 0.90),
            note="Both make the events and their JSON; ours also loads, decides and folds.",
        )
    ]


async def rate(seconds: float, callers: int, call: Callable[[int], Awaitable[Any]]) -> float:
    """Calls a second when so many callers (numbered from 0) each call again as soon as they are answered."""
    done, end = 0, time.perf_counter() + seconds

    async def keep_calling(n: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await call(n)
            done += 1

    began = time.perf_counter()
    await asyncio.gather(*(keep_calling(n) for n in range(callers)))
    return done / (time.perf_counter() - began)


@contextlib.asynccontextmanager
async def engine_and_pool(rig: Rig) -> AsyncIterator[tuple[Engine, asyncpg.Pool[Any]]]:
    """An engine that only appends, and plain connections to the same database, with the table for raw rows."""
    async with rig.database() as url, rig.topics() as prefix:
        engine = Engine(
            domain.SERVICE,
            postgres_url=url,
            kafka_bootstrap=rig.kafka,
            topic_prefix=prefix,
            role="api",
            deciders=[domain.meters],
            tuning=Tuning(pool_size=CALLERS),
        )
        await engine.migrate()
        await engine.start()
        try:
            async with rig.pool(url, CALLERS) as pool:
                await pool.execute(raw.TABLE)
                yield engine, pool
        finally:
            await engine.stop()
