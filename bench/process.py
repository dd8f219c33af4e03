"""Services as processes of their own, as they are deployed, and what they cost by the kernel's account."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from devstack import issuer, place, ports
from devstack.child import Child
from devstack.issuer import Issuer
from devstack.trouble import Trouble

from bench.rig import Rig

READY_SECONDS = 60.0


def issuer_of(rig: Rig) -> Issuer:
    made = Issuer(rig.postgres.data.parent)
    made.publish()
    return made


def token(rig: Rig) -> str:
    """May do everything, in the past, too."""
    scopes = {scope for role in issuer.ROLES for scope in issuer.scopes_of(role)}
    return issuer_of(rig).mint("bench", scopes, ttl=6 * 3600)


@dataclass
class Served:
    """A service's process; `spawned` is when it was started, by the monotonic clock."""

    child: Child
    port: int
    spawned: float
    process: psutil.Process = field(init=False)
    ready_after: float = field(init=False)

    def __post_init__(self) -> None:
        self.process = psutil.Process(self.child.pid)

    @property
    def url(self) -> str:
        return f"http://{ports.HOST}:{self.port}"

    def cpu(self) -> float:
        """Seconds of a core that it has used, threads and the kernel's work for it included."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> float:
        """Resident megabytes, what it shares with others counted in full."""
        return float(self.process.memory_info().rss) / 1e6

    def own_memory(self) -> float:
        """Megabytes that would be free again if it ended."""
        return float(self.process.memory_full_info().uss) / 1e6

    async def until_ready(self, path: str) -> None:
        """Until it answers there; `ready_after` is how many seconds after its start that was."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(path)).status_code < 500:
                        self.ready_after = time.monotonic() - self.spawned
                        return
                if not self.child.alive():
                    raise self.child.died()
                if time.monotonic() > self.spawned + READY_SECONDS:
                    raise Trouble(f"{self.child.name} was not ready within {READY_SECONDS:.0f} s:", self.child.log)
                await asyncio.sleep(0.01)


def environment(rig: Rig, database: str, prefix: str, port: int, role: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("CAUCE_", "PG"))}
    return ours | {
        "CAUCE_POSTGRES_URL": database,
        "CAUCE_KAFKA_BOOTSTRAP": rig.kafka,
        "CAUCE_TOPIC_PREFIX": prefix,
        "CAUCE_JWKS": str(issuer_of(rig).jwks),
        "CAUCE_SEALING_KEYS": issuer_of(rig).sealing_keys(),
        "CAUCE_ISSUER": issuer.ISSUER,
        "CAUCE_AUDIENCE": issuer.AUDIENCE,
        "CAUCE_ROLE": role,
        "CAUCE_PORT": str(port),
        "CAUCE_LOG_LEVEL": "warning",
        "CAUCE_RATE": "1000000",  # one caller here stands for many
    }


def log_of(rig: Rig, name: str) -> Path:
    return rig.postgres.data.parent / "logs" / f"{name}.log"


async def migrate(rig: Rig, command: Sequence[str], database: str, prefix: str) -> None:
    """Runs `python <command>` to its end, with the environment of the service."""
    name = "-".join(command[1:])
    env = environment(rig, database, prefix, 1, "all")
    child = Child(name, [sys.executable, *command], log=log_of(rig, name), env=env, cwd=place.root())
    child.start()
    if await asyncio.to_thread(child.wait, 120) != 0:
        raise child.died()


@contextlib.asynccontextmanager
async def serving(
    rig: Rig, command: Sequence[str], database: str, prefix: str = "", *, role: str = "all", ready: str = "/readyz"
) -> AsyncIterator[Served]:
    """`python <command>` as a service of this database, once it is ready; stopped in order at the end."""
    [port] = ports.free()
    name = f"{'-'.join(command[1:])}-{port}"
    env = environment(rig, database, prefix, port, role)
    child = Child(name, [sys.executable, *command], log=log_of(rig, name), env=env, cwd=place.root())
    spawned = time.monotonic()
    child.start()
    try:
        served = Served(child, port, spawned)
        await served.until_ready(ready)
        yield served
    finally:
        await asyncio.to_thread(child.stop)
