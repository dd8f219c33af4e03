"""The kit on the real engine, Postgres and Kafka."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from types import ModuleType
from uuid import uuid4

import pytest
from engine import Policy, Send, Table, View
from service import cli, create_app
from typer.testing import CliRunner

KEPT = Table("loans", "loan_id uuid primary key, amount numeric not null")


def project(fact):
    if fact.version == 1:
        yield KEPT.insert(loan_id=fact.stream_id, amount=fact.event.amount)


@pytest.fixture
def make_real(lending, settings, database, kafka, topic_prefix):
    def react(fact):
        if fact.version == 1 and fact.event.amount < 10:
            yield Send(lending.loans, fact.stream_id, lending.Approve(by="policy"))

    def make(**values):
        return create_app(
            "lending",
            settings(postgres_url=database, kafka_bootstrap=kafka, topic_prefix=topic_prefix, **values),
            routes=[lending.routes()],
            deciders=[lending.loans],
            views=[View("loans", 1, (KEPT,), project, inline=True)],
            policies=[Policy("small_loans", "lending", react)],
        )

    return make


@pytest.fixture
async def real(make_real):
    app = make_real()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        yield app


async def until(condition, seconds=20):
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - over HTTP there is no event
            await asyncio.sleep(0.02)


async def test_a_command_goes_from_the_wire_to_the_log_and_its_consequence_can_be_waited_for(real, connect, issuer):
    client = connect(real)

    async def ready():
        return (await client.get("/readyz")).status_code == 200

    await until(ready)
    receipt = (await client.post("/loans", json={"amount": "5"})).json()
    path = f"/subscriptions/lending.small_loans/handled?position={receipt['position']}&wait=20"
    assert (await client.get(path)).json() == {"reached": True}
    first, second = (await client.get(f"/loans/{receipt['id']}/history")).json()["items"]
    assert (first["actor"], first["causation_id"]) == ("ana", None)
    assert (second["type"], second["causation_id"]) == ("cauce.lending.LoanApproved.v1", first["event_id"])
    assert second["correlation_id"] == first["correlation_id"]
    shown = (await client.get(f"/streams/loan/{receipt['id']}")).json()
    assert (shown["version"], shown["state"]) == (2, {"amount": "5", "approved_by": "policy"})
    published = f"/log/published?position={receipt['position']}&wait=20"
    assert (await client.get(published)).json() == {"reached": True}
    assert [s["name"] for s in (await client.get("/subscriptions")).json()["items"]] == ["lending.small_loans"]
    assert 'route="/loans"' in (await client.get("/metrics")).text


async def test_repeats_versions_and_lost_races_are_the_stores_own(real, connect):
    client = connect(real)
    headers = {"Idempotency-Key": "a"}
    answers = await asyncio.gather(*(client.post("/loans", json={"amount": "50"}, headers=headers) for _ in range(5)))
    # Those that came while the first was being handled are told so, and get its answer later.
    assert {a.json().get("code", a.status_code) for a in answers} <= {201, "request_in_flight"}
    answers = [await client.post("/loans", json={"amount": "50"}, headers=headers) for _ in range(2)]
    assert {a.status_code for a in answers} == {201}
    assert len({a.text for a in answers}) == 1
    id = answers[0].json()["id"]
    for etag, status in (('"9"', 412), ('"1"', 201)):
        answer = await client.post(f"/loans/{id}/approvals", json={"by": "eva"}, headers={"If-Match": etag})
        assert answer.status_code == status, answer.text
    refused = [await client.post("/loans", json={"amount": "1001"}, headers={"Idempotency-Key": "b"}) for _ in range(2)]
    assert [(a.status_code, a.json()["highest"]) for a in refused] == [(409, "1000.00")] * 2
    many = await client.post("/loans/bulk", json=[{"amount": "50"}, {"amount": "1001"}])
    assert many.json() == [{"version": 1}, {"refused": "lending.amount_too_high"}]


async def test_what_is_unknown_to_the_engine_is_a_404(real, connect):
    client = connect(real)
    assert (await client.get("/subscriptions/nobody/handled")).json()["code"] == "lending.subscription_unknown"
    assert (await client.get(f"/loans/{uuid4()}/history")).json()["code"] == "lending.loan_unknown"
    path = f"/parked-streams/nobody/loan-{uuid4()}/retry"
    assert (await client.post(path)).json()["code"] == "lending.parked_stream_unknown"


async def test_a_database_that_goes_away_is_a_503(real, connect):
    client = connect(real)
    await real.state.engine.pool.close()
    answer = await client.post("/loans", json={"amount": "50"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.fixture
def cauce(make_real, monkeypatch, database, kafka):
    package, module = ModuleType("lending"), ModuleType("lending.app")
    module.app = lambda: make_real(role="api", log_level="error")
    monkeypatch.setitem(sys.modules, "lending", package)
    monkeypatch.setitem(sys.modules, "lending.app", module)
    monkeypatch.setattr(cli.out, "_width", 200)
    for name, value in (("POSTGRES_URL", database), ("KAFKA_BOOTSTRAP", kafka)):
        monkeypatch.setenv(f"CAUCE_{name}", value)

    async def call(*words, code=0):
        result = await asyncio.to_thread(CliRunner().invoke, cli.app, words)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


async def test_the_command_line_migrates_again_and_again_and_tells_of_it(cauce):
    for _ in range(2):
        assert "the database and the topics are ready" in await cauce("migrate", "lending")
    assert "the database and the topics are ready" in await cauce("migrate", "lending", "--check")
    assert "no type of event newly admitted" in await cauce("migrate", "lending", "--admit")


async def test_what_a_later_release_brings_is_admitted_from_the_command_line(real, cauce):
    engine = real.state.engine
    types = sorted(engine.store.codec.writes)
    async with engine.acquire() as db:
        await db.execute("delete from admitted_type where type = $1", types[0])
        await db.execute("update pod set reads = array_remove(reads, $1)", types[0])
        assert f"1 running processes cannot read {types[0]}" in await cauce("migrate", "lending", "--admit", code=1)
        await db.execute("update pod set reads = $1", types)
    assert f"{types[0]} newly admitted" in await cauce("migrate", "lending", "--admit")


async def test_the_command_line_shows_a_stream_and_rebuilds_a_view_while_the_service_runs(real, connect, cauce):
    client = connect(real)
    ids = [(await client.post("/loans", json={"amount": "50"})).json()["id"] for _ in range(20)]
    assert '"amount": "50"' in await cauce("stream", "lending", f"loan-{ids[0]}")
    async with real.state.engine.acquire() as db:
        await db.execute("delete from loans")
    assert "loans is rebuilt and live" in await cauce("view", "rebuild", "lending", "loans")
    async with real.state.engine.acquire() as db:
        assert await db.fetchval("select count(*) from loans") == 20


async def test_the_command_line_shows_who_leads_and_has_a_timer_that_was_set_aside_tried_again(real, connect, cauce):
    send = {"category": "loan", "id": "no id", "type": "Command", "command": {}}
    assert "no timer waits" in await cauce("timers", "list", "lending")
    async with real.state.engine.acquire() as db:
        await db.execute(
            "insert into timer (owner, key, due_at, send, correlation_id, causation_id, error)"
            " values ('lending.small_loans', 'one', clock_timestamp() - interval '1 h', $1, $2, $2, 'ValueError: no')",
            json.dumps(send).encode(),
            uuid4(),
        )
    listed = await cauce("timers", "list", "lending")
    assert "lending.small_loans" in listed
    assert "ValueError: no" in listed
    await cauce("timers", "retry", "lending", "lending.small_loans", "one")

    async def set_aside_again():
        return "ValueError: badly formed" in await cauce("timers", "list", "lending")

    await until(set_aside_again)
    leads = await cauce("leases", "lending")
    assert re.search(r"relay .*held", leads)
    assert re.search(r"timers .*held", leads)


async def test_after_a_restore_is_declared_positions_go_on_in_a_new_incarnation(make_real, connect, cauce):
    app = make_real()
    await app.state.engine.migrate()
    async with app.router.lifespan_context(app):
        first = (await connect(app).post("/loans", json={"amount": "50"})).json()
        assert await app.state.engine.published(first["position"], 20)
    assert "starts a new incarnation" in await cauce("restored", "lending")
    again = make_real()
    async with again.router.lifespan_context(again):

        async def renewed():
            return (await again.state.engine.log()).incarnation == 2

        await until(renewed)
        second = (await connect(again).post("/loans", json={"amount": "50"})).json()
        assert second["position"] > first["position"]
        assert await again.state.engine.published(second["position"], 20)
