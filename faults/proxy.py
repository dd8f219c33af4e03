"""A TCP proxy between services and their servers that can cut, delay and hold what goes through it."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random

from devstack.ports import HOST

CHUNK = 65_536
Link = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Proxy:
    """Listens on `port` and passes on to `target`. `delay` are seconds that each piece is held up."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.delay = 0.0
        self.refusing = False
        self._passing = asyncio.Event()
        self._passing.set()
        self._links: set[Link] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        self.release()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def cut(self, share: float = 1.0, choice: Random | None = None) -> int:
        """Breaks so many of the connections, what is on its way included. Returns how many."""
        broken = [link for link in self._links if choice is None or choice.random() < share]
        for link in broken:
            for side in link:
                side.transport.abort()
        return len(broken)

    def hold(self) -> None:
        """Nothing gets through, and nobody is told: as where a network swallows packets."""
        self._passing.clear()

    def release(self) -> None:
        self._passing.set()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._link(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            there, onward = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.transport.abort()
            return
        link = (writer, onward)
        self._links.add(link)
        pumps = [asyncio.create_task(self._pump(reader, onward)), asyncio.create_task(self._pump(there, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for side in link:
                side.close()
            await asyncio.gather(*pumps, *(side.wait_closed() for side in link), return_exceptions=True)
            self._links.discard(link)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
