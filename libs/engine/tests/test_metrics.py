"""What the engine measures moves when it should, and says what is true."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import engine_example as example
import pytest
from conftest import MakeEngine
from engine import Fact, Policy, Rejected, Send, SetTimer, View
from engine.errors import Conflict
from engine.runtime import Engine
from engine_reading import ME, NOON, Clock, Failpoints, joined, open_partner, suspend, until
from events.partner import PartnerSuspended

QUICK = 0.05
"""Seconds between two measurements."""


def value(engine: Engine, name: str, **labels: str) -> float:
    found = engine.registry.get_sample_value(name, labels)
    return -1.0 if found is None else found


async def test_appended_events_and_commands_are_counted_by_outcome(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    id = await open_partner(engine)
    await engine.handle(Send(example.partners, id, example.Note(text="x", times=5)), ME)
    await open_partner(engine, id)  # a repeat
    with pytest.raises(Rejected):
        await suspend(engine, uuid4())
    with pytest.raises(Conflict):
        await engine.handle(Send(example.partners, id, example.Note(text="x")), ME, expected_version=1)
    await engine.handle_many([Send(example.partners, id, example.Note(text="x")) for _ in range(3)], ME)
    assert value(engine, "cauce_events_appended_total") == 9
    assert value(engine, "cauce_commands_total", outcome="accepted") == 5
    assert value(engine, "cauce_commands_total", outcome="repeat") == 1
    assert value(engine, "cauce_commands_total", outcome="refused") == 1
    assert value(engine, "cauce_append_conflicts_total", by="command") >= 1
    assert value(engine, "cauce_append_seconds_count") == value(engine, "cauce_postgres_connection_wait_seconds_count")
    assert value(engine, "cauce_append_seconds_count") >= 5


async def test_the_relays_lag_in_events_and_seconds_grows_while_it_stands_and_goes_back(
    make_engine: MakeEngine,
) -> None:
    failpoints = Failpoints()
    engine = await make_engine(measure_seconds=QUICK, failpoint=failpoints)
    await until(lambda: value(engine, "cauce_relay_leader") == 1)
    gate = failpoints.pause("relay_read")
    id = await open_partner(engine)
    await gate.reached.wait()
    await engine.handle(Send(example.partners, id, example.Note(text="x", times=4)), ME)
    await until(lambda: value(engine, "cauce_relay_lag_events") == 5, what="lag in events")
    await until(lambda: value(engine, "cauce_relay_lag_seconds") > 0.2, what="lag in seconds")
    gate.open()
    await until(lambda: value(engine, "cauce_relay_lag_events") == 0, what="no lag in events")
    await until(lambda: value(engine, "cauce_relay_lag_seconds") == 0, what="no lag in seconds")
    assert value(engine, "cauce_events_relayed_total") == 1  # notes are private


async def test_consumer_lag_and_parked_streams_are_measured_by_subscription_and_source(
    make_engine: MakeEngine,
) -> None:
    failpoints = Failpoints()
    mended = False

    def react(fact: Fact[Any]) -> Iterator[Send]:
        if isinstance(fact.event, PartnerSuspended) and fact.event.cause.reason == "poison" and not mended:
            raise ValueError("cannot be handled")
        return example.mirror(fact)

    partner = await make_engine()
    risk = await make_engine(
        "risk", policies=[Policy("mirror", "partner", react)], measure_seconds=QUICK, failpoint=failpoints
    )
    await joined(risk)
    labels = {"subscription": "risk.mirror", "source": "partner"}
    await until(lambda: value(risk, "cauce_consumer_lag_events", **labels) == 0)
    gate = failpoints.pause("consumer_effect")
    id = await open_partner(partner)
    await gate.reached.wait()
    for reason in ("poison", "late payment", "late payment"):
        await suspend(partner, id, reason)
    await until(lambda: value(risk, "cauce_consumer_lag_events", **labels) == 4, what="lag")
    gate.open()
    await until(lambda: value(risk, "cauce_consumer_lag_events", **labels) == 0, what="no lag")
    await until(lambda: value(risk, "cauce_parked_streams", subscription="risk.mirror") == 1, what="one parked stream")
    mended = True
    assert (await risk.retry("risk.mirror", f"partner-{id}")).handled == 3
    await until(lambda: value(risk, "cauce_parked_streams", subscription="risk.mirror") == 0, what="none parked")
    assert value(risk, "cauce_events_appended_total") == 3


async def test_timers_that_should_have_fired_long_ago_are_counted_and_those_set_aside_as_parked(
    make_engine: MakeEngine,
) -> None:
    failpoints, clock = Failpoints(), Clock(NOON)
    broken = True

    def remind(fact: Fact[Any]) -> Iterator[SetTimer]:
        if isinstance(fact.event, PartnerSuspended):
            at = NOON + timedelta(days=1)
            yield SetTimer(
                "one", at, Send(example.partners, fact.stream_id, example.Suspend(cause_id=uuid4(), reason="r"))
            )

    def keep(fact: Fact[Any]) -> Iterator[Any]:
        if isinstance(fact.event, PartnerSuspended) and fact.event.cause.reason == "r" and broken:
            raise ValueError("cannot be shown")
        return example.keep_partner(fact)

    engine = await make_engine(
        policies=[Policy("remind", "partner", remind)],
        views=[View("partners", 1, (example.PARTNERS,), keep, inline=True)],
        clock=clock,
        failpoint=failpoints,
        measure_seconds=QUICK,
    )
    await suspend(engine, await open_partner(engine))
    assert await engine.handled("partner.remind", 10)
    await until(lambda: value(engine, "cauce_timers_overdue") == 0)
    # by the business clock, also while a backfill moves it
    await engine.pool.execute("update lease set leased_until = clock_timestamp() + interval '1 h', epoch = epoch + 1")
    await engine.pool.execute("update store set backfill_reached = $1", NOON + timedelta(days=2))
    await until(lambda: value(engine, "cauce_timers_overdue") == 1, what="overdue")
    await engine.pool.execute("update lease set leased_until = '-infinity'")
    await until(lambda: value(engine, "cauce_parked_streams", subscription="partner.remind") == 1, what="set aside")
    await until(lambda: value(engine, "cauce_timers_overdue") == 0, what="no longer overdue")


async def test_a_rebuild_shows_the_share_that_it_has_read(make_engine: MakeEngine) -> None:
    failpoints = Failpoints()
    engine = await make_engine(views=[example.partners_view], failpoint=failpoints, batch=500)
    for _ in range(4):
        id = await open_partner(engine)
        await engine.handle(Send(example.partners, id, example.Note(text="x", times=399)), ME)
    assert await engine.published((await engine.log()).head, 10)
    gate = failpoints.pause("consumer_committed")
    rebuilding = asyncio.create_task(engine.rebuild("partners", lambda done, total: None))
    await gate.reached.wait()
    await until(lambda: 0 < value(engine, "cauce_view_rebuild_progress_ratio", view="partners") < 1, what="a share")
    gate.open()
    await rebuilding
    await until(lambda: value(engine, "cauce_view_rebuild_progress_ratio", view="partners") == 1, what="all of it")


async def test_what_is_gone_is_no_longer_measured(make_engine: MakeEngine) -> None:
    """The lag of a build that was dropped must not stand in the metrics for ever."""
    partner = await make_engine()
    risk = await make_engine("risk", views=[example.heard_view], measure_seconds=QUICK)
    await open_partner(partner)
    await until(lambda: value(risk, "cauce_consumer_lag_events", subscription="risk.heard.g1", source="partner") == 0)
    await risk.rebuild("heard", lambda done, total: None)
    await until(lambda: value(risk, "cauce_consumer_lag_events", subscription="risk.heard.g2", source="partner") == 0)
    await until(
        lambda: value(risk, "cauce_consumer_lag_events", subscription="risk.heard.g1", source="partner") == -1,
        what="the old build's lag is gone",
    )


async def test_a_subscription_counts_what_it_is_through_with_how_late_and_what_it_tried_again(
    make_engine: MakeEngine,
) -> None:
    failpoints = Failpoints()
    partner = await make_engine()
    risk = await make_engine("risk", policies=[example.mirror_policy], failpoint=failpoints)
    await joined(risk)
    failpoints.fail("consumer_effect", OSError("a line that was cut"), Conflict("a stream", expected=1))
    id = await open_partner(partner)
    await suspend(partner, id)
    assert await partner.published((await partner.log()).head, 10)
    assert await risk.handled("risk.mirror", 10)
    of = {"subscription": "risk.mirror"}
    assert value(risk, "cauce_consumer_handled_total", source="partner", **of) == 2
    assert 1 <= value(risk, "cauce_consumer_delay_seconds_count", **of) <= 2
    assert value(risk, "cauce_consumer_delay_seconds_sum", **of) > 0
    assert value(risk, "cauce_consumer_retries_total", **of) == 1
    assert value(risk, "cauce_append_conflicts_total", by="subscription") == 1


async def test_what_a_process_does_not_reach_is_said_and_so_is_its_return(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await make_engine(measure_seconds=QUICK)

    def up(dependency: str) -> float:
        return value(engine, "cauce_dependency_up", dependency=dependency)

    await until(lambda: (up("postgres"), up("kafka")) == (1, 1), what="both are there")

    async def away(*_: Any) -> None:
        raise OSError("a line that was cut")

    for dependency, asks in (("postgres", "_measure_store"), ("kafka", "_see_topic")):
        with monkeypatch.context() as patch:
            patch.setattr(engine.progress, asks, away)
            await until(lambda each=dependency: up(each) == 0, what=f"{dependency} is away")
            other = {"postgres": "kafka", "kafka": "postgres"}[dependency]
            assert up(other) == 1
        await until(lambda each=dependency: up(each) == 1, what=f"{dependency} is back")


async def test_a_process_says_what_it_has_of_its_pool(make_engine: MakeEngine) -> None:
    engine = await make_engine(pool_size=5)
    assert value(engine, "cauce_postgres_connections_max") == 5
    async with engine.acquire(), engine.acquire():
        opened = value(engine, "cauce_postgres_connections", state="used")
        assert opened >= 2
        assert opened + value(engine, "cauce_postgres_connections", state="idle") <= 5


async def test_a_process_looks_how_late_its_event_loop_is(make_engine: MakeEngine) -> None:
    engine = await make_engine()
    await until(lambda: value(engine, "cauce_event_loop_lag_seconds_count") >= 1, what="a look")
