"""Process managers: a state for each key, its timers and its commands, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import engine_example as example
import orjson
import pytest
from engine import Become, CancelTimer, Fact, Process, Send, SetTimer, Step
from engine.handlers import ProcessHandler, Work
from engine.subscriptions import Subscription
from engine_reading import NOON, Rig, Topic, killed, until
from events.partner import PartnerReinstated, PartnerSuspended
from pydantic import TypeAdapter


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


@dataclass(frozen=True)
class Watch:
    suspensions: int = 0
    causes: tuple[UUID, ...] = ()


def watch(state: Watch, fact: Fact[Any]) -> Iterator[Step]:
    """Every suspension of the channel is counted; the second asks for a restriction, a reinstatement calls it off."""
    match fact.event:
        case PartnerSuspended(partner_id=id, cause=cause):
            state = replace(state, suspensions=state.suspensions + 1, causes=(*state.causes, cause.cause_id))
            yield Become(state)
            yield SetTimer("review", fact.occurred_at + timedelta(days=30))
            if state.suspensions == 2:
                yield Send(
                    example.profiles,
                    id,
                    example.Impose(restriction_id=cause.cause_id, partner_id=id, reason="second suspension"),
                )
        case PartnerReinstated():
            yield CancelTimer("review")


def by_partner(fact: Fact[Any]) -> str | None:
    return str(fact.event.partner_id) if isinstance(fact.event, PartnerSuspended | PartnerReinstated) else None


def all_in_one(fact: Fact[Any]) -> str:
    return "the channel"


watching = Process("watching", ("partner",), by_partner, Watch, watch)
one = Process("watching", ("partner",), all_in_one, Watch, watch)


async def state_of(rig: Rig, key: object) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(
        await rig.pool.fetchval("select state from process where name = 'watching' and key = $1", str(key))
    )
    return state


class NotLocking(ProcessHandler):
    """A process manager as one must not write it: its state is read without FOR UPDATE."""

    async def lock(self, work: Work, keys: Iterable[str]) -> dict[str, Any]:
        rows = await work.db.fetch("select key, state from process where name = $1", self.process.name)
        found = {row["key"]: self.state.validate_json(row["state"]) for row in rows}
        return {key: found[key] for key in keys}


async def two_at_once(rig: Rig, subscription: Subscription) -> int:
    """Two partitions, an event in each, on an instance that exists: the first stands before its commit while the
    second works. Returns how many suspensions the instance has counted then, of three."""
    topics = [Topic(), Topic(), Topic()]
    for topic in topics:
        topic.suspend(uuid4())
    await rig.consume(rig.process(one), topics[0], partition=0)
    gate = rig.failpoints.pause("consumer_effect")
    first = asyncio.create_task(rig.consume(subscription, topics[1], partition=1))
    await asyncio.wait_for(gate.reached.wait(), 5)
    second = asyncio.create_task(rig.consume(subscription, topics[2], partition=2))
    await until(rig.someone_waits, what="the second waits for the first")
    gate.open()
    await asyncio.gather(first, second)
    counted: int = (await state_of(rig, "the channel"))["suspensions"]
    return counted


async def test_two_events_at_once_on_one_instance_lose_no_update(rig: Rig) -> None:
    assert await two_at_once(rig, rig.process(one)) == 3
    assert await rig.pool.fetchval("select count(*) from event") == 1  # the second suspension's restriction


async def test_without_its_lock_an_update_is_lost(rig: Rig) -> None:
    handler = NotLocking(one, TypeAdapter(Watch))
    assert await two_at_once(rig, replace(rig.process(one), handler=handler)) == 2


async def test_many_events_of_many_partitions_on_one_instance_are_all_counted(rig: Rig) -> None:
    subscription = rig.process(one)
    topics = [Topic() for _ in range(6)]
    for topic in topics:
        for _ in range(10):
            topic.suspend(uuid4())
    await asyncio.gather(
        *(rig.consume(subscription, topic, partition=n, applier=rig.another(batch=3)) for n, topic in enumerate(topics))
    )
    assert (await state_of(rig, "the channel"))["suspensions"] == 60
    assert await rig.pool.fetchval("select count(*) from event") == 1


async def test_facts_of_one_batch_meet_the_state_that_the_facts_before_them_left(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    sent = [topic.suspend(partner) for _ in range(5)]
    await rig.consume(rig.process(watching), topic)
    state = await state_of(rig, partner)
    assert state["suspensions"] == 5
    assert len(set(state["causes"])) == 5
    [command] = await rig.pool.fetch("select * from command")
    assert command["id"] == uuid5(sent[1].id, "risk.watching:2")  # the second suspension's third step


async def test_state_timers_and_commands_are_one_transaction(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    topic.suspend(partner)
    topic.suspend(partner)
    subscription = rig.process(watching)

    async def kept() -> list[int]:
        tables = ("process", "timer", "command", "event")
        return [await rig.pool.fetchval(f"select count(*) from {table}") for table in tables]

    gate = rig.failpoints.pause("consumer_effect")
    dying = asyncio.create_task(rig.consume(subscription, topic))
    await asyncio.wait_for(gate.reached.wait(), 5)
    assert await kept() == [0, 0, 0, 0]
    await killed(dying)
    assert await kept() == [0, 0, 0, 0]
    await rig.consume(subscription, topic)
    assert await kept() == [1, 1, 1, 1]


async def test_a_poisoned_fact_takes_back_its_own_state_timers_and_commands_only(rig: Rig) -> None:
    good, bad, topic = uuid4(), uuid4(), Topic()

    def poisoned(state: Watch, fact: Fact[Any]) -> Iterator[Step]:
        yield from watch(state, fact)
        if fact.event.partner_id == bad:
            raise ValueError("after it asked for a timer and a state")

    for partner in (good, bad, good):
        topic.suspend(partner)
    subscription = rig.process(replace(watching, react=poisoned))
    await rig.consume(subscription, topic)
    assert await rig.parked(subscription) == {f"partner-{bad}": [1]}
    assert (await state_of(rig, good))["suspensions"] == 2
    assert [row["key"] for row in await rig.pool.fetch("select key from process")] == [str(good)]
    assert [row["key"] for row in await rig.pool.fetch("select key from timer")] == [f"{good}/review"]


async def test_a_redelivered_fact_finds_its_command_handled_also_where_the_state_would_ask_again(rig: Rig) -> None:
    """The watermark is what keeps the state; should it be lost, a command's id still keeps the effect from doubling."""

    def always(state: Watch, fact: Fact[Any]) -> Iterator[Step]:
        yield Become(replace(state, suspensions=state.suspensions + 1))
        yield Send(
            example.profiles,
            fact.event.partner_id,
            example.Impose(restriction_id=uuid4(), partner_id=fact.event.partner_id, reason="each time another"),
        )

    topic = Topic()
    topic.suspend(uuid4())
    subscription = rig.process(replace(watching, react=always))
    await rig.consume(subscription, topic)
    await rig.pool.execute("delete from consumer_offset")
    await rig.consume(subscription, topic)
    assert await rig.pool.fetchval("select count(*) from event") == 1


async def test_a_timer_set_again_is_moved_and_a_cancelled_one_is_gone(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    subscription = rig.process(watching)
    topic.suspend(partner)
    last = topic.suspend(partner)
    await rig.consume(subscription, topic)
    [timer] = await rig.pool.fetch("select * from timer")
    assert timer["due_at"] == last.occurred_at + timedelta(days=30)
    assert (timer["owner"], timer["causation_id"]) == ("risk.watching", last.id)
    topic.reinstate(partner, uuid4())
    await rig.consume(subscription, topic)
    assert await rig.pool.fetchval("select count(*) from timer") == 0


async def test_set_and_cancelled_within_one_batch_the_last_word_counts(rig: Rig) -> None:
    topic, kept, gone = Topic(), uuid4(), uuid4()
    topic.suspend(kept)
    topic.suspend(gone)
    topic.reinstate(kept, uuid4())
    topic.reinstate(gone, uuid4())
    topic.suspend(kept)
    await rig.consume(rig.process(watching), topic)
    assert [row["key"] for row in await rig.pool.fetch("select key from timer")] == [f"{kept}/review"]


async def test_a_fact_that_belongs_to_no_instance_leaves_nothing(rig: Rig) -> None:
    topic = Topic()
    topic.suspend(uuid4())
    subscription = rig.process(replace(watching, key=lambda fact: None))
    await rig.consume(subscription, topic)
    assert await rig.pool.fetchval("select count(*) from process") == 0
    assert await rig.offset(subscription, topic) == 1


async def test_since_holds_for_process_managers_too(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    topic.suspend(partner, recorded_at=NOON - timedelta(days=1))
    topic.suspend(partner, recorded_at=NOON)
    since: datetime = NOON
    await rig.consume(rig.process(replace(watching, since=since)), topic)
    assert (await state_of(rig, partner))["suspensions"] == 1
