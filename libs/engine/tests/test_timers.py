"""Timers fire once, at their business time, in order, whoever dies and however many workers there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import asyncpg
import engine_example as example
import pytest
from engine import Become, CancelTimer, Command, Decider, Fact, Policy, Process, Rejected, Send, SetTimer, Step
from engine.errors import Fenced, ViewsChanged
from engine.leases import Lease
from engine.timers import Timers
from engine_reading import NOON, Clock, Rig, Topic, killed, until
from events.partner import PartnerReinstated, PartnerSuspended
from events.risk import RestrictionImposed, RestrictionLifted
from structlog.testing import capture_logs

DAY = timedelta(days=1)


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


def worker(rig: Rig, clock: Clock, name: str = "one", *, lease_seconds: float = 10.0, **changed: Any) -> Timers:
    options: dict[str, Any] = {
        "clock": clock,
        "views_changed": rig._views_changed,
        "appended": rig._appended,
        "failpoint": rig.failpoints,
        "poll": 0.05,
    }
    lease = Lease("timers", name, lease_seconds)
    return Timers(rig.pool, rig.store, rig.metrics, lease, rig.processes, **{**options, **changed})


async def lead(rig: Rig, timers: Timers) -> bool:
    async with rig.pool.acquire() as db:
        return await timers._lease.acquire(db)


async def fire_all(rig: Rig, timers: Timers) -> int:
    assert await lead(rig, timers)
    fired = 0
    while await timers.fire_one():
        fired += 1
    return fired


def impose(partner: UUID, reason: str) -> Send:
    id = uuid5(partner, reason)
    return Send(example.profiles, partner, example.Impose(restriction_id=id, partner_id=partner, reason=reason))


def effect(partner: UUID, reason: str) -> str:
    return f"+{uuid5(partner, reason)}"


def remind(fact: Fact[Any]) -> Iterator[SetTimer | CancelTimer]:
    """A suspension's reason says in how many days it is followed up; a reinstatement calls that off."""
    match fact.event:
        case PartnerSuspended(partner_id=id, cause=cause):
            at = NOON + int(cause.reason) * DAY
            yield SetTimer(f"follow-up {id}", at, impose(id, f"after {cause.reason} days"))
        case PartnerReinstated(partner_id=id):
            yield CancelTimer(f"follow-up {id}")


REMINDING = Policy("reminding", "partner", remind)


# -- at their time


async def test_a_timer_fires_once_when_its_business_time_has_come_and_not_before(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock()
    timers = worker(rig, clock)
    raw = topic.suspend(partner, "30")
    await rig.consume(rig.policy(REMINDING), topic)
    clock.now = NOON + 30 * DAY - timedelta(seconds=1)
    assert await fire_all(rig, timers) == 0
    clock.now = NOON + 31 * DAY
    assert await fire_all(rig, timers) == 1
    assert await fire_all(rig, timers) == 0
    async with rig.pool.acquire() as db:
        [fact] = await rig.store.history(db, f"risk_profile-{partner}")
    assert fact.occurred_at == NOON + 30 * DAY  # the timer's time, not the worker's
    assert (fact.causation_id, fact.correlation_id) == (raw.id, raw.correlation_id)
    assert fact.actor == "timer:risk.reminding"
    assert rig.woken == 1
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == 1


async def test_the_running_worker_fires_when_the_clock_gets_there(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock()
    timers = worker(rig, clock)
    topic.suspend(partner, "3")
    await rig.consume(rig.policy(REMINDING), topic)
    running = asyncio.create_task(timers.run())
    try:
        await until(lambda: rig.pool.fetchval("select epoch from lease where name = 'timers'"))
        assert await rig.seen(partner) == ()
        clock.now += 3 * DAY
        await until(lambda: rig.pool.fetchval("select count(*) from event"), what="fired")
        clock.now += 30 * DAY
        await asyncio.sleep(0.2)  # some turns of the worker, in which nothing may happen
        assert await rig.seen(partner) == (effect(partner, "after 3 days"),)
    finally:
        await killed(running)


async def test_a_moved_timer_fires_at_its_new_time_only_and_a_cancelled_one_never(rig: Rig) -> None:
    topic, moved, cancelled, clock = Topic(), uuid4(), uuid4(), Clock()
    policy, timers = rig.policy(REMINDING), worker(rig, clock)
    topic.suspend(moved, "10")
    topic.suspend(cancelled, "10")
    topic.suspend(moved, "20")
    topic.reinstate(cancelled, uuid4())
    await rig.consume(policy, topic)
    clock.now = NOON + 15 * DAY
    assert await fire_all(rig, timers) == 0
    clock.now = NOON + 99 * DAY
    assert await fire_all(rig, timers) == 1
    assert await rig.seen(moved) == (effect(moved, "after 20 days"),)
    assert await rig.seen(cancelled) == ()


async def test_several_due_timers_fire_in_the_order_in_which_they_occur(rig: Rig) -> None:
    topic, clock = Topic(), Clock()
    days = [7, 3, 9, 1, 4, 8, 2]
    for day in days:
        topic.suspend(uuid4(), str(day))
    await rig.consume(rig.policy(REMINDING), topic)
    clock.now = NOON + 8 * DAY
    assert await fire_all(rig, worker(rig, clock)) == 6
    occurred = [row["occurred_at"] for row in await rig.pool.fetch("select occurred_at from event order by position")]
    assert occurred == [NOON + day * DAY for day in sorted(days) if day <= 8]


async def test_a_timer_that_another_timer_sets_into_the_past_fires_in_the_same_sweep(rig: Rig) -> None:
    @dataclass(frozen=True)
    class Steps:
        n: int = 0

    def begin(state: Steps, fact: Fact[Any]) -> Iterator[Step]:
        yield SetTimer("next", NOON)

    def due(state: Steps, key: str, at: datetime) -> Iterator[Step]:
        assert key == "next"
        yield Become(Steps(state.n + 1))
        if state.n < 3:
            yield SetTimer("next", at + DAY)

    stepping = Process("stepping", ("partner",), lambda fact: "a/b c", Steps, begin, due)
    topic, clock = Topic(), Clock(NOON + 30 * DAY)
    topic.suspend(uuid4())
    await rig.consume(rig.process(stepping), topic)
    assert await fire_all(rig, worker(rig, clock)) == 4
    assert await rig.pool.fetchval("select state::text from process where key = 'a/b c'") == '{"n":4}'
    assert await rig.pool.fetchval("select count(*) from timer") == 0


# -- killed, and more than one


async def test_a_worker_killed_between_effect_and_commit_leaves_the_timer_to_fire_once(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock(NOON + 9 * DAY)
    topic.suspend(partner, "5")
    await rig.consume(rig.policy(REMINDING), topic)
    dying = worker(rig, clock)
    assert await lead(rig, dying)
    gate = rig.failpoints.pause("timer_effect")
    task = asyncio.create_task(dying.fire_one())
    await asyncio.wait_for(gate.reached.wait(), 5)
    await killed(task)
    assert await rig.seen(partner) == ()
    await rig.pool.execute("update lease set leased_until = '-infinity'")  # its lease runs out
    assert await fire_all(rig, worker(rig, clock, "two")) == 1
    assert await rig.seen(partner) == (effect(partner, "after 5 days"),)


async def test_two_workers_at_once_fire_each_timer_once(rig: Rig) -> None:
    topic, clock = Topic(), Clock()
    partners = [uuid4() for _ in range(30)]
    for n, partner in enumerate(partners):
        topic.suspend(partner, str(n))
    await rig.consume(rig.policy(REMINDING), topic)
    both = [
        asyncio.create_task(worker(rig, clock, name, lease_seconds=0.2).run()) for name in ("one", "two")
    ]  # nobody renews the leases: they change hands all the time
    try:
        for _ in partners:
            clock.now += DAY
            await asyncio.sleep(0.02)
        await until(lambda: rig.pool.fetchval("select not exists (select 1 from timer)"), what="all fired")
        await asyncio.sleep(0.3)
    finally:
        for task in both:
            await killed(task)
    for n, partner in enumerate(partners):
        assert await rig.seen(partner) == (effect(partner, f"after {n} days"),)


async def test_a_worker_whose_lease_went_to_another_fires_nothing(rig: Rig) -> None:
    topic, clock = Topic(), Clock(NOON + 9 * DAY)
    topic.suspend(uuid4(), "5")
    await rig.consume(rig.policy(REMINDING), topic)
    asleep, awake = worker(rig, clock), worker(rig, clock, "two")
    assert await lead(rig, asleep)
    assert not await lead(rig, awake)
    await rig.pool.execute("update lease set leased_until = '-infinity'")
    assert await lead(rig, awake)
    with pytest.raises(Fenced):
        await asleep.fire_one()
    assert await rig.pool.fetchval("select count(*) from event") == 0
    assert await fire_all(rig, awake) == 1


async def test_a_timer_moved_while_it_is_about_to_fire_does_not_fire(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock(NOON + 9 * DAY)
    policy, timers = rig.policy(REMINDING), worker(rig, clock)
    topic.suspend(partner, "5")
    await rig.consume(policy, topic)
    assert await lead(rig, timers)
    topic.suspend(partner, "50")
    gate = rig.failpoints.pause("consumer_effect")
    moving = asyncio.create_task(rig.consume(policy, topic))
    await asyncio.wait_for(gate.reached.wait(), 5)
    firing = asyncio.create_task(timers.fire_one())
    await until(rig.someone_waits, what="the worker waits for the timer's row")
    gate.open()
    await asyncio.gather(moving, firing)
    assert await rig.seen(partner) == ()
    assert await rig.pool.fetchval("select due_at from timer") == NOON + 50 * DAY


async def test_a_fact_and_a_timer_of_one_instance_at_once_neither_deadlock_nor_lose_an_update(rig: Rig) -> None:
    @dataclass(frozen=True)
    class Seen:
        n: int = 0

    def on_fact(state: Seen, fact: Fact[Any]) -> Iterator[Step]:
        yield Become(Seen(state.n + 1))
        yield SetTimer("next", NOON + DAY)

    def due(state: Seen, key: str, at: datetime) -> Iterator[Step]:
        yield Become(Seen(state.n + 10))

    counting = Process("counting", ("partner",), lambda fact: "one", Seen, on_fact, due)
    subscription, topic, clock = rig.process(counting), Topic(), Clock(NOON + 2 * DAY)
    timers = worker(rig, clock)
    topic.suspend(uuid4())
    await rig.consume(subscription, topic)
    assert await lead(rig, timers)
    # the fact has the instance and will want its timer; the timer's worker must wait before it has taken the timer
    topic.suspend(uuid4())
    gate = rig.failpoints.pause("timer_effect")
    firing = asyncio.create_task(timers.fire_one())
    await asyncio.wait_for(gate.reached.wait(), 5)
    consuming = asyncio.create_task(rig.consume(subscription, topic))
    await until(rig.someone_waits)
    gate.open()
    await asyncio.gather(firing, consuming)
    async with rig.pool.acquire() as other, other.transaction():
        await other.execute("select 1 from process where key = 'one' for update")
        firing = asyncio.create_task(timers.fire_one())
        await until(rig.someone_waits)
        await other.execute("set local lock_timeout = '200ms'")
        await other.execute("update timer set due_at = due_at where owner = 'risk.counting'")  # it is free
    await firing
    assert await rig.pool.fetchval("select state::text from process where key = 'one'") == '{"n":22}'


# -- what fails


class Break(Command):
    pass


def broken(command: Break, profile: example.Profile, now: datetime) -> list[Any]:
    raise ZeroDivisionError("cannot be decided")


def mended(command: Break, profile: example.Profile, now: datetime) -> list[Any]:
    return []


breaking = Decider("broken", broken, example.see, example.Profile, RestrictionImposed | RestrictionLifted)


async def test_a_timer_that_cannot_be_handled_is_set_aside_with_its_error_and_the_others_go_on(
    engine_database: str,
) -> None:
    def react(fact: Fact[Any]) -> Iterator[SetTimer]:
        id = fact.event.partner_id
        for day in (1, 3):
            yield SetTimer(f"{day}", NOON + day * DAY, impose(id, f"day {day}"))
        yield SetTimer("2", NOON + 2 * DAY, Send(breaking, id, Break()))

    async with Rig.on(engine_database, (example.profiles, breaking)) as rig:
        topic, partner, clock = Topic(), uuid4(), Clock(NOON + 9 * DAY)
        timers = worker(rig, clock)
        policy = rig.policy(Policy("breaking", "partner", react))
        topic.suspend(partner)
        await rig.consume(policy, topic)
        await fire_all(rig, timers)
        assert await rig.seen(partner) == (effect(partner, "day 1"), effect(partner, "day 3"))
        [aside] = await rig.pool.fetch("select key, error from timer")
        assert tuple(aside) == ("2", "ZeroDivisionError: cannot be decided")
        # once mended and set again it fires
        topic.suspend(partner)
        rig.store.deciders["broken"] = replace(breaking, decide=mended)  # type: ignore[index]
        await rig.consume(policy, topic)
        assert await fire_all(rig, timers) == 3
        assert await rig.pool.fetchval("select count(*) from timer") == 0


async def test_a_timer_of_a_process_manager_that_is_not_there_is_left_to_who_has_it(rig: Rig) -> None:
    await rig.pool.execute(
        "insert into timer (owner, key, due_at, correlation_id, causation_id) values ('risk.gone', 'a/b', $1, $2, $2)",
        NOON,
        uuid4(),
    )
    with capture_logs() as logs:
        await fire_all(rig, worker(rig, Clock(NOON + DAY)))
    assert [entry["owner"] for entry in logs if entry["event"] == "timer_left"] == ["risk.gone"]
    assert await rig.pool.fetchval("select count(*) from timer where error is null") == 1


async def test_an_error_that_passes_by_itself_sets_no_timer_aside(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock(NOON + 9 * DAY)
    topic.suspend(partner, "1")
    await rig.consume(rig.policy(REMINDING), topic)
    rig.failpoints.fail(
        "timer_effect", ConnectionResetError(), asyncpg.InterfaceError("connection is closed"), ViewsChanged()
    )
    running = asyncio.create_task(worker(rig, clock).run())
    try:
        await until(lambda: rig.pool.fetchval("select not exists (select 1 from timer)"), what="fired in the end")
    finally:
        await killed(running)
    assert await rig.seen(partner) == (effect(partner, "after 1 days"),)
    assert rig.metrics.registry.get_sample_value("cauce_events_appended_total") == 1


async def test_the_worker_outlives_a_database_that_is_away_while_it_reads_the_views_anew(rig: Rig) -> None:
    topic, partner, clock = Topic(), uuid4(), Clock(NOON + 9 * DAY)
    topic.suspend(partner, "1")
    await rig.consume(rig.policy(REMINDING), topic)
    failures = [ConnectionRefusedError(), ConnectionRefusedError()]

    async def away() -> None:
        if failures:
            raise failures.pop()

    rig.failpoints.fail("timer_effect", ViewsChanged())
    running = asyncio.create_task(worker(rig, clock, views_changed=away).run())
    try:
        await until(lambda: rig.pool.fetchval("select count(*) from event"), what="fired in the end")
    finally:
        await killed(running)
    assert not failures


async def test_a_timers_refused_command_is_an_outcome_and_the_timer_is_done(engine_database: str) -> None:
    def refusing(command: Break, profile: example.Profile, now: datetime) -> list[Any]:
        raise Rejected("risk.not_now")

    decider = Decider("broken", refusing, example.see, example.Profile, RestrictionImposed | RestrictionLifted)
    async with Rig.on(engine_database, (decider,)) as rig:
        topic, clock = Topic(), Clock(NOON + 9 * DAY)
        topic.suspend(uuid4())
        send = Send(decider, uuid4(), Break())
        await rig.consume(rig.policy(Policy("r", "partner", lambda fact: [SetTimer("k", NOON, send)])), topic)
        assert await fire_all(rig, worker(rig, clock)) == 1
        assert await rig.pool.fetchval("select count(*) from timer") == 0
        assert b"risk.not_now" in await rig.pool.fetchval("select refusal from command")


# -- while history is loaded


async def test_during_a_backfill_timers_fire_by_the_date_reached_in_order_and_then_by_the_clock_again(rig: Rig) -> None:
    topic, clock = Topic(), Clock(NOON + 4000 * DAY)  # the wall clock is far ahead of the history that is loaded
    partners = {day: uuid4() for day in (5, 40, 20, 100)}
    for day, partner in partners.items():
        topic.suspend(partner, str(day))
    timers = worker(rig, clock)
    await rig.pool.execute("update store set backfill_reached = $1", NOON)
    await rig.consume(rig.policy(REMINDING), topic)

    async def fired() -> list[int]:
        rows = await rig.pool.fetch("select occurred_at from event order by position")
        return [(row["occurred_at"] - NOON) // DAY for row in rows]

    assert await fire_all(rig, timers) == 0
    await rig.pool.execute("update store set backfill_reached = $1", NOON + 30 * DAY)
    await fire_all(rig, timers)
    assert await fired() == [5, 20]
    await rig.pool.execute("update store set backfill_reached = $1", NOON + 50 * DAY)
    await fire_all(rig, timers)
    assert await fired() == [5, 20, 40]
    await rig.pool.execute("update store set backfill_reached = null")
    await fire_all(rig, timers)
    assert await fired() == [5, 20, 40, 100]
