"""What a caller of `handle` gets: load, decide, append and commit of one event, from 16 callers at once, beside 16
connections that do nothing but INSERT the same row."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
from engine.runtime import Engine, Tuning

from bench import domain, raw
from bench.measure import Figure, Target
from bench.rig import Rig

CALLERS = 16


async def measure(rig: Rig) -> list[Figure]:
    async with engine_and_pool(rig) as (engine, pool):

        async def handled() -> float:
            meters = [uuid4() for _ in range(CALLERS)]
            return await rate(rig.seconds, CALLERS, lambda n: engine.handle(domain.report(meters[n]), domain.ME))

        async def inserted() -> float:
            meters, versions = [uuid4() for _ in range(CALLERS)], [0] * CALLERS

            async def insert(n: int) -> None:
                versions[n] += 1
                async with pool.acquire() as db:
                    await db.fetchrow(raw.INSERT, *raw.row(meters[n], versions[n]))

            return await rate(rig.seconds, CALLERS, insert)

        pairs = await rig.pairs(handled, inserted)
    return [
        Figure.compared(
            f"handle a command of one event, {CALLERS} callers",
            "commands/s",
            pairs,
            against=f"raw asyncpg INSERT of the same row and indexes, {CALLERS} connections",
            target=Target("at least", 0.80),
            note="Ours also loads the aggregate and decides. Callers that come at once share a transaction; each is"
            " answered after its commit.",
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
