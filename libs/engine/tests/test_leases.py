"""Leadership by time on the database's clock, proved by epoch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import asyncpg
import pytest
from engine.errors import Fenced
from engine.leases import Lease
from engine_writing import until
from structlog.testing import capture_logs

Connection = asyncpg.Connection


@pytest.fixture
async def pool(engine_database: str) -> AsyncIterator[asyncpg.Pool[Any]]:
    async with asyncpg.create_pool(engine_database, min_size=2, max_size=4) as pool:
        yield pool


async def expire(db: Connection[Any]) -> None:
    await db.execute("update lease set leased_until = clock_timestamp() - interval '1 ms'")


async def remaining(db: Connection[Any]) -> float:
    return float(await db.fetchval("select extract(epoch from leased_until - clock_timestamp()) from lease"))


async def test_a_lease_has_one_holder_until_it_runs_out(db: Connection[Any]) -> None:
    one, other = Lease("relay", "one", 30), Lease("relay", "other", 30)
    assert await one.acquire(db)
    assert not await other.acquire(db)
    assert (one.epoch, other.epoch) == (1, None)
    await expire(db)
    assert await other.acquire(db)
    assert other.epoch == 2
    assert not await one.acquire(db)
    assert one.epoch is None


async def test_its_holder_keeps_its_epoch_when_it_asks_again(db: Connection[Any]) -> None:
    lease = Lease("relay", "one", 30)
    for _ in range(3):
        assert await lease.acquire(db)
        assert lease.epoch == 1
    await expire(db)
    assert await lease.acquire(db)
    assert lease.epoch == 1  # nobody else had it


async def test_the_same_name_after_a_restart_is_another_holder(db: Connection[Any]) -> None:
    assert await Lease("relay", "one", 30).acquire(db)
    restarted = Lease("relay", "one", 30)
    assert not await restarted.acquire(db)
    await expire(db)
    assert await restarted.acquire(db)
    assert restarted.epoch == 2


async def test_of_many_who_ask_at_once_one_gets_it(pool: asyncpg.Pool[Any]) -> None:
    leases = [Lease("relay", str(n), 30) for n in range(12)]

    async def ask(lease: Lease) -> bool:
        async with pool.acquire() as db:
            return await lease.acquire(db)

    for round in range(3):
        assert sum(await asyncio.gather(*(ask(lease) for lease in leases))) == 1
        async with pool.acquire() as db:
            for lease in leases:
                await lease.release(db)
            assert await db.fetchval("select epoch from lease") == round + 1


async def test_leases_of_other_names_do_not_mind_each_other(db: Connection[Any]) -> None:
    assert await Lease("relay", "one", 30).acquire(db)
    assert await Lease("timers", "other", 30).acquire(db)


async def test_a_proof_renews_and_a_fenced_holder_cannot_give_one(db: Connection[Any]) -> None:
    one, other = Lease("relay", "one", 30), Lease("relay", "other", 30)
    await one.acquire(db)
    await expire(db)
    await one.prove(db)  # it ran out and nobody took it: it still holds
    assert await remaining(db) > 25
    await expire(db)
    await other.acquire(db)
    with pytest.raises(Fenced):
        await one.prove(db)
    assert one.epoch is None
    with pytest.raises(Fenced):
        await one.prove(db)
    await one.release(db)  # does not take it from the other
    assert not await one.acquire(db)


async def test_what_is_proved_in_a_transaction_holds_until_it_ends(pool: asyncpg.Pool[Any]) -> None:
    one, other = Lease("relay", "one", 0.05), Lease("relay", "other", 30)
    async with pool.acquire() as mine, pool.acquire() as theirs:
        await one.acquire(mine)
        async with mine.transaction():
            await one.prove(mine)
            await expire(mine)
            taking = asyncio.create_task(other.acquire(theirs))
            await asyncio.wait([taking], timeout=0.2)
            assert not taking.done()
        assert await taking


async def test_who_lost_a_lease_and_does_not_know_cannot_give_it_away(db: Connection[Any]) -> None:
    one, other = Lease("relay", "one", 30), Lease("relay", "other", 30)
    await one.acquire(db)
    await expire(db)
    await other.acquire(db)
    await one.release(db)
    assert not await one.acquire(db)
    await other.prove(db)


async def test_a_lease_taken_by_a_clock_that_was_ahead_does_not_last_until_then(db: Connection[Any]) -> None:
    gone, other = Lease("relay", "gone", 30), Lease("relay", "other", 30)
    await gone.acquire(db)
    await db.execute("update lease set leased_until = clock_timestamp() + interval '80 s'")
    assert not await other.acquire(db)  # somebody may take longer ones
    await db.execute("update lease set leased_until = clock_timestamp() + interval '1 h'")
    assert await other.acquire(db)
    with pytest.raises(Fenced):
        await gone.prove(db)


async def test_a_released_lease_is_free_at_once(db: Connection[Any]) -> None:
    one, other = Lease("relay", "one", 30), Lease("relay", "other", 30)
    await one.acquire(db)
    await one.release(db)
    assert one.epoch is None
    assert await other.acquire(db)


async def test_a_lease_is_kept_in_the_background_for_as_long_as_it_is_held(pool: asyncpg.Pool[Any]) -> None:
    one, other = Lease("relay", "one", 3), Lease("relay", "other", 30)
    async with pool.acquire() as db:
        await one.acquire(db)
        keeping = asyncio.create_task(one.keep(pool))
        try:
            for _ in range(2):
                seen = await db.fetchval("select leased_until from lease")

                async def renewed(seen: datetime = seen) -> bool:
                    assert not await other.acquire(db)
                    return bool(await db.fetchval("select leased_until from lease") > seen)

                await until(renewed, 3)
            with capture_logs() as logs:
                await expire(db)
                while not await other.acquire(db):  # the keeper may come first
                    await expire(db)
                await until(lambda: bool(logs), 5)
            assert [entry["event"] for entry in logs] == ["lease_lost"]
            assert not keeping.done()
            await other.release(db)
            assert await one.acquire(db)
        finally:
            keeping.cancel()


async def test_a_lease_taken_again_while_an_old_proof_fails_stays_taken(db: Connection[Any]) -> None:
    one, other = Lease("relay", "one", 30), Lease("relay", "other", 30)
    await one.acquire(db)
    await expire(db)
    await other.acquire(db)
    await other.release(db)

    class Slow:
        """A connection whose answer comes after the lease was taken again."""

        async def execute(self, *args: Any) -> str:
            status = str(await db.execute(*args))
            assert await one.acquire(db)
            return status

    with pytest.raises(Fenced):
        await one.prove(Slow())  # type: ignore[arg-type]
    assert one.epoch == 3
