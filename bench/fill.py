"""Many events in little time: set by set under the lock that appends share, in chunks of one short transaction each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
from engine.store import LOCK
from events.performance import KPIReported

from bench.domain import NOON, reported

CHUNK = 100_000
METERS = 1000
"""Streams that the events are dealt out to."""

_EVENTS = """
insert into event (stream, version, type, data, occurred_at, recorded_at, correlation_id, actor)
select 'meter-' || partner, 1 + n / $6, $3, replace(replace($4, '{partner}', partner), '{n}', n::text)::json,
       $5, clock_timestamp(), uuidv7(), 'bench'
from (select n, md5('meter' || n % $6)::uuid::text as partner from generate_series($1::int, $2::int) n) s
order by n
"""
_STREAMS = """
insert into stream (id, version, recorded_at)
select stream, max(version), clock_timestamp() from event where position > $1 group by 1
on conflict (id) do update set version = excluded.version, recorded_at = excluded.recorded_at
"""


async def fill(
    db: asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any],
    count: int,
    *,
    start: int = 0,
    chunk: int = CHUNK,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Appends so many events as `append` would leave them, numbered from `start`; returns the last one's position.

    The connection must have no transaction_timeout. Run twice with the same numbers it violates (stream, version).
    """
    template = _template()
    for first in range(start, start + count, chunk):
        last = min(first + chunk, start + count) - 1
        async with db.transaction():
            await db.execute("select pg_advisory_xact_lock_shared($1, $2)", *LOCK)
            before = await db.fetchval("select coalesce(max(position), 0) from event")
            await db.execute(_EVENTS, first, last, KPIReported.event_type, template, NOON, METERS)
            await db.execute(_STREAMS, before)
        progress(last + 1 - start)
    return int(await db.fetchval("select max(position) from event"))


def _template() -> str:
    """An event's JSON with {partner} and {n} where its partner and number go."""
    nobody = UUID(int=0)
    data = reported(nobody, 0).data().decode()
    return data.replace(f"{nobody}/0", "{partner}/{n}").replace(str(nobody), "{partner}")
