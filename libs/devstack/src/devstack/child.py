"""A program run as a child: its own session, its own log, a pidfile that proves it is ours, and no life after ours."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psutil

from devstack.trouble import Trouble

POLL = 0.05
LAUNCH = Path(__file__).with_name("launch.py")


@dataclass
class Child:
    """One program. `account` is whom to become when we are root, `reach` the paths that account must get to.

    With `to_screen` its output goes where ours goes, and only its errors to the log.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    pidfile: Path | None = None
    death_signal: signal.Signals = signal.SIGTERM
    account: str | None = None
    reach: Sequence[Path] = ()
    cwd: Path | None = None
    to_screen: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        if self.alive():
            raise RuntimeError(f"{self.name} is running already")
        self.process = spawning_thread()(self._spawn)
        if self.pidfile is not None:
            write_pidfile(self.pidfile, self.name, self.process.pid)

    def _spawn(self) -> subprocess.Popen[bytes]:
        launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(self.death_signal))]
        if self.account is not None:
            launch += ["--as", self.account, "--reach", *map(str, self.reach)]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own programs
                [*launch, "--", *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=None if self.to_screen else log,
                stderr=log,
                env=dict(self.env),
                cwd=self.cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process.pid

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code, when it ends by itself; subprocess.TimeoutExpired when it does not."""
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process.wait(seconds)

    def ending(self) -> str:
        """How it ended, for a sentence: "exited with 1", "was ended by SIGKILL"."""
        code = self.process.poll() if self.process is not None else None
        if code is None:
            return "is running"
        return f"exited with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"

    def died(self) -> Trouble:
        return Trouble(f"{self.name} {self.ending()}; the end of its log {self.log}:", self.log)

    def stop(self, how: signal.Signals = signal.SIGTERM, grace: float = 20.0) -> None:
        """Asks with `how`, and after `grace` seconds ends its whole session."""
        if self.process is not None:
            if self.alive():
                self.process.send_signal(how)
            try:
                self.process.wait(grace)
            except subprocess.TimeoutExpired:
                self.kill()
        self.forget()

    def forget(self) -> None:
        """Once it is gone there is nothing for a later run to end."""
        if self.pidfile is not None:
            self.pidfile.unlink(missing_ok=True)

    def kill(self) -> None:
        """SIGKILL, to it and all of its session; returns when it is gone."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):  # gone already, which is what was wanted
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def write_pidfile(pidfile: Path, name: str, pid: int) -> None:
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return  # ended already: its owner sees that by itself
    pidfile.parent.mkdir(parents=True, exist_ok=True)
    part = pidfile.with_suffix(".part")
    part.write_text(json.dumps({"name": name, "pid": pid, "started": started}))
    part.replace(pidfile)


def leftover(pidfile: Path) -> psutil.Process | None:
    """The live process that a pidfile tells of: the same pid AND the same start time, so never a stranger's."""
    try:
        told = json.loads(pidfile.read_text())
        process = psutil.Process(told["pid"])
        same = abs(process.create_time() - told["started"]) < 0.02
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, KeyError, TypeError):
        return None
    return process if same and not gone(process) else None


def gone(process: psutil.Process) -> bool:
    """Ended, also when nobody has asked for its exit code yet (in a container without an init nobody ever does)."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def went(process: psutil.Process, seconds: float) -> bool:
    """Whether it ended within the seconds."""
    deadline = time.monotonic() + seconds
    while not gone(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def end_leftover(pidfile: Path, grace: float = 15.0) -> str | None:
    """Ends what a dead supervisor left behind; its name, or None when nothing of ours was running."""
    process = leftover(pidfile)
    name = None
    if process is not None:
        name = str(json.loads(pidfile.read_text())["name"])
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        if not went(process, grace):
            process.kill()
            went(process, grace)
    pidfile.unlink(missing_ok=True)
    return name


Spawn = Callable[[], "subprocess.Popen[bytes]"]


class SpawningThread:
    """Linux ties a child to the THREAD that made it, so one thread makes them all, and lives as long as we do."""

    def __init__(self) -> None:
        self.wanted: queue.SimpleQueue[tuple[Spawn, Future[subprocess.Popen[bytes]]]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="spawning", daemon=True).start()

    def _serve(self) -> None:
        while True:
            spawn, future = self.wanted.get()
            try:
                future.set_result(spawn())
            except BaseException as error:  # noqa: BLE001 - handed to the caller
                future.set_exception(error)

    def __call__(self, spawn: Spawn) -> "subprocess.Popen[bytes]":
        future: Future[subprocess.Popen[bytes]] = Future()
        self.wanted.put((spawn, future))
        return future.result()


@cache
def spawning_thread() -> SpawningThread:
    return SpawningThread()
