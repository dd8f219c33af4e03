"""The edge of every request: correlation, the access line, metrics, limits, and the last word on failures.

One plain ASGI layer, because it is on the path of every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import structlog
from engine.errors import passes
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access import Access, Principal
from service.logs import correlation
from service.metrics import RequestMetrics
from service.problems import RETRY_AFTER, ProblemError, problem

log = structlog.get_logger()


class Exchange:
    """One request and its response; `scope["cauce.exchange"]`."""

    __slots__ = (
        "_authorization", "_edge", "_limit", "_read", "_receive", "_scope", "_send", "_timeout",
        "correlation_id", "principal", "status",
    )  # fmt: skip

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self._edge, self._scope, self._receive, self._send = edge, scope, receive, send
        self._authorization: str | None = None
        self._limit: int | None = None
        self._read = 0
        self._timeout: asyncio.Timeout | None = None
        self.principal: Principal | None = None
        self.status: int | None = None
        correlation_id = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                self._authorization = value.decode("latin-1")
            elif name == b"x-correlation-id":
                correlation_id = _uuid(value)
        self.correlation_id = correlation_id or uuid4()

    async def authenticated(self) -> Principal:
        """The caller; raises Unauthenticated."""
        if self.principal is None:
            self.principal = await self._edge.access.authenticate(self._authorization)
        return self.principal

    async def receive(self) -> Message:
        if self._limit is None:
            # No byte of a body is taken from a caller without a valid token.
            await self.authenticated()
            self._limit = self._edge.limits.get(self._scope.get("endpoint"), self._edge.body_limit)
            length = next((value for name, value in self._scope["headers"] if name == b"content-length"), b"0")
            self._count(int(length) if length.isdigit() else 0)
            self._read = 0
        message = await self._receive()
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
        return message

    def _count(self, size: int) -> None:
        self._read += size
        if self._limit is not None and self._read > self._limit:
            raise ProblemError(413, "body_too_large", f"At most {self._limit} bytes.", limit=self._limit)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], (b"x-correlation-id", str(self.correlation_id).encode())]
            if self._timeout is not None:
                self._timeout.reschedule(None)
        await self._send(message)

    async def run(self) -> None:
        try:
            async with asyncio.timeout(self._edge.request_timeout) as self._timeout:
                await self._edge.app(self._scope, self.receive, self.send)
        except Exception as error:  # noqa: BLE001 - the last word, for the caller and for the log
            await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        late = self._timeout is not None and self._timeout.expired()
        if late or passes(error):
            log.warning("unavailable", error=f"{type(error).__name__}: {error}", late=late)
            code, detail = "unavailable", "A part of the service is away for the moment; try again."
            if late:
                code, detail = "request_timeout", f"No answer within {self._edge.request_timeout:g} seconds; try again."
            response = problem(self._scope, 503, code, detail, headers=RETRY_AFTER)
        else:
            log.error("internal_error", exc_info=error)
            detail = "Something went wrong on our side; the correlation id finds it in the logs."
            response = problem(self._scope, 500, "internal_error", detail)
        if self.status is not None:
            raise error  # half an answer is out: the server has to break the connection
        await response(self._scope, self.receive, self.send)


class Edge:
    """`limits` has the endpoints whose body may be longer or must be shorter than `body_limit` bytes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        metrics: RequestMetrics,
        limits: Mapping[Any, int],
        body_limit: int,
        request_timeout: float,
    ) -> None:
        self.app = app
        self.access = access
        self.metrics = metrics
        self.limits = limits
        self.body_limit = body_limit
        self.request_timeout = request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = perf_counter()
        exchange = Exchange(self, scope, receive, send)
        scope["cauce.exchange"] = exchange
        token = correlation.set(exchange.correlation_id)
        try:
            await exchange.run()
        finally:
            seconds = perf_counter() - start
            route = self.metrics.observe(scope, exchange.status or 500, seconds)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                path=scope["path"],
                status=exchange.status or 500,
                ms=round(seconds * 1000, 2),
            )
            correlation.reset(token)


def _uuid(value: bytes) -> UUID | None:
    try:
        return UUID(value.decode("latin-1"))
    except ValueError:
        return None
