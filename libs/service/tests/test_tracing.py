"""What a caller says of its trace, and what a request says of it: in events, in the log, in spans."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from uuid import uuid4

import pytest
import structlog
from engine import Context
from engine.tracing import Spans, working_on
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from service.ops import OPEN

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
CAME = f"00-{TRACE}-{PARENT}-01"
STATE = "rojo=00f067aa0ba902b7"


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def opened(client, *headers):
    answer = await client.post("/loans", json={"amount": "5"}, headers=[*headers])
    assert answer.status_code == 201, answer.text
    return answer


# -- without an SDK


async def test_a_line_that_a_reaction_writes_names_service_correlation_and_trace(make_app, capsys):
    make_app()
    cause = Context("policy:lending.reminding", uuid4(), traceparent=CAME)
    with working_on():
        structlog.get_logger().info("before")
    with working_on():
        Spans("lending.reminding", own=True).firing("one", cause)
        structlog.get_logger().warning("rule_failed", rule="late")
        logging.getLogger("some.library").warning("heard it")
    structlog.get_logger().info("after")
    before, ours, theirs, after = lines(capsys)
    for line in (ours, theirs):
        assert (line["service"], line["correlation_id"]) == ("lending", str(cause.correlation_id))
        assert (line["trace_id"], line["span_id"]) == (TRACE, PARENT)
    for line in (before, after):
        assert line["service"] == "lending"
        assert not {"correlation_id", "trace_id", "span_id"} & line.keys()


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ([("traceparent", CAME)], (CAME, None)),
        ([("Traceparent", CAME), ("Tracestate", STATE)], (CAME, STATE)),
        ([("traceparent", CAME), ("tracestate", STATE), ("tracestate", "congo=t61rcWkgMzE")],
         (CAME, f"{STATE},congo=t61rcWkgMzE")),
        ([("traceparent", CAME.removesuffix("01") + "00")], (CAME.removesuffix("01") + "00", None)),
        ([("traceparent", f"cc-{TRACE}-{PARENT}-01-what-the-future-will-say")], (CAME, None)),
        # a bad tracestate does no harm to a good traceparent
        ([("traceparent", CAME), ("tracestate", "no state")], (CAME, None)),
        ([("traceparent", CAME), ("tracestate", "a=1,a=2")], (CAME, None)),
        ([("traceparent", CAME), ("tracestate", f"a={'x' * 511}")], (CAME, None)),
    ],
    ids=["parent", "and-state", "two-states", "unsampled", "later-version", "bad-state", "state-twice", "long-state"],
)  # fmt: skip
async def test_the_callers_trace_is_on_the_event_as_it_came(client, engine, headers, kept):
    await opened(client, *headers)
    [fact] = engine.facts
    assert (fact.traceparent, fact.tracestate) == kept


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("tracestate", STATE)],
        [("traceparent", "")],
        [("traceparent", "none")],
        [("traceparent", CAME.upper())],
        [("traceparent", CAME + "-more")],
        [("traceparent", f"ff-{TRACE}-{PARENT}-01")],
        [("traceparent", f"00-{'0' * 32}-{PARENT}-01")],
        [("traceparent", f"00-{TRACE}-{'0' * 16}-01")],
        [("traceparent", b"\xff\x80")],
        [("traceparent", CAME + "x" * 1000)],
        [("traceparent", CAME), ("traceparent", CAME)],
    ],
    ids=["none", "state-only", "empty", "words", "upper", "too-long", "version-ff", "no-trace", "no-span", "bytes",
         "endless", "twice"],
)  # fmt: skip
async def test_without_a_trace_or_with_a_malformed_one_the_event_has_none(client, engine, capsys, headers):
    await opened(client, *headers, ("tracestate", STATE))
    [fact] = engine.facts
    assert (fact.traceparent, fact.tracestate) == (None, None)
    assert "trace_id" not in lines(capsys)[-1]


async def test_the_history_says_in_which_span_it_came_about(client):
    id = (await opened(client, ("traceparent", CAME))).json()["id"]
    [happening] = (await client.get(f"/loans/{id}/history")).json()["items"]
    assert happening["traceparent"] == CAME


async def test_a_repeat_by_its_key_leaves_the_event_in_the_trace_of_the_first(client, engine):
    other = CAME.replace(TRACE, "f" * 32)
    first = await opened(client, ("traceparent", CAME), ("idempotency-key", "a"))
    again = await opened(client, ("traceparent", other), ("idempotency-key", "a"))
    assert again.json() == first.json()
    assert [fact.traceparent for fact in engine.facts] == [CAME]


async def test_lines_of_a_request_say_its_trace_and_lines_after_it_none(client, capsys):
    await client.get("/loans/count", headers={"traceparent": CAME})
    structlog.get_logger().info("outside")
    structlog.get_logger().info("named", trace_id="its own")
    *inside, outside, named = lines(capsys)
    assert inside
    assert {(line["trace_id"], line["span_id"]) for line in inside} == {(TRACE, PARENT)}
    assert "trace_id" not in outside
    assert named["trace_id"] == "its own"


# -- with one


async def test_a_request_is_a_span_below_the_callers_and_event_and_line_name_it(client, engine, capsys, record_spans):
    spans = record_spans()
    answer = await opened(client, ("traceparent", CAME), ("tracestate", STATE))
    await client.get(f"/loans/{answer.json()['id']}/history?limit=5")
    first, second = spans.get_finished_spans()
    assert (first.name, first.kind, second.name) == ("POST /loans", SpanKind.SERVER, "GET /loans/{id}/history")
    assert (format_trace_id(first.parent.trace_id), format_span_id(first.parent.span_id)) == (TRACE, PARENT)
    span_id = format_span_id(first.context.span_id)
    [fact] = engine.facts
    assert (fact.traceparent, fact.tracestate) == (f"00-{TRACE}-{span_id}-01", STATE)
    posted, got = lines(capsys)
    assert (posted["trace_id"], posted["span_id"]) == (TRACE, span_id)
    assert second.parent is None
    assert second.attributes["url.query"] == "limit=REDACTED"
    assert first.attributes["cauce.correlation_id"] == answer.headers["x-correlation-id"]
    assert got["trace_id"] == format_trace_id(second.context.trace_id)


async def test_a_malformed_trace_begins_a_new_one(client, engine, record_spans):
    spans = record_spans()
    await opened(client, ("traceparent", CAME + "-more"))
    [span] = spans.get_finished_spans()
    assert span.parent is None
    assert engine.facts[0].traceparent[3:35] == format_trace_id(span.context.trace_id) != TRACE


async def test_probes_and_scrapers_are_no_spans(client, record_spans):
    spans = record_spans()
    for path in sorted(OPEN):
        await client.get(path, headers={"traceparent": CAME})
    assert spans.get_finished_spans() == ()


SERVED = """
import asyncio, sys
import httpx
from fastapi import FastAPI
from service import cli, server
from service.app import TELEMETRY

app = FastAPI(telemetry=TELEMETRY)
app.get("/loans/{id}")(lambda id: id)

def serve(_):
    async def once():
        said = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        ready = asyncio.Event()
        ended = asyncio.Event()

        async def receive():
            if len(said) == 1:
                await ended.wait()
            return said.pop(0)

        async def send(message):
            ready.set()

        life = asyncio.create_task(app({"type": "lifespan"}, receive, send))
        await ready.wait()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://lending") as client:
            await client.get("/loans/7")
        ended.set()
        await life

    asyncio.run(once())
    return True

server.serve = serve
cli._app = lambda name: app
cli.run("lending")
print("opentelemetry.sdk" in sys.modules)
"""


async def served(**environment):
    """What a process of a service that had one request said at its end."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVED, env=others | environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    return out.decode().strip()


async def test_spans_go_where_the_environment_says_named_by_the_service_and_otherwise_no_sdk_is_loaded():
    bodies = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        there = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        assert await served() == "False"
        assert await served(**there, OTEL_SDK_DISABLED="true") == "False"
        assert bodies == []
        assert await served(**there) == "True"
        collector.shutdown()
    [exported] = [ExportTraceServiceRequest.FromString(body) for body in bodies]
    [resource] = exported.resource_spans
    said = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert said["service.name"] == "lending-svc"
    assert [span.name for scope in resource.scope_spans for span in scope.spans] == ["GET /loans/{id}"]
