"""A service's database: how its schema is made, and the settings that the guarantees rest on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from engine.store import Db, prepare


async def open_pool(
    url: str,
    service: str,
    *,
    size: int,
    transaction_seconds: float,
    connected: Callable[[asyncpg.Connection[Any]], Coroutine[Any, Any, None]],
) -> asyncpg.Pool[Any]:
    """Connections whose transactions end by themselves, so that none holds up the others for long."""
    milliseconds = str(int(transaction_seconds * 1000))
    pool: asyncpg.Pool[Any] = await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=size,
        init=connected,
        reset=_no_reset,
        timeout=10,
        command_timeout=30,
        server_settings={
            "application_name": f"cauce-{service}",
            "transaction_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
        },
    )
    return pool


async def migrate(url: str, schema: str, then: Callable[[asyncpg.Connection[Any]], Awaitable[None]]) -> None:
    """Safe to repeat, and to run twice at once. Gives way, and tries again, where it gets in the way of what runs
    meanwhile."""
    connection = await asyncpg.connect(url, server_settings={"transaction_timeout": "0"})
    try:
        await prepare(connection)
        while True:
            try:
                async with connection.transaction():
                    await connection.execute("select pg_advisory_xact_lock(1128355157, 2)")
                    await connection.execute("set local client_min_messages = warning")
                    await connection.execute(schema)
                break
            except asyncpg.DeadlockDetectedError:
                await asyncio.sleep(0.1)
        await then(connection)
    finally:
        await connection.close()


async def note_migrated(url: str, made: str) -> None:
    async with _connected(url) as connection:
        await connection.execute(
            "insert into migration (made) values ($1) on conflict (made) do update set at = clock_timestamp()", made
        )


async def is_migrated(url: str, made: str) -> bool:
    """Whether that was noted. Where there is no database yet, or none that lets us in, it was not."""
    try:
        async with _connected(url) as connection:
            return bool(await connection.fetchval("select exists (select from migration where made = $1)", made))
    except (
        asyncpg.UndefinedTableError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.InvalidAuthorizationSpecificationError,
    ):
        return False


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def assert_settings(db: Db) -> None:
    """Raises RuntimeError with what to change."""
    wrong = []
    if await db.fetchval("show synchronous_commit") == "off":
        wrong.append("synchronous_commit is off")
    if await db.fetchval("show default_transaction_isolation") != "read committed":
        wrong.append("default_transaction_isolation is not 'read committed'")
    cache = await db.fetchval(
        "select seqcache from pg_sequence where seqrelid = pg_get_serial_sequence('event', 'position')::regclass"
    )
    if cache != 1:
        wrong.append(f"event.position has CACHE {cache}, which hands out positions out of order: set it to 1")
    if wrong:
        raise RuntimeError("the database is not set up for this: " + "; ".join(wrong))


async def _no_reset(connection: asyncpg.Connection[Any]) -> None:
    """Nothing is set on a session, so that nothing has to be reset: that would be a round trip a command."""
