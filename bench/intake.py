"""An upload of KPI reports to performance-svc, beside a bare route that COPYs the same lines, and beside the same
COPY where what arrives is also checked and put where ours is put."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from bench import bare
from bench.http import BARE, SERVICE, client, execute
from bench.measure import Figure, Target
from bench.process import Served, migrate, serving, token
from bench.rig import Rig

PARTNERS = 1000
METRICS = tuple(f"metric-{n:02}" for n in range(12))
METRIC = {"unit": "points", "direction": "higher", "aggregation": "mean", "minimum": 0, "maximum": 100}
SINCE = "2020-01-01T00:00:00Z"
"""Before the periods that are closed: reports of a metric are due since it is there."""
HEADER = "source,source_ref,partner_id,metric,period,value\n"


def upload(partners: Sequence[UUID], lines: int) -> bytes:
    """CSV of so many reports that were never sent before."""
    source = f"bench {uuid4()}"
    rows = (
        f"{source},{n},{partners[n % len(partners)]},{METRICS[n % len(METRICS)]},2026-06,{n % 1000 / 10}\n"
        for n in range(lines)
    )
    return (HEADER + "".join(rows)).encode()


@dataclass
class Uploads:
    """To one service, of so many lines each."""

    session: aiohttp.ClientSession
    served: Served
    partners: Sequence[UUID]
    lines: int
    path: str = "/kpi-reports/bulk"
    microseconds: list[float] = field(default_factory=list)

    async def round(self) -> float:
        """Reports a second. Notes the server's CPU a report."""
        body = upload(self.partners, self.lines)
        cpu, began = self.served.cpu(), time.perf_counter()
        async with self.session.post(
            f"{self.served.url}{self.path}", data=body, headers={"Content-Type": "text/csv"}
        ) as answer:
            receipt = await answer.json()
        elapsed = time.perf_counter() - began
        if receipt["accepted"] != self.lines:
            raise RuntimeError(f"of {self.lines} reports: {receipt}")
        self.microseconds.append((self.served.cpu() - cpu) / self.lines * 1e6)
        return self.lines / elapsed

    @property
    def told(self) -> str:
        return f"{median(self.microseconds):.0f} µs of the server's CPU a report"


async def define(session: aiohttp.ClientSession, performance: Served, due: str) -> None:
    """The metrics that reports are of."""
    content = METRIC | {"due": due, "occurred_at": SINCE}
    for metric in METRICS:
        async with session.put(f"{performance.url}/metrics/{metric}", json=content) as answer:
            answer.raise_for_status()


async def know(database: str, partners: Sequence[UUID]) -> None:
    """As if partner-svc had told of them."""
    connection = await asyncpg.connect(database)
    try:
        rows = [(partner,) for partner in partners]
        await connection.copy_records_to_table("known_partners__g1", columns=["partner_id"], records=rows)
    finally:
        await connection.close()


async def intake(rig: Rig) -> list[Figure]:
    partners = [uuid4() for _ in range(PARTNERS)]
    lines = rig.pick(20_000, 3_000)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session, prefix = await enter(client(token(rig))), await enter(rig.topics())
        database, plain = await enter(rig.database()), await enter(rig.database())
        for each in (database, plain):
            await migrate(rig, (*SERVICE, "migrate", "performance"), each, prefix)
        await execute(plain, bare.LINES)
        await know(database, partners)
        performance = await enter(serving(rig, (*SERVICE, "run", "performance"), database, prefix, role="api"))
        await define(session, performance, "on_occurrence")
        ours = Uploads(session, performance, partners, lines)
        without_us = await enter(serving(rig, BARE, plain, ready="/docs"))
        copied = Uploads(session, without_us, partners, lines)
        stored = Uploads(session, without_us, partners, lines, "/kpi-reports/stored")
        to_lines = await rig.pairs(ours.round, copied.round)
        to_rows = await rig.pairs(ours.round, stored.round)
    what = f"KPI reports in an upload of {lines:,} lines"
    return [
        Figure(
            what,
            "reports/s",
            to_lines.ours,
            "a bare streaming route that COPYs the lines into a table with their key, same server settings",
            to_lines.baseline,
            Target("at least", 0.40),
            "Ours reads, checks and judges each line and keeps an event, its stream and a row of a view, ten entries of"
            f" indexes where a line has one: {ours.told}; the bare route: {copied.told}. What all of these rows cost by"
            " COPY alone is the next figure.",
        ),
        Figure(
            f"{what}, beside what is kept of them",
            "reports/s",
            to_rows.ours,
            "a bare streaming route that checks nothing and COPYs the same event, stream and view row with all indexes",
            to_rows.baseline,
            Target("at least", 0.40),
            f"The bare route: {stored.told}.",
        ),
    ]
