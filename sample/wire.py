"""HTTP/1.1 over kept-alive connections with a parser in C, below httpx.

httpx's own transport parses in Python: at 20,000 requests it took a quarter of the two processors that the services,
Postgres and Kafka need at the same time (3.4 ms a request; this: 0.1).
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import httptools
import httpx

CHUNK = 65_536
IDLE = 30.0
"""Seconds after which a connection is not used again, less than the services keep it."""


@dataclass
class _Answer:
    """What httptools calls back to."""

    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    complete: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    used_at: float

    @property
    def fresh(self) -> bool:
        idle = asyncio.get_running_loop().time() - self.used_at
        return idle < IDLE and not self.reader.at_eof() and not self.writer.is_closing()

    async def exchange(self, head: bytes, body: bytes) -> tuple[httpx.Response, bool]:
        """The answer, and whether the connection can be used again."""
        answer = _Answer()
        parser = httptools.HttpResponseParser(answer)
        self.writer.write(head + body)
        await self.writer.drain()
        while not answer.complete:
            data = await self.reader.read(CHUNK)
            if not data:
                raise httpx.RemoteProtocolError("the connection was closed before the answer was there")
            parser.feed_data(data)
        self.used_at = asyncio.get_running_loop().time()
        response = httpx.Response(parser.get_status_code(), headers=answer.headers, content=b"".join(answer.body))
        return response, response.headers.get("connection", "").lower() != "close"


class KeptAlive(httpx.AsyncBaseTransport):
    """To one server. Of httpx's time-outs, `connect` bounds the connecting and `read` the whole exchange."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError for whatever happens to the connection."""
        seconds = request.extensions.get("timeout", {})
        head, body = _head(request), await request.aread()
        connection = self._kept() or await self._connect(request.url, seconds.get("connect"))
        reusable = False
        try:
            async with asyncio.timeout(seconds.get("read")):
                response, reusable = await connection.exchange(head, body)
            return response
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=request) from error
        except OSError as error:
            raise httpx.ReadError(str(error), request=request) from error
        except httptools.HttpParserError as error:
            raise httpx.RemoteProtocolError(str(error), request=request) from error
        finally:
            if reusable:
                self._idle.append(connection)
            else:
                connection.writer.close()

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.fresh:
                return connection
            connection.writer.close()
        return None

    async def _connect(self, url: httpx.URL, seconds: float | None) -> _Connection:
        try:
            async with asyncio.timeout(seconds):
                reader, writer = await asyncio.open_connection(url.host, url.port or 80)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection to {url.netloc.decode()} in time") from error
        except OSError as error:
            raise httpx.ConnectError(f"no connection to {url.netloc.decode()}: {error.strerror}") from error
        return _Connection(reader, writer, asyncio.get_running_loop().time())

    async def aclose(self) -> None:
        while self._idle:
            writer = self._idle.pop().writer
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _head(request: httpx.Request) -> bytes:
    lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join(lines) + b"\r\n\r\n"
