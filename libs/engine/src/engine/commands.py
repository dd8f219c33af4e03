"""Commands handled together: callers that come at once share one load, one append and one commit.

Each is answered only after the commit that holds its events, and what goes wrong with one leaves the others alone: a
group that cannot be handled as one is handled one by one. A command waits for the group that has its stream: with it
in flight it could only lose the race. A group that waits for somebody else's lock holds back none but its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any
from uuid import UUID

import asyncpg

from engine.decider import Rejected
from engine.errors import (
    AlreadyHandled,
    Conflict,
    InFlight,
    NotAdmitted,
    Unavailable,
    ViewsChanged,
    passes,
    rolled_back,
)
from engine.facts import Receipt
from engine.metrics import Metrics
from engine.recent import Recent
from engine.store import Intent, Store, Working

Outcome = Receipt | Rejected

GROUPS_IN_FLIGHT = 2
"""While one group waits for its commit, the next is decided."""
SLOW_SECONDS = 0.25
"""A group in flight for longer does not count as one of them."""
SLOW_GROUPS_IN_FLIGHT = 6
LARGEST_GROUP = 64
ATTEMPTS_AT_A_LOST_RACE = 20
ATTEMPTS_AT_AN_OUTAGE = 3


class Commands:
    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        metrics: Metrics,
        *,
        views_changed: Callable[[], Awaitable[None]],
        appended: Callable[[], None],
        failpoint: Callable[[str], Awaitable[None]],
        recent: Recent[Working],
    ) -> None:
        self._pool = pool
        self._store = store
        self._metrics = metrics
        self._views_changed = views_changed
        self._appended = appended
        self._failpoint = failpoint
        self._recent = recent
        self._waiting: list[tuple[Intent, asyncio.Future[Outcome]]] = []
        self._flying: dict[asyncio.Task[None], tuple[float, frozenset[str]]] = {}  # since when, with which streams
        self._again: asyncio.TimerHandle | None = None
        self._requests: set[UUID] = set()

    async def one(self, intent: Intent) -> Outcome:
        """Handles a command, in a group with whatever else is waiting. Raises InFlight for a request that is being
        handled already: its repeat is not left waiting."""
        if intent.command_id is None or not intent.request:
            return await self._one(intent)
        if intent.command_id in self._requests:
            raise InFlight
        self._requests.add(intent.command_id)
        try:
            return await self._one(intent)
        finally:
            self._requests.discard(intent.command_id)

    async def _one(self, intent: Intent) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((intent, future))
        self._depart()
        return await future

    def _depart(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._may_depart(loop.time()):
            group = self._next_group()
            if not group:
                break
            task = asyncio.create_task(self._group(group))
            self._flying[task] = (loop.time(), frozenset(intent.stream for intent, _ in group))
            task.add_done_callback(self._arrived)
        if self._waiting and self._again is None:
            self._again = loop.call_later(SLOW_SECONDS, self._look_again)

    def _may_depart(self, now: float) -> bool:
        slow = sum(now - since >= SLOW_SECONDS for since, _ in self._flying.values())
        return len(self._flying) - slow < GROUPS_IN_FLIGHT and slow < SLOW_GROUPS_IN_FLIGHT

    def _next_group(self) -> list[tuple[Intent, asyncio.Future[Outcome]]]:
        """Whoever waits and whose stream is not in flight, in order."""
        taken = {stream for _, streams in self._flying.values() for stream in streams}
        group: list[tuple[Intent, asyncio.Future[Outcome]]] = []
        left: list[tuple[Intent, asyncio.Future[Outcome]]] = []
        for waiting in self._waiting:
            free = len(group) < LARGEST_GROUP and waiting[0].stream not in taken
            (group if free else left).append(waiting)
        self._waiting = left
        return group

    def _look_again(self) -> None:
        self._again = None
        self._depart()

    def _arrived(self, task: asyncio.Task[None]) -> None:
        del self._flying[task]
        self._depart()

    async def _group(self, group: Sequence[tuple[Intent, asyncio.Future[Outcome]]]) -> None:
        unknown = False
        try:
            outcomes = await self._once([intent for intent, _ in group], by_memory=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, each is now handled alone and told its own
            if isinstance(error, Conflict):
                self._metrics.conflicts.labels("command").inc()
            # A lost connection may have taken the answer to a commit with it.
            known = rolled_back(error) or isinstance(error, Conflict | ViewsChanged | AlreadyHandled | NotAdmitted)
            unknown = passes(error) and not known
        else:
            for (_, future), outcome in zip(group, outcomes, strict=True):
                _answer(future, outcome)
            return
        for intent, future in group:
            if unknown and intent.command_id is None:
                _answer(future, Unavailable("the connection was lost before the commit was confirmed"))
                continue
            try:
                [outcome] = await self.together([intent])
            except asyncio.CancelledError:
                future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - it is the caller's to handle
                _answer(future, error)
            else:
                _answer(future, outcome)

    async def together(self, intents: Sequence[Intent], *, whole: bool = False) -> list[Outcome]:
        """Handles commands in one transaction, of a `whole` all or none. Retries a lost race where no version was
        expected, and an outage where every command has an id (of a whole: the first); raises Conflict or Unavailable
        otherwise."""
        expecting = any(intent.expected is not None for intent in intents)
        repeatable = all(intent.command_id is not None for intent in (intents[:1] if whole else intents))
        attempts = 0
        while True:
            attempts += 1
            try:
                return await self._once(intents, whole=whole)
            except ViewsChanged:
                await self._views_changed()
            except AlreadyHandled:
                continue
            except NotAdmitted:
                raise
            except Conflict:
                self._metrics.conflicts.labels("command").inc()
                if expecting or attempts > ATTEMPTS_AT_A_LOST_RACE:
                    raise
                await asyncio.sleep(0.001 * attempts)
            except Exception as error:
                if not passes(error):
                    raise
                if not (repeatable or rolled_back(error)) or attempts > ATTEMPTS_AT_AN_OUTAGE:
                    raise Unavailable(f"the store is away: {error!r}") from error
                await asyncio.sleep(0.05 * attempts)

    async def _once(self, intents: Sequence[Intent], *, whole: bool = False, by_memory: bool = False) -> list[Outcome]:
        asked = perf_counter()
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(self._pool.acquire())
            began = perf_counter()
            taking = self._recent.taking()
            if self._store.inline:  # otherwise the append is the only statement that writes
                await stack.enter_async_context(db.transaction())
            outcomes = await self._store.execute(db, intents, whole=whole, taking=taking if by_memory else None)
        taking.committed()
        self._metrics.connection_wait.observe(began - asked)
        self._metrics.append.observe(perf_counter() - began)
        await self._failpoint("command_committed")
        self._metrics.count(outcomes)
        self._appended()
        return outcomes

    async def finish(self) -> None:
        """Waits until everything that was taken on is answered."""
        while self._flying:
            await asyncio.wait(self._flying.keys())


def _answer(future: asyncio.Future[Outcome], outcome: Outcome | Exception) -> None:
    if future.done():  # the caller has gone
        return
    if isinstance(outcome, Exception) and not isinstance(outcome, Rejected):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
