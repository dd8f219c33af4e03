"""partner-svc as a new user would try it, over HTTP, each refusal included: from a standard and an application to an
active partner, a suspension with two causes, and the end of the last contract. What other services say is heard over
Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from events.contract import ContractInForce, ContractTerminated, PartnerSigned
from events.operational import CostReported, SalesReported
from events.performance import PartnerEvaluated
from events.risk import RestrictionImposed, RestrictionLifted
from events.training import TrainingCompleted
from fastapi import FastAPI

Says = Callable[..., Awaitable[None]]
STANDARD: dict[str, Any] = {
    "title": "Franchisees",
    "dimensions": [{"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}],
    "gates": [
        {"code": "own_funds", "kind": "capital", "minimum": "60000", "unit": "EUR"},
        {"code": "record", "kind": "background"},
    ],
    "bands": [
        {"name": "weak", "lower": 0, "upper": 70, "recommendation": "decline"},
        {"name": "strong", "lower": 70, "upper": 100, "recommendation": "approve"},
    ],
    "minimum_confidence": "0.5",
    "interview_required": True,
    "override_roles": ["channel-manager"],
}
INVESTMENT: dict[str, Any] = {
    "currency": "EUR",
    "lowest_investment": 150_000,
    "highest_investment": 250_000,
    "own_funds": 60_000,
    "working_capital": 20_000,
    "initial_fee": 25_000,
    "royalty_percent": 5,
    "brand_fund_percent": 2,
    "discount_percent": 10,
    "longest_payback_years": 4,
}
CASE: dict[str, Any] = {
    "format": "kiosk",
    "currency": "EUR",
    "set_up": 130_000,
    "working_capital": 25_000,
    "own_funds": 80_000,
    "annual_sales": [365_000, 440_000, 480_000],
    "cost_of_goods_percent": 33,
    "annual_rent": 40_000,
    "annual_staff": 90_000,
}
AT = "/standards/franchise"


def noon(day: str) -> str:
    return f"{day}T12:00:00Z"


def instant(day: str) -> datetime:
    return datetime.fromisoformat(noon(day))


@dataclass
class Walk:
    """Says what it does and is told what came of it. `us` and `colleague` may both decide; `past` is us as the back
    office, who may say when something was."""

    service: FastAPI
    us: httpx.AsyncClient
    colleague: httpx.AsyncClient
    past: httpx.AsyncClient
    says: Says

    async def say(
        self, who: httpx.AsyncClient, path: str, *, method: str = "POST", seen: str = "", **body: Any
    ) -> httpx.Response:
        headers = {"If-Match": (await who.get(seen)).headers["etag"]} if seen else {}
        return await who.request(method, path, json=body, headers=headers)

    async def done(self, path: str, *, who: httpx.AsyncClient | None = None, **body: Any) -> list[str]:
        """The names of the events that came of it."""
        answer = await self.say(who or self.us, path, **body)
        assert answer.is_success, answer.text
        return [event.split(".")[2] for event in answer.json()["events"]]

    async def refused(self, path: str, *, who: httpx.AsyncClient | None = None, **body: Any) -> dict[str, Any]:
        answer = await self.say(who or self.us, path, **body)
        assert answer.status_code in (403, 404, 409, 412, 428), answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def see(self, path: str, **params: Any) -> Any:
        answer = await self.us.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def listed(self, path: str, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.see(path, **params))["items"]
        return found

    async def followed(self) -> None:
        engine = self.service.state.engine
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 60)
            assert await engine.handled("partner.registration", 60, position=head)
            if (await engine.log()).head == head:
                return

    async def publish(self, path: str, content: dict[str, Any]) -> None:
        known = (await self.us.get(path)).is_success
        await self.done(f"{path}/draft", method="PUT", seen=path if known else "", content=content)
        await self.done(f"{path}/publication", seen=path)

    async def apply(self, name: str, day: str | None = None, **changes: Any) -> str:
        """The path of the new application."""
        body = {"legal_name": name, "kind": "franchisee", "area": "ES-MD", "outlet_name": name, **changes}
        if day is not None:
            body["occurred_at"] = noon(day)
        answer = await self.past.post("/applications", json=body)
        assert answer.status_code == 201, answer.text
        return f"/applications/{answer.json()['id']}"

    async def score(self, path: str, score: int = 80, **changes: Any) -> list[str]:
        body = {
            "standard": "franchise",
            "scores": {"experience": score, "location": score},
            "gates": {"record": True},
            "figures": {"own_funds": 80_000},
            **changes,
        }
        return await self.done(f"{path}/scores", **body)

    async def meet(self, path: str) -> None:
        body: dict[str, Any] = {"held_on": "2024-01-02", "outcome": "recommended", "summary": "Knows the trade."}
        assert await self.done(f"{path}/interviews", **body) == ["InterviewHeld"]

    async def register(self, name: str, day: str | None = None, **changes: Any) -> UUID:
        """A partner whose application came that day and was approved."""
        path = await self.apply(name, day, **changes)
        await self.score(path)
        await self.meet(path)
        await self.done(f"{path}/approval", seen=path)
        await self.followed()
        return UUID((await self.see(path))["partner_id"])


@pytest.fixture
def walk(service: FastAPI, caller: Callable[..., httpx.AsyncClient], says: Says) -> Walk:
    us, colleague = caller("channel-manager", subject="ana"), caller("channel-manager", subject="ben")
    return Walk(service, us, colleague, caller("backfill", subject="eva"), says)


# -- standards


async def test_a_standard_is_previewed_over_the_open_applications_and_then_published(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    good, weak, undecided = [await walk.apply(name) for name in ("GOOD", "WEAK", "UNSCORED")]
    await walk.score(good, 80)
    await walk.score(weak, 60)
    dearer = {**STANDARD, "bands": [{**STANDARD["bands"][0], "upper": 85}, {**STANDARD["bands"][1], "lower": 85}]}
    nothing = await walk.us.get(f"{AT}/draft/preview")
    assert (nothing.status_code, nothing.json()["code"]) == (409, "partner.nothing_drafted")
    await walk.done(f"{AT}/draft", method="PUT", seen=AT, content=dearer)
    preview = await walk.see(f"{AT}/draft/preview")
    assert [each["term"] for each in preview["differences"]] == ["bands[0].upper", "bands[1].lower"]
    assert (preview["version"], preview["open_applications"], preview["recommended_otherwise"]) == (2, 2, 1)
    (turned,) = preview["applications"]
    assert f"/applications/{turned['application_id']}" == good
    assert (turned["recommendation"], turned["recommendation_then"], turned["total_then"]) == (
        "approve",
        "decline",
        "80.00",
    )
    await walk.done(f"{AT}/publication", seen=AT)
    kept = await walk.see(good)
    assert (kept["standard_version"], kept["recommendation"]) == (1, "approve"), "it keeps the version it was scored by"
    await walk.score(undecided, 80)
    assert (await walk.see(undecided))["recommendation"] == "decline"
    same = await walk.say(walk.us, f"{AT}/draft", method="PUT", seen=AT, content=dearer)
    assert same.is_success
    assert (await walk.refused(f"{AT}/publication", seen=AT))["code"] == "partner.draft_changes_nothing"
    await walk.done(f"{AT}/draft/discarding")


# -- applications


async def test_an_application_goes_through_screening_scores_and_interview_to_an_override_by_two(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    path = await walk.apply("CENTRO SL")
    poor: dict[str, Any] = {"standard": "franchise", "gates": {"record": True}, "figures": {"own_funds": 59_999}}
    assert await walk.done(f"{path}/screening", **poor) == ["ApplicationScreened"]
    (screened,) = await walk.listed("/applications", status="screened")
    assert screened["failed_gates"] == ["own_funds"]
    early: dict[str, Any] = {"held_on": "2024-01-02", "outcome": "recommended", "summary": "Knows the trade."}
    assert (await walk.refused(f"{path}/interviews", **early))["code"] == "partner.application_not_scored"
    unsure = {"experience": "0.4", "location": "0.4"}
    evidence = {"location": ["lease-2026-11"]}
    assert await walk.score(path, gates={}, figures={}, confidence=unsure, evidence=evidence) == ["ApplicationScored"]
    late = await walk.refused(f"{path}/screening", **poor | {"gates": {"record": False}})
    assert late["code"] == "partner.already_scored"
    seen = await walk.see(path)
    assert (seen["total"], seen["band"], seen["recommendation"], seen["confidence"]) == (
        "80.00",
        "strong",
        "decline",
        "0.40",
    )
    assert seen["scores"][1]["evidence"] == ["lease-2026-11"]
    assert [(gate["gate"], gate["passed"], gate["figure"]) for gate in seen["gates"]] == [
        ("own_funds", False, "59999"),
        ("record", True, None),
    ]
    needed = await walk.refused(f"{path}/approval", seen=path)
    assert (needed["code"], needed["standard_version"]) == ("partner.interview_needed", 1)
    await walk.meet(path)
    refused = await walk.refused(f"{path}/approval", seen=path)
    assert (refused["code"], refused["gates"]) == ("partner.gates_failed", ["own_funds"])
    reason: dict[str, Any] = {"override_reason": "Its bank vouches for the euro that is missing."}
    role = await walk.refused(f"{path}/approval", who=walk.past, seen=path, **reason)
    assert (role["code"], role["roles"]) == ("partner.override_needs_role", ["channel-manager"])
    assert await walk.done(f"{path}/approval", seen=path, **reason) == ["GateOverrideProposed"]
    assert (await walk.refused(f"{path}/approval", seen=path, **reason))["code"] == "partner.second_person_needed"
    done = await walk.done(f"{path}/approval", who=walk.colleague, seen=path, **reason)
    assert done == ["ApplicationApproved", "RegistrationRequested"]
    for what, body in (("decline", {"reason": "No."}), ("approval", {})):
        answer = await walk.say(walk.us, f"{path}/{what}", seen=path, **body)
        told = answer.json()
        assert told.get("code") == "partner.application_closed" if what == "decline" else told["events"] == []


async def test_of_two_approvals_at_once_exactly_one_wins_and_the_other_is_told_of_the_conflict(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    path = await walk.apply("CENTRO SL")
    await walk.score(path)
    await walk.meet(path)
    etag = (await walk.us.get(path)).headers["etag"]
    answers = await asyncio.gather(
        *(
            who.post(f"{path}/approval", json={}, headers={"If-Match": etag})
            for who in (walk.us, walk.colleague, walk.past)
        )
    )
    won = [answer for answer in answers if answer.status_code == 201]
    lost = [answer for answer in answers if answer.status_code == 412]
    assert (len(won), len(lost)) == (1, 2), [answer.text for answer in answers]
    assert {answer.json()["code"] for answer in lost} == {"version_mismatch"}
    await walk.followed()
    assert len(await walk.listed("/partners")) == 1
    happened = [event["type"].split(".")[2] for event in await walk.listed(f"{path}/history")]
    assert happened.count("ApplicationApproved") == 1


async def test_of_an_approval_and_a_decline_at_once_exactly_one_wins(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    path = await walk.apply("CENTRO SL")
    await walk.score(path)
    await walk.meet(path)
    approved, declined = await asyncio.gather(
        walk.say(walk.us, f"{path}/approval", seen=path),
        walk.say(walk.colleague, f"{path}/decline", seen=path, reason="Too near to another."),
    )
    assert sorted((approved.status_code, declined.status_code)) in ([201, 409], [201, 412])
    assert (await walk.see(path))["status"] == ("approved" if approved.is_success else "declined")


# -- investment standards and business plans


async def test_a_business_plan_is_judged_by_the_nearest_standard_and_later_compared_with_what_came(
    walk: Walk,
) -> None:
    await walk.publish(AT, STANDARD)
    path = await walk.apply("CENTRO SL", "2024-01-02")
    plan = f"{path}/business-plan"
    unknown = await walk.refused(plan, method="PUT", case=CASE)
    assert (unknown["code"], unknown["area"]) == ("partner.investment_standard_unknown", "ES-MD")
    country, city = "/investment-standards/kiosk/ES", "/investment-standards/kiosk/ES-MD"
    empty = {**INVESTMENT, "highest_investment": 1}
    refused = await walk.refused(f"{country}/draft", method="PUT", content=empty)
    assert refused["code"] == "partner.investment_range_empty"
    await walk.publish(country, INVESTMENT)
    assert await walk.done(plan, method="PUT", case=CASE) == ["BusinessPlanProjected"]
    seen = await walk.see(plan)
    assert (seen["terms"]["area"], seen["projection"]["investment"]) == ("ES", "180000.00")
    assert (seen["projection"]["payback_years"], seen["projection"]["shortfalls"]) == ("1.68", [])
    await walk.publish(city, {**INVESTMENT, "own_funds": 90_000})
    await walk.done(plan, method="PUT", case=CASE)
    (listed,) = await walk.listed("/applications", format="kiosk")
    assert (listed["shortfalls"], listed["payback_years"]) == (["investment.own_funds"], "1.68")
    await walk.score(path)
    await walk.meet(path)
    assert (await walk.refused(f"{path}/approval", seen=path))["gates"] == ["investment.own_funds"]
    await walk.done(f"{city}/draft", method="PUT", seen=city, content={**INVESTMENT, "own_funds": 70_000})
    preview = await walk.see(f"{city}/draft/preview")
    assert (preview["open_plans"], preview["judged_otherwise"]) == (1, 1)
    assert preview["applications"][0]["shortfalls_then"] == []
    await walk.done(f"{city}/draft/discarding")
    happened = [event["type"].split(".")[2] for event in await walk.listed(f"{city}/history")]
    assert happened == [
        "InvestmentStandardDrafted",
        "InvestmentStandardPublished",
        "InvestmentStandardDrafted",
        "InvestmentStandardDraftDiscarded",
    ]
    await walk.done(plan, method="PUT", case={**CASE, "own_funds": 90_000})
    await walk.done(f"{path}/approval", seen=path)
    await walk.followed()

    partner = UUID((await walk.see(path))["partner_id"])
    signed = PartnerSigned(contract_id=uuid4(), partner_id=partner, areas=("ES-MD",), effective_from=date(2024, 1, 15))
    await walk.says("contract", signed, on=instant("2024-01-10"))
    for item in ("premises_approved", "opening_stock_delivered"):
        body = {"occurred_at": noon("2024-01-31")}
        await walk.done(f"/partners/{partner}/checklist/{item}/completion", who=walk.past, **body)
    await walk.done(f"/partners/{partner}/outlet-opening", who=walk.past, occurred_at=noon("2024-02-01"))
    await reported(walk.says, partner)
    compared = (await walk.see(plan, on="2024-04-11"))["compared"]
    (first,) = compared
    # 71 of 366 days; the sale that was restated counts once, as it was restated.
    assert (first["days"], first["planned_sales"], first["sales"]) == (71, "70806.01", "80000.00")
    assert (first["cost_of_goods"], first["fees"], first["other_costs"]) == ("30000.00", "5600.00", "4000.00")
    assert first["cash_flow"] == "40400.00"
    assert (await walk.see(plan, on="2024-04-11"))["other_currencies"] == ["USD"]


async def reported(says: Says, partner: UUID) -> None:
    """A sale and its restatement, a sale in another currency, and two costs."""
    sale = SalesReported(
        sale_id=uuid4(),
        partner_id=partner,
        amount=Decimal(50_000),
        currency="EUR",
        sold_on=date(2024, 3, 1),
        source="till",
        source_ref="1",
    )
    restated = sale.model_copy(update={"amount": Decimal(80_000), "restatement": 1})
    abroad = sale.model_copy(update={"sale_id": uuid4(), "currency": "USD", "source_ref": "2"})
    goods = CostReported(
        cost_id=uuid4(),
        partner_id=partner,
        kind="goods",
        amount=Decimal(30_000),
        currency="EUR",
        incurred_on=date(2024, 3, 1),
        source="erp",
        source_ref="3",
    )
    rent = goods.model_copy(update={"cost_id": uuid4(), "kind": "rent", "amount": Decimal(4_000), "source_ref": "4"})
    for said in (sale, restated, abroad, goods, rent):
        await says("performance", said, on=instant("2024-03-02"))


# -- recruitment plans


async def test_a_recruitment_plan_shows_its_progress_from_the_pipeline_of_its_areas(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    plan = "/recruitment-plans/spain-2024"
    content = {
        "title": "Spain 2024",
        "areas": ["ES"],
        "kind": "franchisee",
        "target": 4,
        "starts_on": "2024-01-01",
        "ends_on": "2024-12-31",
        "budget": "10000",
        "currency": "EUR",
    }
    wrong = await walk.refused(plan, method="PUT", content={**content, "ends_on": "2023-12-31"})
    assert wrong["code"] == "partner.plan_ends_before_it_starts"
    assert await walk.done(plan, method="PUT", content=content) == ["RecruitmentPlanned"]
    partner = await walk.register("ONE", "2024-02-01")
    signed = PartnerSigned(contract_id=uuid4(), partner_id=partner, areas=("ES",), effective_from=date(2024, 3, 1))
    await walk.says("contract", signed, on=datetime(2024, 2, 20, tzinfo=UTC))
    await walk.register("TWO", "2024-12-31")
    await walk.apply("THREE", "2024-05-05")
    for outside in ({"kind": "agent"}, {"area": "PT"}, {"area": "ESX"}):
        await walk.apply("OUT", "2024-05-05", **outside)
    await walk.apply("TOO LATE", "2025-01-01")
    expense: dict[str, Any] = {
        "reference": "F-1",
        "purpose": "Fair",
        "amount": "12000",
        "currency": "EUR",
        "spent_on": "2024-03-01",
    }
    assert await walk.done(f"{plan}/expenses", **expense) == ["RecruitmentExpenseBooked"]
    assert await walk.done(f"{plan}/expenses", **expense) == []
    differs = await walk.refused(f"{plan}/expenses", **{**expense, "amount": "1"})
    assert (differs["code"], differs["amount"]) == ("partner.expense_differs", "12000")
    progress = await walk.see(f"{plan}/progress", on="2024-06-30")
    assert progress["pipeline"] == {"signed": 1, "approved": 1, "applied": 1}
    assert (progress["signed"], progress["expected"], progress["behind"]) == (1, "2.0", "1.0")
    assert (progress["cost_each"], progress["budget_left"]) == ("12000.00", "-2000")
    await walk.done(f"{plan}/closure", reason="Over.")
    assert [each["code"] for each in await walk.listed("/recruitment-plans", status="closed")] == ["spain-2024"]
    closed = await walk.refused(plan, method="PUT", seen=plan, content={**content, "target": 5})
    assert closed["code"] == "partner.plan_closed"


# -- from the application to the end of the last contract

CONTRACTS = [UUID(int=n) for n in (901, 902)]
CAUSES = [UUID(int=n) for n in (911, 912)]
STOCK = "opening_stock_delivered"
STARS: dict[str, Any] = {
    "title": "Stars",
    "kinds": ["franchisee"],
    "period": "year",
    "tiers": [
        {"code": "member", "title": "Member"},
        {
            "code": "gold",
            "title": "Gold",
            "criteria": [{"at_least": "90"}],
            "periods": 2,
            "benefits": [{"code": "leads", "text": "Leads come first."}],
        },
    ],
}


async def signs(walk: Walk, partner: UUID, contract: UUID, day: str = "2024-01-10") -> None:
    starts = date.fromisoformat(day)
    signed = PartnerSigned(contract_id=contract, partner_id=partner, areas=("ES-MD",), effective_from=starts)
    await walk.says("contract", signed, on=instant(day))


async def evaluated(walk: Walk, partner: UUID, year: int, total: int) -> None:
    told = PartnerEvaluated(
        partner_id=partner,
        period=str(year),
        scorecard="all",
        scorecard_version=1,
        scores=(),
        total=Decimal(total),
        band="good",
        trend=None,
        percentile=None,
        cohort_size=1,
    )
    await walk.says("performance", told, on=instant(f"{year + 1}-01-15"))


async def test_a_partner_goes_from_its_application_to_the_end_of_its_last_contract(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    partner = await walk.register("CENTRO SL", "2024-01-02")
    at = f"/partners/{partner}"
    opening, waiver = f"{at}/outlet-opening", f"{at}/checklist/{STOCK}/waiver"

    # The outlet: each refusal, a day that is promised, and a waiver by two.
    assert (await walk.refused(opening))["code"] == "partner.not_signed"
    await signs(walk, partner, CONTRACTS[0])
    critical = await walk.refused(opening)
    assert (critical["code"], critical["items"]) == ("partner.critical_items_open", ["premises_approved"])
    await walk.done(f"{at}/checklist/premises_approved/completion")
    mandatory = await walk.refused(opening)
    assert (mandatory["code"], mandatory["items"]) == ("partner.mandatory_items_open", [STOCK])
    past = await walk.refused(f"{at}/checklist/{STOCK}/due-day", method="PUT", due_on="2000-01-01")
    assert past["code"] == "partner.due_day_past"
    late: dict[str, Any] = {"reason": "The supplier is late."}
    unwaivable = await walk.refused(f"{at}/checklist/premises_approved/waiver", seen=at, **late)
    assert (unwaivable["code"], unwaivable["severity"]) == ("partner.only_mandatory_items_waived", "critical")
    assert await walk.done(f"{at}/checklist/{STOCK}/due-day", method="PUT", due_on="2999-01-01") == [
        "ChecklistItemDated"
    ]
    assert await walk.done(opening, time_zone="Europe/Madrid") == ["OutletOpened"]
    (due,) = await walk.listed("/checklist-items", partner_id=str(partner), due_before="2999-01-02")
    assert (due["item"], due["status"]) == (STOCK, "open")
    assert await walk.done(waiver, seen=at, **late) == ["ChecklistWaiverProposed"]
    assert (await walk.refused(waiver, seen=at, **late))["code"] == "partner.second_person_needed"
    assert await walk.done(waiver, who=walk.colleague, seen=at, **late) == ["ChecklistItemWaived"]

    # Activation, when the contract and the training are there, too.
    assert (await walk.see(at))["missing_for_launch"] == ["a contract in force", "a completed training"]
    await walk.says("contract", ContractInForce(contract_id=CONTRACTS[0], partner_id=partner), on=instant("2024-01-15"))
    passed = TrainingCompleted(
        enrolment_id=uuid4(), partner_id=partner, course="hygiene", required_for_launch=True, score=Decimal(90)
    )
    await walk.says("training", passed, on=instant("2024-02-01"))
    assert (await walk.see(at))["status"] == "active"

    # A suspension with two causes ends with the second; neither opens an outlet meanwhile.
    for cause in CAUSES:
        imposed = RestrictionImposed(
            restriction_id=cause, partner_id=partner, kind="suspension", reason="Unpaid.", evidence=()
        )
        await walk.says("risk", imposed, on=instant("2024-03-01"))
    assert await walk.done(f"{at}/outlets", name="Uptown", area="ES-M") == ["OutletPlanned", "ChecklistDrawnUp"]
    (second,) = await walk.listed("/outlets", partner_id=str(partner), status="planned")
    elsewhere = {"outlet_id": second["outlet_id"]}
    barred = await walk.say(walk.us, opening, **elsewhere)
    assert (barred.json()["code"], barred.json()["reasons"]) == ("partner.suspended", ["Unpaid.", "Unpaid."])
    for cause, status in zip(CAUSES, ("suspended", "active"), strict=True):
        lifted = RestrictionLifted(restriction_id=cause, partner_id=partner, kind="suspension", reason="Paid.")
        await walk.says("risk", lifted, on=instant("2024-03-05"))
        assert (await walk.see(at))["status"] == status

    await rises(walk, partner)

    # Two contracts: the partner ends with the second, and not before.
    await signs(walk, partner, CONTRACTS[1], "2026-02-01")
    for contract, status in zip(CONTRACTS, ("active", "terminated"), strict=True):
        ended = ContractTerminated(contract_id=contract, partner_id=partner, reason="Unpaid.")
        await walk.says("contract", ended, on=instant("2026-03-01"))
        assert (await walk.see(at))["status"] == status
    over = await walk.refused(f"{at}/outlets", name="Downtown", area="ES-M")
    assert (over["code"], over["standing"]) == ("partner.out", "terminated")
    await walk.done(f"{at}/outlet-closing", reason="The end.")
    assert len(await walk.listed("/outlets", partner_id=str(partner), status="closed")) == 1


async def rises(walk: Walk, partner: UUID) -> None:
    """Into a programme, and up in it."""
    programme, at = "/programmes/stars", f"/partners/{partner}"
    mine = f"{at}/programmes/stars"
    join: dict[str, Any] = {"reason": "Signed up."}
    assert (await walk.refused(mine, method="PUT", **join))["code"] == "partner.programme_unknown"
    turned = {**STARS, "tiers": STARS["tiers"][::-1]}
    refused = await walk.refused(f"{programme}/draft", method="PUT", content=turned)
    assert (refused["code"], refused["tier"]) == ("partner.first_tier_asks", "gold")
    await walk.publish(programme, STARS)
    assert await walk.done(mine, method="PUT", **join) == ["ProgrammeJoined", "PartnerTierChanged"]
    decision: dict[str, Any] = {"to_tier": "gold", "accept": True, "reason": "Two good years."}
    early = await walk.refused(f"{mine}/tier-decision", seen=at, **decision)
    assert (early["code"], early["tier"], early["proposed"]) == ("partner.tier_not_proposed", "member", None)
    await evaluated(walk, partner, 2024, 95)
    following = await walk.see(f"{mine}/next-tier")
    assert (following["tier"], following["next_tier"]) == ("member", "gold")
    assert [(each["what"], each["needed"], each["has"]) for each in following["missing"]] == [("evaluations", "2", "1")]
    harder = {**STARS, "tiers": [STARS["tiers"][0], {**STARS["tiers"][1], "criteria": [{"at_least": "99"}]}]}
    await evaluated(walk, partner, 2025, 93)
    (waiting,) = await walk.listed("/memberships", direction="promotion")
    assert (waiting["partner_id"], waiting["tier"], waiting["proposed_tier"]) == (str(partner), "member", "gold")
    assert len(waiting["evidence"]) == 2
    await walk.done(f"{programme}/draft", method="PUT", seen=programme, content=harder)
    preview = await walk.see(f"{programme}/draft/preview")
    assert (preview["members"], preview["placed_otherwise"]) == (1, 1)
    assert (preview["partners"][0]["proposed_tier"], preview["partners"][0]["proposed_tier_then"]) == ("gold", "member")
    await walk.done(f"{programme}/draft/discarding")
    assert await walk.done(f"{mine}/tier-decision", seen=at, **decision) == ["PartnerTierChanged"]
    seen = await walk.see(mine)
    assert (seen["tier"], [each["code"] for each in seen["benefits"]]) == ("gold", ["leads"])
    assert (await walk.see(f"{mine}/next-tier"))["next_tier"] is None
    assert (await walk.see(at))["tiers"] == [{"programme": "stars", "tier": "gold"}]


# -- ownership


TRANSFER: dict[str, Any] = {
    "legal_name": "NORTE SL",
    "owners": [{"name": "Ana Gil", "email": "ana@example.com"}],
    "reason": "The business was sold.",
}


async def test_a_business_becomes_anothers_under_its_own_id_and_people_stay_sealed(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    partner = await walk.register("CENTRO SL", "2024-01-02")
    other = await walk.register("SUR SL", "2024-01-02")
    at = f"/partners/{partner}"
    transfer = f"{at}/ownership-transfer"
    assert (await walk.refused(transfer, method="PUT", **TRANSFER))["code"] == "partner.not_signed"
    await signs(walk, partner, CONTRACTS[0])
    tax: dict[str, Any] = {"tax_ids": [{"country": "ES", "scheme": "NIF", "value": "B-12345678"}], "currency": "EUR"}
    await walk.done(f"{at}/details", method="PUT", seen=at, **tax)
    written: dict[str, Any] = {"tax_ids": [{"country": "ES", "scheme": "NIF", "value": "b12345678"}]}
    theirs = f"/partners/{other}"
    taken = await walk.refused(f"{theirs}/details", method="PUT", seen=theirs, **written)
    assert (taken["code"], taken["held_by"]) == ("partner.tax_id_taken", str(partner))
    owner = uuid4()
    await walk.done(f"{at}/contacts/{owner}", method="PUT", role="owner", name="Eva Sanz")

    nothing = await walk.refused(f"{transfer}/approval", seen=at)
    assert nothing["code"] == "partner.no_transfer_proposed"
    await walk.done(transfer, method="PUT", **{**TRANSFER, "legal_name": "Sur, S.L."})
    name = await walk.refused(f"{transfer}/approval", who=walk.colleague, seen=at)
    assert (name["code"], name["held_by"]) == ("partner.name_taken", str(other))
    assert await walk.done(transfer, method="PUT", **TRANSFER) == ["TransferProposed"]
    assert (await walk.refused(f"{transfer}/approval", seen=at))["code"] == "partner.second_person_needed"
    assert (await walk.see(at))["transfer_proposed"]["legal_name"] == "NORTE SL"
    done = await walk.done(f"{transfer}/approval", who=walk.colleague, seen=at)
    assert done == ["PartnerTransferred", "PartnerDetailsChanged", "ContactRemoved", "ContactChanged"]
    seen = await walk.see(at)
    assert (seen["legal_name"], seen["tax_ids"], seen["contracts"][0]["contract_id"]) == (
        "NORTE SL",
        [],
        str(CONTRACTS[0]),
    )
    (listed,) = await walk.listed("/partners", name="norte")
    assert listed["partner_id"] == str(partner)
    people = (await walk.see(f"{at}/personal-data"))["contacts"]
    assert [(each["role"], each["name"]) for each in people] == [("owner", "Ana Gil")]
    history = (await walk.us.get(f"{at}/history")).text
    assert "CENTRO SL" in history, "the history stays"
    assert "Ana Gil" not in history
    assert "Eva Sanz" not in history
    await walk.done(f"{theirs}/details", method="PUT", seen=theirs, **written)  # the tax id is nobody's by now


async def test_of_a_suspension_and_a_transfer_at_once_exactly_one_comes_first(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    partner = await walk.register("CENTRO SL", "2024-01-02")
    await signs(walk, partner, CONTRACTS[0])
    at = f"/partners/{partner}"
    transfer = f"{at}/ownership-transfer"
    await walk.done(transfer, method="PUT", **TRANSFER)
    imposed = RestrictionImposed(
        restriction_id=CAUSES[0], partner_id=partner, kind="suspension", reason="Unpaid.", evidence=()
    )
    # The other service speaks up before, so that both are as quick as they can be.
    await walk.says("risk", imposed.model_copy(update={"kind": "order_block"}), on=instant("2024-02-28"))
    answer, _ = await asyncio.gather(
        walk.say(walk.colleague, f"{transfer}/approval", seen=at),
        walk.says("risk", imposed, on=instant("2024-03-01")),
    )
    happened = [event["type"].split(".")[2] for event in await walk.listed(f"{at}/history", limit=100)]
    assert (await walk.see(at))["status"] == "suspended", "a suspension is never lost"
    if answer.status_code == 201:
        assert happened.index("PartnerTransferred") < happened.index("PartnerSuspended")
    else:
        assert (answer.status_code, answer.json()["code"]) in ((412, "version_mismatch"), (409, "partner.suspended"))
        assert "PartnerTransferred" not in happened
    # Whichever came first: while it is suspended the business is nobody else's, and dropping ends the matter.
    again = await walk.refused(f"{transfer}/approval", who=walk.past, seen=at)
    expected = "partner.no_transfer_proposed" if answer.status_code == 201 else "partner.suspended"
    assert again["code"] == expected
    anew = await walk.refused(transfer, method="PUT", **{**TRANSFER, "legal_name": "OESTE SL"})
    assert (anew["code"], anew["reasons"]) == ("partner.suspended", ["Unpaid."])
    if answer.status_code != 201:
        assert await walk.done(f"{transfer}/dropping", reason="Not now.") == ["TransferDropped"]


# -- registers


async def test_principals_brands_and_channels_are_kept_with_what_others_call_them(walk: Walk) -> None:
    brand, channel = "/brands/burgers", "/channels/franchise"
    told = {"of": "brand", "name": "Burgers", "principal": "burgers-sa"}
    unknown = await walk.refused(brand, method="PUT", content=told)
    assert (unknown["code"], unknown["principal"]) == ("partner.principal_unknown", "burgers-sa")
    principal = {
        "of": "principal",
        "name": "Burgers SA",
        "country": "ES",
        "time_zone": "Europe/Madrid",
        "currency": "EUR",
    }
    assert await walk.done("/principals/burgers-sa", method="PUT", content=principal) == ["RegisterEntryKept"]
    await walk.done(brand, method="PUT", content=told)
    ways = {"of": "channel", "name": "Franchises", "principal": "burgers-sa", "kind": "franchise"}
    await walk.done(channel, method="PUT", content=ways)
    for path in ("/principals/burgers-sa", brand, channel):
        assert await walk.done(f"{path}/external-references/erp", method="PUT", key="E-1") == ["RegisterEntryLinked"]
        assert (await walk.see(path))["external_refs"] == [{"system": "erp", "key": "E-1"}]
    (listed,) = await walk.listed("/brands", principal="burgers-sa")
    assert (listed["code"], listed["content"]["name"]) == ("burgers", "Burgers")
    await walk.done(f"{brand}/retirement", reason="Sold.")
    retired = await walk.refused(brand, method="PUT", seen=brand, content={**told, "name": "Other"})
    assert (retired["code"], retired["entry"]) == ("partner.register_entry_retired", "burgers")
    assert await walk.listed("/brands", status="kept") == []
    happened = [event["type"].split(".")[2] for event in await walk.listed(f"{brand}/history")]
    assert happened == ["RegisterEntryKept", "RegisterEntryLinked", "RegisterEntryRetired"]
    for path in ("/principals/burgers-sa", channel):
        assert len(await walk.listed(f"{path}/history")) == 2


async def test_a_checklist_is_published_for_a_kind_and_newcomers_get_it(walk: Walk) -> None:
    await walk.publish(AT, STANDARD)
    before = await walk.register("ANTES SL", "2024-01-02")
    at = "/opening-checklists/franchisee"
    licence = {"code": "licence", "title": "The licence is there", "severity": "critical"}
    twice = await walk.refused(f"{at}/draft", method="PUT", content={"items": [licence, licence]})
    assert twice["code"] == "partner.checklist_item_twice"
    await walk.done(f"{at}/draft", method="PUT", content={"items": [licence]})
    assert (await walk.see(f"{at}/draft/preview"))["newcomers_who_keep_theirs"] == 1
    await walk.done(f"{at}/publication", seen=at)
    after = await walk.register("DESPUES SL", "2024-01-02")
    outlets = [(await walk.see(f"/partners/{id}"))["outlet"] for id in (before, after)]
    lists = [[each["code"] for each in outlet["checklist"]] for outlet in outlets]
    assert lists == [["premises_approved", STOCK, "opening_event_held"], ["licence"]]
    reference = f"/partners/{after}/outlets/{outlets[1]['outlet_id']}"
    await walk.done(f"{reference}/external-references/erp", method="PUT", key="S-1")
    (outlet,) = (await walk.see(f"/partners/{after}"))["outlets"]
    assert outlet["external_refs"] == [{"system": "erp", "key": "S-1"}]
