"""A release rolls out over the one before it and back again, while clients go on asking: real processes of both, on
one Postgres and one Kafka. It has a new version of an event and of a view, and new columns in the view and in the event
table."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
from devstack import place
from httpx_aiohttp import AiohttpTransport

from faults import business
from faults.checker import collect, judge_services, judged
from faults.child import SHORT
from faults.fleet import Fleet, Replica
from faults.ledger import Asked, Client, Ledger, Unanswered
from faults.probe import Probe
from sample.services import Refused
from sample.setting import DIMENSIONS, DRAFTED, GATE, STANDARD

PATIENCE = 60.0
"""Seconds for what takes two on an idle machine."""
STORIES = 4
"""Applicants on their way at once."""
APPLIED_1, APPLIED_2 = "cauce.partner.PartnerApplied.v1", "cauce.partner.PartnerApplied.v2"
CONSEQUENCES = business.CONSEQUENCES[:2] + business.CONSEQUENCES[3:4]
"""From the request for a registration over the name and the partner to the negotiation, which is another service's."""

CHANGES: dict[str, list[tuple[str, str]]] = {
    "engine/schema.sql": [("('event', 'client', 'text')", "('event', 'region', 'text'), ('event', 'client', 'text')")],
    "events/partner.py": [
        (
            f'class PartnerApplied(Event, type="{APPLIED_1}", key="application-{{application_id}}"):',
            f'class PartnerApplied(\n    Event,\n    type="{APPLIED_2}",\n    key="application-{{application_id}}",\n'
            f'    upcasts={{"{APPLIED_1}": lambda old: {{**old, "language": "unknown"}}}},\n'
            f'    downcast=("{APPLIED_1}", lambda new: {{k: v for k, v in new.items() if k != "language"}}),\n):',
        ),
        (
            "    name_key: UUID | None = None\n\n\nclass ApplicationScored",
            "    name_key: UUID | None = None\n    language: str\n\n\nclass ApplicationScored",
        ),
    ],
    "partner/domain/application.py": [
        (
            "\n            outlet_name=command.outlet_name,",
            '\n            outlet_name=command.outlet_name,\n            language="es",',
        )
    ],
    "partner/views.py": [
        (
            "    outlet_name text not null,\n    applied_at",
            "    language text not null,\n    outlet_name text not null,\n    applied_at",
        ),
        (
            "outlet_name=applied.outlet_name,",
            "outlet_name=applied.outlet_name,\n                language=applied.language,",
        ),
        ('View("applications", version=2', 'View("applications", version=3'),
    ],
    "partner/api/shown.py": [
        ("    outlet_name: str\n    applied_at", "    outlet_name: str\n    language: str\n    applied_at")
    ],
}
"""What release 2 has otherwise, by file: what is there now, and what takes its place."""


@pytest.fixture(scope="session")
def release_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of release 2, to be found before those that are installed."""
    folder = tmp_path_factory.mktemp("release-2")
    for package in (place.root() / "libs/engine/src/engine", place.root() / "libs/events/src/events"):
        shutil.copytree(package, folder / package.name)
    shutil.copytree(place.root() / "services/partner-svc/src/partner", folder / "partner")
    for name, changes in CHANGES.items():
        text = (folder / name).read_text()
        for old, new in changes:
            assert text.count(old) == 1, f"{name} is not as this test believes: {old!r}"
            text = text.replace(old, new)
        (folder / name).write_text(text)
    return folder


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
                await asyncio.sleep(0.05)

    def leads_to(self, replica: Replica) -> bool:
        return any(each is replica for each in self._ready)

    def next(self) -> str:
        ready = self._ready
        replica = ready[next(self._turn) % len(ready)]
        self.led[replica.child.pid] += 1
        return replica.url


@dataclass
class Impatient(Client):
    """Asks once: whatever goes wrong then is a request that failed."""

    balancer: Balancer | None = None

    async def _attempts(
        self, method: str, path: str, patience: float, asked: Asked | None, **kwargs: Any
    ) -> httpx.Response:
        assert self.balancer is not None
        url = self.balancer.next()
        if asked is not None:
            asked.tries += 1
        try:
            return await self.client.request(method, url + path, timeout=20, **kwargs)
        except httpx.TransportError as error:
            self.ledger.broken.append(f"{method} {path} at {url}: {error!r}")
            raise Unanswered(f"{self.name} did not answer {method} {path}") from error


async def until(condition: Callable[[], Awaitable[bool] | bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        met = condition()
        if met if isinstance(met, bool) else await met:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.05)


@dataclass
class Channel:
    """partner, twice, and contract, once, and the applicants who keep them busy."""

    fleet: Fleet
    probe: Probe
    clients: dict[str, Impatient]
    ledger: Ledger
    told: int = 0
    languages: Counter[str | None] = field(default_factory=Counter)
    _number: itertools.count[int] = field(default_factory=itertools.count)
    _going: asyncio.Event = field(default_factory=asyncio.Event)
    _busy: int = 0

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

    async def traffic(self, stories: int = 8) -> None:
        """Comes back when so many more applicants have a negotiation."""
        goal = self.told + stories
        self._going.set()
        await until(lambda: self.told >= goal or bool(self.ledger.broken), f"{stories} more stories")

    async def pause(self) -> None:
        """Until all that was begun has come to its end."""
        self._going.clear()
        await until(lambda: self._busy == 0, "the applicants have come to the end")
        assert await self.probe.settled(PATIENCE) is not None

    # -- what an operator does

    async def run(self, release: Path | None, *words: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *words),
            env=self.fleet.environment("partner") | ({} if release is None else {"PYTHONPATH": str(release)}),
            cwd=place.root(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode()

    async def migrate(self, release: Path) -> None:
        code, said = await self.run(release, "service", "migrate", "partner")
        assert code == 0, said

    async def start(self, release: Path | None) -> Replica:
        replica = self.fleet.add_spare("partner", release)
        balancer = self.clients["partner"].balancer
        assert balancer is not None
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

    async def assert_views_are_what_the_log_makes_of_them(self, release: Path | None) -> None:
        code, said = await self.run(release, "faults.folds", "partner")
        assert code == 0, said

    async def builds(self) -> set[tuple[int, bool]]:
        """Versions of the view, and whether each is shown."""
        connection = await asyncpg.connect(self.fleet.direct_url("partner"))
        try:
            rows = await connection.fetch("select version, live from view_build where name = 'applications'")
        finally:
            await connection.close()
        return {(row["version"], row["live"]) for row in rows}


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    fleet = Fleet(tmp_path / "fleet", counts={"partner": 2, "contract": 1}, settings={"CAUCE_DRAIN": "1"})
    ledger = Ledger()
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(fleet.running())
        http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {fleet.token()}"},
            transport=AiohttpTransport(trust_env=False),
            trust_env=False,
        )
        await stack.enter_async_context(http)
        tasks = []
        clients = {}
        for service in fleet.counts:
            balancer = Balancer(fleet, service)
            tasks.append(asyncio.create_task(balancer.watch()))
            clients[service] = Impatient(service, http, ledger=ledger, choice=Random(1), balancer=balancer)
            await until(lambda b=balancer, s=service: all(map(b.leads_to, fleet.of(s))), f"{service} is ready")  # type: ignore[misc]
        made = Channel(fleet, Probe(fleet), clients, ledger)
        stack.push_async_callback(made.probe.close)
        await made.prepare()
        tasks += [asyncio.create_task(made.live()) for _ in range(STORIES)]
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_release_rolls_out_and_back_under_load_and_no_request_fails_and_no_effect_is_lost_or_doubled(
    channel: Channel, release_2: Path
) -> None:
    first, second = channel.fleet.of("partner")
    await channel.traffic()
    await channel.migrate(release_2)  # beside the old release, under load

    first = await channel.replace(first, release_2)
    await channel.traffic()
    await channel.pause()
    assert await channel.builds() == {(2, False), (3, True)}
    for release in (None, release_2):  # each reads its own; the way back finds the old one as it should be
        await channel.assert_views_are_what_the_log_makes_of_them(release)

    await channel.traffic(0)
    second = await channel.replace(second, release_2)
    channel.languages.clear()
    await channel.traffic()
    await channel.pause()
    assert set(channel.languages) == {"unknown"}  # what is stored cannot say more yet
    await channel.assert_views_are_what_the_log_makes_of_them(release_2)

    await channel.traffic(0)
    first = await channel.replace(first, None)
    await channel.traffic()
    second = await channel.replace(second, None)
    await channel.traffic()
    await until(lambda: _only(channel, {(2, True)}), "the old version of the view is shown again, and no other is left")
    await channel.pause()
    await channel.assert_views_are_what_the_log_makes_of_them(None)

    await assert_nothing_went_wrong(channel)
    await written_before_all_can_read_it(channel, release_2)


async def _only(channel: Channel, builds: set[tuple[int, bool]]) -> bool:
    return await channel.builds() == builds


async def assert_nothing_went_wrong(channel: Channel) -> None:
    assert channel.ledger.broken == []
    assert channel.ledger.of("acknowledged") == channel.ledger.asked
    assert len(channel.clients["partner"].balancer.led) == 6  # type: ignore[union-attr] - each had its part of it
    fleet, now = channel.fleet, datetime.now(UTC)
    urls = {service: fleet.direct_url(service) for service in fleet.counts}
    evidence = await collect(fleet.engines, urls, fleet.bootstrap)
    assert {raw.type for raw in evidence["partner"].called("PartnerApplied")} == {APPLIED_1}
    verdicts = [
        *judge_services(evidence, channel.ledger, window=int(SHORT["relay_window"]), stumbles=4, now=now),
        judged(business.consequences, evidence, now, CONSEQUENCES),
    ]
    assert [str(verdict) for verdict in verdicts if not verdict.passed] == []
    assert len(evidence["contract"].called("NegotiationOpened")) == channel.told >= 40


async def written_before_all_can_read_it(channel: Channel, release_2: Path) -> None:
    """What all of the above would have found: without the admission, the release before fails its callers."""
    await channel.migrate(release_2)
    await channel.start(release_2)
    connection = await asyncpg.connect(channel.fleet.direct_url("partner"))
    try:
        await connection.execute("insert into admitted_type (type) values ($1)", APPLIED_2)
        await connection.execute("update store set view_epoch = view_epoch + 1")
    finally:
        await connection.close()
    channel._going.set()
    await until(lambda: any("answered 500" in each for each in channel.ledger.broken), "an old process fails")
