"""Each guarantee broken on purpose, in the smallest scene in which that matters: the checker has to say so, and has to
be content with the same scene unbroken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException
from engine import Context, Receipt, Send
from engine.database import quoted
from engine.errors import Unavailable
from engine.leases import Lease
from engine.producer import Producer, Record
from engine.recovery import Recovery, Resumed, declare_restore
from engine.store import Db, Intent
from engine.subscriptions import Applier, Heard, Place, Subscription
from engine.wire import Raw

from faults import business, guarantees
from faults.checker import Verdict, first_line
from faults.tests import lapsing
from faults.tests.pair import PATIENCE, VIEWS, Pair

PUBLISHED = first_line(guarantees.published)
REPEATED = first_line(guarantees.repeated_in_bounds)
CAUSED = first_line(business.consequences)

broken_or_not = pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken"])


def judged_as(found: Mapping[str, Verdict], broken: bool, *expected: str) -> None:
    """Whole: nothing is wrong. Broken: each of these is."""
    if broken:
        assert set(expected) <= found.keys(), "the checker did not see it"
    else:
        assert not found, "\n".join(map(str, found.values()))


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = PATIENCE) -> bool:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


@broken_or_not
async def test_the_shared_lock_removed_from_append(pair: Pair, broken: bool) -> None:
    partner, risk = await pair.start("partner"), await pair.start("risk")
    if broken:
        owner = await asyncpg.connect(pair.urls["partner"])
        source = await owner.fetchval("select pg_get_functiondef('append'::regproc)")
        without = source.replace("perform pg_advisory_xact_lock_shared(1128355157, 1);", "")
        assert without != source
        await owner.execute(without)
        await owner.close()
    slow, quick = uuid4(), uuid4()
    context = Context("client", uuid4())
    command = lapsing.Lapse(partner_id=slow, reason="slow")
    async with partner.acquire() as db, db.transaction():
        intent = Intent(Send(lapsing.lapsing, slow, command), partner.clock(), context, uuid4())
        [receipt] = await partner.store.execute(db, [intent])
        assert isinstance(receipt, Receipt)
        await pair.lapse(partner, [quick])  # takes a later position, and commits first
        head = (await partner.log()).head
        assert await partner.published(head, wait=1.0) == broken
    pair.note(context.correlation_id, receipt)
    await pair.lapse(partner, [quick])
    judged_as(await pair.judge(partner, risk), broken, PUBLISHED, CAUSED)


class Breaks:
    """A failpoint at which the line is lost, once."""

    def __init__(self, point: str) -> None:
        self.point = point
        self.broke = False

    async def __call__(self, point: str) -> None:
        if point == self.point and not self.broke:
            self.broke = True
            raise ConnectionResetError("the line is dead")


async def offset_first(
    self: Applier,
    db: Db,
    subscription: Subscription,
    place: Place,
    epoch: int,
    heard: Heard,
    piece: Sequence[tuple[int, Raw]],
    *,
    careful: bool,
) -> Any:
    where = "where subscription = $1 and topic_id = $2 and partition = $3"
    key = (place.subscription, place.topic_id, place.partition)
    async with self._pool.acquire() as other:
        done = await other.fetchval(f"select next_offset from consumer_offset {where}", *key)
        await other.execute(f"update consumer_offset set next_offset = $4 {where}", *key, piece[-1][0] + 1)
    fresh = [raw for offset, raw in piece if offset >= done]
    await self._failpoint("consumer_effect")
    return await self._effects(db, subscription, place, heard, fresh, careful=careful)


@broken_or_not
async def test_the_offset_committed_before_the_effect(
    pair: Pair, broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken:
        monkeypatch.setattr(Applier, "_apply_once", offset_first)
    breaks = Breaks("consumer_effect")
    partner, risk = await pair.start("partner"), await pair.start("risk", breaks)
    await pair.lapse(partner, [uuid4() for _ in range(6)])
    found = await pair.judge(partner, risk)
    assert breaks.broke
    assert found.keys() <= {CAUSED, VIEWS}  # whichever of the two was at work
    assert bool(found) == broken, found


@broken_or_not
async def test_the_watermark_ignored(pair: Pair, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    apply_once = Applier._apply_once

    async def from_zero(
        self: Applier, db: Db, subscription: Subscription, place: Place, *rest: Any, **more: Any
    ) -> Any:
        await db.execute(
            "update consumer_offset set incarnation = 0, last_position = 0 where subscription = $1 and topic_id = $2",
            place.subscription,
            place.topic_id,
        )
        return await apply_once(self, db, subscription, place, *rest, **more)

    if broken:
        monkeypatch.setattr(Applier, "_apply_once", from_zero)
    breaks = Breaks("relay_sent")
    partner, risk = await pair.start("partner", breaks), await pair.start("risk")
    await pair.lapse(partner, [uuid4() for _ in range(6)])
    found = await pair.judge(partner, risk)
    assert breaks.broke
    judged_as(found, broken, VIEWS)


@broken_or_not
async def test_the_relays_fence_ignored(pair: Pair, broken: bool) -> None:
    asleep, wake = asyncio.Event(), asyncio.Event()
    lease: Lease | None = None

    async def nods_off(point: str) -> None:
        if point == "relay_read" and not asleep.is_set():
            asleep.set()
            await wake.wait()
        if point == "relay_sent" and broken and lease is not None:
            async with first.acquire() as db:  # it acts on whatever epoch there is
                lease.epoch = await db.fetchval("select epoch from lease where name = 'relay'")

    first = await pair.start("partner", nods_off)
    assert first._workers is not None
    lease = first._workers._relay_lease
    second, risk = await pair.start("partner"), await pair.start("risk")
    ids = [uuid4() for _ in range(20)]
    await pair.lapse(second, ids[:4])
    await asyncio.wait_for(asleep.wait(), PATIENCE)
    async with second.acquire() as db:
        await db.execute("update lease set leased_until = '-infinity', epoch = epoch + 1 where name = 'relay'")
    assert await second.published((await second.log()).head, PATIENCE)
    wake.set()
    await pair.lapse(second, ids * 2)
    relay, head = first._workers.relay, (await second.log()).head

    async def has_sent_them_too() -> bool:
        return relay.cursor >= head

    if broken:
        assert await until(has_sent_them_too)
    judged_as(await pair.judge(second, risk), broken, REPEATED)


def stubborn(self: Producer, topic: str, window: Mapping[int, Sequence[Record]], partitions: int) -> dict[int, int]:
    """One record that fails does not keep the next from being sent."""
    client, error = self._started(topic, partitions), None
    for partition, records in window.items():
        for record in records:
            try:
                client.produce(topic, record.value, record.key, partition, headers=[*record.headers])
            except KafkaException as failure:
                error = failure
    client.flush()
    if error is not None:
        raise Unavailable(str(error))
    return {}


@broken_or_not
async def test_sends_continued_after_a_failed_batch(pair: Pair, broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    class FailsOnce(confluent_kafka.Producer):
        def produce(self, *args: Any, **more: Any) -> None:
            nonlocal sent
            sent += 1
            if sent == 2:
                raise KafkaException(KafkaError(KafkaError._TRANSPORT, "the second record is not taken"))
            super().produce(*args, **more)

    monkeypatch.setattr(confluent_kafka, "Producer", FailsOnce)
    if broken:
        monkeypatch.setattr(Producer, "_send", stubborn)
    gate = asyncio.Event()

    async def stands(point: str) -> None:
        if point == "relay_read":
            await gate.wait()

    partner = await pair.start("partner", stands, relay_window=50)
    id = uuid4()
    await pair.lapse(partner, [id])
    await pair.lapse(partner, [id] * 8)
    gate.set()
    risk = await pair.start("risk")
    found = await pair.judge(partner, risk)
    assert sent > 2
    judged_as(found, broken, PUBLISHED, CAUSED)


async def goes_on(
    self: Recovery,
    db: Db,
    lease: Lease,
    here: tuple[int, int],
    partitions: int,
    published: int,
    offsets: dict[int, int],
) -> Resumed:
    await self._claim(db, lease, here, partitions)
    return Resumed(published, offsets)


@broken_or_not
async def test_the_incarnation_ignored_after_a_restore(
    pair: Pair, postgres: str, broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken:
        monkeypatch.setattr(Recovery, "_new_incarnation", goes_on)
    original, risk = await pair.start("partner"), await pair.start("risk")
    id = uuid4()
    await pair.lapse(original, [id] * 5)
    await pair.settle(original, risk)
    kept, asked = original.tuning, len(pair.ledger.asked)
    await original.stop()
    restored = await copied(postgres, pair.urls["partner"])
    try:
        original = await pair.start("partner")
        await pair.lapse(original, [id] * 5)  # after the dump, and published
        await pair.settle(original, risk)
        pair.lost = frozenset(await ids_of(pair.urls["partner"])) - frozenset(await ids_of(restored))
        assert len(pair.lost) == 5
        await original.stop()
        del pair.ledger.asked[asked:]  # nobody promised these to survive a restore
        pair.urls["partner"] = restored
        connection = await asyncpg.connect(restored)
        await declare_restore(connection)
        await connection.close()
        partner = await pair.start("partner", partitions=kept.partitions)
        await pair.lapse(partner, [id] * 5)
        judged_as(await pair.judge(partner, risk), broken, PUBLISHED, CAUSED)
        await partner.stop()
    finally:
        server = await asyncpg.connect(postgres)
        await server.execute(f"drop database {quoted(restored.rpartition('/')[2])} with (force)")
        await server.close()


async def copied(server: str, url: str) -> str:
    """The URL of a copy of the database as it is now."""
    name = url.rpartition("/")[2]
    copy = f"{name}_copy"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {quoted(copy)} template {quoted(name)} owner {quoted(name)}")
    await connection.close()
    return url.rpartition("/")[0] + f"/{copy}"


async def ids_of(url: str) -> list[UUID]:
    connection = await asyncpg.connect(url)
    try:
        return [row["id"] for row in await connection.fetch("select id from event")]
    finally:
        await connection.close()
