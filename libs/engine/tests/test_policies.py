"""What a policy leads to: commands of known ids, refusals recorded, reads of the service's own views."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

import engine_example as example
import pytest
from engine import Command, Context, Decider, Fact, Policy, Rejected, Rows, Send, SetTimer, Table, Unknown, View
from engine.store import Intent
from engine_reading import NOON, Rig, Topic, effects
from events.partner import PartnerSuspended
from events.risk import RestrictionImposed, RestrictionLifted


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


# -- outcomes


class Strict(Command):
    reason: str


def judge_strictly(command: Strict, profile: example.Profile, now: datetime) -> list[Any]:
    match command.reason:
        case "refuse":
            raise Rejected("risk.too_late", allowed_until=now)
        case "unknown":
            raise Unknown("risk.profile_unknown")
        case "nothing":
            return []
        case reason:
            imposed = RestrictionImposed(
                restriction_id=uuid5(UUID(int=0), f"{reason} {now}"),
                partner_id=UUID(int=1),
                kind="suspension",
                reason=reason,
                evidence=(),
            )
            return [imposed]


strict = Decider("risk_profile", judge_strictly, example.see, example.Profile, RestrictionImposed | RestrictionLifted)


def strictly(fact: Fact[PartnerSuspended]) -> Iterator[Send]:
    yield Send(strict, fact.event.partner_id, Strict(reason=fact.event.cause.reason))


@pytest.fixture
async def strict_rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database, (strict,)) as made:
        yield made


@pytest.mark.parametrize(("reason", "code"), [("refuse", "risk.too_late"), ("unknown", "risk.profile_unknown")])
async def test_a_refused_command_is_recorded_and_parks_nothing(strict_rig: Rig, reason: str, code: str) -> None:
    rig, topic, partner = strict_rig, Topic(), uuid4()
    policy = rig.policy(Policy("strict", "partner", strictly))
    raw = topic.suspend(partner, reason)
    after = topic.suspend(partner, "late payment")
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {}
    [refused, accepted] = await rig.pool.fetch("select * from command order by refusal is null")
    assert refused["id"] == uuid5(raw.id, "risk.strict:0")
    assert code.encode() in refused["refusal"]
    assert (accepted["id"], accepted["events"]) == (uuid5(after.id, "risk.strict:0"), 1)
    assert rig.metrics.registry.get_sample_value("cauce_commands_total", {"outcome": "refused"}) == 1


async def test_any_other_error_of_a_rule_parks_the_stream(strict_rig: Rig) -> None:
    def broken(command: Strict, profile: Any, now: datetime) -> list[Any]:
        raise ZeroDivisionError("a rule that divides")

    decider = Decider("risk_profile", broken, example.see, example.Profile, RestrictionImposed | RestrictionLifted)
    rig, topic = strict_rig, Topic()
    rig.store.deciders = {"risk_profile": decider}
    raw = topic.suspend(uuid4())

    def react(fact: Any) -> Any:
        yield Send(decider, fact.event.partner_id, Strict(reason="x"))

    policy = rig.policy(Policy("broken", "partner", react))
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {raw.stream: [1]}
    assert await rig.pool.fetchval("select error from parked_event") == "ZeroDivisionError: a rule that divides"


@pytest.mark.parametrize("reason", ["nothing", "refuse", "late payment"])
async def test_a_redelivery_is_harmless_by_the_commands_id_also_where_it_led_to_no_event(
    strict_rig: Rig, reason: str
) -> None:
    rig, topic = strict_rig, Topic()
    policy = rig.policy(Policy("strict", "partner", strictly))
    raw = topic.suspend(uuid4(), reason)
    await rig.consume(policy, topic)
    before = [tuple(row) for row in await rig.pool.fetch("select * from command")]
    events = await rig.pool.fetchval("select count(*) from event")
    assert len(before) == 1
    # even a consumer that lost its offsets altogether
    await rig.pool.execute("delete from consumer_offset")
    await rig.consume(policy, topic)
    assert [tuple(row) for row in await rig.pool.fetch("select * from command")] == before
    assert await rig.pool.fetchval("select count(*) from event") == events
    assert before[0][0] == uuid5(raw.id, "risk.strict:0")


async def test_without_the_commands_record_that_redelivery_would_have_a_second_effect(strict_rig: Rig) -> None:
    rig, topic = strict_rig, Topic()
    policy = rig.policy(Policy("strict", "partner", strictly))
    topic.suspend(uuid4())
    await rig.consume(policy, topic)
    await rig.pool.execute("delete from consumer_offset")
    await rig.pool.execute("delete from command")
    await rig.consume(policy, topic)
    assert await rig.pool.fetchval("select count(*) from event") == 2


async def test_every_effect_says_what_caused_it_and_when_it_happened_in_the_business(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    raw = topic.suspend(partner)
    await rig.consume(rig.policy(), topic)
    async with rig.pool.acquire() as db:
        [fact] = await rig.store.history(db, f"risk_profile-{partner}")
    assert (fact.causation_id, fact.correlation_id) == (raw.id, raw.correlation_id)
    assert fact.actor == "policy:risk.mirror"
    assert fact.occurred_at == raw.occurred_at


async def test_a_command_with_a_business_time_of_its_own_keeps_it(rig: Rig) -> None:
    at = NOON - timedelta(days=9)

    def react(fact: Any) -> Any:
        yield Send(
            example.profiles,
            fact.event.partner_id,
            example.Impose(restriction_id=uuid4(), partner_id=fact.event.partner_id, reason="x", occurred_at=at),
        )

    topic = Topic()
    topic.suspend(uuid4())
    await rig.consume(rig.policy(Policy("dated", "partner", react)), topic)
    assert await rig.pool.fetchval("select occurred_at from event") == at


# -- since


async def test_a_new_policy_does_not_command_over_history(rig: Rig) -> None:
    topic, old, new = Topic(), uuid4(), uuid4()
    for n in range(20):
        topic.suspend(old, recorded_at=NOON - timedelta(days=20 - n))
    first = topic.suspend(new, recorded_at=NOON)
    later = topic.suspend(new, recorded_at=NOON + timedelta(seconds=1))
    policy = rig.policy(Policy("mirror", "partner", example.mirror, since=NOON))
    await rig.consume(policy, topic)
    assert await rig.seen(old) == ()
    assert await rig.seen(new) == effects([first, later])[new]
    assert await rig.offset(policy, topic) == len(topic.records)


async def test_history_that_a_new_policy_passes_over_need_not_even_be_readable(rig: Rig) -> None:
    topic = Topic()
    topic.suspend(uuid4(), recorded_at=NOON - timedelta(days=1), type="cauce.partner.PartnerSuspended.v9")
    policy = rig.policy(Policy("mirror", "partner", example.mirror, since=NOON))
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {}


# -- gather


async def count_of(db: Rows, fact: Fact[Any]) -> int:
    found: int = await db.fetchval("select count(*) from heard where stream = $1", fact.stream)
    return found


async def test_gather_reads_the_services_own_views_and_react_stays_pure(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    view = await rig.view()
    seen: list[tuple[int, int]] = []

    def react(fact: Fact[Any], count: int) -> Iterator[Send]:
        seen.append((fact.version, count))
        yield from example.mirror(fact)

    topic.suspend(partner)
    topic.suspend(partner)
    await rig.consume(view, topic)
    policy = rig.policy(Policy("gathering", "partner", react, count_of))
    await rig.consume(policy, topic)
    assert seen == [(1, 2), (2, 2)]
    assert len(await rig.seen(partner)) == 2


async def test_gather_reads_in_the_transaction_of_the_effects(rig: Rig) -> None:
    topic = Topic()
    transactions: list[Any] = []

    async def gather(db: Rows, fact: Fact[Any]) -> None:
        transactions.append(await db.fetchval("select pg_current_xact_id()::text"))

    topic.suspend(uuid4())
    policy = rig.policy(Policy("gathering", "partner", lambda fact, _: example.mirror(fact), gather))
    await rig.consume(policy, topic)
    [xmin] = await rig.pool.fetchrow("select xmin::text from event")
    assert transactions == [xmin]


async def test_gather_reads_views_as_before_the_batch_and_what_must_hold_is_judged_by_decide(
    engine_database: str,
) -> None:
    open_ones = Table("open_ones", "partner_id uuid primary key, n int not null")
    gathered: list[int] = []

    def keep(fact: Fact[Any]) -> Any:
        yield open_ones.sql(
            "insert into {table} as t (partner_id, n) values ($1, 1)"
            " on conflict (partner_id) do update set n = t.n + 1",
            fact.stream_id,
        )

    async def gather(db: Rows, fact: Fact[Any]) -> int:
        return await db.fetchval("select n from open_ones where partner_id = $1", fact.stream_id) or 0

    def mirror(fact: Fact[Any], already: int) -> Iterator[Send]:
        gathered.append(already)
        for send in example.mirror(fact):
            yield Send(at_most_two, send.id, send.command)

    def judge(command: Any, profile: example.Profile, now: datetime) -> list[Any]:
        if len(profile.open) >= 2:
            raise Rejected("risk.two_are_enough")
        return example.judge(command, profile, now)

    at_most_two = Decider("risk_profile", judge, example.see, example.Profile, RestrictionImposed | RestrictionLifted)
    async with Rig.on(engine_database, (at_most_two,)) as rig:
        view = View("open_ones", 1, (open_ones,), keep, inline=True)
        await rig.view(view)
        rig.store.inline = ((view, 1),)
        topic, partner = Topic(), uuid4()
        for _ in range(5):
            topic.suspend(partner)
        await rig.consume(rig.policy(Policy("at_most_two", "partner", mirror, gather)), topic)
        assert gathered == [0, 0, 0, 0, 0]
        assert len(await rig.seen(partner)) == 2
        assert await rig.pool.fetchval("select n from open_ones") == 2
        assert await rig.pool.fetchval("select count(*) from command where refusal is not null") == 3


async def test_a_view_that_took_over_with_other_columns_parks_nobody_who_gathers_from_it(rig: Rig) -> None:
    topic, view = Topic(), await rig.view()
    rows: list[int] = []

    async def gather(db: Rows, fact: Fact[Any]) -> None:
        rows.append(len(await db.fetch("select * from heard")))

    policy = rig.policy(Policy("gathering", "partner", lambda fact, _: example.mirror(fact), gather))
    topic.suspend(uuid4())
    await rig.consume(view, topic)
    await rig.consume(policy, topic)  # its statement is prepared and kept
    for _ in range(3):
        await rig.pool.execute("drop view heard; alter table heard__g1 add column more int default 1")
        await rig.pool.execute("create view heard as select * from heard__g1")
        await rig.pool.execute("alter table heard__g1 rename column more to more_still")
        await rig.pool.execute(f"alter table heard__g1 rename column more_still to m{len(rows)}")
        topic.suspend(uuid4())
        await rig.consume(policy, topic)
    assert await rig.parked(policy) == {}
    assert await rig.pool.fetchval("select count(*) from event") == 4


# -- what a policy may not do


async def test_a_policys_timer_without_a_command_is_refused_where_it_is_set(rig: Rig) -> None:
    topic = Topic()
    raw = topic.suspend(uuid4())
    policy = rig.policy(Policy("timing", "partner", lambda fact: [SetTimer("k", NOON)]))
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {raw.stream: [1]}
    assert await rig.pool.fetchval("select count(*) from timer") == 0
    assert "wakes only a process manager" in await rig.pool.fetchval("select error from parked_event")


# -- what it hears


async def test_a_type_never_heard_of_is_passed_over_and_an_unknown_major_of_a_known_one_is_not(rig: Rig) -> None:
    topic = Topic()
    news, major, nonsense, known = uuid4(), uuid4(), uuid4(), uuid4()
    topic.suspend(news, type="cauce.partner.PartnerPromoted.v1")
    parked = topic.suspend(major, type="cauce.partner.PartnerSuspended.v2")
    odd = topic.suspend(nonsense, type="PartnerSuspended")
    topic.suspend(known)
    policy = rig.policy()
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {parked.stream: [1], odd.stream: [1]}
    assert len(await rig.seen(known)) == 1
    assert await rig.seen(news) == ()


async def test_a_known_type_whose_data_cannot_be_read_is_parked(rig: Rig) -> None:
    topic = Topic()
    raw = topic.suspend(uuid4())
    topic.records[0] = (0, raw._replace(data=b"{}"))
    policy = rig.policy()
    await rig.consume(policy, topic)
    assert await rig.parked(policy) == {raw.stream: [1]}


async def test_an_id_sent_twice_by_one_caller_at_once_has_one_effect(rig: Rig) -> None:
    partner, id = uuid4(), uuid4()
    command = example.Impose(restriction_id=uuid4(), partner_id=partner, reason="x")
    intent = Intent(Send(example.profiles, partner, command), NOON, Context("tester"), command_id=id)
    async with rig.pool.acquire() as db, db.transaction():
        outcomes = await rig.store.execute(db, [intent, intent])
    assert len(await rig.seen(partner)) == 1
    assert outcomes[0] == outcomes[1]
