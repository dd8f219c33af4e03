"""Loading must not slow down as a stream grows: an aggregate of ten events beside one of ten thousand."""

from __future__ import annotations

import time
from uuid import UUID, uuid4

from engine.runtime import Engine

from bench import domain
from bench.append import engine_and_pool
from bench.measure import Figure, Target
from bench.rig import Rig

SHORT, LONG = 10, 10_000


async def measure(rig: Rig) -> list[Figure]:
    loads = rig.pick(1500, 300)
    async with engine_and_pool(rig) as (engine, _):
        rig.step(f"writing streams of {SHORT} and {LONG:,} events")
        short, long = await grown(engine, SHORT), await grown(engine, LONG)

        async def timed(id: UUID) -> float:
            began = time.perf_counter()
            for _ in range(loads):
                await engine.load(domain.meters, id)
            return (time.perf_counter() - began) / loads * 1e6

        pairs = await rig.pairs(lambda: timed(long), lambda: timed(short), count=7)
    return [
        Figure.compared(
            f"load an aggregate of {LONG:,} events",
            "µs",
            pairs,
            against=f"one of {SHORT}",
            target=Target("at most", 1.2),
            note=f"A snapshot is kept every {domain.meters.snapshot_every} events: both fold {SHORT} events, the long"
            " one behind a snapshot.",
        )
    ]


async def grown(engine: Engine, events: int) -> UUID:
    """A meter of so many events, the last ten of them one by one."""
    id, tail = uuid4(), 10
    for _ in range(0, events - tail, 1110):
        await engine.handle(domain.report(id, times=1110), domain.ME)
    for _ in range(tail):
        await engine.handle(domain.report(id), domain.ME)
    loaded = await engine.load(domain.meters, id)
    if loaded.version != events:
        raise RuntimeError(f"{loaded.version} events were written and not {events}")
    return id
