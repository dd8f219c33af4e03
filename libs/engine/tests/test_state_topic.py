"""The state topic shows how each thing is now, whatever died, slept or was restored on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import engine_example as example
import orjson
import pytest
from conftest import ME, MakeEngine
from devstack.fixtures import delete_topics
from engine import PublicState, Send
from engine.kafka import Watcher, create_topic, find_topic, partition_of
from engine.producer import Producer, Record
from engine.recovery import declare_restore
from engine.runtime import Engine
from engine_writing import opened, suspend, until
from events.envelope import STATE_ENVELOPE
from events.states import State

PARTITIONS = 3
RUBBISH = -1


class ExampleState(State, type="cauce.partner.ExampleState.v1", key="partner-{partner_id}"):
    partner_id: UUID
    causes: int


class RenamedState(State, type="cauce.partner.RenamedState.v1", key="partner-{partner_id}"):
    partner_id: UUID
    suspended: bool


def show(id: UUID, partner: example.Partner) -> ExampleState | None:
    """Whoever has three causes is not shown any more."""
    if len(partner.causes) == 3:
        return None
    return ExampleState(partner_id=id, causes=len(partner.causes))


SHOWN = PublicState(example.partners, ExampleState, show)


class StatesOf:
    """The state topic as a newcomer reads it: the last record of each key."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.bootstrap = bootstrap
        self.topic = topic

    async def records(self) -> list[Any]:
        watcher = Watcher(self.bootstrap)
        try:
            return [record async for _, record in watcher.read(self.topic, {})]
        finally:
            await watcher.stop()

    async def now(self) -> dict[UUID, int | None]:
        last = {UUID(record.key.decode()[-36:]): record.value for record in await self.records()}
        return {id: None if value is None else orjson.loads(value).get("causes", RUBBISH) for id, value in last.items()}

    async def shows(self, expected: dict[UUID, int | None]) -> None:
        async def so() -> bool:
            return await self.now() == expected

        await until(so, 60, f"the state topic to show {expected}")


@pytest.fixture
def states(kafka: str, topic_prefix: str) -> StatesOf:
    return StatesOf(kafka, f"{topic_prefix}partner.state")


@pytest.fixture
def forge(kafka: str, states: StatesOf) -> Callable[..., Any]:
    """Puts a record on the topic as somebody else would."""

    async def send(engine: Engine, id: UUID, value: bytes | None, **headers: bytes) -> None:
        producer = Producer(kafka)
        stream = example.partners.stream(id)
        record = Record(stream.encode(), value, [(f"ce_{k}", v) for k, v in headers.items()], 1)
        await producer.send(states.topic, {partition_of(stream, PARTITIONS): [record]}, PARTITIONS)
        await producer.stop()

    return send


async def test_each_thing_is_shown_as_it_is_now(make_engine: MakeEngine, states: StatesOf) -> None:
    engine = await make_engine(states=[SHOWN])
    one, other = await opened(engine, 2)
    await suspend(engine, one)
    await suspend(engine, one)
    await states.shows({one: 2, other: 0})


async def test_a_thing_that_is_not_to_be_shown_any_more_is_taken_away(
    make_engine: MakeEngine, states: StatesOf
) -> None:
    engine = await make_engine(states=[SHOWN])
    [one] = await opened(engine, 1)
    await states.shows({one: 0})
    for _ in range(3):
        await suspend(engine, one)
    await states.shows({one: None})


async def test_a_record_says_whose_state_it_is_and_how_new(make_engine: MakeEngine, states: StatesOf) -> None:
    engine = await make_engine(states=[SHOWN])
    [one] = await opened(engine, 1)
    await suspend(engine, one)
    await states.shows({one: 1})
    headers = dict((await states.records())[-1].headers)
    assert headers.keys() == {"content-type", *(attribute.header for attribute in STATE_ENVELOPE)}
    assert headers["ce_type"] == b"cauce.partner.ExampleState.v1"
    assert headers["ce_subject"] == headers["ce_partitionkey"] == example.partners.stream(one).encode()
    assert (headers["ce_incarnation"], headers["ce_streamversion"]) == (b"1", b"2")


async def test_many_changes_of_one_thing_are_few_records(make_engine: MakeEngine, states: StatesOf) -> None:
    engine = await make_engine(states=[SHOWN])
    [one] = await opened(engine, 1)
    notes = [Send(example.partners, one, example.Note(text="x", times=200)) for _ in range(5)]
    await engine.handle_many([*notes, Send(example.partners, one, example.Suspend(cause_id=uuid4()))], ME)
    await states.shows({one: 1})
    assert len(await states.records()) < 20


async def test_whoever_leads_next_goes_on_and_sends_nothing_again(make_engine: MakeEngine, states: StatesOf) -> None:
    engine = await make_engine(states=[SHOWN])
    one, other = await opened(engine, 2)
    await states.shows({one: 0, other: 0})
    await engine.stop()
    following = await make_engine(states=[SHOWN])
    await suspend(following, one)
    await states.shows({one: 1, other: 0})
    assert len(await states.records()) == 3


async def test_what_changed_while_nobody_led_is_sent_by_whoever_leads_next(
    make_engine: MakeEngine, states: StatesOf
) -> None:
    engine = await make_engine(states=[SHOWN], role="api")
    [one] = await opened(engine, 1)
    await make_engine(states=[SHOWN], role="worker")
    await states.shows({one: 0})


async def test_a_former_leader_that_slept_cannot_bring_an_old_state_back(
    make_engine: MakeEngine, states: StatesOf, forge: Callable[..., Any]
) -> None:
    engine = await make_engine(states=[SHOWN], states_check_seconds=0.2)
    one, gone = await opened(engine, 2)
    for _ in range(3):
        await suspend(engine, gone)
    await suspend(engine, one)
    await states.shows({one: 1, gone: None})
    for id in (one, gone):
        old = ExampleState(partner_id=id, causes=0).model_dump_json().encode()
        await forge(engine, id, old, incarnation=b"1", streamversion=b"1")
    await states.shows({one: 1, gone: None})


async def test_nor_while_nobody_leads(make_engine: MakeEngine, states: StatesOf, forge: Callable[..., Any]) -> None:
    engine = await make_engine(states=[SHOWN])
    [one] = await opened(engine, 1)
    await suspend(engine, one)
    await states.shows({one: 1})
    await engine.stop()
    await forge(engine, one, ExampleState(partner_id=one, causes=0).model_dump_json().encode(), streamversion=b"1")
    assert await states.now() == {one: 0}
    await make_engine(states=[SHOWN])
    await states.shows({one: 1})


@pytest.mark.parametrize("value", [b"{}", None], ids=["rubbish", "a false end"])
async def test_what_nobody_of_ours_sent_is_set_right(
    make_engine: MakeEngine, states: StatesOf, forge: Callable[..., Any], value: bytes | None
) -> None:
    engine = await make_engine(states=[SHOWN], states_check_seconds=0.2)
    [one] = await opened(engine, 1)
    await states.shows({one: 0})
    stranger = uuid4()
    await forge(engine, one, value)
    await forge(engine, stranger, b"{}")
    await states.shows({one: 0, stranger: None})


async def test_states_that_are_shown_otherwise_are_sent_anew(make_engine: MakeEngine, states: StatesOf) -> None:
    engine = await make_engine(states=[SHOWN])
    one, other = await opened(engine, 2)
    await states.shows({one: 0, other: 0})
    await engine.stop()
    renamed = replace(
        SHOWN,
        document=RenamedState,
        show=lambda partner_id, partner: RenamedState(partner_id=partner_id, suspended=bool(partner.causes)),
    )
    await make_engine(states=[renamed])

    async def renamed_all() -> bool:
        last = {record.key: dict(record.headers)["ce_type"] for record in await states.records()}
        return set(last.values()) == {b"cauce.partner.RenamedState.v1"} and len(last) == 2

    await until(renamed_all, 60)


async def test_after_a_restore_what_the_store_lost_is_taken_away_and_the_rest_sent_anew(
    make_engine: MakeEngine, states: StatesOf, forge: Callable[..., Any]
) -> None:
    engine = await make_engine(states=[SHOWN])
    [kept] = await opened(engine, 1)
    await states.shows({kept: 0})
    lost = uuid4()  # as if it had been opened after the dump that was restored
    await forge(
        engine,
        lost,
        ExampleState(partner_id=lost, causes=1).model_dump_json().encode(),
        incarnation=b"1",
        streamversion=b"2",
    )
    async with engine.acquire() as db:
        await declare_restore(db)
    await states.shows({kept: 0, lost: None})

    async def anew() -> bool:
        last = {record.key: dict(record.headers)["ce_incarnation"] for record in await states.records()}
        return set(last.values()) == {b"2"}

    await until(anew, 60, "every state to be of the new incarnation")


async def test_the_topic_keeps_the_last_of_each_key_for_ever(
    make_engine: MakeEngine, kafka: str, states: StatesOf
) -> None:
    await make_engine(states=[SHOWN], start=False)
    found: dict[str, str] = {}

    async def told() -> bool:  # the broker speaks of a topic a moment after it made it
        topic = await find_topic(kafka, states.topic)
        found.update({} if topic is None else topic.configs)
        return bool(found)

    await until(told, 60)
    assert (found["cleanup.policy"], found["retention.ms"]) == ("compact", "-1")


async def test_a_topic_that_is_away_holds_back_nothing_else(
    make_engine: MakeEngine, kafka: str, states: StatesOf
) -> None:
    """Its trouble is its own: events flow, and the states come once it is back."""
    engine = await make_engine(states=[SHOWN], start=False)
    await delete_topics(kafka, states.topic)
    await engine.start()
    [one] = await opened(engine, 1)
    assert await engine.published((await engine.log()).head, 60)
    await create_topic(kafka, states.topic, partitions=PARTITIONS, replication=1)
    await states.shows({one: 0})
