"""The relay: every committed event on the topic, in order, at least once, whatever happens to it."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import MakeEngine
from engine import Context, Send
from engine.relay import Relay
from engine.runtime import Engine
from engine.store import Intent, Store, prepare
from engine_example import Note, Open, Suspend, partners
from engine_writing import ME, compared, opened, read_topic, suspend, until


class Appender:
    """A transaction of its own that appends and stays open."""

    def __init__(self, db: asyncpg.Connection[Any], store: Store) -> None:
        self.db = db
        self._store = store
        self.transaction = db.transaction()

    async def append(self, *ids: UUID) -> None:
        from datetime import UTC, datetime

        await self._store.execute(
            self.db,
            [Intent(Send(partners, id, Suspend(cause_id=uuid4())), datetime.now(UTC), Context("open")) for id in ids],
        )


@pytest.fixture
async def beside() -> AsyncIterator[Callable[[Engine], Any]]:
    """Opens a transaction on a connection beside the engine's own."""
    made: list[asyncpg.Connection[Any]] = []

    async def begin(engine: Engine) -> Appender:
        connection = await asyncpg.connect(engine._postgres_url)
        await prepare(connection)
        made.append(connection)
        appender = Appender(connection, engine.store)
        await appender.transaction.start()
        return appender

    yield begin
    for connection in made:
        connection.terminate()


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a relay waits for open appends."""
    reached = asyncio.Event()
    original = Relay._holders_gone

    async def holders_gone(self: Relay, db: Any) -> None:
        reached.set()
        await original(self, db)

    monkeypatch.setattr(Relay, "_holders_gone", holders_gone)
    return reached


async def test_events_that_fill_a_gap_are_sent_even_when_they_push_others_out_of_the_window(
    make_engine: MakeEngine, beside: Callable[[Engine], Any], waiting: asyncio.Event, kafka: str
) -> None:
    engine = await make_engine(relay_window=3)
    ids = await opened(engine, 4)
    assert await engine.published(4, 5)
    slow = await beside(engine)
    await slow.append(ids[0], ids[0])
    for id in ids[1:]:
        await suspend(engine, id)
    await asyncio.wait_for(waiting.wait(), 5)
    await slow.transaction.commit()
    assert (await compared(engine, kafka)).fine
    assert len((await read_topic(kafka, engine.topic("partner"))).raws) == 9


async def test_a_rolled_back_append_leaves_a_gap_that_holds_nothing_back(
    make_engine: MakeEngine, beside: Callable[[Engine], Any], kafka: str
) -> None:
    engine = await make_engine()
    ids = await opened(engine, 3)
    for _ in range(3):
        given_up = await beside(engine)
        await given_up.append(*ids)
        await given_up.transaction.rollback()
        await suspend(engine, ids[0])
    receipt = await suspend(engine, ids[1])
    assert receipt.position == 3 + 9 + 4
    assert await engine.published(receipt.position, 2)
    assert (await compared(engine, kafka)).fine


async def test_private_events_stay_at_home_and_move_the_cursor_all_the_same(
    make_engine: MakeEngine, kafka: str
) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)
    receipt = await engine.handle(Send(partners, id, Note(text="between us", times=5)), ME)
    assert receipt.position is not None
    assert await engine.published(receipt.position, 5)
    assert [raw.type for raw in (await read_topic(kafka, engine.topic("partner"))).raws] == [
        "cauce.partner.PartnerActivated.v1"
    ]


async def test_what_is_stored_and_what_arrives_are_the_same_to_the_byte(make_engine: MakeEngine, kafka: str) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)
    await suspend(engine, id, 'ünïcode and "quotes"\u0000\n')
    assert (await compared(engine, kafka)).fine
    sent = {raw.id: raw for raw in (await read_topic(kafka, engine.topic("partner"))).raws}
    for row in await engine.pool.fetch("select * from event"):
        raw = sent[row["id"]]
        assert raw.data == row["data"]
        for name in ("stream", "version", "type", "position", "occurred_at", "recorded_at", "correlation_id", "actor"):
            assert getattr(raw, name) == row[name], name


# -- an append left open


async def test_an_append_left_open_holds_others_back_only_until_it_is_ended_and_slows_no_appender(
    make_engine: MakeEngine, beside: Callable[[Engine], Any], kafka: str
) -> None:
    engine = await make_engine()
    ids = await opened(engine, 40)

    async def appends(seconds: float) -> list[float]:
        took: list[float] = []
        until = time.monotonic() + seconds

        async def one(mine: list[UUID]) -> None:
            n = 0
            while time.monotonic() < until:
                started = time.perf_counter()
                await engine.handle(Send(partners, mine[n % len(mine)], Note(text="x")), ME)
                took.append(time.perf_counter() - started)
                n += 1

        await asyncio.gather(*(one(ids[k::4]) for k in range(4)))
        return took

    await appends(0.3)  # warm
    before = await appends(0.8)
    open_append = await beside(engine)
    await open_append.db.execute("set idle_in_transaction_session_timeout = 1000")
    forgotten = uuid4()
    await engine.handle(Send(partners, forgotten, Open(partner_id=forgotten)), ME)
    await open_append.append(forgotten)
    behind = await suspend(engine, ids[0])
    assert behind.position is not None
    during = await appends(0.8)
    assert not await engine.published(behind.position, 0), "it overtook an append that could still commit"
    assert await engine.published(behind.position, 30)
    assert open_append.db.is_closed()
    assert statistics.median(during) < 3 * statistics.median(before)
    assert len(during) > len(before) / 3
    assert (await engine.load(partners, forgotten)).version == 1
    assert (await compared(engine, kafka)).fine


# -- waking


async def test_an_append_in_another_process_wakes_the_relay_at_once(make_engine: MakeEngine) -> None:
    worker = await make_engine(role="worker")
    api = await make_engine(role="api")
    await until(lambda: worker._workers is not None and worker._workers.relay.leads)
    assert worker._workers is not None
    worker._workers.relay._poll = 60
    [id] = await opened(api, 1)
    assert await worker.published(1, 2)  # the last poll of the old kind is behind it
    for _ in range(5):
        receipt = await suspend(api, id)
        assert receipt.position is not None
        assert await worker.published(receipt.position, 30)


async def test_an_append_in_the_same_process_wakes_the_relay_at_once(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    await until(lambda: engine._workers is not None and engine._workers.relay.leads)
    assert engine._workers is not None
    engine._workers.relay._poll = 60
    [id] = await opened(engine, 1)
    assert await engine.published(1, 2)
    for _ in range(10):
        receipt = await suspend(engine, id)
        assert receipt.position is not None
        assert await engine.published(receipt.position, 30)


async def test_a_relay_that_was_not_woken_looks_by_itself(
    make_engine: MakeEngine, beside: Callable[[Engine], Any]
) -> None:
    engine = await make_engine()
    [id] = await opened(engine, 1)
    unheard = await beside(engine)
    await unheard.append(id)
    await unheard.transaction.commit()
    assert await engine.published(2, 1.0)
