"""Which types of events may be written: those that everybody who may come to read the store can read (ADR 14).

A release that has a new type reads it from the start and does not write it until it is admitted, which is for a person
to say: from then on no release that cannot read it starts on this store.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from engine.decider import Codec
from engine.errors import TooOld
from engine.store import LOCK, Db

log = structlog.get_logger()

ALIVE_SECONDS = 10.0
"""A process not heard of for so long is gone; if it was only asleep, its appends fail on the view epoch."""


class StillRead(Exception):
    """Processes run that cannot read what was to be admitted."""


async def begin(db: Db, codec: Codec) -> None:
    """A store that has admitted nothing yet admits all that its first release knows."""
    await db.execute(
        "insert into admitted_type (type) select unnest($1::text[]) where not exists (select from admitted_type)"
        " on conflict do nothing",
        sorted(codec.reads),
    )


async def admitted(db: Db, codec: Codec) -> frozenset[str]:
    """Raises TooOld where there are types that this code cannot read and a later release may have written."""
    rows = await db.fetch("select type, since from admitted_type")
    unknown = [row["type"] for row in rows if row["since"] is not None and row["type"] not in codec.reads]
    if unknown:
        raise TooOld(
            f"this release cannot read {', '.join(sorted(unknown))}, which a later one was allowed to write:"
            " start that, or one after it (docs/operations.md#roll-back)"
        )
    return frozenset(row["type"] for row in rows)


def waiting(codec: Codec, types: Iterable[str]) -> list[str]:
    """What this code would write and may not."""
    return sorted(codec.writes - set(types))


async def admit(db: Db, codec: Codec) -> list[str]:
    """Admits all types that this code writes; returns those that are new. Raises StillRead."""
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock($1, $2)", *LOCK)  # no append is open, nobody registers
        new = waiting(codec, await admitted(db, codec))
        if not new:
            return []
        deaf = await db.fetchval(
            "select count(*) from pod where not reads @> $1::text[]"
            " and seen_at > clock_timestamp() - make_interval(secs => $2)",
            new,
            ALIVE_SECONDS,
        )
        if deaf:
            raise StillRead(
                f"{deaf} running processes cannot read {', '.join(new)}: end the rollout first; one that was killed"
                f" counts for {ALIVE_SECONDS:.0f} s"
            )
        await db.execute(
            "insert into admitted_type (type, since)"
            " select unnest($1::text[]), (select coalesce(max(position), 0) from event)",
            new,
        )
        await db.execute("update store set view_epoch = view_epoch + 1")  # so that each process hears of it
    log.info("types_admitted", types=new)
    return new
