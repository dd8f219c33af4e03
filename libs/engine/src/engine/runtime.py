"""The engine of one service process: wires store, relay, consumer, log readers, timers and views, and runs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import asyncpg
import structlog
from events import CATALOGUE, published_by, topic_of
from pydantic import TypeAdapter

from engine.consumer import Consumer, Source
from engine.decider import Decider, Rejected
from engine.errors import AlreadyHandled, Conflict, Unavailable, ViewsChanged, passes
from engine.facts import Context, Fact, Receipt
from engine.handlers import PolicyHandler, ProcessHandler
from engine.kafka import Producer, Watcher, create_topic, topic_ids
from engine.leases import Lease
from engine.log_reader import LogReader
from engine.metrics import Metrics
from engine.parking import ParkedStream, Parking, RetryResult
from engine.reactions import Policy, Process, Send
from engine.recovery import Recovery
from engine.relay import Relay
from engine.store import SCHEMA, Db, Intent, Loaded, Store, prepare
from engine.subscriptions import OWN_LOG, Applier, Heard, Subscription
from engine.timers import Timers
from engine.view_builds import Build, ViewBuilds
from engine.views import View

log = structlog.get_logger()
S = TypeVar("S")
Role = Literal["all", "api", "worker"]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def no_failpoint(name: str) -> None:
    """Failpoints are where the fault suite kills or pauses a process; here they are nothing."""


@dataclass(frozen=True)
class Tuning:
    """Seconds, counts and sizes with defaults that hold in production; tests and the fault suite shorten them."""

    partitions: int = 6
    replication: int = 1
    lease_seconds: float = 10.0
    session_seconds: float = 10.0
    transaction_seconds: float = 2.0
    pool_size: int = 12
    batch: int = 500
    relay_window: int = 2000


@dataclass(frozen=True)
class LogStatus:
    """`head` is the highest position of the log, `final` the relay's: everything up to it is final and published."""

    incarnation: int
    head: int
    final: int


@dataclass(frozen=True)
class SubscriptionStatus:
    """How far a subscription is: records (or positions) not yet handled, and streams parked."""

    name: str
    source: str
    lag: int
    parked: int


class Engine:
    def __init__(
        self,
        service: str,
        *,
        postgres_url: str,
        kafka_bootstrap: str,
        role: Role = "all",
        topic_prefix: str = "",
        deciders: Sequence[Decider[Any, Any, Any]],
        views: Sequence[View] = (),
        policies: Sequence[Policy | Process[Any]] = (),
        clock: Callable[[], datetime] = utc_now,
        tuning: Tuning | None = None,
        failpoint: Callable[[str], Awaitable[None]] = no_failpoint,
    ) -> None:
        self.service = service
        self.clock = clock
        self.role: Role = role
        self.metrics = Metrics()
        self.registry = self.metrics.registry
        self.store = Store(deciders)
        self._tuning = tuning or Tuning()
        self._postgres_url = postgres_url
        self._kafka = kafka_bootstrap
        self._prefix = topic_prefix
        self._failpoint = failpoint
        self._views = views
        self._pod = uuid4()
        self._holder = f"{socket.gethostname()}/{os.getpid()}/{self._pod.hex[:8]}"
        self._processes: dict[str, ProcessHandler] = {}
        self._policies = [self._policy_subscription(policy) for policy in policies]
        self._watcher = Watcher(kafka_bootstrap)
        self._tasks: list[asyncio.Task[None]] = []
        self._broken: dict[str, str] = {}
        self._readers: dict[str, tuple[LogReader, Lease, asyncio.Task[None], asyncio.Task[None]]] = {}
        self._consumer: Consumer | None = None
        self._consumer_task: asyncio.Task[None] | None = None
        self._consuming: frozenset[str] = frozenset()
        self._relay: Relay | None = None
        self._timers: Timers | None = None
        self._leases: list[Lease] = []
        self._started = False
        self._listener: asyncpg.Connection[Any] | None = None
        self._notify = asyncio.Event()
        self._topic_ids: dict[str, tuple[UUID, float]] = {}

    def _policy_subscription(self, policy: Policy | Process[Any]) -> Subscription:
        name = f"{self.service}.{policy.name}"
        if isinstance(policy, Policy):
            return Subscription(name, (policy.source,), PolicyHandler(policy), policy.since)
        handler = ProcessHandler(policy, TypeAdapter(type(policy.initial())))
        self._processes[name] = handler
        return Subscription(name, policy.sources, handler, policy.since)

    # -- setting up

    def topic(self, service: str) -> str:
        return self._prefix + topic_of(service)

    @property
    def _sources(self) -> set[str]:
        heard = {source for s in self._policies for source in s.sources}
        for view in self._views:
            heard |= {*(view.source if isinstance(view.source, tuple) else (view.source or self.service,))}
        return heard

    async def migrate(self) -> None:
        """Schema, functions, view tables and topics. Safe to repeat, and to run twice at once."""
        connection = await asyncpg.connect(self._postgres_url, server_settings={"transaction_timeout": "0"})
        try:
            await prepare(connection)
            async with connection.transaction():
                await connection.execute("select pg_advisory_xact_lock(1128355157, 2)")
                await connection.execute("set local client_min_messages = warning")
                await connection.execute(SCHEMA)
            await self._builds(connection).migrate(connection)
        finally:
            await connection.close()
        for service in {self.service, *self._sources}:
            await create_topic(
                self._kafka,
                self.topic(service),
                partitions=self._tuning.partitions,
                replication=self._tuning.replication,
            )

    def _builds(self, pool: Any) -> ViewBuilds:
        return ViewBuilds(self.service, pool, self.store, self.metrics, self._views)

    async def start(self) -> None:
        """Opens the pool, asserts what correctness rests on, and starts the tasks of the role."""
        milliseconds = str(int(self._tuning.transaction_seconds * 1000))
        self.pool = await asyncpg.create_pool(
            self._postgres_url,
            min_size=1,
            max_size=self._tuning.pool_size,
            init=prepare,
            reset=_no_reset,
            command_timeout=30,
            server_settings={
                "application_name": f"cauce-{self.service}",
                "transaction_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
            },
        )
        self.views = self._builds(self.pool)
        self.applier = Applier(
            self.pool,
            self.store,
            self.metrics,
            views_changed=self.refresh_views,
            failpoint=self._failpoint,
            batch=self._tuning.batch,
        )
        self.parking = Parking(self.pool, self.store, self.metrics, views_changed=self.refresh_views)
        async with self.pool.acquire() as db:
            await _assert_settings(db)
            await self.views.register(db, self._pod)
        self._spawn("heartbeat", self._heartbeat())
        self._spawn("notifier", self._notifier())
        self._spawn("measure", self._measure())
        if self.role != "api":
            self._start_work()
        self._started = True

    def _start_work(self) -> None:
        relay_lease, timer_lease = self._lease("relay"), self._lease("timers")
        topic = self.topic(self.service)
        self._producer = Producer(self._kafka)
        self._relay = Relay(
            self.pool,
            self._producer,
            Recovery(self._watcher, topic, self.metrics),
            relay_lease,
            self.metrics,
            topic=topic,
            source=f"/cauce/{self.service}",
            public=frozenset(t for cls in published_by(self.service) for t in (cls.event_type, *cls.upcasts)),
            partitions=self._tuning.partitions,
            on_published=self._published,
            failpoint=self._failpoint,
            window=self._tuning.relay_window,
        )
        self._timers = Timers(
            self.pool,
            self.store,
            self.metrics,
            timer_lease,
            self._processes,
            clock=self.clock,
            views_changed=self.refresh_views,
            failpoint=self._failpoint,
        )
        self._spawn("relay", self._relay.run())
        self._spawn("timers", self._timers.run())
        self._spawn("listener", self._listen())
        for lease in self._leases:
            self._spawn(f"lease {lease.name}", lease.keep(self.pool))
        self._reconcile()

    def _lease(self, name: str) -> Lease:
        lease = Lease(name, self._holder, self._tuning.lease_seconds)
        self._leases.append(lease)
        return lease

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.append(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken[task.get_name()] = repr(error)
            log.critical("task_died", task=task.get_name(), exc_info=error)

    def heard(self, source: str) -> Heard:
        if source == self.service:
            return Heard.of((cls for d in self.store.deciders.values() for cls in d.event_types), own=True)
        return Heard.of(CATALOGUE.get(source, ()), own=False)

    def all_subscriptions(self) -> list[Subscription]:
        """Policies, process managers, and the builds of views that appends do not write."""
        return self._policies + [self.views.subscription(b) for b in self.views.builds if b.feed != "inline"]

    def _reconcile(self) -> None:
        """Starts and stops readers and the consumer so that they serve the subscriptions there are now."""
        wanted = {s.name: s for s in self.all_subscriptions() if self.service in s.sources}
        for name in self._readers.keys() - wanted.keys():
            _, lease, *tasks = self._readers.pop(name)
            lease.epoch = None
            for task in tasks:
                task.cancel()
        for name in wanted.keys() - self._readers.keys():
            lease = Lease(f"log:{name}", self._holder, self._tuning.lease_seconds)
            reader = LogReader(
                self.pool,
                self.applier,
                lease,
                wanted[name],
                self.service,
                self.heard(self.service),
                batch=self._tuning.batch,
            )
            self._readers[name] = (
                reader,
                lease,
                self._spawn(name, reader.run()),
                self._spawn(f"lease {name}", lease.keep(self.pool)),
            )
        subscriptions = [s for s in self.all_subscriptions() if set(s.sources) - {self.service}]
        names = frozenset(s.name for s in subscriptions)
        if names != self._consuming:
            self._consuming = names
            previous, self._consumer = self._consumer, self._make_consumer(subscriptions) if subscriptions else None
            self._consumer_task = self._spawn("consumer", _in_turn(previous, self._consumer_task, self._consumer))

    def _make_consumer(self, subscriptions: Sequence[Subscription]) -> Consumer:
        services = sorted({source for s in subscriptions for source in s.sources} - {self.service})
        return Consumer(
            self.pool,
            self.applier,
            self._kafka,
            self._prefix + self.service,
            [
                Source(
                    service,
                    self.topic(service),
                    self.heard(service),
                    [s for s in subscriptions if service in s.sources],
                )
                for service in services
            ],
            session_seconds=self._tuning.session_seconds,
        )

    async def stop(self) -> None:
        """Finishes the batch in hand, commits, leaves the group and gives up the leases."""
        if not self._started:
            return
        self._started = False
        if self._consumer is not None and self._consumer_task is not None:
            self._consumer.stop()
            await asyncio.wait([self._consumer_task], timeout=10)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._relay is not None:
            await self._producer.stop()
        await self._watcher.stop()
        with contextlib.suppress(asyncpg.PostgresError, OSError, asyncio.TimeoutError):
            async with asyncio.timeout(5), self.pool.acquire() as db:
                for lease in [*self._leases, *(lease for _, lease, *_ in self._readers.values())]:
                    await lease.release(db)
                await self.views.unregister(db, self._pod)
        if self._listener is not None:
            self._listener.terminate()
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()

    # -- in the background

    def _published(self, position: int) -> None:
        for reader, *_ in self._readers.values():
            reader.wake()
        if self._timers is not None:
            self._timers.wake()
        self.applier.pulse()

    async def refresh_views(self) -> None:
        async with self.pool.acquire() as db:
            await self.views.refresh(db)
        if self.role != "api":
            self._reconcile()

    async def _heartbeat(self) -> None:
        while True:
            try:
                async with self.pool.acquire() as db:
                    changed = await self.views.heartbeat(db, self._pod)
                    if self.role != "api":
                        ready = [b for b in self._unfinished() if await self._caught_up(db, b)]
                        changed = await self.views.tend(db, ready) or changed
                if changed and self.role != "api":
                    self._reconcile()
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("heartbeat_missed", error=repr(error))
            await asyncio.sleep(1.0)

    def _unfinished(self) -> list[Build]:
        return [b for b in self.views.builds if not b.live or (b.view.inline and b.feed == "log")]

    async def _caught_up(self, db: Db, build: Build) -> bool:
        subscription = self.views.subscription(build)
        lags = [await self._lag(db, subscription, source) for source in subscription.sources]
        share = 1.0 if not any(lags) else 0.0
        self.metrics.rebuilding.labels(build.view.name).set(share)
        # An inline build is ready when what is left fits well into one short transaction.
        return sum(lags) <= (1000 if build.view.inline else 0)

    def wake(self) -> None:
        """After every append: the relay looks at once, here or, by NOTIFY, where it leads."""
        if self._relay is not None:
            self._relay.wake()
        self._notify.set()

    async def _notifier(self) -> None:
        """Coalesced, on a connection outside of any append: NOTIFY would serialise commits."""
        while True:
            await self._notify.wait()
            self._notify.clear()
            if self._relay is None or self.metrics.relay_leader._value.get() == 0:
                try:
                    await self.pool.execute("notify cauce_appended")
                except Exception as error:
                    if not passes(error):
                        raise
                await asyncio.sleep(0.002)

    async def _listen(self) -> None:
        """Hears other processes' appends. A lost connection is made anew; polling goes on meanwhile."""
        while True:
            try:
                connection = await asyncpg.connect(self._postgres_url)
                self._listener = connection
                await connection.add_listener("cauce_appended", lambda *_: self._relay.wake() if self._relay else None)
                lost = asyncio.Event()
                connection.add_termination_listener(lambda *_, lost=lost: lost.set())
                await lost.wait()
            except Exception as error:
                if not passes(error):
                    raise
            await asyncio.sleep(1.0)

    async def _measure(self) -> None:
        """Keeps the gauges; what it cannot reach it leaves as it was and says so."""
        while True:
            await asyncio.sleep(5.0)
            try:
                async with self.pool.acquire() as db:
                    row = await db.fetchrow(
                        "select coalesce((select max(position) from event), 0) - published as events, coalesce(extract("
                        "epoch from clock_timestamp() - (select recorded_at from event where position > published"
                        " order by position limit 1)), 0)::float as seconds, (select count(*) from timer where"
                        " error is null and due_at < coalesce(backfill_reached, clock_timestamp()) - interval '10 s')"
                        " as overdue from store"
                    )
                assert row is not None  # noqa: S101
                self.metrics.relay_lag_events.set(max(row["events"], 0))
                self.metrics.relay_lag_seconds.set(row["seconds"])
                self.metrics.timers_overdue.set(row["overdue"])
                for status in await self.subscriptions():
                    self.metrics.consumer_lag.labels(status.name).set(status.lag)
                    self.metrics.parked.labels(status.name).set(status.parked)
            except Exception as error:
                if not passes(error):
                    raise
                log.info("not_measured", error=repr(error))

    def health(self) -> dict[str, str]:
        """{} when ready, else what is missing and why."""
        if not self._started:
            return {"engine": "not started"}
        missing = dict(self._broken)
        if self._consumer is not None and not self._consumer.ready:
            missing["consumer"] = "has not joined its group"
        return missing

    # -- handling

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Db]:
        async with self.pool.acquire() as db:
            yield db

    async def handle(
        self, send: Send, context: Context, *, expected_version: int | None = None, command_id: UUID | None = None
    ) -> Receipt:
        """Loads, decides with the clock, appends. Retries a lost race when no version was expected.

        Raises Rejected where a rule refuses, Conflict where the version is not the expected one, Unavailable where
        Postgres is away (with a command id, the command may simply be sent again).
        """
        at = send.command.occurred_at or self.clock()
        intent = Intent(send, at, context, command_id, expected_version)
        [outcome] = await self._execute([intent], retry_conflicts=expected_version is None)
        if isinstance(outcome, Rejected):
            raise outcome
        return outcome

    async def handle_many(
        self, sends: Sequence[Send], context: Context, *, command_ids: Sequence[UUID] | None = None
    ) -> list[Receipt | Rejected]:
        """All of them in one transaction, refusals apart."""
        now = self.clock()
        ids: Sequence[UUID | None] = command_ids or [None] * len(sends)
        intents = [
            Intent(send, send.command.occurred_at or now, context, id) for send, id in zip(sends, ids, strict=True)
        ]
        return await self._execute(intents, retry_conflicts=True) if intents else []

    async def _execute(self, intents: Sequence[Intent], *, retry_conflicts: bool) -> list[Receipt | Rejected]:
        repeatable = all(intent.command_id is not None for intent in intents)
        attempts = 0
        while True:
            attempts += 1
            try:
                async with self.pool.acquire() as db:
                    if self.store.inline or repeatable:
                        async with db.transaction():
                            outcomes = await self.store.execute(db, intents)
                    else:
                        outcomes = await self.store.execute(db, intents)
                self.metrics.count(outcomes)
                self.wake()
                return outcomes
            except (ViewsChanged, AlreadyHandled) as error:
                if isinstance(error, ViewsChanged):
                    await self.refresh_views()
            except Conflict:
                if not retry_conflicts or attempts > 20:
                    raise
                await asyncio.sleep(0.001 * attempts)
            except Exception as error:
                if not passes(error):
                    raise
                if not repeatable or attempts > 3:
                    raise Unavailable(f"the store is away: {error!r}") from error
                await asyncio.sleep(0.05 * attempts)

    async def load(
        self,
        decider: Decider[Any, S, Any],
        id: UUID,
        *,
        version: int | None = None,
        recorded_by: datetime | None = None,
    ) -> Loaded[S]:
        async with self.pool.acquire() as db:
            return await self.store.load(db, decider, id, version=version, recorded_by=recorded_by)

    async def history(
        self, decider: Decider[Any, Any, Any], id: UUID, *, after: int = 0, limit: int = 100
    ) -> list[Fact[Any]]:
        async with self.pool.acquire() as db:
            return await self.store.history(db, decider.stream(id), after=after, limit=limit)

    # -- how far everything is

    async def log(self) -> LogStatus:
        row = await self.pool.fetchrow(
            "select incarnation, published, coalesce((select max(position) from event), 0) as head from store"
        )
        assert row is not None  # noqa: S101
        return LogStatus(row["incarnation"], row["head"], row["published"])

    async def published(self, position: int, wait: float) -> bool:
        """Whether everything up to the position is final and on the topic, waiting for it at most `wait` seconds."""

        async def reached() -> bool:
            return bool(await self.pool.fetchval("select published >= $1 from store", position))

        return await self._until(reached, wait)

    async def handled(self, subscription: str, wait: float, *, position: int | None = None) -> bool:
        """Whether the subscription has handled its own log through the position (its head, if absent) and everything
        that other services had published before this call. Raises LookupError for an unknown subscription."""
        found = self._subscription(subscription)
        own = (position if position is not None else (await self.log()).head) if self.service in found.sources else None
        targets: list[tuple[UUID, int, int]] = [] if own is None else [(OWN_LOG, 0, own + 1)]
        for service in set(found.sources) - {self.service}:
            ends = await self._watcher.ends(self.topic(service))
            id = await self._topic_id(service)
            targets += [(id, partition, end) for partition, end in ends.items() if end > 0]

        async def reached() -> bool:
            rows = await self.pool.fetch(
                "select topic_id, partition, next_offset from consumer_offset where subscription = $1", subscription
            )
            at = {(row["topic_id"], row["partition"]): row["next_offset"] for row in rows}
            return all(at.get((id, partition), 0) >= end for id, partition, end in targets if end > 1 or id != OWN_LOG)

        return await self._until(reached, wait)

    async def _until(self, reached: Callable[[], Awaitable[bool]], wait: float) -> bool:
        deadline = asyncio.get_running_loop().time() + wait
        while True:
            progressed = self.applier.progressed
            if await reached():
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(asyncio.TimeoutError):  # other processes' progress is polled
                await asyncio.wait_for(progressed.wait(), min(left, 0.1))

    def _subscription(self, name: str) -> Subscription:
        for subscription in self.all_subscriptions():
            if subscription.name == name:
                return subscription
        names = ", ".join(s.name for s in self.all_subscriptions())
        raise LookupError(f"no subscription is called {name!r}; there are: {names or 'none'}")

    async def _topic_id(self, service: str) -> UUID:
        """Asked of Kafka at most every 30 s."""
        topic, now = self.topic(service), asyncio.get_running_loop().time()
        known = self._topic_ids.get(topic)
        if known is None or known[1] < now - 30:
            found = await topic_ids(self._kafka, [topic])
            if topic not in found:
                raise Unavailable(f"no such topic yet: {topic}")
            known = self._topic_ids[topic] = (found[topic], now)
        return known[0]

    async def subscriptions(self) -> list[SubscriptionStatus]:
        async with self.pool.acquire() as db:
            parked: dict[str, int] = {
                row["subscription"]: row["streams"]
                for row in await db.fetch(
                    "select subscription, count(distinct stream) as streams from parked_event group by 1"
                )
            }
            return [
                SubscriptionStatus(s.name, source, await self._lag(db, s, source), parked.get(s.name, 0))
                for s in self.all_subscriptions()
                for source in s.sources
            ]

    async def _lag(self, db: Db, subscription: Subscription, source: str) -> int:
        if source == self.service:
            lag: int = await db.fetchval(
                "select greatest(coalesce(max(position), 0) + 1 - greatest(coalesce((select next_offset from"
                " consumer_offset where subscription = $1 and topic_id = $2), 0), 1), 0) from event",
                subscription.name,
                OWN_LOG,
            )
            return lag
        id = await self._topic_id(source)
        ends = await self._watcher.ends(self.topic(source))
        rows = await db.fetch(
            "select partition, next_offset from consumer_offset where subscription = $1 and topic_id = $2",
            subscription.name,
            id,
        )
        at = {row["partition"]: row["next_offset"] for row in rows}
        return sum(max(end - at.get(partition, 0), 0) for partition, end in ends.items())

    # -- operations

    async def parked(self, subscription: str | None = None) -> list[ParkedStream]:
        return await self.parking.streams(subscription)

    async def retry(self, subscription: str, stream: str) -> RetryResult:
        found = self._subscription(subscription)
        if len(found.sources) == 1:
            [source] = found.sources
            return await self.parking.retry(found, lambda _: self.heard(source), stream)
        source_of = {await self._topic_id(s): s for s in found.sources if s != self.service}
        return await self.parking.retry(found, lambda topic: self.heard(source_of.get(topic, self.service)), stream)

    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int:
        return await self.parking.drop(subscription, stream, reason, actor)

    async def backfill(self, reached: datetime | None, wait: float) -> datetime | None:
        """Moves the business clock that timers are judged by, and waits until those due by then have fired. None ends
        the backfill: timers follow the wall clock again."""
        await self.pool.execute("update store set backfill_reached = $1", reached)
        if self._timers is not None:
            self._timers.wake()

        async def fired() -> bool:
            due = "select exists (select 1 from timer, store where error is null and due_at <= coalesce($1, $2))"
            return not await self.pool.fetchval(due, reached, self.clock())

        await self._until(fired, wait)
        return reached

    async def rebuild(self, view: str, progress: Callable[[int, int], None]) -> None:
        """Builds the view anew beside the live one and waits until it has taken over; `progress(done, total)`."""
        async with self.pool.acquire() as db:
            build = await self.views.rebuild(db, view)
        if self.role != "api":
            self._reconcile()
        name = self.views.subscription(build).name
        while True:
            total = (await self.log()).head
            done = await self.pool.fetchval(
                "select coalesce(sum(greatest(next_offset - 1, 0)), 0)::bigint from consumer_offset"
                " where subscription = $1",
                name,
            )
            progress(min(done, total), total)
            live = await self.pool.fetchval(
                "select live from view_build where name = $1 and generation = $2", view, build.generation
            )
            if live:
                progress(total, total)
                return
            if live is None:
                raise LookupError(f"build {build.generation} of {view} was superseded by a newer one")
            await asyncio.sleep(0.2)


async def _in_turn(previous: Consumer | None, task: asyncio.Task[None] | None, following: Consumer | None) -> None:
    if previous is not None:
        previous.stop()
    if task is not None:
        await asyncio.wait([task], timeout=30)
    if following is not None:
        await following.run()


async def _no_reset(connection: asyncpg.Connection[Any]) -> None:
    """Nothing is set on a session, so that nothing has to be reset: that would be a round trip a command."""


async def _assert_settings(db: Db) -> None:
    """What the guarantees rest on. Raises RuntimeError with what to change."""
    wrong = []
    if await db.fetchval("show synchronous_commit") == "off":
        wrong.append("synchronous_commit is off")
    if await db.fetchval("show default_transaction_isolation") != "read committed":
        wrong.append("default_transaction_isolation is not 'read committed'")
    cache = await db.fetchval(
        "select seqcache from pg_sequence where seqrelid = pg_get_serial_sequence('event', 'position')::regclass"
    )
    if cache != 1:
        wrong.append(f"event.position has CACHE {cache}, which hands out positions out of order: set it to 1")
    if wrong:
        raise RuntimeError("the database is not set up for this: " + "; ".join(wrong))
