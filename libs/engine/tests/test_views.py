"""Read models: inline ones show a caller its own writes, others follow the log or another service's topic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import asyncpg
import engine_example as example
import pytest
from conftest import MakeEngine
from engine import Fact, Send, Statement, Table, View
from engine.tables import run_statements
from engine_reading import ME, NOON, Failpoints, joined, log_of, open_partner, suspend, until

NOTES = Table("notes", "at serial, position bigint primary key, stream text not null, version int not null")


def keep_all(fact: Fact[Any]) -> Iterator[Statement]:
    yield NOTES.insert(position=fact.position, stream=fact.stream, version=fact.version)


# -- inline


async def test_an_inline_view_shows_a_caller_its_own_writes_at_once(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[example.partners_view])
    id = await open_partner(engine)
    assert await engine.pool.fetchval("select events from partners where partner_id = $1", id) == 1
    for n in range(2, 6):
        await suspend(engine, id)
        row = await engine.pool.fetchrow("select suspended, events from partners where partner_id = $1", id)
        assert tuple(row) == (n - 1, n)
    sends = [Send(example.partners, id, example.Note(text=str(n), times=3)) for n in range(10)]
    await engine.handle_many(sends, ME)
    assert await engine.pool.fetchval("select events from partners where partner_id = $1", id) == 35


async def test_where_an_inline_view_cannot_be_written_nothing_is_stored(make_engine: MakeEngine) -> None:
    def broken(fact: Fact[Any]) -> Iterator[Statement]:
        if isinstance(fact.event, example.NoteTaken):
            raise ValueError("cannot be shown")  # noqa: TRY004
        yield from example.keep_partner(fact)

    engine = await make_engine(views=[View("partners", 1, (example.PARTNERS,), broken, inline=True)])
    id = await open_partner(engine)
    with pytest.raises(ValueError, match="cannot be shown"):
        await engine.handle(Send(example.partners, id, example.Note(text="x")), ME)
    assert (await engine.load(example.partners, id)).version == 1
    assert await engine.pool.fetchval("select events from partners") == 1
    assert (await suspend(engine, id)).version == 2


# -- statements


class Counting:
    """A connection that says which statements went out, and how many rows each was about."""

    def __init__(self, db: asyncpg.Connection[Any]) -> None:
        self._db = db
        self.trips: list[tuple[str, int]] = []

    async def execute(self, sql: str, *args: Any) -> None:
        self.trips.append((sql.split()[0], len(args[0]) if "unnest" in sql else 1))
        await self._db.execute(sql, *args)

    async def executemany(self, sql: str, args: list[Any]) -> None:
        self.trips.append((sql.split()[0], len(args)))
        await self._db.executemany(sql, args)

    async def prepare(self, sql: str) -> Any:
        return await self._db.prepare(sql)


async def test_neighbouring_statements_travel_together_and_the_order_is_kept(db: asyncpg.Connection[Any]) -> None:
    table = Table("t", "k int primary key, n int not null")
    await db.execute("create table t__g3 (k int primary key, n int not null)")
    counting = Counting(db)
    statements = [
        *(table.insert(k=k, n=0) for k in range(50)),
        table.sql("update {table} set n = n + 1"),
        table.sql("update {table} set n = n * 10"),
        table.delete(k=7),
        table.upsert("k", k=7, n=5),
        table.upsert("k", k=8, n=6),
        table.update({"k": 8}, n=9),
    ]
    await run_statements(counting, statements, 3)  # type: ignore[arg-type]
    assert counting.trips == [("insert", 50), ("update", 1), ("update", 1), ("delete", 1), ("insert", 2), ("update", 1)]
    rows = {row["k"]: row["n"] for row in await db.fetch("select k, n from t__g3")}
    assert rows == dict.fromkeys(range(50), 10) | {7: 5, 8: 9}


async def test_tables_do_not_wait_for_each_other_and_each_keeps_its_order(db: asyncpg.Connection[Any]) -> None:
    tables = [Table(name, "k int primary key, n int not null") for name in ("ta", "tb")]
    for table in tables:
        await db.execute(f"create table {table.name}__g1 ({table.columns})")
    counting = Counting(db)
    pairs = [(table.insert(k=k, n=0), table.update({"k": k}, n=k)) for k in range(3) for table in reversed(tables)]
    await run_statements(counting, [*(p[0] for p in pairs), *(p[1] for p in pairs)], 1)  # type: ignore[arg-type]
    assert counting.trips == [("insert", 3), ("update", 3)] * 2
    for table in tables:
        assert [tuple(r) for r in await db.fetch(f"select k, n from {table.name}__g1 order by k")] == [
            (0, 0),
            (1, 1),
            (2, 2),
        ]


async def test_of_upserts_of_one_row_the_last_remains_whatever_the_types(db: asyncpg.Connection[Any]) -> None:
    table = Table("tm", "k uuid, d date, n numeric, x json, at timestamptz, who text, primary key (k, d)")
    await db.execute(f"create table tm__g1 ({table.columns})")
    one, other, day = uuid4(), uuid4(), date(2026, 3, 2)
    counting = Counting(db)
    rows = [
        {"k": k, "d": day, "n": n, "x": b'{"a": [1]}', "at": NOON, "who": who}
        for k, n, who in [(one, Decimal("1.50"), None), (other, Decimal(2), "b"), (one, Decimal(3), "c")]
    ]
    await run_statements(counting, [table.upsert("k", "d", **row) for row in rows], 1)  # type: ignore[arg-type]
    assert counting.trips == [("insert", 2)]
    kept = {row["k"]: dict(row) for row in await db.fetch("select * from tm__g1")}
    assert kept == {one: rows[2], other: rows[1]}


async def test_a_table_with_a_list_in_a_column_is_written_row_by_row(db: asyncpg.Connection[Any]) -> None:
    table = Table("tl", "k int primary key, names text[] not null")
    await db.execute(f"create table tl__g1 ({table.columns})")
    counting = Counting(db)
    await run_statements(counting, [table.insert(k=k, names=["x"] * k) for k in range(3)], 1)  # type: ignore[arg-type]
    assert [tuple(row) for row in await db.fetch("select k, names from tl__g1 order by k")] == [
        (0, []),
        (1, ["x"]),
        (2, ["x", "x"]),
    ]


async def test_an_upsert_of_nothing_but_its_key_leaves_what_is_there(db: asyncpg.Connection[Any]) -> None:
    table = Table("t", "k int primary key, n int not null default 4")
    await db.execute("create table t__g1 (k int primary key, n int not null default 4)")
    await db.execute("insert into t__g1 values (1, 1)")
    await run_statements(db, [table.upsert("k", k=1), table.upsert("k", k=2)], 1)
    assert [tuple(row) for row in await db.fetch("select k, n from t__g1 order by k")] == [(1, 1), (2, 4)]


# -- from the own log


async def test_a_view_from_the_own_log_follows_it_private_events_included(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[View("notes", 1, (NOTES,), keep_all)])
    id = await open_partner(engine)
    receipt = await engine.handle(Send(example.partners, id, example.Note(text="x", times=7)), ME)
    assert await engine.handled("partner.notes.g1", 10, position=receipt.position)
    rows = await engine.pool.fetch("select version from notes order by at")
    assert [row["version"] for row in rows] == list(range(1, 9))


async def test_a_view_from_the_own_log_stops_at_the_relays_final_position(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    engine = await make_engine(views=[View("notes", 1, (NOTES,), keep_all)], failpoint=failpoints)
    id = await open_partner(engine)
    assert await engine.handled("partner.notes.g1", 10)
    gate = failpoints.pause("relay_read")
    receipt = await suspend(engine, id)
    await gate.reached.wait()
    assert receipt.position is not None
    assert not await engine.handled("partner.notes.g1", 0.3, position=receipt.position)
    assert await engine.pool.fetchval("select max(position) from notes") == receipt.position - 1
    gate.open()
    assert await engine.handled("partner.notes.g1", 10, position=receipt.position)
    assert await engine.pool.fetchval("select max(position) from notes") == receipt.position


# -- from topics


async def test_a_view_of_another_services_topic_has_every_public_event_once_and_in_order(
    make_engine: MakeEngine,
) -> None:
    partner = await make_engine()
    risk = await make_engine("risk", views=[example.heard_view])
    ids = [await open_partner(partner) for _ in range(6)]
    for n in range(5):
        for id in ids:
            await suspend(partner, id)
            await partner.handle(Send(example.partners, id, example.Note(text=str(n))), ME)
    receipt = await suspend(partner, ids[0])
    assert await partner.published(receipt.position or 0, 10)
    assert await risk.handled("risk.heard.g1", 15)
    public = [f for f in await log_of(partner) if not isinstance(f.event, example.NoteTaken)]
    rows = await risk.pool.fetch("select event_id, stream, version, times from heard order by at")
    assert {row["event_id"] for row in rows} == {fact.event_id for fact in public}
    assert {row["times"] for row in rows} == {1}
    for id in ids:
        versions = [row["version"] for row in rows if row["stream"] == f"partner-{id}"]
        assert versions == [fact.version for fact in public if fact.stream_id == id]


async def test_a_view_may_follow_its_own_log_and_another_services_topic(make_engine: MakeEngine) -> None:
    voices = Table("voices", "event_id uuid primary key, category text not null, times int not null")

    def keep(fact: Fact[Any]) -> Iterator[Statement]:
        yield voices.sql(
            "insert into {table} as b values ($1, $2, 1) on conflict (event_id) do update set times = b.times + 1",
            fact.event_id,
            fact.category,
        )

    partner = await make_engine()
    view = View("voices", 1, (voices,), keep, source=("partner", "risk"))
    risk = await make_engine("risk", views=[view], policies=[example.mirror_policy])
    await joined(risk)
    id = await open_partner(partner)
    receipt = await suspend(partner, id)
    assert await partner.published(receipt.position or 0, 10)
    assert await risk.handled("risk.mirror", 10)
    assert await risk.handled("risk.voices.g1", 10)

    async def counted() -> dict[str, int]:
        rows = await risk.pool.fetch("select category, count(*) as n from voices where times = 1 group by 1")
        return {row["category"]: row["n"] for row in rows}

    await until(lambda: _is(counted, {"partner": 2, "risk_profile": 1}), what="both sources")


async def _is(read: Any, expected: Any) -> bool:
    return bool(await read() == expected)
