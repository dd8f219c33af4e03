"""partner-svc on the real stack: HTTP in, events out, and what the other services say heard over Kafka."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from events.contract import ContractInForce, ContractTerminated, NegotiationLapsed, PartnerSigned
from events.risk import RestrictionImposed, RestrictionLifted
from events.training import TrainingAssigned, TrainingCompleted
from fastapi import FastAPI

STANDARD: dict[str, Any] = {
    "title": "Franchisees",
    "dimensions": [{"code": "experience", "weight": "60"}, {"code": "location", "weight": "40"}],
    "gates": [{"code": "own_funds", "kind": "capital"}],
}
SCORES: dict[str, Any] = {
    "standard": "franchise",
    "scores": {"experience": 90, "location": "52.5"},
    "gates": {"own_funds": True},
}
CONTRACT, ENROLMENT, RESTRICTION = uuid4(), uuid4(), uuid4()
EVIDENCE = (uuid4(), uuid4())
Says = Callable[..., Awaitable[None]]


def on(month: int, day: int) -> datetime:
    return datetime(2000, month, day, 21, tzinfo=UTC)


async def got(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def items(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await got(api, path, **params))["items"]
    return found


async def looked_at(api: httpx.AsyncClient, path: str | None) -> dict[str, str]:
    """What a decision says of the version that was seen."""
    return {} if path is None else {"If-Match": (await api.get(path)).headers["etag"]}


async def done(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, method: str = "POST", seen: str | None = None
) -> dict[str, Any]:
    answer = await api.request(method, path, json=body, headers=await looked_at(api, seen))
    assert answer.is_success, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def problem(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, method: str = "POST", seen: str | None = None
) -> dict[str, Any]:
    answer = await api.request(method, path, json=body, headers=await looked_at(api, seen))
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told: dict[str, Any] = answer.json()
    return told


async def followed(service: FastAPI) -> None:
    """The house has done by itself what follows from its own log."""
    engine = service.state.engine
    while True:
        head = (await engine.log()).head
        assert await engine.published(head, 30)
        assert await engine.handled("partner.registration", 30, position=head)
        if (await engine.log()).head == head:
            return


async def applied(api: httpx.AsyncClient, legal_name: str = "TESORO - SEWARD HWY", **changes: Any) -> str:
    body = {
        "legal_name": legal_name,
        "kind": "franchisee",
        "area": "US-AK",
        "outlet_name": legal_name.title(),
        "external_refs": [{"system": "erp", "key": "V-1042"}],
        "occurred_at": "2000-01-05T21:00:00Z",
        **changes,
    }
    return str((await done(api, "/applications", body))["id"])


async def approved(api: httpx.AsyncClient, service: FastAPI, *legal_names: str) -> list[str]:
    """Applications of these names, scored and approved in their order."""
    ids = [await applied(api, name) for name in legal_names]
    for id in ids:
        await done(api, f"/applications/{id}/scores", {**SCORES, "occurred_at": "2000-01-07T21:00:00Z"})
        approval = {"occurred_at": "2000-01-09T21:00:00Z"}
        await done(api, f"/applications/{id}/approval", approval, seen=f"/applications/{id}")
    await followed(service)
    return ids


@pytest.fixture
async def standard(api: httpx.AsyncClient) -> None:
    await published(api, STANDARD)


async def published(api: httpx.AsyncClient, content: dict[str, Any]) -> None:
    """Drafted, and made the version by which applications are scored."""
    at = "/standards/franchise"
    known = (await api.get(at)).is_success
    await done(api, f"{at}/draft", {"content": content}, method="PUT", seen=at if known else None)
    await done(api, f"{at}/publication", {}, seen=at)


@pytest.fixture
async def partner(api: httpx.AsyncClient, service: FastAPI, standard: None) -> UUID:
    """One that is registered."""
    await approved(api, service, "TESORO - SEWARD HWY")
    (found,) = await items(api, "/partners")
    return UUID(found["partner_id"])


class Voices:
    """What the other services say of a partner."""

    def __init__(self, says: Says, partner_id: UUID) -> None:
        self.says, self.partner_id = says, partner_id

    async def signs(self) -> None:
        signed = PartnerSigned(
            contract_id=CONTRACT, partner_id=self.partner_id, areas=("US-AK",), effective_from=date(2000, 2, 1)
        )
        await self.says("contract", signed, on=on(1, 29))

    async def contract_in_force(self) -> None:
        await self.says("contract", ContractInForce(contract_id=CONTRACT, partner_id=self.partner_id), on=on(2, 1))

    async def contract_terminated(self) -> None:
        ended = ContractTerminated(contract_id=CONTRACT, partner_id=self.partner_id, reason="Unpaid royalties.")
        await self.says("contract", ended, on=on(6, 1))

    async def trains(self) -> None:
        assigned = TrainingAssigned(
            enrolment_id=ENROLMENT,
            partner_id=self.partner_id,
            course="hygiene",
            course_version=1,
            required_for_launch=True,
            pass_mark=Decimal(70),
            max_attempts=3,
            validity_months=None,
            time_zone="UTC",
            assigned_on=date(2000, 1, 29),
        )
        completed = TrainingCompleted(
            enrolment_id=ENROLMENT,
            partner_id=self.partner_id,
            course="hygiene",
            required_for_launch=True,
            score=Decimal(90),
        )
        await self.says("training", assigned, on=on(1, 29))
        await self.says("training", completed, on=on(2, 12))

    async def suspends(self, restriction_id: UUID = RESTRICTION, kind: str = "suspension") -> None:
        imposed = RestrictionImposed(
            restriction_id=restriction_id,
            partner_id=self.partner_id,
            kind=kind,
            reason="Two evaluations below 85 in a row.",
            evidence=EVIDENCE,
        )
        await self.says("risk", imposed, on=on(3, 1))

    async def lifts(self, restriction_id: UUID = RESTRICTION) -> None:
        lifted = RestrictionLifted(
            restriction_id=restriction_id, partner_id=self.partner_id, kind="suspension", reason="92 in 2001."
        )
        await self.says("risk", lifted, on=on(4, 1))


@pytest.fixture
def voices(says: Says, partner: UUID) -> Voices:
    return Voices(says, partner)


async def opens(api: httpx.AsyncClient, partner: UUID) -> None:
    for item in ("premises_approved", "opening_stock_delivered"):
        await done(api, f"/partners/{partner}/checklist/{item}/completion", {"occurred_at": "2000-02-14T21:00:00Z"})
    body = {"time_zone": "America/Anchorage", "occurred_at": "2000-02-16T03:00:00Z"}
    await done(api, f"/partners/{partner}/outlet-opening", body)


async def types(api: httpx.AsyncClient, path: str) -> list[str]:
    return [event["type"].split(".")[2] for event in await items(api, f"{path}/history")]


# -- standards


async def test_a_standard_is_drafted_published_revised_and_read(api: httpx.AsyncClient) -> None:
    at = "/standards/franchise"
    assert (await done(api, f"{at}/draft", {"content": STANDARD}, method="PUT"))["version"] == 1
    assert (await done(api, f"{at}/draft", {"content": STANDARD}, method="PUT"))["events"] == []
    unpublished = await problem(api, f"/applications/{await applied(api)}/scores", SCORES)
    assert (unpublished["status"], unpublished["code"]) == (404, "partner.standard_unknown")
    assert (await problem(api, f"{at}/publication", {}))["code"] == "version_needed"
    assert (await done(api, f"{at}/publication", {}, seen=at))["version"] == 2
    revised = {"content": {**STANDARD, "gates": []}}
    blind = await problem(api, f"{at}/draft", revised, method="PUT")
    assert (blind["status"], blind["code"], blind["actual"]) == (428, "version_needed", 2)
    await done(api, f"{at}/draft", revised, method="PUT", seen=at)
    await done(api, f"{at}/draft/discarding", {})
    assert (await problem(api, f"{at}/publication", {}, seen=at))["code"] == "partner.nothing_drafted"
    await published(api, {**STANDARD, "gates": []})
    assert (await types(api, at))[-4:] == [
        "StandardDrafted",
        "StandardDraftDiscarded",
        "StandardDrafted",
        "StandardPublished",
    ]
    (standard,) = await items(api, "/standards")
    assert standard == await got(api, at)
    assert (standard["version"], standard["terms"]["gates"], standard["draft"]) == (2, [], None)
    light = {"content": {**STANDARD, "dimensions": [{"code": "location", "weight": "99"}]}}
    refused = await problem(api, f"{at}/draft", light, method="PUT", seen=at)
    assert (refused["status"], refused["code"], refused["total"]) == (409, "partner.weights_do_not_total_100", "99")


# -- applications


@pytest.mark.usefixtures("standard")
async def test_an_application_is_scored_refused_overridden_and_registered(
    api: httpx.AsyncClient, caller: Callable[..., httpx.AsyncClient], service: FastAPI
) -> None:
    id = await applied(api)
    path = f"/applications/{id}"
    assert (await problem(api, f"{path}/approval", {}, seen=path))["code"] == "partner.application_not_scored"
    unfit = await problem(api, f"{path}/scores", {**SCORES, "scores": {"experience": 90}})
    assert (unfit["code"], unfit["missing"]) == ("partner.scores_do_not_fit_standard", ["location"])
    await done(api, f"{path}/scores", {**SCORES, "gates": {"own_funds": False}})
    (application,) = await items(api, "/applications", status="scored", area="US-AK")
    assert (application["total"], application["failed_gates"]) == ("75.00", ["own_funds"])
    refused = await problem(api, f"{path}/approval", {}, seen=path)
    assert (refused["status"], refused["code"], refused["gates"]) == (409, "partner.gates_failed", ["own_funds"])
    override = {"override_reason": "Its bank vouches for it."}
    proposal = await done(api, f"{path}/approval", override, seen=path)
    assert proposal["events"] == ["cauce.partner.GateOverrideProposed.v1"]
    alone = await problem(api, f"{path}/approval", override, seen=path)
    assert (alone["status"], alone["code"]) == (409, "partner.second_person_needed")
    await done(caller("channel-manager", subject="somebody else"), f"{path}/approval", override, seen=path)
    await followed(service)

    application = await got(api, path)
    assert (application["status"], application["override_reason"]) == ("approved", "Its bank vouches for it.")
    assert [(line["dimension"], line["score"]) for line in application["scores"]] == [
        ("experience", "90"),
        ("location", "52.5"),
    ]
    (partner,) = await items(api, "/partners", status="prospective")
    assert (partner["partner_id"], partner["application_id"]) == (application["partner_id"], id)
    assert partner["open_items"] == ["premises_approved", "opening_stock_delivered", "opening_event_held"]
    registered = (await items(api, f"/partners/{partner['partner_id']}/history"))[0]
    assert (registered["type"], registered["actor"]) == (
        "cauce.partner.PartnerRegistered.v1",
        "policy:partner.registration",
    )


@pytest.mark.usefixtures("standard")
async def test_an_application_keeps_the_version_that_it_was_scored_by(api: httpx.AsyncClient) -> None:
    first, second = await applied(api, "FIRST"), await applied(api, "SECOND")
    await done(api, f"/applications/{first}/scores", SCORES)
    await published(api, {**STANDARD, "gates": []})
    await done(api, f"/applications/{second}/scores", {**SCORES, "gates": {}})
    versions = {each["legal_name"]: each["standard_version"] for each in await items(api, "/applications")}
    assert versions == {"FIRST": 1, "SECOND": 2}


async def test_applications_are_declined_and_withdrawn(api: httpx.AsyncClient) -> None:
    declined, withdrawn = await applied(api, "FIRST"), await applied(api, "SECOND")
    path = f"/applications/{declined}"
    await done(api, f"{path}/decline", {"reason": "Too near to another."}, seen=path)
    await done(api, f"/applications/{withdrawn}/withdrawal", {})
    (first,) = await items(api, "/applications", status="declined")
    assert (first["application_id"], first["closed_because"]) == (declined, "Too near to another.")
    (second,) = await items(api, "/applications", status="withdrawn")
    assert second["application_id"] == withdrawn
    refused = await problem(api, f"/applications/{declined}/withdrawal", {})
    assert (refused["code"], refused["standing"]) == ("partner.application_closed", "declined")
    assert await types(api, f"/applications/{withdrawn}") == ["PartnerApplied", "ApplicationWithdrawn"]


async def test_the_same_key_is_the_same_application(api: httpx.AsyncClient) -> None:
    body = {"legal_name": "TESORO", "kind": "agent", "area": "US-AK", "outlet_name": "Tesoro"}
    headers = {"Idempotency-Key": "sample/tesoro"}
    first, again = [(await api.post("/applications", json=body, headers=headers)).json() for _ in range(2)]
    assert first["id"] == again["id"]
    assert len(await items(api, "/applications")) == 1


# -- possible duplicates


@pytest.mark.usefixtures("standard")
async def test_of_two_names_that_look_the_same_one_is_held_until_somebody_decides(
    api: httpx.AsyncClient, service: FastAPI
) -> None:
    first, second, third = await approved(
        api, service, "TESORO - SEWARD HWY", "TESORO -SEWARD HWY", "Tesoro, Seward Hwy."
    )
    (partner,) = await items(api, "/partners")
    assert partner["application_id"] == first
    held = {each["application_id"]: each for each in await items(api, "/possible-duplicates")}
    assert held.keys() == {second, third}
    assert (held[second]["legal_name"], held[second]["looks_like_name"]) == (
        "TESORO -SEWARD HWY",
        "TESORO - SEWARD HWY",
    )
    assert {each["looks_like"] for each in held.values()} == {partner["partner_id"]}
    assert {each["application_id"] for each in await items(api, "/applications", status="held")} == {second, third}

    at = {id: f"/applications/{id}" for id in (second, third)}
    refused = await problem(api, f"{at[second]}/decline", {"reason": "The same."}, seen=at[second])
    assert refused["code"] == "partner.duplicate_decision_needed"
    two, one = {"distinct": True, "reason": "Two roads."}, {"distinct": False, "reason": "The same station."}
    await done(api, f"{at[second]}/duplicate-decision", two, seen=at[second])
    await done(api, f"{at[third]}/duplicate-decision", one, seen=at[third])
    await followed(service)
    assert await items(api, "/possible-duplicates") == []
    names = [each["legal_name"] for each in await items(api, "/partners", name="tesoro-s")]
    assert sorted(names) == ["TESORO - SEWARD HWY", "TESORO -SEWARD HWY"]
    declined = await got(api, f"/applications/{third}")
    assert (declined["status"], declined["closed_because"]) == ("declined", "The same station.")
    assert declined["duplicate_decision"] == {"distinct": False, "reason": "The same station."}
    other = {"distinct": True, "reason": "No."}
    refused = await problem(api, f"{at[third]}/duplicate-decision", other, seen=at[third])
    assert (refused["status"], refused["code"]) == (409, "partner.duplicate_already_decided")


@pytest.mark.usefixtures("standard")
async def test_of_many_who_are_approved_at_once_under_one_name_exactly_one_is_registered(
    api: httpx.AsyncClient, service: FastAPI
) -> None:
    ids = [await applied(api, f"RACE{' ' * n}") for n in range(1, 9)]
    await asyncio.gather(*(done(api, f"/applications/{id}/scores", SCORES) for id in ids))
    await asyncio.gather(*(done(api, f"/applications/{id}/approval", {}, seen=f"/applications/{id}") for id in ids))
    await followed(service)
    assert len(await items(api, "/partners")) == 1
    assert len(await items(api, "/possible-duplicates")) == 7


# -- the registry


async def test_a_partner_goes_from_prospective_to_active_to_suspended_and_back_to_its_end(
    api: httpx.AsyncClient, partner: UUID, voices: Voices
) -> None:
    path = f"/partners/{partner}"
    refused = await problem(api, f"{path}/outlet-opening", {})
    assert (refused["status"], refused["code"]) == (409, "partner.not_signed")
    await voices.signs()
    (listed,) = await items(api, "/partners", status="onboarding", area="US-AK")
    assert listed["partner_id"] == str(partner)
    refused = await problem(api, f"{path}/outlet-opening", {})
    assert (refused["code"], refused["items"]) == ("partner.critical_items_open", ["premises_approved"])
    await opens(api, partner)
    (listed,) = await items(api, "/partners", status="onboarding")
    assert (listed["open_items"], listed["opened_on"]) == (["opening_event_held"], "2000-02-15")
    detail = await got(api, path)
    assert detail["missing_for_launch"] == ["a contract in force", "a completed training"]
    await voices.contract_in_force()
    await voices.trains()

    detail = await got(api, path)
    assert (detail["status"], detail["missing_for_launch"]) == ("active", [])
    assert detail["contracts"] == [{"contract_id": str(CONTRACT), "status": "in_force"}]
    assert detail["trainings"] == [{"enrolment_id": str(ENROLMENT), "course": "hygiene", "completed": True}]
    assert {item["code"]: item["done"] for item in detail["outlet"]["checklist"]} == {
        "premises_approved": True,
        "opening_stock_delivered": True,
        "opening_event_held": False,
    }

    await voices.suspends(uuid4(), kind="order_block")
    assert [each["status"] for each in await items(api, "/partners")] == ["active"]
    await voices.suspends()
    other = uuid4()
    await voices.suspends(other)
    (listed,) = await items(api, "/partners", status="suspended")
    assert listed["stage"] == "active"
    detail = await got(api, path)
    assert {cause["cause_id"] for cause in detail["suspended_because"]} == {str(RESTRICTION), str(other)}
    assert detail["suspended_because"][0]["reason"] == "Two evaluations below 85 in a row."
    assert detail["suspended_because"][0]["evidence"] == [str(id) for id in EVIDENCE]
    await voices.lifts()
    assert (await got(api, path))["status"] == "suspended"
    await voices.lifts(other)
    assert (await items(api, "/partners", status="active"))[0]["partner_id"] == str(partner)

    await voices.contract_terminated()
    assert (await items(api, "/partners", status="terminated"))[0]["partner_id"] == str(partner)
    refused = await problem(api, f"{path}/checklist/opening_event_held/completion", {})
    assert (refused["code"], refused["standing"]) == ("partner.out", "terminated")
    assert (await types(api, path))[-7:] == [
        "PartnerActivated",
        "PartnerSuspended",
        "SuspensionCauseAdded",
        "SuspensionCauseLifted",
        "PartnerReinstated",
        "ContractEnded",
        "PartnerTerminated",
    ]


async def test_a_suspended_partner_is_not_activated_before_the_cause_is_lifted(
    api: httpx.AsyncClient, partner: UUID, voices: Voices
) -> None:
    await voices.signs()
    await opens(api, partner)
    await voices.contract_in_force()
    await voices.suspends()
    await voices.trains()
    detail = await got(api, f"/partners/{partner}")
    assert (detail["status"], detail["stage"], detail["missing_for_launch"]) == ("suspended", "onboarding", [])
    await voices.lifts()
    assert (await got(api, f"/partners/{partner}"))["status"] == "active"
    (listed,) = await items(api, "/partners", status="active")
    assert listed["partner_id"] == str(partner)
    assert (await types(api, f"/partners/{partner}"))[-2:] == ["PartnerReinstated", "PartnerActivated"]


async def test_a_prospect_whose_negotiation_lapses_lapses(api: httpx.AsyncClient, partner: UUID, says: Says) -> None:
    lapsed = NegotiationLapsed(negotiation_id=uuid4(), partner_id=partner, reason="No financing.")
    await says("contract", lapsed, on=on(1, 20))
    (listed,) = await items(api, "/partners", status="lapsed")
    assert listed["partner_id"] == str(partner)
    event = (await items(api, f"/partners/{partner}/history"))[-1]
    assert (event["data"]["reason"], event["occurred_at"]) == ("No financing.", "2000-01-20T21:00:00Z")


@pytest.mark.usefixtures("standard")
async def test_partners_are_found_by_how_their_name_begins_page_by_page(
    api: httpx.AsyncClient, service: FastAPI
) -> None:
    await approved(api, service, "TESORO ONE", "TESORO TWO", "TESORO THREE", "McDonald's", "100% PIZZA")
    seen, after = [], None
    while True:
        page = await got(api, "/partners", name="Tesoro -", limit=2, **({"after": after} if after else {}))
        seen += [partner["legal_name"] for partner in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == ["TESORO ONE", "TESORO THREE", "TESORO TWO"]
    assert [p["legal_name"] for p in await items(api, "/partners", name="mc donalds")] == ["McDonald's"]
    assert [p["legal_name"] for p in await items(api, "/partners", name="100")] == ["100% PIZZA"]
    assert await items(api, "/partners", area="US-WA") == []


# -- what is asked wrongly


async def test_what_does_not_exist_is_not_found_and_what_makes_no_sense_is_named(api: httpx.AsyncClient) -> None:
    for path, code in (
        (f"/standards/{uuid4()}", "partner.standard_unknown"),
        (f"/applications/{uuid4()}", "partner.application_unknown"),
        (f"/applications/{uuid4()}/history", "partner.application_unknown"),
        (f"/partners/{uuid4()}", "partner.partner_unknown"),
        (f"/partners/{uuid4()}/history", "partner.partner_unknown"),
        ("/investment-standards/kiosk/FR/history", "partner.investment_standard_unknown"),
        ("/principals/nobody/history", "partner.principal_unknown"),
        ("/brands/nothing/history", "partner.brand_unknown"),
        ("/channels/nowhere/history", "partner.channel_unknown"),
    ):
        answer = await api.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    for path, body, code in (
        (f"/applications/{uuid4()}/withdrawal", {}, "partner.application_unknown"),
        (f"/applications/{uuid4()}/scores", SCORES, "partner.standard_unknown"),
        (f"/partners/{uuid4()}/outlet-opening", {}, "partner.partner_unknown"),
        (f"/partners/{uuid4()}/checklist/premises_approved/completion", {}, "partner.partner_unknown"),
    ):
        told = await problem(api, path, body)
        assert (told["status"], told["code"]) == (404, code)
    wrong = {"legal_name": "---", "kind": "landlord", "area": "US-AK", "outlet_name": "x", "tier": "gold"}
    told = await problem(api, "/applications", wrong)
    assert told["status"] == 422
    assert {error["field"] for error in told["errors"]} == {"legal_name", "kind", "tier"}
    told = await problem(api, f"/applications/{uuid4()}/scores", {**SCORES, "scores": {"experience": 101}})
    assert told["status"] == 422


async def test_an_item_that_is_not_on_the_checklist_is_not_found(api: httpx.AsyncClient, partner: UUID) -> None:
    told = await problem(api, f"/partners/{partner}/checklist/swimming_pool/completion", {})
    assert (told["status"], told["code"], told["item"]) == (404, "partner.checklist_item_unknown", "swimming_pool")


async def test_each_route_needs_its_scope_and_the_past_needs_one_more(
    caller: Callable[[str], httpx.AsyncClient],
) -> None:
    auditor, manager = caller("auditor"), caller("channel-manager")
    application = {"legal_name": "TESORO", "kind": "agent", "area": "US-AK", "outlet_name": "Tesoro"}
    id = uuid4()
    writes: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/standards/franchise/draft", {"content": STANDARD}),
        ("POST", "/standards/franchise/publication", {}),
        ("POST", "/applications", application),
        ("POST", f"/applications/{id}/approval", {}),
        ("POST", f"/applications/{id}/decline", {"reason": "No."}),
        ("POST", f"/applications/{id}/withdrawal", {}),
        ("POST", f"/applications/{id}/duplicate-decision", {"distinct": True, "reason": "No."}),
        ("POST", f"/partners/{id}/checklist/premises_approved/completion", {}),
        ("POST", f"/partners/{id}/outlet-opening", {}),
    ]
    for method, path, body in writes:
        assert (await auditor.request(method, path, json=body)).status_code == 403
        past = {**body, "occurred_at": "2000-01-01T00:00:00Z"}
        answer = await manager.request(method, path, json=past, headers={"If-Match": '"1"'})
        assert answer.json()["code"] == "partner.backfill_scope_needed"
    assert (await auditor.post(f"/applications/{id}/scores", json=SCORES)).status_code == 403
    for path in ("/standards", "/applications", "/possible-duplicates", "/partners"):
        assert (await auditor.get(path)).status_code == 200
