"""What the tests of the reading half share: a service's appliers without Kafka, topics as plain lists of records,
and points at which a test can stop the engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import engine_example as example
from engine import Context, Decider, Fact, Policy, Process, Receipt, Rejected, Send, View
from engine.handlers import PolicyHandler, ProcessHandler, ViewHandler
from engine.metrics import Metrics
from engine.parking import Parking
from engine.runtime import Engine, Tuning
from engine.store import Intent, Store, prepare
from engine.subscriptions import Applier, Heard, Place, Subscription
from engine.tables import physical
from engine.wire import Raw
from engine_writing import Child
from events import CATALOGUE, Event
from events.partner import PartnerReinstated, PartnerSuspended, SuspensionCause
from pydantic import TypeAdapter

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ME = Context("tester")
HEARD_FROM_PARTNER = Heard.of(CATALOGUE["partner"], own=False)


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


@dataclass
class Clock:
    """The business clock, moved by the test."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


class Gate:
    """Where the engine stands until the test opens it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        self.reached.set()
        await self._open.wait()


class Failpoints:
    """An engine's failpoint: stops once at a name, or fails there a given number of times."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self._gates: dict[str, Gate] = {}
        self._errors: dict[str, list[BaseException]] = {}

    def pause(self, name: str) -> Gate:
        gate = self._gates[name] = Gate()
        return gate

    def fail(self, name: str, *errors: BaseException) -> None:
        self._errors[name] = list(errors)

    async def __call__(self, name: str) -> None:
        self.hits[name] += 1
        if (gate := self._gates.pop(name, None)) is not None:
            await gate.pass_through()
        if self._errors.get(name):
            raise self._errors[name].pop(0)


@dataclass
class Topic:
    """One partition of the partner's topic, as a consumer reads it."""

    id: UUID = field(default_factory=uuid4)
    records: list[tuple[int, Raw]] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def put(
        self, event: Event, stream: str, *, position: int | None = None, incarnation: int = 1, **changed: Any
    ) -> Raw:
        self.versions[stream] += 1
        at = NOON + timedelta(minutes=len(self.records))
        raw = Raw(
            changed.get("id") or uuid4(),
            stream,
            self.versions[stream],
            changed.get("type") or event.event_type,
            event.data(),
            position if position is not None else len(self.records) + 1,
            incarnation,
            at,
            changed.get("recorded_at") or at,
            uuid4(),
            None,
            "tester",
        )
        self.records.append((len(self.records), raw))
        return raw

    def suspend(self, partner: UUID, reason: str = "late payment", **changed: Any) -> Raw:
        cause = SuspensionCause(cause_id=uuid4(), reason=reason)
        return self.put(PartnerSuspended(partner_id=partner, cause=cause), f"partner-{partner}", **changed)

    def reinstate(self, partner: UUID, cause: UUID, **changed: Any) -> Raw:
        return self.put(PartnerReinstated(partner_id=partner, lifted_cause_id=cause), f"partner-{partner}", **changed)

    def send_again(self, raw: Raw) -> None:
        self.records.append((len(self.records), raw))


class Rig:
    """The risk service's reading half on a real database, fed by hand."""

    def __init__(self, pool: asyncpg.Pool[Any], deciders: Sequence[Decider[Any, Any, Any]]) -> None:
        self.pool = pool
        self.failpoints = Failpoints()
        self.metrics = Metrics()
        self.woken = 0
        self.store = Store(deciders)
        self.store.view_epoch = 1
        self.applier = self.another()
        self.parking = Parking(
            pool, self.store, self.metrics, views_changed=self._views_changed, appended=self._appended
        )
        self.processes: dict[str, ProcessHandler] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, url: str, deciders: Sequence[Decider[Any, Any, Any]] = (example.profiles,)) -> AsyncIterator[Rig]:
        pool = await asyncpg.create_pool(url, min_size=1, max_size=8, init=prepare)
        try:
            yield cls(pool, deciders)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(pool.close(), 5)

    async def _views_changed(self) -> None:
        self.store.view_epoch = await self.pool.fetchval("select view_epoch from store")

    def _appended(self) -> None:
        self.woken += 1

    def another(self, cls: type[Applier] = Applier, **options: Any) -> Applier:
        """One more process of the service."""
        return cls(
            self.pool,
            self.store,
            self.metrics,
            views_changed=self._views_changed,
            appended=self._appended,
            failpoint=self.failpoints,
            **options,
        )

    # -- subscriptions

    def policy(self, policy: Policy = example.mirror_policy) -> Subscription:
        return Subscription(f"risk.{policy.name}", (policy.source,), PolicyHandler(policy), policy.since)

    def process(self, process: Process[Any]) -> Subscription:
        handler = ProcessHandler(process, TypeAdapter(type(process.initial())))
        self.processes[f"risk.{process.name}"] = handler
        return Subscription(f"risk.{process.name}", process.sources, handler, process.since)

    async def view(self, view: View = example.heard_view) -> Subscription:
        for table in view.tables:
            await self.pool.execute(f"create table {physical(table, 1)} ({table.columns})")
            await self.pool.execute(f"create view {table.name} as select * from {physical(table, 1)}")
        await self.pool.execute(
            "insert into view_build (name, generation, version, feed, live, tables)"
            " values ($1, 1, 1, 'topic', true, '{}')",
            view.name,
        )
        handler = ViewHandler(view, 1)
        return Subscription(f"risk.{view.name}.g1", ("partner",), handler, prove=handler.prove)

    def place(self, subscription: Subscription, topic: Topic, partition: int = 0) -> Place:
        return Place(subscription.name, "partner", topic.id, partition)

    # -- what happens

    async def consume(
        self,
        subscription: Subscription,
        topic: Topic,
        *,
        heard: Heard = HEARD_FROM_PARTNER,
        applier: Applier | None = None,
        partition: int = 0,
    ) -> None:
        """As a process does that was just assigned the partition: takes it over and applies all there is."""
        applier = applier or self.applier
        place = self.place(subscription, topic, partition)
        async with self.pool.acquire() as db:
            epoch, start = await applier.take_over(db, subscription, place)
        await applier.apply(subscription, place, epoch, heard, [r for r in topic.records if r[0] >= start])

    async def execute(self, decider: Decider[Any, Any, Any], id: UUID, command: Any) -> Receipt:
        """A command from outside."""
        at = command.occurred_at or NOON
        async with self.pool.acquire() as db, db.transaction():
            [outcome] = await self.store.execute(db, [Intent(Send(decider, id, command), at, ME)])
        if isinstance(outcome, Rejected):
            raise outcome
        return outcome

    async def someone_waits(self) -> bool:
        """Whether a statement waits for a lock that another transaction holds."""
        return bool(
            await self.pool.fetchval(
                "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
            )
        )

    # -- what came of it

    async def seen(self, partner: UUID) -> tuple[str, ...]:
        """The effects on a partner's risk profile, in order, by folding its events from the first."""
        async with self.pool.acquire() as db:
            loaded = await self.store.load(db, example.profiles, partner, version=2**31 - 1)
        state: example.Profile = loaded.state
        return state.seen

    async def parked(self, subscription: Subscription) -> dict[str, list[int]]:
        """Versions of parked events by stream, in order."""
        rows = await self.pool.fetch(
            "select stream, array_agg(version order by incarnation, position) as versions from parked_event"
            " where subscription = $1 group by 1",
            subscription.name,
        )
        return {row["stream"]: row["versions"] for row in rows}

    async def offset(self, subscription: Subscription, topic: Topic, partition: int = 0) -> int | None:
        found: int | None = await self.pool.fetchval(
            "select next_offset from consumer_offset where subscription = $1 and topic_id = $2 and partition = $3",
            subscription.name,
            topic.id,
            partition,
        )
        return found


def effects(events: Iterable[Raw | Fact[Any]]) -> dict[UUID, tuple[str, ...]]:
    """What the mirror policy owes each partner for these facts, each of them once and in order."""
    owed: dict[UUID, tuple[str, ...]] = {}
    for raw in events:
        event = raw.event if isinstance(raw, Fact) else HEARD_FROM_PARTNER.codec.decode(raw.type, raw.data)
        match event:
            case PartnerSuspended(partner_id=id, cause=cause):
                owed[id] = (*owed.get(id, ()), f"+{cause.cause_id}")
            case PartnerReinstated(partner_id=id, lifted_cause_id=cause):
                owed[id] = (*owed.get(id, ()), f"-{cause}")
    return owed


async def killed(task: asyncio.Task[Any]) -> None:
    """Ends a task where it stands; what its transaction had not committed is gone, as with its process."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


# -- whole engines


async def joined(*engines: Engine) -> None:
    """Waits until each engine is ready, its consumer a member of its group."""
    await until(lambda: not any(engine.health() for engine in engines), what="engines ready")


async def open_partner(engine: Engine, id: UUID | None = None) -> UUID:
    id = id or uuid4()
    await engine.handle(Send(example.partners, id, example.Open(partner_id=id)), ME)
    return id


async def suspend(engine: Engine, id: UUID, reason: str = "late payment") -> Receipt:
    return await engine.handle(Send(example.partners, id, example.Suspend(cause_id=uuid4(), reason=reason)), ME)


async def log_of(engine: Engine) -> list[Fact[Any]]:
    """Every fact of an engine's own log."""
    rows = await engine.pool.fetch("select e.*, s.incarnation from event e, store s order by position")
    return [engine.store.fact(row) for row in rows]


async def assert_mirrored(partner: Engine, risk: Engine) -> None:
    """Each suspension and reinstatement of the log had its effect once, in order: both stores are folded and
    compared."""
    owed = effects(await log_of(partner))
    assert owed
    found = {id: (await risk.load(example.profiles, id, version=2**31 - 1)).state.seen for id in owed}
    assert found == owed


# -- a risk engine in a child process


@contextlib.asynccontextmanager
async def risk_child(
    url: str, kafka: str, prefix: str, *, at: str = "", nth: int = 1, signal: signal.Signals = signal.SIGKILL
) -> AsyncIterator[Child]:
    """Mirrors and hears partner in a process of its own, which does `signal` to itself when it comes to the failpoint
    `at` for the n-th time. Says "started" and, once its consumer is a member of the group, "joined"."""
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
        await child.ended()


async def _child(what: dict[str, Any]) -> None:
    hits = 0

    async def failpoint(name: str) -> None:
        nonlocal hits
        if name == what["at"]:
            hits += 1
            if hits == what["nth"]:
                os.kill(os.getpid(), what["signal"])

    engine = Engine(
        "risk",
        postgres_url=what["url"],
        kafka_bootstrap=what["kafka"],
        topic_prefix=what["prefix"],
        deciders=(example.profiles,),
        views=(example.heard_view,),
        policies=(example.mirror_policy,),
        failpoint=failpoint,
        tuning=Tuning(partitions=3, lease_seconds=1.5, session_seconds=6.0, pool_size=8),
    )
    await engine.start()
    print("started", flush=True)
    await until(lambda: not engine.health(), 30)
    print("joined", flush=True)
    parent = os.getppid()
    await until(lambda: os.getppid() != parent, 120)  # never longer than the test
    await engine.stop()


if __name__ == "__main__":
    asyncio.run(_child(json.loads(sys.argv[1])))
