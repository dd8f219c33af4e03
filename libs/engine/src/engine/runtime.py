"""The engine of one service process: what it is made of, and what others may ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid4

import asyncpg
import structlog
from events import CATALOGUE, Topic, state_topic, topic
from pydantic import TypeAdapter

from engine import admission
from engine.commands import Commands
from engine.database import assert_settings, is_migrated, migrate, note_migrated, open_pool
from engine.decider import Decider, Rejected
from engine.errors import Unavailable
from engine.facts import Context, Fact, Receipt
from engine.handlers import PolicyHandler, ProcessHandler
from engine.kafka import Watcher, create_topic
from engine.metrics import Metrics
from engine.parking import ParkedStream, Parking, RetryResult
from engine.progress import LogStatus, Progress, SubscriptionStatus
from engine.reactions import Policy, Process, Send
from engine.recent import Recent
from engine.store import SCHEMA, Db, Intent, Loaded, Store, Working, prepare
from engine.subscriptions import Applier, Subscription
from engine.tracing import handling
from engine.upkeep import Upkeep
from engine.view_builds import ViewBuilds
from engine.views import PublicState, View
from engine.workers import Tasks, Workers

log = structlog.get_logger()

S = TypeVar("S")
Role = Literal["all", "api", "worker"]


def utc_now() -> datetime:
    return datetime.now(UTC)


async def no_failpoint(name: str) -> None:
    """Failpoints are where the fault suite kills or pauses a process; here they are nothing."""


@dataclass(frozen=True)
class Tuning:
    """Seconds, counts and sizes with defaults that hold in production; tests and the fault suite shorten them.

    `partitions` of every topic, where it is not as declared; `replication` is the environment's.
    """

    partitions: int | None = None
    replication: int = 1
    lease_seconds: float = 10.0
    session_seconds: float = 10.0
    transaction_seconds: float = 2.0
    pool_size: int = 12
    batch: int = 500
    relay_window: int = 2000
    measure_seconds: float = 5.0
    request_days: float = 7.0
    states_check_seconds: float = 30.0


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
        states: Sequence[PublicState[Any]] = (),
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
        self.tables = ""  # SQL of tables beside the engine's own, safe to repeat
        self.topics: Sequence[Topic] = ()  # of the service, beside those of its events and states
        self.tuning = tuning or Tuning()  # this and the failpoint may be replaced before the start
        self._postgres_url = postgres_url
        self._kafka = kafka_bootstrap
        self._prefix = topic_prefix
        self.failpoint = failpoint
        self._views = views
        self._states = states
        self._pod = uuid4()
        self._processes: dict[str, ProcessHandler] = {}
        self._policies = [self._policy_subscription(policy) for policy in policies]
        self._check_subscriptions()
        self._watcher = Watcher(self._kafka)
        self._tasks = Tasks()
        self._workers: Workers | None = None
        self._started = False
        self._appended = asyncio.Event()
        self._recent: Recent[Working] = Recent()

    def _policy_subscription(self, policy: Policy | Process[Any]) -> Subscription:
        name = f"{self.service}.{policy.name}"
        if isinstance(policy, Policy):
            return Subscription(name, (policy.source,), PolicyHandler(policy), policy.since)
        handler = ProcessHandler(policy, TypeAdapter(type(policy.initial())))
        self._processes[name] = handler
        return Subscription(name, policy.sources, handler, policy.since)

    def _check_subscriptions(self) -> None:
        """Raises ValueError for what would silently hear nothing, or share its offsets with another."""
        names = [s.name for s in self._policies]
        if len(set(names)) != len(names):
            raise ValueError(f"two policies of {self.service} share a name: {', '.join(sorted(names))}")
        for source in self._heard - {self.service}:
            if source not in CATALOGUE:
                raise ValueError(f"no service {source!r} publishes events; these do: {', '.join(sorted(CATALOGUE))}")

    @property
    def _heard(self) -> set[str]:
        """The services whose facts are heard."""
        builds = self._builds()
        heard = {source for s in self._policies for source in s.sources}
        return heard | {source for view in self._views for source in builds.sources(view)}

    @property
    def kafka(self) -> str:
        """The address of a broker."""
        return self._kafka

    def called(self, topic: Topic) -> str:
        """The topic's name here."""
        return self._prefix + topic.name

    def topic(self, service: str) -> str:
        return self._prefix + topic(service).name

    def partitions(self, service: str) -> int:
        """How many the service's topic has."""
        return self.tuning.partitions or topic(service).partitions

    # -- its life

    async def migrate(self) -> None:
        """Schema, functions, view tables and topics. Safe to repeat, to run twice at once, and while an older release
        runs."""

        async def prepare(db: Db) -> None:
            await admission.begin(db, self.store.codec)
            await self._builds().migrate(db)

        await migrate(self._postgres_url, SCHEMA + self.tables, prepare)
        for each in self._needed:
            await create_topic(
                self._kafka,
                self._prefix + each.name,
                partitions=self.partitions(each.service),
                configs=each.configs(self.tuning.replication),
                replication=self.tuning.replication,
            )
        await note_migrated(self._postgres_url, self._made)

    async def migrated(self) -> bool:
        """Whether `migrate` of just this release has been done here, by whomever."""
        return await is_migrated(self._postgres_url, self._made)

    @property
    def _needed(self) -> list[Topic]:
        """The topics that have to be there."""
        topics = [topic(service) for service in sorted({self.service, *self._heard})]
        return [*topics, *([state_topic(self.service)] if self._states else []), *self.topics]

    @property
    def _made(self) -> str:
        """What `migrate` makes, told apart from what it makes in other releases."""
        views = [f"{view.name} {view.version}" for view in self._views]
        made = [SCHEMA, self.tables, *views, *(self._prefix + each.name for each in self._needed)]
        return sha256("\n".join(made).encode()).hexdigest()

    async def admit(self) -> list[str]:
        """Lets every type of event be written that this release knows, and so no older release come back. Returns
        those that were not. Raises StillRead where processes run that cannot read them."""
        connection = await asyncpg.connect(self._postgres_url)
        try:
            return await admission.admit(connection, self.store.codec)
        finally:
            await connection.close()

    def _builds(self) -> ViewBuilds:
        return ViewBuilds(self.service, self.store, self._views)

    async def start(self) -> None:
        """Opens the pool, asserts what correctness rests on, and starts the tasks of the role."""
        self.pool = await open_pool(
            self._postgres_url,
            self.service,
            size=self.tuning.pool_size,
            transaction_seconds=self.tuning.transaction_seconds,
            connected=self._connected,
        )
        self.metrics.of_pool(self.pool)
        self.views = self._builds()
        self.applier = Applier(
            self.pool,
            self.store,
            self.metrics,
            views_changed=self.refresh_views,
            appended=self.wake,
            failpoint=self.failpoint,
            batch=self.tuning.batch,
        )
        self.parking = Parking(
            self.pool, self.store, self.metrics, views_changed=self.refresh_views, appended=self.wake
        )
        self.commands = Commands(
            self.pool,
            self.store,
            self.metrics,
            views_changed=self.refresh_views,
            appended=self.wake,
            failpoint=self.failpoint,
            recent=self._recent,
        )
        self.progress = Progress(
            self.service,
            self.pool,
            self._watcher,
            self.applier,
            self.metrics,
            topic=self.topic,
            subscriptions=self.all_subscriptions,
        )
        try:
            async with self.pool.acquire() as db:
                await assert_settings(db)
                await self.views.register(db, self._pod, builds=self.role != "api")
        except BaseException:
            self.pool.terminate()
            raise
        if types := admission.waiting(self.store.codec, self.store.admitted or ()):
            log.warning("types_not_admitted", types=types, remedy=f"cauce migrate {self.service} --admit")
        if self.role != "api":
            self._start_workers()
        self.upkeep = Upkeep(
            self.pool,
            self.store,
            self.views,
            self.progress,
            self.parking,
            self.metrics,
            pod=self._pod,
            request_days=self.tuning.request_days,
            workers=self._workers,
            reconcile=self._reconcile,
            appended=self._appended,
        )
        self.upkeep.start(self._tasks)
        self._tasks.spawn("measure", self.progress.measure(self.tuning.measure_seconds))
        self._tasks.spawn("loop", self.metrics.watch_loop())
        self._started = True

    async def _connected(self, connection: asyncpg.Connection[Any]) -> None:
        self._recent.clear()
        await prepare(connection)

    def _start_workers(self) -> None:
        self._workers = Workers(
            self.service,
            self.pool,
            self.store,
            self.metrics,
            self.applier,
            self._tasks,
            bootstrap=self._kafka,
            topic=self.topic,
            group=self._prefix + self.service,
            watcher=self._watcher,
            holder=f"{socket.gethostname()}/{os.getpid()}/{self._pod.hex[:8]}",
            partitions=self.partitions(self.service),
            lease_seconds=self.tuning.lease_seconds,
            session_seconds=self.tuning.session_seconds,
            batch=self.tuning.batch,
            relay_window=self.tuning.relay_window,
            processes=self._processes,
            states=self._states,
            state_topic=self._prefix + state_topic(self.service).name,
            states_check_seconds=self.tuning.states_check_seconds,
            clock=self.clock,
            views_changed=self.refresh_views,
            appended=self.wake,
            failpoint=self.failpoint,
        )
        self._workers.start(self._at_work())
        self._tasks.spawn("listener", self._workers.listen(self._postgres_url))

    async def stop(self) -> None:
        """Finishes the batch in hand, commits, leaves the group and gives up the leases."""
        if not self._started:
            return
        self._started = False
        await self.commands.finish()
        if self._workers is not None:
            await self._workers.stop()
        await self._tasks.cancel()
        if self._workers is not None:
            await self._workers.release()
        await self._watcher.stop()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError):
            async with asyncio.timeout(5), self.pool.acquire() as db:
                await self.views.unregister(db, self._pod)
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()

    def health(self) -> dict[str, str]:
        """{} when ready, else what is missing and why."""
        if not self._started:
            return {"engine": "not started"}
        workers = self._workers.missing if self._workers is not None else {}
        return self._tasks.broken | self.views.missing | workers

    def policies(self) -> list[Subscription]:
        """What it does when others speak, whether it runs or not."""
        return list(self._policies)

    def all_subscriptions(self) -> list[Subscription]:
        """Policies, process managers, and the builds of views that appends do not write."""
        return self._policies + [self.views.subscription(b) for b in self.views.builds if b.feed != "inline"]

    def _at_work(self) -> list[Subscription]:
        """What this process reads. As long as what its release relies on is not shown, only what brings that about:
        policies may look into views."""
        every = self.all_subscriptions()
        if not self.views.missing:
            return every
        return [s for s in every if s.prove is not None and s.sources == (self.service,)]

    # -- in the background

    async def refresh_views(self) -> None:
        async with self.pool.acquire() as db:
            await self.views.refresh(db)
        self._reconcile()

    def _reconcile(self) -> None:
        if self._workers is not None:
            self._workers.reconcile(self._at_work())

    def wake(self) -> None:
        """After every append: the relay looks at once, in this process or, by NOTIFY, in the one where it leads."""
        if self._workers is not None:
            self._workers.relay.wake()
        self._appended.set()

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Db]:
        async with self.pool.acquire() as db:
            yield db

    def background(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """A task of the service's own, which ends with the engine. One that dies makes the process unready."""
        self._tasks.spawn(name, work)

    # -- commands and reads

    async def handle(
        self,
        send: Send,
        context: Context,
        *,
        expected_version: int | None = None,
        command_id: UUID | None = None,
        request: bytes | None = None,
        only_creates: bool = False,
        also: Sequence[Send] = (),
    ) -> Receipt:
        """Loads, decides with the clock, appends. Retries a lost race when no version was expected.

        `also` are commands that have to be possible with it: all of them are done in one transaction, or none is, and
        what refuses one of them refuses the whole. The receipt is of the first.

        `request` is a digest of what a caller asked for under `command_id`; both are forgotten after some days, while
        a command id alone is kept for good. With `only_creates` a change of what exists is not made.

        Raises Rejected where a rule refuses, Conflict where the version is not the expected one, Unavailable where
        Postgres is away (with a command id, the command may simply be sent again), InFlight and KeyReused for another
        use of the same id with a `request`, VersionNeeded for a change that was not to be made.
        """
        at = send.command.occurred_at or self.clock()
        with handling(type(send.command).__name__, context, 1 + len(also)) as context:
            intent = Intent(send, at, context, command_id, expected_version, request, only_creates)
            if also:
                others = [Intent(each, each.command.occurred_at or at, context) for each in also]
                [outcome, *_] = await self.commands.together([intent, *others], whole=True)
            else:
                outcome = await self.commands.one(intent)
        if isinstance(outcome, Rejected):
            raise outcome
        return outcome

    async def handle_many(
        self,
        sends: Sequence[Send],
        context: Context,
        *,
        command_ids: Sequence[UUID] | None = None,
        request: bytes | None = None,
    ) -> list[Receipt | Rejected]:
        """All of them in one transaction, refusals apart. `request` as in `handle`, for all of the ids."""
        now = self.clock()
        ids: Sequence[UUID | None] = command_ids or [None] * len(sends)
        if not sends:
            return []
        with handling(type(sends[0].command).__name__, context, len(sends)) as context:
            intents = [
                Intent(send, send.command.occurred_at or now, context, id, request=request)
                for send, id in zip(sends, ids, strict=True)
            ]
            return await self.commands.together(intents)

    async def load(
        self,
        decider: Decider[Any, S, Any],
        id: UUID,
        *,
        version: int | None = None,
        recorded_by: datetime | None = None,
        occurred_by: datetime | None = None,
    ) -> Loaded[S]:
        async with self.pool.acquire() as db:
            return await self.store.load(
                db, decider, id, version=version, recorded_by=recorded_by, occurred_by=occurred_by
            )

    @contextlib.asynccontextmanager
    async def replayed(
        self,
        view: View,
        decider: Decider[Any, Any, Any],
        id: UUID,
        *,
        recorded_by: datetime | None = None,
        occurred_by: datetime | None = None,
    ) -> AsyncIterator[tuple[Db, int]]:
        """The view's tables as one aggregate's events up to then make them, and the version of the last of these.
        They are there by the names `physical(table, 0)`, for this block alone."""
        async with self.pool.acquire() as db:
            transaction = db.transaction()
            await transaction.start()
            try:
                facts = await self.store.history(
                    db, decider.stream(id), limit=None, recorded_by=recorded_by, occurred_by=occurred_by
                )
                await self.store.replay(db, view, facts)
                yield db, facts[-1].version if facts else 0
            finally:
                await transaction.rollback()

    async def history(
        self, decider: Decider[Any, Any, Any], id: UUID, *, after: int = 0, limit: int = 100
    ) -> list[Fact[Any]]:
        async with self.pool.acquire() as db:
            return await self.store.history(db, decider.stream(id), after=after, limit=limit)

    # -- operations

    async def log(self) -> LogStatus:
        return await self.progress.log()

    async def published(self, position: int, wait: float) -> bool:
        return await self.progress.published(position, wait)

    async def handled(self, subscription: str, wait: float, *, position: int | None = None) -> bool:
        return await self.progress.handled(subscription, wait, position=position)

    async def subscriptions(self) -> list[SubscriptionStatus]:
        return await self.progress.all()

    async def parked(self, subscription: str | None = None) -> list[ParkedStream]:
        return await self.parking.streams(subscription)

    async def retry(self, subscription: str, stream: str) -> RetryResult:
        found = self.progress.find(subscription)
        workers = self._workers
        if workers is None:
            raise Unavailable("this process only answers; retry where workers run")
        return await self.parking.retry(found, workers.heard, stream)

    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int:
        return await self.parking.drop(subscription, stream, reason, actor)

    async def backfill(self, reached: datetime | None, wait: float) -> datetime | None:
        """Moves the business clock that timers are judged by, and waits until those due by then have fired. Returns how
        far they have: short of `reached` where the wait was too short. None ends the backfill: timers follow the wall
        clock again."""
        await self.pool.execute("update store set backfill_reached = $1", reached)
        if self._workers is not None:
            self._workers.timers.wake()
        due: datetime | None = None

        async def fired() -> bool:
            nonlocal due
            due = await self.pool.fetchval(
                "select min(due_at) from timer where error is null and due_at <= $1", reached or self.clock()
            )
            return due is None

        await self.progress.until(fired, wait)
        return reached if reached is None or due is None else due - timedelta(microseconds=1)

    async def rebuild(self, view: str, progress: Callable[[int, int], None]) -> None:
        """Builds the view anew beside the live one and waits until it has taken over; `progress(done, total)`."""
        async with self.pool.acquire() as db:
            build = await self.views.rebuild(db, view)
        self._reconcile()
        subscription = self.views.subscription(build)
        while True:
            lag, total = await self.progress.remaining(subscription)
            parked = await self.views.parked(self.pool, build)
            live = await self.pool.fetchval(
                "select live from view_build where name = $1 and generation = $2", view, build.generation
            )
            if live is None:
                raise LookupError(f"build {build.generation} of {view} was superseded by a newer one")
            progress(total if live else total - lag, total)
            if live:
                return
            if parked:
                raise RuntimeError(
                    f"{view}: {parked} streams of {subscription.name} are parked; retry or drop them and the build"
                    " takes over by itself"
                )
            await asyncio.sleep(0.2)
