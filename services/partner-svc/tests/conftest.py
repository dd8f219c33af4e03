from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from events.partner import ExternalRef
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
