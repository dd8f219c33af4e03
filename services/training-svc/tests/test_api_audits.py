"""Audits on the real stack: from a template to what was put right, and who sees what of it when."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import ClientOf
from fastapi import FastAPI

PARTNER, OTHER, OUTLET = UUID(int=11), UUID(int=12), UUID(int=13)
Registers = Callable[..., Awaitable[None]]
Settles = Callable[[], Awaitable[None]]
TEMPLATE: dict[str, Any] = {
    "title": "Food safety",
    "sections": [
        {
            "code": "hygiene",
            "title": "Hygiene",
            "items": [
                {"code": "cold", "title": "Cold food at 5 degrees or less", "weight": 3, "critical": True,
                 "correct_within_days": 7, "owner": "cook"},
                {"code": "floors", "title": "Floors are clean", "weight": 1},
            ],
        },
        {"code": "brand", "title": "Brand", "items": [{"code": "signs", "title": "Signs as agreed", "weight": 1}]},
    ],
    "pass_mark": 80,
    "metric": "audit_score",
    "metric_period": "month",
}  # fmt: skip


def answers(cold: int | None = 100, floors: int | None = 100, signs: int | None = None) -> list[dict[str, Any]]:
    return [{"item": item, "rating": r} for item, r in (("cold", cold), ("floors", floors), ("signs", signs))]


def audit(on: str, *, partner: UUID = PARTNER, **rated: int | None) -> dict[str, Any]:
    seen = {"template": "food-safety", "audited_on": on, "answers": answers(**rated)}
    return {"partner_id": str(partner), "outlet_id": str(OUTLET), **seen}


@pytest.fixture
def eva(client_of: ClientOf, training: FastAPI) -> httpx.AsyncClient:
    """Approves; may do everything, in the past, too."""
    return client_of(training, "backfill", "eva")


@pytest.fixture
def theirs(client_of: ClientOf, training: FastAPI) -> httpx.AsyncClient:
    """The partner's own people."""
    return client_of(training, "partner", "pia", PARTNER)


async def done(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, seen: str | None = None, method: str = "POST"
) -> dict[str, Any]:
    """`seen` is what was looked at, if the decision says so."""
    looked = {} if seen is None else {"If-Match": (await api.get(seen)).headers["etag"]}
    answer = await api.request(method, path, json=body, headers=looked)
    assert answer.is_success, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def refused(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, seen: str | None = None
) -> tuple[int, dict[str, Any]]:
    looked = {} if seen is None else {"If-Match": (await api.get(seen)).headers["etag"]}
    answer = await api.post(path, json=body, headers=looked)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()


async def got(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def template(api: httpx.AsyncClient, registers: Registers) -> str:
    """In use, with two partners to audit."""
    path = "/audit-templates/food-safety"
    await done(api, f"{path}/draft", TEMPLATE, method="PUT")
    await done(api, f"{path}/publication", {}, seen=path)
    await registers(PARTNER, OTHER)
    return path


async def published(api: httpx.AsyncClient, eva: httpx.AsyncClient, body: dict[str, Any], on: str | None = None) -> str:
    path = f"/field-audits/{(await done(api, '/field-audits', body))['id']}"
    await done(eva, f"{path}/publication", {} if on is None else {"occurred_at": on}, seen=path)
    return path


async def test_a_template_is_drafted_tried_published_and_drafted_anew(api: httpx.AsyncClient) -> None:
    path = "/audit-templates/food-safety"
    assert (await refused(api, f"{path}/preview", {"answers": answers()}))[1][
        "code"
    ] == "training.audit_template_unknown"
    await done(api, f"{path}/draft", TEMPLATE, method="PUT")
    tried = await done(api, f"{path}/preview", {"answers": answers(cold=0)})
    assert (tried["of_draft"], tried["total"], tried["passed"], tried["critical_missed"]) == (
        True, "25.00", False, ["cold"],
    )  # fmt: skip
    assert tried["sections"] == [{"section": "hygiene", "score": "25.00"}, {"section": "brand", "score": None}]
    assert (await got(api, path))["version"] is None
    assert (await refused(api, f"{path}/publication", {}))[0] == 428

    await done(api, f"{path}/publication", {}, seen=path)
    stricter = {**TEMPLATE, "title": "Food safety, stricter", "pass_mark": "95.5"}
    await done(api, f"{path}/draft", stricter, seen=path, method="PUT")
    now = await got(api, path)
    assert (now["version"], now["title"], now["content"]["pass_mark"]) == (1, "Food safety", "80")
    assert now["draft"]["pass_mark"] == "95.5"
    await done(api, f"{path}/publication", {}, seen=path)
    now = await got(api, path)
    assert (now["version"], now["title"], now["draft"]) == (2, "Food safety, stricter", None)
    assert (await got(api, f"{path}/versions/1"))["content"]["pass_mark"] == "80"
    assert (await api.get(f"{path}/versions/3")).json()["code"] == "training.audit_template_unknown"
    assert len((await got(api, f"{path}/history"))["items"]) == 4

    await done(api, f"{path}/retirement", {})
    assert [each["code"] for each in (await got(api, "/audit-templates", retired="true"))["items"]] == ["food-safety"]


async def test_an_audit_keeps_the_version_it_was_scored_by(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, template: str
) -> None:
    path = f"/field-audits/{(await done(api, '/field-audits', audit('2026-03-02', floors=60)))['id']}"
    await done(api, f"{template}/draft", {**TEMPLATE, "pass_mark": 95}, seen=template, method="PUT")
    await done(api, f"{template}/publication", {}, seen=template)
    await done(eva, f"{path}/return", {"reason": "Which floor?"}, seen=path)
    assert [each["status"] for each in (await got(api, "/field-audits", status="returned"))["items"]] == ["returned"]
    revision = {"audited_on": "2026-03-02", "answers": answers(floors=80)}
    await done(api, f"{path}/revision", revision)
    shown = await got(api, path)
    assert (shown["template_version"], shown["total"], shown["passed"]) == (1, "95.00", True)
    assert shown["returned_because"] is None
    assert [(each["item"], each["title"], each["rating"]) for each in shown["answers"]][1:] == [
        ("floors", "Floors are clean", "80"),
        ("signs", "Signs as agreed", None),
    ]


async def test_somebody_else_approves_it_having_seen_it(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, template: str
) -> None:
    path = f"/field-audits/{(await done(api, '/field-audits', audit('2026-03-02')))['id']}"
    assert (await refused(eva, f"{path}/publication", {}))[0] == 428
    status, problem = await refused(api, f"{path}/publication", {}, seen=path)
    assert (status, problem["code"], problem["recorded_by"]) == (409, "training.second_person_needed", ["somebody"])
    await done(eva, f"{path}/publication", {}, seen=path)
    again = await done(eva, f"{path}/publication", {}, seen=path)
    assert again["events"] == []
    assert (await got(api, path))["status"] == "published"


async def test_the_previous_result_at_the_same_place_stands_beside_it(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, template: str
) -> None:
    first = await published(api, eva, audit("2026-01-10", floors=60))
    await published(api, eva, {**audit("2026-02-10"), "outlet_id": None})
    await done(api, "/field-audits", audit("2026-02-20", cold=0))  # not approved, so nobody is measured against it
    latest = await got(api, await published(api, eva, audit("2026-03-10")))
    previous = latest["previous"]
    assert (previous["audit_id"], previous["audited_on"], previous["total"]) == (
        first.rpartition("/")[2], "2026-01-10", "90.00",
    )  # fmt: skip
    assert previous["sections"][0] == {"section": "hygiene", "score": "90.00"}
    assert (await got(api, first))["previous"] is None


async def test_a_partners_own_people_see_nothing_before_approval_and_their_own_after(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, theirs: httpx.AsyncClient, template: str
) -> None:
    before = await done(api, "/field-audits", audit("2026-03-02", cold=50))
    path = f"/field-audits/{before['id']}"
    await published(api, eva, audit("2026-03-02", partner=OTHER))
    assert (await theirs.get(path)).status_code == 404
    assert (await got(theirs, "/field-audits"))["items"] == []
    assert len((await got(api, "/field-audits", partner_id=str(PARTNER)))["items"]) == 1
    recorded_at = (await got(api, path))["recorded_at"]

    await done(eva, f"{path}/publication", {}, seen=path)
    shown = await got(theirs, path)
    assert (shown["status"], shown["critical_missed"]) == ("published", ["cold"])
    assert [each["audit_id"] for each in (await got(theirs, "/field-audits"))["items"]] == [before["id"]]
    assert (await theirs.get("/field-audits", params={"partner_id": str(OTHER)})).status_code == 403
    assert (await theirs.get(path, params={"effective_at": recorded_at})).status_code == 404, "as it was before"
    assert (await theirs.get(f"{path}/history")).status_code == 403
    assert (await theirs.get("/audit-templates/food-safety")).status_code == 403
    assert (await theirs.post("/field-audits", json=audit("2026-03-02"))).status_code == 403


async def test_a_finding_is_put_right_shown_looked_at_and_verified(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, theirs: httpx.AsyncClient, template: str, settles: Settles
) -> None:
    of_audit = await published(api, eva, audit("2026-03-02", cold=50, floors=0))
    await settles()
    [action] = (await got(theirs, "/corrective-actions"))["items"]
    assert (action["item"], action["owner"], action["status"], action["overdue"]) == ("cold", "cook", "open", False)
    assert action["audit_id"] == of_audit.rpartition("/")[2]
    path = f"/corrective-actions/{action['action_id']}"
    assert (await refused(api, f"{path}/verification", {}, seen=path))[1]["code"] == "training.no_evidence"

    await done(theirs, f"{path}/evidence", {"references": ["photo-1"]})
    await done(eva, f"{path}/rejection", {"reason": "It is another fridge."}, seen=path)
    again = await got(theirs, path)
    assert (again["status"], again["rejected_because"]) == ("open", "It is another fridge.")
    await done(theirs, f"{path}/evidence", {"references": ["photo-2", "invoice-9"], "note": "A new fridge"})
    for action_of_ours in ("rejection", "verification", "waiver"):
        assert (await theirs.post(f"{path}/{action_of_ours}", json={"reason": "x"})).status_code == 403
    verified = await done(eva, f"{path}/verification", {}, seen=path)
    assert verified["events"] == ["cauce.training.CorrectiveActionVerified.v1"]
    shown = await got(theirs, path)
    assert (shown["status"], shown["evidence"], shown["note"]) == ("verified", ["photo-2", "invoice-9"], "A new fridge")
    assert (await refused(theirs, f"{path}/evidence", {"references": ["x"]}))[1]["code"] == "training.action_closed"


async def test_what_is_not_put_right_by_its_day_is_overdue_by_itself(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, template: str, settles: Settles
) -> None:
    await done(api, "/backfill?wait=30", {"reached": "2019-05-01T00:00:00Z"}, method="PUT")
    then = "2019-05-02T10:00:00Z"
    await published(api, eva, audit("2019-05-02", cold=0) | {"occurred_at": then}, on=then)
    await settles()
    [action] = (await got(api, "/corrective-actions", overdue="false"))["items"]
    assert (action["opened_on"], action["due_on"]) == ("2019-05-02", "2019-05-09")
    await done(api, "/backfill?wait=30", {"reached": "2019-05-09T23:59:59Z"}, method="PUT")
    assert (await got(api, "/corrective-actions", overdue="true"))["items"] == []
    await done(api, "/backfill?wait=30", {"reached": "2019-05-10T00:00:00Z"}, method="PUT")
    [action] = (await got(api, "/corrective-actions", overdue="true"))["items"]
    assert action["status"] == "open"
    last = (await got(api, f"/corrective-actions/{action['action_id']}/history"))["items"][-1]
    assert (last["type"], last["occurred_at"]) == ("cauce.training.CorrectiveActionOverdue.v1", "2019-05-10T00:00:00Z")


async def test_of_two_who_decide_at_once_on_what_both_saw_one_does_and_the_other_is_told(
    client_of: ClientOf, training: FastAPI, api: httpx.AsyncClient, template: str
) -> None:
    path = f"/field-audits/{(await done(api, '/field-audits', audit('2026-03-02', cold=50)))['id']}"
    seen = {"If-Match": (await api.get(path)).headers["etag"]}
    approvers = [client_of(training, "channel-manager", name) for name in ("eva", "zoe", "max", "lia")]
    returned = api.post(f"{path}/return", json={"reason": "Which floor?"}, headers=seen)
    answers = await asyncio.gather(
        returned, *(each.post(f"{path}/publication", json={}, headers=seen) for each in approvers)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 412, 412, 412, 412]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 412} == {"version_mismatch"}
    assert len((await got(api, f"{path}/history"))["items"]) == 2


async def test_two_persons_waive_what_need_not_be_put_right(
    api: httpx.AsyncClient, eva: httpx.AsyncClient, template: str, settles: Settles
) -> None:
    await published(api, eva, audit("2026-03-02", cold=50))
    await settles()
    [action] = (await got(api, "/corrective-actions"))["items"]
    path, why = f"/corrective-actions/{action['action_id']}", {"reason": "The shop moves."}
    assert (await done(api, f"{path}/waiver", why, seen=path))["events"] == ["cauce.training.WaiverProposed.v1"]
    status, problem = await refused(api, f"{path}/waiver", why, seen=path)
    assert (status, problem["code"], problem["proposed_by"]) == (409, "training.second_person_needed", ["somebody"])
    await done(eva, f"{path}/waiver", why, seen=path)
    shown = await got(api, path)
    assert (shown["status"], shown["waived_because"]) == ("waived", "The shop moves.")


async def test_what_is_not_there_or_not_known_is_told(api: httpx.AsyncClient, template: str) -> None:
    for path in (f"/field-audits/{uuid4()}", f"/corrective-actions/{uuid4()}"):
        assert (await api.get(path)).status_code == 404
        assert (await api.get(f"{path}/history")).status_code == 404
    status, problem = await refused(api, "/field-audits", audit("2026-03-02", partner=uuid4()))
    assert (status, problem["code"]) == (404, "training.partner_unknown")
    status, problem = await refused(api, "/field-audits", audit("2026-03-02") | {"template": "brand"})
    assert (status, problem["code"]) == (409, "training.template_not_in_use")
    revision = {"audited_on": "2026-03-02", "answers": answers()}
    status, problem = await refused(api, f"/field-audits/{uuid4()}/revision", revision)
    assert (status, problem["code"]) == (404, "training.field_audit_unknown")
    status, problem = await refused(api, "/field-audits", audit("2026-03-02") | {"source": "auditor-app"})
    assert (status, problem["code"]) == (422, "request_invalid")
