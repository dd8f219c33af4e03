"""risk-svc on the real stack: evaluations heard over Kafka, people over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

PARTNER = uuid4()
PROFILE = f"/risk-profiles/{PARTNER}"
Evaluates = Callable[..., Awaitable[list[str]]]
LOW_SCORE: dict[str, Any] = {
    "metric": "inspection_score",
    "flag_below": 85,
    "severity": "high",
    "suspend_after": 2,
    "lift_at": 90,
}


async def got(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


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


async def refused(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], *, seen: str | None = None
) -> tuple[int, str]:
    answer = await api.request(method, path, json=body, headers=await looked_at(api, seen))
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


@pytest.fixture
async def rule(api: httpx.AsyncClient) -> None:
    await done(api, "PUT", "/rules/low_score", LOW_SCORE)


async def test_a_rule_is_defined_revised_listed_and_retired(api: httpx.AsyncClient) -> None:
    assert (await done(api, "PUT", "/rules/low_score", LOW_SCORE))["version"] == 1
    assert (await done(api, "PUT", "/rules/low_score", LOW_SCORE))["events"] == []
    lower, seen = {**LOW_SCORE, "flag_below": "84.5"}, "/rules/low_score"
    assert await refused(api, "PUT", "/rules/low_score", lower) == (428, "version_needed")
    assert (await done(api, "PUT", "/rules/low_score", lower, seen=seen))["version"] == 2
    rule = await got(api, "/rules/low_score")
    assert (rule["version"], rule["flag_below"], rule["status"]) == (2, "84.5", "active")

    below = {**LOW_SCORE, "lift_at": 80}
    assert await refused(api, "PUT", "/rules/low_score", below) == (409, "risk.lift_at_below_flag_below")
    assert (await api.put("/rules/low_score", json={**LOW_SCORE, "severity": "awful"})).status_code == 422

    await done(api, "POST", "/rules/low_score/retirement", {})
    assert (await got(api, "/rules", status="active"))["items"] == []
    assert [r["code"] for r in (await got(api, "/rules", status="retired"))["items"]] == ["low_score"]
    assert await refused(api, "PUT", "/rules/low_score", LOW_SCORE) == (409, "risk.rule_retired")


async def test_what_does_not_exist_is_not_found(api: httpx.AsyncClient) -> None:
    assert await refused(api, "GET", "/rules/unheard-of", {}) == (404, "risk.rule_unknown")
    assert await refused(api, "POST", "/rules/unheard-of/retirement", {}) == (404, "risk.rule_unknown")
    for path in ("", "/why"):
        assert await refused(api, "GET", PROFILE + path, {}) == (404, "risk.risk_profile_unknown")
    assert await refused(api, "GET", f"{PROFILE}/history", {}) == (404, "risk.risk_profile_unknown")
    nothing = f"{PROFILE}/flags/{uuid4()}/acknowledgement"
    assert await refused(api, "POST", nothing, {}) == (404, "risk.risk_profile_unknown")


async def test_each_route_needs_its_scope(caller: Callable[[str], httpx.AsyncClient]) -> None:
    auditor = caller("auditor")
    assert (await auditor.put("/rules/low_score", json=LOW_SCORE)).status_code == 403
    body = {"kind": "order_block", "reason": "Unpaid."}
    assert (await auditor.post(f"{PROFILE}/restrictions", json=body)).status_code == 403
    assert (await auditor.get("/flags")).status_code == 200
    assert (await auditor.get("/restrictions")).status_code == 200


@pytest.mark.usefixtures("rule")
async def test_two_low_years_in_a_row_suspend_and_why_leads_to_the_evaluations_and_the_rule(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    ids = await evaluates(PARTNER, ("2004", 92), ("2005", 84), ("2006", "82.5"))
    await done(api, "PUT", "/rules/low_score", {**LOW_SCORE, "flag_below": 80}, seen="/rules/low_score")

    profile = await got(api, PROFILE)
    (flag,) = profile["open_flags"]
    assert (flag["explanation"], flag["evidence"]) == ("inspection_score 84 in 2005, below 85", [ids[1]])
    assert flag["raised_at"] == "2006-01-05T00:00:00Z"
    (suspension,) = profile["restrictions"]
    assert suspension["reason"] == "inspection_score 82.5 in 2006 after 84 in 2005, both below 85"
    (history,) = profile["histories"]
    assert [(e["period"], e["evaluation_id"], e["low"]) for e in history["evaluations"]] == [
        ("2004", ids[0], False),
        ("2005", ids[1], True),
        ("2006", ids[2], True),
    ]

    (why,) = (await got(api, f"{PROFILE}/why"))["restrictions"]
    assert why["restriction"] == suspension
    assert why["because"] == [
        {"event_id": ids[1], "period": "2005", "value": "84", "restated_to": None},
        {"event_id": ids[2], "period": "2006", "value": "82.5", "restated_to": None},
    ]
    assert (why["by_rule"]["version"], why["by_rule"]["flag_below"], why["by_rule"]["lift_at"]) == (1, "85", "90")

    happened = (await got(api, f"{PROFILE}/history"))["items"]
    imposed = next(event for event in happened if event["type"] == "cauce.risk.RestrictionImposed.v1")
    assert imposed["event_id"] == suspension["event_id"]
    assert imposed["causation_id"] == ids[2]
    assert imposed["occurred_at"] == "2007-01-05T00:00:00Z"


@pytest.mark.usefixtures("rule")
async def test_85_resolves_90_lifts_and_the_lists_follow(api: httpx.AsyncClient, evaluates: Evaluates) -> None:
    other = uuid4()
    await evaluates(PARTNER, ("2005", 84), ("2006", 84))
    await evaluates(other, ("2005", 70))
    assert len((await got(api, "/flags", status="open"))["items"]) == 2
    assert len((await got(api, "/flags", status="open", partner_id=str(other)))["items"]) == 1
    assert len((await got(api, "/restrictions", status="active"))["items"]) == 1

    await evaluates(PARTNER, ("2007", 85))
    (flag,) = (await got(api, "/flags", status="resolved"))["items"]
    assert (flag["closed_because"], flag["closed_at"]) == (
        "inspection_score 85 in 2007, at or above 85",
        "2008-01-05T00:00:00Z",
    )
    assert len((await got(api, "/restrictions", status="active"))["items"]) == 1

    await evaluates(PARTNER, ("2008", 90))
    (restriction,) = (await got(api, "/restrictions", status="lifted", partner_id=str(PARTNER)))["items"]
    assert (restriction["lifted_by"], restriction["lifted_because"]) == (
        "rule",
        "inspection_score 90 in 2008, at or above 90",
    )
    profile = await got(api, PROFILE)
    assert (profile["open_flags"], profile["restrictions"]) == ([], [])


@pytest.mark.usefixtures("rule")
async def test_a_restated_year_lifts_the_suspension_and_why_shows_both_figures(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    ids = await evaluates(PARTNER, ("2005", 84), ("2006", 84))
    (again,) = await evaluates(PARTNER, ("2005", 91), restated=True)
    why = await got(api, f"{PROFILE}/why")
    (answer,) = why["restrictions"]
    assert answer["restriction"]["status"] == "lifted"
    assert answer["because"][0] == {"event_id": ids[0], "period": "2005", "value": "84", "restated_to": "91"}
    assert [flag["flag"]["evidence"] for flag in why["flags"] if flag["flag"]["status"] == "open"] == [[ids[1]]]
    (history,) = (await got(api, PROFILE))["histories"]
    assert history["evaluations"][0]["evaluation_id"] == again


@pytest.mark.usefixtures("rule")
async def test_a_retired_rule_raises_nothing_and_still_lifts_what_it_imposed(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    other = uuid4()
    await evaluates(PARTNER, ("2005", 84), ("2006", 84))
    await done(api, "POST", "/rules/low_score/retirement", {})
    await evaluates(other, ("2007", 10))
    assert (await got(api, "/flags", partner_id=str(other)))["items"] == []
    await evaluates(PARTNER, ("2007", 95))
    assert (await got(api, "/restrictions", status="active"))["items"] == []
    assert (await got(api, "/flags", status="open"))["items"] == []


@pytest.mark.usefixtures("rule")
async def test_a_person_acknowledges_dismisses_and_lifts_with_reasons(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    await evaluates(PARTNER, ("2005", 84), ("2006", 84))
    profile = await got(api, PROFILE)
    flag = f"{PROFILE}/flags/{profile['open_flags'][0]['flag_id']}"
    suspension = f"{PROFILE}/restrictions/{profile['restrictions'][0]['restriction_id']}"

    await done(api, "POST", f"{flag}/acknowledgement", {})
    assert (await got(api, PROFILE))["open_flags"][0]["acknowledged_by"] == "somebody"
    assert (await api.post(f"{flag}/dismissal", json={"reason": " "})).status_code == 422
    reason = {"reason": "Rebuilding."}
    assert await refused(api, "POST", f"{flag}/dismissal", reason) == (428, "version_needed")
    await done(api, "POST", f"{flag}/dismissal", reason, seen=PROFILE)
    assert (await done(api, "POST", f"{flag}/dismissal", reason, seen=PROFILE))["events"] == []
    assert await refused(api, "POST", f"{flag}/acknowledgement", {}) == (409, "risk.flag_not_open")
    await done(api, "POST", f"{suspension}/lifting", {"reason": "New owner."}, seen=PROFILE)
    assert await refused(api, "POST", f"{suspension}/lifting", {"reason": "Paid."}, seen=PROFILE) == (
        409,
        "risk.restriction_not_active",
    )
    (dismissed,) = (await got(api, "/flags", status="dismissed"))["items"]
    assert dismissed["closed_because"] == "Rebuilding."

    await evaluates(PARTNER, ("2007", 84))
    profile = await got(api, PROFILE)
    assert ([f["period"] for f in profile["open_flags"]], profile["restrictions"]) == (["2007"], [])


async def test_a_person_restricts_a_partner_of_whom_nothing_was_known(api: httpx.AsyncClient) -> None:
    body = {"kind": "order_block", "reason": "Unpaid since May."}
    await done(api, "POST", f"{PROFILE}/restrictions", body)
    assert (await done(api, "POST", f"{PROFILE}/restrictions", body))["events"] == []
    other = {**body, "reason": "Complaints."}
    assert await refused(api, "POST", f"{PROFILE}/restrictions", other) == (409, "risk.already_restricted")
    credit = {**body, "kind": "credit_limit"}
    assert (await api.post(f"{PROFILE}/restrictions", json=credit)).status_code == 422
    (why,) = (await got(api, f"{PROFILE}/why"))["restrictions"]
    assert (why["restriction"]["imposed_by"], why["because"], why["by_rule"]) == ("person", [], None)
    restriction = UUID(why["restriction"]["restriction_id"])
    await done(api, "POST", f"{PROFILE}/restrictions/{restriction}/lifting", {"reason": "Paid."}, seen=PROFILE)
    (lifted,) = (await got(api, "/restrictions"))["items"]
    assert (lifted["status"], lifted["lifted_by"], lifted["lifted_because"]) == ("lifted", "person", "Paid.")


@pytest.mark.usefixtures("rule")
async def test_lists_come_a_page_at_a_time(api: httpx.AsyncClient, evaluates: Evaluates) -> None:
    partners = [uuid4() for _ in range(3)]
    for partner in partners:
        await evaluates(partner, ("2005", 84), ("2006", 84))
    for path in ("/flags", "/restrictions"):
        first = await got(api, path, limit=2)
        second = await got(api, path, limit=2, after=first["next"])
        assert {item["partner_id"] for item in first["items"] + second["items"]} == set(map(str, partners))
        assert (len(first["items"]), second["next"]) == (2, None)
        answer = await api.get(path, params={"after": "bm90LWFuLWlk"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


@pytest.mark.usefixtures("rule")
async def test_a_profile_and_its_why_are_read_as_they_were_known_and_as_they_were(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    await evaluates(PARTNER, ("2005", 84), ("2006", 84))
    imposed = (await got(api, f"{PROFILE}/history"))["items"][-1]
    assert imposed["type"] == "cauce.risk.RestrictionImposed.v1"
    await evaluates(PARTNER, ("2007", 95))
    now = await got(api, PROFILE)
    assert (now["open_flags"], now["restrictions"]) == ([], [])
    known = await got(api, PROFILE, as_of=imposed["recorded_at"])
    assert ([f["status"] for f in known["open_flags"]], known["version"]) == (["open"], imposed["version"])
    assert [r["event_id"] for r in known["restrictions"]] == [imposed["event_id"]]
    in_effect = await got(api, PROFILE, effective_at="2007-12-31T00:00:00Z")
    assert in_effect["restrictions"] == known["restrictions"]
    (why,) = (await got(api, f"{PROFILE}/why", as_of=imposed["recorded_at"]))["restrictions"]
    assert (why["restriction"]["status"], len(why["because"])) == ("active", 2)
