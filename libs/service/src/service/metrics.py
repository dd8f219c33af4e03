"""How many requests, how they ended and how long they took, and who was refused, beside the engine's own figures."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import Scope

BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNMATCHED = "unmatched"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TOLD = frozenset({401, 403, 429})
"""Refusals of the caller rather than of what is asked."""


class RequestMetrics:
    """Labelled by route template, never by path: the number of series has to stay small."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "cauce_http_request_seconds",
            "Requests by route, method and status, to the end of the response.",
            ["method", "route", "status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._in_flight = Gauge("cauce_http_requests_in_flight", "Requests not yet answered.", registry=registry)
        self._ready = Gauge("cauce_ready", "1 while `/readyz` answers 200.", registry=registry)
        self._received = Counter("cauce_http_received_bytes", "Bytes of bodies that were read.", registry=registry)
        self._refused = Counter(
            "cauce_http_callers_refused",
            "Requests refused for who asks (401, 403) or how often (429), by the problem's code.",
            ["code"],
            registry=registry,
        )
        build = Gauge("cauce_build_info", "Always 1: what runs here.", ["service", "version"], registry=registry)
        build.labels(service, version_of(service)).set(1)
        self._children: dict[tuple[str, str, int], Any] = {}
        ProcessCollector(registry=registry)

    def observe(self, scope: Scope, status: int, seconds: float, received: int) -> str:
        """Counts the request and returns its route template."""
        route = getattr(scope.get("route"), "path", UNMATCHED)
        method = scope["method"]
        key = (method if method in METHODS else "other", route, status)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = self._seconds.labels(key[0], route, str(status))
        child.observe(seconds)
        if received:
            self._received.inc(received)
        return route

    def refused(self, status: int, code: str) -> None:
        if status in TOLD:
            self._refused.labels(code).inc()

    def watch(self, in_flight: Callable[[], int]) -> None:
        """Asked whenever somebody scrapes."""
        self._in_flight.set_function(in_flight)

    def watch_readiness(self, ready: Callable[[], bool]) -> None:
        """Likewise."""
        self._ready.set_function(ready)


def version_of(service: str) -> str:
    """Of the service's package; of the kit where the service is not installed as one."""
    try:
        return version(f"{service}-svc")
    except PackageNotFoundError:
        return version("cauce-service")
