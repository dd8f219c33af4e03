"""Personal data is sealed under its subject's key, and gone for good with it."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from engine.sealing import Erased, MasterKeys, Vault
from events.sealed import Sealed, is_sealed
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

Connection = asyncpg.Connection
ANA, BEN = UUID(int=1), UUID(int=2)
KEY_2024, KEY_2026 = b"4" * 32, b"6" * 32
VAULT = Vault(MasterKeys({"2024": KEY_2024}))


async def test_what_is_sealed_says_nothing_and_opens_to_what_it_was(db: Connection[Any]) -> None:
    sealed = await VAULT.seal(db, ANA, {"name": "Ana Sánchez", "email": "ana@example.org"})
    assert not any(word in text for text in sealed.values() for word in ("Ana", "example", "name"))
    assert all(is_sealed(text) and TypeAdapter(Sealed).validate_python(text) for text in sealed.values())
    assert await VAULT.open(db, "name", [sealed["name"]]) == ["Ana Sánchez"]
    assert await VAULT.open(db, "email", [sealed["email"]]) == ["ana@example.org"]


async def test_a_repeat_seals_to_the_same_and_nothing_else_does(db: Connection[Any]) -> None:
    once = await VAULT.seal(db, ANA, {"name": "Ana", "city": "Ana"})
    assert await VAULT.seal(db, ANA, {"name": "Ana", "city": "Ana"}) == once
    other = await VAULT.seal(db, BEN, {"name": "Ana"})
    secrets = {text.rsplit(".", 1)[1] for text in (*once.values(), *other.values())}
    assert len(secrets) == 3


async def test_an_erased_subject_is_unreadable_and_stays_so(db: Connection[Any]) -> None:
    ana, ben = await VAULT.seal(db, ANA, {"name": "Ana"}), await VAULT.seal(db, BEN, {"name": "Ben"})
    assert await VAULT.erase(db, ANA)
    assert await VAULT.open(db, "name", [ana["name"], ben["name"]]) == [None, "Ben"]
    assert await db.fetchval("select wrapped from subject_key where subject = $1", ANA) is None
    with pytest.raises(Erased, match=str(ANA)):
        await VAULT.seal(db, ANA, {"name": "Ana"})
    assert not await VAULT.erase(db, ANA), "it was erased before"


async def test_who_was_erased_before_anything_was_known_of_them_gets_no_key(db: Connection[Any]) -> None:
    assert await VAULT.erase(db, ANA)
    with pytest.raises(Erased):
        await VAULT.seal(db, ANA, {"name": "Ana"})


async def test_two_who_seal_for_one_subject_at_once_use_one_key(engine_database: str) -> None:
    one, other = await asyncpg.connect(engine_database), await asyncpg.connect(engine_database)
    try:
        async with one.transaction():
            first = await VAULT.seal(one, ANA, {"name": "Ana"})
        assert await VAULT.seal(other, ANA, {"name": "Ana"}) == first
        assert await VAULT.open(other, "name", first.values()) == ["Ana"]
    finally:
        await one.close()
        await other.close()


async def test_a_text_opens_only_as_the_field_that_it_was_sealed_as(db: Connection[Any]) -> None:
    sealed = await VAULT.seal(db, ANA, {"name": "Ana"})
    with pytest.raises(ValueError, match="not sealed as email"):
        await VAULT.open(db, "email", [sealed["name"]])


@pytest.mark.parametrize("text", ["Ana", "sealed.1.", f"sealed.1.{ANA}", f"sealed.1.{ANA}.%%", "sealed.1.ana.QUJD"])
async def test_what_was_never_sealed_is_said_so(db: Connection[Any], text: str) -> None:
    with pytest.raises(ValueError, match="not a sealed text"):
        await VAULT.open(db, "name", [text])
    with pytest.raises(ValidationError):
        TypeAdapter(Sealed).validate_python(text)


async def test_a_tampered_text_does_not_open(db: Connection[Any]) -> None:
    sealed = (await VAULT.seal(db, ANA, {"name": "Ana"}))["name"]
    changed = sealed[:-2] + ("AA" if not sealed.endswith("AA") else "BB")
    with pytest.raises(ValueError, match="not sealed as name"):
        await VAULT.open(db, "name", [changed])


async def test_the_database_alone_opens_nothing(db: Connection[Any]) -> None:
    sealed = await VAULT.seal(db, ANA, {"name": "Ana"})
    with pytest.raises(ValueError, match="another one"):
        await Vault(MasterKeys({"2024": b"x" * 32})).open(db, "name", sealed.values())
    with pytest.raises(LookupError, match="2024"):
        await Vault(MasterKeys({"2026": KEY_2026})).open(db, "name", sealed.values())


async def test_a_subjects_key_does_not_work_as_anothers(db: Connection[Any]) -> None:
    sealed = await VAULT.seal(db, ANA, {"name": "Ana"})
    await VAULT.seal(db, BEN, {"name": "Ben"})
    await db.execute(
        "update subject_key set wrapped = (select wrapped from subject_key where subject = $2) where subject = $1",
        ANA,
        BEN,
    )
    with pytest.raises(ValueError, match=str(ANA)):
        await VAULT.open(db, "name", sealed.values())


async def test_a_new_master_key_takes_over_and_the_old_one_may_go(db: Connection[Any]) -> None:
    sealed = [(await VAULT.seal(db, subject, {"name": "A"}))["name"] for subject in (ANA, BEN)]
    both = Vault(MasterKeys({"2026": KEY_2026, "2024": KEY_2024}))
    assert await both.open(db, "name", sealed) == ["A", "A"]
    await both.erase(db, BEN)
    assert await both.rewrap(db, limit=1) == 1
    assert await both.rewrap(db, limit=1) == 0
    assert await Vault(MasterKeys({"2026": KEY_2026})).open(db, "name", sealed) == ["A", None]


async def test_a_blind_index_finds_equals_and_outlives_a_change_of_the_master_key(db: Connection[Any]) -> None:
    ana = await VAULT.blind(db, "ana")
    assert ana == await VAULT.blind(db, "ana") != await VAULT.blind(db, "ben")
    await Vault(MasterKeys({"2026": KEY_2026, "2024": KEY_2024})).rewrap(db)
    assert await Vault(MasterKeys({"2026": KEY_2026})).blind(db, "ana") == ana


def test_master_keys_are_read_from_one_line() -> None:
    line = ", ".join(f"{n}={base64.b64encode(k).decode()}" for n, k in (("2026", KEY_2026), ("2024", KEY_2024)))
    assert MasterKeys.parse(line).newest == "2026"


@pytest.mark.parametrize("line", ["", "2026", "2026=short", "=QUJD", "2026=QUJD", "2026=%%%", "a=QUJD,a=QUJD"])
def test_a_line_that_holds_no_usable_keys_is_refused_without_repeating_it(line: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        MasterKeys.parse(line)
    assert "QUJD" not in str(refused.value)


@given(key=st.binary(min_size=64, max_size=64), subject=st.uuids())
@settings(deadline=None)
def test_a_wrapped_key_unwraps_to_what_it_was(key: bytes, subject: UUID) -> None:
    master = MasterKeys({"2026": KEY_2026})
    name, wrapped = master.wrap(key, subject)
    assert master.unwrap(name, wrapped, subject) == key
    assert key not in wrapped
