"""Events that are written in bulk are what appends would have left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from engine.store import SCHEMA, Store, prepare
from events.performance import KPIReported

from bench import domain
from bench.fill import METERS, fill


@pytest.fixture
async def db(database: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database, server_settings={"transaction_timeout": "0"})
    await connection.execute("set client_min_messages = warning")
    await connection.execute(SCHEMA)
    await prepare(connection)
    yield connection
    await connection.close()


async def test_every_stream_loads_and_its_events_are_read_as_the_meter_would_have_written_them(
    db: asyncpg.Connection[Any],
) -> None:
    told: list[int] = []
    assert await fill(db, 2 * METERS, chunk=900, progress=told.append) == 2 * METERS
    assert await fill(db, METERS, start=2 * METERS) == 3 * METERS
    assert told == [900, 1800, 2000]
    store = Store([domain.meters])
    for row in await db.fetch("select id from stream order by id limit 3"):
        facts = await store.history(db, row["id"])
        assert [fact.version for fact in facts] == [1, 2, 3]
        assert [type(fact.event) for fact in facts] == [KPIReported] * 3
        assert {fact.event.partner_id for fact in facts} == {facts[0].stream_id}
        loaded = await store.load(db, domain.meters, facts[0].stream_id)
        assert (loaded.version, loaded.state) == (3, domain.Meter(3, 3 * Decimal("87.5")))


async def test_the_log_has_no_gaps_and_every_event_an_identity_of_its_own(db: asyncpg.Connection[Any]) -> None:
    await fill(db, METERS + 7, chunk=300)
    assert await db.fetchval("select array_agg(position order by position) from event") == list(range(1, METERS + 8))
    assert await db.fetchval("select count(distinct id) from event") == METERS + 7
    assert await db.fetchval("select count(distinct data::jsonb->>'source_ref') from event") == METERS + 7
