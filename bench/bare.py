"""What the routes that are measured cost without us: FastAPI and asyncpg under the kit's own server settings, and
nothing else. `python -m bench.bare`, with CAUCE_POSTGRES_URL of a database that has the tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from engine.store import prepare
from events.performance import KPIReported
from fastapi import FastAPI, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from service import Settings
from service.server import serve

from bench import raw

BATCH = 500
EVENT = ("position", "stream", "version", "type", "data", "occurred_at", "recorded_at", "correlation_id", "actor")
STREAM = ("id", "version", "recorded_at")
OBSERVATION = (
    "position", "event_id", "report_id", "partner_id", "metric", "period", "value", "source", "source_ref",
    "reported_at", "occurred_at", "restatements",
)  # fmt: skip

LINES = """
create table line (
    source text, source_ref text, partner_id uuid, metric text, period text, value numeric,
    primary key (source, source_ref)
)
"""


class Reading(BaseModel):
    model_config = ConfigDict(extra="forbid")

    value: Decimal
    occurred_at: AwareDatetime | None = None


class Receipt(BaseModel):
    id: UUID
    version: int
    position: int
    events: tuple[str, ...]


async def no_reset(connection: asyncpg.Connection[Any]) -> None:
    """As in the engine's pool: it would be a round trip a request."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = app.state.settings.postgres_url
    async with asyncpg.create_pool(url, max_size=12, init=prepare, reset=no_reset) as app.state.pool:
        yield


app = FastAPI(lifespan=lifespan)
app.state.versions = count(1)  # of all streams together: so each is new to its stream


@app.post("/meters/{meter_id}/readings", status_code=201)
async def take_reading(meter_id: UUID, body: Reading) -> Receipt:
    row = raw.row(meter_id, next(app.state.versions))
    written = await app.state.pool.fetchrow(raw.INSERT, *row)
    return Receipt(id=meter_id, version=row[1], position=written["position"], events=(row[2],))


@app.post("/kpi-reports/bulk")
async def take_reports(request: Request) -> dict[str, Any]:
    async with app.state.pool.acquire() as db:
        copied = await db.copy_to_table("line", source=request.stream(), format="csv", header=True)
    return {"accepted": int(copied.removeprefix("COPY "))}


@app.post("/kpi-reports/stored")
async def store_reports(request: Request) -> dict[str, Any]:
    """Nothing is checked, but all that we keep of a report is kept: an event, its stream and a row of the view."""
    lines: list[list[str]] = []
    rest, stored = b"", 0
    async for chunk in request.stream():
        *whole, rest = (rest + chunk).split(b"\n")
        lines += csv.reader(line.decode() for line in whole)
        while len(lines) > BATCH:
            stored += await keep(lines[1 : BATCH + 1])  # the header, or the last of the batch before, stays in front
            del lines[:BATCH]
    return {"accepted": stored + await keep(lines[1:])}


async def keep(lines: list[list[str]]) -> int:
    now, rows = datetime.now(UTC), [(uuid4(), UUID(line[2]), *line) for line in lines]
    reported = [
        orjson.dumps(
            {"report_id": id, "partner_id": partner, "outlet_id": None, "metric": metric, "period": period,
             "value": value, "source": source, "source_ref": ref}
        )
        for id, partner, source, ref, _, metric, period, value in rows
    ]  # fmt: skip
    async with app.state.pool.acquire() as db, db.transaction():
        first = await db.fetchval("select setval('event_position_seq', nextval('event_position_seq') + $1)", len(rows))
        positions = range(first - len(rows), first)
        events = [
            (position, f"kpi_report-{row[0]}", 1, KPIReported.event_type, data, now, now, row[0], "bench")
            for position, row, data in zip(positions, rows, reported, strict=True)
        ]
        await db.copy_records_to_table("event", columns=EVENT, records=events)
        await db.copy_records_to_table("stream", columns=STREAM, records=[(event[1], 1, now) for event in events])
        seen = [
            (position, row[0], row[0], row[1], row[5], row[6], Decimal(str(row[7])), row[2], row[3], position, now, 0)
            for position, row in zip(positions, rows, strict=True)
        ]
        await db.copy_records_to_table("observations__g1", columns=OBSERVATION, records=seen)
    return len(rows)


if __name__ == "__main__":
    app.state.service, app.state.settings = "bare", Settings()
    sys.exit(0 if serve(app) else 3)
