"""Callers' requests: one effect and one answer a key, never another request's answer, and forgotten after some days."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import MakeEngine
from engine import Rejected, Send, upkeep
from engine.errors import InFlight, KeyReused, VersionNeeded
from engine.runtime import Engine
from engine_example import Note, Open, Reinstate, Suspend, partners, partners_view
from engine_writing import ME, opened, until

ONE, OTHER = b"a digest", b"another"
WEEK = timedelta(days=7)


@pytest.fixture
async def engine(make_engine: MakeEngine) -> Engine:
    return await make_engine(role="api", views=[partners_view])


async def known(engine: Engine) -> int:
    count: int = await engine.pool.fetchval("select count(*) from command")
    return count


# -- one request


async def test_a_request_that_is_repeated_gets_the_answer_of_the_first(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    key = uuid4()
    first = await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    again = await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    assert again == first


async def test_the_same_key_for_another_request_is_told_and_not_answered_with_the_first(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    key, refused = uuid4(), uuid4()
    await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    with pytest.raises(Rejected):
        await engine.handle(Send(partners, id, Reinstate(cause_id=id)), ME, command_id=refused, request=ONE)
    for reused in (key, refused):
        with pytest.raises(KeyReused):
            await engine.handle(Send(partners, id, Note(text="y")), ME, command_id=reused, request=OTHER)
    assert await engine.pool.fetchval("select events from partners") == 2


async def test_one_callers_reused_key_does_not_fail_those_who_came_at_the_same_time(engine: Engine) -> None:
    ids = await opened(engine, 6)
    key = uuid4()
    await engine.handle(Send(partners, ids[0], Note(text="x")), ME, command_id=key, request=ONE)
    outcomes = await asyncio.gather(
        engine.handle(Send(partners, ids[0], Note(text="y")), ME, command_id=key, request=OTHER),
        *(engine.handle(Send(partners, id, Note(text="z")), ME) for id in ids[1:]),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], KeyReused)
    assert [getattr(outcome, "version", outcome) for outcome in outcomes[1:]] == [2] * 5


# -- in flight


async def test_a_repeat_of_a_request_that_is_being_handled_is_told_so_at_once(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    key = uuid4()
    async with engine.pool.acquire() as db, db.transaction():
        await db.execute("select 1 from stream where id = $1 for update", partners.stream(id))
        first = asyncio.create_task(engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE))
        await asyncio.sleep(0)
        with pytest.raises(InFlight):
            await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    assert (await first).version == 2
    again = await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    assert again == await first


async def test_a_repeat_in_another_process_is_not_left_waiting_for_the_first(
    engine: Engine, make_engine: MakeEngine
) -> None:
    other = await make_engine(role="api", views=[partners_view])
    [id] = await opened(engine, 1)
    key = uuid4()

    async def holds_its_key() -> bool:
        locks: int = await other.pool.fetchval(
            "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1"
        )
        return locks > 0

    async with other.pool.acquire() as db, db.transaction():
        await db.execute("select 1 from stream where id = $1 for update", partners.stream(id))
        first = asyncio.create_task(engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE))
        await until(holds_its_key, 60, "the first holds its key")
        # Another thing's stream is free, so that only the key can be in the way.
        with pytest.raises(InFlight):
            await other.handle(Send(partners, uuid4(), Open(partner_id=id)), ME, command_id=key, request=ONE)
    assert (await first).version == 2


async def test_commands_of_policies_and_intakes_take_no_lock_of_their_own(engine: Engine) -> None:
    ids = await opened(engine, 3)
    async with engine.pool.acquire() as db:
        transaction = db.transaction()
        await transaction.start()
        await db.fetch(
            "select * from append($1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',"
            " '{}', '{}', '{}', '{}', $2, $3, $4, $4, $5, $6)",
            engine.store.view_epoch,
            [uuid4(), uuid4()],
            [partners.stream(id) for id in ids[:2]],
            [1, 1],
            [None, None],
            [None, b""],
        )
        locks = await db.fetchval("select count(*) from pg_locks where locktype = 'advisory' and objsubid = 1")
        await transaction.rollback()
    assert locks == 0


# -- versions


async def test_a_command_that_only_creates_creates_and_repeats_but_changes_nothing(engine: Engine) -> None:
    id = uuid4()
    send = Send(partners, id, Open(partner_id=id))
    assert (await engine.handle(send, ME, only_creates=True)).version == 1
    assert (await engine.handle(send, ME, only_creates=True)).events == ()
    with pytest.raises(VersionNeeded) as told:
        await engine.handle(Send(partners, id, Suspend(cause_id=id)), ME, only_creates=True)
    assert told.value.actual == 1
    key = uuid4()
    suspend = Send(partners, id, Suspend(cause_id=id))
    first = await engine.handle(suspend, ME, expected_version=1, command_id=key, request=ONE)
    assert await engine.handle(suspend, ME, only_creates=True, command_id=key, request=ONE) == first


# -- forgetting


async def aged(engine: Engine, days: float) -> None:
    await engine.pool.execute("update command set recorded_at = recorded_at - $1::interval", timedelta(days=days))


@pytest.mark.parametrize(("days", "left"), [(6.9, 3), (7.1, 1)])
async def test_a_request_is_forgotten_after_some_days_but_never_a_policys_command(
    engine: Engine, days: float, left: int
) -> None:
    [id] = await opened(engine, 1)
    for request in (None, ONE, b""):
        await engine.handle_many([Send(partners, id, Note(text="x"))], ME, command_ids=[uuid4()], request=request)
    await aged(engine, days)
    async with engine.pool.acquire() as db:
        await engine.store.forget(db, older_than=WEEK, limit=100)
    assert await known(engine) == left
    assert await engine.pool.fetchval("select events from partners") == 4


async def test_old_requests_are_deleted_oldest_first_a_chunk_at_a_time(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    keys = [uuid4() for _ in range(5)]
    for key in keys:
        await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=key, request=ONE)
    await aged(engine, 8)
    counts, left = [], []
    async with engine.pool.acquire() as db:
        for _ in range(4):
            counts.append(await engine.store.forget(db, older_than=WEEK, limit=2))
            left.append([row["id"] for row in await db.fetch("select id from command order by recorded_at")])
    assert counts == [2, 2, 1, 0]
    assert left == [keys[2:], keys[4:], [], []]


async def test_a_worker_forgets_by_itself_chunk_after_chunk(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "FORGOTTEN_AT_ONCE", 2)
    first = await make_engine(role="api", views=[partners_view])
    [id] = await opened(first, 1)
    for _ in range(5):
        await first.handle(Send(partners, id, Note(text="x")), ME, command_id=uuid4(), request=ONE)
    await first.handle(Send(partners, id, Note(text="x")), ME, command_id=uuid4())
    await aged(first, 8)
    worker = await make_engine(role="worker", views=[partners_view])

    async def forgotten() -> bool:
        return await known(worker) == 1

    await until(forgotten, 60, "only the command that is kept for good is left")


# -- as of


async def as_of(engine: Engine, id: UUID, **when: datetime) -> tuple[Any, int]:
    """The row of the inline view, and the aggregate's version, by what was known or had happened then."""
    async with engine.replayed(partners_view, partners, id, **when) as (db, version):
        row = await db.fetchrow("select suspended, events from partners__g0 where partner_id = $1", id)
    loaded = await engine.load(partners, id, **when)
    assert loaded.version == version
    return (None if row is None else tuple(row)), loaded.state.events


async def test_a_view_of_one_thing_is_as_it_was_known_or_as_it_had_happened(engine: Engine) -> None:
    id = uuid4()
    days = [datetime(2020, 1, day, tzinfo=UTC) for day in (1, 9, 5)]
    told: Callable[..., Awaitable[Any]] = engine.handle
    recorded = []
    for day, command in zip(days, (Open(partner_id=id), Suspend(cause_id=id), Note(text="late news")), strict=True):
        await told(Send(partners, id, command.model_copy(update={"occurred_at": day})), ME)
        recorded.append(await engine.pool.fetchval("select max(recorded_at) from event"))
    assert await as_of(engine, id, recorded_by=recorded[0]) == ((0, 1), 1)
    assert await as_of(engine, id, recorded_by=recorded[1]) == ((1, 2), 2)
    assert await as_of(engine, id, recorded_by=recorded[2]) == ((1, 3), 3)
    assert await as_of(engine, id, occurred_by=days[2]) == ((0, 2), 2)
    assert await as_of(engine, id, occurred_by=days[2], recorded_by=recorded[1]) == ((0, 1), 1)
    assert await as_of(engine, id, recorded_by=recorded[0] - timedelta(days=1)) == (None, 0)


async def test_nothing_had_happened_to_a_thing_before_it_came_about(engine: Engine) -> None:
    id = uuid4()
    for day, command in ((9, Open(partner_id=id)), (1, Note(text="dated back"))):
        said = command.model_copy(update={"occurred_at": datetime(2020, 1, day, tzinfo=UTC)})
        await engine.handle(Send(partners, id, said), ME)
    assert await as_of(engine, id, occurred_by=datetime(2020, 1, 5, tzinfo=UTC)) == (None, 0)
    assert await as_of(engine, id, occurred_by=datetime(2020, 1, 9, tzinfo=UTC)) == ((0, 2), 2)


async def test_reading_as_of_leaves_nothing_behind(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    for _ in range(3):
        async with engine.replayed(partners_view, partners, id, recorded_by=datetime.now(UTC)) as (db, _):
            assert await db.fetchval("select count(*) from partners__g0") == 1
            with pytest.raises(asyncpg.UndefinedTableError):
                async with db.transaction():
                    await db.execute("select 1 from partners__g9")
    assert await engine.pool.fetchval("select count(*) from pg_class where relname = 'partners__g0'") == 0
    assert await engine.pool.fetchval("select count(*) from partners") == 1
