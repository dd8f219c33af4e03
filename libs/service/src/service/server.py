"""One uvicorn worker a process: processes are what is scaled."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.addresses import PORTS
from service.settings import InvalidSettings, Settings

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


class Server(uvicorn.Server):
    """Told to stop, it first says so by /readyz and with every answer (Connection: close), and goes on for CAUCE_DRAIN
    seconds, in which whatever sends it requests is to notice. A second Ctrl-C ends that. Raises InvalidSettings."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(config(app))
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.leaving = True
        until = time.monotonic() + self._app.state.settings.drain
        while time.monotonic() < until and not self.force_exit:  # noqa: ASYNC110 - a signal handler sets it
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


def serve(app: FastAPI) -> bool:
    """Until a signal comes; then open requests are finished and the engine stops in order. False: it never started."""
    server = Server(app)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG)
    with contextlib.suppress(KeyboardInterrupt, SystemExit):  # uvicorn raises its signal again when all is done
        server.run()
    return server.started
