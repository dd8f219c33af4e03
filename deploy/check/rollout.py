"""Every deployment restarted in turn while requests come: none fails, and what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from deploy.check.report import Failed, Report
from sample.services import Service, Trouble
from sample.setting import DEFINITIONS, DRAFTED, METRIC, RULE
from sample.settle import settled

if TYPE_CHECKING:
    from deploy.check.cluster import Up

RATE = 50
"""Requests a second, half of them writes, to all services in turn."""
KEPT_ALIVE = httpx.Limits(max_connections=100, keepalive_expiry=60)
"""Connections are kept for as long as a proxy would keep them, which is longer than a pod drains."""
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def body_of(definitions: tuple[tuple[str, str, Mapping[str, Any]], ...], path: str) -> Mapping[str, Any]:
    return next(body for _, at, body in definitions if at == path)


@dataclass(frozen=True)
class Write:
    """What makes one new thing of a service, and in what kind of stream it is then."""

    service: str
    category: str
    method: str
    path: str
    body: Mapping[str, Any]
    read: str


def write(service: str, number: int, run: str) -> Write:
    """The number-th of a run. Nothing of it is there before."""
    code = f"{run}-{number}"
    body: Mapping[str, Any]
    if service == "partner":
        body = {"legal_name": f"Rollout {code}", "kind": "franchisee", "area": "NONE", "outlet_name": code}
        return Write(service, "application", "POST", "/applications", body, "/applications?limit=5")
    if service == "contract":
        at = jurisdiction(run, number)
        return Write(
            service, "jurisdiction", "PUT", at, {"rules": {"time_zone": "Europe/Madrid"}}, "/contracts?limit=5"
        )
    if service == "training":
        body = {"manual": {"title": code, "document": f"doc:{code}", "summary": "Of a rollout."}}
        return Write(service, "manual", "PUT", f"/manuals/{code}/draft", body, "/courses?limit=5")
    if service == "performance":
        body = body_of(DEFINITIONS, f"/metrics/{METRIC}")
        return Write(service, "metric", "PUT", f"/metrics/{code}", body, "/metrics?limit=5")
    return Write(service, "rule", "PUT", f"/rules/{code}/draft", body_of(DRAFTED, f"/rules/{RULE}"), "/rules?limit=5")


def jurisdiction(run: str, number: int) -> str:
    """Codes of places are short: two letters of the run, three digits of the number to the base of 36."""
    digits = [DIGITS[number // 36**place % 36] for place in (2, 1, 0)]
    letters = [chr(ord("A") + int(each, 16)) for each in run[-2:]]
    return f"/jurisdictions/ZZ{''.join(letters)}-{''.join(digits)}/draft"


@dataclass
class Traffic:
    """An open loop: a request is sent when it is time for it, whatever became of those before. Nothing is repeated."""

    clients: Mapping[str, httpx.AsyncClient]
    run_id: str = field(default_factory=lambda: f"r{secrets.token_hex(3)}")
    acknowledged: list[tuple[Write, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    answered: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    said_goodbye: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        began, names = time.monotonic(), itertools.cycle(self.clients)
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if stop.is_set():
                    return
                group.create_task(self._ask(write(next(names), number, self.run_id), reads=number % 2 == 0))
                await asyncio.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))

    async def _ask(self, what: Write, *, reads: bool) -> None:
        client = self.clients[what.service]
        method, path = ("GET", what.read) if reads else (what.method, what.path)
        began = time.monotonic()
        try:
            answer = await client.request(method, path, json=None if reads else what.body)
        except httpx.HTTPError as error:
            self.failed.append(f"{what.service}: {method} {path}: {type(error).__name__} {error}")
            return
        self.seconds.append(time.monotonic() - began)
        self.said_goodbye += answer.headers.get("connection") == "close"
        if not answer.is_success:
            self.failed.append(f"{what.service}: {method} {path}: {answer.status_code} {answer.text[:200]}")
            return
        self.answered["reads" if reads else "writes"] += 1
        if not reads:
            self.acknowledged.append((what, answer.json()["id"]))


def run(report: Report, up: Up) -> None:
    asyncio.run(rolled(report, up))


async def rolled(report: Report, up: Up) -> None:
    services = up.services()
    headers = {"authorization": services["partner"].client.headers["authorization"]}
    clients = {
        name: httpx.AsyncClient(base_url=url, headers=headers, timeout=20, limits=KEPT_ALIVE, trust_env=False)
        for name, url in up.urls.items()
    }
    traffic, stop, took = Traffic(clients), asyncio.Event(), []
    try:
        with report.check(f"Every deployment is restarted in turn at {RATE} requests a second") as check:
            going = asyncio.create_task(traffic.run(stop))
            try:
                for each in up.deployments:
                    began = time.monotonic()
                    await asyncio.to_thread(up.cluster.kubectl, "rollout", "restart", each)
                    await asyncio.to_thread(up.cluster.rolled_out, each)
                    took.append(time.monotonic() - began)
                    report.say(
                        f"{each} in {took[-1]:.0f} s; {len(traffic.seconds)} answers, {len(traffic.failed)} failed"
                    )
            finally:
                stop.set()
                await going
            check.found(f"{len(up.deployments)} deployments in {sum(took):.0f} s")
        with report.check("No request failed") as check:
            if traffic.failed:
                raise Failed(f"{len(traffic.failed)} of {sum(traffic.answered.values()) + len(traffic.failed)}:\n"
                             + "\n".join(traffic.failed[:20]))  # fmt: skip
            check.found(f"{traffic.answered['reads']:,} reads and {traffic.answered['writes']:,} writes")
        with report.check("Each acknowledged write is there exactly once, and nothing is under way or parked") as check:
            check.found(await kept(services, traffic))
    finally:
        for client in (*clients.values(), *(service.client for service in services.values())):
            await client.aclose()
    report.figure("restart of one deployment of two pods, median", f"{statistics.median(took):.0f} s")
    report.figure("answers that asked for another connection", f"{traffic.said_goodbye:,}")
    spread = statistics.quantiles(traffic.seconds, n=1000)
    report.figure(
        "an answer during the restarts: median, p99, p99.9, longest",
        ", ".join(f"{1000 * each:.0f} ms" for each in (spread[499], spread[989], spread[998], max(traffic.seconds))),
    )


async def kept(services: Mapping[str, Service], traffic: Traffic) -> str:
    """Raises Failed."""

    async def version(what: Write, id: str) -> str | None:
        there = await services[what.service]._answer("GET", f"/streams/{what.category}/{id}")
        etag = there.headers.get("etag")
        return None if etag == '"1"' else f"{what.service}: {what.path} is {there.status_code} at version {etag}"

    try:
        await settled(services)
        wrong = [each for each in await asyncio.gather(*(version(*one) for one in traffic.acknowledged)) if each]
        mine = f"Rollout {traffic.run_id}-"
        names = Counter(row["legal_name"] for row in await services["partner"].items("/applications"))
    except Trouble as trouble:
        raise Failed(str(trouble)) from trouble
    applied = {str(what.body["legal_name"]) for what, _ in traffic.acknowledged if what.service == "partner"}
    wrong += [f"{name} is there {names[name]} times" for name in applied if names[name] != 1]
    wrong += [f"{name} was not acknowledged" for name in names if name.startswith(mine) and name not in applied]
    if wrong:
        raise Failed(f"{len(wrong)} are not as they should be:\n" + "\n".join(wrong[:20]))
    return f"{len(traffic.acknowledged):,} writes"
