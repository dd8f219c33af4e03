"""risk-svc as a new user would try it, over HTTP, each refusal included: from a drop in evaluations to a flag, its
acknowledgement, a restriction, a proposal, the partner's contest, a decision and the reinstatement. The clock is the
backfill's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import Others, Said
from events.contract import BreachNoticed, ContractTerminated, CureLapsed
from fastapi import FastAPI

Evaluates = Callable[..., Awaitable[list[str]]]
Caller = Callable[..., httpx.AsyncClient]
DROP: dict[str, Any] = {
    "judged_on": "evaluations",
    "figure": "score drop",
    "metrics": ["inspection_score"],
    "value": 'metrics["inspection_score"]',
    "when": "value < 85.0",
    "severity": "high",
}
PLAN: dict[str, Any] = {
    "title": "A kitchen at risk",
    "steps": [
        {"code": "call", "title": "Call the owner", "owner": "field consultant", "due_hours": 24},
        {"code": "visit", "title": "Visit", "owner": "auditor", "due_hours": 72},
    ],
    "rules": ["drop"],
    "at_least": "high",
}


def at(day: str) -> str:
    return f"{day}T12:00:00Z"


@dataclass
class Walk:
    """Says what it does and is told what came of it. `us` and `colleague` are the principal's, `them` the partner's."""

    service: FastAPI
    partner: UUID
    us: httpx.AsyncClient
    colleague: httpx.AsyncClient
    them: httpx.AsyncClient
    stranger: httpx.AsyncClient

    @property
    def profile(self) -> str:
        return f"/risk-profiles/{self.partner}"

    async def say(
        self,
        who: httpx.AsyncClient,
        path: str,
        day: str | None,
        *,
        method: str = "POST",
        seen: str = "",
        etag: str = "",
        **body: Any,
    ) -> httpx.Response:
        """Of what is `seen`, or of a version that was."""
        etag = etag or (await self.version(seen) if seen else "")
        headers = {"If-Match": etag} if etag else {}
        said = {**body, "occurred_at": at(day)} if day else body
        return await who.request(method, path, json=said, headers=headers)

    async def version(self, path: str) -> str:
        etag: str = (await self.us.get(path)).headers["etag"]
        return etag

    async def done(self, who: httpx.AsyncClient, path: str, day: str | None, **body: Any) -> list[str]:
        """The names of the events that came of it."""
        answer = await self.say(who, path, day, **body)
        assert answer.is_success, answer.text
        return [event.split(".")[2] for event in answer.json()["events"]]

    async def refused(self, who: httpx.AsyncClient, path: str, day: str | None, **body: Any) -> dict[str, Any]:
        answer = await self.say(who, path, day, **body)
        assert answer.status_code in (403, 404, 409, 412, 422, 428), answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def see(self, path: str, who: httpx.AsyncClient | None = None, **params: Any) -> Any:
        answer = await (who or self.us).get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def followed(self) -> None:
        engine = self.service.state.engine
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 60)
            assert await engine.handled("risk.following", 60, position=head)
            if (await engine.log()).head == head:
                return

    async def day(self, day: str) -> None:
        """The clock comes to noon of that day, and what was due is done."""
        await self.followed()
        answer = await self.us.put("/backfill?wait=30", json={"reached": at(day)})
        assert answer.json()["reached"] == at(day), answer.text
        await self.followed()

    async def answered(self, job: str) -> Any:
        """What a back-test came to."""
        async with asyncio.timeout(30):
            while True:
                test = await self.see(f"/back-tests/{job}")
                if test["status"] not in ("waiting", "running"):
                    break
                await asyncio.sleep(0.02)
        assert test["status"] == "done", test
        return test

    async def publish(self, path: str, day: str, **body: Any) -> None:
        await self.done(self.us, f"{path}/draft", day, method="PUT", **body)
        await self.done(self.us, f"{path}/publication", day, seen=path)
        await self.followed()


@pytest.fixture
def walk(risk: FastAPI, caller: Caller) -> Walk:
    partner = uuid4()
    return Walk(
        risk,
        partner,
        caller("backfill", "ana"),
        caller("backfill", "eva"),
        caller("partner", "ben", partner_id=partner),
        caller("partner", "joe", partner_id=uuid4()),
    )


async def test_from_a_drop_to_a_flag_a_restriction_a_contested_proposal_and_back(
    walk: Walk, evaluates: Evaluates, others: Others
) -> None:
    us, colleague, them, stranger, profile = walk.us, walk.colleague, walk.them, walk.stranger, walk.profile
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    await walk.publish("/contingency-plans/kitchen", "2005-01-02", plan=PLAN)

    # The drop, the flag, and the plan that it sets in motion.
    (good, bad) = await evaluates(walk.partner, ("2004", 92), ("2005", 70))
    await walk.day("2006-01-06")
    (flag,) = (await walk.see("/flags", status="open"))["items"]
    assert (flag["explanation"], flag["evidence"]) == ("score drop 70 in 2005 (value < 85.0)", [bad])
    flags = f"{profile}/flags/{flag['flag_id']}"
    (contingency,) = (await walk.see("/contingencies"))["items"]
    assert (contingency["flag_id"], contingency["status"]) == (flag["flag_id"], "running")
    seen = (await walk.see(profile))["score"]
    assert (seen["value"], seen["contributions"][0]["events"]) == ("50.00", [bad])

    # Acknowledged, by somebody who may.
    assert (await walk.refused(them, f"{flags}/acknowledgement", None))["code"] == "scope_missing"
    assert (await walk.refused(us, f"{profile}/flags/{uuid4()}/acknowledgement", "2006-01-07"))[
        "code"
    ] == "risk.flag_unknown"
    assert await walk.done(us, f"{flags}/acknowledgement", "2006-01-07") == ["FlagAcknowledged"]
    assert await walk.done(us, f"{flags}/acknowledgement", "2006-01-07") == []
    assert (await walk.see("/flags"))["items"][0]["acknowledged_by"] == "ana"

    # Restricted for a time, and on credit up to a limit.
    block = {"kind": "order_block", "reason": "Unsafe food."}
    late = await walk.refused(us, f"{profile}/restrictions", "2006-01-08", **block, expires_at=at("2006-01-08"))
    assert late["code"] == "risk.expires_before_it_begins"
    await walk.done(us, f"{profile}/restrictions", "2006-01-08", **block, expires_at=at("2006-02-01"))
    again = await walk.refused(us, f"{profile}/restrictions", "2006-01-08", **{**block, "reason": "Rats."})
    assert (again["code"], again["reason"]) == ("risk.already_restricted", "Unsafe food.")
    limit = {"kind": "credit_limit", "reason": "Late.", "limit": {"amount": "5000", "currency": "USD"}}
    assert await walk.done(us, f"{profile}/restrictions", "2006-01-08", **limit) == [
        "RestrictionImposed",
        "CreditLimitChanged",
    ]
    (held,) = (await walk.see("/restrictions", kind="credit_limit"))["items"]
    change = f"{profile}/restrictions/{held['restriction_id']}/limit"
    lower = {"limit": {"amount": "1000", "currency": "USD"}, "reason": "Later."}
    assert (await walk.refused(us, change, "2006-01-09", **lower))["code"] == "version_needed"
    assert await walk.done(us, change, "2006-01-09", seen=profile, **lower) == ["CreditLimitChanged"]
    assert (await walk.see("/restrictions", kind="credit_limit"))["items"][0]["limit_amount"] == "1000"

    # Proposed: a suspension, with the flag's evidence.
    proposals = f"{profile}/adjustments"
    wanted = {"kind": "suspend", "reasons": ["Unsafe food for a year."], "contest_days": 10}
    assert (await walk.refused(us, proposals, "2006-01-10", **wanted))["code"] == "risk.evidence_missing"
    assert (await walk.refused(them, proposals, None, **wanted))["code"] == "scope_missing"
    await walk.done(us, proposals, "2006-01-10", **wanted, flags=[flag["flag_id"]])
    twice = await walk.refused(us, proposals, "2006-01-10", **wanted, flags=[flag["flag_id"]])
    assert twice["code"] == "risk.already_proposed"
    (proposal,) = (await walk.see("/adjustments", who=them))["items"]
    assert (proposal["status"], proposal["evidence"], proposal["contest_until"]) == (
        "proposed",
        [bad],
        at("2006-01-20"),
    )
    one = f"{proposals}/{proposal['adjustment_id']}"

    # The partner sees the same evidence as we do, a stranger nothing of it, and contests.
    ours, theirs = await walk.see(f"{profile}/why"), await walk.see(f"{profile}/why", who=them)
    assert ours == theirs
    assert theirs["adjustments"][0]["because"][0]["type"] == "cauce.performance.PartnerEvaluated.v1"
    assert theirs["flags"][0]["by_rule"]["terms"]["when"] == "value < 85.0"
    assert (await stranger.get(f"{profile}/why")).status_code == 404
    assert (await walk.see("/adjustments", who=stranger))["items"] == []
    early = await walk.refused(colleague, f"{one}/decision", "2006-01-12", seen=profile)
    assert (early["code"], early["decision_from"]) == ("risk.contest_period_running", at("2006-01-20"))
    statement = {"statement": "The kitchen burnt and is being rebuilt."}
    assert (await walk.refused(stranger, f"{one}/contest", None, **statement))["code"] == "not_found"
    await walk.done(us, f"{one}/contest", "2006-01-13", **statement)  # taken down for the partner, on its day
    more = await walk.refused(us, f"{one}/contest", "2006-01-14", statement="And flooded.")
    assert more["code"] == "risk.already_contested"

    # Decided, with an answer; the suspension is a cause like any other.
    silent = await walk.refused(colleague, f"{one}/decision", "2006-01-15", seen=profile)
    assert (silent["code"], silent["statement"]) == ("risk.contest_unanswered", statement["statement"])
    assert (await walk.refused(colleague, f"{one}/decision", "2006-01-15"))["code"] == "version_needed"
    answer = {"answer": "Until it is rebuilt."}
    came = await walk.done(colleague, f"{one}/decision", "2006-01-15", seen=profile, **answer)
    assert came == ["AdjustmentAnswered", "AdjustmentDecided", "RestrictionImposed"]
    assert await walk.done(colleague, f"{one}/decision", "2006-01-15", seen=profile, **answer) == []
    assert (await walk.refused(us, f"{one}/refusal", "2006-01-15", seen=profile, reason="No."))["code"] == (
        "risk.adjustment_over"
    )
    proposal = await walk.see(f"/adjustments/{proposal['adjustment_id']}", who=them)
    assert (proposal["status"], proposal["decided_by"], proposal["answer"]) == (
        "decided",
        ["eva"],
        "Until it is rebuilt.",
    )
    now = await walk.see(profile)
    assert (now["suspended"], {each["kind"] for each in now["restrictions"]}) == (
        True,
        {"suspension", "order_block", "credit_limit"},
    )

    # Time goes by: the order block ends by itself, steps that nobody took are overdue.
    await walk.day("2006-02-02")
    (block_now,) = (await walk.see("/restrictions", kind="order_block"))["items"]
    assert (block_now["status"], block_now["expired"], block_now["lifted_at"]) == ("lifted", True, at("2006-02-01"))
    steps = (await walk.see("/contingency-steps", overdue=True))["items"]
    assert [each["step"] for each in steps] == ["call", "visit"]
    motion = f"/contingencies/{contingency['contingency_id']}"
    end = {"outcome": "contained", "summary": "Rebuilt."}
    left = await walk.refused(us, f"{motion}/closing", "2006-02-03", seen=motion, **end)
    assert (left["code"], left["steps"]) == ("risk.steps_open", ["call", "visit"])
    await walk.done(us, f"{motion}/steps/call/report", "2006-02-03", note="Called.")
    await walk.done(us, f"{motion}/steps/visit/report", "2006-02-03", note="Closed anyway.", skipped=True)
    assert await walk.done(us, f"{motion}/closing", "2006-02-03", seen=motion, **end) == ["ContingencyClosed"]
    assert (await walk.refused(us, f"{motion}/steps/call/report", "2006-02-04", note="Again."))["code"] == (
        "risk.contingency_closed"
    )

    # Reinstated: the suspension is lifted, and a better year resolves the flag.
    (suspension,) = (await walk.see("/restrictions", kind="suspension"))["items"]
    assert suspension["adjustment_id"] == proposal["adjustment_id"]
    lifting = f"{profile}/restrictions/{suspension['restriction_id']}/lifting"
    assert (await walk.refused(us, lifting, "2006-06-01", reason="Rebuilt."))["code"] == "version_needed"
    assert await walk.done(us, lifting, "2006-06-01", seen=profile, reason="Rebuilt.") == ["RestrictionLifted"]
    await evaluates(walk.partner, ("2006", 91))
    now = await walk.see(profile)
    assert (now["suspended"], now["open_flags"], now["score"]["value"]) == (False, [], "0.00")
    late_ack = await walk.refused(us, f"{flags}/acknowledgement", "2007-02-01")
    assert late_ack["code"] == "risk.flag_not_open"
    assert good in [each["evaluation_id"] for each in now["histories"][0]["evaluations"]]


async def test_a_termination_takes_two_persons_and_its_why_goes_on_to_notice_and_cure(
    walk: Walk, evaluates: Evaluates, others: Others
) -> None:
    us, colleague, profile = walk.us, walk.colleague, walk.profile
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    (bad,) = await evaluates(walk.partner, ("2005", 70))
    wanted = {"kind": "terminate", "reasons": ["Unsafe food."], "evidence": [bad], "contest_days": 0}
    await walk.done(us, f"{profile}/adjustments", "2006-03-01", **wanted)
    (proposal,) = (await walk.see("/adjustments"))["items"]
    one = f"{profile}/adjustments/{proposal['adjustment_id']}"

    # At once on the same version: one is taken, the others are told to look again.
    same = await walk.version(profile)
    both = await asyncio.gather(
        walk.say(us, f"{one}/decision", "2006-03-02", etag=same),
        walk.say(colleague, f"{one}/refusal", "2006-03-02", etag=same, reason="Too hard."),
        walk.say(colleague, f"{one}/decision", "2006-03-02", etag=same),
    )
    assert sorted(each.status_code for each in both) == [201, 412, 412]
    proposal = await walk.see(f"/adjustments/{proposal['adjustment_id']}")
    if proposal["status"] == "turned_down":
        await walk.done(us, f"{profile}/adjustments", "2006-03-02", **wanted)
        (proposal,) = (await walk.see("/adjustments", status="proposed"))["items"]
        one = f"{profile}/adjustments/{proposal['adjustment_id']}"
    first, second = (colleague, us) if proposal["seconded_by"] == ["eva"] else (us, colleague)
    if proposal["seconded_by"] is None:
        assert await walk.done(first, f"{one}/decision", "2006-03-02", seen=profile) == ["AdjustmentSeconded"]
    alone = await walk.refused(first, f"{one}/decision", "2006-03-02", seen=profile)
    assert alone["code"] == "risk.second_person_needed"
    assert await walk.done(second, f"{one}/decision", "2006-03-03", seen=profile) == ["AdjustmentDecided"]
    proposal = await walk.see(f"/adjustments/{proposal['adjustment_id']}")
    assert sorted(proposal["decided_by"]) == ["ana", "eva"]

    contract, breach = uuid4(), uuid4()
    day = datetime(2006, 3, 3, tzinfo=UTC)
    noticed = BreachNoticed(
        contract_id=contract, partner_id=walk.partner, breach_id=breach, ground="noncompliance", law="the contract",
        reasons=("Unsafe food.",), evidence=(UUID(proposal["decision_id"]),), noticed_on=day.date(),
        cure_until=day.date(), lapses_at=day, termination_allowed_from=day.date(),
    )  # fmt: skip
    lapsed = CureLapsed(contract_id=contract, partner_id=walk.partner, breach_id=breach)
    ended = ContractTerminated(contract_id=contract, partner_id=walk.partner, reason="Unsafe food.", breach_id=breach)
    await others(walk.service, "contract", *(Said(each, day, contract) for each in (noticed, lapsed, ended)))
    why = (await walk.see(f"{profile}/why"))["adjustments"]
    decided = next(each for each in why if each["adjustment"]["status"] == "decided")
    assert [each["type"].split(".")[2] for each in decided["led_to"]] == [
        "BreachNoticed",
        "CureLapsed",
        "ContractTerminated",
    ]
    assert decided["because"][0]["event_id"] == bad

    # What the rule would have been worth: it warned of the end, and nothing of the test is left in the history.
    log = (await walk.service.state.engine.log()).head
    asked = {"rule": "drop", "outcome": {"kind": "terminated"}, "horizon_days": 365}
    odd = await walk.refused(us, "/back-tests", None, **{**asked, "outcome": {"kind": "band"}})
    assert odd["code"] == "risk.outcome_band"
    assert (await walk.refused(us, "/back-tests", None, **{**asked, "rule": "none"}))["code"] == "risk.rule_unknown"
    assert (await walk.refused(us, "/back-tests", None, **asked, version="drafted"))["code"] == "risk.no_such_version"
    answer = await us.post("/back-tests", json=asked, headers={"Idempotency-Key": "once"})
    assert answer.status_code == 202, answer.text
    job = answer.json()["id"]
    test = await walk.answered(job)
    assert (test["done"], test["steps"]) == (1, 1)
    assert (test["asked"]["terms"]["version"], test["asked"]["asked_by"]) == (1, "ana")
    result = test["result"]
    assert (await walk.see(f"/back-tests/{job}/lines"))["items"] == []
    assert (result["alarms"], result["true_alarms"], result["outcomes"], result["foreseen"]) == (1, 1, 1, 1)
    assert (result["precision"], result["recall"], result["lead_days"]) == ("1.0000", "1.0000", "57.0")
    again = await us.post("/back-tests", json=asked, headers={"Idempotency-Key": "once"})
    assert again.json()["id"] == job
    sooner = (await us.post("/back-tests", json={**asked, "horizon_days": 7})).json()["id"]
    assert (await walk.answered(sooner))["result"]["false_alarms"] == 1
    (false,) = (await walk.see(f"/back-tests/{sooner}/lines"))["items"]
    assert false["partner_id"] == str(walk.partner)
    assert [each["id"] for each in (await walk.see("/back-tests"))["items"]] == [sooner, job]
    assert (await walk.service.state.engine.log()).head == log


async def test_a_back_test_whose_worker_died_is_begun_anew_by_another(walk: Walk, evaluates: Evaluates) -> None:
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    await evaluates(walk.partner, ("2005", 80))
    await walk.followed()
    asked = {"rule": "drop", "outcome": {"kind": "terminated"}, "horizon_days": 30}
    job = (await walk.us.post("/back-tests", json=asked)).json()["id"]
    first = await walk.answered(job)
    lines = (await walk.see(f"/back-tests/{job}/lines"))["items"]
    assert [line["partner_id"] for line in lines] == [str(walk.partner)]

    # As somebody leaves it who was killed after the first lines.
    async with walk.service.state.engine.acquire() as db:
        await db.execute(
            "update job set status = 'running', done = 0, result = null, ended_at = null, holder = $2,"
            " leased_until = clock_timestamp() - interval '1 second' where id = $1",
            UUID(job),
            uuid4(),
        )
    walk.service.state.jobs.wake()
    anew = await walk.answered(job)
    assert {**anew["result"], "seconds": None, "until": None} == {**first["result"], "seconds": None, "until": None}
    assert anew["result"]["until"] != first["result"]["until"]
    assert (await walk.see(f"/back-tests/{job}/lines"))["items"] == lines


async def test_of_an_acknowledgement_and_a_dismissal_at_once_exactly_one_is_taken(
    walk: Walk, evaluates: Evaluates
) -> None:
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    for _ in range(3):
        partner = uuid4()
        await evaluates(partner, ("2005", 70))
        (flag,) = (await walk.see("/flags", partner_id=str(partner)))["items"]
        path = f"/risk-profiles/{partner}"
        flags = f"{path}/flags/{flag['flag_id']}"
        same = await walk.version(path)
        taken = await asyncio.gather(
            walk.say(walk.us, f"{flags}/acknowledgement", None),
            walk.say(walk.colleague, f"{flags}/dismissal", None, etag=same, reason="Rebuilding."),
        )
        (now,) = (await walk.see("/flags", partner_id=str(partner)))["items"]
        codes = [each.json().get("code") for each in taken]
        if now["status"] == "open":
            assert (now["acknowledged_by"], codes) == ("ana", [None, "version_mismatch"])
        else:
            assert (now["closed_by"], codes) == ("eva", ["risk.flag_not_open", None])


async def test_two_flags_of_one_evaluation_set_a_plan_in_motion_once_and_again_when_it_is_over(
    walk: Walk, evaluates: Evaluates
) -> None:
    us = walk.us
    for code in ("drop", "drop-too"):
        await walk.publish(f"/rules/{code}", "2005-01-02", rule=DROP)
    await walk.publish("/contingency-plans/kitchen", "2005-01-02", plan={**PLAN, "rules": ["drop", "drop-too"]})
    await evaluates(walk.partner, ("2005", 70))
    await walk.day("2006-01-06")
    assert len((await walk.see("/flags", status="open"))["items"]) == 2
    (first,) = (await walk.see("/contingencies"))["items"]
    path, over = f"/contingencies/{first['contingency_id']}", {"outcome": "false_alarm", "summary": "A wrong figure."}
    assert await walk.done(us, f"{path}/closing", "2006-01-20", seen=path, **over) == ["ContingencyClosed"]
    await evaluates(walk.partner, ("2006", 91), ("2007", 60))
    await walk.day("2008-01-06")
    (second,) = (await walk.see("/contingencies", status="running"))["items"]
    assert second["contingency_id"] != first["contingency_id"]


async def test_a_probation_ends_by_itself_and_a_plan_is_set_in_motion_by_hand(walk: Walk, evaluates: Evaluates) -> None:
    us, profile = walk.us, walk.profile
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    (bad,) = await evaluates(walk.partner, ("2005", 70))
    wanted = {"kind": "probation", "reasons": ["A low year."], "evidence": [bad], "contest_days": 0}
    days = await walk.refused(us, f"{profile}/adjustments", "2006-02-01", **wanted)
    assert days["code"] == "risk.probation_has_days"
    await walk.done(us, f"{profile}/adjustments", "2006-02-01", **wanted, probation_days=30)
    (proposal,) = (await walk.see("/adjustments"))["items"]
    one = f"{profile}/adjustments/{proposal['adjustment_id']}"
    late = await walk.refused(us, f"{one}/contest", "2006-02-02", statement="No.")
    assert late["code"] == "risk.contest_over"
    assert await walk.done(us, f"{one}/decision", "2006-02-02", seen=profile) == [
        "AdjustmentDecided",
        "ProbationStarted",
    ]
    assert (await walk.see(profile))["on_probation"] is True
    await walk.day("2006-03-05")
    assert (await walk.see(profile))["on_probation"] is False

    plans, plan = "/contingency-plans", "/contingency-plans/kitchen"
    by_hand = {"partner_id": str(walk.partner), "plan": "kitchen", "reason": "A complaint on the radio."}
    assert (await walk.refused(us, "/contingencies", "2006-04-01", **by_hand))["code"] == "risk.plan_not_in_use"
    await walk.done(us, f"{plan}/draft", "2006-04-01", method="PUT", plan=PLAN)
    assert (await walk.see(f"{plan}/draft/preview"))["flags_that_would_have"] == 1
    await walk.done(us, f"{plan}/publication", "2006-04-01", seen=plan)
    assert (await walk.see(plans, status="active"))["items"][0]["version"] == 1
    await walk.done(us, "/contingencies", "2006-04-01", **by_hand)
    (motion,) = (await walk.see("/contingencies"))["items"]
    assert (motion["flag_id"], motion["activated_by"]) == (None, "ana")
    path = f"/contingencies/{motion['contingency_id']}"
    over = {"outcome": "false_alarm", "summary": "Another kitchen."}
    assert await walk.done(us, f"{path}/closing", "2006-04-02", seen=path, **over) == ["ContingencyClosed"]
    assert (await walk.see(path))["outcome"] == "false_alarm"
    withdrawn = {"kind": "replace", "reasons": ["A low year."], "evidence": [bad]}
    await walk.done(us, f"{profile}/adjustments", "2006-04-03", **withdrawn)
    (open_now,) = (await walk.see("/adjustments", status="proposed"))["items"]
    back = f"{profile}/adjustments/{open_now['adjustment_id']}/withdrawal"
    assert await walk.done(us, back, "2006-04-03", reason="A mistake.") == ["AdjustmentWithdrawn"]
    await walk.done(us, f"{plan}/draft", "2006-04-04", method="PUT", seen=plan, plan={**PLAN, "at_least": "critical"})
    await walk.done(us, f"{plan}/draft/discarding", "2006-04-04")
    assert await walk.done(us, f"{plan}/retirement", "2006-04-04") == ["PlanRetired"]


async def test_the_partners_own_people_contest_what_is_proposed_today(walk: Walk, evaluates: Evaluates) -> None:
    await walk.publish("/rules/drop", "2005-01-02", rule=DROP)
    (bad,) = await evaluates(walk.partner, ("2005", 70))
    wanted = {"kind": "replace", "reasons": ["A low year."], "evidence": [bad]}
    await walk.done(walk.us, f"{walk.profile}/adjustments", None, **wanted)
    (proposal,) = (await walk.see("/adjustments", who=walk.them))["items"]
    contest = f"{walk.profile}/adjustments/{proposal['adjustment_id']}/contest"
    assert (await walk.refused(walk.stranger, contest, None, statement="Not ours."))["code"] == "not_found"
    assert await walk.done(walk.them, contest, None, statement="It burnt.") == ["AdjustmentContested"]
    assert (await walk.see(f"/adjustments/{proposal['adjustment_id']}", who=walk.them))["status"] == "contested"
    other = await walk.refused(walk.them, contest.replace("/contest", "/decision"), None)
    assert other["code"] == "scope_missing"
