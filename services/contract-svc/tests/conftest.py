from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from contract.domain.negotiation import contract_id, negotiation_id

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


@pytest.fixture(scope="session")
def terms() -> Callable[..., dict[str, Any]]:
    """Ordinary terms in Alaska, without end, and what is different about them."""
    return lambda **changes: {
        "jurisdiction": "US-AK",
        "areas": ("US-AK-99501",),
        "royalty_percent": Decimal("5.5"),
        "term_ends_on": None,
        **changes,
    }
