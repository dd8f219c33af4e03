"""Migrating: by many at once, on nothing at all, and how others learn that it was done."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import engine_example as example
import pytest
from devstack.postgres import with_database
from engine import View
from engine.database import ROLE_LIMITS, missing_limits
from engine.kafka import find_topic
from engine.runtime import Engine, Tuning

AT_ONCE = 12


def engine_of(database: str, kafka: str, prefix: str, version: int = 1) -> Engine:
    """partner, which keeps a view and hears itself."""
    view = View("heard", version, example.heard_view.tables, example.hear, source="partner")
    return Engine(
        "partner",
        postgres_url=database,
        kafka_bootstrap=kafka,
        topic_prefix=prefix,
        deciders=[example.partners],
        views=[view],
        policies=[],
        tuning=Tuning(partitions=3),
    )


async def test_many_may_migrate_an_empty_database_at_once_and_it_is_done_once(
    database: str, kafka: str, topic_prefix: str
) -> None:
    engines = [engine_of(database, kafka, topic_prefix) for _ in range(AT_ONCE)]
    assert not await engines[0].migrated()
    await asyncio.gather(*(engine.migrate() for engine in engines))
    assert await engines[0].migrated()
    found = await find_topic(kafka, f"{topic_prefix}partner.events")
    assert found is not None
    assert found.partitions == 3
    await engines[0].start()
    try:
        async with engines[0].acquire() as db:
            builds: list[Any] = await db.fetch("select name, version from view_build")
    finally:
        await engines[0].stop()
    assert [(build["name"], build["version"]) for build in builds] == [("heard", 1)]


async def test_a_release_with_another_view_waits_for_its_own_migration_and_the_one_before_it_does_not(
    database: str, kafka: str, topic_prefix: str
) -> None:
    old, new = (engine_of(database, kafka, topic_prefix, version) for version in (1, 2))
    await old.migrate()
    assert await old.migrated()
    assert not await new.migrated()
    await new.migrate()
    assert await new.migrated()
    assert await old.migrated()


@pytest.mark.parametrize("login", [None, "nobody_yet"], ids=["no database", "no role"])
async def test_where_database_or_role_are_still_to_be_made_nothing_is_migrated(
    database: str, kafka: str, topic_prefix: str, login: str | None
) -> None:
    nowhere = with_database(database, "nothing_yet", login)
    assert not await engine_of(nowhere, kafka, topic_prefix).migrated()


async def test_a_role_that_was_made_without_limits_gives_them_to_itself(
    database: str, kafka: str, topic_prefix: str
) -> None:
    async def limits(*, reset: bool = False) -> list[str]:
        connection = await asyncpg.connect(database)
        try:
            missing = await missing_limits(connection)
            if reset:
                await connection.execute("alter role current_user reset all")
            return missing
        finally:
            await connection.close()

    assert await limits(reset=True) == []
    assert len(await limits()) == len(ROLE_LIMITS)
    await engine_of(database, kafka, topic_prefix).migrate()
    assert await limits() == []
