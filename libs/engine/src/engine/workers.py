"""What runs in the background of a worker: relay, timers, own-log readers, the Kafka consumer, and their leases."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from events import CATALOGUE, published_by

from engine.consumer import Consumer, Source
from engine.errors import passes
from engine.handlers import ProcessHandler
from engine.kafka import Watcher
from engine.leases import Lease
from engine.log_reader import LogReader
from engine.metrics import Metrics
from engine.producer import Producer
from engine.recovery import Recovery
from engine.relay import Relay
from engine.state_topic import StateTopic
from engine.store import Store
from engine.subscriptions import Applier, Heard, Subscription
from engine.timers import Timers
from engine.views import PublicState

log = structlog.get_logger()

STOP_SECONDS = 10.0


class Tasks:
    """Background tasks of one process. One that dies of an error that nobody expected makes the process unready."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.broken: dict[str, str] = {}

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # In a context of its own: a request that has it started is no part of what it does from then on.
        task = asyncio.create_task(work, name=name, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken[task.get_name()] = repr(error)
            log.critical("task_died", task=task.get_name(), exc_info=error)

    async def cancel(self) -> None:
        """Ends them all. Asks again, because a library may swallow a cancellation, and not for ever."""
        left, deadline = set(self._tasks), asyncio.get_running_loop().time() + STOP_SECONDS
        while left and asyncio.get_running_loop().time() < deadline:
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.5)
        for task in left:
            log.error("task_left_behind", task=task.get_name())


@dataclass
class _Reading:
    """An own-log subscription at work."""

    reader: LogReader
    lease: Lease
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()


class Workers:
    def __init__(
        self,
        service: str,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        applier: Applier,
        tasks: Tasks,
        *,
        bootstrap: str,
        topic: Callable[[str], str],
        group: str,
        watcher: Watcher,
        holder: str,
        partitions: int,
        lease_seconds: float,
        session_seconds: float,
        batch: int,
        relay_window: int,
        processes: dict[str, ProcessHandler],
        states: Sequence[PublicState[Any]],
        state_topic: str,
        states_check_seconds: float,
        clock: Callable[[], datetime],
        views_changed: Callable[[], Awaitable[None]],
        appended: Callable[[], None],
        failpoint: Callable[[str], Awaitable[None]],
    ) -> None:
        self._service = service
        self._pool = pool
        self._store = store
        self._applier = applier
        self._tasks = tasks
        self._bootstrap = bootstrap
        self._topic = topic
        self._group = group
        self._holder = holder
        self._lease_seconds = lease_seconds
        self._session_seconds = session_seconds
        self._batch = batch
        self._readings: dict[str, _Reading] = {}
        self._final = 0
        self._consumer: Consumer | None = None
        self._consumer_task: asyncio.Task[None] | None = None
        self._consuming: frozenset[str] = frozenset()
        self._relay_lease, self._timer_lease = self._lease("relay"), self._lease("timers")
        self._producer = Producer(bootstrap)
        erasures = {cls.event_type: cls for cls in published_by(service) if cls.event_erases}
        self.relay = Relay(
            pool,
            self._producer,
            Recovery(watcher, topic(service), metrics, erasures),
            self._relay_lease,
            metrics,
            topic=topic(service),
            source=f"/cauce/{service}",
            public=frozenset(t for cls in published_by(service) for t in (cls.event_type, *cls.upcasts)),
            known=store.codec.reads,
            partitions=partitions,
            on_published=self.published,
            failpoint=failpoint,
            window=relay_window,
        )
        self._states: StateTopic | None = None
        if states:
            self._states = StateTopic(
                pool,
                store,
                Producer(bootstrap),
                watcher,
                self.relay,
                states,
                check=states_check_seconds,
                topic=state_topic,
                source=f"/cauce/{service}",
                partitions=partitions,
            )
        self.timers = Timers(
            pool,
            store,
            metrics,
            self._timer_lease,
            processes,
            clock=clock,
            views_changed=views_changed,
            appended=appended,
            failpoint=failpoint,
        )

    def _lease(self, name: str) -> Lease:
        return Lease(name, self._holder, self._lease_seconds)

    def start(self, subscriptions: Sequence[Subscription]) -> None:
        self._tasks.spawn("relay", self.relay.run())
        self._tasks.spawn("timers", self.timers.run())
        if self._states is not None:
            self._tasks.spawn("states", self._states.run())
        for lease in (self._relay_lease, self._timer_lease):
            self._tasks.spawn(f"lease {lease.name}", lease.keep(self._pool))
        self.reconcile(subscriptions)

    @property
    def missing(self) -> dict[str, str]:
        """What is not yet as it should be."""
        if self._consumer is not None and not self._consumer.ready:
            return {"consumer": "has not joined its group"}
        return {}

    def heard(self, source: str) -> Heard:
        if source == self._service:
            return Heard.of((cls for d in self._store.deciders.values() for cls in d.event_types), own=True)
        return Heard.of(CATALOGUE.get(source, ()), own=False)

    def published(self, position: int) -> None:
        """The log is published up to there, by the relay of this process or of another."""
        if position == self._final:
            return
        self._final = position
        for reading in self._readings.values():
            reading.reader.wake()
        if self._states is not None:
            self._states.wake()
        self._applier.pulse()

    @property
    def serving(self) -> frozenset[str]:
        """The names of the subscriptions that this process works for."""
        return self._consuming | self._readings.keys()

    def reconcile(self, subscriptions: Sequence[Subscription]) -> None:
        """Starts and stops readers and the consumer so that they serve just these subscriptions."""
        own = {s.name: s for s in subscriptions if self._service in s.sources}
        for name in self._readings.keys() - own.keys():
            self._readings.pop(name).end()
        for name in own.keys() - self._readings.keys():
            self._readings[name] = self._read(own[name])
        others = [s for s in subscriptions if set(s.sources) - {self._service}]
        names = frozenset(s.name for s in others)
        if names != self._consuming:
            self._consuming = names
            previous, self._consumer = self._consumer, self._consume(others) if others else None
            self._consumer_task = self._tasks.spawn("consumer", _in_turn(previous, self._consumer_task, self._consumer))

    def _read(self, subscription: Subscription) -> _Reading:
        lease = self._lease(f"log:{subscription.name}")
        heard = self.heard(self._service)
        reader = LogReader(self._pool, self._applier, lease, subscription, self._service, heard, batch=self._batch)
        tasks = [
            self._tasks.spawn(subscription.name, reader.run()),
            self._tasks.spawn(f"lease {lease.name}", lease.keep(self._pool)),
        ]
        return _Reading(reader, lease, tasks)

    def _consume(self, subscriptions: Sequence[Subscription]) -> Consumer:
        services = sorted({source for s in subscriptions for source in s.sources} - {self._service})
        return Consumer(
            self._pool,
            self._applier,
            self._bootstrap,
            self._group,
            [
                Source(s, self._topic(s), self.heard(s), [sub for sub in subscriptions if s in sub.sources])
                for s in services
            ],
            session_seconds=self._session_seconds,
        )

    async def listen(self, postgres_url: str) -> None:
        """Hears other processes' appends. A lost connection is made anew; polling goes on meanwhile."""
        while True:
            connection: asyncpg.Connection[Any] | None = None
            try:
                connection = await asyncpg.connect(postgres_url, timeout=10)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await connection.add_listener("cauce_appended", lambda *_: self.relay.wake())
                await lost.wait()
            except Exception as error:
                if not passes(error):
                    raise
            finally:
                if connection is not None:
                    connection.terminate()
            await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Everyone finishes what they have in hand; the consumer leaves its group."""
        working = [reading.tasks[0] for reading in self._readings.values()]
        for reading in self._readings.values():
            reading.reader.stop()
        if self._consumer is not None and self._consumer_task is not None:
            self._consumer.stop()
            working.append(self._consumer_task)
        if working:
            await asyncio.wait(working, timeout=STOP_SECONDS)

    async def release(self) -> None:
        """After the tasks have ended: nothing is left to send, the leases are free for the next at once."""
        await self._producer.stop()
        if self._states is not None:
            await self._states.stop()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError):
            async with asyncio.timeout(5), self._pool.acquire() as db:
                for lease in (self._relay_lease, self._timer_lease, *(r.lease for r in self._readings.values())):
                    await lease.release(db)


async def _in_turn(previous: Consumer | None, task: asyncio.Task[None] | None, following: Consumer | None) -> None:
    """A consumer of another set of subscriptions follows the one before it."""
    if previous is not None:
        previous.stop()
    if task is not None:
        await asyncio.wait([task], timeout=STOP_SECONDS)
    if following is not None:
        await following.run()
