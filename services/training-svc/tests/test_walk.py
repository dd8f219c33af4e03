"""training-svc as a new user would try it, over HTTP, each refusal included: from an assignment to a certificate, an
audit and what has to be put right after it, a manual that is read or not, coaching, and conduct. The clock is the
backfill's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from training.domain.acknowledgement import acknowledgement_id
from training.domain.enrolment_events import enrolment_id

Caller = Callable[..., httpx.AsyncClient]
Settles = Callable[[], Awaitable[None]]
COURSE: dict[str, Any] = {
    "title": "Food hygiene",
    "pass_mark": 70,
    "required_for_launch": True,
    "required_of": ["franchisee"],
    "validity_months": 12,
    "max_attempts": 2,
    "modules": [
        {"code": "cold", "title": "Cold chain"},
        {"code": "art", "title": "Latte art", "required": False},
    ],
}
TEMPLATE: dict[str, Any] = {
    "title": "Food safety",
    "pass_mark": 80,
    "sections": [
        {
            "code": "hygiene",
            "title": "Hygiene",
            "items": [
                {"code": "cold", "title": "Cold food", "weight": 3, "critical": True, "correct_within_days": 7},
                {"code": "floors", "title": "Floors", "weight": 1, "correct_within_days": 14},
            ],
        },
        {"code": "brand", "title": "Brand", "items": [{"code": "signs", "title": "Signs", "weight": 1}]},
    ],
}
ANSWERS: list[dict[str, Any]] = [
    {"item": "cold", "rating": 50},
    {"item": "floors", "rating": 0},
    {"item": "signs", "rating": None},
]
MANUAL: dict[str, Any] = {
    "title": "Operations",
    "document": "dam://operations-1",
    "summary": "First edition.",
    "kinds": ["franchisee"],
    "acknowledge_within_days": 10,
}
CONDUCT: dict[str, Any] = {
    "title": "Conduct",
    "document": "dam://conduct",
    "rules": [
        {"code": "prices", "title": "Prices as agreed", "text": "Nobody charges more.", "severity": "serious",
         "ladder": ["warning", "final_warning", "referral"]},
    ],
}  # fmt: skip


def noon(day: str) -> str:
    return f"{day}T12:00:00Z"


@dataclass
class Walk:
    """Says what it does and is told what came of it. `us`, `colleague` and `boss` are the principal's, `them` and
    `neighbours` two partners' own people."""

    partner: UUID
    neighbour: UUID
    us: httpx.AsyncClient
    colleague: httpx.AsyncClient
    boss: httpx.AsyncClient
    them: httpx.AsyncClient
    neighbours: httpx.AsyncClient
    settles: Settles

    async def say(
        self, who: httpx.AsyncClient, path: str, day: str, *, method: str = "POST", seen: str = "", **body: Any
    ) -> httpx.Response:
        headers = {"If-Match": (await self.us.get(seen)).headers["etag"]} if seen else {}
        said = {**body, "occurred_at": noon(day)} if who not in (self.them, self.neighbours) else body
        return await who.request(method, path, json=said, headers=headers)

    async def done(self, who: httpx.AsyncClient, path: str, day: str, **body: Any) -> list[str]:
        """The names of the events that came of it."""
        answer = await self.say(who, path, day, **body)
        assert answer.is_success, answer.text
        return [event.split(".")[2] for event in answer.json()["events"]]

    async def made(self, who: httpx.AsyncClient, path: str, day: str, **body: Any) -> str:
        answer = await self.say(who, path, day, **body)
        assert answer.is_success, answer.text
        id: str = answer.json()["id"]
        return id

    async def refused(self, who: httpx.AsyncClient, path: str, day: str, **body: Any) -> dict[str, Any]:
        answer = await self.say(who, path, day, **body)
        assert answer.status_code in (403, 404, 409, 428), answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def see(self, path: str, who: httpx.AsyncClient | None = None) -> Any:
        answer = await (who or self.us).get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def items(self, path: str, who: httpx.AsyncClient | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.see(path, who))["items"]
        return found

    async def day(self, day: str) -> None:
        """The clock comes to noon of that day, and what was due is done."""
        await self.settles()
        answer = await self.us.put("/backfill?wait=30", json={"reached": noon(day)})
        assert answer.json()["reached"] == noon(day), answer.text
        await self.settles()


@pytest.fixture
async def walk(caller: Caller, registers: Callable[..., Awaitable[None]], settles: Settles) -> Walk:
    """Two franchisees and a reseller, on 5 January 2016."""
    partner, neighbour = uuid4(), uuid4()
    walk = Walk(
        partner,
        neighbour,
        us=caller("backfill", subject="ana"),
        colleague=caller("backfill", subject="ben"),
        boss=caller("backfill", subject="eva"),
        them=caller("partner", subject="carla", partner_id=partner),
        neighbours=caller("partner", subject="dora", partner_id=neighbour),
        settles=settles,
    )
    await walk.us.put("/backfill?wait=30", json={"reached": noon("2016-01-05")})
    await registers(partner, neighbour)
    await registers(uuid4(), kind="reseller")
    return walk


async def test_a_partner_is_assigned_what_its_kind_needs_and_has_a_certificate_that_runs_out(
    walk: Walk, signs: Callable[..., Awaitable[None]]
) -> None:
    us = walk.us
    await walk.done(us, "/courses/hygiene", "2016-01-05", method="PUT", **COURSE)
    selling = {**COURSE, "title": "Selling", "required_of": ["reseller"], "modules": []}
    await walk.done(us, "/courses/selling", "2016-01-05", method="PUT", **selling)
    assert [each["code"] for each in await walk.items("/courses?required_of=franchisee")] == ["hygiene"]
    await signs(walk.partner, on=date(2016, 1, 10))
    (todo,) = await walk.items(f"/enrolments?partner_id={walk.partner}&required_for_launch=true")
    assert (todo["course"], todo["status"], todo["modules_open"]) == ("hygiene", "assigned", ["cold"])
    at = f"/enrolments/{enrolment_id(walk.partner, 'hygiene')}"

    early = await walk.refused(us, f"{at}/assessments", "2016-01-11", score=90)
    assert early["code"] == "training.not_started"
    assert await walk.done(us, f"{at}/start", "2016-01-11") == ["TrainingStarted"]
    skipped = await walk.refused(us, f"{at}/assessments", "2016-01-11", score=90)
    assert (skipped["code"], skipped["modules"]) == ("training.modules_open", ["cold"])
    unknown = await walk.refused(us, f"{at}/modules/sushi/completion", "2016-01-12")
    assert (unknown["code"], unknown["modules"]) == ("training.module_unknown", ["cold", "art"])
    assert await walk.done(us, f"{at}/modules/cold/completion", "2016-01-12") == ["ModuleCompleted"]
    assert await walk.done(us, f"{at}/assessments", "2016-01-13", score=60) == ["TrainingFailed"]
    passed = await walk.done(us, f"{at}/assessments", "2016-01-20", score=80)
    assert passed == ["TrainingCompleted", "CertificateIssued"]
    again = await walk.refused(us, f"{at}/assessments", "2016-01-21", score=80)
    assert (again["code"], again["valid_until"]) == ("training.already_completed", "2017-01-20")
    seen = await walk.see(at, walk.them)
    assert (seen["status"], seen["valid_until"], seen["certificates"]) == ("completed", "2017-01-20", 1)

    await walk.day("2016-12-20")
    assert await walk.items("/enrolments?expiring=true") == []
    await walk.day("2016-12-22")
    assert [each["course"] for each in await walk.items("/enrolments?expiring=true")] == ["hygiene"]
    await walk.done(us, f"{at}/renewal", "2016-12-22")
    await walk.done(us, f"{at}/assessments", "2016-12-23", score=75)
    seen = await walk.see(at)
    assert (seen["certificates"], seen["expiring"], seen["valid_until"]) == (2, False, "2017-12-23")
    await walk.day("2017-12-24")
    seen = await walk.see(at)
    assert (seen["status"], seen["expired_on"], seen["expiring"]) == ("expired", "2017-12-24", False)
    await walk.done(us, f"{at}/renewal", "2017-12-24")
    for score, left in ((10, 1), (20, 0)):
        await walk.done(us, f"{at}/assessments", "2017-12-26", score=score)
        assert (await walk.see(at))["attempts_left"] == left
    none = await walk.refused(us, f"{at}/assessments", "2017-12-27", score=99)
    assert none["code"] == "training.no_attempts_left"


async def test_an_audit_is_approved_by_another_and_what_it_found_is_put_right_or_waived(walk: Walk) -> None:
    us, path = walk.us, "/audit-templates/food-safety"
    await walk.done(us, f"{path}/draft", "2016-02-01", method="PUT", **TEMPLATE)
    assert (await walk.refused(us, f"{path}/publication", "2016-02-01"))["code"] == "version_needed"
    assert await walk.done(us, f"{path}/publication", "2016-02-01", seen=path) == ["AuditTemplatePublished"]
    nothing = await us.get(f"{path}/draft/preview")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "training.nothing_drafted")

    said = {"partner_id": str(walk.partner), "template": "food-safety", "audited_on": "2016-02-02"}
    short = await walk.refused(us, "/field-audits", "2016-02-02", **said, answers=ANSWERS[:1])
    assert (short["code"], short["missing"]) == ("training.answers_do_not_fit_template", ["floors", "signs"])
    nobody = {**said, "partner_id": str(uuid4())}
    unknown = await walk.refused(us, "/field-audits", "2016-02-02", **nobody, answers=ANSWERS)
    assert unknown["code"] == "training.partner_unknown"
    audit = f"/field-audits/{await walk.made(us, '/field-audits', '2016-02-02', **said, answers=ANSWERS)}"
    seen = await walk.see(audit)
    # (3 * 50 + 1 * 0) / 4, signs apart.
    assert (seen["total"], seen["passed"], seen["critical_missed"]) == ("37.50", False, ["cold"])
    assert [(each["section"], each["score"]) for each in seen["sections"]] == [("hygiene", "37.50"), ("brand", None)]
    assert (await walk.them.get(audit)).status_code == 404, "not before it is approved"
    alone = await walk.refused(us, f"{audit}/publication", "2016-02-03", seen=audit)
    assert alone["code"] == "training.second_person_needed"
    assert await walk.done(walk.colleague, f"{audit}/publication", "2016-02-03", seen=audit) == ["FieldAuditPublished"]
    assert (await walk.see(audit, walk.them))["previous"] is None
    await walk.settles()

    milder = {**TEMPLATE, "pass_mark": 30}
    milder["sections"] = [TEMPLATE["sections"][0] | {"items": [
        {**item, "critical": False} for item in TEMPLATE["sections"][0]["items"]
    ]}, TEMPLATE["sections"][1]]  # fmt: skip
    await walk.done(us, f"{path}/draft", "2016-02-04", method="PUT", seen=path, **milder)
    preview = await walk.see(f"{path}/draft/preview")
    assert "pass_mark" in [each["term"] for each in preview["differences"]]
    (other,) = preview["otherwise"]
    assert (other["passed"], other["would_pass"], other["under_the_draft"]) == (False, True, "37.50")
    assert await walk.done(us, f"{path}/draft/discarding", "2016-02-04") == ["AuditTemplateDraftDiscarded"]

    actions = {each["item"]: each for each in await walk.items("/corrective-actions?status=open", walk.them)}
    assert {item: each["due_on"] for item, each in actions.items()} == {"cold": "2016-02-10", "floors": "2016-02-17"}
    cold, floors = (f"/corrective-actions/{actions[item]['action_id']}" for item in ("cold", "floors"))
    await walk.day("2016-02-10")
    assert await walk.items("/corrective-actions?overdue=true") == []
    await walk.day("2016-02-11")
    assert [each["item"] for each in await walk.items("/corrective-actions?overdue=true")] == ["cold"]
    unseen = await walk.refused(us, f"{cold}/verification", "2016-02-11", seen=cold)
    assert unseen["code"] == "training.no_evidence"
    shown = {"references": ["https://example.com/photo"], "note": "A new fridge."}
    assert await walk.done(us, f"{cold}/evidence", "2016-02-12", **shown) == ["EvidenceSubmitted"]
    self_seen = await walk.refused(us, f"{cold}/verification", "2016-02-12", seen=cold)
    assert self_seen["code"] == "training.second_person_needed"
    verified = await walk.done(walk.colleague, f"{cold}/verification", "2016-02-12", seen=cold)
    assert verified == ["CorrectiveActionVerified"]
    waiver = {"reason": "The shop is rebuilt.", "seen": floors}
    assert await walk.done(us, f"{floors}/waiver", "2016-02-13", **waiver) == ["WaiverProposed"]
    twice = await walk.refused(us, f"{floors}/waiver", "2016-02-13", **waiver)
    assert twice["code"] == "training.second_person_needed"
    assert await walk.done(walk.colleague, f"{floors}/waiver", "2016-02-13", **waiver) == ["CorrectiveActionWaived"]
    closed = await walk.refused(us, f"{floors}/evidence", "2016-02-14", **shown)
    assert closed["code"] == "training.action_closed"

    better = [{"item": each["item"], "rating": 100} for each in ANSWERS]
    next_day = {**said, "audited_on": "2016-03-02", "answers": better}
    second = f"/field-audits/{await walk.made(us, '/field-audits', '2016-03-02', **next_day)}"
    assert (await walk.see(second))["previous"]["total"] == "37.50"


async def test_a_manual_goes_to_partners_of_its_kinds_who_acknowledge_it_or_are_overdue(
    walk: Walk, registers: Callable[..., Awaitable[None]], signs: Callable[..., Awaitable[None]], caller: Caller
) -> None:
    us, path = walk.us, "/manuals/operations"
    unknown = await us.get(f"{path}/draft/preview")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "training.manual_unknown")
    await walk.done(us, f"{path}/draft", "2016-01-06", method="PUT", manual=MANUAL)
    preview = await walk.see(f"{path}/draft/preview")
    assert (preview["version"], preview["partners"], preview["waiting"]) == (1, 2, 0)
    assert (await walk.refused(us, f"{path}/publication", "2016-01-06"))["code"] == "version_needed"
    await walk.done(us, f"{path}/publication", "2016-01-06", seen=path)
    nothing = await walk.refused(us, f"{path}/publication", "2016-01-06", seen=path)
    assert (nothing["code"], nothing["version"]) == ("training.nothing_drafted", 1)
    await walk.settles()
    asked = await walk.items("/manual-acknowledgements?status=asked")
    assert {each["partner_id"] for each in asked} == {str(walk.partner), str(walk.neighbour)}
    assert {each["due_on"] for each in asked} == {"2016-01-16"}

    mine = f"/manual-acknowledgements/{acknowledgement_id(walk.partner, 'operations')}"
    theirs = f"/manual-acknowledgements/{acknowledgement_id(walk.neighbour, 'operations')}"
    ours = await walk.refused(us, f"{mine}/acknowledgement", "2016-01-07", version=1)
    assert ours["code"] == "training.partner_acknowledges"
    assert (await walk.neighbours.post(f"{mine}/acknowledgement", json={"version": 1})).status_code == 404
    await walk.day("2016-01-17")
    overdue = await walk.items("/manual-acknowledgements?overdue=true")
    assert {each["partner_id"] for each in overdue} == {str(walk.partner), str(walk.neighbour)}
    assert await walk.done(walk.them, f"{mine}/acknowledgement", "", version=1) == ["ManualAcknowledged"]
    assert [each["partner_id"] for each in await walk.items("/manual-acknowledgements?overdue=true")] == [
        str(walk.neighbour)
    ]
    history = (await walk.see(f"{mine}/history"))["items"]
    assert (history[-1]["actor"], history[-1]["data"]["late"]) == ("carla", True)

    second = {**MANUAL, "document": "dam://operations-2", "summary": "New fridges."}
    await walk.done(us, f"{path}/draft", "2016-02-01", method="PUT", seen=path, manual=second)
    preview = await walk.see(f"{path}/draft/preview")
    assert [each["term"] for each in preview["differences"]] == ["document", "summary"]
    await walk.done(us, f"{path}/publication", "2016-02-01", seen=path)
    await walk.settles()
    old = await walk.neighbours.post(f"{theirs}/acknowledgement", json={"version": 1})
    assert (old.json()["code"], old.json()["version"]) == ("training.manual_superseded", 2)
    late = await walk.done(walk.neighbours, f"{theirs}/acknowledgement", "", version=2)
    assert late == ["AcknowledgementOverdue", "ManualAcknowledged"], "partners cannot date it back"
    now = await walk.see(theirs)
    assert (now["status"], now["acknowledged_version"], now["overdue"]) == ("acknowledged", 2, False)

    newcomer, reseller = uuid4(), uuid4()
    await registers(newcomer)
    await registers(reseller, kind="reseller")
    for each in (newcomer, reseller):
        await signs(each, on=date(2016, 3, 1))
    (todo,) = await walk.items(f"/manual-acknowledgements?partner_id={newcomer}")
    assert (todo["version"], todo["status"]) == (2, "asked")
    assert await walk.items(f"/manual-acknowledgements?partner_id={reseller}") == []
    await walk.done(us, f"{path}/retirement", "2016-03-02")
    await walk.settles()
    (todo,) = await walk.items(f"/manual-acknowledgements?partner_id={newcomer}")
    assert (todo["version"], todo["status"]) == (2, "withdrawn")
    assert (await walk.see(theirs))["status"] == "acknowledged", "what was given stays"
    await walk.day("2016-04-01")
    assert await walk.items("/manual-acknowledgements?overdue=true") == []
    gone = await walk.refused(us, f"{path}/draft", "2016-04-03", method="PUT", seen=path, manual=MANUAL)
    assert gone["code"] == "training.manual_retired"


async def test_coaching_is_planned_held_and_followed_up_within_a_support_plan(walk: Walk) -> None:
    us, who = walk.us, {"partner_id": str(walk.partner)}
    needs = {"title": "Cold chain", "needs": ["Temperatures are not kept."], "visits_wanted": 2}
    nobody = await walk.refused(
        us,
        "/support-plans",
        "2016-01-06",
        partner_id=str(uuid4()),
        starts_on="2016-01-06",
        ends_on="2016-02-28",
        **needs,
    )
    assert nobody["code"] == "training.partner_unknown"
    plan_id = await walk.made(
        us, "/support-plans", "2016-01-06", starts_on="2016-01-06", ends_on="2016-02-28", **who, **needs
    )
    plan = f"/support-plans/{plan_id}"
    visit = {"purpose": "Look at the fridges", "planned_on": "2016-01-12", "plan_id": plan_id}
    anothers = {**visit, "partner_id": str(walk.neighbour)}
    assert (await walk.refused(us, "/coaching-visits", "2016-01-06", **anothers))["code"] == (
        "training.support_plan_not_open"
    )
    at = f"/coaching-visits/{await walk.made(us, '/coaching-visits', '2016-01-06', **who, **visit)}"
    early = await walk.refused(us, f"{plan}/closing", "2016-01-07", seen=plan, result="met", summary="All well.")
    assert early["code"] == "training.visits_open"
    actions = [
        {"what": "Buy a thermometer", "owner": "manager", "due_on": "2016-01-20"},
        {"what": "Send log sheets", "side": "principal", "owner": "consultant", "due_on": "2016-01-31"},
    ]
    guidance = [{"topic": "cold", "note": "Measure twice a day."}]
    soon = await walk.refused(us, f"{at}/report", "2016-01-12", held_on="2016-01-13", guidance=guidance)
    assert soon["code"] == "training.held_in_the_future"
    report = {"held_on": "2016-01-12", "guidance": guidance, "actions": actions}
    assert await walk.done(us, f"{at}/report", "2016-01-12", **report) == ["CoachingHeld"]
    held = await walk.see(at, walk.them)
    assert (held["status"], held["agreed"], held["open"]) == ("held", 2, 2)
    assert (await walk.neighbours.get(at)).status_code == 404

    await walk.day("2016-01-21")
    (overdue,) = await walk.items("/agreed-actions?overdue=true", walk.them)
    assert (overdue["what"], overdue["status"]) == ("Buy a thermometer", "agreed")
    assert await walk.done(walk.them, f"{at}/actions/1/report", "", account="Bought two.") == ["AgreedActionReported"]
    none = await walk.refused(us, f"{at}/actions/3/follow-up", "2016-01-22", outcome="done", note="Seen.")
    assert (none["code"], none["agreed"]) == ("training.agreed_action_unknown", 2)
    followed = await walk.done(us, f"{at}/actions/1/follow-up", "2016-01-22", outcome="done", note="Seen.")
    assert followed == ["AgreedActionFollowedUp"]
    last = await walk.done(us, f"{at}/actions/2/follow-up", "2016-01-25", outcome="dropped", note="By e-mail now.")
    assert last == ["AgreedActionFollowedUp", "CoachingCompleted"]
    completed = (await walk.see(f"{at}/history"))["items"][-1]["data"]
    assert (completed["agreed"], completed["done"], completed["late"]) == (2, 1, 1)
    now = await walk.see(plan)
    assert (now["visits_held"], now["visits_wanted"], now["actions_open"]) == (1, 2, 0)
    cancelled = await walk.made(us, "/coaching-visits", "2016-01-26", **who, **visit)
    await walk.done(us, f"/coaching-visits/{cancelled}/cancellation", "2016-01-27", reason="Closed that week.")
    late = await walk.refused(us, f"/coaching-visits/{cancelled}/report", "2016-01-28", **report)
    assert (late["code"], late["standing"]) == ("training.visit_not_planned", "cancelled")
    await walk.day("2016-02-29")
    assert (await walk.see(plan))["overran"] is True
    await walk.done(
        us, f"{plan}/closing", "2016-02-29", seen=plan, result="partly_met", summary="One visit is missing."
    )
    assert (await walk.see(plan, walk.them))["result"] == "partly_met"


async def test_the_same_breach_leads_to_the_same_sanction_or_it_shows(walk: Walk) -> None:
    us, path = walk.us, "/conduct-codes/general"
    what = {"conduct_code": "general", "rule": "prices", "happened_on": "2016-01-06", "account": "Two dollars more."}
    mine = {**what, "partner_id": str(walk.partner)}
    no_code = await walk.refused(us, "/conduct-breaches", "2016-01-07", **mine)
    assert no_code["code"] == "training.conduct_code_not_in_use"
    await walk.done(us, f"{path}/draft", "2016-01-05", method="PUT", conduct=CONDUCT)
    await walk.done(us, f"{path}/publication", "2016-01-05", seen=path)
    unknown = await walk.refused(us, "/conduct-breaches", "2016-01-07", **{**mine, "rule": "logo"})
    assert (unknown["code"], unknown["rules"]) == ("training.rule_unknown", ["prices"])

    first = f"/conduct-breaches/{await walk.made(us, '/conduct-breaches', '2016-01-07', **mine)}"
    decide = {"reason": "The receipts show it.", "seen": first}
    hearing = await walk.refused(walk.colleague, f"{first}/decision", "2016-01-08", **decide)
    assert (hearing["code"], hearing["answer_until"]) == ("training.hearing_open", "2016-01-14")
    assert (await walk.neighbours.post(f"{first}/answer", json={"account": "Not ours."})).status_code == 404
    assert await walk.done(walk.them, f"{first}/answer", "", account="A mistake of the till.") == ["BreachAnswered"]
    alone = await walk.refused(us, f"{first}/decision", "2016-01-09", **decide)
    assert (alone["code"], alone["reported_by"]) == ("training.second_person_needed", ["ana"])
    decided = await walk.done(walk.colleague, f"{first}/decision", "2016-01-09", **decide)
    assert decided == ["ConductBreached", "SanctionReasoned"]
    seen = await walk.see(first, walk.them)
    assert (seen["sanction"], seen["repetition"], seen["departs"]) == ("warning", 1, False)

    # A neighbour did the same, and somebody is for more.
    theirs = {**what, "partner_id": str(walk.neighbour), "happened_on": "2016-01-10"}
    second = f"/conduct-breaches/{await walk.made(us, '/conduct-breaches', '2016-01-11', **theirs)}"
    await walk.day("2016-01-20")
    before = await walk.see(f"{second}/comparable-cases")
    assert (before["expected"], before["sanctions"], before["differing"]) == ("warning", {"warning": 1}, [])
    harder = {"sanction": "penalty", "reason": "It is a chain.", "seen": second}
    assert await walk.done(walk.colleague, f"{second}/decision", "2016-01-20", **harder) == ["SanctionProposed"]
    twice = await walk.refused(walk.colleague, f"{second}/decision", "2016-01-20", **harder)
    assert twice["code"] == "training.second_person_needed"
    assert (await walk.see(f"{second}/comparable-cases"))["proposed"] == "penalty"
    assert await walk.items("/conduct-disparities") == []
    await walk.done(walk.boss, f"{second}/decision", "2016-01-21", **harder)
    after = await walk.see(f"{second}/comparable-cases")
    assert (after["sanction"], [str(each) for each in after["differing"]]) == ("penalty", [first.rpartition("/")[2]])
    (disparity,) = await walk.items("/conduct-disparities?conduct_code=general")
    assert (disparity["rule"], disparity["repetition"], disparity["sanctions"]) == ("prices", 1, ["penalty", "warning"])
    assert (disparity["cases"], disparity["departing"]) == (2, 1)
    assert disparity["breaches"] == [each.rpartition("/")[2] for each in (first, second)]
    assert (await walk.them.get("/conduct-disparities")).status_code == 403

    # The first partner once more: the code's next step, and no disparity.
    again = {**mine, "happened_on": "2016-06-01"}
    third = f"/conduct-breaches/{await walk.made(us, '/conduct-breaches', '2016-06-02', **again)}"
    both = await asyncio.gather(
        *(
            walk.say(who, f"{third}/decision", "2016-06-20", reason="Again.", seen=third)
            for who in (walk.colleague, walk.boss)
        )
    )
    assert sorted(answer.status_code for answer in both) == [201, 412], [answer.text for answer in both]
    seen = await walk.see(third)
    assert (seen["sanction"], seen["repetition"]) == ("final_warning", 2)
    closed = await walk.refused(us, f"{third}/dismissal", "2016-06-21", reason="None.", seen=third)
    assert (closed["code"], closed["standing"]) == ("training.breach_closed", "decided")

    softer = {**CONDUCT, "rules": [{**CONDUCT["rules"][0], "ladder": ["reminder", "final_warning"]}]}
    await walk.done(us, f"{path}/draft", "2016-07-01", method="PUT", seen=path, conduct=softer)
    preview = await walk.see(f"{path}/draft/preview")
    assert {each["under_the_draft"] for each in preview["otherwise"]} == {"reminder"}
    read = await walk.see(path, walk.them)
    assert (read["version"], read["draft"]) == (1, None), "partners know what they are judged by, and not what may come"
    assert len(preview["otherwise"]) == 2
    assert await walk.done(us, f"{path}/draft/discarding", "2016-07-01") == ["ConductCodeDraftDiscarded"]


async def test_of_two_breaches_decided_in_one_instant_exactly_one_is_the_first(walk: Walk) -> None:
    us, path = walk.us, "/conduct-codes/general"
    await walk.done(us, f"{path}/draft", "2016-01-05", method="PUT", conduct=CONDUCT)
    await walk.done(us, f"{path}/publication", "2016-01-05", seen=path)
    said = {"conduct_code": "general", "rule": "prices", "happened_on": "2016-01-06", "partner_id": str(walk.partner)}
    breaches = [
        f"/conduct-breaches/{await walk.made(us, '/conduct-breaches', '2016-01-07', account=account, **said)}"
        for account in ("Two dollars more.", "Three dollars more.")
    ]
    await walk.day("2016-01-20")
    refusals: list[str] = []

    async def decide(breach: str, who: httpx.AsyncClient) -> None:
        """Looks again as long as it is told that somebody was quicker."""
        answer = await walk.say(who, f"{breach}/decision", "2016-01-20", reason="The receipts show it.", seen=breach)
        if answer.is_error:
            refusals.append(answer.json()["code"])
            await decide(breach, who)

    await asyncio.gather(decide(breaches[0], walk.colleague), decide(breaches[1], walk.boss))
    assert sorted([(await walk.see(each))["repetition"] for each in breaches]) == [1, 2]
    assert set(refusals) <= {"training.another_breach_decided", "version_mismatch"}


async def test_a_course_is_drafted_previewed_and_published_and_enrolments_keep_their_version(
    walk: Walk, signs: Callable[..., Awaitable[None]]
) -> None:
    us, path = walk.us, "/courses/hygiene"
    await walk.done(us, f"{path}/draft", "2016-01-05", method="PUT", course=COURSE)
    assert (await us.get(path)).status_code == 404, "a draft is not a course yet"
    assert (await walk.them.get(f"{path}/draft")).status_code == 403
    assert (await walk.refused(us, f"{path}/publication", "2016-01-05"))["code"] == "version_needed"
    assert await walk.done(us, f"{path}/publication", "2016-01-05", seen=f"{path}/draft") == ["CourseDefined"]
    again = await walk.refused(us, f"{path}/publication", "2016-01-05", seen=path)
    assert (again["code"], again["course"]) == ("training.nothing_drafted", "hygiene")
    await signs(walk.partner, on=date(2016, 1, 10))

    stricter = {**COURSE, "pass_mark": 80, "modules": COURSE["modules"][:1]}
    await walk.done(us, f"{path}/draft", "2016-01-11", method="PUT", seen=path, course=stricter)
    preview = await walk.see(f"{path}/draft/preview")
    assert (preview["version"], preview["under_way"], preview["would_not_pass"]) == (2, 1, 0)
    assert [each["term"] for each in preview["differences"]] == ["pass_mark", "modules[1]"]
    assert await walk.done(us, f"{path}/draft/discarding", "2016-01-12") == ["CourseDraftDiscarded"]
    assert (await walk.see(f"{path}/draft"))["draft"] is None
    await walk.done(us, f"{path}/draft", "2016-01-13", method="PUT", seen=path, course=stricter)
    await walk.done(us, f"{path}/publication", "2016-01-13", seen=path)
    seen = await walk.see(path)
    assert (seen["version"], seen["pass_mark"]) == (2, "80")
    kept = await walk.see(f"/enrolments/{enrolment_id(walk.partner, 'hygiene')}")
    assert (kept["course_version"], kept["pass_mark"]) == (1, "70")
    await walk.done(us, f"{path}/retirement", "2016-01-14")
    gone = await walk.refused(us, f"{path}/draft", "2016-01-15", method="PUT", seen=path, course=COURSE)
    assert gone["code"] == "training.course_retired"
