from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import APIRouter
from service import InvalidSettings, scope, server

READ = [scope("lending:read")]


@asynccontextmanager
async def served(app):
    """The app on a real server; yields it and its base URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    running = server.Server(app)
    task = asyncio.create_task(running.serve(sockets=[listening]))
    while not running.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield running, f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        await task


def slow_router(inside, go_on):
    made = APIRouter(tags=["slow"])

    @made.get("/slow", dependencies=READ)
    async def slow() -> str:
        inside.set()
        await go_on.wait()
        return "done"

    return made


async def test_a_stopping_server_finishes_open_requests_and_then_stops_the_engine(make_app, engine, issuer):
    inside, go_on = asyncio.Event(), asyncio.Event()
    app = make_app(slow_router(inside, go_on), port=1)
    async with served(app) as (running, url), httpx.AsyncClient(base_url=url) as client:
        asked = asyncio.create_task(client.get("/slow", headers={"Authorization": f"Bearer {issuer.token()}"}))
        await inside.wait()
        running.should_exit = True
        while running.servers[0].is_serving():  # noqa: ASYNC110 - nor for this
            await asyncio.sleep(0.005)
        assert engine.calls == [("start",)]
        go_on.set()
        assert (await asked).json() == "done"
    assert engine.calls == [("start",), ("stop",)]


async def test_a_server_that_is_told_to_stop_says_so_and_answers_until_its_drain_is_over(make_app, engine, issuer):
    inside, go_on = asyncio.Event(), asyncio.Event()
    go_on.set()
    app = make_app(slow_router(inside, go_on), port=1, drain=3600)
    async with served(app) as (running, url), httpx.AsyncClient(base_url=url) as client:
        before = await client.get("/readyz")
        assert (before.status_code, before.headers.get("connection")) == (200, None)
        running.should_exit = True
        while not app.state.leaving:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["missing"]) == (503, {"server": "was told to stop"})
        assert answer.headers["connection"] == "close", "the next request comes by a connection to another process"
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {issuer.token()}"}) as newcomer:
            assert (await newcomer.get("/slow")).json() == "done"
        running.force_exit = True  # as by a second Ctrl-C: it does not wait any longer
        while running.servers[0].is_serving():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        running.force_exit = False
    assert engine.calls == [("start",), ("stop",)]


async def test_a_request_that_never_ends_does_not_keep_the_server_from_stopping(make_app, engine, issuer):
    inside, never = asyncio.Event(), asyncio.Event()
    app = make_app(slow_router(inside, never), port=1, shutdown_timeout=1)
    async with served(app) as (_, url), httpx.AsyncClient(base_url=url) as client:
        asked = asyncio.create_task(client.get("/slow", headers={"Authorization": f"Bearer {issuer.token()}"}))
        await inside.wait()
    assert engine.calls == [("start",), ("stop",)]
    with pytest.raises(httpx.HTTPError):
        (await asked).raise_for_status()


@pytest.mark.parametrize("head", [b"X-Long: " + b"x" * 200_000, b"X: y\r\n" * 40_000], ids=["one", "many"])
async def test_headers_without_end_are_cut_off(make_app, head):
    async with served(make_app(port=1)) as (_, url):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + head)
        try:
            answer = await reader.read()
        except ConnectionResetError:  # closed with some of it unread, which may overtake the answer
            answer = b"HTTP/1.1 400"
        assert answer.startswith(b"HTTP/1.1 400")
        writer.close()


async def test_requests_on_one_connection_do_not_add_up_to_long_headers(make_app):
    async with served(make_app(port=1)) as (_, url), httpx.AsyncClient(base_url=url) as client:
        for _ in range(20):
            assert (await client.get("/livez", headers={"X-Long": "x" * 10_000})).status_code == 200
            answer = await client.post("/loans", content=b"x" * 100_000)
            assert answer.status_code == 401


async def test_a_long_body_is_no_long_header(make_app, issuer):
    async with served(make_app(port=1)) as (_, url), httpx.AsyncClient(base_url=url) as client:
        headers = {"Authorization": f"Bearer {issuer.token()}", "Content-Type": "application/json"}
        answer = await client.post("/loans", content=b'{"amount": "5"}'.ljust(900_000), headers=headers)
        assert answer.status_code == 201


async def test_the_server_says_nothing_about_itself_and_writes_no_second_access_line(make_app, capsys):
    async with served(make_app(port=1, log_level="debug")) as (_, url), httpx.AsyncClient(base_url=url) as client:
        assert "server" not in (await client.get("/livez")).headers
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum("/livez" in json.dumps(line) for line in lines) == 1
    assert {"started", "stopped"} <= {line["event"] for line in lines}


def test_a_service_without_a_port_of_its_own_needs_one(make_app):
    with pytest.raises(InvalidSettings, match=r"^CAUCE_PORT is not set"):
        server.config(make_app())


SLOW_SERVICE = """
import asyncio
from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from service import Settings, create_app, scope

class StubEngine:
    registry = CollectorRegistry()
    async def start(self): pass
    async def stop(self): print('{"event": "engine left"}', flush=True)
    def health(self): return {}

router = APIRouter(tags=["slow"])

@router.get("/slow", dependencies=[scope("lending:read")])
async def slow() -> str:
    print('{"event": "inside"}', flush=True)
    await asyncio.sleep(0.5)
    return "done"

def app():
    return create_app("lending", Settings(), routes=[router], deciders=[], engine=StubEngine())
"""


class Running:
    """The slow service as a process of its own, and what it has told so far."""

    def __init__(self, process, url):
        self.process, self.url, self.events = process, url, []

    async def until(self, event):
        while not self.events or self.events[-1] != event:
            line = await asyncio.to_thread(self.process.stdout.readline)
            assert line, self.events
            self.events.append(json.loads(line)["event"])

    async def end(self):
        """Waits for it; its exit code."""
        rest = (await asyncio.to_thread(self.process.communicate, timeout=20))[0]
        self.events += [json.loads(line)["event"] for line in rest.splitlines()]
        return self.process.returncode


@asynccontextmanager
async def slowly(tmp_path, issuer, **settings):
    """It runs and answers."""
    (tmp_path / "slowly").mkdir()
    (tmp_path / "slowly" / "app.py").write_text(SLOW_SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {
        "CAUCE_POSTGRES_URL": "postgresql://x",
        "CAUCE_KAFKA_BOOTSTRAP": "x:1",
        "CAUCE_JWKS": str(issuer.path),
        "CAUCE_PORT": str(port),
        "PYTHONPATH": str(tmp_path),
        **settings,
    }
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-m", "service", "run", "slowly"], env=environment, stdout=subprocess.PIPE, text=True
    )
    running = Running(process, f"http://127.0.0.1:{port}")
    try:
        async with httpx.AsyncClient(base_url=running.url) as client:
            while process.poll() is None:
                try:
                    await client.get("/livez")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.01)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_that_is_told_to_stop_answers_what_is_open_and_leaves_in_order(tmp_path, issuer, stop):
    headers = {"Authorization": f"Bearer {issuer.token()}"}
    async with slowly(tmp_path, issuer) as running, httpx.AsyncClient(base_url=running.url, headers=headers) as client:
        asked = asyncio.create_task(client.get("/slow"))
        await running.until("inside")
        running.process.send_signal(stop)
        assert (await asked).json() == "done"
        code = await running.end()
    events = running.events
    assert events.index("request") < events.index("engine left") < events.index("stopped")
    assert code == 0


async def test_nobody_is_turned_away_by_a_process_that_leaves_until_all_could_know_of_it(tmp_path, issuer):
    """Callers who keep their connections, and a router that leads them away as soon as /readyz tells it to."""
    before, during, begun = [], [], asyncio.Event()
    async with slowly(tmp_path, issuer, CAUCE_DRAIN="8", CAUCE_LOG_LEVEL="warning") as running:
        told, ready = asyncio.Event(), asyncio.Event()
        ready.set()

        async def call(path, headers=None):
            async with httpx.AsyncClient(base_url=running.url, headers=headers) as client:
                while ready.is_set():
                    answers = during if told.is_set() else before
                    begun.set()
                    answers.append(await client.get(path))

        async def route(rounds=20):
            async with httpx.AsyncClient(base_url=running.url) as client:
                while (await client.get("/readyz")).status_code == 200:  # noqa: ASYNC110 - over HTTP there is no event
                    await asyncio.sleep(0.01)
                for _ in range(rounds):  # it takes a moment to hear of it, too
                    assert (await client.get("/readyz")).json()["missing"] == {"server": "was told to stop"}
                    await asyncio.sleep(0.01)
            ready.clear()

        token = {"Authorization": f"Bearer {issuer.token()}"}
        calling = [asyncio.create_task(call("/livez")) for _ in range(4)]
        calling += [asyncio.create_task(call("/slow", token)) for _ in range(4)]
        await begun.wait()
        running.process.send_signal(signal.SIGTERM)
        told.set()
        await asyncio.gather(route(), *calling)
        await running.end()
    assert {answer.status_code for answer in before + during} == {200}
    assert {answer.headers.get("connection") for answer in during[-8:]} == {"close"}
    assert running.events[-1] == "engine left"


NEVER_THERE = """
def app():
    print("making it", flush=True)
    while True:
        pass
"""


def test_a_process_that_is_told_to_stop_before_it_serves_stops_also_where_signals_have_no_default(tmp_path):
    """As a container's first process; the kernel does not end it by a signal that it does not handle."""
    (tmp_path / "never").mkdir()
    (tmp_path / "never" / "app.py").write_text(NEVER_THERE)
    process = subprocess.Popen(
        [sys.executable, "-m", "service", "migrate", "never"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "making it\n"
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
