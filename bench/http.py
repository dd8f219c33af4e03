"""Commands over HTTP, and KPI reports in bulk, each beside a bare FastAPI route under the same server settings."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count, cycle
from statistics import median
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg

from bench import raw
from bench.measure import Figure, Pairs, Target
from bench.process import Served, migrate, serving, token
from bench.rig import Rig

CONNECTIONS = 16
METERS = 1000
EXAMPLE, BARE, SERVICE = ("-m", "bench.example"), ("-m", "bench.bare"), ("-m", "service")

Requests = Iterator[tuple[str, bytes]]


@dataclass
class Callers:
    """So many connections to a service, each of which sends its next request when its last is answered."""

    session: aiohttp.ClientSession
    served: Served
    requests: Requests
    seconds: float
    cores: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    async def round(self) -> float:
        """Requests a second. Notes which part of a core the server used, and the milliseconds of it a request."""
        answered, until = 0, time.perf_counter() + self.seconds

        async def keep_calling() -> None:
            nonlocal answered
            while time.perf_counter() < until:
                path, body = next(self.requests)
                async with self.session.post(self.served.url + path, data=body) as answer:
                    text = await answer.text()
                if answer.status != 201:
                    raise RuntimeError(f"{path}: {answer.status} {text}")
                answered += 1

        cpu, began = self.served.cpu(), time.perf_counter()
        await asyncio.gather(*(keep_calling() for _ in range(CONNECTIONS)))
        elapsed, used = time.perf_counter() - began, self.served.cpu() - cpu
        self.cores.append(used / elapsed)
        self.milliseconds.append(used / answered * 1000)
        return answered / elapsed

    @property
    def told(self) -> str:
        return f"{median(self.milliseconds):.2f} ms of the server's CPU a request ({median(self.cores):.0%} of a core)"


def client(bearer: str) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    return aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))


def readings() -> Requests:
    return cycle([(f"/meters/{uuid4()}/readings", b'{"value": "87.5"}') for _ in range(METERS)])


def applications() -> Requests:
    for n in count():
        body = b'{"legal_name": "Aurora %d Foods", "kind": "franchisee", "area": "US-AK", "outlet_name": "Main"}' % n
        yield "/applications", body


@dataclass(frozen=True)
class Case:
    """A service's command, as it is served by a process of this role."""

    what: str
    command: tuple[str, ...]
    name: str
    role: str
    requests: Callable[[], Requests]
    target: Target | None = None


CASES = (
    Case("a command over HTTP", EXAMPLE, "performance", "api", readings, Target("at least", 0.70)),
    Case("the same, in the process that also publishes", EXAMPLE, "performance", "all", readings),
    Case("an application to partner-svc, which also keeps two views", SERVICE, "partner", "api", applications),
)


async def commands(rig: Rig) -> list[Figure]:
    """Ours and a bare route that INSERTs the example's row, each a process of its own."""
    figures = []
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(client(token(rig)))
        plain = await stack.enter_async_context(rig.database())
        await execute(plain, raw.TABLE)
        bare_route = await stack.enter_async_context(serving(rig, BARE, plain, ready="/docs"))
        baseline = Callers(session, bare_route, readings(), rig.seconds)
        for case in CASES:
            async with rig.database() as database, rig.topics() as prefix:
                await migrate(rig, (*case.command, "migrate", case.name), database, prefix)
                async with serving(rig, (*case.command, "run", case.name), database, prefix, role=case.role) as served:
                    ours = Callers(session, served, case.requests(), rig.seconds)
                    pairs = await rig.pairs(ours.round, baseline.round)
            figures.append(figure(case, pairs, ours, baseline))
    return figures


def figure(case: Case, pairs: Pairs, ours: Callers, baseline: Callers) -> Figure:
    return Figure(
        f"{case.what}, {CONNECTIONS} connections",
        "requests/s",
        pairs.ours,
        "a bare FastAPI route with one INSERT of the example's row, same server settings",
        pairs.baseline,
        case.target,
        f"Ours checks the token, loads, decides and appends: {ours.told}; the bare route: {baseline.told}.",
    )


async def execute(database: str, sql: str) -> None:
    connection: asyncpg.Connection[Any] = await asyncpg.connect(database)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
