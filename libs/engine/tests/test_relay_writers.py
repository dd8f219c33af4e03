"""Sixteen writers that do everything a transaction may do, against the live relay; and the proof that the test would
see a relay that loses: the same writers without the append lock."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import MakeEngine
from engine import Context, Send
from engine.errors import Conflict
from engine.relay import Relay
from engine.runtime import Engine
from engine.store import SCHEMA, Intent, prepare
from engine.wire import Raw
from engine_example import Note, Suspend, partners
from engine_writing import compared, opened

LOCKED = "    perform pg_advisory_xact_lock_shared(1128355157, 1);\n"
WRITERS = 16


class RolledBack(Exception):
    pass


class Writer:
    def __init__(
        self, engine: Engine, db: asyncpg.Connection[Any], streams: list[UUID], seed: int, slowness: float
    ) -> None:
        self._store = engine.store
        self._db = db
        self._streams = streams
        self._random = random.Random(seed)
        self._slowness = slowness
        self.committed = 0

    async def run(self, seconds: float) -> None:
        habits = [self.plainly, self.early, self.rolling_back, self.saving, self.saving_half, self.twice, self.at_once]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            habit: Callable[[], Awaitable[None]] = self._random.choice(habits)
            try:
                async with self._db.transaction():
                    await habit()
                    await self.pause(0.03)
                self.committed += 1
            except (Conflict, RolledBack, asyncpg.DeadlockDetectedError):  # appending twice may deadlock: see `twice`
                continue

    async def pause(self, most: float) -> None:
        if self._random.random() < 0.5:
            await asyncio.sleep(self._random.random() * most * self._slowness)

    async def append(self) -> None:
        count = self._random.choice([1, 1, 1, 2, 5])
        intents = []
        for id in self._random.sample(self._streams, count):
            command = Note(text="private") if self._random.random() < 0.2 else Suspend(cause_id=uuid4())
            intents.append(Intent(Send(partners, id, command), datetime.now(UTC), Context("writer")))
        await self._store.execute(self._db, intents)

    async def plainly(self) -> None:
        await self.pause(0.02)
        await self.append()

    async def early(self) -> None:
        """A transaction that wrote, and so has its number, long before it appends."""
        await self._db.execute("insert into scratch values ($1)", self._random.random())
        await self.pause(0.05)
        await self.append()

    async def rolling_back(self) -> None:
        await self.append()
        await self.pause(0.05)
        raise RolledBack

    async def saving(self) -> None:
        """Appends, rolls back to the savepoint (which gives up the lock), and appends again."""
        try:
            async with self._db.transaction():
                await self.append()
                await self.pause(0.02)
                raise RolledBack
        except RolledBack:
            await self.pause(0.02)
        await self.append()

    async def saving_half(self) -> None:
        """Appends, and again in a savepoint that it rolls back: the first append stays."""
        await self.append()
        try:
            async with self._db.transaction():
                await self.append()
                raise RolledBack
        except RolledBack:
            await self.pause(0.05)

    async def twice(self) -> None:
        """What the engine's own handlers never do: two appends lock their streams in two orders."""
        await self.append()
        await self.pause(0.03)
        await self.append()

    async def at_once(self) -> None:
        await self.append()


async def write(engine: Engine, seconds: float, slowness: float = 1.0) -> int:
    """Lets the writers loose on the engine's store; returns how many transactions they committed."""
    await engine.pool.execute("create table if not exists scratch (n float)")
    streams = [id for _ in range(10) for id in await opened(engine, 20)]
    connections = [await asyncpg.connect(engine._postgres_url) for _ in range(WRITERS)]
    try:
        for connection in connections:
            await prepare(connection)
        writers = [Writer(engine, db, streams, seed, slowness) for seed, db in enumerate(connections)]
        await asyncio.gather(*(writer.run(seconds) for writer in writers))
        return sum(writer.committed for writer in writers)
    finally:
        for connection in connections:
            await connection.close()


class Watched:
    """Counts the events that committed while the relay waited: without its barrier it would have lost them. A relay
    that comes late on a busy machine finds everything settled, and a test with that would prove nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waited_for = 0
        seen: set[int] = set()
        read = Relay._read

        async def reading(relay: Relay, db: Any, after: int, up_to: int | None = None) -> list[Raw]:
            nonlocal seen
            raws = await read(relay, db, after, up_to)
            positions = {raw.position for raw in raws}
            if up_to is not None:
                self.waited_for += len(positions - seen)
            seen = positions
            return raws

        monkeypatch.setattr(Relay, "_read", reading)


async def test_nothing_is_lost_and_no_stream_loses_its_order_under_adversarial_writers(
    make_engine: MakeEngine, kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched(monkeypatch)
    engine = await make_engine(relay_window=100)
    committed = 0
    for _ in range(6):
        committed += await write(engine, 4, slowness=2)
        if committed > 300 and watched.waited_for > 100:
            break
    found = await compared(engine, kafka)
    assert (found.lost, found.misordered, found.strange) == (0, 0, 0)
    assert watched.waited_for > 100


async def test_the_same_writers_without_the_append_lock_are_seen_to_lose_events(
    make_engine: MakeEngine, kafka: str
) -> None:
    assert SCHEMA.count(LOCKED) == 1
    unlocked = SCHEMA[SCHEMA.index("create or replace function append(") :].replace(LOCKED, "")
    engine = await make_engine(relay_window=100)
    await engine.pool.execute(unlocked)
    lost = 0
    for _ in range(10):
        await write(engine, 1.5, slowness=5)
        if lost := (await compared(engine, kafka)).lost:
            break
    assert lost > 0
