"""The databases of services: made with their roles, and looked at, where an operator says so."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from engine.database import create_owned_database, missing_limits

from service.client import Failed
from service.settings import Administration, InvalidSettings, OwnDatabase


@dataclass(frozen=True)
class Database:
    """One service's, by its address."""

    url: str
    name: str
    password: str

    async def make(self) -> bool:
        """Whether it is a new one. Raises Failed, InvalidSettings."""
        async with _connected(Administration().postgres_admin_url) as admin:
            return await create_owned_database(admin, self.name, self.password)

    async def missing(self) -> list[str]:
        """The limits that its role lacks. Raises Failed."""
        async with _connected(self.url) as db:
            return await missing_limits(db)


def asked(files: Sequence[Path]) -> list[Database]:
    """Those whose addresses the files hold; without files, the one of CAUCE_POSTGRES_URL. Raises InvalidSettings."""
    if not files:
        return [parsed(OwnDatabase().postgres_url, "CAUCE_POSTGRES_URL")]
    try:
        return [parsed(file.read_text().strip(), str(file)) for file in files]
    except OSError as error:
        raise InvalidSettings(f"{error.filename} cannot be read: {error.strerror}.") from None


def parsed(url: str, where: str) -> Database:
    """Raises InvalidSettings, which does not repeat the password."""
    parts = urlsplit(url)
    name, role = unquote(parts.path.removeprefix("/")), unquote(parts.username or "")
    if not (name and role and parts.password):
        raise InvalidSettings(f"{where} has to name a role, its password and a database: postgresql://a:secret@host/a.")
    if name != role:
        raise InvalidSettings(f"{where} names the role {role} and the database {name}; they have to be of one name.")
    return Database(url, name, unquote(parts.password))


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InsufficientPrivilegeError) as error:
        raise Failed(f"Postgres refuses it: {error}. Check who the address names, and what they may do.") from None
    except asyncpg.InvalidCatalogNameError as error:
        raise Failed(f"Postgres refuses it: {error}. Make it with cauce database.") from None
