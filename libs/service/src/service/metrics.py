"""How many requests, how they ended and how long they took, beside the engine's own figures."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector
from starlette.types import Scope

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Labelled by route template, never by path: the number of series has to stay small."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "cauce_http_request_seconds",
            "Requests by route, method and status",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], Any] = {}
        ProcessCollector(registry=registry)

    def observe(self, scope: Scope, status: int, seconds: float) -> str:
        """Counts the request and returns its route template."""
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"]
        key = (method if method in METHODS else "other", route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(key[0], route, str(status))
        child.observe(seconds)
        return route
