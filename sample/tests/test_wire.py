"""The transport against a server that answers, falls silent, hangs up and goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from sample.wire import KeptAlive

Answer = Callable[[int, bytes, asyncio.StreamWriter], None]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-answer: yes\r\n\r\nhi"


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[tuple[httpx.AsyncClient, list[bytes]]]:
    """`answer(connection, request, writer)`, connections counted from 1; the requests that came."""
    came: list[bytes] = []
    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        mine = len(serving)
        while head := await _until_blank(reader):
            length = next((int(v) for k, v in _headers(head) if k == b"content-length"), 0)
            came.append(head + await reader.readexactly(length))
            answer(mine, came[-1], writer)
        writer.close()
        await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    timeout = httpx.Timeout(0.2, connect=5)
    client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", transport=KeptAlive(), timeout=timeout)
    async with client:
        yield client, came
    listening.close()
    await asyncio.gather(*(task for task in serving if task is not None))


async def _until_blank(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def _headers(head: bytes) -> list[tuple[bytes, bytes]]:
    pairs = [line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line]
    return [(name.lower(), value) for name, value in pairs]


async def test_requests_one_after_the_other_share_a_connection() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK.replace(b"yes", b"%d" % connection))

    async with server(answer) as (client, came):
        first = await client.post("/applications?limit=5", content=b'{"a":1}', headers={"idempotency-key": "k"})
        second = await client.get("/partners")
    assert (first.status_code, first.content, first.headers["x-answer"]) == (200, b"hi", "1")
    assert second.headers["x-answer"] == "1"
    assert came[0].startswith(b"POST /applications?limit=5 HTTP/1.1\r\n")
    assert came[0].endswith(b'\r\n\r\n{"a":1}')
    assert b"idempotency-key: k\r\n" in came[0]


async def test_an_answer_that_comes_in_pieces_and_chunks_is_put_together() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-")
        asyncio.get_running_loop().call_later(
            0.01, writer.write, b"encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )

    async with server(answer) as (client, _):
        assert (await client.get("/")).content == b"abcde"


async def test_a_server_that_does_not_keep_the_connection_gets_another() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(OK.replace(b"yes", b"%d\r\nconnection: close" % connection))
        writer.close()

    async with server(answer) as (client, _):
        answers = [(await client.get("/")).headers["x-answer"] for _ in range(2)]
    assert answers == ["1", "2"]


async def test_a_connection_that_breaks_before_the_answer_is_a_transport_error() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        writer.close()

    async with server(answer) as (client, _):
        with pytest.raises(httpx.TransportError):
            await client.get("/")


async def test_what_is_no_http_is_a_transport_error() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    async with server(answer) as (client, _):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/")


async def test_an_answer_that_does_not_come_in_time_is_a_read_timeout_and_its_connection_is_not_used_again() -> None:
    def answer(connection: int, request: bytes, writer: asyncio.StreamWriter) -> None:
        if connection > 1:
            writer.write(OK)

    async with server(answer) as (client, _):
        with pytest.raises(httpx.ReadTimeout):
            await client.get("/")
        assert (await client.get("/")).content == b"hi"


async def test_where_nobody_listens_it_is_a_connect_error() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:9", transport=KeptAlive()) as client:
        with pytest.raises(httpx.ConnectError, match=r"no connection to 127\.0\.0\.1:9"):
            await client.get("/")
