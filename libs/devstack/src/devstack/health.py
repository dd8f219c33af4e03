"""How a running service does: its process, its readiness, and how far behind its subscriptions are."""

from dataclasses import dataclass

import httpx
import psutil

from devstack.services import Service


@dataclass(frozen=True)
class Health:
    """`why` explains a state that is not ready; `lag` is in events, `parked` in streams, `memory` in bytes."""

    name: str
    state: str
    why: str | None = None
    pid: int | None = None
    memory: int | None = None
    lag: int | None = None
    parked: int | None = None
    restarts: int = 0

    @property
    def kind(self) -> tuple[object, ...]:
        """What makes a new line worth printing: not every event of lag."""
        return (self.state, self.why, self.lag is not None and self.lag > 0, self.parked, self.restarts)

    def __str__(self) -> str:
        told = [f"{self.name} is {self.state}"]
        if self.why:
            told[0] += f" ({self.why})"
        if self.lag is not None:
            told.append("up to date" if self.lag == 0 else f"{self.lag:,} events behind")
        if self.parked:
            told.append(f"{self.parked} streams parked")
        return ", ".join(told)


def memory_of(pid: int | None) -> int | None:
    try:
        return None if pid is None else int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return None


async def readiness(client: httpx.AsyncClient, service: Service) -> str | None:
    """None when it is ready, else why not."""
    try:
        answer = await client.get(f"{service.url}/readyz")
        if answer.status_code == httpx.codes.OK:
            return None
        return str(answer.json().get("detail") or f"answers {answer.status_code}")
    except httpx.TimeoutException:
        return "does not answer in time"
    except httpx.HTTPError:
        return "does not answer"
    except ValueError:
        return f"answers {answer.status_code}"


async def backlog(client: httpx.AsyncClient, service: Service, token: str) -> tuple[int | None, int | None]:
    """Events that the slowest of its subscriptions has not handled, and streams parked; None when it does not say."""
    try:
        answer = await client.get(f"{service.url}/subscriptions", headers={"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
        told = answer.json()["items"]
        return max((each["lag"] for each in told), default=0), sum(each["parked"] for each in told)
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None, None
