"""Whole engines on a real Postgres and a real Kafka: killed, paused, cut off, stopped; and how far everything is."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from conftest import MakeEngine
from devstack.fixtures import Databases
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from engine import Fact, Policy, Send, SetTimer, View
from engine.errors import Unavailable
from engine.runtime import Engine
from engine_reading import (
    ME,
    NOON,
    Clock,
    Failpoints,
    assert_mirrored,
    joined,
    open_partner,
    risk_child,
    suspend,
    until,
)
from engine_writing import assert_heard_once
from events.partner import PartnerSuspended

OUTAGE_SECONDS = float(os.environ.get("CAUCE_TEST_OUTAGE_SECONDS", "3"))
"""How long Postgres and Kafka stay away; the fault suite takes a minute."""

HEARING: dict[str, Any] = {"views": [example.heard_view], "policies": [example.mirror_policy]}


async def busy(partner: Engine, partners: int = 6, each: int = 4) -> list[UUID]:
    """Suspensions and reinstatements of several partners."""
    ids = [await open_partner(partner) for _ in range(partners)]
    for _ in range(each):
        for id in ids:
            cause = uuid4()
            sends = [Send(example.partners, id, example.Suspend(cause_id=cause))]
            await partner.handle_many([*sends, Send(example.partners, id, example.Reinstate(cause_id=cause))], ME)
    return ids


async def assert_settled(partner: Engine, risk: Engine) -> None:
    await assert_heard_once(partner, risk)
    await assert_mirrored(partner, risk)
    assert await risk.parked() == []


# -- killed and paused


async def test_a_process_killed_between_effect_and_offset_leaves_every_effect_exactly_once(
    make_engine: MakeEngine, kafka: str, topic_prefix: str
) -> None:
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING, start=False)
    await busy(partner)
    async with risk_child(risk._postgres_url, kafka, topic_prefix, at="consumer_effect", nth=3) as child:
        assert await child.ended() == -signal.SIGKILL
    await busy(partner, partners=2)
    await risk.start()
    await assert_settled(partner, risk)


async def test_a_process_paused_past_its_session_and_resumed_is_fenced_and_its_partitions_are_taken_up_again(
    make_engine: MakeEngine, kafka: str, topic_prefix: str
) -> None:
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING, start=False)
    async with risk_child(
        risk._postgres_url, kafka, topic_prefix, at="consumer_effect", nth=4, signal=signal.SIGSTOP
    ) as child:
        await child.said("joined")
        await busy(partner)
        await until(lambda: child.paused, what="it stands between an effect and its commit")
        await risk.start()
        await busy(partner, partners=2)
        await assert_settled(partner, risk)  # the other process took its partitions over
        child.resume()
        await busy(partner, partners=2)
        await assert_settled(partner, risk)
        await risk.stop()  # and now the resumed one has all of them again
        ids = await busy(partner, partners=3)
        assert ids
        other = await make_engine("risk", **HEARING, role="api")
        await until(lambda: _handled_by_others(partner, other), what="the resumed process goes on")
        await assert_mirrored(partner, other)


async def _handled_by_others(partner: Engine, risk: Engine) -> bool:
    return (
        await partner.published((await partner.log()).head, 5)
        and await risk.handled("risk.mirror", 1)
        and await risk.handled("risk.heard.g1", 1)
    )


async def test_a_rebalance_while_a_batch_is_in_hand_loses_and_doubles_nothing(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    partner = await make_engine()
    first = await make_engine("risk", **HEARING, failpoint=failpoints)
    await joined(first)
    gate = failpoints.pause("consumer_effect")
    await busy(partner, partners=10)
    await gate.reached.wait()
    second = await make_engine("risk", **HEARING)
    await joined(second)  # partitions were taken away from the first one while it works on them
    await busy(partner, partners=2)
    gate.open()
    await assert_settled(partner, second)
    assert first.health() == {}


async def test_members_that_come_and_go_all_the_time_lose_and_double_nothing(make_engine: MakeEngine) -> None:
    partner = await make_engine()
    steady = await make_engine("risk", **HEARING, batch=5)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await busy(partner, partners=3, each=2)

    writing = asyncio.create_task(write())
    try:
        for _ in range(2):
            guest = await make_engine("risk", **HEARING, batch=5)
            await joined(guest)
            await guest.stop()
    finally:
        stop.set()
        await writing
    await assert_settled(partner, steady)


async def test_offsets_that_a_fetch_passes_over_are_noticed_and_read_again(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await make_engine()
    await busy(partner)
    assert await partner.published((await partner.log()).head, 10)
    seek = AIOKafkaConsumer.seek
    astray: list[int] = []

    def seek_too_far(self: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> None:
        too_far = offset + 3 if len(astray) < 3 else offset
        astray.append(too_far)
        seek(self, partition, too_far)

    monkeypatch.setattr(AIOKafkaConsumer, "seek", seek_too_far)
    risk = await make_engine("risk", **HEARING)
    await assert_settled(partner, risk)
    assert len(astray) > 3  # it had to leave and to take its partitions anew


async def test_a_topic_offset_that_kafka_remembers_otherwise_means_nothing(
    make_engine: MakeEngine, kafka: str, topic_prefix: str
) -> None:
    """Kafka's own committed offsets are for lag tools; somebody may set them as he likes."""
    partner = await make_engine()
    await busy(partner)
    assert await partner.published((await partner.log()).head, 10)
    meddler = AIOKafkaConsumer(bootstrap_servers=kafka, group_id=f"{topic_prefix}risk", enable_auto_commit=False)
    await meddler.start()
    partitions = [TopicPartition(partner.topic("partner"), n) for n in range(3)]
    ends = await meddler.end_offsets(partitions)
    meddler.assign(partitions)
    await meddler.commit({tp: max(end - 1, 0) for tp, end in ends.items()})
    await meddler.stop()
    risk = await make_engine("risk", **HEARING)
    await assert_settled(partner, risk)


OFFSETS = "select sum(next_offset)::int from consumer_offset"


async def test_a_topic_that_lost_its_tail_is_read_again_behind_the_watermark(make_engine: MakeEngine) -> None:
    """A broker that lost what it had acknowledged ends below what was read: nothing that comes next is missed."""
    partner = await make_engine()
    first = await make_engine("risk", **HEARING)
    await busy(partner)
    await assert_settled(partner, first)
    await first.stop()
    risk = await make_engine("risk", **HEARING, start=False)
    connection = await asyncpg.connect(risk._postgres_url)
    await connection.execute("update consumer_offset set next_offset = next_offset + 50")
    beyond = await connection.fetchval(OFFSETS)
    await risk.start()

    async def noticed() -> bool:
        """Until then it seems to have handled what it has not."""
        return bool(await connection.fetchval(OFFSETS) < beyond - 250)

    await until(noticed)
    await connection.close()
    await busy(partner, partners=2)
    await assert_settled(partner, risk)


async def test_a_record_that_is_not_ours_is_parked_and_the_rest_of_its_partition_flows(
    make_engine: MakeEngine, kafka: str
) -> None:
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING)
    await busy(partner, partners=3, each=1)
    assert await partner.published((await partner.log()).head, 10)
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    for n in range(3):
        await producer.send_and_wait(partner.topic("partner"), b"not json", partition=n)
        await producer.send_and_wait(partner.topic("partner"), None, key=b"k", partition=n)
    await producer.stop()
    await busy(partner, partners=3, each=1)
    assert await partner.published((await partner.log()).head, 10)
    assert await risk.handled("risk.mirror", 10)
    await assert_mirrored(partner, risk)
    parked = await risk.parked("risk.mirror")
    assert len(parked) == 6
    for stream in parked:
        assert (await risk.retry("risk.mirror", stream.stream)).error is not None
        assert await risk.drop("risk.mirror", stream.stream, "not ours", "carla") == 1
    assert await risk.parked("risk.mirror") == []


# -- cut off


async def test_while_postgres_is_away_nothing_is_parked_and_afterwards_everything_is_handled(
    make_engine: MakeEngine, new_postgres: Callable[[], Postgres]
) -> None:
    server = await asyncio.to_thread(new_postgres)
    url = await asyncio.to_thread(Databases(server.url()).create)
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING, url=url)
    await joined(risk)
    await busy(partner)
    busy_meanwhile = asyncio.create_task(busy(partner, partners=20))
    await asyncio.to_thread(server.stop, "immediate")
    await asyncio.sleep(OUTAGE_SECONDS)
    await busy_meanwhile
    with pytest.raises(Unavailable):
        await risk.handle(Send(example.profiles, uuid4(), _impose()), ME)
    await asyncio.to_thread(server.start)
    await busy(partner, partners=2)
    await assert_settled(partner, risk)
    assert risk.health() == {}
    await risk.stop()


def _impose() -> example.Impose:
    return example.Impose(restriction_id=uuid4(), partner_id=uuid4(), reason="by hand")


async def test_while_kafka_is_away_commands_are_handled_nothing_is_parked_and_no_task_is_left_behind(
    make_engine: MakeEngine, new_kafka: Callable[[], Kafka]
) -> None:
    broker = await asyncio.to_thread(new_kafka)
    partner = await make_engine(bootstrap=broker.bootstrap)
    risk = await make_engine("risk", **HEARING, bootstrap=broker.bootstrap)
    await joined(risk)
    await busy(partner)
    await assert_settled(partner, risk)
    await asyncio.to_thread(broker.kill)
    await busy(partner)
    await asyncio.sleep(OUTAGE_SECONDS)
    position = (await partner.log()).head
    assert not await partner.published(position, 0)
    assert partner.health() == {}
    await asyncio.to_thread(broker.start)
    await assert_settled(partner, risk)
    await asyncio.gather(partner.stop(), risk.stop())
    await until(lambda: _ours_are_done(), 15, what="no task of aiokafka is left behind")


def _ours_are_done() -> bool:
    return not [task for task in asyncio.all_tasks() if "aiokafka" in repr(task.get_coro())]


# -- stopped


async def test_a_graceful_stop_finishes_the_batch_and_leaves_at_once_for_another_to_go_on(
    make_engine: MakeEngine, kafka: str
) -> None:
    failpoints = Failpoints()
    partner = await make_engine()
    first = await make_engine("risk", **HEARING, failpoint=failpoints)
    await joined(first)
    second = await make_engine("risk", **HEARING)
    await joined(second)
    gate = failpoints.pause("consumer_effect")
    await busy(partner, partners=10)
    await gate.reached.wait()
    stopping = asyncio.create_task(first.stop())
    await asyncio.sleep(0.1)
    assert not stopping.done()  # it has a batch in hand
    gate.open()
    await stopping
    assert await members(kafka, second) == 1
    await busy(partner, partners=2)
    await assert_settled(partner, second)
    assert failpoints.hits["consumer_committed"] > 0


async def members(kafka: str, engine: Engine) -> int:
    """Of the engine's consumer group, as the broker counts them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        [answer] = await admin.describe_consumer_groups([engine._prefix + engine.service])
        [(_, _, _, _, _, found, *_)] = answer.groups
        return len(found)
    finally:
        await admin.close()


async def test_a_graceful_stop_releases_the_leases_and_says_goodbye(make_engine: MakeEngine) -> None:
    long = {"lease_seconds": 600.0}  # nobody waits for it to run out
    engine = await make_engine(policies=[Policy("own", "partner", lambda fact: [])], **long)
    await open_partner(engine)
    assert await engine.handled("partner.own", 10)
    held = "select count(*) from lease where leased_until > clock_timestamp()"
    other = await make_engine(role="api")
    assert await other.pool.fetchval(held) == 3  # relay, timers, and the log's reader
    await engine.stop()
    assert await other.pool.fetchval(held) == 0
    assert await other.pool.fetchval("select count(*) from pod") == 1
    third = await make_engine(**long)
    await open_partner(third)
    assert await third.published((await third.log()).head, 60)


async def test_stopping_leaves_no_task_behind(make_engine: MakeEngine) -> None:
    before = asyncio.all_tasks()
    partner = await make_engine(views=[example.partners_view])
    risk = await make_engine("risk", **HEARING)
    await busy(partner, partners=2, each=1)
    await asyncio.gather(partner.stop(), risk.stop())
    await until(lambda: not asyncio.all_tasks() - before, 5, what="all tasks ended")
    await partner.stop()  # again is nothing


# -- how far everything is


async def test_published_says_whether_a_position_is_on_the_topic_and_waits_for_it(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    engine = await make_engine(failpoint=failpoints)
    gate = failpoints.pause("relay_read")
    id = await open_partner(engine)
    await gate.reached.wait()
    position = (await engine.log()).head
    began = time.monotonic()
    assert not await engine.published(position, 0)
    assert not await engine.published(position, 0.3)
    assert time.monotonic() - began >= 0.3
    waiting = asyncio.create_task(engine.published(position, 10))
    gate.open()
    assert await waiting
    log = await engine.log()
    assert (log.head, log.final) == (position, position)
    assert not await engine.published(position + 1, 0)
    assert id


async def test_handled_says_whether_a_policy_on_the_own_log_has_come_to_a_position(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    engine = await make_engine(policies=[Policy("follow_up", "partner", follow_up)], failpoint=failpoints)
    id = await open_partner(engine)
    assert await engine.handled("partner.follow_up", 10)
    gate = failpoints.pause("consumer_effect")
    receipt = await suspend(engine, id)
    assert receipt.position is not None
    await gate.reached.wait()
    assert not await engine.handled("partner.follow_up", 0.2, position=receipt.position)
    assert await engine.handled("partner.follow_up", 0, position=receipt.position - 1)
    gate.open()
    assert await engine.handled("partner.follow_up", 10, position=receipt.position)
    assert (await engine.load(example.partners, id)).version == 3  # its consequence is there


def follow_up(fact: Fact[Any]) -> Iterator[Send]:
    if isinstance(fact.event, PartnerSuspended):
        yield Send(example.partners, fact.stream_id, example.Note(text="follow up"))


async def test_handled_on_an_empty_log_is_true_at_once(make_engine: MakeEngine) -> None:
    engine = await make_engine(policies=[Policy("own", "partner", lambda fact: [])])
    assert await engine.handled("partner.own", 0)


async def test_handled_waits_for_all_that_other_services_had_published_before_the_call(
    make_engine: MakeEngine,
) -> None:
    failpoints = Failpoints()
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING, failpoint=failpoints)
    await joined(risk)
    gate = failpoints.pause("consumer_effect")
    ids = await busy(partner, partners=3, each=1)
    assert await partner.published((await partner.log()).head, 10)
    await gate.reached.wait()
    assert not await risk.handled("risk.mirror", 0.2)
    assert sum(status.lag for status in await risk.subscriptions() if status.name == "risk.mirror") > 0
    gate.open()
    assert await risk.handled("risk.mirror", 10)
    assert len((await risk.load(example.profiles, ids[0])).state.seen) == 2
    assert await risk.handled("risk.heard.g1", 10)
    assert [status.lag for status in await risk.subscriptions()] == [0, 0]


async def test_an_unknown_subscription_is_named_with_those_that_there_are(make_engine: MakeEngine) -> None:
    engine = await make_engine(policies=[Policy("own", "partner", lambda fact: [])])
    with pytest.raises(LookupError, match=r"risk\.mirror.*partner\.own"):
        await engine.handled("risk.mirror", 0)
    with pytest.raises(LookupError):
        await engine.retry("risk.mirror", "partner-x")


async def test_lag_of_a_subscription_to_the_own_log_counts_positions(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    engine = await make_engine(policies=[Policy("own", "partner", lambda fact: [])], failpoint=failpoints)
    id = await open_partner(engine)
    assert await engine.handled("partner.own", 10)
    gate = failpoints.pause("relay_read")
    await engine.handle(Send(example.partners, id, example.Note(text="x", times=12)), ME)
    await gate.reached.wait()
    assert [(s.name, s.source, s.lag, s.parked) for s in await engine.subscriptions()] == [
        ("partner.own", "partner", 12, 0)
    ]
    gate.open()
    assert await engine.handled("partner.own", 10)
    assert (await engine.subscriptions())[0].lag == 0


async def test_a_subscription_is_beside_another_that_is_no_further_also_where_both_are_behind(
    make_engine: MakeEngine,
) -> None:
    """Where events come in all the time no build of a view is ever at the end."""
    partner = await make_engine()
    risk = await make_engine("risk", **HEARING)
    await busy(partner)
    assert await partner.published((await partner.log()).head, 10)
    assert await risk.handled("risk.mirror", 10)
    assert await risk.handled("risk.heard.g1", 10)
    behind, other = risk.progress.find("risk.mirror"), "risk.heard.g1"
    assert await risk.progress.beside(behind, other)
    await risk.pool.execute("update consumer_offset set next_offset = next_offset - 1 where subscription = $1", other)
    assert await risk.progress.lag(risk.progress.find(other), "partner") > 0
    await risk.pool.execute("update consumer_offset set next_offset = 0 where subscription = 'risk.mirror'")
    assert await risk.progress.beside(behind, other)  # less than a batch
    await risk.pool.execute("update consumer_offset set next_offset = 1000 where subscription = $1", other)
    assert not await risk.progress.beside(behind, "risk.nobody")
    assert not await risk.progress.beside(behind, other)


# -- roles, chains, and the backfill


async def test_a_process_that_only_answers_wakes_the_relay_of_another(make_engine: MakeEngine) -> None:
    worker = await make_engine()
    answering = await make_engine(role="api")
    await until(lambda: worker._workers.relay.leads, what="it leads")  # type: ignore[union-attr]
    for _ in range(5):
        await open_partner(answering)
        assert await answering.published((await answering.log()).head, 60)
    assert answering.health() == {}
    assert await answering.pool.fetchval("select count(*) from pod") == 2
    with pytest.raises(LookupError):
        await answering.handled("partner.nothing", 0)


async def test_what_a_policy_appends_wakes_the_relay_at_once(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chain of ten reactions takes ten turns of the relay: not one of them may wait for its poll."""

    def again(fact: Fact[Any]) -> Iterator[Send]:
        if isinstance(fact.event, example.NoteTaken) and int(fact.event.text) > 0:
            yield Send(example.partners, fact.stream_id, example.Note(text=str(int(fact.event.text) - 1)))

    engine = await make_engine(policies=[Policy("again", "partner", again)])
    id = await open_partner(engine)
    assert await engine.handled("partner.again", 10)
    relay = engine._workers.relay  # type: ignore[union-attr]
    monkeypatch.setattr(relay, "_poll", 30.0)
    await asyncio.sleep(0.3)  # the poll that was running
    await engine.handle(Send(example.partners, id, example.Note(text="10")), ME)
    await until(lambda: _version(engine, id, 12), 10, what="the end of the chain")


async def _version(engine: Engine, id: UUID, version: int) -> bool:
    return (await engine.load(example.partners, id)).version == version


async def test_during_a_backfill_the_engine_fires_timers_by_the_date_reached(make_engine: MakeEngine) -> None:
    clock = Clock(NOON + timedelta(days=9000))

    def remind(fact: Fact[Any]) -> Iterator[SetTimer]:
        if isinstance(fact.event, PartnerSuspended):
            send = Send(example.partners, fact.stream_id, example.Note(text="still suspended"))
            yield SetTimer(str(fact.event_id), fact.occurred_at + timedelta(days=30), send)

    engine = await make_engine(policies=[Policy("remind", "partner", remind)], clock=clock)
    await engine.backfill(NOON, 0)
    id = await open_partner(engine)
    for day in (1, 11, 21):
        at = NOON + timedelta(days=day)
        await engine.handle(Send(example.partners, id, example.Suspend(cause_id=uuid4(), occurred_at=at)), ME)
    assert await engine.handled("partner.remind", 10)

    async def reminders() -> list[int]:
        history = await engine.history(example.partners, id)
        return [(f.occurred_at - NOON).days for f in history if isinstance(f.event, example.NoteTaken)]

    assert await reminders() == []
    assert await engine.backfill(NOON + timedelta(days=45), 10) == NOON + timedelta(days=45)
    assert await reminders() == [31, 41]
    await engine.backfill(None, 10)
    assert await reminders() == [31, 41, 51]


async def test_a_backfill_says_how_far_timers_have_fired_when_the_wait_was_too_short(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()

    def remind(fact: Fact[Any]) -> Iterator[SetTimer]:
        if isinstance(fact.event, PartnerSuspended):
            for day in (1, 2):
                send = Send(example.partners, fact.stream_id, example.Note(text="x"))
                yield SetTimer(f"{day}", NOON + timedelta(days=day), send)

    engine = await make_engine(policies=[Policy("remind", "partner", remind)], clock=Clock(NOON), failpoint=failpoints)
    await suspend(engine, await open_partner(engine))
    assert await engine.handled("partner.remind", 10)
    gate = failpoints.pause("timer_effect")
    goal = NOON + timedelta(days=3)
    reached = await engine.backfill(goal, 0.3)
    assert reached is not None
    assert NOON < reached < NOON + timedelta(days=1)
    gate.open()
    assert await engine.backfill(goal, 10) == goal


# -- what is refused before anything runs


def make(**wired: Any) -> Engine:
    return Engine(
        "partner",
        postgres_url="postgresql://nowhere",
        kafka_bootstrap="nowhere:1",
        deciders=[example.partners],
        **wired,
    )


def test_two_policies_of_one_name_would_share_their_offsets_and_are_refused() -> None:
    own = Policy("own", "partner", lambda fact: [])
    with pytest.raises(ValueError, match="share a name"):
        make(policies=[own, Policy("own", "risk", lambda fact: [])])


def test_a_policy_on_a_service_that_nobody_knows_would_hear_nothing_and_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'parnter'.*partner"):
        make(policies=[Policy("own", "parnter", lambda fact: [])])


def test_an_inline_view_of_another_service_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be inline"):
        make(views=[View("heard", 1, (example.HEARD,), example.hear, inline=True, source="risk")])


def test_two_views_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="share a name"):
        make(views=[example.partners_view, example.partners_view])
