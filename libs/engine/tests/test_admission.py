"""Two releases on one store: what the later one may write, and what becomes of the earlier one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
import pytest
from conftest import MakeEngine
from engine import Command, Context, Decider, Fact, Policy, Send, SetTimer, Statement, Table, View, upkeep, view_builds
from engine.admission import StillRead
from engine.database import contracts
from engine.errors import NotAdmitted, TooOld
from engine.runtime import Engine
from engine.store import SCHEMA
from engine_writing import read_topic, until
from events import CATALOGUE, Event
from events.partner import PartnerActivated, PartnerSuspended, SuspensionCause
from structlog.testing import capture_logs

ME = Context("tester")
NOTE_1, NOTE_2 = "cauce.partner.NoteTaken.v1", "cauce.partner.NoteTaken.v2"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(upkeep, "TAKE_UP_SECONDS", 0.2)


class First:
    """What the first release knows."""

    class NoteTaken(Event, type=NOTE_1):
        text: str


class Second:
    """What the second release knows: notes have a tone, which the first cannot keep, and may be struck out."""

    class NoteTaken(
        Event,
        type=NOTE_2,
        upcasts={NOTE_1: lambda old: {**old, "tone": "plain"}},
        downcast=(NOTE_1, lambda new: {"text": new["text"]}),
    ):
        text: str
        tone: str

    class NoteStruck(Event, type="cauce.partner.NoteStruck.v1"):
        text: str


class Take(Command):
    text: str
    tone: str = "plain"


class Strike(Command):
    text: str


@dataclass(frozen=True)
class Notes:
    taken: tuple[tuple[str, str], ...] = ()


def decide_first(command: Take, notes: Notes, now: datetime) -> list[First.NoteTaken]:
    return [First.NoteTaken(text=command.text)]


def evolve_first(notes: Notes, event: First.NoteTaken) -> Notes:
    return replace(notes, taken=(*notes.taken, (event.text, "")))


def decide_second(command: Take | Strike, notes: Notes, now: datetime) -> list[Second.NoteTaken | Second.NoteStruck]:
    if isinstance(command, Strike):
        return [Second.NoteStruck(text=command.text)]
    return [Second.NoteTaken(text=command.text, tone=command.tone)]


def evolve_second(notes: Notes, event: Second.NoteTaken | Second.NoteStruck) -> Notes:
    if isinstance(event, Second.NoteTaken):
        return replace(notes, taken=(*notes.taken, (event.text, event.tone)))
    return replace(notes, taken=tuple(note for note in notes.taken if note[0] != event.text))


first = Decider("notes", decide_first, evolve_first, Notes, First.NoteTaken, snapshot_every=3)
second = Decider("notes", decide_second, evolve_second, Notes, Second.NoteTaken | Second.NoteStruck, snapshot_every=3)

TONES = Table("tones", "stream text not null, version int not null, tone text not null, primary key (stream, version)")


def keep_tones(fact: Fact[Any]) -> Iterator[Statement]:
    if isinstance(fact.event, Second.NoteTaken):
        yield TONES.insert(stream=fact.stream, version=fact.version, tone=fact.event.tone)


tones = View("tones", 1, (TONES,), keep_tones, inline=True)


async def take(engine: Engine, decider: Decider[Any, Any, Any], id: UUID, text: str, **more: Any) -> tuple[str, ...]:
    return (await engine.handle(Send(decider, id, Take(text=text, **more)), ME)).events


async def stored(engine: Engine) -> list[str]:
    return [row["type"] for row in await engine.pool.fetch("select type from event order by position")]


async def test_until_it_is_admitted_a_new_major_is_written_in_the_form_of_the_one_before(
    make_engine: MakeEngine,
) -> None:
    old, id = await make_engine(deciders=[first]), uuid4()
    await take(old, first, id, "a")
    new = await make_engine(deciders=[second], views=[tones])
    for text in "bcd":
        assert await take(new, second, id, text, tone="angry") == (NOTE_1,)
    assert await take(old, first, id, "e") == (NOTE_1,)
    assert await stored(new) == [NOTE_1] * 5
    # what is remembered, snapshotted and shown is what is stored, and no more
    expected = tuple((text, "plain") for text in "abcde")
    assert (await new.load(second, id)).state.taken == expected
    await take(new, second, id, "f", tone="angry")
    assert (await new.load(second, id)).state.taken == (*expected, ("f", "plain"))
    await until(lambda: _told(new, ["plain"] * 6))
    assert [text for text, _ in (await old.load(first, id)).state.taken] == list("abcdef")


async def _told(engine: Engine, tones: list[str]) -> bool:
    return [row["tone"] for row in await engine.pool.fetch("select tone from tones")] == tones


async def test_once_it_is_admitted_it_is_written_as_it_is_and_no_process_has_to_start_anew(
    make_engine: MakeEngine,
) -> None:
    old, id = await make_engine(deciders=[first]), uuid4()
    await take(old, first, id, "a")
    new = await make_engine(deciders=[second])
    await old.stop()
    assert await new.admit() == ["cauce.partner.NoteStruck.v1", NOTE_2]
    assert await new.admit() == []

    async def heard() -> bool:
        return NOTE_2 in (new.store.admitted or ())

    await until(heard)
    assert await take(new, second, id, "b", tone="angry") == (NOTE_2,)
    assert (await new.load(second, id)).state.taken == (("a", "plain"), ("b", "angry"))


async def test_an_event_that_has_no_older_form_is_not_written_and_the_same_request_may_come_again(
    make_engine: MakeEngine,
) -> None:
    old, id, key = await make_engine(deciders=[first]), uuid4(), uuid4()
    await take(old, first, id, "a")
    new = await make_engine(deciders=[second])
    strike, other = Send(second, id, Strike(text="a")), Send(second, uuid4(), Take(text="b"))
    taken = asyncio.create_task(new.handle(other, ME))  # in the same group
    with pytest.raises(NotAdmitted, match="NoteStruck"):
        await new.handle(strike, ME, command_id=key, request=b"x")
    assert (await taken).version == 1
    await old.stop()
    await new.admit()
    await new.refresh_views()
    assert (await new.handle(strike, ME, command_id=key, request=b"x")).version == 2


async def test_nothing_is_admitted_while_a_process_runs_that_cannot_read_it(make_engine: MakeEngine) -> None:
    old = await make_engine(deciders=[first])
    new = await make_engine(deciders=[second])
    with pytest.raises(StillRead, match=f"1 running processes cannot read .*{NOTE_2}"):
        await new.admit()
    await old.pool.execute("update pod set seen_at = seen_at - interval '1 minute' where id = $1", old._pod)
    await until(lambda: _admits(new))  # a process that is taken for dead holds nothing up


async def _admits(engine: Engine) -> bool:
    try:
        return bool(await engine.admit())
    except StillRead:
        return False


async def test_a_release_that_cannot_read_what_was_admitted_does_not_start_and_says_what_to_do(
    make_engine: MakeEngine,
) -> None:
    await make_engine(deciders=[first], start=False)
    new = await make_engine(deciders=[second])
    await new.admit()
    with pytest.raises(TooOld, match=f"cannot read .*{NOTE_2}.*docs/operations.md#roll-back"):
        await make_engine(deciders=[first])
    assert await new.pool.fetchval("select count(*) from pod") == 1


async def test_a_process_that_slept_while_a_type_was_admitted_is_not_ready_and_appends_nothing(
    make_engine: MakeEngine,
) -> None:
    old, id = await make_engine(deciders=[first]), uuid4()
    await take(old, first, id, "a")
    assert old.health() == {}
    for task in list(old._tasks._tasks):
        if task.get_name() == "heartbeat":
            task.cancel()
    new = await make_engine(deciders=[second])
    await old.pool.execute("delete from pod where id = $1", old._pod)
    await new.admit()
    with pytest.raises(TooOld):
        await take(old, first, id, "b")
    assert "cannot read" in old.health()["release"]
    assert await stored(new) == [NOTE_1]


async def test_the_relay_does_not_pass_over_a_type_that_it_does_not_know_and_leaves_it_to_who_does(
    make_engine: MakeEngine, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be public in a later release: whatever is behind the cursor is never sent again."""

    class PartnerFlew(Event, type="cauce.partner.PartnerFlew.v1", key="notes-{partner_id}"):
        partner_id: UUID

    old, id = await make_engine(deciders=[first]), uuid4()
    await take(old, first, id, "a")
    assert await old.published(1, 10)
    with capture_logs() as logs:
        await old.pool.execute(
            "insert into event (stream, version, type, data, occurred_at, recorded_at, correlation_id, actor)"
            " values ($1, 2, $2, $3, now(), now(), $4, 'later release')",
            f"notes-{id}",
            PartnerFlew.event_type,
            PartnerFlew(partner_id=id).data(),
            uuid4(),
        )
        old.wake()
        await until(lambda: [e for e in logs if e["event"] == "relay_retries" and "PartnerFlew" in e["error"]])
    assert (await old.log()).final == 1
    monkeypatch.setitem(CATALOGUE, "partner", (*CATALOGUE["partner"], PartnerFlew))  # type: ignore[arg-type]
    await make_engine(deciders=[first])
    assert await old.published(2, 20)
    assert [raw.type for raw in (await read_topic(kafka, old.topic("partner"))).raws] == [PartnerFlew.event_type]


class Suspended2:
    class PartnerSuspended(
        Event, type="cauce.partner.PartnerSuspended.v2", upcasts={PartnerSuspended.event_type: lambda old: old}
    ):
        partner_id: UUID
        cause: SuspensionCause


async def test_what_another_service_published_too_early_is_taken_up_by_the_release_that_can_read_it(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = tuple(Suspended2.PartnerSuspended if cls is PartnerSuspended else cls for cls in CATALOGUE["partner"])

    def decide(command: example.Open | example.Suspend, opened: bool, now: datetime) -> list[Any]:
        if isinstance(command, example.Open):
            return [PartnerActivated(partner_id=command.partner_id)]
        cause = SuspensionCause(cause_id=command.cause_id, reason=command.reason)
        return [Suspended2.PartnerSuspended(partner_id=id, cause=cause)]

    publishing = Decider(
        "partner", decide, lambda opened, event: True, bool, PartnerActivated | Suspended2.PartnerSuspended
    )
    heard = await make_engine("risk", views=[example.heard_view])
    id = uuid4()
    with monkeypatch.context() as patched:
        patched.setitem(CATALOGUE, "partner", later)  # type: ignore[arg-type]
        partner = await make_engine(deciders=[publishing])
        await partner.handle(Send(publishing, id, example.Open(partner_id=id)), ME)
        for _ in range(3):
            await partner.handle(Send(publishing, id, example.Suspend(cause_id=uuid4())), ME)
        assert await partner.published(4, 10)
        await partner.stop()
    assert await heard.handled("risk.heard.g1", 20)
    [parked] = await heard.parked()
    assert (parked.events, parked.reason.partition(":")[0]) == (3, "UnknownEvent")
    await heard.stop()
    monkeypatch.setitem(CATALOGUE, "partner", later)  # type: ignore[arg-type]
    upgraded = await make_engine("risk", views=[example.heard_view])
    await until(lambda: _none_parked(upgraded), what="taken up")
    rows = await upgraded.pool.fetch("select version, times from heard order by at")
    assert [(row["version"], row["times"]) for row in rows] == [(1, 1), (2, 1), (3, 1), (4, 1)]


async def _none_parked(engine: Engine) -> bool:
    return not await engine.parked()


# -- timers


def timing(decider: Decider[Any, Any, Any], command: Command) -> Policy:
    def react(fact: Fact[Any]) -> Iterator[SetTimer]:
        if fact.version == 1:
            yield SetTimer("first", fact.occurred_at, Send(decider, fact.stream_id, command))
            yield SetTimer("second", fact.occurred_at + timedelta(microseconds=1), Send(decider, fact.stream_id, AFTER))

    return Policy("timing", "partner", react)


AFTER = Take(text="afterwards")


async def test_a_timer_whose_events_are_not_admitted_waits_and_holds_up_no_other(make_engine: MakeEngine) -> None:
    await make_engine(deciders=[first], start=False)
    new, id = await make_engine(deciders=[second], policies=[timing(second, Strike(text="a"))]), uuid4()
    await take(new, second, id, "a")
    await until(lambda: _texts(new, second, id, ["a", "afterwards"]))
    assert await new.pool.fetchval("select array_agg(key) from timer where error is null") == ["first"]
    await new.admit()
    await new.refresh_views()
    new._workers.timers._left.clear()  # type: ignore[union-attr] - or half a minute later
    await until(lambda: _texts(new, second, id, ["afterwards"]))


async def test_a_timer_of_a_later_release_is_left_to_it(make_engine: MakeEngine) -> None:
    old, id = await make_engine(deciders=[first]), uuid4()
    await take(old, first, id, "a")
    with capture_logs() as logs:
        for key, command in (("unknown", b'{"text": "b"}'), ("strange", b'{"text": "c", "tone": "angry", "new": 1}')):
            kind = b"Strike" if key == "unknown" else b"Take"
            send = b'{"category": "notes", "id": "%s", "type": "%s", "command": %s}' % (str(id).encode(), kind, command)
            await old.pool.execute(
                "insert into timer (owner, key, due_at, send, correlation_id, causation_id)"
                " values ('partner.timing', $1, $2, $3, $4, $4)",
                key,
                datetime(2026, 1, 1, tzinfo=UTC),
                send,
                uuid4(),
            )
        await until(lambda: {e["key"] for e in logs if e["event"] == "timer_left"} == {"unknown", "strange"})
    assert await old.pool.fetchval("select count(*) from timer where error is null") == 2
    assert [text for text, _ in (await old.load(first, id)).state.taken] == ["a"]


async def _texts(engine: Engine, decider: Decider[Any, Any, Any], id: UUID, expected: list[str]) -> bool:
    return [text for text, _ in (await engine.load(decider, id)).state.taken] == expected


# -- views


async def test_a_process_is_not_ready_and_reacts_to_nothing_before_its_views_are_shown(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_builds, "TAIL", 0)
    hearing = Policy("hearing", "partner", lambda fact: ())
    before = await make_engine(deciders=[first])
    await take(before, first, uuid4(), "a")
    await before.stop()
    view = View("texts", 1, (Table("texts", "stream text primary key"),), lambda fact: ())
    waiting = await make_engine(deciders=[first], views=[view], policies=[hearing])
    assert waiting.health() == {"views": "being built: texts in version 1"}
    assert [s.name for s in waiting._at_work()] == ["partner.texts.g1"]
    await until(lambda: waiting.health() == {})
    assert {s.name for s in waiting._at_work()} == {"partner.hearing", "partner.texts.g1"}


# -- tables


@pytest.mark.parametrize(
    "statement",
    [
        "drop table event",
        "alter table event drop column actor",
        "alter table event rename column actor to who",
        "alter table event alter column actor type varchar",
        "alter table event alter actor set not null",
        "alter table event add column x text not null",
        "truncate event",
    ],
    ids=lambda statement: statement.replace(" ", "-"),
)
async def test_a_migration_that_takes_something_away_is_refused(
    make_engine: MakeEngine, statement: str, db: asyncpg.Connection[Any]
) -> None:
    engine = await make_engine(start=False)
    engine.tables = f"create table if not exists y (z int);\n{statement};"
    with pytest.raises(ValueError, match="only adds"):
        await engine.migrate()
    assert await db.fetchval("select to_regclass('y')") is None


@pytest.mark.parametrize(
    "statement",
    [
        "create table if not exists x (y text not null, dropped_at timestamptz)",
        "alter table x add column y text",
        "alter table x add column y text not null default ''",
        "-- drop this one day",
    ],
    ids=lambda statement: statement.replace(" ", "-"),
)
def test_a_migration_that_adds_is_not(statement: str) -> None:
    assert contracts(f"{SCHEMA};{statement}") == []
