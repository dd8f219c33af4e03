from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from engine.errors import EventTooLarge, NotAdmitted, Unavailable
from fastapi import APIRouter, HTTPException
from service import Invalid, ProblemError, scope

CORRELATION = "11111111-2222-4333-8444-555555555555"
MEMBERS = {"type", "title", "status", "detail", "code", "instance", "correlation_id"}


def of(answer, status, code):
    """The problem, once its shape is what every problem's is."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= MEMBERS
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"urn:cauce:problem:{code}"
    assert problem["instance"] == answer.request.url.path
    assert problem["correlation_id"] == answer.headers["x-correlation-id"]
    assert UUID(problem["correlation_id"])
    assert problem["title"]
    assert problem["detail"].endswith((".", "?", "!"))
    return problem


async def test_a_refusal_is_a_409_with_its_details_beside_it(client, lending):
    answer = await client.post("/loans", json={"amount": "1001"}, headers={"X-Correlation-Id": CORRELATION})
    assert of(answer, 409, "lending.amount_too_high") == {
        "type": "urn:cauce:problem:lending.amount_too_high",
        "title": "Amount too high",
        "status": 409,
        "detail": "Amount too high: highest 1000.00, review on 2026-10-01, asked at 2026-09-15T12:00:00Z, "
        "desk 00000000-0000-0000-0000-000000000007, status closed.",
        "code": "lending.amount_too_high",
        "instance": "/loans",
        "correlation_id": CORRELATION,
        "highest": "1000.00",
        "review_on": "2026-10-01",
        "asked_at": "2026-09-15T12:00:00Z",
        "desk": "00000000-0000-0000-0000-000000000007",
        "its_status": "closed",
    }


async def test_a_thing_that_does_not_exist_is_a_404(client):
    of(await client.post(f"/loans/{uuid4()}/approvals", json={"by": "eva"}), 404, "lending.loan_unknown")


async def test_a_lost_race_is_a_409_where_no_version_was_named(client, engine):
    from engine.errors import Conflict

    engine.failure = Conflict("loan-1", expected=3, actual=None)
    problem = of(await client.post("/loans", json={"amount": "5"}), 409, "conflict")
    assert problem["expected"] == 3


async def test_another_version_than_if_match_named_is_a_412_that_says_which(client):
    id = (await client.post("/loans", json={"amount": "5"})).json()["id"]
    answer = await client.post(f"/loans/{id}/approvals", json={"by": "eva"}, headers={"If-Match": '"7"'})
    problem = of(answer, 412, "version_mismatch")
    assert (problem["expected"], problem["actual"]) == (7, 1)
    assert answer.headers["etag"] == '"1"'


async def test_a_body_that_breaks_rules_is_a_422_that_names_each_field_and_rule(client):
    answer = await client.post("/loans", json={"amount": -1, "notes": ["a", 2], "colour": "red"})
    problem = of(answer, 422, "request_invalid")
    assert {(e["field"], e["rule"]) for e in problem["errors"]} == {
        ("amount", "greater_than"),
        ("notes.1", "string_type"),
        ("colour", "extra_forbidden"),
    }
    assert all(set(e) == {"field", "rule", "message"} for e in problem["errors"])
    assert "amount: Input should be greater than 0" in problem["detail"]


async def test_a_body_that_is_not_json_is_a_422_that_says_where(client):
    answer = await client.post("/loans", content=b'{"amount": ', headers={"Content-Type": "application/json"})
    [error] = of(answer, 422, "request_invalid")["errors"]
    assert (error["field"], error["rule"]) == ("body", "json_invalid")
    assert "at character 11" in error["message"]


async def test_a_missing_body_is_a_422(client):
    [error] = of(await client.post("/loans"), 422, "request_invalid")["errors"]
    assert (error["field"], error["rule"]) == ("body", "missing")


async def test_bad_path_and_query_values_are_422s_that_name_them(client):
    [error] = of(await client.get("/loans/42/history"), 422, "request_invalid")["errors"]
    assert (error["field"], error["rule"]) == ("id", "uuid_parsing")
    [error] = of(await client.get("/loans?limit=501"), 422, "request_invalid")["errors"]
    assert (error["field"], error["rule"]) == ("limit", "less_than_equal")


async def test_no_such_path_is_a_404(client):
    assert of(await client.get("/nowhere"), 404, "not_found")["detail"] == "There is nothing at /nowhere."
    of(await client.get("/loans/"), 404, "not_found")


async def test_a_wrong_method_is_a_405_that_says_which_are_possible(client):
    answer = await client.delete("/loans")
    problem = of(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) <= {"GET", "POST"}
    assert problem["detail"].startswith("DELETE is not possible here")


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.TooManyConnectionsError("full"),
        ConnectionRefusedError(111, "refused"),
        TimeoutError(),
        KafkaConnectionError("no broker"),
        Unavailable("away"),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_postgres_or_kafka_away_is_a_503_to_be_retried(client, engine, failure):
    engine.failure = failure
    for answer in (await client.post("/loans", json={"amount": "5"}), await client.get("/loans")):
        of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


async def test_a_bug_is_a_500_that_leaks_nothing_and_is_logged_with_its_correlation_id(client, capsys):
    id = (await client.post("/loans", json={"amount": "5"})).json()["id"]
    capsys.readouterr()
    answer = await client.post(f"/loans/{id}/approvals", json={"by": "broken"})
    problem = of(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    logged = capsys.readouterr().out
    [line] = [line for line in logged.splitlines() if '"internal_error"' in line]
    assert problem["correlation_id"] in line
    assert "ZeroDivisionError: secret figures" in line


async def test_an_event_that_is_not_admitted_yet_is_a_503_that_says_that_nothing_was_done(client, engine):
    engine.failure = NotAdmitted("LoanOpened is not written yet")
    answer = await client.post("/loans", json={"amount": "5"})
    problem = of(answer, 503, "not_admitted")
    assert problem["detail"] == "LoanOpened is not written yet. Nothing was done."
    assert answer.headers["retry-after"] == "1"


async def test_an_event_that_is_too_large_is_a_413(client, engine):
    engine.failure = EventTooLarge("LoanOpened of 1,000,000 bytes: at most 900,000")
    of(await client.post("/loans", json={"amount": "5"}), 413, "event_too_large")


@pytest.mark.parametrize(
    "failure", [asyncpg.CharacterNotInRepertoireError("0x00"), asyncpg.NumericValueOutOfRangeError("integer")], ids=repr
)
async def test_a_value_that_postgres_cannot_store_is_a_422(client, engine, failure):
    engine.failure = failure
    of(await client.get("/loans"), 422, "value_unstorable")


async def test_other_errors_of_data_are_ours(client, engine):
    engine.failure = asyncpg.DataError("invalid input for query argument $1")
    of(await client.get("/loans"), 500, "internal_error")


async def test_a_command_that_may_have_been_recorded_is_not_to_be_sent_again_blindly(client, engine):
    engine.failure = Unavailable("away")
    loan = {"json": {"amount": "5"}}
    assert "not known whether this was recorded" in (await client.post("/loans", **loan)).json()["detail"]
    with_key = await client.post("/loans", **loan, headers={"Idempotency-Key": "a"})
    assert with_key.json()["detail"].endswith("try again.")
    assert (await client.get("/loans")).json()["detail"].endswith("try again.")


@pytest.mark.parametrize("body", [b"\xff", b"[" * 100_000], ids=["not UTF-8", "nested too deep"])
async def test_a_body_that_cannot_be_read_at_all_is_a_400(client, body):
    answer = await client.post("/loans", content=body, headers={"Content-Type": "application/json"})
    of(answer, 400, "request_unreadable")


async def test_routes_may_raise_problems_of_their_own(make_app, connect):
    made = APIRouter(tags=["odd"], dependencies=[scope("lending:read")])

    @made.get("/gone")
    async def gone() -> None:
        raise ProblemError(410, "lending.gone", "It is gone.", since=2020, type="loan")

    @made.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    @made.get("/invalid")
    async def invalid() -> None:
        raise Invalid("period", "order", "ends before it begins")

    client = connect(make_app(made))
    problem = of(await client.get("/gone"), 410, "lending.gone")
    assert (problem["since"], problem["its_type"]) == (2020, "loan")
    assert "teapot" in (await client.get("/teapot")).json()["code"]
    problem = of(await client.get("/invalid"), 422, "request_invalid")
    assert problem["errors"] == [{"field": "period", "rule": "order", "message": "ends before it begins"}]


async def test_an_answer_that_does_not_fit_its_model_is_a_500(make_app, connect):
    made = APIRouter(tags=["odd"], dependencies=[scope("lending:read")])

    @made.get("/wrong")
    async def wrong() -> int:
        return "private text"  # type: ignore[return-value]

    answer = await connect(make_app(made)).get("/wrong")
    of(answer, 500, "internal_error")
    assert "private text" not in answer.text
