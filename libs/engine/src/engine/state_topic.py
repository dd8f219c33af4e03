"""`<service>.state`: the latest public state of each thing, for systems that only want to know how it is now.

A compacted topic: the last record of a key stands. The leader of the relay sends what appends changed, many changes of
a thing as one, and remembers behind which offset of each partition nobody but it has sent. A record that it finds
there comes from a former leader that was asleep: where it is not the newest state, the newest is sent again, so that
what is old, or erased, never stands for long. Every record carries the incarnation and version of its state; a
consumer keeps the highest.

After a restore, or where the code shows states otherwise than before, everything is sent again, and what the topic has
and the store has not is taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

import asyncpg
import orjson
import structlog
from events.envelope import CONTENT_TYPE, SPEC_VERSION
from events.states import State

from engine.errors import Fenced, passes
from engine.kafka import Watcher, partition_of
from engine.producer import Producer, Record
from engine.relay import Relay
from engine.store import Db, Store
from engine.views import PublicState
from engine.wire import Headers

log = structlog.get_logger()

BATCH = 500
_CHANGED = (
    "select coalesce(max(position), $1) as last, array_agg(distinct stream) as streams from (select position, stream"
    " from event, store where position > $1 and position <= store.published order by position limit $2) e"
)


class StateTopic:
    """Sends while the relay of this process publishes, and proves it by the relay's lease."""

    def __init__(
        self,
        pool: asyncpg.Pool[Any],
        store: Store,
        producer: Producer,
        watcher: Watcher,
        relay: Relay,
        states: Sequence[PublicState[Any]],
        *,
        topic: str,
        source: str,
        partitions: int,
        poll: float = 1.0,
        linger: float = 0.05,
        check: float = 30.0,
    ) -> None:
        self._pool = pool
        self._store = store
        self._producer = producer
        self._watcher = watcher
        self._relay = relay
        self._states = {state.decider.category: state for state in states}
        self._topic = topic
        self._source = source
        self._partitions = partitions
        self._poll = poll
        self._linger = linger
        self._check = check
        self._wake = asyncio.Event()
        self._cursor = 0
        self._offsets: dict[int, int] = {}
        self._incarnation = 0
        self._shown_as = ""

    def wake(self) -> None:
        self._wake.set()

    @property
    def fingerprint(self) -> str:
        """Changes with what is shown: the documents' schemas, and the code that makes the states."""
        told = [
            (category, state.decider.fingerprint, state.document.model_json_schema())
            for category, state in sorted(self._states.items())
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]

    async def run(self) -> None:
        """Sends while this process leads. Ends only by cancellation."""
        pause = self._poll
        while True:
            try:
                if (epoch := self._relay.publishes) is not None:
                    await self._lead(epoch)
                pause = self._poll
            except Exception as error:
                if not passes(error):
                    raise
                await self._producer.abort()
                pause = min(pause * 2, 10.0)
                if not isinstance(error, Fenced):
                    log.warning("state_topic_retries", error=repr(error))
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        await self._producer.stop()

    async def _lead(self, epoch: int) -> None:
        await self._take_over(epoch)
        checked = time.monotonic()
        while self._relay.publishes == epoch:
            self._wake.clear()
            if await self._send_changed(epoch):
                continue
            if time.monotonic() - checked > self._check:
                await self._reconcile(epoch)
                checked = time.monotonic()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._check)  # the relay is of this process: no need to poll
                await asyncio.sleep(self._linger)  # a burst of changes of one thing is one record

    async def _take_over(self, epoch: int) -> None:
        async with self._pool.acquire() as db:
            row = await db.fetchrow("select incarnation, states_sent from store")
        assert row is not None  # noqa: S101
        self._incarnation, sent = row["incarnation"], orjson.loads(row["states_sent"])
        self._shown_as = f"{self._incarnation}/{self.fingerprint}"
        self._cursor, self._offsets = 0, {}
        if sent.get("as") == self._shown_as:
            self._cursor, self._offsets = sent["position"], {int(p): end for p, end in sent["offsets"].items()}
        ends = await self._watcher.ends(self._topic)
        if any(ends.get(p, 0) < end for p, end in self._offsets.items()):
            log.error("topic_lost_records", topic=self._topic, remedy="docs/operations.md#kafka-is-lost")
            self._cursor, self._offsets = 0, {}
        if self._cursor == 0:
            log.info("states_sent_anew", incarnation=self._incarnation)
        await self._reconcile(epoch)

    async def _send_changed(self, epoch: int) -> bool:
        async with self._pool.acquire() as db:
            row = await db.fetchrow(_CHANGED, self._cursor, BATCH)
            assert row is not None  # noqa: S101
            if row["last"] == self._cursor:
                return False
            records = await self._records(db, row["streams"] or ())
        await self._send(records)
        await self._remember(epoch, row["last"])
        return True

    async def _reconcile(self, epoch: int) -> None:
        """Sets right what is on the topic behind the last record that is known to be ours."""
        ends = await self._watcher.ends(self._topic)
        if all(end <= self._offsets.get(p, 0) for p, end in ends.items()):
            return
        found: dict[str, tuple[int, int] | None] = {}
        async for partition, record in self._watcher.read(self._topic, self._offsets):
            ends[partition] = max(ends[partition], record.offset + 1)
            found[record.key.decode()] = None if record.value is None else _version(dict(record.headers))
        self._offsets.update(ends)
        streams = list(found)
        for start in range(0, len(streams), BATCH):
            async with self._pool.acquire() as db:
                records = await self._records(db, streams[start : start + BATCH])
            wrong = [r for r in records if found[r.key.decode()] != (r.value and _version(dict(r.headers)))]
            if wrong:
                log.info("states_set_right", things=len(wrong))
                await self._send(wrong)
        await self._remember(epoch, self._cursor)

    async def _records(self, db: Db, streams: Iterable[str]) -> list[Record]:
        """The state of each of these things as it is now; of one that is not shown, that it is not."""
        wanted = {
            stream: self._states[category].decider for stream in streams if (category := stream[:-37]) in self._states
        }
        now = int(time.time() * 1000)
        records = []
        for stream, loaded in (await self._store.load_streams(db, wanted)).items():
            state = self._states[stream[:-37]]
            shown = state.show(UUID(stream[-36:]), loaded.state) if loaded.version else None
            headers = self._headers(stream, state.document, loaded.version)
            value = None if shown is None else shown.data()
            records.append(Record(stream.encode(), value, headers, now))
        return records

    def _headers(self, stream: str, document: type[State], version: int) -> Headers:
        incarnation = self._incarnation
        return [
            ("content-type", CONTENT_TYPE.encode()),
            ("ce_specversion", SPEC_VERSION.encode()),
            ("ce_id", str(uuid5(UUID(stream[-36:]), f"{stream}/{incarnation}/{version}")).encode()),
            ("ce_source", self._source.encode()),
            ("ce_type", document.event_type.encode()),
            ("ce_subject", stream.encode()),
            ("ce_partitionkey", stream.encode()),
            ("ce_incarnation", b"%d" % incarnation),
            ("ce_streamversion", b"%d" % version),
        ]

    async def _send(self, records: Sequence[Record]) -> None:
        window: dict[int, list[Record]] = {}
        for record in records:
            window.setdefault(partition_of(record.key.decode(), self._partitions), []).append(record)
        if window:
            self._offsets.update(await self._producer.send(self._topic, window, self._partitions))

    async def _remember(self, epoch: int, position: int) -> None:
        """Raises Fenced where another process leads by now."""
        offsets = {str(p): offset for p, offset in self._offsets.items()}
        sent = orjson.dumps({"as": self._shown_as, "position": position, "offsets": offsets}).decode()
        status = await self._pool.execute(
            "with mine as (select 1 from lease where name = 'relay' and epoch = $2 for share)"
            " update store set states_sent = $1 where exists (select 1 from mine)",
            sent,
            epoch,
        )
        if status != "UPDATE 1":
            raise Fenced("another relay leads")
        self._cursor = position


def _version(headers: Mapping[str, bytes]) -> tuple[int, int]:
    """(incarnation, version); (-1, -1) for a record that nobody of ours has sent."""
    try:
        return int(headers["ce_incarnation"]), int(headers["ce_streamversion"])
    except (KeyError, ValueError):
        return -1, -1
