"""What the tests of the writing half share: a topic read as it is, the store's side of the comparison, and engines in
child processes that can be killed or paused at a point of their work."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import engine_example as example
import psutil
from engine import Context, Receipt, Send
from engine.kafka import Watcher
from engine.runtime import Engine, Tuning
from engine.wire import Raw, raw_from
from events.partner import PUBLIC

ME = Context("tester")
PUBLIC_TYPES = [cls.event_type for cls in PUBLIC]


async def until(condition: Callable[[], Awaitable[Any] | Any], seconds: float = 60.0, what: str = "") -> None:
    """Returns as soon as the condition holds; fails when it does not in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        met = condition()
        if isinstance(met, Awaitable):
            met = await met
        if met:
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {what or condition}"
        await asyncio.sleep(0.02)


# -- commands


async def suspend(engine: Engine, id: UUID, reason: str = "late") -> Receipt:
    return await engine.handle(Send(example.partners, id, example.Suspend(cause_id=uuid4(), reason=reason)), ME)


async def opened(engine: Engine, count: int) -> list[UUID]:
    """So many partners, opened."""
    ids = [uuid4() for _ in range(count)]
    await engine.handle_many([Send(example.partners, id, example.Open(partner_id=id)) for id in ids], ME)
    return ids


# -- the topic against the store


@dataclass(frozen=True)
class Topic:
    """All records of a topic, partition by partition in their order."""

    partitions: dict[int, list[Raw]]

    @property
    def raws(self) -> list[Raw]:
        return [raw for records in self.partitions.values() for raw in records]

    @property
    def copies(self) -> Counter[UUID]:
        """How often each event is there."""
        return Counter(raw.id for raw in self.raws)


async def read_topic(bootstrap: str, topic: str) -> Topic:
    watcher = Watcher(bootstrap)
    partitions: dict[int, list[Raw]] = {}
    async for partition, record in watcher.read(topic, {}):
        partitions.setdefault(partition, []).append(raw_from(list(record.headers), record.value))
    await watcher.stop()
    return Topic(partitions)


@dataclass(frozen=True)
class Comparison:
    """What a topic does wrong, seen with a consumer's eyes: only an event that is above the watermark counts."""

    lost: int
    misordered: int
    strange: int

    @property
    def fine(self) -> bool:
        return (self.lost, self.misordered, self.strange) == (0, 0, 0)


def compare(topic: Topic, stored: Iterable[Any]) -> Comparison:
    """The topic against rows (id, stream, version, position) of the public events in the store."""
    expected = {row["id"]: (row["stream"], row["version"], row["position"]) for row in stored}
    reached: dict[UUID, Raw] = {}
    misordered = 0
    for records in topic.partitions.values():
        watermark, versions = (0, 0), dict[str, int]()
        for raw in records:
            if (raw.incarnation, raw.position) <= watermark:
                continue
            watermark = (raw.incarnation, raw.position)
            misordered += raw.version <= versions.get(raw.stream, 0)
            versions[raw.stream] = raw.version
            reached[raw.id] = raw
    strange = sum(
        id not in expected or expected[id] != (raw.stream, raw.version, raw.position) for id, raw in reached.items()
    )
    return Comparison(len(expected.keys() - reached.keys()), misordered, strange)


async def compared(engine: Engine, bootstrap: str) -> Comparison:
    """The engine's topic against its store, once all of the log is published."""
    head = (await engine.log()).head
    assert await engine.published(head, 15), f"not published through {head}: {await engine.log()}"
    rows = await engine.pool.fetch(
        "select id, stream, version, position from event where type = any ($1)", PUBLIC_TYPES
    )
    return compare(await read_topic(bootstrap, engine.topic("partner")), rows)


async def assert_heard_once(partner: Engine, risk: Engine) -> None:
    """Every public event of partner had its effect in risk exactly once, in the order of each stream: the two stores
    folded and compared. `risk` has `mirror_policy` and `heard_view`."""
    assert await partner.published((await partner.log()).head, 15)
    assert await risk.handled("risk.mirror", 20)
    assert await risk.handled("risk.heard.g1", 20)
    rows = await partner.pool.fetch(
        "select id, stream, version, type, data from event where type = any ($1) order by position", PUBLIC_TYPES
    )
    heard = await risk.pool.fetch("select event_id, stream, version, times from heard order by at")
    assert {row["event_id"]: row["times"] for row in heard} == {row["id"]: 1 for row in rows}
    in_order: dict[str, list[int]] = {}
    for row in heard:
        in_order.setdefault(row["stream"], []).append(row["version"])
    assert all(versions == sorted(versions) for versions in in_order.values())
    effects: dict[UUID, list[str]] = {}
    for row in rows:
        data = json.loads(row["data"])
        if "cause" in data:
            effects.setdefault(UUID(row["stream"][-36:]), []).append(f"+{data['cause']['cause_id']}")
        elif "lifted_cause_id" in data:
            effects.setdefault(UUID(row["stream"][-36:]), []).append(f"-{data['lifted_cause_id']}")
    folded = {id: list((await risk.load(example.profiles, id)).state.seen) for id in effects}
    assert folded == effects
    assert await risk.pool.fetchval("select count(distinct stream) from event") == len(effects)


# -- engines in child processes


class Child:
    """A partner engine in a process of its own, which does something to itself (`signal`) when it comes to a
    failpoint for the n-th time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    async def said(self, word: str, seconds: float = 60.0) -> None:
        assert self._process.stdout is not None
        async with asyncio.timeout(seconds):
            while line := await self._process.stdout.readline():
                if line.decode().strip() == word:
                    return
        raise AssertionError(f"the child ended before it said {word}")

    @property
    def paused(self) -> bool:
        return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    async def ended(self) -> int:
        return await asyncio.wait_for(self._process.wait(), 10)


@contextlib.asynccontextmanager
async def child_engine(
    url: str, kafka: str, prefix: str, *, at: str = "", nth: int = 1, signal: signal.Signals = signal.SIGKILL
) -> AsyncIterator[Child]:
    what = {"url": url, "kafka": kafka, "prefix": prefix, "at": at, "nth": nth, "signal": int(signal)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__)), json.dumps(what), stdout=asyncio.subprocess.PIPE
    )
    child = Child(process)
    try:
        await child.said("started")
        yield child
    finally:
        child.kill()
        await process.wait()


async def _child(url: str, kafka: str, prefix: str, at: str, nth: int, signal: int) -> None:
    passed: Counter[str] = Counter()

    async def failpoint(name: str) -> None:
        passed[name] += 1
        if name == at and passed[name] == nth:
            print("there", flush=True)
            os.kill(os.getpid(), signal)

    engine = Engine(
        "partner",
        postgres_url=url,
        kafka_bootstrap=kafka,
        topic_prefix=prefix,
        deciders=[example.partners],
        failpoint=failpoint,
        tuning=Tuning(partitions=3, lease_seconds=1.5, relay_window=20),
    )
    await engine.start()
    print("started", flush=True)
    parent = os.getppid()
    await until(lambda: os.getppid() != parent, seconds=120)  # never longer than the test
    await engine.stop()


if __name__ == "__main__":
    asyncio.run(_child(**json.loads(sys.argv[1])))
