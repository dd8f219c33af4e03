"""Appending and loading, on a real Postgres."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from devstack.fixtures import Databases
from engine import Context, Decider, Receipt, Rejected, Send, Unknown
from engine.decider import UnknownEvent
from engine.errors import CONFLICT, AlreadyHandled, Conflict, EventTooLarge, ViewsChanged, passes
from engine.store import _APPEND, EVENT_LIMIT, SCHEMA, Intent, Store, prepare
from engine_example import Note, Open, Partner, Reinstate, Suspend, partners, partners_view
from events import Event
from events.partner import PartnerActivated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
Connection = asyncpg.Connection
Connect = Callable[[], Any]


@pytest.fixture(scope="module")
def kept_database(postgres: str, migrated: Callable[[Databases], str]) -> Iterator[str]:
    databases = Databases(postgres)
    yield migrated(databases)
    databases.drop()


@pytest.fixture
async def engine_database(kept_database: str) -> str:
    """One database for all of these tests, emptied before each: making one takes longer than most of them."""
    connection = await asyncpg.connect(kept_database)
    await connection.execute(
        "truncate event, stream, command, store restart identity; insert into store default values"
    )
    await connection.close()
    return kept_database


@pytest.fixture
def store() -> Store:
    made = Store([partners])
    made.view_epoch = 1  # as an engine reads it at its start
    return made


@pytest.fixture
async def connect(engine_database: str) -> AsyncIterator[Connect]:
    """Opens connections to the test's database."""
    made: list[Connection[Any]] = []

    async def connect() -> Connection[Any]:
        connection = await asyncpg.connect(engine_database)
        await prepare(connection)
        made.append(connection)
        return connection

    yield connect
    for connection in made:
        await connection.close()


def intent(
    id: UUID,
    command: Any,
    command_id: UUID | None = None,
    expected: int | None = None,
    *,
    at: datetime = NOW,
    actor: str = "ana",
) -> Intent:
    return Intent(Send(partners, id, command), at, Context(actor), command_id, expected)


async def opened(store: Store, db: Connection[Any], *ids: UUID) -> None:
    await store.execute(db, [intent(id, Open(partner_id=id)) for id in ids])


async def positions(db: Connection[Any]) -> list[int]:
    return [row["position"] for row in await db.fetch("select position from event order by position")]


# -- one append


async def test_an_append_gives_position_version_and_both_clocks(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    context = Context("ana", correlation_id=uuid4(), causation_id=uuid4(), client="erp", on_behalf_of="ben")
    [receipt] = await store.execute(db, [Intent(Send(partners, id, Open(partner_id=id)), NOW, context)])
    assert receipt == Receipt(id, 1, 1, ("cauce.partner.PartnerActivated.v1",))
    [fact] = await store.history(db, f"partner-{id}")
    assert (fact.stream, fact.stream_id, fact.category) == (f"partner-{id}", id, "partner")
    assert (fact.version, fact.position, fact.incarnation) == (1, 1, 1)
    assert fact.occurred_at == NOW
    assert abs(fact.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (fact.actor, fact.correlation_id, fact.causation_id) == ("ana", context.correlation_id, context.causation_id)
    assert (fact.client, fact.on_behalf_of) == ("erp", "ben")
    assert fact.event_id.version == 7


async def test_events_from_before_clients_were_kept_are_read_and_go_on(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    for table in ("event", "parked_event", "dropped_event"):
        await db.execute(f"alter table {table} drop column client, drop column on_behalf_of")
    await db.execute("set client_min_messages = warning")
    await db.execute(SCHEMA)
    await store.execute(
        db, [Intent(Send(partners, id, Suspend(cause_id=uuid4(), reason="x")), NOW, Context("ana", client="erp"))]
    )
    facts = await store.history(db, f"partner-{id}")
    assert [(fact.client, fact.on_behalf_of) for fact in facts] == [(None, None), ("erp", None)]


class RoundTrips:
    """A proxy before Postgres that counts what a client waits for: its Sync and simple Query messages."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.count = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._server)
        backwards = asyncio.create_task(self._copy(there, writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(4), "big")  # the start-up message has no type
            back.write(length.to_bytes(4, "big") + await reader.readexactly(length - 4))
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                self.count += head[:1] in (b"S", b"Q")
                back.write(head + body)
        backwards.cancel()
        back.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


@pytest.fixture
async def counted(engine_database: str) -> AsyncIterator[tuple[Connection[Any], RoundTrips]]:
    parts = urlsplit(engine_database)
    trips = RoundTrips(parts.hostname or "", parts.port or 0)
    server = await asyncio.start_server(trips, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    url = engine_database.replace(f":{parts.port}/", f":{port}/")
    connection = await asyncpg.connect(url, ssl=False)
    await prepare(connection)
    yield connection, trips
    await connection.close()
    server.close()
    await server.wait_closed()


async def test_a_command_takes_one_round_trip_to_load_and_one_to_append(
    store: Store, counted: tuple[Connection[Any], RoundTrips]
) -> None:
    db, trips = counted
    id = uuid4()
    await opened(store, db, id)  # statements are prepared now
    await store.execute(db, [intent(id, Note(text="warm"))])
    trips.count = 0
    await store.execute(db, [intent(id, Note(text="one event"))])
    assert trips.count == 2


async def test_many_events_of_many_streams_are_one_round_trip_too(
    store: Store, counted: tuple[Connection[Any], RoundTrips]
) -> None:
    db, trips = counted
    ids = [uuid4() for _ in range(20)]
    await opened(store, db, *ids)
    await store.execute(db, [intent(ids[0], Note(text="warm"))])
    trips.count = 0
    await store.execute(db, [intent(id, Note(text="x", times=3)) for id in ids])
    assert trips.count == 2
    assert await db.fetchval("select count(*) from event") == 20 + 1 + 60


async def test_several_streams_are_appended_at_once_each_with_its_versions(store: Store, db: Connection[Any]) -> None:
    one, other, cause = uuid4(), uuid4(), uuid4()
    outcomes = await store.execute(
        db,
        [
            intent(one, Open(partner_id=one)),
            intent(other, Open(partner_id=other)),
            intent(one, Suspend(cause_id=cause)),
            intent(other, Reinstate(cause_id=cause)),
            intent(other, Note(text="b", times=2)),
            intent(one, Suspend(cause_id=cause)),
        ],
    )
    assert outcomes == [
        Receipt(one, 1, 1, ("cauce.partner.PartnerActivated.v1",)),
        Receipt(other, 1, 2, ("cauce.partner.PartnerActivated.v1",)),
        Receipt(one, 2, 3, ("cauce.partner.PartnerSuspended.v1",)),
        Rejected("partner.cause_unknown", cause_id=cause),
        Receipt(other, 3, 5, ("cauce.partner.NoteTaken.v1",) * 2),
        Receipt(one, 2, None, ()),
    ]
    assert (await store.load(db, partners, one)).version == 2
    assert (await store.load(db, partners, other)).version == 3


async def test_positions_follow_the_order_in_which_the_events_were_decided(store: Store, db: Connection[Any]) -> None:
    ids = [uuid4() for _ in range(7)]
    await opened(store, db, *ids)
    await store.execute(db, [intent(ids[n * 5 % 7], Note(text=str(n))) for n in range(1000)])
    rows = await db.fetch("select data, version, stream from event where type like '%NoteTaken%' order by position")
    assert [row["data"] for row in rows] == [b'{"text":"%d"}' % n for n in range(1000)]
    assert await positions(db) == list(range(1, 1008))


# -- races


async def test_a_stale_version_is_refused_with_its_own_sqlstate_and_names_the_stream(
    store: Store, db: Connection[Any]
) -> None:
    id = uuid4()
    await opened(store, db, id)
    empty: list[list[Any]] = [[]] * 18
    with pytest.raises(asyncpg.PostgresError) as caught:
        await db.fetch(
            _APPEND,
            1,
            [f"partner-{id}"],
            [7],
            [1],
            [None],
            [None],
            *empty,
        )
    assert caught.value.sqlstate == CONFLICT == "CA001"
    assert caught.value.detail == f"partner-{id}"


async def test_the_loser_of_a_race_hears_conflict_and_nothing_of_it_is_stored(store: Store, connect: Connect) -> None:
    one, other = await connect(), await connect()
    id, bystander = uuid4(), uuid4()
    await opened(store, one, id, bystander)
    winning = one.transaction()
    await winning.start()
    await store.execute(one, [intent(id, Note(text="first"))])
    losing = asyncio.create_task(
        store.execute(other, [intent(bystander, Note(text="lost")), intent(id, Note(text="second"))])
    )
    await waits_for_a_lock(one, other)
    await winning.commit()
    with pytest.raises(Conflict) as caught:
        await losing
    assert (caught.value.stream, caught.value.expected) == (f"partner-{id}", 1)
    assert [fact.event.text for fact in (await store.history(one, f"partner-{id}"))[1:]] == ["first"]
    assert (await store.load(one, partners, bystander)).version == 1


async def test_an_expected_version_is_checked_before_anything_is_decided(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    with pytest.raises(Conflict) as caught:
        await store.execute(db, [intent(id, Note(text="x"), expected=4)])
    assert (caught.value.expected, caught.value.actual) == (4, 1)
    [receipt] = await store.execute(db, [intent(id, Note(text="x"), expected=1)])
    assert isinstance(receipt, Receipt)


@pytest.mark.parametrize("first", ["commits", "rolls back"])
async def test_of_two_who_create_one_stream_exactly_one_does(store: Store, connect: Connect, first: str) -> None:
    one, other = await connect(), await connect()
    id = uuid4()
    creating = one.transaction()
    await creating.start()
    await store.execute(one, [intent(id, Open(partner_id=id))])
    second = asyncio.create_task(store.execute(other, [intent(id, Open(partner_id=id))]))
    await waits_for_a_lock(one, other)
    if first == "commits":
        await creating.commit()
        with pytest.raises(Conflict):
            await second
    else:
        await creating.rollback()
        [receipt] = await second
        assert isinstance(receipt, Receipt)
        assert receipt.version == 1
    assert await one.fetchval("select count(*) from event where stream = $1", f"partner-{id}") == 1


async def test_streams_are_locked_by_name_so_that_crossing_appends_cannot_deadlock(
    store: Store, connect: Connect
) -> None:
    holder, appender, onlooker = [await connect() for _ in range(3)]
    low, high = sorted([uuid4(), uuid4()])
    await opened(store, holder, low, high)
    async with holder.transaction():
        await holder.execute("select 1 from stream where id = $1 for update", f"partner-{low}")
        crossing = asyncio.create_task(
            store.execute(appender, [intent(high, Note(text="b")), intent(low, Note(text="a"))])
        )
        await waits_for_a_lock(onlooker, appender)
        # It waits for the lower stream and has not touched the higher one.
        await onlooker.execute("select 1 from stream where id = $1 for update nowait", f"partner-{high}")
    await crossing


async def test_many_crossing_appends_never_deadlock(store: Store, connect: Connect) -> None:
    ids = [uuid4() for _ in range(4)]
    await opened(store, await connect(), *ids)

    async def appends(seed: int) -> int:
        db, done = await connect(), 0
        for n in range(40):
            order = ids[(seed + n) % 4 :] + ids[: (seed + n) % 4]
            if seed % 2:
                order.reverse()
            with contextlib.suppress(Conflict):
                await store.execute(db, [intent(id, Note(text="x")) for id in order])
                done += 1
        return done

    done = sum(await asyncio.gather(*(appends(seed) for seed in range(4))))
    assert done > 0
    assert (await store.load(await connect(), partners, ids[0])).version == done + 1


async def waits_for_a_lock(onlooker: Connection[Any], waiting: Connection[Any]) -> None:
    """Returns when the other connection waits for a lock."""
    pid = waiting.get_server_pid()
    async with asyncio.timeout(5):
        while not await onlooker.fetchval("select wait_event_type = 'Lock' from pg_stat_activity where pid = $1", pid):
            await asyncio.sleep(0.005)
            if onlooker.is_in_transaction():  # statistics are a snapshot of the transaction
                await onlooker.execute("select pg_stat_clear_snapshot()")


async def test_an_append_with_an_old_idea_of_the_views_is_refused(store: Store, db: Connection[Any]) -> None:
    await db.execute("update store set view_epoch = view_epoch + 1")
    id = uuid4()
    with pytest.raises(ViewsChanged):
        await opened(store, db, id)
    assert await db.fetchval("select count(*) from stream") == 0


async def test_an_append_to_inline_views_outside_of_a_transaction_is_refused(store: Store, db: Connection[Any]) -> None:
    store.inline = ((partners_view, 1),)  # they came between the caller's look and its append
    id = uuid4()
    with pytest.raises(ViewsChanged):
        await opened(store, db, id)
    assert await db.fetchval("select count(*) from stream") == 0


async def test_a_statement_prepared_before_a_migration_passes_by_itself(connect: Connect) -> None:
    db, migrating = await connect(), await connect()
    await migrating.execute("create table prepared (n int)")
    try:
        await db.fetch("select * from prepared")
        await migrating.execute("alter table prepared add column m int")
        with pytest.raises(asyncpg.InvalidCachedStatementError) as caught:
            async with db.transaction():
                await db.fetch("select * from prepared")
        assert passes(caught.value)
        async with db.transaction():
            await db.fetch("select * from prepared")
    finally:
        await migrating.execute("drop table prepared")


# -- clocks


async def test_recorded_time_is_monotone_in_a_stream_even_when_the_clock_steps_back(
    store: Store, db: Connection[Any]
) -> None:
    id = uuid4()
    await opened(store, db, id)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    await db.execute("update stream set recorded_at = $1", ahead)  # written before the clock was set back
    for n in range(3):
        await store.execute(db, [intent(id, Note(text=str(n)))])
    times = [fact.recorded_at for fact in await store.history(db, f"partner-{id}")]
    assert times[1:] == [ahead] * 3
    assert times == sorted(times)


async def test_streams_appended_together_stay_monotone_together(store: Store, db: Connection[Any]) -> None:
    behind, ahead = uuid4(), uuid4()
    await opened(store, db, behind, ahead)
    later = datetime.now(UTC) + timedelta(hours=1)
    await db.execute("update stream set recorded_at = $1 where id = $2", later, f"partner-{ahead}")
    await store.execute(db, [intent(behind, Note(text="together")), intent(ahead, Note(text="together"))])
    await store.execute(db, [intent(behind, Note(text="alone"))])
    for id in (behind, ahead):
        times = [fact.recorded_at for fact in await store.history(db, f"partner-{id}")]
        assert times == sorted(times)
        assert times[-1] >= later


async def test_recorded_time_is_when_it_was_appended_and_not_when_its_transaction_began(
    store: Store, db: Connection[Any]
) -> None:
    id = uuid4()
    async with db.transaction():
        began = await db.fetchval("select now()")
        await db.execute("select pg_sleep(0.05)")
        await opened(store, db, id)
    [fact] = await store.history(db, f"partner-{id}")
    assert fact.recorded_at >= began + timedelta(seconds=0.05)


# -- size


async def test_an_event_too_large_for_the_broker_is_refused_before_anything_is_stored(
    store: Store, db: Connection[Any]
) -> None:
    id, bystander = uuid4(), uuid4()
    await opened(store, db, id, bystander)
    with pytest.raises(EventTooLarge, match=r"NoteTaken.*at most 900,000"):
        await store.execute(
            db, [intent(bystander, Note(text="small")), intent(id, Note(text="x" * EVENT_LIMIT), uuid4())]
        )
    assert await db.fetchval("select count(*) from event") == 2
    assert await db.fetchval("select count(*) from command") == 0


@pytest.mark.parametrize("over", [False, True])
async def test_headers_and_key_count_towards_the_size(store: Store, db: Connection[Any], over: bool) -> None:
    id = uuid4()
    await opened(store, db, id)
    actor = "å" * 100_000  # 200,000 bytes in a header
    text = "x" * (EVENT_LIMIT - 200_000 - 1_100 + (1_100 if over else 0))
    command = intent(id, Note(text=text), actor=actor)
    if over:
        with pytest.raises(EventTooLarge):
            await store.execute(db, [command])
    else:
        await store.execute(db, [command])


# -- commands with an id


async def test_a_command_repeated_under_its_id_gets_the_same_receipt_and_has_one_effect(
    store: Store, db: Connection[Any]
) -> None:
    id, command_id = uuid4(), uuid4()
    await opened(store, db, id)
    [first] = await store.execute(db, [intent(id, Note(text="once", times=2), command_id)])
    await store.execute(db, [intent(id, Note(text="later"))])
    [again] = await store.execute(db, [intent(id, Note(text="once", times=2), command_id)])
    assert again == first == Receipt(id, 3, 3, ("cauce.partner.NoteTaken.v1",) * 2)
    assert (await store.load(db, partners, id)).version == 4


async def test_a_refusal_is_stored_and_given_again_even_when_the_rule_would_now_agree(
    store: Store, db: Connection[Any]
) -> None:
    id, cause, command_id = uuid4(), uuid4(), uuid4()
    await opened(store, db, id)
    [refused] = await store.execute(db, [intent(id, Reinstate(cause_id=cause), command_id)])
    await store.execute(db, [intent(id, Suspend(cause_id=cause))])
    [again] = await store.execute(db, [intent(id, Reinstate(cause_id=cause), command_id)])
    assert isinstance(again, Rejected)
    assert isinstance(refused, Rejected)
    assert (again.code, str(again.details["cause_id"])) == (refused.code, str(cause))
    assert (await store.load(db, partners, id)).state.causes == {cause}


async def test_a_thing_that_was_unknown_stays_unknown_when_asked_again(store: Store, db: Connection[Any]) -> None:
    id, command_id = uuid4(), uuid4()
    for _ in range(2):
        [outcome] = await store.execute(db, [intent(id, Note(text="x"), command_id)])
        assert type(outcome) is Unknown
        assert outcome == Unknown("partner.partner_unknown")


async def test_a_decision_of_nothing_is_recorded_too(store: Store, db: Connection[Any]) -> None:
    id, cause, command_id = uuid4(), uuid4(), uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Suspend(cause_id=cause))])
    [nothing] = await store.execute(db, [intent(id, Suspend(cause_id=cause), command_id)])
    await store.execute(db, [intent(id, Reinstate(cause_id=cause))])
    [again] = await store.execute(db, [intent(id, Suspend(cause_id=cause), command_id)])
    assert nothing == again == Receipt(id, 2, None, ())
    assert (await store.load(db, partners, id)).state.causes == frozenset()


async def test_an_answer_is_about_the_thing_that_the_command_was_first_handled_for(
    store: Store, db: Connection[Any]
) -> None:
    id, another, command_id = uuid4(), uuid4(), uuid4()
    await opened(store, db, id, another)
    [first] = await store.execute(db, [intent(id, Note(text="x"), command_id)])
    [again] = await store.execute(db, [intent(another, Note(text="x"), command_id)])
    assert again == first


async def test_of_two_calls_at_once_with_one_id_only_one_has_an_effect(store: Store, connect: Connect) -> None:
    one, other = await connect(), await connect()
    id, another, command_id = uuid4(), uuid4(), uuid4()
    await opened(store, one, id, another)
    handling = one.transaction()
    await handling.start()
    [first] = await store.execute(one, [intent(id, Note(text="once"), command_id)])
    second = asyncio.create_task(store.execute(other, [intent(another, Note(text="once"), command_id)]))
    await waits_for_a_lock(one, other)
    await handling.commit()
    with pytest.raises(AlreadyHandled):
        await second
    [again] = await store.execute(other, [intent(id, Note(text="once"), command_id)])
    assert again == first
    assert await one.fetchval("select count(*) from event where type like '%NoteTaken%'") == 1


async def test_one_id_twice_in_a_batch_is_one_command(store: Store, db: Connection[Any]) -> None:
    id, command_id, refused_id = uuid4(), uuid4(), uuid4()
    outcomes = await store.execute(
        db,
        [
            intent(id, Open(partner_id=id)),
            intent(id, Note(text="x"), command_id),
            intent(id, Note(text="x"), command_id),
            intent(id, Reinstate(cause_id=id), refused_id),
            intent(id, Reinstate(cause_id=id), refused_id),
        ],
    )
    assert outcomes[1] == outcomes[2] == Receipt(id, 2, 2, ("cauce.partner.NoteTaken.v1",))
    assert outcomes[3] == outcomes[4] == Rejected("partner.cause_unknown", cause_id=id)
    assert (await store.load(db, partners, id)).version == 2


async def test_commands_are_recorded_in_one_order_so_that_crossing_batches_cannot_deadlock(
    store: Store, connect: Connect
) -> None:
    holder, appender, onlooker = [await connect() for _ in range(3)]
    low, high, id = *sorted([uuid4(), uuid4()]), uuid4()
    await opened(store, holder, id)
    insert = "insert into command (id, stream, version, events) values ($1, 'x', 0, 0)"
    holding = holder.transaction()
    await holding.start()
    await holder.execute(insert, low)
    batch = [intent(id, Note(text="x"), high), intent(id, Note(text="x"), low)]
    crossing = asyncio.create_task(store.execute(appender, batch))
    await waits_for_a_lock(onlooker, appender)
    await onlooker.execute("set lock_timeout = 200")
    await onlooker.execute(insert, high)  # the appender waits for the lower id and has not inserted the higher
    await holding.rollback()
    with pytest.raises(AlreadyHandled):
        await crossing


# -- loading


class NoteTaken(
    Event,
    type="cauce.partner.NoteTaken.v2",
    upcasts={"cauce.partner.NoteTaken.v1": lambda old: {"words": old["text"].split()}},
):
    words: tuple[str, ...]


def collect(words: tuple[str, ...], event: NoteTaken | PartnerActivated) -> tuple[str, ...]:
    return words + event.words if isinstance(event, NoteTaken) else words


def take(command: Note, words: tuple[str, ...], now: datetime) -> list[NoteTaken | PartnerActivated]:
    return [NoteTaken(words=tuple(command.text.split()))]


async def test_events_of_an_older_major_are_read_as_todays_and_stay_stored_as_they_were(
    store: Store, db: Connection[Any]
) -> None:
    id = uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Note(text="two words"))])
    stored = await db.fetch("select type, data from event order by position")
    today: Decider[Any, tuple[str, ...], Any] = Decider(
        "partner", take, collect, tuple[()], NoteTaken | PartnerActivated
    )
    renewed = Store([today])
    renewed.view_epoch = 1
    assert (await renewed.load(db, today, id)).state == ("two", "words")
    await renewed.execute(db, [Intent(Send(today, id, Note(text="and more")), NOW, Context("ana"))])
    assert (await renewed.load(db, today, id)).state == ("two", "words", "and", "more")
    rows = await db.fetch("select type, data from event order by position")
    assert rows[:2] == stored
    assert [row["type"] for row in rows[1:]] == ["cauce.partner.NoteTaken.v1", "cauce.partner.NoteTaken.v2"]
    assert [type(fact.event) for fact in await renewed.history(db, f"partner-{id}")] == [
        PartnerActivated, NoteTaken, NoteTaken
    ]  # fmt: skip


async def test_a_stored_event_that_the_code_does_not_know_is_an_error(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    await db.execute("update event set type = 'cauce.partner.PartnerActivated.v9'")
    with pytest.raises(UnknownEvent, match=r"PartnerActivated\.v9"):
        await store.execute(db, [intent(id, Note(text="x"))])
    assert await db.fetchval("select count(*) from event") == 1


async def test_what_is_loaded_at_a_version_is_what_it_was_then(store: Store, db: Connection[Any]) -> None:
    id, cause = uuid4(), uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Suspend(cause_id=cause))])
    await store.execute(db, [intent(id, Reinstate(cause_id=cause))])
    assert [(await store.load(db, partners, id, version=v)).state.causes for v in (1, 2, 3)] == [set(), {cause}, set()]
    late = await store.load(db, partners, id, version=9)
    assert late == await store.load(db, partners, id)
    assert (await store.load(db, partners, id, version=0)).version == 0
    assert await store.load(db, partners, uuid4(), version=3) == replace(late, state=Partner(), version=0)


async def test_what_is_loaded_at_a_recorded_time_is_what_the_log_knew_then(store: Store, db: Connection[Any]) -> None:
    id, cause = uuid4(), uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Suspend(cause_id=cause), at=NOW - timedelta(days=3650))])
    facts = await store.history(db, f"partner-{id}")
    before = await store.load(db, partners, id, recorded_by=facts[1].recorded_at - timedelta(microseconds=1))
    at = await store.load(db, partners, id, recorded_by=facts[1].recorded_at)
    assert (before.version, at.version) == (1, 2)
    assert (before.state.causes, at.state.causes) == (frozenset(), {cause})


async def test_history_is_read_page_by_page(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Note(text=str(n))) for n in range(9)])
    pages = [await store.history(db, f"partner-{id}", after=after, limit=4) for after in (0, 4, 8)]
    assert [[fact.version for fact in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


async def snapshot(db: Connection[Any], id: UUID) -> tuple[int, str | None]:
    row = await db.fetchrow("select snapshot_version, snapshot_fingerprint from stream where id = $1", f"partner-{id}")
    assert row is not None
    return row["snapshot_version"], row["snapshot_fingerprint"]


async def test_a_snapshot_is_kept_every_so_many_events(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    kept = []
    for _ in range(44):
        await store.execute(db, [intent(id, Note(text="x"))])
        kept.append((await snapshot(db, id))[0])
    assert kept == [0] * 18 + [20] * 20 + [40] * 6
    await store.execute(db, [intent(id, Note(text="many", times=50))])
    assert await snapshot(db, id) == (95, partners.fingerprint)


async def test_a_fresh_snapshot_is_used_and_only_the_events_behind_it_are_read(
    store: Store, db: Connection[Any]
) -> None:
    id = uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Note(text="x", times=25))])
    await store.execute(db, [intent(id, Note(text="y", times=2))])
    loaded = await store.load(db, partners, id)
    assert loaded.state.events == 28
    await db.execute("update event set data = '{\"broken\": true}' where version <= 26")
    assert await store.load(db, partners, id) == loaded
    forged = loaded.state.__class__(id=id, events=100)
    await db.execute("update stream set snapshot = $1", partners.state_adapter.dump_json(forged))
    assert (await store.load(db, partners, id)).state.events == 102


async def test_a_snapshot_made_by_other_code_is_not_used_and_soon_replaced(store: Store, db: Connection[Any]) -> None:
    id = uuid4()
    await opened(store, db, id)
    await store.execute(db, [intent(id, Note(text="x", times=30))])
    loaded = await store.load(db, partners, id)
    forged = partners.state_adapter.dump_json(Partner(id=id, events=1000))
    await db.execute("update stream set snapshot = $1, snapshot_fingerprint = 'older'", forged)
    assert await store.load(db, partners, id) == loaded
    await store.execute(db, [intent(id, Note(text="y"))])
    assert await snapshot(db, id) == (32, partners.fingerprint)  # not only when it passes the next multiple
    assert (await store.load(db, partners, id)).state.events == 32


COMMANDS = st.lists(
    st.one_of(
        st.builds(lambda n: Suspend(cause_id=UUID(int=n)), st.integers(0, 3)),
        st.builds(lambda n: Reinstate(cause_id=UUID(int=n)), st.integers(0, 3)),
        st.builds(lambda n, text: Note(text=text, times=n), st.integers(1, 9), st.text(max_size=5)),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=COMMANDS, sizes=st.lists(st.integers(1, 6), min_size=1))
def test_the_state_is_the_same_by_snapshot_and_by_folding_every_event(
    engine_database: str, store: Store, commands: list[Any], sizes: list[int]
) -> None:
    async def run() -> None:
        db = await asyncpg.connect(engine_database)
        await prepare(db)
        id = uuid4()
        await opened(store, db, id)
        left, n = list(commands), 0
        while left:
            size = sizes[n % len(sizes)]
            batch, left, n = left[:size], left[size:], n + 1
            await store.execute(db, [intent(id, command) for command in batch])
            used = await store.load(db, partners, id)
            folded = partners.fold(fact.event for fact in await store.history(db, f"partner-{id}", limit=10_000))
            assert used.state == folded
            assert used.state.events == used.version
            assert used == await store.load(db, partners, id, version=used.version)
        await db.close()

    asyncio.run(run())


async def test_an_older_store_gets_the_columns_that_it_lacks(db: Connection[Any]) -> None:
    await db.execute("alter table event drop column client, drop column on_behalf_of")
    await db.execute("alter table command drop column request")
    await db.execute("alter table store drop column states_sent")
    await db.execute(SCHEMA)
    assert await db.fetchval("select states_sent from store") == "{}"
    assert await db.fetch("select client, on_behalf_of from event") == []
    assert await db.fetch("select request from command") == []
