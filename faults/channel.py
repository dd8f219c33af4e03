"""partner and contract, with applicants who keep them busy and whose client forgives nothing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
from devstack import place
from httpx_aiohttp import AiohttpTransport

from faults.checker import Verdict, collect, judge_views
from faults.evidence import Evidence
from faults.fleet import Fleet, Replica
from faults.ledger import Asked, Client, Ledger, Unanswered
from faults.probe import Probe
from sample.services import Refused
from sample.setting import DIMENSIONS, DRAFTED, GATE, STANDARD

PATIENCE = 60.0
"""Seconds for what takes two on an idle machine."""
STORIES = 4
"""Applicants on their way at once."""
DRAIN_SECONDS = 1


class Late(AssertionError):
    """What was to come has not come in time."""


@dataclass
class Balancer:
    """What stands before the replicas: it looks at /readyz, and leads each request to the next that is ready."""

    fleet: Fleet
    service: str
    led: Counter[int] = field(default_factory=Counter)
    _ready: list[Replica] = field(default_factory=list)
    _turn: itertools.count[int] = field(default_factory=itertools.count)

    async def watch(self) -> None:
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            while True:
                replicas = self.fleet.of(self.service)
                ready = await asyncio.gather(*(self.fleet.is_ready(client, replica) for replica in replicas))
                self._ready = [replica for replica, is_ready in zip(replicas, ready, strict=True) if is_ready]
                await asyncio.sleep(0.2)

    def leads_to(self, replica: Replica) -> bool:
        return any(each is replica for each in self._ready)

    @property
    def leads_to_nobody(self) -> bool:
        return not self._ready

    def next(self) -> str:
        ready = self._ready
        replica = ready[next(self._turn) % len(ready)]
        self.led[replica.child.pid] += 1
        return replica.url


def _all_of(balancer: Balancer, replicas: Sequence[Replica]) -> bool:
    return all(map(balancer.leads_to, replicas))


@dataclass
class Impatient(Client):
    """Asks once: whatever goes wrong then is a request that failed."""

    balancer: Balancer = field(kw_only=True)

    async def _attempts(
        self, method: str, path: str, patience: float, asked: Asked | None, **kwargs: Any
    ) -> httpx.Response:
        url = self.balancer.next()
        if asked is not None:
            asked.tries += 1
        try:
            return await self.client.request(method, url + path, timeout=20, **kwargs)
        except httpx.TransportError as error:
            self.ledger.broken.append(f"{method} {path} at {url}: {error!r}")
            raise Unanswered(f"{self.name} did not answer {method} {path}") from error


async def until(condition: Callable[[], Awaitable[bool] | bool], what: str, seconds: float = PATIENCE) -> None:
    """Raises Late."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        if asyncio.get_running_loop().time() > deadline:
            raise Late(f"not within {seconds:.0f} s: {what}")
        await asyncio.sleep(0.05)


@dataclass
class Channel:
    """partner and contract, and the applicants who keep them busy."""

    fleet: Fleet
    probe: Probe
    clients: dict[str, Impatient]
    ledger: Ledger
    told: int = 0
    languages: Counter[str | None] = field(default_factory=Counter)
    _number: itertools.count[int] = field(default_factory=itertools.count)
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: int = 0

    async def all_ready(self) -> None:
        for service, client in self.clients.items():
            replicas = self.fleet.of(service)
            await until(partial(_all_of, client.balancer, replicas), f"{service} is ready")

    async def prepare(self) -> None:
        partner = self.clients["partner"]
        [(_, path, content)] = [each for each in DRAFTED if each[0] == "partner"]
        await partner.put(f"{path}/draft", content, key="definition")
        await partner.post(f"{path}/publication", {}, key="publication", seen=path)

    async def live(self) -> None:
        """One applicant after another, until cancelled."""
        while True:
            await self._going.wait()
            self._busy += 1
            try:
                await self.story(f"Applicant {next(self._number)}")
                self.told += 1
            except (Unanswered, Refused) as trouble:  # the ledger has what failed
                if isinstance(trouble, Refused):
                    self.ledger.broken.append(str(trouble))
            finally:
                self._busy -= 1

    async def story(self, name: str) -> None:
        partner = self.clients["partner"]
        applied = {"legal_name": name, "kind": "franchisee", "area": "NONE", "outlet_name": name}
        receipt = await partner.post("/applications", applied, key=name)
        at = f"/applications/{receipt['id']}"
        shown = await self.found("partner", at)
        self.languages[shown.get("language")] += 1
        scores = dict.fromkeys(DIMENSIONS, 90)
        body = {"standard": STANDARD, "scores": scores, "gates": {GATE: True}}
        await partner.post(f"{at}/scores", body, key=f"{name}, scored")
        await partner.post(f"{at}/approval", {}, key=f"{name}, approved")
        await self.found("partner", f"/partners/{shown['partner_id']}")
        await self.found("contract", "/negotiations", partner_id=shown["partner_id"])

    async def found(self, service: str, path: str, **params: Any) -> Any:
        """While two releases run a view may be as late as the relay: a reader looks again."""
        while True:
            try:
                there = await self.clients[service].get(path, **params)
            except Refused as refused:
                if refused.status != 404:
                    raise
            else:
                if there.get("items") != []:
                    return there
            await asyncio.sleep(0.05)

    def go(self) -> None:
        self._going.set()

    async def traffic(self, stories: int = 5) -> None:
        """Comes back when so many more applicants have a negotiation."""
        goal = self.told + stories
        self.go()
        await until(lambda: self.told >= goal or bool(self.ledger.broken), f"{stories} more stories")

    async def pause(self) -> None:
        """Until all that was begun has come to its end."""
        self._going.clear()
        await until(lambda: self._busy == 0, "the applicants have come to the end")
        if await self.probe.settled(PATIENCE) is None:
            raise Late(f"not at rest within {PATIENCE:.0f} s")

    # -- what an operator does

    async def run(self, release: Path | None, service: str, *words: str) -> tuple[int | None, str]:
        """A program of a release, in the service's environment: its exit code and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *words),
            env=self.fleet.environment(service) | ({} if release is None else {"PYTHONPATH": str(release)}),
            cwd=place.root(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    async def migrate(self, release: Path) -> None:
        code, said = await self.run(release, "partner", "service", "migrate", "partner")
        if code != 0:
            raise AssertionError(said)

    async def start(self, release: Path | None) -> Replica:
        replica = self.fleet.add_spare("partner", release)
        balancer = self.clients["partner"].balancer
        await until(lambda: balancer.leads_to(replica), f"{replica.name} is ready; see {replica.child.log}")
        return replica

    async def end(self, replica: Replica) -> None:
        replica.wanted = False
        replica.signal(signal.SIGTERM)
        await asyncio.to_thread(replica.child.wait, PATIENCE)
        self.fleet.remove_spare(replica)

    async def replace(self, old: Replica, release: Path | None) -> Replica:
        new = await self.start(release)
        await self.end(old)
        return new

    async def wrong_views(self, release: Path | None = None) -> str:
        """What a release finds otherwise than the log makes it, in the views of its own versions."""
        code, said = await self.run(release, "partner", "faults.folds", "partner")
        return "" if code == 0 else said

    @property
    def urls(self) -> dict[str, str]:
        return {service: self.fleet.direct_url(service) for service in self.fleet.counts}

    async def evidence(self) -> dict[str, Evidence]:
        return await collect(self.fleet.engines, self.urls, self.fleet.bootstrap)

    async def views(self, found: Mapping[str, Evidence]) -> Verdict:
        """Of this release."""
        return await judge_views(found, self.fleet.engines, self.urls)


@contextlib.asynccontextmanager
async def busy(folder: Path, partners: int = 1) -> AsyncIterator[Channel]:
    """The channel, up and ready, with so many processes of partner-svc; its applicants wait for the first `traffic`."""
    fleet = Fleet(folder, counts={"partner": partners, "contract": 1}, settings={"CAUCE_DRAIN": str(DRAIN_SECONDS)})
    ledger = Ledger()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(fleet.running())
        http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {fleet.token()}"},
            transport=AiohttpTransport(trust_env=False),
            trust_env=False,
        )
        await stack.enter_async_context(http)
        balancers = {service: Balancer(fleet, service) for service in fleet.counts}
        clients = {
            service: Impatient(service, http, ledger=ledger, choice=Random(1), balancer=balancer)
            for service, balancer in balancers.items()
        }
        channel = Channel(fleet, Probe(fleet), clients, ledger)
        stack.push_async_callback(channel.probe.close)
        tasks = [asyncio.create_task(balancer.watch()) for balancer in balancers.values()]
        try:
            await channel.all_ready()
            await channel.prepare()
            tasks += [asyncio.create_task(channel.live()) for _ in range(STORIES)]
            yield channel
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
