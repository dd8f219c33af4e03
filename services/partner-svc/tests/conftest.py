"""An applicant; and partner-svc as it runs, with other services that only say what a test has them say."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import httpx
import pytest
from devstack.serving import ClientOf, Others, Said, Serve
from events import Event
from events.partner import ExternalRef
from fastapi import FastAPI
from partner.app import app as partner_app
from partner.domain.registration import Registration, partner_id

APPLICATION = UUID("22222222-2222-4222-8222-222222222222")


@pytest.fixture(scope="session")
def application() -> UUID:
    return APPLICATION


@pytest.fixture(scope="session")
def partner() -> UUID:
    return partner_id(APPLICATION)


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime(2000, 1, 5, 21, tzinfo=UTC)


@pytest.fixture(scope="session")
def registration() -> Callable[..., Registration]:
    """The applicant, or another one where `application_id` says so."""

    def make(application_id: UUID = APPLICATION, **changes: Any) -> Registration:
        return Registration(
            **{
                "application_id": application_id,
                "partner_id": partner_id(application_id),
                "legal_name": "TESORO - SEWARD HWY",
                "kind": "franchisee",
                "area": "US-AK",
                "outlet_name": "Seward Highway",
                "external_refs": (ExternalRef(system="erp", key="V-1042"),),
                **changes,
            }
        )

    return make


@pytest.fixture
async def service(serve: Serve) -> FastAPI:
    return await serve(partner_app)


@pytest.fixture
def caller(client_of: ClientOf, service: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """Clients by role."""
    return partial(client_of, service)


@pytest.fixture
def api(caller: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide, and bring in the past."""
    return caller("backfill")


@pytest.fixture
def says(others: Others, service: FastAPI) -> Callable[..., Awaitable[None]]:
    """`await says("risk", RestrictionImposed(...), on=datetime(...))`: the other service says so, and partner-svc has
    handled it."""

    async def say(name: str, event: Event, *, on: datetime) -> None:
        await others(service, name, Said(event, on))

    return say
