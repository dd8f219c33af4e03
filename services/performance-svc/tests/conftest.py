"""performance-svc as it runs, on a real Postgres and a real Kafka, and a partner-svc that only tells of partners."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Literal
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import ClientOf, Others, Said, Serve
from engine.runtime import Engine
from events import Event
from events.partner import (
    PartnerActivated,
    PartnerRegistered,
    PartnerReinstated,
    PartnerSuspended,
    PartnerTerminated,
    SuspensionCause,
)
from fastapi import FastAPI
from performance.app import app as performance_app


@pytest.fixture
async def performance(serve: Serve) -> FastAPI:
    return await serve(performance_app)


@pytest.fixture
def caller(client_of: ClientOf, performance: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """Clients by role."""
    return partial(client_of, performance)


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May do everything, in the past, too."""
    return caller("backfill")


What = Literal["registered", "activated", "suspended", "reinstated", "terminated"]


def told(id: UUID, what: What, area: str = "US-AK") -> Event:
    match what:
        case "registered":
            return PartnerRegistered(
                partner_id=id,
                application_id=id,
                legal_name="A",
                kind="franchisee",
                area=area,
                outlet_id=id,
                outlet_name="A",
            )
        case "activated":
            return PartnerActivated(partner_id=id)
        case "suspended":
            return PartnerSuspended(partner_id=id, cause=SuspensionCause(cause_id=uuid4(), reason="r"))
        case "reinstated":
            return PartnerReinstated(partner_id=id, lifted_cause_id=uuid4())
        case "terminated":
            return PartnerTerminated(partner_id=id, contract_id=uuid4(), reason="over")


@pytest.fixture
def tells(others: Others, performance: FastAPI) -> Callable[..., Awaitable[None]]:
    """`await tells(("registered", id, "2019-01-01"), ...)`: partner-svc says so, and performance-svc has heard it. An
    area may stand behind the day."""

    async def tell(*happened: tuple[What, UUID, str] | tuple[What, UUID, str, str]) -> None:
        said = [
            Said(told(id, what, *area), datetime.fromisoformat(day).replace(tzinfo=UTC), id)
            for what, id, day, *area in happened
        ]
        await others(performance, "partner", *said)

    return tell


@pytest.fixture
def settles(performance: FastAPI) -> Callable[[], Awaitable[None]]:
    """`await settles()`: the policy has handled the log, and all that came of it."""
    engine: Engine = performance.state.engine

    async def settled() -> None:
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 30)
            assert await engine.handled("performance.evaluation", 30, position=head)
            assert not await engine.parked()
            if (await engine.log()).head == head:
                return

    return settled
