"""training-svc on the real stack: HTTP in, events out, contracts heard over Kafka."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from training.domain.enrolment_events import enrolment_id

PARTNER = uuid4()
Signs = Callable[..., Awaitable[None]]


async def items(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def looked_at(api: httpx.AsyncClient, path: str | None) -> dict[str, str]:
    """What a decision says of the version that was seen."""
    return {} if path is None else {"If-Match": (await api.get(path)).headers["etag"]}


async def done(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], *, seen: str | None = None
) -> dict[str, Any]:
    answer = await api.request(method, path, json=body, headers=await looked_at(api, seen))
    assert answer.is_success, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def refused(api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = await api.request(method, path, json=body)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def test_a_course_is_defined_revised_listed_and_retired(api: httpx.AsyncClient, hygiene: dict[str, Any]) -> None:
    first = await done(api, "PUT", "/courses/hygiene", hygiene)
    assert first["version"] == 1
    again = await done(api, "PUT", "/courses/hygiene", hygiene)
    assert (again["version"], again["events"]) == (1, [])
    harder, seen = {**hygiene, "pass_mark": "72.5"}, "/courses/hygiene"
    assert await refused(api, "PUT", "/courses/hygiene", harder) == (428, "version_needed")
    assert (await done(api, "PUT", "/courses/hygiene", harder, seen=seen))["version"] == 2
    course = (await api.get("/courses/hygiene")).json()
    assert (course["version"], course["pass_mark"], course["status"]) == (2, "72.5", "active")
    assert [c["code"] for c in await items(api, "/courses", status="active")] == ["hygiene"]

    await done(api, "POST", "/courses/hygiene/retirement", {})
    assert await items(api, "/courses", status="active") == []
    assert await refused(api, "PUT", "/courses/hygiene", hygiene) == (409, "training.course_retired")
    body = {"partner_id": str(PARTNER), "course": "hygiene"}
    assert await refused(api, "POST", "/enrolments", body) == (409, "training.course_retired")


async def test_what_does_not_exist_is_not_found_and_what_makes_no_sense_is_named(
    api: httpx.AsyncClient, hygiene: dict[str, Any]
) -> None:
    assert await refused(api, "GET", "/courses/unheard-of", {}) == (404, "training.course_unknown")
    assert await refused(api, "POST", "/courses/unheard-of/retirement", {}) == (404, "training.course_unknown")
    body = {"partner_id": str(PARTNER), "course": "unheard-of"}
    assert await refused(api, "POST", "/enrolments", body) == (404, "training.course_unknown")
    for path in ("", "/history"):
        assert await refused(api, "GET", f"/enrolments/{uuid4()}{path}", {}) == (404, "training.enrolment_unknown")
    assert await refused(api, "POST", f"/enrolments/{uuid4()}/start", {}) == (404, "training.enrolment_unknown")

    answer = await api.put("/courses/Food Hygiene", json=hygiene)
    assert answer.status_code == 422
    answer = await api.put("/courses/hygiene", json={**hygiene, "pass_mark": 101, "time_zone": "Mars"})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"pass_mark", "time_zone"}
    answer = await api.get("/enrolments", params={"after": "bm90LWFuLWlk"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


async def test_each_route_needs_its_scope(caller: Callable[[str], httpx.AsyncClient], hygiene: dict[str, Any]) -> None:
    auditor, manager = caller("auditor"), caller("channel-manager")
    assert (await auditor.put("/courses/hygiene", json=hygiene)).status_code == 403
    assert (await auditor.post(f"/enrolments/{uuid4()}/start", json={})).status_code == 403
    assert (await auditor.get("/enrolments")).status_code == 200
    assert (await manager.put("/courses/hygiene", json=hygiene)).status_code == 200
    past = {**hygiene, "title": "Hygiene", "occurred_at": "2000-01-01T00:00:00Z"}
    assert (await manager.put("/courses/hygiene", json=past)).status_code == 403


async def test_a_signature_assigns_what_launch_requires_and_the_partner_passes_at_the_second_attempt(
    api: httpx.AsyncClient, signs: Signs, hygiene: dict[str, Any]
) -> None:
    await done(api, "PUT", "/courses/hygiene", hygiene)
    await done(api, "PUT", "/courses/accounting", {**hygiene, "required_for_launch": False})
    await done(api, "PUT", "/courses/old", hygiene)
    await done(api, "POST", "/courses/old/retirement", {})

    await signs(PARTNER, on=date(2000, 3, 1))
    (todo,) = await items(api, "/enrolments", status="assigned", partner_id=str(PARTNER))
    assert (todo["course"], todo["assigned_on"], todo["attempts_left"]) == ("hygiene", "2000-03-01", 2)
    enrolment = f"/enrolments/{todo['enrolment_id']}"

    await done(api, "PUT", "/courses/hygiene", {**hygiene, "pass_mark": 100}, seen="/courses/hygiene")
    too_soon = {"score": 90, "occurred_at": "2000-03-02T09:00:00Z"}
    assert await refused(api, "POST", f"{enrolment}/assessments", too_soon) == (409, "training.not_started")
    await done(api, "POST", f"{enrolment}/start", {"occurred_at": "2000-03-02T09:00:00Z"})
    twice = await done(api, "POST", f"{enrolment}/start", {"occurred_at": "2000-03-03T09:00:00Z"})
    assert (twice["version"], twice["events"]) == (2, [])
    await done(api, "POST", f"{enrolment}/assessments", {"score": "69.99", "occurred_at": "2000-03-04T09:00:00Z"})
    assert [e["attempts_left"] for e in await items(api, "/enrolments", status="started", course="hygiene")] == [1]
    passed = await done(api, "POST", f"{enrolment}/assessments", {"score": 70, "occurred_at": "2000-03-05T09:00:00Z"})
    assert passed["events"] == ["cauce.training.TrainingCompleted.v1", "cauce.training.CertificateIssued.v1"]

    history = await items(api, f"{enrolment}/history")
    assert [event["type"].split(".")[2] for event in history[:5]] == [
        "TrainingAssigned",
        "TrainingStarted",
        "TrainingFailed",
        "TrainingCompleted",
        "CertificateIssued",
    ]
    assert history[0]["occurred_at"] == "2000-03-01T12:00:00Z"
    assert history[0]["actor"] == "policy:training.assignment"
    assert history[0]["causation_id"] is not None


async def test_a_second_contract_assigns_nothing_twice(
    api: httpx.AsyncClient, signs: Signs, hygiene: dict[str, Any]
) -> None:
    await done(api, "PUT", "/courses/hygiene", hygiene)
    await signs(PARTNER, on=date(2000, 3, 1))
    await done(api, "PUT", "/courses/hygiene", {**hygiene, "max_attempts": 9}, seen="/courses/hygiene")
    await signs(PARTNER, on=date(2001, 3, 1))
    (enrolment,) = await items(api, "/enrolments")
    assert (enrolment["course_version"], enrolment["attempts_left"]) == (1, 2)
    assert len(await items(api, f"/enrolments/{enrolment['enrolment_id']}/history")) == 1


async def test_a_certificate_expires_by_itself_on_the_business_day_that_a_backfill_reaches(
    api: httpx.AsyncClient, training: FastAPI, hygiene: dict[str, Any]
) -> None:
    await done(api, "PUT", "/backfill?wait=30", {"reached": "2000-03-01T00:00:00Z"})
    await done(api, "PUT", "/courses/hygiene", {**hygiene, "time_zone": "America/Anchorage"})
    enrolment = f"/enrolments/{enrolment_id(PARTNER, 'hygiene')}"
    body = {"partner_id": str(PARTNER), "course": "hygiene", "occurred_at": "2000-03-01T20:00:00Z"}
    assert (await done(api, "POST", "/enrolments", body))["id"] == str(enrolment_id(PARTNER, "hygiene"))
    await done(api, "POST", f"{enrolment}/start", {"occurred_at": "2000-03-02T20:00:00Z"})
    passed = await done(api, "POST", f"{enrolment}/assessments", {"score": 90, "occurred_at": "2000-03-03T20:00:00Z"})
    assert await training.state.engine.handled("training.expiry", 30, position=passed["position"])

    await done(api, "PUT", "/backfill?wait=30", {"reached": "2002-03-04T08:59:59Z"})
    assert (await api.get(enrolment)).json()["status"] == "completed"
    again = {"score": 90, "occurred_at": "2002-03-03T20:00:00Z"}
    assert await refused(api, "POST", f"{enrolment}/assessments", again) == (409, "training.already_completed")

    await done(api, "PUT", "/backfill?wait=30", {"reached": "2002-03-04T09:00:00Z"})
    expired = (await api.get(enrolment)).json()
    assert (expired["status"], expired["valid_until"], expired["expired_on"]) == ("expired", None, "2002-03-04")
    (event,) = (await items(api, f"{enrolment}/history"))[-1:]
    assert event["type"] == "cauce.training.CertificateExpired.v1"
    assert event["occurred_at"] == "2002-03-04T09:00:00Z"

    late = {"occurred_at": "2002-04-01T20:00:00Z"}
    assert await refused(api, "POST", f"{enrolment}/assessments", {**late, "score": 90}) == (
        409,
        "training.renewal_not_opened",
    )
    await done(api, "POST", f"{enrolment}/renewal", late)
    assert [e["status"] for e in await items(api, "/enrolments", status="renewing")] == ["renewing"]
    await done(api, "POST", f"{enrolment}/assessments", {**late, "score": 90})
    renewed = (await api.get(enrolment)).json()
    assert (renewed["status"], renewed["valid_until"], renewed["completed_on"]) == (
        "completed",
        "2004-04-01",
        "2002-04-01",
    )


async def test_a_renewal_before_the_last_day_moves_the_timer(
    api: httpx.AsyncClient, training: FastAPI, hygiene: dict[str, Any]
) -> None:
    await done(api, "PUT", "/backfill?wait=30", {"reached": "2000-03-01T00:00:00Z"})
    await done(api, "PUT", "/courses/hygiene", hygiene)
    enrolment = f"/enrolments/{enrolment_id(PARTNER, 'hygiene')}"
    body = {"partner_id": str(PARTNER), "course": "hygiene", "occurred_at": "2000-03-01T20:00:00Z"}
    await done(api, "POST", "/enrolments", body)
    await done(api, "POST", f"{enrolment}/start", {"occurred_at": "2000-03-01T20:00:00Z"})
    await done(api, "POST", f"{enrolment}/assessments", {"score": 90, "occurred_at": "2000-03-01T20:00:00Z"})
    await done(api, "POST", f"{enrolment}/renewal", {"occurred_at": "2002-02-01T20:00:00Z"})
    again = {"score": 90, "occurred_at": "2002-02-01T20:00:00Z"}
    renewed = await done(api, "POST", f"{enrolment}/assessments", again)
    assert await training.state.engine.handled("training.expiry", 30, position=renewed["position"])

    await done(api, "PUT", "/backfill?wait=30", {"reached": "2003-01-01T00:00:00Z"})
    assert (await api.get(enrolment)).json()["status"] == "completed"
    await done(api, "PUT", "/backfill?wait=30", {"reached": "2004-02-02T00:00:00Z"})
    assert (await api.get(enrolment)).json()["expired_on"] == "2004-02-02"


async def test_a_to_do_list_is_worked_off_page_by_page(api: httpx.AsyncClient, hygiene: dict[str, Any]) -> None:
    await done(api, "PUT", "/courses/hygiene", hygiene)
    partners = [uuid4() for _ in range(5)]
    for partner in partners:
        await done(api, "POST", "/enrolments", {"partner_id": str(partner), "course": "hygiene"})
    seen: list[str] = []
    params: dict[str, Any] = {"status": "assigned", "limit": 2}
    while True:
        page = (await api.get("/enrolments", params=params)).json()
        for item in page["items"]:
            await done(api, "POST", f"/enrolments/{item['enrolment_id']}/start", {})
            seen.append(item["partner_id"])
        if page["next"] is None:
            break
        params["after"] = page["next"]
    assert sorted(seen) == sorted(map(str, partners))
    assert await items(api, "/enrolments", status="assigned") == []


async def test_one_idempotency_key_is_one_assessment(api: httpx.AsyncClient, hygiene: dict[str, Any]) -> None:
    await done(api, "PUT", "/courses/hygiene", hygiene)
    enrolment = f"/enrolments/{enrolment_id(PARTNER, 'hygiene')}"
    await done(api, "POST", "/enrolments", {"partner_id": str(PARTNER), "course": "hygiene"})
    await done(api, "POST", f"{enrolment}/start", {})
    headers = {"Idempotency-Key": "answer sheet 1"}
    first, again = [
        (await api.post(f"{enrolment}/assessments", json={"score": 10}, headers=headers)).json() for _ in range(2)
    ]
    assert first == again
    assert (await api.get(enrolment)).json()["attempts_left"] == 1
