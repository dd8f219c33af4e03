"""Who publishes what: the one list of public events, by service, and all that is promised to others."""

from __future__ import annotations

from collections.abc import Mapping

from events import contract, operational, partner, performance, risk, royalty, training
from events.base import Event, Versioned
from events.states import STATES

CATALOGUE: Mapping[str, tuple[type[Event], ...]] = {
    "partner": partner.PUBLIC,
    "contract": (*contract.PUBLIC, *royalty.ROYALTY),
    "training": training.PUBLIC,
    "performance": (*performance.PUBLIC, *operational.OPERATIONAL),
    "risk": risk.PUBLIC,
}


def published_by(service: str) -> tuple[type[Event], ...]:
    """The public events of a service; empty for one that publishes nothing."""
    return CATALOGUE.get(service, ())


def every() -> tuple[type[Event], ...]:
    """All public events, service by service."""
    return tuple(event for events in CATALOGUE.values() for event in events)


def language() -> tuple[type[Versioned], ...]:
    """All that outside readers rely on: the public events, and the documents of the state topics."""
    return *every(), *(state for states in STATES.values() for state in states)
