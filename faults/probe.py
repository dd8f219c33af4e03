"""How far everything is, read past services and proxies from the databases themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import httpx
import orjson
from engine.kafka import topic_ids

from faults.fleet import Fleet

LOG = UUID(int=0)
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What asking a server that goes down, or is not yet restored, may come to."""
STATE = """
select s.published, s.topic_offsets::text as ends, (select coalesce(max(position), 0) from event) as head,
       (select count(*) from parked_event) + (select count(*) from timer where error is not null) as parked,
       (select count(*) from timer where error is null and due_at <= clock_timestamp()) as due
from store s
"""
OFFSETS = """
select subscription, source, topic_id, partition, next_offset from consumer_offset o
where ($1::uuid[] is null or topic_id = any ($1)) and not exists (select 1 from view_build b
                  where b.feed = 'inline' and o.subscription like '%.' || b.name || '.g' || b.generation)
"""
"""Without builds that were fed from the log and are now written by appends, and, of topics that were made anew, without
what was read of the old ones."""


@dataclass(frozen=True)
class Subscribed:
    subscription: str
    source: str
    own: bool
    partition: int
    next_offset: int


@dataclass(frozen=True)
class State:
    """One service: `ends` are the topic's, as its relay left them."""

    head: int
    published: int
    ends: Mapping[int, int]
    parked: int
    due: int
    subscribed: tuple[Subscribed, ...]


States = Mapping[str, State]


class Probe:
    """Keeps a connection to each database; one that a fault took is made anew."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._connections: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._turn = asyncio.Lock()
        self._client = httpx.AsyncClient(timeout=2, trust_env=False)
        self._topics: list[UUID] | None = None

    async def close(self) -> None:
        for connection in self._connections.values():
            connection.terminate()
        await self._client.aclose()

    async def topics_are_new(self) -> None:
        """They were made anew: from here on only what is read of them as they are now is looked at."""
        names = [engine.topic(service) for service, engine in self._fleet.engines.items()]
        self._topics = [LOG, *(await topic_ids(self._fleet.bootstrap, names)).values()]

    async def states(self) -> States:
        """Waits while a database is away, or not yet restored."""
        while True:
            async with self._turn:
                try:
                    return {service: await self._state(service) for service in self._fleet.counts}
                except AWAY:
                    for connection in self._connections.values():
                        connection.terminate()
                    self._connections = {}
            await asyncio.sleep(0.1)

    async def _state(self, service: str) -> State:
        connection = self._connections.get(service)
        if connection is None:
            connection = self._connections[service] = await asyncpg.connect(self._fleet.direct_url(service), timeout=5)
        row = await connection.fetchrow(STATE)
        if row is None:
            raise ConnectionError(f"the database of {service} is being restored")
        rows = await connection.fetch(OFFSETS, self._topics)
        return State(
            row["head"],
            row["published"],
            {int(partition): end for partition, end in orjson.loads(row["ends"]).items()},
            row["parked"],
            row["due"],
            tuple(
                Subscribed(r["subscription"], r["source"], r["topic_id"] == LOG, r["partition"], r["next_offset"])
                for r in rows
            ),
        )

    async def recovered(self, seconds: float) -> tuple[bool, str]:
        """Whether within the seconds every replica is ready and everything that is recorded by now is published and
        handled by every subscription; and what was waited for last."""
        deadline = time.monotonic() + seconds
        marks = {service: state.head for service, state in (await self.states()).items()}
        ends: dict[str, Mapping[int, int]] | None = None
        waits = ""
        while time.monotonic() < deadline:
            states = await self.states()
            unpublished = [service for service, head in marks.items() if states[service].published < head]
            if ends is None and not unpublished:
                ends = {service: state.ends for service, state in states.items()}
            left = [f"the relay of {service}" for service in unpublished]
            left += [] if ends is None else behind(states, marks, ends)
            left += [f"{replica.name} to be ready" for replica in await self._fleet.unready(self._client)]
            if not left:
                return True, waits
            waits = left[0]
            await asyncio.sleep(0.1)
        return False, waits

    async def settled(self, seconds: float) -> float | None:
        """Seconds until nothing is under way any more: every event published and handled, no timer due, and none of
        that led to another event. None where that takes too long."""
        began = time.monotonic()
        before: dict[str, int] | None = None
        while time.monotonic() < began + seconds:
            states = await self.states()
            heads = {service: state.head for service, state in states.items()}
            quiet = (
                all(state.published >= state.head and state.due == 0 for state in states.values())
                and caught_up(states, heads, {service: state.ends for service, state in states.items()})
                and not await self._fleet.unready(self._client)
            )
            if quiet and heads == before:
                return time.monotonic() - began
            before = heads if quiet else None
            await asyncio.sleep(0.5 if quiet else 0.1)
        return None


def caught_up(states: States, heads: Mapping[str, int], ends: Mapping[str, Mapping[int, int]]) -> bool:
    return not behind(states, heads, ends)


def behind(states: States, heads: Mapping[str, int], ends: Mapping[str, Mapping[int, int]]) -> list[str]:
    """The subscriptions that have not handled everything up to there."""

    def goal(service: str, each: Subscribed) -> int:
        if each.own:
            return heads[service] + 1 if heads[service] else 0
        return ends.get(each.source, {}).get(each.partition, 0)  # nobody publishes what does not run

    return [
        f"{each.subscription} is at {each.next_offset} of {each.source}/{each.partition}, not {goal(service, each)}"
        for service, state in states.items()
        for each in state.subscribed
        if each.next_offset < goal(service, each)
    ]
