"""training-svc as it runs, on a real Postgres and a real Kafka, a contract-svc that only signs, and a partner-svc that
only registers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import ClientOf, Others, Said, Serve
from engine.runtime import Engine
from events.contract import PartnerSigned
from events.partner import PartnerKind, PartnerRegistered
from fastapi import FastAPI
from training.app import app as training_app


@pytest.fixture
async def training(serve: Serve) -> FastAPI:
    return await serve(training_app)


@pytest.fixture
def caller(client_of: ClientOf, training: FastAPI) -> Callable[[str], httpx.AsyncClient]:
    """Clients by role."""
    return partial(client_of, training)


@pytest.fixture
def api(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    """May do everything, in the past, too."""
    return caller("backfill")


@pytest.fixture
def signs(others: Others, training: FastAPI) -> Callable[..., Awaitable[None]]:
    """`await signs(partner_id, on=date)`: contract-svc says so, and training-svc has handled it."""

    async def make(partner_id: UUID, on: date) -> None:
        signed = PartnerSigned(contract_id=uuid4(), partner_id=partner_id, areas=("US-AK",), effective_from=on)
        await others(training, "contract", Said(signed, datetime(on.year, on.month, on.day, 12, tzinfo=UTC)))

    return make


@pytest.fixture
def registers(others: Others, training: FastAPI) -> Callable[..., Awaitable[None]]:
    """`await registers(partner_id, ...)`: partner-svc says so, and training-svc has heard it."""

    async def make(*ids: UUID, kind: PartnerKind = "franchisee") -> None:
        said = [
            PartnerRegistered(
                partner_id=id,
                application_id=id,
                legal_name="A",
                kind=kind,
                area="US-AK",
                outlet_id=id,
                outlet_name="A",
            )
            for id in ids
        ]
        await others(training, "partner", *(Said(each, datetime(2000, 1, 1, tzinfo=UTC)) for each in said))

    return make


@pytest.fixture
def settles(training: FastAPI) -> Callable[[], Awaitable[None]]:
    """`await settles()`: what follows from the own log has followed."""
    engine: Engine = training.state.engine

    async def settled() -> None:
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 60)
            for name in ("training.findings", "training.due", "training.support", "training.expiry"):
                assert await engine.handled(name, 60, position=head)
            assert not await engine.parked()
            if (await engine.log()).head == head:
                return

    return settled


@pytest.fixture
def hygiene() -> dict[str, Any]:
    return {
        "title": "Food hygiene",
        "pass_mark": 70,
        "required_for_launch": True,
        "validity_months": 24,
        "max_attempts": 2,
    }
