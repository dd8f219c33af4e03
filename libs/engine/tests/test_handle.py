"""Handling commands: races, repeats and outages as callers see them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from conftest import MakeEngine
from engine import Receipt, Rejected, Send
from engine.errors import Conflict, Unavailable
from engine.runtime import Engine
from engine.store import Store
from engine_example import Note, Open, Reinstate, Suspend, partners, partners_view
from engine_writing import ME, opened


@pytest.fixture
async def engine(make_engine: MakeEngine) -> Engine:
    return await make_engine(role="api", views=[partners_view])


async def test_of_callers_who_create_one_thing_at_once_one_does_and_the_others_see_it(engine: Engine) -> None:
    id = uuid4()
    receipts = await asyncio.gather(*(engine.handle(Send(partners, id, Open(partner_id=id)), ME) for _ in range(8)))
    assert [len(receipt.events) for receipt in receipts].count(1) == 1
    assert {receipt.version for receipt in receipts} == {1}


async def test_callers_who_lose_a_race_are_not_told_of_it(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    receipts = await asyncio.gather(*(engine.handle(Send(partners, id, Note(text=str(n))), ME) for n in range(40)))
    assert sorted(receipt.version for receipt in receipts) == list(range(2, 42))
    assert await engine.pool.fetchval("select events from partners") == 41


async def test_callers_of_two_processes_who_lose_a_race_are_not_told_of_it(
    engine: Engine, make_engine: MakeEngine
) -> None:
    other = await make_engine(role="api", views=[partners_view])
    [id] = await opened(engine, 1)

    async def calls(through: Engine) -> list[Receipt]:
        return [await through.handle(Send(partners, id, Note(text="x")), ME) for _ in range(30)]

    receipts = [receipt for through in await asyncio.gather(calls(engine), calls(other)) for receipt in through]
    assert sorted(receipt.version for receipt in receipts) == list(range(2, 62))


async def test_a_caller_who_expects_a_version_hears_of_the_conflict_at_once(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    outcomes = await asyncio.gather(
        *(engine.handle(Send(partners, id, Note(text="x")), ME, expected_version=1) for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 4
    with pytest.raises(Conflict):
        await engine.handle(Send(partners, id, Note(text="x")), ME, expected_version=1)


async def test_calls_at_once_under_one_command_id_have_one_effect_and_one_answer(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    accepted, refused = uuid4(), uuid4()
    receipts = await asyncio.gather(
        *(engine.handle(Send(partners, id, Note(text="once")), ME, command_id=accepted) for _ in range(8))
    )
    assert len(set(receipts)) == 1
    outcomes = await asyncio.gather(
        *(engine.handle(Send(partners, id, Reinstate(cause_id=id)), ME, command_id=refused) for _ in range(8)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {Rejected}
    assert await engine.pool.fetchval("select events from partners") == 2
    assert await engine.pool.fetchval("select count(*) from command") == 2


async def test_what_an_inline_view_cannot_take_is_not_appended_either(engine: Engine) -> None:
    [id] = await opened(engine, 1)
    await engine.pool.execute("alter table partners__g1 add check (events < 3)")
    await engine.handle(Send(partners, id, Note(text="x")), ME)
    with pytest.raises(asyncpg.CheckViolationError):
        await engine.handle(Send(partners, id, Note(text="x")), ME)
    assert (await engine.load(partners, id)).version == 2


async def test_one_refusal_in_a_batch_leaves_the_others_alone(engine: Engine) -> None:
    one, other = await opened(engine, 2)
    outcomes = await engine.handle_many(
        [
            Send(partners, one, Reinstate(cause_id=one)),
            Send(partners, other, Suspend(cause_id=one)),
            Send(partners, one, Note(text="x")),
        ],
        ME,
    )
    assert isinstance(outcomes[0], Rejected)
    assert [type(outcome).__name__ for outcome in outcomes[1:]] == ["Receipt", "Receipt"]
    assert await engine.handle_many([], ME) == []


async def test_a_stream_that_somebody_locks_holds_back_none_but_its_own_callers(engine: Engine) -> None:
    *locked, free = await opened(engine, 4)
    holder = await asyncpg.connect(engine._postgres_url)
    holding = holder.transaction()
    await holding.start()
    await holder.execute("select 1 from stream where id = any ($1) for update", [f"partner-{id}" for id in locked])
    stuck: list[asyncio.Task[Receipt]] = []
    for id in locked:
        for n in range(3):
            stuck.append(asyncio.create_task(engine.handle(Send(partners, id, Note(text=str(n))), ME)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(1.0):  # the lock is held for longer
        for n in range(10):
            await engine.handle(Send(partners, free, Note(text=str(n))), ME)
    assert not any(task.done() for task in stuck)
    await holding.rollback()
    await holder.close()
    await asyncio.gather(*stuck)
    for id in locked:
        texts = [fact.event.text for fact in (await engine.history(partners, id))[1:]]
        assert texts == ["0", "1", "2"], "in the order in which they came"


async def test_an_engine_that_stops_answers_everybody_first(engine: Engine) -> None:
    ids = await opened(engine, 3)
    calls = [asyncio.create_task(engine.handle(Send(partners, ids[n % 3], Note(text="x")), ME)) for n in range(200)]
    await asyncio.sleep(0)
    await engine.stop()
    assert len(await asyncio.gather(*calls)) == 200


class Failing:
    """The store's execute, failing so many times with an error before it does its work, or after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int, *, after: bool = False) -> None:
        self.calls = 0
        real = Store.execute

        async def execute(store: Store, db: Any, intents: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls > times:
                return await real(store, db, intents, **options)
            if after:
                await real(store, db, intents, **options)
            raise error

        monkeypatch.setattr(Store, "execute", execute)


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError("x"), asyncpg.SerializationError("x")])
@pytest.mark.parametrize("callers", [1, 3])
async def test_a_transaction_that_postgres_gave_up_is_tried_again_also_without_a_command_id(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, error: Exception, callers: int
) -> None:
    ids = await opened(engine, callers)
    failing = Failing(monkeypatch, error, 2)
    receipts = await asyncio.gather(*(engine.handle(Send(partners, id, Note(text="x")), ME) for id in ids))
    assert {receipt.version for receipt in receipts} == {2}
    assert failing.calls >= 3


async def test_an_unknown_end_is_told_to_a_caller_without_a_command_id_and_tried_again_with_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    [id] = await opened(engine, 1)
    with monkeypatch.context() as patch:
        failing = Failing(patch, asyncpg.ConnectionDoesNotExistError("closed"), 1)
        with pytest.raises(Unavailable):
            await engine.handle(Send(partners, id, Note(text="x")), ME)
        assert failing.calls == 1
    with monkeypatch.context() as patch:
        failing = Failing(patch, asyncpg.ConnectionDoesNotExistError("closed"), 1)
        assert (await engine.handle(Send(partners, id, Note(text="x")), ME, command_id=uuid4())).version == 2
        assert failing.calls == 2


async def test_what_has_to_be_done_together_is_done_in_one_transaction_or_not_at_all(engine: Engine) -> None:
    one, other = await opened(engine, 2)
    cause = uuid4()
    note, suspend = Send(partners, one, Note(text="x")), Send(partners, other, Suspend(cause_id=cause))
    receipt = await engine.handle(note, ME, also=[suspend])
    assert (receipt.id, receipt.version) == (one, 2)
    impossible = Send(partners, other, Reinstate(cause_id=uuid4()))
    key = uuid4()
    for _ in range(2):
        with pytest.raises(Rejected, match=r"partner\.cause_unknown"):
            await engine.handle(note, ME, also=[suspend, impossible], command_id=key, request=b"a digest")
    states = [await engine.load(partners, id) for id in (one, other)]
    assert [loaded.version for loaded in states] == [2, 2]
    with pytest.raises(Rejected, match=r"partner\.cause_unknown"):
        await engine.handle(impossible, ME, also=[note])
    assert (await engine.load(partners, one)).version == 2


async def test_of_two_who_do_the_same_together_at_once_each_sees_what_the_other_did(engine: Engine) -> None:
    shared, *others = await opened(engine, 9)
    cause = uuid4()
    await engine.handle(Send(partners, shared, Suspend(cause_id=cause)), ME)
    lift = Send(partners, shared, Reinstate(cause_id=cause))
    outcomes = await asyncio.gather(
        *(engine.handle(Send(partners, id, Note(text="x")), ME, also=[lift]) for id in others),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Receipt) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == 7
    noted = [(await engine.load(partners, id)).version for id in others]
    assert sorted(noted) == [1] * 7 + [2]


async def test_a_repeat_of_what_was_done_together_gets_its_answer(engine: Engine) -> None:
    one, other = await opened(engine, 2)
    key, note = uuid4(), Send(partners, one, Note(text="x"))
    calls = [engine.handle(note, ME, also=[Send(partners, other, Note(text="y"))], command_id=key) for _ in range(4)]
    receipts = await asyncio.gather(*calls)
    assert len(set(receipts)) == 1
    assert (await engine.load(partners, other)).version == 2
