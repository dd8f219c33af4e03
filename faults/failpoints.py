"""Failpoints armed from outside: a file names the service and the point, and the first process to come by takes it."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

POINTS = ("command_committed", "relay_read", "relay_sent", "consumer_effect", "consumer_committed", "timer_effect")
"""Between a command's commit and its answer; between append and publish; between publish and cursor; between effect and
offset; after both; between a timer's effect and its commit."""

Action = Literal["kill", "stop"]
SIGNALS: dict[str, signal.Signals] = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(frozen=True)
class Failpoints:
    """The engine's failpoint in a child: ends or halts its own process where it is told to."""

    folder: Path
    service: str

    async def __call__(self, point: str) -> None:
        armed = self.folder / f"{self.service}.{point}"
        if not armed.exists():
            return
        taken = armed.with_name(f"{armed.name}.{os.getpid()}")
        try:
            action = armed.read_text()
            armed.rename(taken)
        except FileNotFoundError:  # another process came first
            return
        os.kill(os.getpid(), SIGNALS[action])


@dataclass(frozen=True)
class Trap:
    """One armed failpoint, from the injector's side."""

    folder: Path
    service: str
    point: str

    @property
    def _armed(self) -> Path:
        return self.folder / f"{self.service}.{self.point}"

    def arm(self, action: Action) -> None:
        part = self._armed.with_suffix(".part")
        part.write_text(action)
        part.rename(self._armed)

    def caught(self) -> int | None:
        """The process that came by; None while none has."""
        taken = next(self.folder.glob(f"{self._armed.name}.[0-9]*"), None)
        return None if taken is None else int(taken.suffix[1:])

    def withdraw(self) -> bool:
        """False where somebody has come by in the last moment."""
        try:
            self._armed.unlink()
        except FileNotFoundError:
            return False
        return True

    def forget(self, pid: int) -> None:
        self._armed.with_name(f"{self._armed.name}.{pid}").unlink()
