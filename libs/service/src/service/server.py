"""One uvicorn worker a process: processes are what is scaled."""

from __future__ import annotations

import contextlib
import gc
from time import monotonic
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.addresses import PORTS
from service.settings import InvalidSettings, Settings

log = structlog.get_logger()

HEAD_LIMIT = 65_536
"""Bytes of a request's line and headers; uvicorn with httptools has no limit of its own."""


YOUNG = 10_000
"""Objects made since the collector last looked, before it looks again. With Python's 700 a batch of events is looked
through dozens of times while it is being made; nearly all of it goes by itself when the batch is done."""


class BoundedHead(HttpToolsProtocol):
    _head = 0
    _in_head = True

    def on_message_begin(self) -> None:
        self._head, self._in_head = 0, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_LIMIT:
                self.send_400_response("The headers are too long.")

    def answer_for_the_last_time(self) -> None:
        """What is being answered now, unless it has begun to say otherwise."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False


CLOSE = (b"connection", b"close")


class Server(uvicorn.Server):
    """Told to stop, it answers on for CAUCE_DRAIN seconds: who sends requests here learns that it leaves before it is
    gone. /readyz says so to those who look, and every answer is the last one of its connection, so that clients who
    keep theirs open come back on a new one, which is led elsewhere."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(config(app))
        self._app = app
        self._until: float | None = None

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        if self._until is None:
            self._until = monotonic() + self._app.state.settings.drain
            self._leave()
        return self.force_exit or monotonic() >= self._until

    def _leave(self) -> None:
        self._app.state.leaving = True
        self.config.encoded_headers.append(CLOSE)  # what later ticks make the headers from
        self.server_state.default_headers = [*self.server_state.default_headers, CLOSE]
        for connection in self.server_state.connections:
            if isinstance(connection, BoundedHead):
                connection.answer_for_the_last_time()
        log.info("draining", seconds=self._app.state.settings.drain)


def config(app: FastAPI) -> uvicorn.Config:
    """Raises InvalidSettings."""
    settings: Settings = app.state.settings
    port = settings.port or PORTS.get(app.state.service)
    if port is None:
        raise InvalidSettings("CAUCE_PORT is not set; it is the port to listen on, like 8102.")
    options: dict[str, Any] = {
        "loop": "uvloop",
        "http": BoundedHead,
        "ws": "none",
        "lifespan": "on",
        "workers": 1,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": 75,  # longer than any proxy before it, so that it is the proxy that closes
        "timeout_graceful_shutdown": settings.shutdown_timeout,
    }
    return uvicorn.Config(app, host=settings.host, port=port, **options)


def serve(app: FastAPI) -> bool:
    """Until a signal comes; then it drains, finishes open requests, and the engine stops in order. False: it never
    started."""
    server = Server(app)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return server.started
