"""What a process does by itself, beside commands, reading and publishing: it says that it lives, hears of changed
views, lets view builds take over, takes up what the release before could not read, forgets old requests, and tells the
relay elsewhere of appends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from events.base import TYPE_PATTERN

from engine.errors import passes
from engine.metrics import Metrics
from engine.parking import Parking
from engine.progress import Progress
from engine.store import Store
from engine.view_builds import TAIL, Build, ViewBuilds
from engine.workers import Tasks, Workers

log = structlog.get_logger()

HEARTBEAT_SECONDS = 1.0
FORGET_SECONDS = 600.0
FORGOTTEN_AT_ONCE = 1000
TAKE_UP_SECONDS = 5.0


class Upkeep:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        views: ViewBuilds,
        progress: Progress,
        parking: Parking,
        metrics: Metrics,
        *,
        pod: UUID,
        request_days: float,
        workers: Workers | None,
        reconcile: Callable[[], None],
        appended: asyncio.Event,
    ) -> None:
        self._pool = pool
        self._store = store
        self._views = views
        self._progress = progress
        self._parking = parking
        self._metrics = metrics
        self._pod = pod
        self._older_than = timedelta(days=request_days)
        self._workers = workers
        self._reconcile = reconcile
        self._appended = appended
        self._building: set[str] = set()

    def start(self, tasks: Tasks) -> None:
        tasks.spawn("heartbeat", again_and_again("heartbeat_missed", self.heartbeat))
        tasks.spawn("notifier", again_and_again("not_notified", self._notify))
        if self._workers is not None:
            tasks.spawn("view builds", again_and_again("view_builds_wait", self._tend))
            tasks.spawn("taking up", again_and_again("nothing_taken_up", self._take_up))
            tasks.spawn("forgetting", again_and_again("forgetting_waits", self._forget))

    async def heartbeat(self) -> float:
        """Says that this process lives, and hears whether the set of views changed and whether a relay elsewhere has
        published more."""
        async with self._pool.acquire() as db:
            changed, published = await self._views.heartbeat(db, self._pod)
        if changed:
            self._reconcile()
        if self._workers is not None:
            self._workers.published(published)
        return HEARTBEAT_SECONDS

    async def _tend(self) -> float:
        """Lets view builds that have caught up take over. Not the heartbeat's work, which must not wait for Kafka."""
        if not self._views.settled:
            ready = [build for build in self._views.unfinished() if await self._caught_up(build)]
            async with self._pool.acquire() as db:
                changed = await self._views.tend(db, ready)
            if changed:
                self._reconcile()
        building = {build.view.name for build in self._views.unfinished()}
        for view in self._building - building:  # it took over, here or elsewhere, or another build did
            self._metrics.rebuilding.labels(view).set(1)
        self._building = building
        return HEARTBEAT_SECONDS

    async def _caught_up(self, build: Build) -> bool:
        if build.feed == "inline":
            return True
        subscription = self._views.subscription(build)
        lag, total = await self._progress.remaining(subscription)
        self._metrics.rebuilding.labels(build.view.name).set(1.0 if total == 0 else 1.0 - lag / total)
        if build.feed == "log":
            return lag <= TAIL
        live = await self._views.live_subscription(self._pool, build)
        return lag == 0 or (live is not None and await self._progress.beside(subscription, live))

    async def _take_up(self) -> float:
        """Goes on with streams that wait for an event of a type that was not known where it was met, and is known here.
        Nobody has to retry them: the cause is mended by this release."""
        assert self._workers is not None  # noqa: S101
        for name, stream, type in await self._parking.strange():
            service = type.split(".")[1] if TYPE_PATTERN.match(type) else ""
            if name not in self._workers.serving or not self._workers.heard(service).codec.knows(type):
                continue
            subscription = self._progress.find(name)
            result = await self._parking.retry(subscription, self._workers.heard, stream)
            log.info("stream_taken_up", subscription=name, stream=stream, handled=result.handled, error=result.error)
        return TAKE_UP_SECONDS

    async def _forget(self) -> float:
        """Deletes old requests, a chunk a transaction. Several processes may do so beside each other."""
        async with self._pool.acquire() as db:
            deleted = await self._store.forget(db, older_than=self._older_than, limit=FORGOTTEN_AT_ONCE)
        return 0.1 if deleted == FORGOTTEN_AT_ONCE else FORGET_SECONDS

    async def _notify(self) -> float:
        """Coalesced, on a connection outside of any append, because NOTIFY serialises commits. Where it is missed, the
        relay polls."""
        await self._appended.wait()
        self._appended.clear()
        if self._workers is None or not self._workers.relay.leads:
            await self._pool.execute("notify cauce_appended")
        return 0.002


async def again_and_again(trouble: str, work: Callable[[], Awaitable[float]]) -> None:
    """`work` says after how many seconds it is to be done again. What passes by itself is logged as `trouble`."""
    while True:
        try:
            pause = await work()
        except Exception as error:
            if not passes(error):
                raise
            log.warning(trouble, error=repr(error))
            pause = HEARTBEAT_SECONDS
        await asyncio.sleep(pause)
