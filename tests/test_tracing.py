"""One trace from a request to one service to what another does because of it, over a real Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

from devstack.fixtures import Databases
from devstack.serving import PATIENCE, ClientOf, Say, Serve, saying
from engine import Fact, Policy, Receipt, Send
from engine.kafka import Watcher
from engine.runtime import Engine
from engine.wire import Raw, raw_from
from events import Event
from events.partner import PartnerSuspended, SuspensionCause
from events.risk import RestrictionImposed
from fastapi import APIRouter, FastAPI
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from service import Handle, Settings, create_app, scope

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CAME = f"00-{TRACE}-{PARENT}-01"
STATE = "rojo=00f067aa0ba902b7"

PARTNERS, PROFILES = saying("partner"), saying("risk")


def say(event: Event) -> Say:
    return Say(event_type=event.event_type, data=event.data().decode())


def partner_service() -> FastAPI:
    routes = APIRouter(prefix="/partners", tags=["partners"])

    @routes.post("/{id}/suspensions", status_code=201, dependencies=[scope("partner:write")])
    async def suspend(id: UUID, command: Say, handle: Handle) -> Receipt:
        """Suspends a partner."""
        return await handle(PARTNERS, id, command)

    return create_app("partner", Settings(), routes=[routes], deciders=[PARTNERS])


def restrict(fact: Fact[Any]) -> Iterator[Send]:
    if isinstance(fact.event, PartnerSuspended):
        id = fact.event.partner_id
        imposed = RestrictionImposed(
            restriction_id=uuid4(), partner_id=id, kind="suspension", reason="It was suspended.", evidence=()
        )
        yield Send(PROFILES, id, say(imposed))


def below(span: ReadableSpan | None, parent: str) -> bool:
    """Whether a traceparent names the parent of a span, in the one trace."""
    return (
        span is not None
        and span.parent is not None
        and parent[:52] == (f"00-{format_trace_id(span.parent.trace_id)}-{format_span_id(span.parent.span_id)}")
    )


def named(span: ReadableSpan) -> str:
    return f"00-{format_trace_id(span.context.trace_id)}-{format_span_id(span.context.span_id)}-01"


async def test_one_trace_goes_from_a_request_through_both_services_and_their_topics(
    serve: Serve,
    client_of: ClientOf,
    databases: Databases,
    kafka: str,
    topic_prefix: str,
    record_spans: Callable[[], InMemorySpanExporter],
) -> None:
    app = await serve(partner_service)
    partner: Engine = app.state.engine
    risk = Engine(
        "risk",
        postgres_url=databases.create(),
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        deciders=[PROFILES],
        policies=[Policy("restricting", "partner", restrict)],
    )
    await risk.migrate()
    await risk.start()
    client = client_of(app, "channel-manager")

    async def suspended(**headers: str) -> tuple[Raw, Raw, Fact[Any]]:
        """What is on either topic because of a request, and what is in the log of the second service."""
        id = uuid4()
        event = PartnerSuspended(partner_id=id, cause=SuspensionCause(cause_id=uuid4(), reason="late payment"))
        body = say(event).model_dump(mode="json", exclude_none=True)
        for _ in range(2):  # a repeat by its key leads to nothing more
            asked = {**headers, "idempotency-key": str(id)}
            answer = await client.post(f"/partners/{id}/suspensions", json=body, headers=asked)
            assert answer.status_code == 201, answer.text
            headers = {"traceparent": CAME.replace(TRACE, "f" * 32)}
        assert await partner.published(answer.json()["position"], PATIENCE)
        assert await risk.handled("risk.restricting", PATIENCE)
        [fact] = await risk.history(PROFILES, id)
        assert await risk.published(fact.position, PATIENCE)
        [said] = await on_topic(kafka, partner.topic("partner"), f"saying-{id}")
        [heard] = await on_topic(kafka, risk.topic("risk"), f"saying-{id}")
        assert heard.causation_id == said.id
        assert heard.id == fact.event_id
        return said, heard, fact

    try:
        # As it is without an SDK: what came in is everywhere, and nothing where nothing came in.
        for each in await suspended(traceparent=CAME, tracestate=STATE):
            assert (each.traceparent, each.tracestate) == (CAME, STATE)
        for each in await suspended(traceparent="malformed", tracestate=STATE):
            assert (each.traceparent, each.tracestate) == (None, None)

        spans = record_spans()
        said, heard, fact = await suspended(traceparent=CAME, tracestate=STATE)
    finally:
        await risk.stop()

    found = [span for span in spans.get_finished_spans() if format_trace_id(span.context.trace_id) == TRACE]
    assert [(span.name, span.kind) for span in found] == [
        ("handle Say", SpanKind.INTERNAL),
        ("POST /partners/{id}/suspensions", SpanKind.SERVER),
        ("process risk.restricting", SpanKind.CONSUMER),
    ]
    handled, asked, reacted = found
    assert below(asked, CAME)
    assert below(handled, named(asked))
    assert said.traceparent == named(handled)
    assert below(reacted, named(handled))
    assert heard.traceparent == fact.traceparent == named(reacted)
    assert {said.tracestate, heard.tracestate, fact.tracestate} == {STATE}
    sent = {
        span.name: [format_span_id(link.context.span_id) for link in span.links]
        for span in spans.get_finished_spans()
        if span.kind == SpanKind.PRODUCER
    }
    assert sent == {
        f"send {partner.topic('partner')}": [format_span_id(handled.context.span_id)],
        f"send {risk.topic('risk')}": [format_span_id(reacted.context.span_id)],
    }


async def on_topic(bootstrap: str, topic: str, stream: str) -> list[Raw]:
    watcher = Watcher(bootstrap)
    try:
        read = [raw_from(list(record.headers), record.value) async for _, record in watcher.read(topic, {})]
    finally:
        await watcher.stop()
    return [raw for raw in read if raw.stream == stream]
