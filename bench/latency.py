"""From a command over HTTP at one service until another service's view shows what came of it.

Commands are sent at their own times, whether earlier ones are answered or not, and each is timed from when it was to
be sent: one that is late because others are in the way counts as slow. A trigger on the view's table notifies this
process, and a notification arrives after the commit that makes the row visible: nothing polls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from partner.domain.registration import partner_id

from bench.http import EXAMPLE, SERVICE, client
from bench.measure import Figure, Spread, Target
from bench.process import Served, migrate, serving, token
from bench.rig import Rig

TRIGGER = """
create function seen() returns trigger language plpgsql as $$
begin perform pg_notify('seen', {key}::text); return null; end $$;
create trigger seen after insert on {table} for each row execute function seen();
"""
PATIENCE = 60.0
QUANTILES = (0.50, 0.99, 0.999)


@dataclass
class Watch:
    """When the rows of a view's table became visible, by key and the monotonic clock."""

    seen_at: dict[str, float] = field(default_factory=dict)
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def notified(self, connection: Any, pid: int, channel: str, key: object) -> None:
        self.seen_at[str(key)] = time.perf_counter()
        self.more.set()

    async def until_all(self, keys: set[str]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not keys <= self.seen_at.keys():
                self.more.clear()
                await self.more.wait()


@asynccontextmanager
async def watching(database: str, table: str, key: str) -> AsyncIterator[Watch]:
    """Of a view's physical table, from now on."""
    connection = await asyncpg.connect(database)
    watch = Watch()
    try:
        await connection.execute(TRIGGER.format(table=table, key=key))
        await connection.add_listener("seen", watch.notified)
        yield watch
    finally:
        await connection.close()


@dataclass(frozen=True)
class Post:
    """A command: what it is about is known by `key` in the view that is watched; `seen` is the version for If-Match."""

    key: str
    path: str
    body: bytes
    seen: int | None = None


@dataclass
class Commands:
    """Sends commands to a service at a steady rate; `sent_at` is when each was to be sent."""

    session: aiohttp.ClientSession
    served: Served
    sent_at: dict[str, float] = field(default_factory=dict)

    async def send(self, commands: list[Post], rate: float) -> None:
        began = time.perf_counter() + 0.1
        sending = []
        for n, command in enumerate(commands):
            due = began + n / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            self.sent_at[command.key] = due
            sending.append(asyncio.create_task(self._post(command)))
        await asyncio.gather(*sending)

    async def _post(self, command: Post) -> None:
        headers = {} if command.seen is None else {"If-Match": f'"{command.seen}"'}
        async with self.session.post(self.served.url + command.path, data=command.body, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 201:
                raise RuntimeError(f"{command.path}: {answer.status} {text}")


def quantiles(milliseconds: list[float]) -> tuple[float, ...]:
    """By the nearest rank."""
    ordered = sorted(milliseconds)
    return tuple(ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in QUANTILES)


@dataclass(frozen=True)
class Case:
    """`commands` are sent to the one service; their keys are watched for in the other's view."""

    what: str
    rate: int
    commands: list[Post]
    target: Target | None


async def measured(rig: Rig, case: Case, session: aiohttp.ClientSession, said: Served, watch: Watch) -> Figure:
    sent = Commands(session, said)
    rig.step(f"{case.what} at {case.rate:,}/s")
    await sent.send(case.commands, case.rate)
    await watch.until_all(set(sent.sent_at))
    waited = [(watch.seen_at[key] - at) * 1000 for key, at in sent.sent_at.items()]
    p50, p99, p999 = quantiles(waited)
    return Figure(
        f"{case.what}, {case.rate:,}/s: p99",
        "ms",
        Spread.of([p99]),
        target=case.target,
        note=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, p99.9 {p999:.1f} ms, longest {max(waited):.1f} ms"
        f" of {len(waited):,} commands, each from when it was due to be sent.",
    )


async def views(rig: Rig) -> list[Figure]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session, prefix = await enter(client(token(rig))), await enter(rig.topics())
        speaks, listens = await enter(rig.database()), await enter(rig.database())
        rig.step("starting two services")
        await migrate(rig, (*EXAMPLE, "migrate", "performance"), speaks, prefix)
        await migrate(rig, (*EXAMPLE, "migrate", "risk"), listens, prefix)
        said = await enter(serving(rig, (*EXAMPLE, "run", "performance"), speaks, prefix))
        await enter(serving(rig, (*EXAMPLE, "run", "risk"), listens, prefix))
        watch = await enter(watching(listens, "readings__g1", "new.partner_id"))
        await measured(rig, Case("warming up", 100, readings(200), None), session, said, watch)
        figures = []
        for rate in (100, 1000):
            commands = readings(rate * rig.pick(20, 3))
            what = "a command over HTTP until another service's view has it"
            case = Case(what, rate, commands, Target("at most", 50.0))
            figures.append(await measured(rig, case, session, said, watch))
    return [*figures, await registrations(rig)]


def readings(count: int) -> list[Post]:
    """Each of a meter of its own, so that its row in the view is inserted and tells of itself once."""
    meters = [uuid4() for _ in range(count)]
    return [Post(str(meter), f"/meters/{meter}/readings", b'{"value": "87.5"}') for meter in meters]


STANDARD = b'{"content": {"title": "Bench", "dimensions": [{"code": "capital", "weight": 100}]}}'
SCORES = b'{"standard": "bench", "scores": {"capital": 80}}'


async def registrations(rig: Rig) -> Figure:
    """The real thing: an approval at partner-svc claims the name, registers the partner and says so, each in a
    transaction of its own behind the relay, before performance-svc hears of it."""
    rate = 20
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session, prefix = await enter(client(token(rig))), await enter(rig.topics())
        served, databases = {}, {}
        for name in ("partner", "performance"):
            rig.step(f"starting {name}-svc")
            databases[name] = await enter(rig.database())
            await migrate(rig, (*SERVICE, "migrate", name), databases[name], prefix)
            served[name] = await enter(serving(rig, (*SERVICE, "run", name), databases[name], prefix))
        partner = served["partner"]
        rig.step("applications come in")
        approvals = await applied(session, partner, rate * rig.pick(20, 3))
        watch = await enter(watching(databases["performance"], "known_partners__g1", "new.partner_id"))
        case = Case("an approval until performance-svc knows the partner", rate, approvals, None)
        return await measured(rig, case, session, partner, watch)


async def applied(session: aiohttp.ClientSession, partner: Served, count: int) -> list[Post]:
    """Applications that are scored: approvals of them, known by the id that the partner will have."""
    standard = f"{partner.url}/standards/bench"
    async with session.put(f"{standard}/draft", data=STANDARD) as answer:
        answer.raise_for_status()
    async with session.post(f"{standard}/publication", data=b"{}", headers={"If-Match": '"1"'}) as answer:
        answer.raise_for_status()
    approvals = []
    for n in range(count):
        body = b'{"legal_name": "Aurora %d", "kind": "agent", "area": "US-AK", "outlet_name": "Main"}' % n
        async with session.post(f"{partner.url}/applications", data=body) as answer:
            answer.raise_for_status()
            id = UUID((await answer.json())["id"])
        async with session.post(f"{partner.url}/applications/{id}/scores", data=SCORES) as answer:
            answer.raise_for_status()
            seen = (await answer.json())["version"]
        approvals.append(Post(str(partner_id(id)), f"/applications/{id}/approval", b"{}", seen))
    return approvals
