"""A topic that was lost is made whole from the store: who heard all hears nothing twice, and who is new hears all."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import asyncpg
import engine_example as example
import pytest
from conftest import MakeEngine
from engine import PublicState, consumer, relay
from engine.kafka import Watcher, admin, create_topic, topic_ids
from engine.recovery import declare_restore
from engine.runtime import Engine
from engine_example import heard_view, mirror_policy
from engine_writing import assert_heard_once, compared, opened, read_topic, suspend, until
from structlog.testing import capture_logs
from test_state_topic import ExampleState, show

PARTITIONS = 3


async def lose(kafka: str, *topics: str) -> None:
    """As when a broker comes back with an empty disk: the topics are made anew, by `cauce topics`, and empty."""
    before = await topic_ids(kafka, topics)
    async with admin(kafka) as client:
        await client.delete_topics(list(topics))

    async def made_anew() -> bool:
        for topic in topics:
            await create_topic(kafka, topic, partitions=PARTITIONS, replication=1)
        now = await topic_ids(kafka, topics)
        return len(now) == len(topics) and not set(now.values()) & set(before.values())

    await until(made_anew, what="the topics to be made anew")


async def busy(engine: Engine, ids: list[UUID]) -> None:
    for id in ids:
        await suspend(engine, id)
    assert await engine.published((await engine.log()).head, 20)


@pytest.mark.parametrize("restored", [False, True], ids=["first incarnation", "after a restore"])
async def test_a_topic_made_anew_is_filled_again_from_the_store(
    make_engine: MakeEngine, engine_databases: Callable[[], str], kafka: str, restored: bool
) -> None:
    before = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(before, 12)
    await busy(before, ids)
    if restored:  # the two incarnations must stay apart: in most partitions nothing was heard of the second
        async with before.pool.acquire() as db:
            await declare_restore(db)
        await until(lambda: _incarnation(before, 2))
        await busy(before, ids[:1])
    await assert_heard_once(before, risk)
    incarnations = {raw.id: raw.incarnation for raw in (await read_topic(kafka, before.topic("partner"))).raws}
    await before.stop()
    await risk.stop()
    await lose(kafka, before.topic("partner"))

    with capture_logs() as logs:
        after = await make_engine()
        await busy(after, ids)
    [told] = [entry for entry in logs if entry["event"] == "topic_lost_records"]
    assert told["sent_again_behind"] == 0
    topic = await read_topic(kafka, after.topic("partner"))
    assert set(topic.copies.values()) == {1}
    again = {raw.id: raw.incarnation for raw in topic.raws}
    assert incarnations == {id: again[id] for id in incarnations}
    assert (await compared(after, kafka)).fine
    who_heard_all = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    await assert_heard_once(after, who_heard_all)
    await who_heard_all.stop()
    newcomer = await make_engine("risk", url=engine_databases(), views=[heard_view], policies=[mirror_policy])
    await assert_heard_once(after, newcomer)


async def _incarnation(engine: Engine, number: int) -> bool:
    return (await engine.log()).incarnation == number


@pytest.mark.parametrize("heard_of_first", [True, False], ids=["nothing is sent meanwhile", "something is sent to it"])
async def test_a_topic_is_lost_while_everybody_works(
    make_engine: MakeEngine,
    engine_databases: Callable[[], str],
    kafka: str,
    monkeypatch: pytest.MonkeyPatch,
    heard_of_first: bool,
) -> None:
    monkeypatch.setattr(consumer, "TOPICS_SECONDS", 1.0)
    monkeypatch.setattr(relay, "TOPIC_SECONDS", 2.0 if heard_of_first else 1000.0)
    partner = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(partner, 12)
    await busy(partner, ids)
    await assert_heard_once(partner, risk)
    with capture_logs() as logs:
        await lose(kafka, partner.topic("partner"))
        if not heard_of_first:
            await suspend(partner, ids[0])
        await until(lambda: any(entry["event"] == "topic_lost_records" for entry in logs), what="the loss is seen")
    await busy(partner, ids)
    assert await risk.handled("risk.mirror", 90)  # a member that found no topic looks again after 30 s
    await assert_heard_once(partner, risk)
    assert (await compared(partner, kafka)).fine
    await risk.stop()
    newcomer = await make_engine("risk", url=engine_databases(), views=[heard_view], policies=[mirror_policy])
    await assert_heard_once(partner, newcomer)


async def test_of_a_topic_that_lost_its_last_records_only_what_follows_the_rest_is_sent_again(
    make_engine: MakeEngine, kafka: str
) -> None:
    """As after an election of a broker that was behind."""
    before = await make_engine()
    risk = await make_engine("risk", views=[heard_view], policies=[mirror_policy])
    ids = await opened(before, 12)
    await busy(before, ids)
    await assert_heard_once(before, risk)
    whole = await read_topic(kafka, before.topic("partner"))
    last = min(records[-1].position for records in whole.partitions.values())
    await before.stop()
    connection = await asyncpg.connect(before._postgres_url)
    await connection.execute(  # more than is there was sent
        "update store set topic_offsets ="
        " (select jsonb_object_agg(key, value::int + 1) from jsonb_each_text(topic_offsets))"
    )
    await connection.close()
    with capture_logs() as logs:
        after = await make_engine()
        await busy(after, ids)
    [told] = [entry for entry in logs if entry["event"] == "topic_lost_records"]
    assert told["sent_again_behind"] == last
    assert (await compared(after, kafka)).fine
    await assert_heard_once(after, risk)


async def test_the_states_are_shown_anew_where_their_topic_was_lost(make_engine: MakeEngine, kafka: str) -> None:
    shown = PublicState(example.partners, ExampleState, show)
    before = await make_engine(states=[shown])
    await opened(before, 5)
    topic = f"{before.topic('partner').removesuffix('events')}state"

    async def all_shown() -> bool:
        return len(await read_keys(kafka, topic)) == 5

    await until(all_shown)
    await before.stop()
    await lose(kafka, topic)
    await make_engine(states=[shown])
    await until(all_shown)


async def read_keys(kafka: str, topic: str) -> set[bytes]:
    watcher = Watcher(kafka)
    try:
        return {record.key async for _, record in watcher.read(topic, {})}
    finally:
        await watcher.stop()


async def test_a_topic_that_has_all_that_was_sent_is_left_alone(make_engine: MakeEngine, kafka: str) -> None:
    before = await make_engine()
    ids = await opened(before, 6)
    await busy(before, ids)
    await before.stop()
    with capture_logs() as logs:
        after = await make_engine()
        await busy(after, ids)
    assert not [entry for entry in logs if entry["event"] == "topic_lost_records"]
    assert set((await read_topic(kafka, after.topic("partner"))).copies.values()) == {1}
