"""A service as the supervisor sees it: its process, its state, and when to start it again."""

import time
from dataclasses import dataclass

from devstack.child import Child
from devstack.health import Health, memory_of
from devstack.services import Service

TRIES = 5
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STEADY_SECONDS = 10.0


def pause_before(attempt: int) -> float:
    """Seconds before the n-th start in a row."""
    return float(min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE))


@dataclass
class Unit:
    """A service as it runs now. `failures` counts deaths without a steady stretch between them."""

    service: Service
    child: Child
    state: str = "starting"
    why: str | None = None
    lag: int | None = None
    parked: int | None = None
    restarts: int = 0
    failures: int = 0
    started: float = 0.0
    retry_at: float | None = None

    def start(self) -> None:
        self.child.start()
        self.state, self.why, self.lag, self.retry_at = "starting", None, None, None
        self.started = time.monotonic()

    def heard(self, why: str | None) -> None:
        if why is None:
            self.state, self.why = "ready", None
            if time.monotonic() - self.started > STEADY_SECONDS:
                self.failures = 0
        elif self.state == "ready":
            self.state, self.why = "not ready", why

    def health(self) -> Health:
        pid = self.child.pid if self.child.alive() else None
        name = self.service.name
        return Health(name, self.state, self.why, pid, memory_of(pid), self.lag, self.parked, self.restarts)
