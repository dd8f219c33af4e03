"""The proxy passes on, cuts, delays and holds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from devstack import ports

from faults.proxy import Proxy

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(100):
            writer.write(data)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    target, port = ports.free(2)
    server = await asyncio.start_server(echo, ports.HOST, target)
    made = Proxy(port, target)
    await made.start()
    yield made
    await made.stop()
    server.close()
    await server.wait_closed()


async def said(line: Line, word: bytes) -> bytes:
    line[1].write(word)
    return await asyncio.wait_for(line[0].readexactly(len(word)), 60)


async def test_what_is_said_comes_through_and_back(proxy: Proxy) -> None:
    line = await asyncio.open_connection(ports.HOST, proxy.port)
    assert await said(line, b"hello") == b"hello"
    line[1].close()


async def test_a_cut_ends_the_connection_and_the_next_gets_through(proxy: Proxy) -> None:
    line = await asyncio.open_connection(ports.HOST, proxy.port)
    await said(line, b"hello")
    assert proxy.cut() == 1
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(line[0].readexactly(1), 60)
    line[1].close()
    again = await asyncio.open_connection(ports.HOST, proxy.port)
    assert await said(again, b"again") == b"again"
    again[1].close()


async def test_nobody_gets_through_while_it_refuses(proxy: Proxy) -> None:
    proxy.refusing = True
    line = await asyncio.open_connection(ports.HOST, proxy.port)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(line[0].readexactly(1), 60)
    line[1].close()


async def test_what_is_held_comes_through_when_it_is_released(proxy: Proxy) -> None:
    line = await asyncio.open_connection(ports.HOST, proxy.port)
    await said(line, b"hello")
    proxy.hold()
    waiting = asyncio.create_task(said(line, b"later"))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    proxy.release()
    assert await waiting == b"later"
    line[1].close()


async def test_a_delay_holds_up_each_way(proxy: Proxy) -> None:
    line = await asyncio.open_connection(ports.HOST, proxy.port)
    await said(line, b"hello")
    proxy.delay = 0.2
    began = asyncio.get_running_loop().time()
    await said(line, b"slow")
    assert asyncio.get_running_loop().time() - began > 0.39
    line[1].close()
