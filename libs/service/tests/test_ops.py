from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.metadata import version
from uuid import uuid4

import pytest
from engine.parking import ParkedStream

SINCE = datetime(2026, 9, 1, tzinfo=UTC)
ID = "7f0c1d1e-0000-4000-8000-000000000000"
STREAM = f"loan-{ID}"


@pytest.fixture
def ops(make_app, connect, issuer):
    return connect(make_app(), issuer.token(scope="lending:read lending:ops lending:backfill lending:write"))


@pytest.fixture
def parked(engine):
    engine.parked_streams.append(ParkedStream("lending.reminding", STREAM, "ValueError: no", SINCE, 3))


async def test_a_process_that_answers_is_alive(ops):
    assert (await ops.get("/livez")).json() == {"status": "ok"}


async def test_a_service_that_lacks_something_is_not_ready_and_says_what(ops, engine):
    assert (await ops.get("/readyz")).status_code == 200
    assert "cauce_ready 1.0" in (await ops.get("/metrics")).text
    engine.missing = {"relay": "no leader for 12 s", "postgres": "refused"}
    answer = await ops.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    problem = answer.json()
    assert problem["code"] == "not_ready"
    assert problem["detail"] == "relay: no leader for 12 s; postgres: refused."
    assert problem["missing"] == engine.missing
    assert "cauce_ready 0.0" in (await ops.get("/metrics")).text
    assert (await ops.get("/livez")).status_code == 200


async def test_metrics_count_requests_by_route_template_method_and_status(ops):
    id = (await ops.post("/loans", json={"amount": "5"})).json()["id"]
    for path in (f"/loans/{id}/history", f"/loans/{uuid4()}/history", f"/loans/{uuid4()}/history", "/no/such"):
        await ops.get(path)
    text = (await ops.get("/metrics")).text
    count = 'cauce_http_request_seconds_count{method="GET",route="%s",status="%s"} %s'
    assert count % ("/loans/{id}/history", 200, "1.0") in text
    assert count % ("/loans/{id}/history", 404, "2.0") in text
    assert count % ("unmatched", 404, "1.0") in text
    assert id not in text
    assert "process_resident_memory_bytes" in text


async def test_a_method_nobody_has_heard_of_makes_no_series_of_its_own(ops):
    for method in ("BREW", "FROB"):
        assert (await ops.request(method, "/loans")).status_code == 405
    text = (await ops.get("/metrics")).text
    assert "BREW" not in text
    assert 'method="other"' in text


async def test_callers_who_are_refused_are_counted_by_why(make_app, connect, issuer):
    app = make_app(rate=1, burst=2)
    await connect(app).get("/loans", headers={"Authorization": ""})
    await connect(app, "no token").get("/loans")
    await connect(app, issuer.token(scope="lending:write")).get("/log")
    client = connect(app, issuer.token(scope="lending:read", sub="busy"))
    answers = [(await client.get("/log")).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert (await client.get("/no/such")).status_code == 404  # refused for what is asked, not for who asks
    text = (await client.get("/metrics")).text
    counted = dict(re.findall(r'cauce_http_callers_refused_total\{code="(\w+)"\} (\S+)', text))
    assert counted == {"token_missing": "1.0", "token_invalid": "1.0", "scope_missing": "1.0", "rate_exceeded": "1.0"}


async def test_bodies_are_counted_in_bytes_and_what_is_not_answered_yet_in_requests(ops):
    body = b'{"amount": "5"}'
    for _ in range(2):
        await ops.post("/loans", content=body, headers={"Content-Type": "application/json"})
    text = (await ops.get("/metrics")).text
    assert f"cauce_http_received_bytes_total {2 * len(body)}.0" in text
    assert "cauce_http_requests_in_flight 1.0" in text  # the one that asks


async def test_a_process_says_what_it_runs(ops):
    text = (await ops.get("/metrics")).text
    assert f'cauce_build_info{{service="lending",version="{version("cauce-service")}"}} 1.0' in text


async def test_the_log_says_how_far_it_is(ops):
    await ops.post("/loans", json={"amount": "5"})
    assert (await ops.get("/log")).json() == {"incarnation": 1, "head": 1, "published": 0}


async def test_one_may_wait_until_a_position_is_published(ops, engine):
    await ops.post("/loans", json={"amount": "5"})
    assert (await ops.get("/log/published?position=0&wait=2.5")).json() == {"reached": True}
    assert (await ops.get("/log/published?position=9")).json() == {"reached": False}
    assert engine.calls == [("published", 0, 2.5), ("published", 9, 0)]


async def test_a_wait_is_at_most_thirty_seconds(ops):
    for path in ("/log/published?position=1&wait=31", "/subscriptions/lending.reminding/handled?wait=31"):
        answer = await ops.get(path)
        assert [(e["field"], e["rule"]) for e in answer.json()["errors"]] == [("wait", "less_than_equal")]


async def test_subscriptions_say_how_far_behind_they_are(ops, parked):
    assert (await ops.get("/subscriptions")).json() == {
        "items": [{"name": "lending.reminding", "source": "lending", "lag": 3, "parked": 1}],
        "next": None,
    }


async def test_one_may_wait_until_a_subscription_has_handled_a_position_or_all_of_a_topic(ops, engine):
    assert (await ops.get("/subscriptions/lending.reminding/handled?position=1&wait=3")).json() == {"reached": True}
    assert (await ops.get("/subscriptions/lending.reminding/handled?wait=3")).json() == {"reached": False}
    assert engine.calls == [("handled", "lending.reminding", 3.0, 1), ("handled", "lending.reminding", 3.0, None)]


async def test_an_unknown_subscription_is_a_404(ops):
    answer = await ops.get("/subscriptions/nobody/handled")
    assert (answer.status_code, answer.json()["code"]) == (404, "lending.subscription_unknown")


async def test_parked_streams_are_listed_with_the_reason(ops, parked):
    expected = {
        "subscription": "lending.reminding",
        "stream": STREAM,
        "reason": "ValueError: no",
        "since": "2026-09-01T00:00:00Z",
        "events": 3,
    }
    assert (await ops.get("/parked-streams")).json() == {"items": [expected], "next": None}
    assert (await ops.get("/parked-streams?subscription=another")).json() == {"items": [], "next": None}


async def test_many_parked_streams_come_a_page_at_a_time(ops, engine):
    streams = [f"loan-{uuid4()}" for _ in range(5)]
    engine.parked_streams += [ParkedStream("lending.reminding", stream, "no", SINCE, 1) for stream in streams]
    seen, after = [], {}
    while after is not None:
        page = (await ops.get("/parked-streams", params={"limit": 2, **after})).json()
        assert len(page["items"]) <= 2
        seen += [each["stream"] for each in page["items"]]
        after = page["next"] and {"after": page["next"]}
    assert seen == sorted(streams)


async def test_a_parked_stream_is_retried(ops, parked):
    answer = await ops.post(f"/parked-streams/lending.reminding/{STREAM}/retry")
    assert answer.json() == {"handled": 1, "remaining": 2, "error": "ValueError: no"}


async def test_a_parked_stream_is_dropped_with_a_reason_and_by_somebody(ops, engine, parked):
    path = f"/parked-streams/lending.reminding/{STREAM}/drop"
    assert (await ops.post(path, json={"reason": ""})).status_code == 422
    assert (await ops.post(path)).status_code == 422
    assert (await ops.post(path, json={"reason": "entered twice"})).json() == {"events": 3}
    assert engine.calls == [("drop", "lending.reminding", STREAM, "entered twice", "ana")]


@pytest.mark.parametrize("action", ["retry", "drop"])
async def test_a_stream_that_is_not_parked_is_a_404(ops, engine, action):
    answer = await ops.post(f"/parked-streams/lending.reminding/{STREAM}/{action}", json={"reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (404, "lending.parked_stream_unknown")
    assert engine.calls == []


async def test_a_backfill_moves_the_business_clock_and_ends(ops, engine):
    at = datetime(2001, 12, 31, tzinfo=UTC)
    answer = await ops.put("/backfill?wait=5", json={"reached": at.isoformat()})
    assert answer.json() == {"reached": "2001-12-31T00:00:00Z"}
    assert (await ops.delete("/backfill")).json() == {"reached": None}
    assert engine.calls == [("backfill", at, 5.0), ("backfill", None, 0)]


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "/log", "lending:read"),
        ("GET", "/subscriptions", "lending:read"),
        ("GET", "/streams/loan/x", "lending:read"),
        ("GET", "/parked-streams", "lending:ops"),
        ("POST", f"/parked-streams/s/{STREAM}/retry", "lending:ops"),
        ("POST", f"/parked-streams/s/{STREAM}/drop", "lending:ops"),
        ("PUT", "/backfill", "lending:backfill"),
        ("DELETE", "/backfill", "lending:backfill"),
    ],
)
async def test_each_route_has_its_own_scope(make_app, connect, issuer, method, path, needed):
    others = {"lending:read", "lending:write", "lending:decide", "lending:ops", "lending:backfill"} - {needed}
    client = connect(make_app(), issuer.token(scope=" ".join(others)))
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["scope"]) == (403, needed)


async def test_an_aggregate_is_shown_as_it_is_as_of_a_version_and_as_of_a_time(ops, make_app, connect):
    id = (await ops.post("/loans", json={"amount": "5"})).json()["id"]
    await connect(make_app.again()).post(f"/loans/{id}/approvals", json={"by": "eva"})
    now = await ops.get(f"/streams/loan/{id}")
    assert now.json() == {"stream": f"loan-{id}", "version": 2, "state": {"amount": "5", "approved_by": "eva"}}
    assert now.headers["etag"] == '"2"'
    then = await ops.get(f"/streams/loan/{id}?version=1")
    assert (then.json()["version"], then.json()["state"]["approved_by"]) == (1, None)
    known = await ops.get(f"/streams/loan/{id}", params={"recorded_by": "2026-09-15T13:00:00Z"})
    assert known.json()["version"] == 2
    before = await ops.get(f"/streams/loan/{id}", params={"recorded_by": "2026-09-01T00:00:00Z"})
    assert before.status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        f"/streams/loan/{ID}?version={2**31}",
        f"/log/published?position={2**63}",
        f"/subscriptions/lending.reminding/handled?position={2**63}",
    ],
)
async def test_numbers_that_the_log_cannot_have_are_422s(ops, path):
    assert (await ops.get(path)).status_code == 422


async def test_what_is_not_there_is_a_404(ops):
    id = (await ops.post("/loans", json={"amount": "5"})).json()["id"]
    assert (await ops.get(f"/streams/loan/{uuid4()}")).json()["code"] == "lending.loan_unknown"
    assert (await ops.get(f"/streams/loan/{id}?version=7")).json()["code"] == "lending.loan_unknown"
    problem = (await ops.get(f"/streams/debt/{id}")).json()
    assert (problem["code"], problem["categories"]) == ("lending.category_unknown", ["loan"])
