"""What there is at the end, read from the databases and the topics themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from engine.kafka import Watcher
from engine.store import prepare
from engine.wire import Raw, raw_from, raw_of
from events import published_by


@dataclass(frozen=True, slots=True)
class Sent:
    """A record of a topic."""

    partition: int
    offset: int
    key: str
    raw: Raw


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the command table: `events` of its events end at `version` of the stream."""

    stream: str
    version: int
    events: int


@dataclass(frozen=True)
class Timer:
    owner: str
    key: str
    due_at: datetime
    error: str | None


@dataclass(frozen=True)
class Evidence:
    """One service. `events` by position, `topic` by partition and offset; `takeovers` counts how often the relay's
    lease began anew; `lost` are ids that a restored store has lost, and its topic has not."""

    service: str
    events: Sequence[Raw]
    streams: Mapping[str, int]
    commands: Mapping[UUID, Kept]
    published: int
    takeovers: int
    parked: Sequence[str]
    timers: Sequence[Timer]
    topic: Sequence[Sent]
    partitions: int
    lost: frozenset[UUID] = frozenset()

    @cached_property
    def public(self) -> Sequence[Raw]:
        types = {name for cls in published_by(self.service) for name in (cls.event_type, *cls.upcasts)}
        return [event for event in self.events if event.type in types]

    @cached_property
    def heard(self) -> Sequence[Raw]:
        """What is left of the topic for a consumer that passes over whatever is not above the highest (incarnation,
        position) that it has seen of a partition."""
        return [sent.raw for sent in self._above_the_watermark()]

    def _above_the_watermark(self) -> Iterator[Sent]:
        watermarks: dict[int, tuple[int, int]] = {}
        for sent in self.topic:
            place = (sent.raw.incarnation, sent.raw.position)
            if place > watermarks.get(sent.partition, (0, 0)):
                watermarks[sent.partition] = place
                yield sent

    @cached_property
    def by_correlation(self) -> Mapping[UUID, Sequence[Raw]]:
        """Events that name no cause: what callers' commands led to."""
        found: dict[UUID, list[Raw]] = defaultdict(list)
        for event in self.events:
            if event.causation_id is None:
                found[event.correlation_id].append(event)
        return found

    @cached_property
    def by_cause(self) -> Mapping[UUID, Sequence[Raw]]:
        found: dict[UUID, list[Raw]] = defaultdict(list)
        for event in self.events:
            if event.causation_id is not None:
                found[event.causation_id].append(event)
        return found

    def called(self, *names: str) -> list[Raw]:
        """Events by their name, like `PartnerSigned`."""
        return [event for event in self.events if name_of(event) in names]


def name_of(event: Raw) -> str:
    return event.type.split(".")[2]


def data_of(event: Raw) -> dict[str, Any]:
    data: dict[str, Any] = orjson.loads(event.data)
    return data


async def gathered(
    service: str, url: str, bootstrap: str, topic: str, partitions: int, lost: frozenset[UUID] = frozenset()
) -> Evidence:
    connection = await asyncpg.connect(url, server_settings={"transaction_timeout": "0"})
    try:
        await prepare(connection)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            events = await connection.fetch("select e.*, s.incarnation from event e, store s order by position")
            streams = await connection.fetch("select id, version from stream")
            commands = await connection.fetch("select id, stream, version, events from command")
            store = await connection.fetchrow("select published from store")
            lease = await connection.fetchval("select epoch from lease where name = 'relay'")
            parked = await connection.fetch("select subscription, stream, error from parked_event order by position")
            timers = await connection.fetch("select owner, key, due_at, error from timer")
    finally:
        await connection.close()
    assert store is not None  # noqa: S101 - the store always has its row
    return Evidence(
        service,
        [raw_of(row) for row in events],
        {row["id"]: row["version"] for row in streams},
        {row["id"]: Kept(row["stream"], row["version"], row["events"]) for row in commands},
        store["published"],
        lease or 0,
        [f"{row['subscription']}: {row['stream']}: {row['error']}" for row in parked],
        [Timer(**row) for row in timers],
        await read(bootstrap, topic),
        partitions,
        lost,
    )


async def read(bootstrap: str, topic: str) -> list[Sent]:
    watcher = Watcher(bootstrap)
    try:
        found = [
            Sent(partition, record.offset, record.key.decode(), raw_from(list(record.headers), record.value))
            async for partition, record in watcher.read(topic, {})
        ]
    finally:
        await watcher.stop()
    return sorted(found, key=lambda sent: (sent.partition, sent.offset))
