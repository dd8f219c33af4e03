"""A service's database: how its schema is made, and the settings that the guarantees rest on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import asyncpg
import structlog

from engine.store import Db, prepare

log = structlog.get_logger()


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
    meanwhile: others queue behind whoever waits to change a table.

    Raises ValueError for a schema that takes away what the release before, which runs meanwhile, relies on."""
    if taken := contracts(schema):
        raise ValueError(f"a migration only adds, because older processes run beside it: {'; '.join(taken)}")
    connection = await asyncpg.connect(url, server_settings={"transaction_timeout": "0"})
    try:
        await prepare(connection)
        while True:
            try:
                async with connection.transaction():
                    await connection.execute("select pg_advisory_xact_lock(1128355157, 2)")
                    await connection.execute("set local client_min_messages = warning")
                    await connection.execute("set local lock_timeout = '500ms'")
                    await connection.execute(schema)
                break
            except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
                log.info("migration_gives_way", error=repr(error))
                await asyncio.sleep(0.1)
        await then(connection)
    finally:
        await connection.close()


_TAKES_AWAY = re.compile(
    r"\b(drop|truncate|rename|alter\s+column|set\s+not\s+null"
    r"|add\s+column[^;,]*\bnot\s+null\b(?![^;,]*\bdefault\b)|add\s+constraint)\b[^;]{0,60}",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*")


def contracts(schema: str) -> list[str]:
    """The statements of a schema that would take something away, each by its beginning."""
    return [" ".join(found.group().split()) for found in _TAKES_AWAY.finditer(_COMMENT.sub("", schema))]


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
