"""Where the services are: each on its own port of a local run, or wherever CAUCE_SERVICES says."""

from __future__ import annotations

import json
import os

from service.settings import InvalidSettings

PORTS = {
    "insight": 8100,
    "strategy": 8101,
    "partner": 8102,
    "contract": 8103,
    "training": 8104,
    "performance": 8105,
    "marketing": 8106,
    "engagement": 8107,
    "risk": 8108,
    "innovation": 8109,
}


def addresses() -> dict[str, str]:
    """Base URLs by service. Raises InvalidSettings."""
    text = os.environ.get("CAUCE_SERVICES")
    if not text:
        return {service: f"http://127.0.0.1:{port}" for service, port in PORTS.items()}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(url, str) for url in found.values()):
        example = '{"risk": "http://127.0.0.1:8108"}'
        raise InvalidSettings(f"CAUCE_SERVICES is not usable: it is a JSON map like {example}.")
    return {service: url.rstrip("/") for service, url in found.items()}
