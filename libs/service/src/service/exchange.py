"""The edge of every request: correlation, the access line, metrics, limits, and the last word on failures.

One plain ASGI layer, because it is on the path of every request.
"""

from __future__ import annotations

import asyncio
import re
from hashlib import blake2b
from time import perf_counter
from uuid import UUID, uuid4

import structlog
from engine.errors import passes
from engine.runtime import Engine
from engine.tracing import extracted
from opentelemetry import context as otel
from opentelemetry import trace
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.access import Access, Principal
from service.logs import AccessLog, correlation
from service.metrics import RequestMetrics
from service.problems import RETRY_AFTER, ProblemError, problem
from service.rate import Rate

log = structlog.get_logger()

READ = frozenset({b"authorization", b"idempotency-key", b"if-match", b"traceparent", b"x-correlation-id"})
"""The headers that the kit itself goes by, picked out in one pass."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
VALUES = re.compile("=[^&]*")


class Exchange:
    """One request and its response; `scope["cauce.exchange"]`. A route may set `body_limit` before it
    reads; `version` becomes the response's ETag."""

    __slots__ = (
        "_alive",
        "_asked",
        "_edge",
        "_late",
        "_length",
        "_receive",
        "_send",
        "_task",
        "body_limit",
        "correlation_id",
        "engine",
        "headers",
        "principal",
        "scope",
        "service",
        "started",
        "status",
        "version",
    )  # fmt: skip

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self._edge, self.scope, self._receive, self._send = edge, scope, receive, send
        self.headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in READ}
        # Only for who asks by a key: a repeat of it has to be the same request.
        self._asked = blake2b(scope["query_string"], digest_size=16) if b"idempotency-key" in self.headers else None
        self._length = 0
        self._task = asyncio.current_task()
        self._late = False
        self.started = self._alive = perf_counter()
        self.engine = edge.engine
        self.service = edge.service
        self.body_limit = edge.body_limit
        self.principal: Principal | None = None
        self.status: int | None = None
        self.version: int | None = None
        self.correlation_id = _uuid(self.headers.get(b"x-correlation-id")) or uuid4()

    def named_trace(self) -> otel.Context | None:
        """What the caller is part of; None where FastAPI has made a span of ours in it."""
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("cauce.correlation_id", str(self.correlation_id))
            if query := self.scope["query_string"]:  # there may be names of people in it
                span.set_attribute("url.query", VALUES.sub("=REDACTED", query.decode("latin-1")))
        if b"traceparent" not in self.headers or span.get_span_context().is_valid:
            return None
        headers = self.scope["headers"]
        parent, state = (
            [value.decode("latin-1") for header, value in headers if header == name]
            for name in (b"traceparent", b"tracestate")
        )
        return extracted(parent, state)

    async def authenticated(self) -> Principal:
        """The caller; raises Unauthenticated."""
        if self.principal is None:
            self.principal = await self._edge.access.authenticate(self.headers.get(b"authorization"))
        return self.principal

    @property
    def received(self) -> int:
        """Bytes of the body, as far as it was read."""
        return self._length

    def refused(self, status: int, code: str) -> None:
        """Counts a problem of who asks."""
        self._edge.metrics.refused(status, code)

    def digest(self) -> bytes:
        """Of the query and of the body as far as it was read, byte by byte; b"" without an Idempotency-Key."""
        return b"" if self._asked is None else self._asked.digest()

    def admit(self, caller: Principal) -> None:
        """Raises ProblemError for a caller who asks too often."""
        self._edge.rate.take(f"{caller.client}/{caller.subject}")

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            body = message.get("body", b"")
            self._length += len(body)
            if self._asked is not None:
                self._asked.update(body)
            if self._length > self.body_limit:
                detail = f"The body may have at most {self.body_limit} bytes."
                # Closing is what spares the server the rest of it.
                raise ProblemError(
                    413, "body_too_large", detail, headers={"Connection": "close"}, limit=self.body_limit
                )
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"].append((b"x-correlation-id", str(self.correlation_id).encode()))
            if self.version is not None and self.status < 400:
                message["headers"].append((b"etag", b'"%d"' % self.version))
            if self.scope["app"].state.leaving:
                message["headers"].append((b"connection", b"close"))  # the next one goes to another process
        await self._send(message)

    async def run(self) -> None:
        try:
            await self._edge.app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self._late or self._task is None or self._task.uncancel() > 0:
                raise
            log.warning("request_timeout", seconds=self._edge.request_timeout)
            detail = f"No answer within {self._edge.request_timeout:g} seconds; try again."
            await self._answer(problem(self.scope, 503, "request_timeout", detail, headers=RETRY_AFTER))
        except Exception as error:  # noqa: BLE001 - the last word, for the caller and for the log
            await self._failed(error)

    def alive(self) -> None:
        """Something came of it: the time until its response has to begin starts anew."""
        self._alive = perf_counter()

    def overdue(self, since: float) -> bool:
        return self._alive < since

    def expire(self) -> None:
        """Gives up on a request whose response has not begun."""
        if self.status is None and self._task is not None and not self._late:
            self._late = True
            self._task.cancel()

    async def _failed(self, error: Exception) -> None:
        if passes(error):
            log.warning("unavailable", error=f"{type(error).__name__}: {error}")
            detail = "A part of the service is away for the moment; try again."
            if self.scope["method"] not in SAFE and b"idempotency-key" not in self.headers:
                detail += " Look first: without an Idempotency-Key it is not known whether this was recorded."
            response = problem(self.scope, 503, "unavailable", detail, headers=RETRY_AFTER)
        else:
            log.error("internal_error", exc_info=error)
            detail = "Something went wrong on our side; the correlation id finds it in the logs."
            response = problem(self.scope, 500, "internal_error", detail)
        if self.status is not None:
            raise error  # half an answer is out: the server has to break the connection
        await self._answer(response)

    async def _answer(self, response: Response) -> None:
        await response(self.scope, self.receive, self.send)


class Edge:
    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        engine: Engine,
        access: Access,
        lines: AccessLog,
        metrics: RequestMetrics,
        body_limit: int,
        request_timeout: float,
        rate: Rate,
    ) -> None:
        self.app = app
        self.service = service
        self.engine = engine
        self.access = access
        self.lines = lines
        self.metrics = metrics
        self.body_limit = body_limit
        self.request_timeout = request_timeout
        self.rate = rate
        self._open: set[Exchange] = set()
        metrics.watch(lambda: len(self._open))
        self._watching = False
        self._tick = min(1.0, request_timeout / 4)

    def _watch(self, exchange: Exchange) -> None:
        # One timer for all of them: a timer of its own costs every request a twentieth of its time.
        self._open.add(exchange)
        if not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_later(self._tick, self._expire)

    def _expire(self) -> None:
        overdue = perf_counter() - self.request_timeout
        for exchange in [each for each in self._open if each.overdue(overdue)]:
            exchange.expire()
        self._watching = bool(self._open)
        if self._watching:
            asyncio.get_running_loop().call_later(self._tick, self._expire)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(self, scope, receive, send)
        scope["cauce.exchange"] = exchange
        token = correlation.set(exchange.correlation_id)
        named = exchange.named_trace()
        attached = None if named is None else otel.attach(named)
        self._watch(exchange)
        try:
            await exchange.run()
        finally:
            self._open.discard(exchange)
            seconds = perf_counter() - exchange.started
            status = exchange.status or 500
            route = self.metrics.observe(scope, status, seconds, exchange.received)
            self.lines.write(exchange.correlation_id, scope["method"], route, scope["path"], status, seconds)
            if attached is not None:
                otel.detach(attached)
            correlation.reset(token)


def _uuid(value: str | None) -> UUID | None:
    try:
        return None if value is None else UUID(value)
    except ValueError:
        return None
