"""Ordinary terms in Alaska; and contract-svc as it runs, with a partner-svc that only registers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest
from contract.app import app as contract_app
from contract.domain.negotiation import contract_id, negotiation_id
from contract.domain.terms import TermsSaid, told_flat
from devstack.serving import ClientOf, Others, Said, Serve
from events.contract import ContractTerms
from events.partner import PartnerRegistered
from fastapi import FastAPI

PARTNER = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture(scope="session")
def partner() -> UUID:
    return PARTNER


@pytest.fixture(scope="session")
def negotiation() -> UUID:
    return negotiation_id(PARTNER)


@pytest.fixture(scope="session")
def contract(negotiation: UUID) -> UUID:
    return contract_id(negotiation)


@pytest.fixture(scope="session")
def alaska() -> Callable[..., datetime]:
    """An instant by Anchorage's clocks, in UTC: `alaska(2000, 1, 13, 9)`."""
    return lambda *parts: datetime(*parts).replace(tzinfo=ZoneInfo("America/Anchorage")).astimezone(UTC)


ORDINARY: dict[str, Any] = {
    "jurisdiction": "US-AK",
    "grants": [{"area": "US-AK-99501"}],
    "royalties": [{"percent": "5.5"}],
}


@pytest.fixture(scope="session")
def said() -> Callable[..., TermsSaid]:
    """Ordinary terms in Alaska, without end, and what is different about them; as a caller says them."""
    return lambda **changes: TermsSaid.model_validate({**ORDINARY, **changes})


@pytest.fixture(scope="session")
def terms() -> Callable[..., dict[str, Any]]:
    """The same as events tell them."""
    return lambda **changes: told_flat(ContractTerms.model_validate({**ORDINARY, **changes}))


@pytest.fixture
async def service(serve: Serve) -> FastAPI:
    return await serve(contract_app)


@pytest.fixture
def caller(client_of: ClientOf, service: FastAPI) -> Callable[..., httpx.AsyncClient]:
    """Clients by role."""
    return partial(client_of, service)


@pytest.fixture
def api(caller: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    """May decide, and bring in the past."""
    return caller("backfill")


@pytest.fixture
def registers(others: Others, service: FastAPI) -> Callable[[UUID], Awaitable[None]]:
    """`await registers(partner_id)`: partner-svc says so, and contract-svc has handled it."""

    async def make(partner_id: UUID) -> None:
        registered = PartnerRegistered(
            partner_id=partner_id,
            application_id=partner_id,
            legal_name="TESORO - SEWARD HWY",
            kind="franchisee",
            area="US-AK",
            outlet_id=partner_id,
            outlet_name="Seward Highway",
        )
        await others(service, "partner", Said(registered, datetime(2000, 1, 9, 21, tzinfo=UTC), partner_id))

    return make
