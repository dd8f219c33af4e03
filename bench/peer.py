"""The same single event appended by `eventsourcing`, the best known event store in Python, on the same Postgres.

Only its recorder is measured: no aggregate is loaded and nothing decided, which ours does. It blocks, so its callers
are threads. Each of its modes and counts of threads is tried first and the fastest is what ours is held against.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from bench import domain
from bench.append import CALLERS, engine_and_pool, rate
from bench.measure import Figure, Target
from bench.rig import Rig

THREADS = (1, 2, 4, 8, 16)
MODES = {False: "lock, notify and insert, pipelined", True: "its function in the database, which takes no lock"}


async def measure(rig: Rig) -> list[Figure]:
    async with engine_and_pool(rig) as (engine, _), rig.database() as url:
        with ExitStack() as stack:
            recorders = {functions: stack.enter_context(recorder(url, functions)) for functions in MODES}
            tried: dict[tuple[bool, int], float] = {}
            for functions, threads in [(f, t) for f in MODES for t in THREADS]:
                rig.step(f"{MODES[functions]}, {threads} threads")
                tried[functions, threads] = await recorded(recorders[functions], threads, rig.seconds / 2)
            functions, threads = max(tried, key=lambda each: tried[each])

            async def ours() -> float:
                meters = [uuid4() for _ in range(CALLERS)]
                return await rate(rig.seconds, CALLERS, lambda n: engine.handle(domain.report(meters[n]), domain.ME))

            pairs = await rig.pairs(ours, lambda: recorded(recorders[functions], threads, rig.seconds))
    told = "; ".join(
        f"{how}: " + ", ".join(f"{tried[mode, t]:,.0f} with {t}" for t in THREADS) for mode, how in MODES.items()
    )
    return [
        Figure.compared(
            f"handle a command of one event, {CALLERS} callers",
            "commands/s",
            pairs,
            against=f"eventsourcing {version('eventsourcing')}, PostgresApplicationRecorder.insert_events",
            target=Target("at least", 8.0),
            note=f"Its fastest way here: {MODES[functions]}, {threads} threads, a pool of {CALLERS} connections, "
            f"psycopg {version('psycopg')} with its C speedups. Tried, in events/s by threads: {told}.",
        )
    ]


@contextmanager
def recorder(url: str, functions: bool) -> Iterator[PostgresApplicationRecorder]:
    """With a table of its own in the database."""
    parts = urlsplit(url)
    with PostgresDatastore(
        dbname=parts.path.lstrip("/"),
        host=parts.hostname or "",
        port=parts.port or 0,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        pool_size=CALLERS,
        enable_db_functions=functions,
        schema="public",
    ) as store:
        made = PostgresApplicationRecorder(store, events_table_name=f"stored_events_{int(functions)}")
        made.create_table()
        yield made


async def recorded(events: PostgresApplicationRecorder, threads: int, seconds: float) -> float:
    """Events a second when so many threads each insert one event after the other."""
    end = time.perf_counter() + seconds

    def keep_inserting() -> int:
        meter, done = uuid4(), 0
        while time.perf_counter() < end:
            done += 1
            event = domain.reported(meter, done)
            events.insert_events([StoredEvent(meter, done, event.event_type, event.data())])
        return done

    loop, began = asyncio.get_running_loop(), time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        done = await asyncio.gather(*(loop.run_in_executor(pool, keep_inserting) for _ in range(threads)))
    return sum(done) / (time.perf_counter() - began)
