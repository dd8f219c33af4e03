"""The supervisor with services that only answer probes: on a real Postgres and a real Kafka where it is about these,
else (`light`) with two servers in their places that only listen."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from devstack import jars, place, ports
from devstack.child import leftover
from devstack.wait import until_true

# What a service looks like from outside: ready after it started, until SIGTERM; it leaves a trace of its end.
SERVICE = """
import http.server, json, os, pathlib, signal, sys

name, marks = sys.argv[1], pathlib.Path(sys.argv[2])
if (marks / f"{name}.cannot-start").exists():
    sys.exit("no such setting: CAUCE_NONSENSE")
assert os.environ["CAUCE_POSTGRES_URL"].endswith("/" + name) and os.environ["CAUCE_KAFKA_BOOTSTRAP"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        subscription = {"name": "x", "source": "partner", "lag": 0, "parked": 0}
        body = {"items": [subscription], "next": None} if self.path == "/subscriptions" else {}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *args):
        pass

def end(*_):
    with (marks / "ended").open("a") as file:
        file.write(name + "\\n")
    os._exit(0)

signal.signal(signal.SIGTERM, end)
http.server.HTTPServer(("127.0.0.1", int(os.environ["CAUCE_PORT"])), Handler).serve_forever()
"""

LOAD = """
import os, pathlib, sys, urllib.request, json, time
marks = pathlib.Path(sys.argv[1])
with (marks / "loads").open("a") as file:
    file.write("load\\n")
urls = json.loads(os.environ["CAUCE_SERVICES"])
assert pathlib.Path(os.environ["CAUCE_TOKEN_FILE"]).read_text()
while (marks / "load.slow").exists():
    time.sleep(0.05)
if (marks / "load.fails").exists():
    sys.exit("the sample is not what it was")
print("a story", flush=True)
"""

PATIENCE = 150.0  # seconds, on a machine that has other things to do

RUN = """
import asyncio, sys
from functools import cached_property
from pathlib import Path
from devstack import ports, stack
from devstack.child import Child
from devstack.wait import until
from devstack.__main__ import one_sentence
from devstack.screen import Screen
from devstack.services import Service
from devstack.stack import Stack
from devstack.alone import alone
from devstack.supervisor import Supervisor

home, first, stay, light = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "stay", sys.argv[4] == "light"

class Server:  # listens where Postgres or Kafka would
    def __init__(self, stack, name, port):
        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
        self.port, self.bootstrap, self.data = port, f"127.0.0.1:{port}", home
        (home / "meta.properties").touch()
        self.child = Child(name, command, log=stack.log(name), pidfile=stack.pidfile(name))
    def start(self):
        self.child.start()
        until(lambda: ports.accepts(self.port), self.child, 60)
    def stop(self):
        self.child.stop()
    def url(self):
        return f"postgresql://postgres:secret@127.0.0.1:{self.port}/postgres"

class Light(Stack):
    @cached_property
    def postgres(self):
        return Server(self, "postgres", self.postgres_port)
    @cached_property
    def kafka(self):
        return Server(self, "kafka", self.kafka_port)
    async def make_databases(self):
        pass

services = [Service("alpha", first, "a"), Service("beta", first + 1, "b")]
it = (Light if light else Stack)(
    kept=home / "kept", run=home / "run", services=services, postgres_port=first + 2, kafka_port=first + 3,
    run_command=lambda s: [sys.executable, str(home / "service.py"), s.name, str(home)],
    migrate_command=lambda s: [sys.executable, "-c", "import os; assert os.environ['CAUCE_POSTGRES_URL']"],
    load_command=[sys.executable, str(home / "load.py"), str(home)],
)
if (home / "disk.full").exists():
    stack.ROOM = 2**60
with one_sentence(), alone(it.run):
    asyncio.run(Supervisor(it, Screen(), load=True, stay=stay).run())
"""


@dataclass
class Home:
    """A folder with a stack of two services, and the supervisors started on it."""

    folder: Path
    first: int
    light: bool
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, stay: bool = True, screen: int | None = None) -> "subprocess.Popen[bytes]":
        words = [str(self.folder), str(self.first), "stay" if stay else "leave", "light" if self.light else "real"]
        with (self.folder / "screen").open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", RUN, *words],
                env=os.environ | {"CAUCE_ROOT": str(self.folder), "CAUCE_JARS": str(place.jars())},
                stdin=subprocess.DEVNULL,
                stdout=file if screen is None else screen,
                stderr=file,
            )
        self.started.append(process)
        return process

    def to_its_end(self) -> int:
        return self.start(stay=False).wait(PATIENCE)

    @property
    def screen(self) -> str:
        return (self.folder / "screen").read_text()

    def shows(self, text: str) -> None:
        until_true(lambda: text in self.screen, f"{text!r} on the screen", PATIENCE)

    def mark(self, name: str) -> Path:
        (self.folder / name).touch()
        return self.folder / name

    def pid(self, name: str) -> int:
        return int(json.loads((self.folder / "run" / "pids" / f"{name}.json").read_text())["pid"])

    def alive(self) -> list[str]:
        """Names of its children that run, by the pidfiles and by the ports."""
        names = [file.stem for file in (self.folder / "run" / "pids").glob("*.json") if leftover(file) is not None]
        return names + [str(port) for port in range(self.first, self.first + 5) if not ports.is_free(port)]

    def pids(self) -> dict[str, int]:
        return {file.stem: self.pid(file.stem) for file in (self.folder / "run" / "pids").glob("*.json")}


def home_in(tmp_path: Path, light: bool) -> Iterator[Home]:
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "load.py").write_text(LOAD)
    (tmp_path / "requirements.lock").touch()
    made = Home(tmp_path, ports.free(5)[0], light)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    until_true(lambda: made.alive() == [], "the end of everything", PATIENCE)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    yield from home_in(tmp_path, light=True)


@pytest.fixture
def real_home(tmp_path: Path) -> Iterator[Home]:
    jars.folder()
    yield from home_in(tmp_path, light=False)


def test_a_run_loads_once_keeps_its_data_and_stops_in_order(real_home: Home) -> None:
    assert real_home.to_its_end() == 0, real_home.screen
    assert real_home.screen.count("a story") == 1
    shown = [real_home.screen.index(told) for told in ("Services drained", "Kafka stopped", "Postgres stopped")]
    assert shown == sorted(shown)
    assert sorted((real_home.folder / "ended").read_text().split()) == ["alpha", "beta"]
    assert real_home.alive() == []
    assert real_home.to_its_end() == 0
    assert (real_home.folder / "loads").read_text().count("load") == 1
    assert real_home.screen.count("Schemas and topics are up to date") == 1


def test_changed_code_migrates_again(home: Home) -> None:
    assert home.to_its_end() == 0, home.screen
    source = home.folder / "services" / "alpha-svc" / "src"
    source.mkdir(parents=True)
    (source / "schema.sql").write_text("create table t (n int)")
    assert home.to_its_end() == 0
    assert home.screen.count("Schemas and topics are up to date") == 2


def test_a_killed_service_is_started_again_and_said_so_also_during_the_load(home: Home) -> None:
    slow = home.mark("load.slow")
    run = home.start()
    until_true((home.folder / "loads").exists, "the load", PATIENCE)
    killed = home.pid("beta")
    os.kill(killed, signal.SIGKILL)
    home.shows(f"beta was ended by SIGKILL (pid {killed}); started again")
    until_true(lambda: home.pid("beta") != killed and ports.accepts(home.first + 1), "beta anew", PATIENCE)
    slow.unlink()
    home.shows("a story")
    home.shows("beta is ready, up to date")
    run.send_signal(signal.SIGINT)
    assert run.wait(PATIENCE) == 0
    assert home.alive() == []


@pytest.mark.parametrize("name", ["postgres", "kafka"])
def test_a_killed_server_is_started_again_on_its_data(real_home: Home, name: str) -> None:
    run = real_home.start()
    real_home.shows("alpha is ready")
    killed = real_home.pid(name)
    os.kill(killed, signal.SIGKILL)
    real_home.shows(f"{name.capitalize()} was ended by SIGKILL (pid {killed}); started again")
    until_true(lambda: real_home.pid(name) != killed and ports.accepts(real_home.first + 2), f"{name} anew", PATIENCE)
    run.send_signal(signal.SIGTERM)
    assert run.wait(PATIENCE) == 0
    assert real_home.alive() == []


def test_a_service_that_cannot_start_ends_the_run_with_its_name_and_the_end_of_its_log(home: Home) -> None:
    home.mark("beta.cannot-start")
    assert home.to_its_end() == 1
    assert f"cauce: beta exited with 1; the end of its log {home.folder}/run/logs/beta.log" in home.screen
    assert "no such setting: CAUCE_NONSENSE" in home.screen
    assert home.alive() == []


def test_a_service_that_dies_time_after_time_ends_the_run(home: Home) -> None:
    run = home.start()
    home.shows("beta is ready")
    home.mark("beta.cannot-start")
    os.kill(home.pid("beta"), signal.SIGKILL)
    assert run.wait(PATIENCE) == 1
    assert "cauce: beta exited with 1" in home.screen
    assert home.alive() == []


def test_a_load_that_fails_ends_the_run_and_the_next_run_loads_again(home: Home) -> None:
    fails = home.mark("load.fails")
    assert home.to_its_end() == 1
    assert "the sample's load exited with 1" in home.screen
    assert "the sample is not what it was" in home.screen
    fails.unlink()
    assert home.to_its_end() == 0
    assert (home.folder / "loads").read_text().count("load") == 2


def test_a_killed_supervisor_leaves_nothing_running(real_home: Home) -> None:
    run = real_home.start()
    real_home.shows("beta is ready, up to date")
    pids = real_home.pids()
    assert set(pids) == {"postgres", "kafka", "alpha", "beta"}
    run.send_signal(signal.SIGKILL)
    run.wait()
    until_true(lambda: not any(map(psutil.pid_exists, pids.values())), "the end of its children", PATIENCE)
    assert real_home.to_its_end() == 0, real_home.screen


def test_what_a_killed_supervisor_left_is_ended_by_the_next_run(home: Home) -> None:
    """As on a system that does not tie children to their parent."""
    left = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    stranger = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)
    pidfiles = home.folder / "run" / "pids"
    pidfiles.mkdir(parents=True)
    started = psutil.Process(left.pid).create_time()
    (pidfiles / "alpha.json").write_text(json.dumps({"name": "alpha", "pid": left.pid, "started": started}))
    told = {"name": "beta", "pid": stranger.pid, "started": started - 3600}
    (pidfiles / "beta.json").write_text(json.dumps(told))
    try:
        assert home.to_its_end() == 0, home.screen
        assert "alpha was left running by a run that was killed; it is ended now" in home.screen
        assert left.wait(5) == -signal.SIGTERM
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        left.kill()
        left.wait()


def test_a_taken_port_is_named_with_what_it_is_for_and_who_holds_it(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", home.first + 1))
        taken.listen()
        assert home.to_its_end() == 1
    name = psutil.Process().name()
    assert f"port {home.first + 1}, needed for the beta service, is taken by {name} (pid {os.getpid()})" in home.screen
    assert home.alive() == []


def test_a_port_that_only_a_connection_uses_is_waited_for(home: Home) -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.bind(("127.0.0.1", home.first + 3))
        client.connect(server.getsockname())
        run = home.start(stay=False)
        home.shows(f"port {home.first + 3}, for Kafka, is in use by a connection; waiting")
        # reset, so that it does not linger for the minute
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        assert run.wait(PATIENCE) == 0, home.screen


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ports are not reserved")
def test_a_reserved_port_is_its_servers_and_no_outgoing_connections() -> None:
    """As when a client keeps calling a server that is away: unreserved, some call is connected to itself."""
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    port = next(port for port in range(high - high % 2, low, -2) if ports.is_free(port))
    ports.reserve(port)
    for _ in range(high - low):
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        assert ports.accepts(port)


def test_a_full_disk_is_one_sentence(home: Home) -> None:
    home.mark("disk.full")
    assert home.to_its_end() == 1
    (told,) = [line for line in home.screen.splitlines() if line.startswith("cauce: ")]
    assert told.startswith("cauce: the disk is full (")
    assert "Traceback" not in home.screen


def test_a_second_run_on_the_same_clone_is_refused(home: Home) -> None:
    run = home.start()
    home.shows("beta is ready")
    assert home.to_its_end() == 1
    assert f"it is running already (pid {run.pid})" in home.screen
    run.send_signal(signal.SIGTERM)
    assert run.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("when", "kind"),
    [("Postgres on", "real_home"), ("Migrations and topics ...", "home"), ("alpha on", "home")],
    ids=["servers", "migrations", "services"],
)
def test_ctrl_c_while_it_starts_stops_what_was_started(when: str, kind: str, request: pytest.FixtureRequest) -> None:
    home: Home = request.getfixturevalue(kind)
    run = home.start()
    home.shows(when)
    run.send_signal(signal.SIGINT)
    assert run.wait(PATIENCE) == 0, home.screen
    assert home.alive() == []


def test_a_closed_terminal_does_not_keep_it_from_stopping_in_order(home: Home) -> None:
    read, write = os.pipe()
    run = home.start(screen=write)
    os.close(write)
    until_true(lambda: ports.accepts(home.first) and ports.accepts(home.first + 1), "both services", PATIENCE)
    os.close(read)
    run.send_signal(signal.SIGHUP)
    run.wait(PATIENCE)
    assert sorted((home.folder / "ended").read_text().split()) == ["alpha", "beta"]
    assert home.alive() == []
