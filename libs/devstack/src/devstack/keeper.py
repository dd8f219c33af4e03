"""Keeps one test run's Postgres and Kafka: lives as long as the pytest that it was started for, and no longer.

    python -m devstack.keeper FOLDER PYTEST_PID

It is a process of its own because under xdist no worker outlives the others for certain. It writes FOLDER/servers.json
when both serve, or FOLDER/trouble.txt, and removes FOLDER when it ends: on SIGTERM, or when pytest is gone, however.
"""

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from devstack import containers, place, ports
from devstack.child import went
from devstack.kafka import Kafka
from devstack.postgres import Postgres
from devstack.trouble import Trouble

ALIVE, SERVERS, TROUBLE, LOG = "alive.lock", "servers.json", "trouble.txt", "keeper.log"


@dataclass(frozen=True)
class Servers:
    """Where a test run's servers are: Postgres as superuser, and Kafka's bootstrap address."""

    postgres: str
    kafka: str

    def write(self, folder: Path) -> None:
        part = folder / f"{SERVERS}.part"
        part.write_text(json.dumps(asdict(self)))
        part.replace(folder / SERVERS)

    @staticmethod
    def read(folder: Path) -> "Servers | None":
        try:
            return Servers(**json.loads((folder / SERVERS).read_text()))
        except FileNotFoundError:
            return None


# -- the side of the tests


def servers(folder: Path, pytest_pid: int, seconds: float = 180.0) -> Servers:
    """The run's servers, started by whichever process asks first; the others wait here for it."""
    given = Servers(os.environ.get("CAUCE_POSTGRES_URL", ""), os.environ.get("CAUCE_KAFKA_BOOTSTRAP", ""))
    if given.postgres and given.kafka:
        return given
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "asked.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = Servers.read(folder)
        if found is None:
            found = started(folder, pytest_pid, seconds)
    return found


def started(folder: Path, pytest_pid: int, seconds: float) -> Servers:
    command = [sys.executable, "-m", "devstack.keeper", str(folder), str(pytest_pid)]
    with (folder / LOG).open("ab") as log:
        keeper = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    deadline = time.monotonic() + seconds
    while (found := Servers.read(folder)) is None:
        if (folder / TROUBLE).exists():
            raise Trouble((folder / TROUBLE).read_text())
        if keeper.poll() is not None:
            raise Trouble("the test servers' keeper ended before they served:", folder / LOG)
        if time.monotonic() > deadline:
            raise Trouble(f"the test servers did not serve within {seconds:.0f} s:", folder / LOG)
        time.sleep(0.02)
    keeper.returncode = 0  # it outlives this process on purpose: the garbage collector is not to complain
    return found


def ended(folder: Path) -> None:
    """Ends the run's keeper, if there is one, and returns when its servers are gone."""
    try:
        keeper = psutil.Process(int((folder / ALIVE).read_text()))
        keeper.terminate()
        went(keeper, 30)
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        pass  # none was started, or it is gone: both are what was wanted
    shutil.rmtree(folder, ignore_errors=True)


# -- the keeper itself


def embedded(folder: Path) -> Iterator[Servers]:
    """Both servers, started together. Their data is nobody's, so they are ended the quick way."""
    postgres_port, kafka_port, _controller = ports.free(3)
    postgres = Postgres(folder / "postgres", postgres_port)
    kafka = Kafka(folder / "kafka", kafka_port)
    wanted: list[Callable[[], None]] = []
    if not os.environ.get("CAUCE_POSTGRES_URL"):
        wanted.append(postgres.start)
    if not os.environ.get("CAUCE_KAFKA_BOOTSTRAP"):
        wanted.append(kafka.start)
    try:
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda start: start(), wanted))
        yield Servers(
            os.environ.get("CAUCE_POSTGRES_URL") or postgres.url(),
            os.environ.get("CAUCE_KAFKA_BOOTSTRAP") or kafka.bootstrap,
        )
    finally:
        kafka.kill()
        postgres.stop("immediate")


def contained(_folder: Path) -> Iterator[Servers]:
    with containers.postgres_server() as postgres, containers.kafka_server() as kafka:
        yield Servers(postgres, kafka)


def live_here(folder: Path) -> TextIO:
    """Takes the folder, and removes those of keepers that were killed (their servers ended with them)."""
    with (folder.parent / "folders.lock").open("a") as others:
        fcntl.flock(others, fcntl.LOCK_EX)
        alive = (folder / ALIVE).open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
        alive.write(str(os.getpid()))
        alive.flush()
        for other in folder.parent.glob(f"*/{ALIVE}"):
            with contextlib.suppress(OSError), other.open("r+") as theirs:
                fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(other.parent, ignore_errors=True)
    return alive


def when_gone(pid: int, over: threading.Event) -> None:
    """Sets `over` once the process has ended."""
    with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
        if sys.platform == "linux":
            ends = os.pidfd_open(pid)
            select.select([ends], [], [])
            os.close(ends)
        else:
            psutil.Process(pid).wait()
    over.set()


def main(folder: Path, pytest_pid: int) -> int:
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: over.set())
    threading.Thread(target=when_gone, args=(pytest_pid, over), daemon=True).start()
    alive = live_here(folder)
    infra = contained if os.environ.get("CAUCE_TEST_INFRA") == "containers" else embedded
    try:
        with contextlib.contextmanager(infra)(folder) as running:
            running.write(folder)
            over.wait()
    except Exception as error:  # noqa: BLE001 - told to those who wait
        (folder / TROUBLE).write_text(str(error) or repr(error))
        over.wait(10)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        alive.close()
    return 0


def folder_of(pytest_pid: int) -> Path:
    """A run's folder. The start time tells it from that of an earlier process with the same pid."""
    return place.kept() / "test" / f"{pytest_pid}-{int(psutil.Process(pytest_pid).create_time() * 100)}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
