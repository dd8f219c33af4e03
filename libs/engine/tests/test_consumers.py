"""A subscription's work on one partition: each event's effect exactly once, whatever dies or is sent again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
import pytest
from engine import Fact, Policy, Send, subscriptions
from engine.errors import Conflict, Fenced
from engine.handlers import Work
from engine.store import Db
from engine.subscriptions import Applier, Heard, Place, Subscription
from engine.wire import Raw
from engine_reading import HEARD_FROM_PARTNER, Rig, Topic, effects, killed, until


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


def busy(topic: Topic, partners: int = 5, each: int = 4) -> list[UUID]:
    """Suspensions and reinstatements of several partners, interleaved."""
    ids = [uuid4() for _ in range(partners)]
    for n in range(each):
        for id in ids:
            raw = topic.suspend(id, f"reason {n}")
            if n % 2:
                topic.reinstate(id, HEARD_FROM_PARTNER.codec.decode(raw.type, raw.data).cause.cause_id)  # type: ignore[attr-defined]
    return ids


async def assert_once(rig: Rig, topic: Topic, *handled: Subscription) -> None:
    """What the store folds to, and what the view counted, is each of the topic's events once and in order."""
    sent = list({raw.id: raw for _, raw in topic.records}.values())
    for subscription in handled:
        if subscription.name == "risk.mirror":
            owed = effects(sent)
            assert {id: await rig.seen(id) for id in owed} == owed
        else:
            rows = await rig.pool.fetch("select event_id, stream, version, times from heard order by at")
            assert {row["event_id"]: row["times"] for row in rows} == {raw.id: 1 for raw in sent}
            for stream in {raw.stream for raw in sent}:
                assert [r["version"] for r in rows if r["stream"] == stream] == sorted(
                    raw.version for raw in sent if raw.stream == stream
                )


class Careless(Applier):
    """An applier as one must not write it: the effects in a transaction of their own, the offset in another."""

    async def _effects(
        self, db: Db, subscription: Subscription, place: Place, heard: Heard, raws: Sequence[Raw], *, careful: bool
    ) -> None:
        async with self._pool.acquire() as other, other.transaction():
            await super()._effects(other, subscription, place, heard, raws, careful=careful)


# -- killed


@pytest.mark.parametrize("moment", ["consumer_effect", "consumer_committed"])
async def test_a_consumer_killed_between_effect_and_offset_leaves_each_effect_exactly_once(
    rig: Rig, moment: str
) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    busy(topic)
    for subscription in (policy, view):
        gate = rig.failpoints.pause(moment)
        dying = asyncio.create_task(rig.consume(subscription, topic, applier=rig.another(batch=7)))
        await asyncio.wait_for(gate.reached.wait(), 5)
        await killed(dying)
        await rig.consume(subscription, topic)
    await assert_once(rig, topic, policy, view)


async def test_an_offset_outside_of_the_effects_transaction_would_be_caught_by_that_test(rig: Rig) -> None:
    topic, view = Topic(), await rig.view()
    busy(topic)
    gate = rig.failpoints.pause("consumer_effect")
    dying = asyncio.create_task(rig.consume(view, topic, applier=rig.another(Careless)))
    await asyncio.wait_for(gate.reached.wait(), 5)
    await killed(dying)
    await rig.consume(view, topic)
    with pytest.raises(AssertionError):
        await assert_once(rig, topic, view)


# -- sent again


async def test_a_window_sent_again_changes_nothing(rig: Rig) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    busy(topic)
    sent = [raw for _, raw in topic.records]
    for raw in sent[5:15]:
        topic.send_again(raw)
    topic.suspend(uuid4(), position=len(sent) + 1)
    for subscription in (policy, view):
        await rig.consume(subscription, topic)
        assert await rig.offset(subscription, topic) == len(topic.records)
    await assert_once(rig, topic, policy, view)


async def test_a_watermark_forgotten_between_batches_would_be_caught_by_that_test(rig: Rig) -> None:
    topic, view = Topic(), await rig.view()
    busy(topic)
    await rig.consume(view, topic)
    for _, raw in list(topic.records)[5:15]:
        topic.send_again(raw)
    await rig.pool.execute("update consumer_offset set last_position = 0")
    await rig.consume(view, topic)
    with pytest.raises(AssertionError):
        await assert_once(rig, topic, view)


async def test_a_zombie_relays_late_resend_behind_newer_events_changes_nothing(rig: Rig) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    busy(topic)
    old = [raw for _, raw in topic.records]
    busy(topic)
    for raw in old[-8:]:
        topic.send_again(raw)
    busy(topic, partners=1)
    for subscription in (policy, view):
        await rig.consume(subscription, topic, applier=rig.another(batch=6))
    await assert_once(rig, topic, policy, view)


async def test_a_new_incarnation_starts_below_the_watermark_and_is_not_hidden_by_it(rig: Rig) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    id = uuid4()
    old = [topic.suspend(id, position=n) for n in (100, 101, 102)]
    new = [topic.suspend(id, position=n, incarnation=2) for n in (7, 8)]
    topic.send_again(old[-1])  # the lost timeline's relay, not yet gone
    late = topic.suspend(id, position=103)  # and one more that only the lost timeline had
    for subscription in (policy, view):
        await rig.consume(subscription, topic, applier=rig.another(batch=2))
    assert await rig.seen(id) == effects([*old, *new])[id]
    assert late.id not in {row["event_id"] for row in await rig.pool.fetch("select event_id from heard")}


async def test_a_topic_made_anew_is_read_from_its_start_behind_the_old_ones_watermark(rig: Rig) -> None:
    first, second, policy, view = Topic(), Topic(), rig.policy(), await rig.view()
    id = uuid4()
    sent = [first.suspend(id) for _ in range(4)]
    for subscription in (policy, view):
        await rig.consume(subscription, first)
    for raw in sent[1:]:
        second.send_again(raw)
    second.versions[sent[0].stream] = 4
    more = second.suspend(id, position=5)
    for subscription in (policy, view):
        await rig.consume(subscription, second)
    assert await rig.seen(id) == effects([*sent, more])[id]
    assert await rig.pool.fetchval("select max(times) from heard") == 1


# -- fenced


async def test_a_member_whose_partition_was_taken_by_another_applies_nothing_more(rig: Rig) -> None:
    topic, policy = Topic(), rig.policy()
    busy(topic)
    place = rig.place(policy, topic)
    async with rig.pool.acquire() as db:
        epoch, _ = await rig.applier.take_over(db, policy, place)
        await rig.another().take_over(db, policy, place)
    with pytest.raises(Fenced):
        await rig.applier.apply(policy, place, epoch, HEARD_FROM_PARTNER, topic.records)
    assert await rig.pool.fetchval("select count(*) from event") == 0
    await rig.consume(policy, topic)
    await assert_once(rig, topic, policy)


async def test_a_member_that_has_not_heard_of_a_dropped_build_leaves_no_offsets_of_it_behind(rig: Rig) -> None:
    topic, view = Topic(), await rig.view()
    busy(topic)
    await rig.consume(view, topic)
    async with rig.pool.acquire() as db, db.transaction():
        await db.execute("delete from view_build where name = 'heard'")
        await db.execute("delete from consumer_offset where subscription = $1", view.name)
        late = asyncio.create_task(rig.consume(view, topic, applier=rig.another()))
        await until(rig.someone_waits, what="the member waits for the row of the build")
    with pytest.raises(Fenced):
        await late
    assert await rig.offset(view, topic) is None


async def test_a_take_over_waits_for_the_transaction_in_hand_and_goes_on_behind_it(rig: Rig) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    busy(topic)
    for subscription in (policy, view):
        gate = rig.failpoints.pause("consumer_effect")
        slow = asyncio.create_task(rig.consume(subscription, topic, applier=rig.another(batch=9)))
        await asyncio.wait_for(gate.reached.wait(), 5)
        taker = asyncio.create_task(rig.consume(subscription, topic))
        await until(rig.someone_waits, what="the take-over waits for the row")
        gate.open()
        await taker
        with pytest.raises(Fenced):
            await slow
        assert await rig.offset(subscription, topic) == len(topic.records)
    await assert_once(rig, topic, policy, view)


async def test_offsets_passed_over_are_noticed_before_anything_is_applied(rig: Rig) -> None:
    topic, policy = Topic(), rig.policy()
    busy(topic)
    place = rig.place(policy, topic)
    async with rig.pool.acquire() as db:
        epoch, _ = await rig.applier.take_over(db, policy, place)
    await rig.applier.apply(policy, place, epoch, HEARD_FROM_PARTNER, topic.records[:5])
    with pytest.raises(Fenced, match="offsets 5 to 6 were passed over"):
        await rig.applier.apply(policy, place, epoch, HEARD_FROM_PARTNER, topic.records[7:])
    await rig.consume(policy, topic)
    await assert_once(rig, topic, policy)


# -- what passes by itself


async def test_a_connection_lost_in_the_middle_of_a_batch_is_tried_again_and_parks_nothing(rig: Rig) -> None:
    topic, policy, view = Topic(), rig.policy(), await rig.view()
    busy(topic)
    for subscription in (policy, view):
        gate = rig.failpoints.pause("consumer_effect")
        consuming = asyncio.create_task(rig.consume(subscription, topic))
        await asyncio.wait_for(gate.reached.wait(), 5)
        await rig.pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction'"
            " and usename = current_user"
        )
        gate.open()
        await asyncio.wait_for(consuming, 10)
        assert await rig.parked(subscription) == {}
    await assert_once(rig, topic, policy, view)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.SerializationError("40001"),
        asyncpg.DeadlockDetectedError("40P01"),
        asyncpg.AdminShutdownError("57P01"),
        asyncpg.CannotConnectNowError("57P03"),
        asyncpg.ConnectionDoesNotExistError("08003"),
        asyncpg.TooManyConnectionsError("53300"),
        asyncpg.InterfaceError("connection is closed"),
        ConnectionRefusedError(),
        TimeoutError(),
        Conflict("risk_profile-x", expected=1),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_that_passes_by_itself_never_parks(rig: Rig, error: Exception) -> None:
    if isinstance(error, asyncpg.PostgresError):
        error.sqlstate = str(error)
    topic, policy = Topic(), rig.policy()
    topic.suspend(uuid4())
    rig.failpoints.fail("consumer_effect", error, error)
    await asyncio.wait_for(rig.consume(policy, topic), 5)
    assert rig.failpoints.hits["consumer_effect"] == 3
    assert await rig.parked(policy) == {}
    await assert_once(rig, topic, policy)


async def test_a_transaction_that_took_too_long_is_tried_again_in_smaller_bites(rig: Rig) -> None:
    topic, view = Topic(), await rig.view()
    busy(topic, partners=4)
    await rig.pool.execute(
        "create function slow() returns trigger language plpgsql as"
        " $$ begin perform pg_sleep(0.025); return new; end $$"
    )
    await rig.pool.execute("create trigger slow before insert on heard__g1 for each row execute function slow()")
    await rig.pool.execute("alter role current_user set transaction_timeout = '400ms'")
    await rig.pool.expire_connections()
    await asyncio.wait_for(rig.consume(view, topic), 20)
    assert await rig.parked(view) == {}
    assert await rig.pool.fetchval("select count(*) from heard where times = 1") == len(topic.records)


async def test_what_was_too_much_for_a_transaction_is_not_tried_again_with_the_next_records(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "SLOW_SECONDS", 0.0)  # nothing is quick here
    topic, sizes = Topic(), list[int]()

    async def handle(work: Work, facts: Sequence[Fact[Any]]) -> None:
        sizes.append(len(facts))
        if len(facts) > 5:
            raise asyncpg.QueryCanceledError("the transaction took too long")

    subscription = Subscription("risk.slow", ("partner",), handle)
    busy(topic, partners=4)
    await rig.consume(subscription, topic)
    assert max(sizes) > 5
    sizes.clear()
    busy(topic, partners=4)
    await rig.consume(subscription, topic)
    assert max(sizes) <= 5


async def test_bites_grow_again_while_they_are_quick(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SLOW_SECONDS", math.inf)
    topic, sizes = Topic(), list[int]()

    async def handle(work: Work, facts: Sequence[Fact[Any]]) -> None:
        sizes.append(len(facts))
        if len(sizes) <= 3:
            raise asyncpg.QueryCanceledError("the transaction took too long")

    busy(topic, partners=4)
    await rig.consume(Subscription("risk.slow", ("partner",), handle), topic)
    first, *_, smallest, following = sizes[:5]
    assert (smallest, following) == (first // 8, first // 8 * 2)


async def test_a_batch_whose_streams_are_written_by_others_all_the_time_still_comes_through(rig: Rig) -> None:
    id = uuid4()
    topic = Topic()
    hot = [uuid4() for _ in range(25)]
    for _ in range(4):
        for partner in hot:
            topic.suspend(partner)
    policy = rig.policy()
    stop = asyncio.Event()

    async def rush(partner: UUID) -> None:
        while not stop.is_set():
            command = example.Impose(restriction_id=id, partner_id=partner, reason="by hand")
            try:
                await rig.execute(example.profiles, partner, command)
            except Conflict:
                continue

    writers = [asyncio.create_task(rush(partner)) for partner in hot[:4]]
    try:
        await asyncio.wait_for(rig.consume(policy, topic), 15)
    finally:
        stop.set()
        await asyncio.gather(*writers)
    owed = effects(raw for _, raw in topic.records)
    for partner in hot:
        assert tuple(s for s in await rig.seen(partner) if s != f"+{id}") == owed[partner]


# -- what is counted


async def test_work_that_is_rolled_back_is_not_counted(rig: Rig) -> None:
    topic, policy = Topic(), rig.policy()
    ids = busy(topic)
    rig.failpoints.fail("consumer_effect", *[asyncpg.InterfaceError("connection is closed")] * 3)
    await rig.consume(policy, topic)
    events = await rig.pool.fetchval("select count(*) from event")
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == events
    assert rig.metrics.registry.get_sample_value("cauce_commands_total", {"outcome": "accepted"}) == events
    assert events == sum([len(await rig.seen(id)) for id in ids])
    assert rig.woken == 1  # the relay is woken by what was committed


async def test_work_that_a_poisoned_neighbour_took_back_is_not_counted_either(rig: Rig) -> None:
    poisoned = uuid4()

    def react(fact: Any) -> Any:
        if fact.event.partner_id == poisoned:
            raise ValueError("cannot be handled")
        return example.mirror(fact)

    topic, policy = Topic(), rig.policy(Policy("mirror", "partner", react))
    for _ in range(8):
        topic.suspend(uuid4())
    topic.suspend(poisoned)
    await rig.consume(policy, topic)
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == 8


# -- order


async def test_effects_of_one_batch_are_appended_in_the_order_of_their_causes(rig: Rig) -> None:
    one = uuid4()

    def to_one(fact: Any) -> Any:
        cause = fact.event.cause
        yield Send(
            example.profiles, one, example.Impose(restriction_id=cause.cause_id, partner_id=one, reason=cause.reason)
        )

    topic = Topic()
    sent = [topic.suspend(uuid4()) for _ in range(30)]
    await rig.consume(rig.policy(Policy("mirror", "partner", to_one)), topic, applier=rig.another(batch=7))
    decode = HEARD_FROM_PARTNER.codec.decode
    assert await rig.seen(one) == tuple(f"+{decode(raw.type, raw.data).cause.cause_id}" for raw in sent)  # type: ignore[attr-defined]
