"""What the sample takes on disk: `python -m bench.storage`, after `make run EXIT=1` in the same folder.

Prints the tables of docs/scaling.md: bytes an event in Postgres, with its indexes and all that is kept beside it, and
bytes a record in Kafka. It looks at the data that the run left in `.devstack`, and starts no service.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import orjson
from devstack import place, ports
from devstack.postgres import Postgres, with_database
from devstack.services import SERVICES
from devstack.trouble import Trouble

_SIZES = """
select case when relname = any ('{event,stream,command}') then relname
            when relname = any (select unnest(tables) from view_build) then 'views' else 'others' end as part,
       sum(pg_table_size(oid)) as rows, sum(pg_indexes_size(oid)) as indexes
from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace group by 1
"""
_COUNTS = "select (select count(*) from event) as events, (select topic_offsets::text from store) as sent"


@dataclass(frozen=True)
class Stored:
    """A service: bytes by part, as (rows, indexes); `records` on its topic, and the bytes of these and of its
    states."""

    name: str
    events: int
    parts: dict[str, tuple[int, int]]
    records: int
    topic: int
    states: int

    @property
    def database(self) -> int:
        return sum(rows + indexes for rows, indexes in self.parts.values())


async def stored(postgres: str, kafka: Path, service: str) -> Stored:
    connection = await asyncpg.connect(with_database(postgres, service))
    try:
        counts = await connection.fetchrow(_COUNTS)
        sizes = await connection.fetch(_SIZES)
    finally:
        await connection.close()
    assert counts is not None  # noqa: S101 - counts always have a row
    return Stored(
        service,
        counts["events"],
        {row["part"]: (int(row["rows"]), int(row["indexes"])) for row in sizes},
        sum(orjson.loads(counts["sent"]).values()),
        segments(kafka, f"{service}.events"),
        segments(kafka, f"{service}.state"),
    )


def segments(kafka: Path, topic: str) -> int:
    """Bytes of a topic's records; indexes, which Kafka makes large beforehand, are left out."""
    return sum(path.stat().st_size for path in kafka.glob(f"{topic}-*/*.log"))


def page(found: list[Stored]) -> Iterator[str]:
    yield "| bytes an event | events | rows | indexes | streams, snapshots | command ids | views | others | all |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for each in [*found, total(found)]:
        rows, indexes = each.parts["event"]
        beside = [sum(each.parts.get(part, (0, 0))) for part in ("stream", "command", "views", "others")]
        cells = [rows, indexes, *beside, each.database]
        yield f"| {each.name} | {each.events:,} | " + " | ".join(f"{n / each.events:,.0f}" for n in cells) + " |"
    yield ""
    yield "| topic | records | bytes a record | state topic, kB |"
    yield "|---|---:|---:|---:|"
    for each in [*found, total(found)]:
        record = each.topic / each.records if each.records else 0
        yield f"| {each.name} | {each.records:,} | {record:,.0f} | {each.states / 1000:,.0f} |"


def total(found: list[Stored]) -> Stored:
    parts = {part for each in found for part in each.parts}
    sums = {
        part: (
            sum(each.parts.get(part, (0, 0))[0] for each in found),
            sum(each.parts.get(part, (0, 0))[1] for each in found),
        )
        for part in parts
    }
    return Stored(
        "all",
        sum(each.events for each in found),
        sums,
        sum(each.records for each in found),
        sum(each.topic for each in found),
        sum(each.states for each in found),
    )


async def measured(kept: Path) -> list[Stored]:
    """Raises Trouble where there is nothing to look at."""
    data = kept / "postgres"
    server = Postgres(data, ports.free()[0], log=kept / "storage.log")
    if not server.initialised:
        raise Trouble(f"there is no {data}: `make run EXIT=1` loads the sample first")
    if (data / "postmaster.pid").exists():
        raise Trouble("`make run` is running here, or was killed: `make stop`, or run it once more, and then this")
    await asyncio.to_thread(server.start)
    try:
        return [await stored(server.url(), kept / "kafka", each.name) for each in SERVICES]
    finally:
        await asyncio.to_thread(server.stop)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.storage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    try:
        found = asyncio.run(measured(place.kept()))
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 1
    print(*page(found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
