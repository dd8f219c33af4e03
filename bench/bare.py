"""What the routes that are measured cost without us: FastAPI and asyncpg under the kit's own server settings, and
nothing else. `python -m bench.bare`, with CAUCE_POSTGRES_URL of a database that has the tables."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
from engine.store import prepare
from fastapi import FastAPI, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from service import Settings
from service.server import serve

from bench import raw

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


if __name__ == "__main__":
    app.state.service, app.state.settings = "bare", Settings()
    sys.exit(0 if serve(app) else 3)
