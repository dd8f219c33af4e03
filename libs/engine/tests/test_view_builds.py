"""A new version of a view is built beside the old one and takes over, while everybody goes on appending."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
import pytest
from conftest import MakeEngine
from engine import Fact, Send, Statement, Table, View, upkeep, view_builds
from engine.errors import Fenced
from engine.handlers import ViewHandler, Work
from engine.runtime import Engine
from engine_reading import ME, Failpoints, joined, log_of, open_partner, suspend, until
from events.partner import PartnerActivated, PartnerReinstated, PartnerSuspended


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "HEARTBEAT_SECONDS", 0.2)


WIDE = Table("partners", "partner_id uuid primary key, suspended int not null, events int not null, notes int not null")


def keep_wide(fact: Fact[Any]) -> Iterator[Statement]:
    """Version 2 counts notes, too. Counted up, so that an event kept twice, or not at all, shows."""
    if isinstance(fact.event, PartnerActivated):
        yield WIDE.insert(partner_id=fact.stream_id, suspended=0, events=1, notes=0)
        return
    yield WIDE.sql(
        "update {table} set suspended = suspended + $2, events = events + 1, notes = notes + $3 where partner_id = $1",
        fact.stream_id,
        {PartnerSuspended: 1, PartnerReinstated: -1}.get(type(fact.event), 0),
        int(isinstance(fact.event, example.NoteTaken)),
    )


V1 = View("partners", 1, (example.PARTNERS,), example.keep_partner, inline=True)
V2 = View("partners", 2, (WIDE,), keep_wide, inline=True)
LOGGED_1 = View("partners", 1, (example.PARTNERS,), example.keep_partner)
LOGGED_2 = View("partners", 2, (WIDE,), keep_wide)


def folded(facts: list[Fact[Any]]) -> dict[UUID, tuple[int, int]]:
    """What the view must show: causes and events of each partner."""
    by_partner: dict[UUID, list[Any]] = {}
    for fact in facts:
        by_partner.setdefault(fact.stream_id, []).append(fact.event)
    states = {id: example.partners.fold(events) for id, events in by_partner.items()}
    return {id: (len(state.causes), state.events) for id, state in states.items()}


async def shown(engine: Engine, table: str = "partners") -> dict[UUID, tuple[int, int]]:
    rows = await engine.pool.fetch(f"select partner_id, suspended, events from {table}")
    return {row["partner_id"]: (row["suspended"], row["events"]) for row in rows}


async def assert_shows_the_store(engine: Engine) -> None:
    assert await shown(engine) == folded(await log_of(engine))


async def build(engine: Engine, name: str = "partners") -> dict[int, tuple[int, str, bool]]:
    """By generation: version, feed, live."""
    rows = await engine.pool.fetch("select * from view_build where name = $1", name)
    return {row["generation"]: (row["version"], row["feed"], row["live"]) for row in rows}


async def is_build(engine: Engine, expected: dict[int, tuple[int, str, bool]]) -> bool:
    return await build(engine) == expected


async def becomes(engine: Engine, expected: dict[int, tuple[int, str, bool]], seconds: float = 60) -> None:
    try:
        await until(lambda: is_build(engine, expected), seconds)
    except AssertionError:
        assert await build(engine) == expected
        raise


@contextlib.asynccontextmanager
async def load(*engines: Engine, writers: int = 3) -> AsyncIterator[list[int]]:
    """Commands to each engine, all the time, by several writers; yields how many were handled by each."""
    stop = asyncio.Event()
    handled = [0] * len(engines)

    async def write(which: int) -> None:
        while not stop.is_set():
            id = await open_partner(engines[which])
            for n in range(4):
                await suspend(engines[which], id)
                await engines[which].handle(Send(example.partners, id, example.Note(text=str(n))), ME)
                handled[which] += 1
                await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(write(n % len(engines))) for n in range(writers)]
    try:
        yield handled
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def some_history(engine: Engine, partners: int = 30) -> None:
    for _ in range(partners):
        id = await open_partner(engine)
        sends = [Send(example.partners, id, example.Note(text="x", times=9)) for _ in range(2)]
        await engine.handle_many([*sends, Send(example.partners, id, example.Suspend(cause_id=uuid4()))], ME)


async def test_on_an_empty_log_an_inline_view_is_up_to_date_at_once(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[V1])
    assert await build(engine) == {1: (1, "inline", True)}


async def test_a_view_added_to_a_service_with_history_is_built_from_it_and_then_written_inline(
    make_engine: MakeEngine,
) -> None:
    before = await make_engine()
    await some_history(before)
    await before.stop()
    engine = await make_engine(views=[V1])
    async with load(engine):
        await becomes(engine, {1: (1, "inline", True)})
    await assert_shows_the_store(engine)


# -- two versions at once


async def test_a_new_version_takes_over_under_concurrent_appends_and_no_event_is_lost_or_doubled(
    make_engine: MakeEngine,
) -> None:
    old = await make_engine(views=[V1])
    await some_history(old)
    new = await make_engine(views=[V2])
    async with load(old, new, writers=4) as handled:
        # shown as soon as it has caught up; fed from the log for as long as the old process appends without it
        await until(lambda: _live(new, 2), what="version 2 shown")
        assert (await build(new))[2] == (2, "log", True)
        mark = list(handled)
        await until(lambda: handled[0] > mark[0] + 10 and handled[1] > mark[1] + 10, what="both go on appending")
    assert await new.handled("partner.partners.g2", 10)
    await assert_shows_the_store(new)
    async with load(new):
        await old.stop()
        await becomes(new, {2: (2, "inline", True)})  # and the old one's tables are dropped
    await assert_shows_the_store(new)
    assert await new.pool.fetchval("select to_regclass('partners__g1')") is None
    id = await open_partner(new)
    assert (await shown(new))[id] == (0, 1)  # a caller reads its own writes again


async def _live(engine: Engine, version: int) -> bool:
    return bool(await engine.pool.fetchval("select live from view_build where version = $1 and live", version))


async def test_while_the_old_process_runs_its_own_view_is_kept_too(make_engine: MakeEngine) -> None:
    """It answers from the tables that it knows until the new version has taken over; a rollback finds them whole."""
    old = await make_engine(views=[V1])
    await some_history(old, 5)
    new = await make_engine(views=[V2])
    async with load(old, new):
        await until(lambda: _live(new, 2), what="version 2 shown")
    receipt = await suspend(new, await open_partner(new))
    assert await old.handled("partner.partners.g1", 10, position=receipt.position)
    assert await shown(old, "partners__g1") == folded(await log_of(old))


async def test_a_rollback_to_the_old_version_finds_its_build_or_makes_it_anew(make_engine: MakeEngine) -> None:
    first = await make_engine(views=[V1])
    await some_history(first, 5)
    await first.stop()
    second = await make_engine(views=[V2])
    await becomes(second, {2: (2, "inline", True)})
    await some_history(second, 5)
    await second.stop()
    again = await make_engine(views=[V1])
    async with load(again):
        await becomes(again, {3: (1, "inline", True)})
    await assert_shows_the_store(again)


async def test_a_rollback_while_the_new_version_still_runs_waits_for_it_to_go(make_engine: MakeEngine) -> None:
    old = await make_engine(views=[V1])
    await some_history(old, 5)
    new = await make_engine(views=[V2])
    await until(lambda: _live(new, 2), what="version 2 shown")
    async with load(old, new):
        assert not await _live(new, 1)
    await new.stop()
    async with load(old):
        await until(lambda: _inline(old, 1), what="version 1 is shown and written inline again")
    await assert_shows_the_store(old)


async def _inline(engine: Engine, version: int) -> bool:
    return bool(
        await engine.pool.fetchval(
            "select true from view_build where version = $1 and live and feed = 'inline'", version
        )
    )


def deafen(engine: Engine) -> None:
    """It neither says that it lives nor hears of changes."""
    for task in list(engine._tasks._tasks):
        if task.get_name() in ("heartbeat", "view builds"):
            task.cancel()


async def taken_for_dead(old: Engine, new: Engine) -> None:
    """The old process sleeps: it says nothing for so long that the others go on without it."""
    deafen(old)
    await old.pool.execute("update pod set seen_at = seen_at - interval '1 minute' where id = $1", old._pod)
    await until(lambda: _inline(new, 2), what="version 2 is written inline")


async def test_a_process_resumed_after_being_taken_for_dead_cannot_append_with_a_stale_set_of_views(
    make_engine: MakeEngine,
) -> None:
    old = await make_engine(views=[V1])
    await some_history(old, 5)
    new = await make_engine(views=[V2])
    await taken_for_dead(old, new)
    before = await old.pool.fetchval("select view_epoch from store")
    id = await open_partner(old)
    assert await old.pool.fetchval("select view_epoch from store") > before  # it had to announce itself first
    assert (await build(new))[2] == (2, "log", True)
    for _ in range(5):
        await suspend(old, id)
        await suspend(new, id)
    assert await new.handled("partner.partners.g2", 10)
    await assert_shows_the_store(new)


async def test_a_process_that_took_up_the_new_set_without_announcing_itself_would_lose_events(
    make_engine: MakeEngine,
) -> None:
    old = await make_engine(views=[V1])
    await open_partner(old)
    new = await make_engine(views=[V2])
    await taken_for_dead(old, new)
    old.views._pod = None  # who has no name announces nothing
    await suspend(old, await open_partner(old))
    with pytest.raises(AssertionError):
        await assert_shows_the_store(new)


async def test_a_process_that_hangs_is_taken_for_dead_after_a_while_and_announces_itself_when_it_wakes(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_builds, "POD_SECONDS", 1.5)
    old = await make_engine(views=[V1])
    await some_history(old, 3)
    new = await make_engine(views=[V2])
    deafen(old)
    await until(lambda: _inline(new, 2), what="version 2 is written inline")
    old._tasks.spawn("heartbeat", upkeep.again_and_again("heartbeat_missed", old.upkeep.heartbeat))
    await until(lambda: _is(new, "select count(*) from pod", 2), what="it is back")
    assert (await build(new))[2] == (2, "log", True)
    async with load(old, new):
        await asyncio.sleep(0.3)
    assert await new.handled("partner.partners.g2", 10)
    await assert_shows_the_store(new)


async def _is(engine: Engine, sql: str, expected: object) -> bool:
    return bool(await engine.pool.fetchval(sql) == expected)


async def test_a_new_version_prepared_on_an_empty_log_misses_nothing_of_the_process_that_still_runs(
    make_engine: MakeEngine,
) -> None:
    old = await make_engine(views=[V1])
    new = await make_engine(views=[V2], start=False)  # migrated, and not yet started
    id = await open_partner(old)
    await suspend(old, id)
    await new.start()
    await old.stop()
    await until(lambda: _inline(new, 2), what="version 2 is written inline")
    await suspend(new, id)
    await assert_shows_the_store(new)


async def test_of_two_processes_of_one_version_the_one_that_has_not_heard_of_the_switch_doubles_nothing(
    make_engine: MakeEngine,
) -> None:
    """Its log reader holds the lease, and the other one switches."""
    before = await make_engine()
    await some_history(before, 5)
    await before.stop()
    reading = await make_engine(views=[V1])
    deafen(reading)
    await until(lambda: _is(reading, "select count(*) from consumer_offset", 1), what="it reads")
    switching = await make_engine(views=[V1])
    await becomes(switching, {1: (1, "inline", True)})
    for _ in range(10):
        await suspend(switching, await open_partner(switching))
    assert reading.views.builds[0].feed == "log"  # it still believes so
    position = (await switching.log()).head
    assert await switching.published(position, 10)
    reading._workers.reconcile(reading.all_subscriptions())  # type: ignore[union-attr]
    await asyncio.sleep(0.5)  # many turns of its reader
    await assert_shows_the_store(switching)


async def test_a_reader_of_a_build_that_appends_write_or_that_is_gone_is_sent_away(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[V1])
    await open_partner(engine)
    facts = await log_of(engine)
    async with engine.pool.acquire() as db:
        for generation in (1, 9):
            with pytest.raises(Fenced):
                await ViewHandler(V1, generation)(Work(db, engine.store, "partner.partners"), facts)


# -- rebuilt by command


async def test_a_rebuild_under_load_reports_its_progress_and_loses_and_doubles_nothing(
    make_engine: MakeEngine,
) -> None:
    engine = await make_engine(views=[V1], batch=100)
    await some_history(engine)
    await engine.pool.execute("update partners__g1 set events = events + 1000")  # what the rebuild is to mend
    reports: list[tuple[int, int]] = []
    async with load(engine):
        await asyncio.wait_for(engine.rebuild("partners", lambda done, total: reports.append((done, total))), 30)
    await assert_shows_the_store(engine)
    assert [done for done, _ in reports] == sorted(done for done, _ in reports)
    assert all(0 <= done <= total for done, total in reports)
    assert reports[-1][0] == reports[-1][1] > 0
    await becomes(engine, {2: (1, "inline", True)})
    assert await engine.pool.fetchval("select to_regclass('partners__g1')") is None
    assert await engine.pool.fetchval("select count(*) from consumer_offset where subscription like '%.g1'") == 0


async def test_a_view_from_the_log_is_rebuilt_under_load_that_never_pauses(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[LOGGED_1])
    await some_history(engine)
    async with load(engine):
        await asyncio.wait_for(engine.rebuild("partners", lambda done, total: None), 30)
    assert await engine.handled("partner.partners.g2", 10)
    await becomes(engine, {2: (1, "log", True)})
    await assert_shows_the_store(engine)


async def test_a_view_of_a_topic_is_rebuilt_under_load_that_never_pauses(make_engine: MakeEngine) -> None:
    partner = await make_engine()
    await some_history(partner, 10)
    risk = await make_engine("risk", views=[example.heard_view])
    await joined(risk)
    reports: list[tuple[int, int]] = []
    async with load(partner):
        await asyncio.wait_for(risk.rebuild("heard", lambda done, total: reports.append((done, total))), 30)
    receipt = await suspend(partner, await open_partner(partner))
    assert await partner.published(receipt.position or 0, 10)
    assert await risk.handled("risk.heard.g2", 10)
    public = {f.event_id: 1 for f in await log_of(partner) if not isinstance(f.event, example.NoteTaken)}
    rows = await risk.pool.fetch("select event_id, times from heard")
    assert {row["event_id"]: row["times"] for row in rows} == public
    assert reports[-1][0] == reports[-1][1] > 0
    await until(lambda: _is(risk, "select to_regclass('heard__g1') is null", True), what="the old build is dropped")
    await joined(risk)


async def test_a_new_version_of_a_topics_view_takes_over_when_the_old_process_is_gone(
    make_engine: MakeEngine,
) -> None:
    partner = await make_engine()
    await some_history(partner, 10)
    old = await make_engine("risk", views=[example.heard_view])
    assert await old.handled("risk.heard.g1", 15)
    new = await make_engine("risk", views=[View("heard", 2, (example.HEARD,), example.hear, source="partner")])
    async with load(partner):
        await joined(new)
        await old.stop()
        await until(lambda: _is(new, "select version from view_build where live", 2), what="version 2 shown")
    receipt = await suspend(partner, await open_partner(partner))
    assert await partner.published(receipt.position or 0, 10)
    assert await new.handled("risk.heard.g2", 10)
    public = {f.event_id: 1 for f in await log_of(partner) if not isinstance(f.event, example.NoteTaken)}
    rows = await new.pool.fetch("select event_id, times from heard")
    assert {row["event_id"]: row["times"] for row in rows} == public


async def test_a_slow_reader_of_a_view_holds_up_its_switch_and_not_the_appends(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "HEARTBEAT_SECONDS", 1.0)
    engine = await make_engine(views=[V1])
    await some_history(engine, 3)
    reader = await asyncpg.connect(engine._postgres_url)
    await reader.execute("set transaction_timeout = 0; set idle_in_transaction_session_timeout = 0")
    async with reader.transaction():
        await reader.fetch("select * from partners")
        rebuilding = asyncio.create_task(engine.rebuild("partners", lambda done, total: None))
        for _ in range(60):
            await open_partner(engine)  # or it would wait for as long as the reader reads
            await asyncio.sleep(0.03)
        assert not rebuilding.done()
    await reader.close()
    await asyncio.wait_for(rebuilding, 15)
    await assert_shows_the_store(engine)


async def test_rebuilding_a_view_that_does_not_exist_names_those_that_do(make_engine: MakeEngine) -> None:
    engine = await make_engine(views=[V1])
    with pytest.raises(LookupError, match="partners"):
        await engine.rebuild("parters", lambda done, total: None)


# -- what cannot be handled


class Poison:
    def __init__(self) -> None:
        self.mended = False

    def __call__(self, fact: Fact[Any]) -> Iterator[Statement]:
        if getattr(fact.event, "text", "") == "poison" and not self.mended:
            raise ValueError("cannot be shown")
        yield from keep_wide(fact)


@pytest.mark.parametrize("inline", [True, False], ids=["inline", "log"])
async def test_a_build_with_a_parked_stream_does_not_take_over_until_it_was_retried(
    make_engine: MakeEngine, inline: bool
) -> None:
    old = await make_engine(views=[V1])
    await some_history(old, 3)
    id = await open_partner(old)
    await old.handle(Send(example.partners, id, example.Note(text="poison")), ME)
    await old.stop()
    poison = Poison()
    new = await make_engine(views=[View("partners", 2, (WIDE,), poison, inline=inline)])
    await until(new.parked, what="the stream is parked")
    assert await new.handled("partner.partners.g2", 10)
    mark = await new.pool.fetchval("select max(seen_at) from pod")
    await until(lambda: new.pool.fetchval("select max(seen_at) > $1 from pod", mark), what="a heartbeat")
    mark = await new.pool.fetchval("select max(seen_at) from pod")
    await until(lambda: new.pool.fetchval("select max(seen_at) > $1 from pod", mark), what="and another one")
    assert (await build(new))[2] == (2, "log", False)
    assert new.health() == {}  # nobody else answers
    poison.mended = True
    assert (await new.retry("partner.partners.g2", f"partner-{id}")).remaining == 0
    await becomes(new, {2: (2, "inline" if inline else "log", True)})
    await assert_shows_the_store(new)


async def test_a_rebuild_that_cannot_handle_a_stream_says_so_and_does_not_wait_for_ever(
    make_engine: MakeEngine,
) -> None:
    poison = Poison()
    poison.mended = True
    engine = await make_engine(views=[View("partners", 2, (WIDE,), poison, inline=True)])
    id = await open_partner(engine)
    await engine.handle(Send(example.partners, id, example.Note(text="poison")), ME)
    poison.mended = False
    with pytest.raises(RuntimeError, match="1 streams"):
        await asyncio.wait_for(engine.rebuild("partners", lambda done, total: None), 20)
    assert (await build(engine))[1] == (2, "inline", True)
    await suspend(engine, id)
    await assert_shows_the_store(engine)


async def test_a_tail_that_cannot_be_handled_ends_neither_the_heartbeat_nor_the_appends(
    make_engine: MakeEngine,
) -> None:
    failpoints = Failpoints()
    failpoints.pause("relay_read")  # what is appended now is in the tail only
    old = await make_engine(views=[V1], failpoint=failpoints)
    id = await open_partner(old)
    await old.handle(Send(example.partners, id, example.Note(text="poison")), ME)
    await old.stop()
    failpoints.pause("relay_read")
    poison = Poison()
    new = await make_engine(views=[View("partners", 2, (WIDE,), poison, inline=True)], failpoint=failpoints)
    mark = await new.pool.fetchval("select max(seen_at) from pod")
    await until(lambda: new.pool.fetchval("select max(seen_at) > $1 from pod", mark), what="a heartbeat")
    mark = await new.pool.fetchval("select max(seen_at) from pod")
    await until(lambda: new.pool.fetchval("select max(seen_at) > $1 from pod", mark), what="and another one")
    assert new.health() == {"views": "being built: partners in version 2"}
    poison.mended = True
    await becomes(new, {2: (2, "inline", True)})
    await until(lambda: new.health() == {})
    await suspend(new, id)
    await assert_shows_the_store(new)


# -- heartbeats


async def test_a_view_fed_from_the_log_follows_a_relay_that_leads_in_another_process(make_engine: MakeEngine) -> None:
    relaying = await make_engine(lease_seconds=600)  # so that nothing but the heartbeat tells the reader in time
    await until(lambda: relaying.health() == {} and relaying._workers is not None and relaying._workers.relay.leads)
    reading = await make_engine(views=[LOGGED_1], lease_seconds=600)
    for _ in range(3):
        await open_partner(relaying)
        facts = await log_of(relaying)
        await until(lambda facts=facts: _shows(reading, facts), what="shown")


async def _shows(engine: Engine, facts: list[Fact[Any]]) -> bool:
    return await shown(engine) == folded(facts)


async def test_two_processes_that_take_each_other_for_dead_do_not_wait_for_each_other(make_engine: MakeEngine) -> None:
    one, other = await make_engine(transaction_seconds=60), await make_engine(transaction_seconds=60)
    deafen(one)
    deafen(other)
    stale = "update pod set seen_at = seen_at - interval '1 minute'"
    await one.pool.execute(stale)
    async with other.acquire() as db, one.acquire() as mine:
        async with db.transaction():  # the other's heartbeat, on its way
            await db.execute("update pod set seen_at = clock_timestamp() where id = $1", other._pod)
            await asyncio.wait_for(one.views.heartbeat(mine, one._pod), 30)
        assert await mine.fetchval("select count(*) from pod") == 2
        await mine.execute(stale)
        await one.views.heartbeat(mine, one._pod)
        assert await mine.fetchval("select array_agg(id) from pod") == [one._pod]
