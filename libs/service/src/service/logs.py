"""Logs as JSON lines on stdout, one event a line, whoever writes them."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from engine.tracing import here, ids

correlation: ContextVar[UUID | None] = ContextVar("correlation", default=None)
"""The correlation id of the request that is being handled."""

Line = MutableMapping[str, Any]


class Stdout:
    """Whatever stdout is at the time of the line."""

    def msg(self, line: bytes) -> None:
        out = sys.stdout.buffer
        out.write(line + b"\n")
        out.flush()

    debug = info = warning = error = critical = msg


def configure(service: str, level: str = "info") -> None:
    """For the whole process: structlog and the standard library's logging, uvicorn's included. Safe to repeat."""

    def named(_: Any, __: str, line: Line) -> Line:
        line.setdefault("service", service)
        return line

    shared: list[Any] = [named, _correlated, structlog.processors.add_log_level, _stamped]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, _ordered, _json],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Stdout(),
        cache_logger_on_first_use=False,
    )
    handler = _StdoutHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder(), _said_once],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _ordered,
                lambda *args: _json(*args).decode(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [h for h in root.handlers if not isinstance(h, _StdoutHandler)] + [handler]
    root.setLevel(logging.getLevelNamesMapping()[level.upper()])
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The kit writes the access line, with the route and the correlation id.
    logging.getLogger("uvicorn.access").propagate = False
    for name in ("aiokafka", "httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


class AccessLog:
    """One line a request, at info; at debug for probes and scrapers. Written without structlog's chain of processors,
    as it is on the path of every request."""

    def __init__(self, service: str, level: str, *, quiet: frozenset[str]) -> None:
        self._service = service
        self._info = level in ("debug", "info")
        self._debug = level == "debug"
        self._quiet = quiet
        self._out = Stdout()

    def write(self, correlation_id: UUID, method: str, route: str, path: str, status: int, seconds: float) -> None:
        quiet = route in self._quiet
        if not (self._debug if quiet else self._info):
            return
        line = {
            "at": datetime.now(UTC),
            "level": "debug" if quiet else "info",
            "service": self._service,
            "event": "request",
            "correlation_id": correlation_id,
            "method": method,
            "route": route,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 2),
            **ids(),
        }
        self._out.msg(orjson.dumps(line, option=orjson.OPT_UTC_Z))


class _StdoutHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            Stdout().msg(self.format(record).encode())
        except Exception:  # noqa: BLE001 - logging's own contract, it prints to stderr
            self.handleError(record)


def _said_once(_: Any, __: str, line: Line) -> Line:
    for repeat in ("message", "color_message"):  # uvicorn's and the standard library's own copies of the event
        line.pop(repeat, None)
    return line


def _correlated(_: Any, __: str, line: Line) -> Line:
    id = correlation.get()
    asked = {} if id is None else {"correlation_id": id}
    for name, value in {**here(), **ids(), **asked}.items():
        line.setdefault(name, value)
    return line


_stamped = structlog.processors.TimeStamper(fmt="iso", utc=True, key="at")


def _ordered(_: Any, __: str, line: Line) -> Line:
    first = ("at", "level", "service", "event", "correlation_id")
    return {**{k: line[k] for k in first if k in line}, **line}


def _json(_: Any, __: str, line: Line) -> bytes:
    return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS)
