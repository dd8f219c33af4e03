"""Leadership on the database's clock. A lease has an epoch; whoever acts under it proves that in its transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import structlog

from engine.errors import Fenced, passes
from engine.store import Db

log = structlog.get_logger()


@dataclass(frozen=True)
class Holder:
    """Who holds a lease, or held it last: host/pid/process."""

    lease: str
    holder: str | None
    epoch: int
    until: datetime
    held: bool


async def holders(db: Db) -> list[Holder]:
    rows = await db.fetch(
        "select name as lease, holder, epoch, greatest(leased_until, 'epoch') as until,"
        " leased_until > clock_timestamp() as held from lease order by name"
    )
    return [Holder(**row) for row in rows]


class Lease:
    """One named lease as one process sees it. `epoch` is None while another process holds it."""

    def __init__(self, name: str, holder: str, seconds: float) -> None:
        self.name = name
        self._holder = holder
        self.seconds = seconds
        self.epoch: int | None = None

    async def acquire(self, db: Db) -> bool:
        """Takes the lease if it is free, keeps it if it is ours. A new epoch with every change of holder.

        A lease that runs for longer than anybody takes one was taken before the clock stepped back: it is free."""
        await db.execute("insert into lease (name) values ($1) on conflict do nothing", self.name)
        epoch = await db.fetchval(
            "update lease set epoch = epoch + case when holder = $2 and epoch = $4 then 0 else 1 end, holder = $2,"
            " leased_until = clock_timestamp() + make_interval(secs => $3)"
            " where name = $1 and (leased_until < clock_timestamp() or (holder = $2 and epoch = $4)"
            " or leased_until > clock_timestamp() + make_interval(secs => $3 * 3)) returning epoch",
            self.name,
            self._holder,
            self.seconds,
            self.epoch if self.epoch is not None else -1,
        )
        self.epoch = epoch
        return epoch is not None

    async def prove(self, db: Db) -> None:
        """Locks the lease row for this transaction and renews it; raises Fenced if somebody else took it."""
        epoch = self.epoch
        status = await db.execute(
            "update lease set leased_until = clock_timestamp() + make_interval(secs => $3)"
            " where name = $1 and epoch = $2",
            self.name,
            epoch if epoch is not None else -1,
            self.seconds,
        )
        if status != "UPDATE 1":
            if self.epoch == epoch:  # else it was taken again meanwhile
                self.epoch = None
            raise Fenced(f"lease {self.name} is held by another process")

    async def release(self, db: Db) -> None:
        if self.epoch is not None:
            await db.execute(
                "update lease set leased_until = '-infinity' where name = $1 and epoch = $2", self.name, self.epoch
            )
            self.epoch = None

    async def keep(self, pool: asyncpg.Pool[Any]) -> None:
        """Renews in the background for as long as it is ours, so that a long task does not lose it."""
        while True:
            await asyncio.sleep(self.seconds / 3)
            if self.epoch is None:
                continue
            try:
                async with pool.acquire() as db:
                    await self.prove(db)
            except Fenced:
                log.warning("lease_lost", lease=self.name)
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("lease_not_renewed", lease=self.name, error=repr(error))
