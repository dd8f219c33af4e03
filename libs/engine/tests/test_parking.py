"""An event that cannot be handled parks its stream and nothing else; parked streams are drained in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
import pytest
from engine import Policy, Send
from engine.errors import Unavailable
from engine.subscriptions import Subscription
from engine_reading import HEARD_FROM_PARTNER, Rig, Topic, effects, killed, until


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


class Poison:
    """The mirror policy, which cannot handle suspensions whose reason says so until it is mended."""

    def __init__(self) -> None:
        self.mended = False
        self.calls: Counter[int] = Counter()

    def __call__(self, fact: Any) -> Iterator[Send]:
        self.calls[fact.position] += 1
        cause = getattr(fact.event, "cause", None)
        if cause is not None and cause.reason.startswith("poison") and not self.mended:
            raise ValueError(f"cannot handle {cause.reason}")
        return example.mirror(fact)


@pytest.fixture
def poison() -> Poison:
    return Poison()


def mirror(rig: Rig, poison: Poison) -> Subscription:
    return rig.policy(Policy("mirror", "partner", poison))


async def retry(rig: Rig, subscription: Subscription, stream: str) -> tuple[int, int, str | None]:
    result = await rig.parking.retry(subscription, lambda source: HEARD_FROM_PARTNER, stream)
    return result.handled, result.remaining, result.error


# -- parked


async def test_a_poisoned_event_parks_its_stream_and_the_others_flow(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    others = [uuid4() for _ in range(6)]
    sent = [topic.suspend(id) for id in others[:3]]
    raw = topic.suspend(bad, "poison")
    sent += [topic.suspend(id) for id in others[3:]]
    policy = mirror(rig, poison)
    await rig.consume(policy, topic)
    owed = effects(sent)
    assert {id: await rig.seen(id) for id in others} == owed
    assert await rig.seen(bad) == ()
    [stream] = await rig.parking.streams()
    assert (stream.subscription, stream.stream, stream.events) == ("risk.mirror", raw.stream, 1)
    assert stream.reason == "ValueError: cannot handle poison"
    assert await rig.offset(policy, topic) == len(topic.records)


async def test_later_events_of_a_parked_stream_join_its_queue_and_are_drained_in_order(
    rig: Rig, poison: Poison
) -> None:
    topic, bad, good = Topic(), uuid4(), uuid4()
    policy = mirror(rig, poison)
    topic.suspend(bad)
    topic.suspend(bad, "poison")
    topic.suspend(bad)  # in the same batch
    await rig.consume(policy, topic)
    topic.suspend(good)
    topic.suspend(bad)  # in a later one
    topic.reinstate(bad, uuid4())
    await rig.consume(policy, topic)
    stream = f"partner-{bad}"
    assert await rig.parked(policy) == {stream: [2, 3, 4, 5]}
    assert len(await rig.seen(bad)) == 1
    assert len(await rig.seen(good)) == 1
    poison.mended = True
    assert await retry(rig, policy, stream) == (4, 0, None)
    assert await rig.seen(bad) == effects(raw for _, raw in topic.records)[bad]
    topic.suspend(bad)  # and the stream flows again
    await rig.consume(policy, topic)
    assert await rig.seen(bad) == effects(raw for _, raw in topic.records)[bad]
    assert await rig.parked(policy) == {}


async def test_bisection_finds_the_one_poisoned_event_in_a_batch_of_five_hundred(rig: Rig, poison: Poison) -> None:
    topic = Topic()
    ids = [uuid4() for _ in range(500)]
    for n, id in enumerate(ids):
        topic.suspend(id, "poison" if n == 321 else "late payment")
    policy = mirror(rig, poison)
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {f"partner-{ids[321]}": [1]}
    assert await rig.pool.fetchval("select count(*) from event") == 499
    assert await rig.pool.fetchval("select count(distinct stream) from event") == 499
    assert poison.calls[1] <= 3  # by halves, not one by one
    assert sum(poison.calls.values()) < 2500
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == 499


async def test_several_poisoned_events_of_one_batch_are_each_found(rig: Rig, poison: Poison) -> None:
    topic = Topic()
    ids = [uuid4() for _ in range(60)]
    bad = {3, 4, 17, 31, 32, 59}
    for n, id in enumerate(ids):
        topic.suspend(id, "poison" if n in bad else "late payment")
        topic.suspend(id)
    policy = mirror(rig, poison)
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {f"partner-{ids[n]}": [1, 2] for n in bad}
    assert await rig.pool.fetchval("select count(*) from event") == 2 * (60 - len(bad))


async def test_a_statement_that_the_database_refuses_parks_like_any_other_error(rig: Rig) -> None:
    topic, view, bad = Topic(), await rig.view(), uuid4()
    await rig.pool.execute(f"alter table heard__g1 add check (stream <> 'partner-{bad}')")
    for id in (uuid4(), bad, uuid4()):
        topic.suspend(id)
    await rig.consume(view, topic)
    assert await rig.parked(view) == {f"partner-{bad}": [1]}
    assert await rig.pool.fetchval("select count(*) from heard") == 2


async def test_streams_are_parked_for_the_subscription_that_cannot_handle_them_and_for_no_other(
    rig: Rig, poison: Poison
) -> None:
    topic, view, bad = Topic(), await rig.view(), uuid4()
    topic.suspend(bad, "poison")
    policy = mirror(rig, poison)
    for subscription in (policy, view):
        await rig.consume(subscription, topic)
    assert await rig.parked(view) == {}
    assert await rig.pool.fetchval("select count(*) from heard") == 1
    assert len(await rig.parked(policy)) == 1


async def test_an_unreadable_record_is_parked_and_can_be_dropped_with_a_reason(rig: Rig) -> None:
    from engine.consumer import _read

    class Record:
        topic, partition, offset, timestamp = "partner.events", 0, 1, 1_700_000_000_000

        def __init__(self, headers: list[tuple[str, bytes | None]], value: bytes | None) -> None:
            self.headers, self.value = headers, value

    topic, good = Topic(), uuid4()
    topic.suspend(good)
    shapes = [
        Record([], b"hello"),
        Record([], None),
        Record([("ce_id", None)], b"{}"),
        Record([("ce_id", b"\xff")], b"{}"),
        Record([("ce_id", b"not a uuid")], b"\x00\xff"),
    ]
    for n, shape in enumerate(shapes, 1):
        shape.offset = n  # type: ignore[misc]
        topic.records.append((n, _read(shape)))
    topic.suspend(good, position=7)
    policy = rig.policy()
    await rig.consume(policy, topic)
    assert len(await rig.seen(good)) == 2
    streams = await rig.parking.streams("risk.mirror")
    assert len(streams) == len(shapes)
    for stream in streams:
        handled, remaining, error = await retry(rig, policy, stream.stream)
        assert (handled, remaining) == (0, 1)
        assert error is not None
        assert await rig.parking.drop("risk.mirror", stream.stream, "not one of ours", "carla") == 1
    assert await rig.parking.streams() == []
    dropped = await rig.pool.fetch("select * from dropped_event order by position")
    assert {(row["reason"], row["dropped_by"]) for row in dropped} == {("not one of ours", "carla")}
    assert dropped[0]["data"] == b"hello"
    await rig.consume(policy, topic)
    assert len(await rig.seen(good)) == 2


# -- retried and dropped


async def test_a_retry_that_fails_again_keeps_the_rest_and_says_what_stopped_it(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy, stream = mirror(rig, poison), f"partner-{bad}"
    topic.suspend(bad, "poison 1")
    topic.suspend(bad)
    topic.suspend(bad, "poison 2")
    topic.suspend(bad)
    await rig.consume(policy, topic)
    assert await retry(rig, policy, stream) == (0, 4, "ValueError: cannot handle poison 1")
    assert await rig.seen(bad) == ()
    assert await rig.parking.drop("risk.mirror", stream, "known to be wrong", "carla") == 1
    assert await retry(rig, policy, stream) == (1, 2, "ValueError: cannot handle poison 2")
    [parked] = await rig.parking.streams()
    assert (parked.reason, parked.events) == ("ValueError: cannot handle poison 2", 2)
    poison.mended = True
    assert await retry(rig, policy, stream) == (2, 0, None)
    assert await rig.seen(bad) == effects([raw for _, raw in topic.records][1:])[bad]
    assert await retry(rig, policy, stream) == (0, 0, None)


async def test_a_dropped_event_is_kept_with_reason_and_actor_and_the_rest_stays_parked(
    rig: Rig, poison: Poison
) -> None:
    topic, bad = Topic(), uuid4()
    policy = mirror(rig, poison)
    raw = topic.suspend(bad, "poison")
    topic.suspend(bad)
    await rig.consume(policy, topic)
    assert await rig.parking.drop("risk.mirror", raw.stream, "refunded by hand", "carla") == 1
    [row] = await rig.pool.fetch("select * from dropped_event")
    assert (row["id"], row["reason"], row["dropped_by"]) == (raw.id, "refunded by hand", "carla")
    assert row["error"] == "ValueError: cannot handle poison"
    assert await rig.parked(policy) == {raw.stream: [2]}
    assert await rig.parking.drop("risk.mirror", "partner-" + str(uuid4()), "no such", "carla") == 0


async def test_more_events_than_one_transaction_takes_are_drained_in_order(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy = mirror(rig, poison)
    topic.suspend(bad, "poison")
    for _ in range(69):
        topic.suspend(bad)
    await rig.consume(policy, topic)
    poison.mended = True
    assert await retry(rig, policy, f"partner-{bad}") == (70, 0, None)
    assert await rig.seen(bad) == effects(raw for _, raw in topic.records)[bad]
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == 70


async def test_a_retry_killed_in_the_middle_leaves_each_event_handled_or_parked(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy, stream = mirror(rig, poison), f"partner-{bad}"
    topic.suspend(bad, "poison")
    for _ in range(59):
        topic.suspend(bad)
    await rig.consume(policy, topic)
    poison.mended = True
    retrying = asyncio.create_task(retry(rig, policy, stream))
    await until(lambda: rig.pool.fetchval("select count(*) from event"), what="the first transaction of the retry")
    await killed(retrying)
    done = len(await rig.seen(bad))
    assert await retry(rig, policy, stream) == (60 - done, 0, None)
    assert await rig.seen(bad) == effects(raw for _, raw in topic.records)[bad]


# -- against the live consumer


async def test_retries_and_the_live_consumer_at_once_neither_double_nor_lose_nor_reorder(
    rig: Rig, poison: Poison
) -> None:
    topic = Topic()
    partners = [uuid4() for _ in range(3)]
    policy = mirror(rig, poison)
    for partner in partners:
        topic.suspend(partner, "poison")
    await rig.consume(policy, topic)
    for _ in range(60):
        for partner in partners:
            topic.suspend(partner)
    poison.mended = True
    live = asyncio.create_task(rig.consume(policy, topic, applier=rig.another(batch=4)))
    retried: Counter[UUID] = Counter()

    async def keep_retrying(partner: UUID) -> None:
        while not live.done():
            handled, _, error = await retry(rig, policy, f"partner-{partner}")
            assert error is None
            retried[partner] += handled
        handled, remaining, _ = await retry(rig, policy, f"partner-{partner}")
        retried[partner] += handled
        assert remaining == 0

    await asyncio.gather(live, *(keep_retrying(partner) for partner in [*partners, *partners]))
    assert all(retried.values())
    assert await rig.parked(policy) == {}
    assert {p: await rig.seen(p) for p in partners} == effects(raw for _, raw in topic.records)


async def test_a_retry_waits_for_the_batch_that_the_live_consumer_has_in_hand(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy, stream = mirror(rig, poison), f"partner-{bad}"
    topic.suspend(bad, "poison")
    await rig.consume(policy, topic)
    topic.suspend(bad)
    gate = rig.failpoints.pause("consumer_effect")
    live = asyncio.create_task(rig.consume(policy, topic))
    await asyncio.wait_for(gate.reached.wait(), 5)
    poison.mended = True
    retrying = asyncio.create_task(retry(rig, policy, stream))
    await until(rig.someone_waits, what="the retry waits for the partition")
    gate.open()
    await live
    assert await retrying == (2, 0, None)
    assert await rig.seen(bad) == effects(raw for _, raw in topic.records)[bad]


async def test_without_the_partitions_lock_that_retry_would_leave_an_event_behind(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy, stream = mirror(rig, poison), f"partner-{bad}"
    topic.suspend(bad, "poison")
    await rig.consume(policy, topic)
    topic.suspend(bad)
    gate = rig.failpoints.pause("consumer_effect")
    live = asyncio.create_task(rig.consume(policy, topic))
    await asyncio.wait_for(gate.reached.wait(), 5)
    poison.mended = True

    async def no_lock(db: Any, subscription: str, stream: str) -> dict[UUID, str]:
        return {topic.id: "partner"}

    rig.parking._lock_places = no_lock  # type: ignore[method-assign]
    assert await retry(rig, policy, stream) == (1, 0, None)
    gate.open()
    await live
    assert await rig.parked(policy) == {stream: [2]}  # parked, though the stream was drained


# -- what passes by itself


async def test_a_retry_outlives_what_passes_by_itself(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    failures = [ConnectionResetError(), asyncpg.InterfaceError("connection is closed")]

    def flaky(fact: Any) -> Iterator[Send]:
        if poison.mended and failures:
            raise failures.pop()
        return poison(fact)

    policy = rig.policy(Policy("mirror", "partner", flaky))
    topic.suspend(bad, "poison")
    topic.suspend(bad)
    await rig.consume(policy, topic)
    poison.mended = True
    assert await retry(rig, policy, f"partner-{bad}") == (2, 0, None)
    assert len(await rig.seen(bad)) == 2


async def test_a_retry_that_never_comes_through_ends_and_keeps_what_is_parked(rig: Rig, poison: Poison) -> None:
    topic, bad = Topic(), uuid4()
    policy = mirror(rig, poison)
    topic.suspend(bad, "poison")
    await rig.consume(policy, topic)

    def away(fact: Any) -> Iterator[Send]:
        raise ConnectionRefusedError

    with pytest.raises(Unavailable):
        await asyncio.wait_for(retry(rig, rig.policy(Policy("mirror", "partner", away)), f"partner-{bad}"), 10)
    assert await rig.parked(policy) == {f"partner-{bad}": [1]}
