"""A service's database: how its schema is made, and the settings that the guarantees rest on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog

from engine.store import Db, prepare

log = structlog.get_logger()

ROLE_LIMITS = {"transaction_timeout": 2000, "idle_in_transaction_session_timeout": 2000}
"""What a service's role lives under, in milliseconds: no append stays open for longer, so none holds the relay back
longer."""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def create_owned_database(
    admin: asyncpg.Connection[Any], name: str, password: str, template: str | None = None
) -> bool:
    """A role and a database of one name, if absent, with a service's limits; the password is set anew.

    Whether the database is a new one. `admin` may make roles and databases.
    """
    role = quoted(name)
    if not await admin.fetchval("select true from pg_roles where rolname = $1", name):
        await admin.execute(f"create role {role} login")
    said = await admin.fetchval("select format('alter role %I password %L', $1::text, $2::text)", name, password)
    await admin.execute(said)
    for setting, value in ROLE_LIMITS.items():
        await admin.execute(f"alter role {role} set {setting} = {value}")
    if await admin.fetchval("select true from pg_database where datname = $1", name):
        return False
    from_template = f" template {quoted(template)}" if template else ""
    await admin.execute(f"create database {role} owner {role}{from_template}")
    await admin.execute(f"revoke all on database {role} from public")
    return True


async def missing_limits(db: Db) -> list[str]:
    """What a session of a service's role should have and has not, each as a sentence without its full stop."""
    found = []
    for name, most in ROLE_LIMITS.items():
        value = int(await db.fetchval("select setting from pg_settings where name = $1", name) or 0)
        if not 0 < value <= most:
            found.append(f"{name} is {value or 'unlimited'} and not {most} ms")
    return found


async def limit_own_role(db: Db) -> None:
    """A role may do so itself, where whoever made it did not: operators of databases cannot say it. One that has other
    limits keeps them."""
    [role] = await db.fetch("select rolsuper, rolconfig from pg_roles where rolname = current_user")
    told = {each.partition("=")[0] for each in role["rolconfig"] or ()}
    for setting, value in ROLE_LIMITS.items():
        if setting not in told and not role["rolsuper"]:
            await db.execute(f"alter role current_user set {setting} = {value}")


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
                    await limit_own_role(connection)
                break
            except (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError) as error:
                log.info("migration_gives_way", error=repr(error))
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
