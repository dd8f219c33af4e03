from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from engine import Rejected
from engine.errors import InFlight
from fastapi import APIRouter
from service import By, Handle, HandleMany, Receipt, scope


async def opened(client, **headers):
    answer = await client.post("/loans", json={"amount": "5"}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer


# -- what a command leads to


async def test_a_command_gives_a_receipt_and_an_etag(client):
    answer = await opened(client)
    receipt = answer.json()
    assert receipt == {"id": receipt["id"], "version": 1, "position": 1, "events": ["cauce.lending.LoanOpened.v1"]}
    assert answer.headers["etag"] == '"1"'


async def test_a_true_repeat_gives_a_receipt_without_a_position(client):
    id = (await opened(client)).json()["id"]
    await client.post(f"/loans/{id}/approvals", json={"by": "eva"})
    answer = await client.post(f"/loans/{id}/approvals", json={"by": "eva"})
    assert answer.status_code == 201
    assert answer.json() == {"id": id, "version": 2, "position": None, "events": []}


async def test_an_event_knows_who_did_it_and_in_which_request(client, engine):
    correlation = str(uuid4())
    await opened(client, **{"X-Correlation-Id": correlation})
    [fact] = engine.facts
    assert (fact.actor, str(fact.correlation_id), fact.causation_id) == ("ana", correlation, None)


# -- business time


async def test_a_command_without_a_time_happens_now(client, engine, lending):
    await opened(client)
    assert engine.facts[0].occurred_at == lending.now


async def test_the_past_needs_the_backfill_scope(client, engine, lending):
    at = (lending.now - timedelta(seconds=6)).isoformat()
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": at})
    assert answer.status_code == 403
    problem = answer.json()
    assert (problem["code"], problem["scope"]) == ("lending.backfill_scope_needed", "lending:backfill")
    assert engine.facts == []


async def test_a_clock_that_is_a_little_behind_needs_no_scope(client, engine, lending):
    at = lending.now - timedelta(seconds=5)
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": at.isoformat()})
    assert answer.status_code == 201
    assert engine.facts[0].occurred_at == at


async def test_with_the_backfill_scope_the_past_is_recorded_as_it_was(make_app, connect, issuer, engine, lending):
    client = connect(make_app(), issuer.token(scope=f"{lending.all_scopes} lending:backfill"))
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": "2001-02-03T04:05:06Z"})
    assert answer.status_code == 201
    assert engine.facts[0].occurred_at.isoformat() == "2001-02-03T04:05:06+00:00"
    assert engine.facts[0].recorded_at == lending.now


async def test_the_backfill_scope_of_another_service_does_not_do(make_app, connect, issuer, lending):
    client = connect(make_app(), issuer.token(scope=f"{lending.all_scopes} contract:backfill"))
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": "2001-02-03T04:05:06Z"})
    assert answer.json()["code"] == "lending.backfill_scope_needed"


async def test_the_future_is_refused_even_with_the_backfill_scope(make_app, connect, issuer, lending):
    client = connect(make_app(), issuer.token(scope=f"{lending.all_scopes} lending:backfill"))
    at = (lending.now + timedelta(seconds=6)).isoformat()
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": at})
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["rule"]) == ("occurred_at", "not_in_the_future")


async def test_a_clock_that_is_a_little_ahead_is_taken(client, lending):
    at = (lending.now + timedelta(seconds=5)).isoformat()
    assert (await client.post("/loans", json={"amount": "5", "occurred_at": at})).status_code == 201


async def test_a_time_without_a_zone_is_refused(client):
    answer = await client.post("/loans", json={"amount": "5", "occurred_at": "2026-09-15T12:00:00"})
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("occurred_at", "timezone_aware")]


# -- versions


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', "1"])
async def test_the_version_that_if_match_names_lets_the_command_through(client, etag):
    id = (await opened(client)).json()["id"]
    answer = await client.post(f"/loans/{id}/approvals", json={"by": "eva"}, headers={"If-Match": etag})
    assert answer.status_code == 201
    assert answer.headers["etag"] == '"2"'


@pytest.mark.parametrize("etag", ["*", '"x"', '"-1"', '""', '"1", "2"', '"99999999999999999999"', '"²"'])
async def test_an_if_match_that_is_no_version_is_a_422_that_names_it(client, etag):
    id = (await opened(client)).json()["id"]
    answer = await client.post(
        f"/loans/{id}/approvals", json={"by": "eva"}, headers={"If-Match": etag.encode("latin-1")}
    )
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("If-Match", "version")]


async def test_a_decision_on_what_a_person_looked_at_needs_the_version_that_they_saw(client):
    id = (await opened(client)).json()["id"]
    path = f"/loans/{id}/reviewed-approvals"
    answer = await client.post(path, json={"by": "eva"})
    assert (answer.status_code, answer.json()["code"]) == (428, "version_needed")
    answer = await client.post(path, json={"by": "eva"}, headers={"If-Match": '"7"'})
    assert (answer.status_code, answer.json()["code"], answer.headers["etag"]) == (412, "version_mismatch", '"1"')
    assert (await client.post(path, json={"by": "eva"}, headers={"If-Match": '"1"'})).status_code == 201


async def test_a_put_creates_but_does_not_change_what_its_sender_has_not_seen(client):
    path = f"/loans/{uuid4()}"
    assert (await client.put(path, json={"amount": "5"})).headers["etag"] == '"1"'
    answer = await client.put(path, json={"amount": "6"})
    assert (answer.status_code, answer.json()["code"], answer.json()["actual"]) == (428, "version_needed", 1)
    assert answer.headers["etag"] == '"1"'
    assert (await client.put(path, json={"amount": "6"}, headers={"If-Match": '"1"'})).status_code == 200


async def test_if_match_and_the_etag_speak_of_the_first_thing_that_a_request_handles(make_app, connect, lending):
    first, second = uuid4(), uuid4()
    made = APIRouter(tags=["pairs"])

    @made.post("/pairs", dependencies=[scope("lending:write")])
    async def pairs(handle: Handle) -> list[Receipt]:
        return [
            await handle(lending.loans, first, lending.Open(amount=1)),
            await handle(lending.loans, second, lending.Open(amount=1)),
            await handle(lending.loans, second, lending.Approve(by="eva")),
        ]

    answer = await connect(make_app(made)).post("/pairs", headers={"If-Match": '"0"'})
    assert [receipt["version"] for receipt in answer.json()] == [1, 1, 2]
    assert answer.headers["etag"] == '"1"'


# -- repeats


async def test_a_request_repeated_with_its_key_is_answered_and_not_done_again(client, engine):
    once = await opened(client, **{"Idempotency-Key": "order 7"})
    again = await opened(client, **{"Idempotency-Key": "order 7"})
    assert again.json() == once.json()
    assert len(engine.facts) == 1


async def test_another_key_and_no_key_are_other_requests(client, engine):
    for headers in ({"Idempotency-Key": "a"}, {"Idempotency-Key": "b"}, {}, {}):
        await opened(client, **headers)
    assert len({fact.stream for fact in engine.facts}) == 4


async def test_a_refusal_is_repeated_too(client):
    headers = {"Idempotency-Key": "a"}
    for _ in range(2):
        assert (await client.post("/loans", json={"amount": "1001"}, headers=headers)).status_code == 409


@pytest.mark.parametrize("again", [{"json": {"amount": "6"}}, {"content": b'{"amount":"5" }'}])
async def test_a_key_sent_again_with_another_body_is_a_422_and_does_nothing(client, engine, again):
    headers = {"Idempotency-Key": "a", "Content-Type": "application/json"}
    await opened(client, **headers)
    answer = await client.post("/loans", headers=headers, **again)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(engine.facts) == 1


async def test_a_request_whose_repeat_is_in_flight_is_a_409_to_be_tried_again(client, engine):
    engine.failure = InFlight()
    answer = await client.post("/loans", json={"amount": "5"}, headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_flight")
    assert answer.headers["retry-after"] == "1"


async def test_two_callers_may_choose_the_same_key(make_app, connect, issuer, engine):
    app = make_app()
    for subject in ("ana", "eva"):
        await opened(connect(app, issuer.token(sub=subject)), **{"Idempotency-Key": "a"})
    assert len(engine.facts) == 2


async def test_a_key_used_at_another_resource_is_another_request(client, engine):
    headers = {"Idempotency-Key": "a"}
    ids = [(await opened(client)).json()["id"] for _ in range(2)]
    for id in ids:
        answer = await client.post(f"/loans/{id}/approvals", json={"by": "eva"}, headers=headers)
        assert answer.json()["version"] == 2
    assert len(engine.facts) == 4


async def test_the_commands_of_one_request_do_not_pass_for_repeats_of_each_other(make_app, connect, lending, engine):
    made = APIRouter(tags=["pairs"])

    @made.post("/pairs", dependencies=[scope("lending:write")])
    async def pairs(handle: Handle) -> None:
        for n in (1, 2):
            await handle(lending.loans, UUID(int=n), lending.Open(amount=1))

    client = connect(make_app(made))
    for _ in range(2):
        await client.post("/pairs", headers={"Idempotency-Key": "a"})
    assert [fact.stream_id.int for fact in engine.facts] == [1, 2]


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_of_no_or_too_many_characters_is_a_422(client, key):
    answer = await client.post("/loans", json={"amount": "5"}, headers={"Idempotency-Key": key})
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("Idempotency-Key", "length")]


async def test_a_key_of_two_hundred_characters_is_taken(client):
    await opened(client, **{"Idempotency-Key": "x" * 200})


# -- many at once


async def test_of_many_commands_each_has_its_outcome(client, engine):
    answer = await client.post("/loans/bulk", json=[{"amount": "5"}, {"amount": "1001"}, {"amount": "6"}])
    assert answer.json() == [{"version": 1}, {"refused": "lending.amount_too_high"}, {"version": 1}]
    assert engine.calls == [("handle_many", 3)]


async def test_one_command_from_the_future_is_refused_apart(client, engine, lending):
    late = (lending.now + timedelta(days=1)).isoformat()
    answer = await client.post(
        "/loans/bulk", json=[{"amount": "5"}, {"amount": "5", "occurred_at": late}, {"amount": "6"}]
    )
    assert answer.json() == [{"version": 1}, {"refused": "lending.occurred_at_in_the_future"}, {"version": 1}]
    assert [fact.stream_id.int for fact in engine.facts] == [1, 3]


async def test_many_from_the_past_need_the_backfill_scope_and_none_is_done_without(client, engine):
    body = [{"amount": "5"}, {"amount": "5", "occurred_at": "2001-02-03T04:05:06Z"}]
    answer = await client.post("/loans/bulk", json=body)
    assert answer.json()["code"] == "lending.backfill_scope_needed"
    assert engine.calls == []


async def test_an_intake_repeated_with_its_key_does_only_what_was_not_done(client, engine):
    headers = {"Idempotency-Key": "import 7"}
    await client.post("/loans/bulk", json=[{"amount": "5"}], headers=headers)
    answer = await client.post("/loans/bulk", json=[{"amount": "5"}, {"amount": "6"}], headers=headers)
    assert answer.json() == [{"version": 1}, {"version": 1}]
    assert [fact.event.amount for fact in engine.facts] == [5, 6]


async def test_an_intake_may_bring_command_ids_of_its_own(make_app, connect, lending, engine):
    made = APIRouter(tags=["lines"])

    @made.post("/intake", dependencies=[scope("lending:write")])
    async def intake(handle_many: HandleMany) -> list[int]:
        sends = [lending.Send(lending.loans, UUID(int=n), lending.Open(amount=n)) for n in (1, 2)]
        outcomes = await handle_many(sends, command_ids=[UUID(int=100), UUID(int=101)])
        return [0 if isinstance(outcome, Rejected) else outcome.version for outcome in outcomes]

    client = connect(make_app(made))
    assert (await client.post("/intake")).json() == [1, 1]
    assert set(engine.commands) == {UUID(int=100), UUID(int=101)}


# -- history


async def test_a_history_has_both_clocks_who_and_why(client, lending):
    created = await opened(client)
    id = created.json()["id"]
    [happening] = (await client.get(f"/loans/{id}/history")).json()["items"]
    assert happening == {
        "version": 1,
        "type": "cauce.lending.LoanOpened.v1",
        "occurred_at": "2026-09-15T12:00:00Z",
        "recorded_at": "2026-09-15T12:00:00Z",
        "actor": "ana",
        "client": "erp",
        "on_behalf_of": None,
        "event_id": happening["event_id"],
        "position": 1,
        "correlation_id": created.headers["x-correlation-id"],
        "causation_id": None,
        "traceparent": None,
        "data": {"amount": "5"},
    }


async def test_a_history_is_read_a_page_at_a_time(client):
    id = (await opened(client)).json()["id"]
    await client.post(f"/loans/{id}/approvals", json={"by": "eva"})
    first = (await client.get(f"/loans/{id}/history?limit=1")).json()
    second = (await client.get(f"/loans/{id}/history", params={"limit": 1, "after": first["next"]})).json()
    assert [h["version"] for h in first["items"] + second["items"]] == [1, 2]
    assert second["next"] is None


async def test_the_history_of_nothing_is_a_404(client):
    answer = await client.get(f"/loans/{uuid4()}/history")
    assert (answer.status_code, answer.json()["code"]) == (404, "lending.loan_unknown")


async def test_a_cursor_of_another_list_is_refused_by_a_history(client):
    id = (await opened(client)).json()["id"]
    await opened(client)
    foreign = (await client.get("/loans?limit=1")).json()["next"]
    answer = await client.get(f"/loans/{id}/history", params={"after": foreign})
    assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("after", "cursor")]


async def test_who_did_it_by_which_program_and_for_whom_is_in_every_event_and_in_the_history(
    make_app, connect, issuer, engine
):
    app = make_app()
    token = issuer.token(sub="ana", act={"sub": "assistant"}, client_id="web")
    receipt = (await connect(app, token).post("/loans", json={"amount": 5})).json()
    [fact] = engine.facts
    assert (fact.actor, fact.client, fact.on_behalf_of) == ("assistant", "web", "ana")
    [happening] = (await connect(app).get(f"/loans/{receipt['id']}/history")).json()["items"]
    assert (happening["actor"], happening["client"], happening["on_behalf_of"]) == ("assistant", "web", "ana")


async def test_a_decision_that_needs_two_persons_is_told_everybody_who_stands_behind_it(make_app, connect, issuer):
    router = APIRouter()

    @router.get("/me", dependencies=[scope("lending:read")])
    async def me(by: By) -> list[str]:
        return list(by)

    app = make_app(router)
    alone, for_another = issuer.token(sub="ana"), issuer.token(sub="ana", act={"sub": "assistant"})
    assert (await connect(app, alone).get("/me")).json() == ["ana"]
    assert (await connect(app, for_another).get("/me")).json() == ["assistant", "ana"]
