"""A trace goes on through all that the engine does because of a command, with spans of our own or without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import engine_example as example
import pytest
from conftest import MakeEngine
from engine import Become, Context, Fact, Policy, Process, Send, SetTimer, Step
from engine.leases import Lease
from engine.store import SCHEMA, Intent
from engine.timers import Timers
from engine.tracing import LINKS, here
from engine_reading import HEARD_FROM_PARTNER, NOON, Clock, Rig, Topic, until
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from structlog.testing import capture_logs

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CAME = (f"00-{TRACE}-{PARENT}-01", "rojo=00f067aa0ba902b7")
CALLER = Context("ana", traceparent=CAME[0], tracestate=CAME[1])
NOBODYS = (None, None)

RecordSpans = Callable[[], InMemorySpanExporter]


@pytest.fixture
async def rig(engine_database: str) -> AsyncIterator[Rig]:
    async with Rig.on(engine_database) as made:
        yield made


def named(traced: Any) -> tuple[str | None, str | None]:
    return traced.traceparent, traced.tracestate


def of_span(span: ReadableSpan) -> str:
    """As a traceparent."""
    context = span.context
    return f"00-{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}-{context.trace_flags:02x}"


def traced(topic: Topic, name: tuple[str | None, str | None] = CAME) -> Topic:
    topic.records = [(at, raw._replace(traceparent=name[0], tracestate=name[1])) for at, raw in topic.records]
    return topic


async def history(rig: Rig, partner: UUID) -> list[Fact[Any]]:
    async with rig.pool.acquire() as db:
        return await rig.store.history(db, f"risk_profile-{partner}")


def timers(rig: Rig, clock: Clock) -> Timers:
    return Timers(
        rig.pool,
        rig.store,
        rig.metrics,
        Lease("timers", "one", 10.0),
        rig.processes,
        clock=clock,
        views_changed=rig._views_changed,
        appended=rig._appended,
        failpoint=rig.failpoints,
    )


async def fire(rig: Rig) -> None:
    """All that is due in a year."""
    firing = timers(rig, Clock(NOON + timedelta(days=365)))
    async with rig.pool.acquire() as db:
        assert await firing._lease.acquire(db)
    while await firing.fire_one():
        pass


def impose(partner: UUID) -> Send:
    return Send(example.profiles, partner, example.Impose(restriction_id=uuid4(), partner_id=partner, reason="late"))


def remind(fact: Fact[Any]) -> Iterator[SetTimer]:
    yield SetTimer(f"{fact.stream_id}", NOON + timedelta(days=30), impose(fact.stream_id))


REMINDING = Policy("reminding", "partner", remind)


def wait(state: int, fact: Fact[Any]) -> Iterator[Step]:
    yield Become(state + 1)
    yield SetTimer(f"{fact.stream_id}", NOON + timedelta(days=30))


def act(state: int, key: str, at: Any) -> Iterator[Step]:
    yield impose(UUID(key))


WAITING = Process("waiting", ("partner",), lambda fact: "one", int, wait, act)


# -- without an SDK


async def test_what_a_caller_is_part_of_is_on_each_event_and_is_carried_on_unchanged(rig: Rig) -> None:
    partner = uuid4()
    async with rig.pool.acquire() as db:
        await rig.store.execute(db, [Intent(impose(partner), NOON, CALLER), Intent(impose(partner), NOON, CALLER)])
    assert [named(fact) for fact in await history(rig, partner)] == [CAME, CAME]


async def test_a_policy_goes_on_in_the_trace_of_its_fact(rig: Rig) -> None:
    topic, part, no_part = Topic(), uuid4(), uuid4()
    topic.suspend(part)
    traced(topic)
    topic.suspend(no_part)
    await rig.consume(rig.policy(), topic)
    assert [named(fact) for fact in await history(rig, part)] == [CAME]
    assert [named(fact) for fact in await history(rig, no_part)] == [NOBODYS]


async def test_what_is_told_of_a_reaction_names_its_fact_and_nothing_is_left_of_it_afterwards(rig: Rig) -> None:
    topic, told = Topic(), []

    def react(fact: Fact[Any]) -> Iterator[Send]:
        told.append(here())
        return example.mirror(fact)

    for partner in (uuid4(), uuid4()):
        topic.suspend(partner)
    await rig.consume(rig.policy(Policy("mirror", "partner", react)), traced(topic))
    assert told == [
        {"correlation_id": str(raw.correlation_id), "trace_id": TRACE, "span_id": PARENT} for _, raw in topic.records
    ]
    assert here() == {}


@pytest.mark.parametrize("name", [CAME, (CAME[0], None), NOBODYS], ids=["state", "no state", "none"])
async def test_a_timers_command_goes_on_in_the_trace_of_what_set_it(
    rig: Rig, name: tuple[str | None, str | None]
) -> None:
    by_policy, by_process = uuid4(), uuid4()
    for subscription, partner in ((rig.policy(REMINDING), by_policy), (rig.process(WAITING), by_process)):
        topic = Topic()
        topic.suspend(partner)
        await rig.consume(subscription, traced(topic, name))
    await fire(rig)
    for partner in (by_policy, by_process):
        assert [named(fact) for fact in await history(rig, partner)] == [name]
    for subscription in ("risk.reminding", "risk.waiting"):
        assert rig.metrics.registry.get_sample_value("cauce_timers_fired_total", {"subscription": subscription}) == 1


async def test_a_timer_that_is_moved_belongs_to_who_moved_it(rig: Rig) -> None:
    topic, partner = Topic(), uuid4()
    topic.suspend(partner)
    traced(topic)
    topic.suspend(partner)
    await rig.consume(rig.policy(REMINDING), topic)
    await fire(rig)
    assert [named(fact) for fact in await history(rig, partner)] == [NOBODYS]


async def test_a_parked_event_keeps_its_trace_when_it_is_retried_and_when_it_is_dropped(rig: Rig) -> None:
    mended = False

    def react(fact: Fact[Any]) -> Iterator[Send]:
        if not mended:
            raise ValueError("cannot")
        return example.mirror(fact)

    topic, retried, dropped = Topic(), uuid4(), uuid4()
    topic.suspend(retried)
    topic.suspend(retried)  # joins its queue
    topic.suspend(dropped)
    policy = rig.policy(Policy("mirror", "partner", react))
    with capture_logs() as lines:
        await rig.consume(policy, traced(topic))
    told = [line for line in lines if line["event"] == "stream_parked"]
    assert [(line["trace_id"], line["span_id"]) for line in told] == [(TRACE, PARENT)] * 2
    assert {line["correlation_id"] for line in told} == {str(topic.records[n][1].correlation_id) for n in (0, 2)}
    mended = True
    result = await rig.parking.retry(policy, lambda source: HEARD_FROM_PARTNER, f"partner-{retried}")
    assert (result.handled, result.remaining) == (2, 0)
    assert [named(fact) for fact in await history(rig, retried)] == [CAME, CAME]
    assert await rig.parking.drop(policy.name, f"partner-{dropped}", "not worth it", "ana") == 1
    [row] = await rig.pool.fetch("select traceparent, tracestate from dropped_event")
    assert tuple(row) == CAME


async def test_a_store_from_before_traces_is_brought_up_to_date_and_goes_on(rig: Rig, engine_database: str) -> None:
    topic, partner = Topic(), uuid4()
    topic.suspend(partner)
    async with rig.pool.acquire() as db:
        await rig.store.execute(db, [Intent(impose(partner), NOON, CALLER)])
    await rig.consume(rig.policy(REMINDING), traced(topic))
    async with rig.pool.acquire() as db:
        for table in ("event", "parked_event", "dropped_event", "timer"):
            await db.execute(f"alter table {table} drop column traceparent, drop column tracestate")
        await db.execute("set client_min_messages = warning")
        for _ in range(2):
            await db.execute(SCHEMA)
    async with Rig.on(engine_database) as anew:
        await fire(anew)
        async with anew.pool.acquire() as db:
            await anew.store.execute(db, [Intent(impose(partner), NOON, CALLER)])
        assert [named(fact) for fact in await history(anew, partner)] == [NOBODYS, NOBODYS, CAME]


# -- with one


async def test_a_command_is_a_span_in_its_callers_trace_and_its_events_name_it(
    make_engine: MakeEngine, record_spans: RecordSpans
) -> None:
    engine, spans, partner = await make_engine(), record_spans(), uuid4()
    commands = [example.Open(partner_id=partner), example.Suspend(cause_id=uuid4())]
    await engine.handle_many([Send(example.partners, partner, command) for command in commands], CALLER)
    await engine.handle(Send(example.partners, partner, example.Note(text="x")), Context("ben"))
    first, second = [span for span in spans.get_finished_spans() if span.name.startswith("handle")]
    assert (first.name, second.name) == ("handle Open", "handle Note")
    assert first.parent is not None
    assert (format_trace_id(first.parent.trace_id), format_span_id(first.parent.span_id)) == (TRACE, PARENT)
    assert second.parent is None
    assert second.context.trace_id != first.context.trace_id
    facts = await engine.history(example.partners, partner)
    assert [named(fact) for fact in facts] == [
        (of_span(first), CAME[1]),
        (of_span(first), CAME[1]),
        (of_span(second), None),
    ]


async def test_an_event_that_nobody_samples_is_in_no_span_and_keeps_its_trace(
    make_engine: MakeEngine, record_spans: RecordSpans
) -> None:
    engine, spans, partner = await make_engine(), record_spans(), uuid4()
    unsampled = Context("ana", traceparent=CAME[0].removesuffix("01") + "00")
    await engine.handle(Send(example.partners, partner, example.Open(partner_id=partner)), unsampled)
    [fact] = await engine.history(example.partners, partner)
    assert fact.traceparent is not None
    assert (fact.traceparent[:36], fact.traceparent[-3:]) == (CAME[0][:36], "-00")
    assert [span for span in spans.get_finished_spans() if span.name.startswith("handle")] == []


async def test_a_reaction_is_a_span_below_its_fact_and_what_it_leads_to_names_it(
    rig: Rig, record_spans: RecordSpans
) -> None:
    topic, partners, spans = Topic(), [uuid4(), uuid4()], record_spans()
    for partner in partners:
        topic.suspend(partner)
    await rig.consume(rig.policy(), traced(topic))
    found = spans.get_finished_spans()
    assert [(span.name, span.kind) for span in found] == [("process risk.mirror", SpanKind.CONSUMER)] * 2
    for span, partner, (_, raw) in zip(found, partners, topic.records, strict=True):
        assert span.parent is not None
        assert format_span_id(span.parent.span_id) == PARENT
        assert span.attributes is not None
        assert span.attributes["cloudevents.event_id"] == str(raw.id)
        assert span.attributes["cauce.correlation_id"] == str(raw.correlation_id)
        assert [named(fact) for fact in await history(rig, partner)] == [(of_span(span), CAME[1])]


async def test_a_timer_is_a_span_below_the_reaction_that_set_it(rig: Rig, record_spans: RecordSpans) -> None:
    topic, partner, spans = Topic(), uuid4(), record_spans()
    topic.suspend(partner)
    await rig.consume(rig.process(WAITING), traced(topic))
    await fire(rig)
    reaction, fired = spans.get_finished_spans()
    assert (reaction.name, fired.name) == ("process risk.waiting", "fire risk.waiting")
    assert fired.parent is not None
    assert fired.parent.span_id == reaction.context.span_id
    assert [named(fact) for fact in await history(rig, partner)] == [(of_span(fired), CAME[1])]


async def test_a_reaction_that_fails_says_so_and_those_undone_with_it_are_tried_again(
    rig: Rig, record_spans: RecordSpans
) -> None:
    good, bad = uuid4(), uuid4()

    def react(fact: Fact[Any]) -> Iterator[Send]:
        if fact.stream_id == bad:
            raise ValueError("cannot")
        return example.mirror(fact)

    topic, spans = Topic(), record_spans()
    topic.suspend(good)
    topic.suspend(bad)
    await rig.consume(rig.policy(Policy("mirror", "partner", react)), traced(topic))
    found = spans.get_finished_spans()
    of_good = [s for s in found if s.attributes and s.attributes["cloudevents.event_subject"] == f"partner-{good}"]
    of_bad = [s for s in found if s not in of_good]
    assert [span.status.status_code for span in of_good] == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert {span.status.status_code for span in of_bad} == {StatusCode.ERROR}
    assert {span.attributes["error.type"] for span in of_bad if span.attributes} == {"ValueError"}
    assert [span.attributes.get("error.type") for span in of_good if span.attributes] == ["undone", "undone", None]
    assert [named(fact)[0] for fact in await history(rig, good)] == [of_span(of_good[-1])]


async def test_a_view_is_a_span_a_transaction_linked_to_the_first_of_its_facts(
    rig: Rig, record_spans: RecordSpans
) -> None:
    topic, spans = Topic(), record_spans()
    for n in range(LINKS + 20):
        raw = topic.suspend(uuid4())
        topic.records[-1] = (n, raw._replace(traceparent=f"00-{TRACE}-{n // 2 + 1:016x}-01"))
    topic.suspend(uuid4())  # in no trace
    await rig.consume(await rig.view(), topic)
    [span] = spans.get_finished_spans()
    assert (span.name, span.kind, span.parent) == ("process risk.heard.g1", SpanKind.CONSUMER, None)
    assert span.attributes is not None
    assert span.attributes["messaging.batch.message_count"] == LINKS + 21
    assert [link.context.span_id for link in span.links] == list(range(1, LINKS // 2 + 11))


async def test_what_the_relay_sends_is_a_span_a_window_linked_to_what_its_events_came_of(
    make_engine: MakeEngine, record_spans: RecordSpans
) -> None:
    engine, spans, partner = await make_engine(), record_spans(), uuid4()
    await engine.handle(Send(example.partners, partner, example.Open(partner_id=partner)), CALLER)
    await until(lambda: any(span.kind == SpanKind.PRODUCER for span in spans.get_finished_spans()), what="it is sent")
    [handled] = [span for span in spans.get_finished_spans() if span.name == "handle Open"]
    [sent] = [span for span in spans.get_finished_spans() if span.kind == SpanKind.PRODUCER]
    assert (sent.name, sent.parent) == (f"send {engine.topic('partner')}", None)
    assert [link.context.span_id for link in sent.links] == [handled.context.span_id]
    assert sent.attributes is not None
    assert sent.attributes["messaging.batch.message_count"] == 1
