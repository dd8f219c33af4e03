from __future__ import annotations

import asyncio
import json
from uuid import UUID, uuid4

import pytest
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from service import scope

READ = [scope("lending:read")]


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


# -- correlation and the access line


async def test_a_correlation_id_is_taken_over_and_echoed(client):
    id = str(uuid4())
    assert (await client.get("/livez", headers={"X-Correlation-Id": id})).headers["x-correlation-id"] == id


@pytest.mark.parametrize("sent", ["", "not a uuid", 'x"}\r', "1" * 500])
async def test_a_correlation_id_that_is_no_uuid_is_replaced(client, sent):
    answer = await client.get("/livez", headers={"X-Correlation-Id": sent.encode()})
    assert UUID(answer.headers["x-correlation-id"])


async def test_every_request_leaves_one_line_with_route_status_time_and_correlation_id(client, capsys):
    answer = await client.post("/loans", json={"amount": "5"})
    [line] = lines(capsys)
    assert line.keys() == {
        "at", "level", "service", "event", "correlation_id", "method", "route", "path", "status", "ms",
    }  # fmt: skip
    assert line["correlation_id"] == answer.headers["x-correlation-id"]
    assert (line["level"], line["service"], line["event"]) == ("info", "lending", "request")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/loans", 201)
    assert line["at"].endswith("Z")
    assert 0 < line["ms"] < 10_000


async def test_the_line_has_the_template_of_the_route_and_the_status_of_a_failure(client, capsys):
    id = uuid4()
    await client.get(f"/loans/{id}/history")
    [line] = lines(capsys)
    assert (line["route"], line["path"], line["status"]) == ("/loans/{id}/history", f"/loans/{id}/history", 404)


async def test_whatever_is_logged_in_a_request_carries_its_correlation_id(make_app, connect, capsys):
    made = APIRouter(tags=["talk"])

    @made.get("/talk", dependencies=READ)
    async def talk() -> None:
        structlog.get_logger().info("spoken", amount=5)
        import logging

        logging.getLogger("some.library").warning("heard %s", "it")

    answer = await connect(make_app(made)).get("/talk")
    spoken, heard, request = lines(capsys)
    assert (spoken["event"], spoken["amount"]) == ("spoken", 5)
    assert (heard["event"], heard["logger"], heard["level"]) == ("heard it", "some.library", "warning")
    for line in (spoken, heard, request):
        assert line["correlation_id"] == answer.headers["x-correlation-id"]
        assert line["service"] == "lending"


async def test_a_request_leaves_nothing_of_itself_to_the_next_line(client, capsys):
    await client.get("/livez")
    structlog.get_logger().info("outside")
    assert "correlation_id" not in lines(capsys)[-1]


async def test_probes_and_scrapers_are_logged_at_debug_only(make_app, connect, capsys):
    quiet, loud = connect(make_app()), connect(make_app.again(log_level="debug"))
    for path in ("/livez", "/readyz", "/metrics"):
        await quiet.get(path)
    assert lines(capsys) == []
    await loud.get("/livez")
    assert [line["level"] for line in lines(capsys)] == ["debug"]


async def test_at_warning_there_are_no_access_lines(make_app, connect, capsys):
    await connect(make_app(log_level="warning")).get("/loans")
    assert lines(capsys) == []


# -- limits


async def test_a_body_over_the_limit_is_a_413_that_says_the_limit(make_app, connect):
    client = connect(make_app(body_limit=1000))
    answer = await client.post("/loans", json={"amount": "5", "notes": ["x" * 1000]})
    assert answer.status_code == 413
    problem = answer.json()
    assert (problem["code"], problem["limit"]) == ("body_too_large", 1000)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


async def test_a_body_of_just_the_limit_is_taken(make_app, connect):
    body = b'{"amount": "5"}'.ljust(1000)
    client = connect(make_app(body_limit=1000), **{"Content-Type": "application/json"})
    assert (await client.post("/loans", content=body)).status_code == 201
    assert (await client.post("/loans", content=body + b" ")).status_code == 413


async def test_a_body_without_a_length_is_counted_while_it_comes(make_app, connect):
    sent = 0

    async def endless():
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 100

    client = connect(make_app(body_limit=1000), **{"Content-Type": "application/json"})
    assert (await client.post("/loans", content=endless())).status_code == 413
    assert sent <= 12


async def test_a_route_may_take_a_longer_body_than_the_others(make_app, connect):
    client = connect(make_app(body_limit=100))
    assert (await client.post("/loans/lines", content=b"x" * 5000)).json() == 5000
    assert (await client.post("/loans/lines", content=b"x" * 5001)).status_code == 413


async def test_no_body_is_taken_from_a_stranger(make_app, connect):
    sent = 0

    async def body():
        nonlocal sent
        for _ in range(3):
            sent += 1
            yield b"x"

    answer = await connect(make_app(), token=None).post("/loans/lines", content=body())
    assert (answer.status_code, sent) == (401, 0)


# -- time


async def test_a_request_that_takes_too_long_is_a_503_to_be_retried(make_app, connect, capsys):
    ended = []
    made = APIRouter(tags=["slow"])

    @made.get("/slow", dependencies=READ)
    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    answer = await connect(make_app(made, request_timeout=0.05)).get("/slow")
    assert (answer.status_code, answer.json()["code"]) == (503, "request_timeout")
    assert answer.headers["retry-after"] == "1"
    assert ended == [True]
    assert [line["event"] for line in lines(capsys)] == ["request_timeout", "request"]


async def test_a_response_that_has_begun_may_take_its_time(make_app, connect):
    made = APIRouter(tags=["slow"])

    @made.get("/trickle", dependencies=READ)
    async def trickle() -> StreamingResponse:
        async def parts():
            for _ in range(6):
                await asyncio.sleep(0.02)
                yield b"x"

        return StreamingResponse(parts())

    assert (await connect(make_app(made, request_timeout=0.05)).get("/trickle")).text == "xxxxxx"


async def test_a_request_that_is_cancelled_from_outside_is_not_answered(make_app, connect):
    made, inside = APIRouter(tags=["slow"]), asyncio.Event()

    @made.get("/slow", dependencies=READ)
    async def slow() -> None:
        inside.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(connect(make_app(made)).get("/slow"))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_amid_a_response_breaks_the_connection_and_is_logged(make_app, connect, capsys):
    made = APIRouter(tags=["broken"])

    @made.get("/half", dependencies=READ)
    async def half(request: Request) -> StreamingResponse:
        async def parts():
            yield b"x"
            raise ZeroDivisionError("amid")

        return StreamingResponse(parts())

    with pytest.raises(ZeroDivisionError):
        await connect(make_app(made)).get("/half")
    events = lines(capsys)
    assert "ZeroDivisionError: amid" in events[0]["exception"]
    assert events[0]["correlation_id"] == events[1]["correlation_id"]
