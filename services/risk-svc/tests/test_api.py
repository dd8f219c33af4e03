"""risk-svc on the real stack: evaluations heard over Kafka, people over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

PARTNER = uuid4()
PROFILE = f"/risk-profiles/{PARTNER}"
Evaluates = Callable[..., Awaitable[list[str]]]
Complains = Callable[[UUID, int], Awaitable[list[str]]]
Sells = Callable[..., Awaitable[None]]
Followed = Callable[[], Awaitable[None]]
LOW_SCORE: dict[str, Any] = {
    "judged_on": "evaluations",
    "figure": "inspection_score",
    "metrics": ["inspection_score"],
    "value": 'metrics["inspection_score"]',
    "when": "value < 85.0",
    "severity": "high",
    "suspend_after": 2,
    "lifts_when": "value >= 90.0",
}
COMPLAINTS: dict[str, Any] = {
    "judged_on": "events",
    "figure": "complaints",
    "value": "complaints",
    "when": "value >= 2.0",
    "severity": "medium",
    "window_days": 90,
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


async def publish(api: httpx.AsyncClient, code: str, content: dict[str, Any]) -> None:
    path = f"/rules/{code}"
    there = (await api.get(path)).status_code == 200
    await done(api, "PUT", f"{path}/draft", {"rule": content}, seen=path if there else None)
    await done(api, "POST", f"{path}/publication", {}, seen=path)


@pytest.fixture
async def rule(api: httpx.AsyncClient) -> None:
    await publish(api, "low_score", LOW_SCORE)


async def test_a_rule_is_drafted_published_revised_discarded_listed_and_retired(api: httpx.AsyncClient) -> None:
    low, draft = "/rules/low_score", "/rules/low_score/draft"
    assert (await done(api, "PUT", draft, {"rule": LOW_SCORE}))["version"] == 1
    assert (await done(api, "PUT", draft, {"rule": LOW_SCORE}))["events"] == []
    rule = await got(api, low)
    assert (rule["version"], rule["status"], rule["terms"]) == (0, "drafted", None)
    assert rule["draft"]["when"] == "value < 85.0"
    assert await refused(api, "POST", f"{low}/publication", {}) == (428, "version_needed")
    await done(api, "POST", f"{low}/publication", {}, seen=low)
    assert await refused(api, "POST", f"{low}/publication", {}, seen=low) == (409, "risk.nothing_drafted")

    lower = {**LOW_SCORE, "when": "value < 84.5"}
    assert await refused(api, "PUT", draft, {"rule": lower}) == (428, "version_needed")
    await done(api, "PUT", draft, {"rule": lower}, seen=low)
    await done(api, "POST", f"{draft}/discarding", {})
    assert await refused(api, "GET", f"{draft}/preview", {}) == (409, "risk.nothing_drafted")
    await publish(api, "low_score", lower)
    rule = await got(api, low)
    assert (rule["version"], rule["terms"]["when"], rule["status"], rule["draft"]) == (
        2,
        "value < 84.5",
        "active",
        None,
    )

    wrong = {**LOW_SCORE, "when": "valeu < 85.0"}
    answer = await api.put(draft, json={"rule": wrong}, headers=await looked_at(api, low))
    assert (answer.status_code, answer.json()["code"]) == (409, "risk.expression_wrong")
    assert (answer.json()["field"], "undeclared reference to 'valeu'" in answer.json()["says"]) == ("when", True)
    assert (await api.put(draft, json={"rule": {**LOW_SCORE, "severity": "awful"}})).status_code == 422
    assert (await api.put(draft, json={"rule": {**LOW_SCORE, "when": "true || " * 200 + "true"}})).status_code == 422

    await done(api, "POST", f"{low}/retirement", {})
    assert (await got(api, "/rules", status="active"))["items"] == []
    assert [r["code"] for r in (await got(api, "/rules", status="retired"))["items"]] == ["low_score"]
    assert await refused(api, "PUT", draft, {"rule": LOW_SCORE}, seen=low) == (409, "risk.rule_retired")


async def test_what_rules_may_speak_of_is_told_with_types_and_units(api: httpx.AsyncClient) -> None:
    told = {each["name"]: each for each in (await got(api, "/rule-variables"))["items"]}
    assert (told["missed_reports"]["type"], told["missed_reports"]["unit"]) == ("int", "reports")
    assert (told["metrics"]["type"], told["metrics"]["judged_on"]) == ("map<string, double>", "evaluations")
    assert told["value"]["judged_on"] is None
    assert all(each["meaning"] for each in told.values())


@pytest.mark.usefixtures("rule")
async def test_a_preview_says_who_would_be_flagged_now_and_changes_nothing(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    other, better = uuid4(), uuid4()
    await evaluates(PARTNER, ("2005", 84))
    ids = await evaluates(other, ("2004", 95), ("2005", 88))
    await evaluates(better, ("2005", 70), ("2006", 99))
    stricter = {**LOW_SCORE, "when": "value < 90.0"}
    await done(api, "PUT", "/rules/low_score/draft", {"rule": stricter}, seen="/rules/low_score")
    before = (await got(api, "/flags"))["items"]
    preview = await got(api, "/rules/low_score/draft/preview")
    assert (preview["judged"], preview["would_flag"], preview["would_suspend"]) == (3, 2, 0)
    flagged = {each["partner_id"]: each for each in preview["flagged"]}
    assert flagged[str(PARTNER)]["flagged_now"] is True
    assert flagged[str(other)] == {
        "partner_id": str(other),
        "explanation": "inspection_score 88 in 2005 (value < 90.0)",
        "evidence": [ids[1]],
        "flagged_now": False,
    }
    assert (await got(api, "/flags"))["items"] == before
    softer = {**LOW_SCORE, "when": "value < 80.0"}
    await done(api, "PUT", "/rules/low_score/draft", {"rule": softer}, seen="/rules/low_score")
    preview = await got(api, "/rules/low_score/draft/preview")
    assert (preview["would_flag"], preview["not_flagged_any_more"]) == (0, [str(PARTNER)])


async def test_a_rule_on_events_judges_at_its_publication_what_its_preview_promised(
    api: httpx.AsyncClient, complains: Complains, followed: Followed
) -> None:
    other = uuid4()
    ids = await complains(PARTNER, 3)
    await complains(other, 1)
    await done(api, "PUT", "/rules/load/draft", {"rule": COMPLAINTS})
    preview = await got(api, "/rules/load/draft/preview")
    assert [each["partner_id"] for each in preview["flagged"]] == [str(PARTNER)]
    await done(api, "POST", "/rules/load/publication", {}, seen="/rules/load")
    await followed()
    (flag,) = (await got(api, "/flags", rule="load", status="open"))["items"]
    assert (flag["partner_id"], flag["evidence"], flag["severity"]) == (str(PARTNER), ids, "medium")
    profile = await got(api, PROFILE)
    assert [signal["kind"] for signal in profile["signals"]] == ["complaint"] * 3
    (contribution,) = profile["score"]["contributions"]
    assert (profile["score"]["value"], contribution["points"]) == ("25.00", "25.00")
    assert contribution["events"] == ids
    assert (profile["score"]["before"], profile["score"]["trend"]) == ("0.00", "rising")
    await complains(other, 1)
    assert len((await got(api, "/flags", rule="load", status="open"))["items"]) == 2


async def test_a_rule_that_cannot_be_judged_is_reported_and_never_read_as_no_risk(
    api: httpx.AsyncClient, complains: Complains
) -> None:
    broken = {**COMPLAINTS, "value": "complaints / (complaints - 2)", "when": "value < 3.0"}
    await publish(api, "broken", broken)
    await complains(PARTNER, 1)  # 1 / -1
    assert len((await got(api, "/flags", status="open"))["items"]) == 1
    (because,) = await complains(PARTNER, 1)  # 2 / 0
    (failure,) = (await got(api, "/rule-failures"))["items"]
    assert (failure["rule"], failure["rule_version"], failure["partner_id"]) == ("broken", 1, str(PARTNER))
    assert (failure["because"], failure["error"]) == (because, "INVALID_ARGUMENT: divide by zero")
    assert (await got(api, "/rules/broken"))["failing_for"] == 1
    assert len((await got(api, "/flags", status="open"))["items"]) == 1
    await complains(PARTNER, 1)  # 3 / 1
    assert (await got(api, "/rule-failures"))["items"] == []
    assert (await got(api, "/rules/broken"))["failing_for"] == 0
    assert (await got(api, "/flags", status="open"))["items"] == []


async def test_accounts_and_an_exposure_are_part_of_the_profile(api: httpx.AsyncClient) -> None:
    figures = {
        "currency": "EUR", "total_assets": 1000, "current_assets": 400, "current_liabilities": 250,
        "total_liabilities": 600, "retained_earnings": 120, "ebit": -200, "sales": 500, "reported_by": "the auditor",
    }  # fmt: skip
    await done(api, "POST", f"{PROFILE}/restrictions", {"kind": "order_block", "reason": "Unpaid."})
    path = f"{PROFILE}/accounts/2024"
    await done(api, "PUT", path, {"figures": figures})
    assert (await done(api, "PUT", path, {"figures": figures}))["events"] == []
    better = {**figures, "ebit": 90}
    assert await refused(api, "PUT", path, {"figures": better}) == (428, "version_needed")
    odd = {**figures, "current_assets": 2000}
    assert await refused(api, "PUT", f"{PROFILE}/accounts/2023", {"figures": odd}) == (
        409,
        "risk.accounts_do_not_add_up",
    )
    accounts = (await got(api, PROFILE))["accounts"]
    assert (accounts["z_score"]["value"], accounts["z_score"]["zone"]) == ("0.3668", "distress")
    score = (await got(api, PROFILE))["score"]
    assert (score["value"], score["contributions"][0]["events"]) == ("50.00", [accounts["event_id"]])
    await done(api, "PUT", path, {"figures": better}, seen=path)
    assert (await got(api, path))["z_score"]["zone"] == "grey"
    assert [each["year"] for each in (await got(api, "/accounts", partner_id=str(PARTNER)))["items"]] == [2024]

    said = {"estimate": {"pd": "0.02", "lgd": "0.45", "ead": "100000", "currency": "EUR", "basis": "Ten years."}}
    await done(api, "PUT", f"{PROFILE}/exposure", said)
    exposure = await got(api, f"{PROFILE}/exposure")
    assert (exposure["expected_loss"], "Basel" in exposure["source"]) == ("900.0000", True)
    assert len((await got(api, "/exposures"))["items"]) == 1


async def test_concentration_is_that_of_the_sales_as_they_are_now(api: httpx.AsyncClient, sells: Sells) -> None:
    one, two = uuid4(), uuid4()
    await sells((one, 1, 30, 0), (two, 2, 45, 0), (two, 3, 20, 0))
    await sells((two, 2, 50, 1))
    found = await got(api, "/concentrations/EUR")
    assert (found["partners"], found["hhi"], found["level"]) == (2, "5800.00", "high")
    assert [(each["partner_id"], each["share"]) for each in found["largest"]] == [
        (str(two), "0.700000"),
        (str(one), "0.300000"),
    ]
    assert (await got(api, "/concentrations/USD"))["partners"] == 0


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
    assert (await auditor.put("/rules/low_score/draft", json={"rule": LOW_SCORE})).status_code == 403
    body = {"kind": "order_block", "reason": "Unpaid."}
    assert (await auditor.post(f"{PROFILE}/restrictions", json=body)).status_code == 403
    assert (await auditor.get("/flags")).status_code == 200
    assert (await auditor.get("/restrictions")).status_code == 200


@pytest.mark.usefixtures("rule")
async def test_two_low_years_in_a_row_suspend_and_why_leads_to_the_evaluations_and_the_rule(
    api: httpx.AsyncClient, evaluates: Evaluates
) -> None:
    ids = await evaluates(PARTNER, ("2004", 92), ("2005", 84), ("2006", "82.5"))
    await publish(api, "low_score", {**LOW_SCORE, "when": "value < 80.0"})

    profile = await got(api, PROFILE)
    (flag,) = profile["open_flags"]
    assert (flag["explanation"], flag["evidence"]) == ("inspection_score 84 in 2005 (value < 85.0)", [ids[1]])
    assert flag["raised_at"] == "2006-01-05T00:00:00Z"
    (suspension,) = profile["restrictions"]
    assert suspension["reason"] == "inspection_score 82.5 in 2006 after 84 in 2005 (value < 85.0)"
    (history,) = profile["histories"]
    assert [(e["period"], e["evaluation_id"], e["low"]) for e in history["evaluations"]] == [
        ("2004", ids[0], False),
        ("2005", ids[1], True),
        ("2006", ids[2], True),
    ]

    (why,) = (await got(api, f"{PROFILE}/why"))["restrictions"]
    assert why["restriction"] == suspension
    assert [(each["event_id"], each["period"], each["value"], each["restated_to"]) for each in why["because"]] == [
        (ids[1], "2005", "84", None),
        (ids[2], "2006", "82.5", None),
    ]
    assert why["because"][1]["type"] == "cauce.performance.PartnerEvaluated.v1"
    assert (why["because"][1]["service"], why["because"][1]["at"]) == ("performance", "2007-01-05T00:00:00Z")
    terms = why["by_rule"]["terms"]
    assert (terms["version"], terms["when"], terms["lifts_when"]) == (1, "value < 85.0", "value >= 90.0")
    assert why["by_rule"]["published_by"] == "somebody"

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
        "inspection_score 85 in 2007 (not value < 85.0)",
        "2008-01-05T00:00:00Z",
    )
    assert len((await got(api, "/restrictions", status="active"))["items"]) == 1

    await evaluates(PARTNER, ("2008", 90))
    (restriction,) = (await got(api, "/restrictions", status="lifted", partner_id=str(PARTNER)))["items"]
    assert (restriction["lifted_by"], restriction["lifted_because"]) == (
        "rule",
        "inspection_score 90 in 2008 (value >= 90.0)",
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
    first = answer["because"][0]
    assert (first["event_id"], first["value"], first["restated_to"]) == (ids[0], "84", "91")
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
    assert await refused(api, "POST", f"{PROFILE}/restrictions", credit) == (409, "risk.limit_is_of_credit_limits")
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
