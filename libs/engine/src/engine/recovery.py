"""After a restore: a new incarnation, so that what the lost timeline published can never hide what comes now.

A store that finds itself in another cluster (system identifier) or on another timeline than it was written in was
restored or promoted; so was one that never published and finds records on its topic. Then, before anything is
published: positions start above the highest that the topic has seen, the incarnation is raised, and what the topic
holds behind the restored cursor is read, so that events that both have are not sent twice, events that only the topic
has ("ghosts") are counted and named, and who was erased since is erased again. A restore that keeps the cluster (a dump
loaded back into it) cannot be seen from inside and is declared by command.

It may also be the topic that lost something: it was made anew, or ends before what was sent. Then what is behind the
last record that is left is sent again, in order and under the incarnation that it had, so that who heard it before
passes over it and who comes new hears it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
import structlog
from events import Event

from engine.errors import Refused, Unavailable
from engine.kafka import Watcher
from engine.leases import Lease
from engine.metrics import Metrics
from engine.sealing import erase
from engine.store import LOCK, Db
from engine.wire import raw_from

log = structlog.get_logger()

CHUNK = 5000
NAMED_GHOSTS = 10

# The timeline that is written now: the control file tells that of the last checkpoint, minutes old after a promotion.
_CLUSTER = (
    "select system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int as timeline"
    " from pg_control_system()"
)


@dataclass(frozen=True)
class Resumed:
    """Where the relay goes on. `skip` are ids of events that the topic has already."""

    cursor: int
    offsets: dict[int, int]
    skip: frozenset[UUID] = field(default_factory=frozenset)


@dataclass
class _Found:
    """What a topic holds: the highest position and incarnation, ids that the store has, too, behind its cursor, ghosts,
    and where the topic ends."""

    ends: dict[int, int]
    highest: int = 0
    incarnation: int = 0
    both: set[UUID] = field(default_factory=set)
    ghosts: int = 0
    first_ghosts: list[UUID] = field(default_factory=list)
    erased: set[UUID] = field(default_factory=set)


class Recovery:
    def __init__(
        self, watcher: Watcher, topic: str, metrics: Metrics, erasures: Mapping[str, type[Event]] | None = None
    ) -> None:
        """`erasures` are the events, by type, that tell that a person was erased."""
        self._erasures = erasures or {}
        self._topic_id: UUID | None = None
        self._watcher = watcher
        self._topic = topic
        self._metrics = metrics

    async def resume(self, db: Db, lease: Lease, partitions: int) -> Resumed:
        """Called by a new leader before its first send. Raises Refused where events were published over another
        number of partitions: their order would break."""
        store = await db.fetchrow("select * from store")
        cluster = await db.fetchrow(_CLUSTER)
        assert store is not None  # noqa: S101
        assert cluster is not None  # noqa: S101
        if store["partitions"] not in (None, partitions):
            raise Refused(f"{self._topic} is published over {store['partitions']} partitions and not {partitions}")
        offsets = {int(p): o for p, o in orjson.loads(store["topic_offsets"]).items()}
        if await self._lost(db, lease, store["published"], offsets, store["topic_id"]):
            return await self.resume(db, lease, partitions)
        wrote = (store["system_identifier"], store["timeline"])
        here = (cluster["system_identifier"], cluster["timeline"])
        if wrote != here:
            ends = await self._watcher.ends(self._topic)
            if wrote != (None, None) or any(ends.values()):
                log.warning("store_restored", written_in=wrote, found_in=here)
                return await self._new_incarnation(db, lease, here, partitions, store["published"], offsets)
            await self._claim(db, lease, here, partitions)
        return Resumed(store["published"], offsets, frozenset(store["already_sent"]))

    async def same_topic(self) -> None:
        """Raises Unavailable where the topic was made anew since this process leads."""
        if self._topic_id not in (None, await self._watcher.topic_id(self._topic)):
            raise Unavailable(f"{self._topic} was made anew")

    async def _lost(
        self, db: Db, lease: Lease, published: int, offsets: Mapping[int, int], sent_to: UUID | None
    ) -> bool:
        """Whether the topic ends before what was sent; then the cursor is put back to where it is whole. What was sent
        to one that was made anew, before anybody noticed, would hide what has to stand before it, and is taken away."""
        self._topic_id = await self._watcher.topic_id(self._topic)
        anew = sent_to not in (None, self._topic_id)
        ends = await self._watcher.ends(self._topic)
        short = {p: ends.get(p, 0) for p, sent in offsets.items() if ends.get(p, 0) < sent}
        if not short:
            if sent_to != self._topic_id:
                await db.execute("update store set topic_id = $1", self._topic_id)
            return False
        whole_to = dict.fromkeys(short, 0)
        if anew:
            await self._watcher.clear(self._topic)
        last = {p: max(end - 1, 0) if p in short and not anew else end for p, end in ends.items()}
        async with aclosing(self._watcher.read(self._topic, last)) as records:
            async for partition, record in records:
                if partition in short:
                    whole_to[partition] = _position(record)
        cursor = min(published, *whole_to.values())
        async with db.transaction():
            await lease.prove(db)
            await db.execute(
                "update store set published = $1, sent_before = greatest(sent_before, $2), topic_offsets = $3,"
                " already_sent = '{}', topic_id = $4",
                cursor,
                published,
                orjson.dumps({str(p): end for p, end in ends.items()}).decode(),
                self._topic_id,
            )
        log.error(
            "topic_lost_records",
            topic=self._topic,
            partitions=sorted(short),
            sent_again_behind=cursor,
            up_to=published,
            remedy="docs/operations.md#kafka-is-lost",
        )
        return True

    async def _claim(self, db: Db, lease: Lease, here: tuple[int, int], partitions: int) -> None:
        async with db.transaction():
            await lease.prove(db)
            await db.execute(
                "update store set system_identifier = $1, timeline = $2, partitions = $3", *here, partitions
            )

    async def _new_incarnation(
        self,
        db: Db,
        lease: Lease,
        here: tuple[int, int],
        partitions: int,
        published: int,
        offsets: dict[int, int],
    ) -> Resumed:
        found = await self._on_topic(db, published, offsets)
        async with db.transaction():
            await db.execute("set local transaction_timeout = 0")  # it waits for open appends
            await lease.prove(db)
            await db.execute("select pg_advisory_xact_lock($1, $2)", *LOCK)  # no append is open from here on
            own = await db.fetchval("select coalesce(max(position), 0) from event")
            following = await db.fetchval("select last_value + is_called::int from event_position_seq")
            restart = max(found.highest + 1, own + 1, published + 1, following)
            await db.execute("select setval(pg_get_serial_sequence('event', 'position'), $1, false)", restart)
            # What an earlier recovery found lies before `offsets` and is still to be passed over.
            both = await db.fetchval(
                "select coalesce(array_agg(e.id), '{}') from event e, store"
                " where position > $1 and (e.id = any ($2) or e.id = any (already_sent))",
                published,
                list(found.both),
            )
            await db.execute(
                "insert into past_incarnation (number, up_to) select incarnation, greatest(published, (select"
                " coalesce(max(position), 0) from event where id = any ($1))) from store on conflict do nothing",
                both,
            )
            if found.erased:
                log.warning("erased_again", people=await erase(db, found.erased))
            await db.execute(
                "update store set incarnation = greatest(incarnation, $1) + 1, system_identifier = $2, timeline = $3,"
                " already_sent = $4, topic_offsets = $5, partitions = $6",
                found.incarnation,
                *here,
                both,
                orjson.dumps({str(p): o for p, o in found.ends.items()}).decode(),
                partitions,
            )
        self._metrics.ghosts.set(found.ghosts)
        log.warning(
            "new_incarnation",
            positions_from=restart,
            published_and_kept=len(both),
            ghosts=found.ghosts,
            first_ghosts=[str(id) for id in found.first_ghosts],
            remedy="docs/operations.md#restore",
        )
        return Resumed(published, found.ends, frozenset(both))

    async def _on_topic(self, db: Db, published: int, offsets: dict[int, int]) -> _Found:
        """What the topic holds from these offsets on, a chunk at a time: it may be all of a long history."""
        found = _Found(ends=dict(offsets))
        watermarks: dict[int, tuple[int, int]] = {}
        chunk: list[UUID] = []
        async with aclosing(self._watcher.read(self._topic, offsets)) as records:
            async for partition, record in records:
                found.ends[partition] = record.offset + 1
                try:
                    raw = raw_from(list(record.headers), record.value)
                except (KeyError, ValueError):
                    log.warning("record_not_ours", topic=self._topic, partition=partition, offset=record.offset)
                    continue
                place = (raw.incarnation, raw.position)
                if place <= watermarks.get(partition, (0, 0)):
                    continue  # sent again
                watermarks[partition] = place
                found.highest, found.incarnation = max(found.highest, raw.position), max(found.incarnation, place[0])
                if (erasure := self._erasures.get(raw.type)) is not None:
                    found.erased.add(getattr(erasure.model_validate_json(raw.data), erasure.event_erases))
                chunk.append(raw.id)
                if len(chunk) == CHUNK:
                    await self._look_up(db, published, chunk, found)
                    chunk = []
        await self._look_up(db, published, chunk, found)
        return found

    async def _look_up(self, db: Db, published: int, ids: list[UUID], found: _Found) -> None:
        rows = await db.fetch("select id, position > $1 as later from event where id = any ($2)", published, ids)
        found.both |= {row["id"] for row in rows if row["later"]}
        ghosts = sorted(set(ids) - {row["id"] for row in rows})
        found.ghosts += len(ghosts)
        found.first_ghosts += ghosts[: NAMED_GHOSTS - len(found.first_ghosts)]


def _position(record: Any) -> int:
    """0 for one that is not ours: what was before it is not known."""
    try:
        return raw_from(list(record.headers), record.value).position
    except (KeyError, ValueError):
        return 0


async def declare_restore(db: Db) -> None:
    """For a restore that cannot be seen from inside: the next relay to lead starts a new incarnation. One that leads
    now has to let go, because what it remembers is of before."""
    status = await db.execute(
        "with fenced as (update lease set epoch = epoch + 1, leased_until = '-infinity' where name = 'relay')"
        " update store set timeline = -1, system_identifier = coalesce(system_identifier, 0)"
    )
    if status != "UPDATE 1":
        raise LookupError("the store has no row: migrate first")
