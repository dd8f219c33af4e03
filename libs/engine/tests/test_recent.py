"""What a process remembers of aggregates: it spares reading them, and nobody is ever told anything that is not so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from conftest import MakeEngine
from engine import Rejected, Send
from engine.errors import Conflict, VersionNeeded
from engine.recent import LIMIT, Recent
from engine.runtime import Engine
from engine.store import Store
from engine_example import Note, Open, Reinstate, Suspend, partners, partners_view
from engine_writing import ME, opened


@pytest.fixture
async def here(make_engine: MakeEngine) -> Engine:
    return await make_engine(role="api", views=[partners_view])


@pytest.fixture
async def elsewhere(make_engine: MakeEngine) -> Engine:
    return await make_engine(role="api", views=[partners_view])


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[set[str]]:
    """The streams of each load."""
    seen: list[set[str]] = []
    real = Store._load_many

    async def load(store: Store, db: Any, wanted: Mapping[str, Any]) -> Any:
        if wanted:
            seen.append(set(wanted))
        return await real(store, db, wanted)

    monkeypatch.setattr(Store, "_load_many", load)
    return seen


async def test_an_aggregate_that_was_appended_to_is_not_read_again(here: Engine, loads: list[set[str]]) -> None:
    id = uuid4()
    await here.handle(Send(partners, id, Open(partner_id=id)), ME)
    assert loads == [{partners.stream(id)}]
    for n in range(45):
        receipt = await here.handle(Send(partners, id, Note(text=str(n))), ME)
        assert receipt.version == n + 2
    assert len(loads) == 1
    snapshots = "select snapshot_version from stream where id = $1"
    assert await here.pool.fetchval(snapshots, partners.stream(id)) == 40  # they are kept as ever


async def test_what_is_to_be_created_is_not_looked_for(here: Engine, loads: list[set[str]]) -> None:
    id = uuid4()
    create = Send(partners, id, Open(partner_id=id))
    assert (await here.handle(create, ME, only_creates=True)).version == 1
    assert loads == []
    await here.handle(Send(partners, id, Note(text="x")), ME)
    other = uuid4()
    await here.handle_many([Send(partners, other, Open(partner_id=other))], ME)
    with pytest.raises(VersionNeeded):
        await here.handle(Send(partners, other, Note(text="x")), ME, only_creates=True)


async def test_what_another_process_appended_is_seen(here: Engine, elsewhere: Engine) -> None:
    [id] = await opened(here, 1)
    cause = uuid4()
    await elsewhere.handle(Send(partners, id, Suspend(cause_id=cause)), ME)
    assert (await here.handle(Send(partners, id, Reinstate(cause_id=cause)), ME)).version == 3
    assert (await elsewhere.handle(Send(partners, id, Note(text="x")), ME)).version == 4
    assert (await here.handle(Send(partners, id, Note(text="y")), ME)).version == 5
    loaded = [await engine.load(partners, id) for engine in (here, elsewhere)]
    assert loaded[0] == loaded[1]


async def test_no_refusal_and_no_nothing_to_do_is_from_memory(here: Engine, elsewhere: Engine) -> None:
    [id] = await opened(here, 1)
    cause = uuid4()
    await here.handle(Send(partners, id, Suspend(cause_id=cause)), ME)
    await elsewhere.handle(Send(partners, id, Reinstate(cause_id=cause)), ME)
    again = await here.handle(Send(partners, id, Suspend(cause_id=cause)), ME)
    assert (again.version, again.events) == (4, ("cauce.partner.PartnerSuspended.v1",))
    await elsewhere.handle(Send(partners, id, Reinstate(cause_id=cause)), ME)
    with pytest.raises(Rejected, match=r"partner\.cause_unknown"):
        await here.handle(Send(partners, id, Reinstate(cause_id=cause)), ME)


async def test_the_version_that_a_caller_expects_is_held_against_the_store(here: Engine, elsewhere: Engine) -> None:
    [id] = await opened(here, 1)
    await elsewhere.handle(Send(partners, id, Note(text="x")), ME)
    with pytest.raises(Conflict):
        await here.handle(Send(partners, id, Note(text="y")), ME, expected_version=1)
    assert (await here.handle(Send(partners, id, Note(text="y")), ME, expected_version=2)).version == 3


async def test_a_store_that_went_back_and_on_another_way_is_read_anew(here: Engine, elsewhere: Engine) -> None:
    """As after a restore: the version is the same, and what happened is not. It ends every connection."""
    [id] = await opened(here, 1)
    cause, other = uuid4(), uuid4()
    await here.handle(Send(partners, id, Suspend(cause_id=cause)), ME)
    stream = partners.stream(id)
    await elsewhere.pool.execute("delete from event where stream = $1 and version = 2", stream)
    await elsewhere.pool.execute("update stream set version = 1, snapshot = null where id = $1", stream)
    await elsewhere.handle(Send(partners, id, Suspend(cause_id=other)), ME)
    await elsewhere.pool.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid()"
    )
    receipt = await here.handle(Send(partners, id, Reinstate(cause_id=other)), ME, command_id=uuid4())
    assert receipt.version == 3
    with pytest.raises(Rejected, match=r"partner\.cause_unknown"):
        await here.handle(Send(partners, id, Reinstate(cause_id=cause)), ME)


def test_what_is_taken_and_not_committed_is_forgotten() -> None:
    recent: Recent[int] = Recent()
    first = recent.taking()
    first.after = {"a": 1, "b": 2}
    first.committed()
    assert recent.taking().take(["a", "c"]) == {"a": 1}
    assert recent.taking().take(["a", "b"]) == {"b": 2}


def test_what_was_taken_before_a_new_connection_does_not_come_back() -> None:
    recent: Recent[int] = Recent()
    taking = recent.taking()
    taking.after = {"a": 1}
    recent.clear()
    taking.committed()
    assert recent.taking().take(["a"]) == {}


def test_of_many_those_of_late_are_remembered() -> None:
    recent: Recent[int] = Recent()
    for n in range(LIMIT + 5):
        taking = recent.taking()
        taking.after = {str(n): n}
        taking.committed()
    assert recent.taking().take(map(str, range(LIMIT + 5))).keys() == {str(n) for n in range(5, LIMIT + 5)}
