"""`cauce database`, on a real Postgres: it makes role and database with their limits, and says what is missing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from devstack.fixtures import drop_owned_database
from devstack.postgres import with_database
from service import cli
from typer.testing import CliRunner, Result

Cauce = Callable[..., Result]
PASSWORD = 'it\'s 100% "secret"/@'


@pytest.fixture
def cauce(monkeypatch: pytest.MonkeyPatch, postgres: str) -> Cauce:
    monkeypatch.setenv("CAUCE_POSTGRES_ADMIN_URL", postgres)
    monkeypatch.delenv("CAUCE_POSTGRES_URL", raising=False)
    monkeypatch.setattr(cli.out, "_width", 220)
    monkeypatch.setattr(cli.err, "_width", 220)

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli.app, ["database", *words], catch_exceptions=False)

    return call


async def run(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for each in statements:
            found = await connection.fetchval(each)
        return found
    finally:
        await connection.close()


@pytest.fixture
def url(postgres: str) -> Iterator[str]:
    """The address that a service is to have, of what is not there yet."""
    name = f"t_{secrets.token_hex(6)}"

    async def drop() -> None:
        connection = await asyncpg.connect(postgres)
        try:
            await drop_owned_database(connection, name)
        finally:
            await connection.close()

    yield with_database(postgres, name, name, PASSWORD)
    asyncio.run(drop())


def test_a_service_gets_a_role_with_limits_and_a_database_that_no_other_role_may_enter(
    cauce: Cauce, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", url)
    name = url.rpartition("/")[2]
    made = cauce()
    assert (made.exit_code, made.stdout.strip()) == (0, f"{name}: made.")
    assert cauce().stdout.strip() == f"{name}: was there; its password and limits are set."
    assert asyncio.run(run(url, "show transaction_timeout")) == "2s"
    owner = "select pg_get_userbyid(datdba) from pg_database where datname = current_database()"
    assert asyncio.run(run(url, owner)) == name
    assert not asyncio.run(run(url, "select has_database_privilege('public', current_database(), 'connect')"))
    assert (cauce("--check").exit_code, cauce("--check").stdout.strip()) == (0, f"{name}: as it should be.")


def test_a_role_that_lost_its_limits_is_said(cauce: Cauce, url: str, postgres: str, tmp_path: Path) -> None:
    file = tmp_path / "CAUCE_POSTGRES_URL"
    file.write_text(f"{url}\n")
    name = url.rpartition("/")[2]
    assert cauce(str(file)).exit_code == 0
    asyncio.run(run(postgres, f"alter role {name} reset transaction_timeout"))
    looked = cauce(str(file), "--check")
    assert looked.exit_code == 1
    assert looked.stdout.strip() == f"{name}: transaction_timeout is unlimited and not 2000 ms."
    assert "cauce database sets them" in looked.stderr
    assert cauce(str(file)).exit_code == 0
    assert cauce(str(file), "--check").exit_code == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("postgresql://db/lending", "has to name a role, its password and a database"),
        ("postgresql://a:secret@db/b", "names the role a and the database b; they have to be of one name."),
    ],
    ids=["no-role", "two-names"],
)
def test_an_address_that_says_too_little_is_a_sentence_without_the_password(
    cauce: Cauce, monkeypatch: pytest.MonkeyPatch, given: str, sentence: str
) -> None:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", given)
    result = cauce()
    assert result.exit_code == 2
    assert result.stderr.startswith("CAUCE_POSTGRES_URL")
    assert sentence in result.stderr
    assert "secret@db" not in result.stderr.replace("a:secret@host", "")


def test_a_database_that_is_not_there_yet_and_a_password_that_is_wrong_are_sentences(
    cauce: Cauce, url: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAUCE_POSTGRES_URL", url)
    looked = cauce("--check")
    assert looked.exit_code == 1
    assert looked.stderr.startswith("Postgres refuses it: password authentication failed")
    cauce()
    monkeypatch.setenv("CAUCE_POSTGRES_ADMIN_URL", url)
    monkeypatch.setenv("CAUCE_POSTGRES_URL", url.replace(quote(PASSWORD, safe=""), "another").replace("/t_", "/x_", 1))
    assert cauce().exit_code == 2


def test_files_that_cannot_be_read_and_a_missing_administrator_are_sentences(
    cauce: Cauce, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent"
    assert cauce(str(absent)).stderr.strip() == f"{absent} cannot be read: No such file or directory."
    monkeypatch.delenv("CAUCE_POSTGRES_ADMIN_URL")
    monkeypatch.setenv("CAUCE_POSTGRES_URL", "postgresql://a:secret@db/a")
    assert cauce().stderr.startswith("CAUCE_POSTGRES_ADMIN_URL is not set; it is the address of the same server")
