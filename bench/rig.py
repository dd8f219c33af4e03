"""What measures run on: a Postgres and a Kafka of their own, set as in `make run`, and rounds in turn with progress."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
from devstack import place, ports
from devstack.fixtures import delete_topics, drop_owned_database
from devstack.kafka import Kafka
from devstack.postgres import Postgres, with_database
from devstack.trouble import Trouble
from engine.database import create_owned_database
from engine.store import prepare
from rich.progress import Progress, TaskID

from bench.measure import Pairs, Round, Spread

UNLIMITED = {"transaction_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""Server settings of a connection that fills tables: a service's own transactions end after two seconds."""


class Rig:
    """`quick` asks for rounds that show that a measure works and too short to be believed."""

    def __init__(self, postgres: Postgres, kafka: str, progress: Progress, task: TaskID, *, quick: bool) -> None:
        self.postgres = postgres
        self.kafka = kafka
        self.quick = quick
        self.seconds = 0.4 if quick else 2.0
        self._progress = progress
        self._task = task

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def step(self, text: str) -> None:
        """Says what is going on now."""
        self._progress.update(self._task, step=text)

    async def pairs(self, ours: Round, baseline: Round, *, count: int = 5, warm_up: bool = True) -> Pairs:
        """Ours and the baseline in turn, `count` times each; a first round of each is thrown away."""
        count = self.pick(count, 2)
        if warm_up:
            self.step("warming up")
            await ours()
            await baseline()
        measured: tuple[list[float], list[float]] = ([], [])
        for n in range(count):
            for side, (into, run) in enumerate(zip(measured, (ours, baseline), strict=True)):
                self.step(f"round {n + 1} of {count}, {'the baseline' if side else 'ours'}")
                gc.collect()
                into.append(await run())
        return Pairs(Spread.of(measured[0]), Spread.of(measured[1]))

    async def rounds(self, run: Round, *, count: int = 5) -> Spread:
        """Of ours alone, where nothing is there to compare with."""
        count = self.pick(count, 2)
        found = []
        for n in range(count):
            self.step(f"round {n + 1} of {count}")
            gc.collect()
            found.append(await run())
        return Spread.of(found)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of an empty database, as its owner, under a service role's limits; dropped afterwards."""
        name, password = f"b_{secrets.token_hex(6)}", secrets.token_hex(8)
        admin = await asyncpg.connect(self.postgres.url())
        try:
            await create_owned_database(admin, name, password)
            try:
                yield with_database(self.postgres.url(), name, name, password)
            finally:
                await drop_owned_database(admin, name)
                await admin.execute("checkpoint")  # what one measure wrote is not paid for by the next
        finally:
            await admin.close()

    @contextlib.asynccontextmanager
    async def pool(self, url: str, size: int, **settings: str) -> AsyncIterator[asyncpg.Pool[Any]]:
        """Connections set as the engine's own are: JSON as bytes, and no round trip to reset them."""
        async with asyncpg.create_pool(
            url, min_size=size, max_size=size, init=prepare, reset=_no_reset, server_settings=settings
        ) as pool:
            yield pool

    @contextlib.asynccontextmanager
    async def topics(self) -> AsyncIterator[str]:
        """A prefix for topic and group names; the topics are deleted afterwards."""
        prefix = f"b{secrets.token_hex(6)}."
        try:
            yield prefix
        finally:
            await delete_topics(self.kafka, prefix)


async def until(condition: Callable[[], Awaitable[Any]], every: float = 0.02, seconds: float = 900.0) -> None:
    """Returns as soon as the condition holds. Raises Trouble when it does not in time."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise Trouble(f"waited {seconds:.0f} s in vain; what it was that did not come is above")
        await asyncio.sleep(every)


async def _no_reset(connection: asyncpg.Connection[Any]) -> None:
    pass


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[tuple[Postgres, Kafka]]:
    """A fresh Postgres and a fresh Kafka. Raises Trouble where another bench is running: each would spoil the other."""
    folder = place.kept() / "bench"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble("another `make bench` is running in this folder: wait for it, or stop it") from None
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        postgres, kafka = Postgres(folder / "postgres", ports.free()[0]), Kafka(folder / "kafka", ports.free(2)[0])
        try:
            await asyncio.to_thread(postgres.start)
            await asyncio.to_thread(kafka.start)
            yield postgres, kafka
        finally:
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(postgres.stop)
            shutil.rmtree(folder)
