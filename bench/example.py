"""Two tiny services, written with the kit as any other: one whose single command leads to a public event, and one that
keeps a view of it. (A real channel takes several commands and reactions to get from one service to the next.)

    python -m bench.example run performance    # settings as for every service: CAUCE_POSTGRES_URL ...
    python -m bench.example migrate risk
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Command, Fact, Statement, Table, View
from events.performance import KPIReported
from fastapi import APIRouter, FastAPI
from service import Handle, Receipt, Settings, create_app, scope
from service.server import serve

from bench.domain import Report, meters

router = APIRouter(prefix="/meters", tags=["meters"])


class Reading(Command):
    value: Decimal


@router.post("/{meter_id}/readings", status_code=201, dependencies=[scope("performance:write")])
async def take_reading(meter_id: UUID, body: Reading, handle: Handle) -> Receipt:
    return await handle(meters, meter_id, Report(partner_id=meter_id, **body.model_dump()))


def performance() -> FastAPI:
    """Says what was read."""
    return create_app("performance", Settings(), routes=[router], deciders=[meters])


READINGS = Table("readings", "source_ref text primary key, partner_id uuid not null, value numeric not null")


def project(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case KPIReported() as report:
            yield READINGS.upsert(
                "source_ref", source_ref=report.source_ref, partner_id=report.partner_id, value=report.value
            )


def risk() -> FastAPI:
    """Keeps what the other said."""
    view = View("readings", version=1, tables=(READINGS,), project=project, source="performance")
    return create_app("risk", Settings(), routes=[], deciders=[], views=[view])


APPS: dict[str, Callable[[], FastAPI]] = {"performance": performance, "risk": risk}


def main(verb: str, name: str) -> None:
    app = APPS[name]()
    if verb == "migrate":
        asyncio.run(app.state.engine.migrate())
    elif not serve(app):
        sys.exit(3)


if __name__ == "__main__":
    main(*sys.argv[1:])
