"""contract-svc on the real stack: HTTP in, events out, partners heard over Kafka, contracts in force by timers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from contract.domain.negotiation import contract_id, negotiation_id
from fastapi import FastAPI

PARTNER = uuid4()
NEGOTIATION = negotiation_id(PARTNER)
CONTRACT = contract_id(NEGOTIATION)
TERMS: dict[str, Any] = {
    "jurisdiction": "US-AK",
    "grants": [{"area": "US-AK-99501"}, {"area": "US-AK-99502"}],
    "royalties": [{"percent": "5.5"}],
}
OFFER: dict[str, Any] = {"terms": TERMS, "occurred_at": "2000-01-11T21:00:00Z"}
ACCEPTANCE: dict[str, Any] = {"round": 1, "occurred_at": "2000-01-12T21:00:00Z"}
Caller = Callable[..., httpx.AsyncClient]
Registers = Callable[[UUID], Awaitable[None]]
Call = Callable[..., Awaitable[dict[str, Any]]]


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
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, seen: str | None = None
) -> dict[str, Any]:
    answer = await api.post(path, json=body, headers=await looked_at(api, seen))
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    told: dict[str, Any] = answer.json()
    return told


async def followed(service: FastAPI) -> None:
    """The house has done by itself what follows from its own log."""
    engine = service.state.engine
    while True:
        head = (await engine.log()).head
        assert await engine.published(head, 30)
        assert await engine.handled("contract.carrying_on", 30, position=head)
        if (await engine.log()).head == head:
            return


async def reached(api: httpx.AsyncClient, instant: str) -> None:
    answer = await done(api, "/backfill?wait=30", {"reached": instant}, method="PUT")
    assert answer["reached"] == instant


async def negotiated(api: httpx.AsyncClient, negotiation: UUID = NEGOTIATION, **terms: Any) -> dict[str, Any]:
    """The principal offers, the partner accepts."""
    await done(api, f"/negotiations/{negotiation}/offers", {**OFFER, "terms": {**TERMS, **terms}})
    return await done(api, f"/negotiations/{negotiation}/partner-acceptance", ACCEPTANCE)


async def drafted(api: httpx.AsyncClient, service: FastAPI, **terms: Any) -> None:
    await negotiated(api, **terms)
    await followed(service)


async def signed(api: httpx.AsyncClient, service: FastAPI) -> None:
    """Disclosed on 13 January, signed on 28 and 29 January 2000, in force from 1 February on."""
    path = f"/contracts/{CONTRACT}"
    await done(api, f"{path}/disclosure", {"occurred_at": "2000-01-13T21:00:00Z"})
    partner = {"party": "partner", "effective_from": "2000-02-01", "occurred_at": "2000-01-28T21:00:00Z"}
    await done(api, f"{path}/signatures", partner)
    await done(api, f"{path}/signatures", {"party": "principal", "occurred_at": "2000-01-29T21:00:00Z"})
    await followed(service)


@pytest.fixture
async def backfilling(api: httpx.AsyncClient) -> None:
    """Timers go by the business time that the test reaches."""
    await reached(api, "2000-01-01T00:00:00Z")


async def test_a_registered_partner_finds_a_negotiation_open(api: httpx.AsyncClient, registers: Registers) -> None:
    await registers(PARTNER)
    (negotiation,) = await items(api, "/negotiations", status="open")
    assert negotiation == await got(api, f"/negotiations/{NEGOTIATION}")
    assert (negotiation["negotiation_id"], negotiation["partner_id"]) == (str(NEGOTIATION), str(PARTNER))
    assert negotiation["opened_at"] == "2000-01-09T21:00:00Z"
    (opened,) = await items(api, f"/negotiations/{NEGOTIATION}/history")
    assert (opened["type"], opened["actor"]) == ("cauce.contract.NegotiationOpened.v1", "policy:contract.opening")


@pytest.mark.usefixtures("backfilling")
async def test_a_contract_goes_from_agreed_terms_to_in_force_and_is_terminated(
    api: httpx.AsyncClient, caller: Caller, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    accepted = await negotiated(api)
    assert accepted["events"] == ["cauce.contract.NegotiationAccepted.v1"]
    assert (await done(api, f"/negotiations/{NEGOTIATION}/partner-acceptance", ACCEPTANCE))["events"] == []
    (agreed,) = await items(api, "/negotiations", status="accepted", partner_id=str(PARTNER))
    assert (agreed["contract_id"], agreed["royalty_percent"]) == (str(CONTRACT), "5.5")
    await followed(service)

    (contract,) = await items(api, "/contracts", status="drafted")
    assert (contract["contract_id"], contract["areas"]) == (str(CONTRACT), ["US-AK-99501", "US-AK-99502"])
    assert contract["awaits"] == ["principal", "partner"]
    path = f"/contracts/{CONTRACT}"
    early = await problem(api, f"{path}/signatures", {"party": "partner", "occurred_at": "2000-01-13T20:00:00Z"})
    assert (early["status"], early["code"], early["law"]) == (409, "contract.not_disclosed", "16 CFR 436.2(a)")

    await done(api, f"{path}/disclosure", {"occurred_at": "2000-01-13T21:00:00Z"})
    (contract,) = await items(api, "/contracts", status="disclosed", partner_id=str(PARTNER))
    assert (contract["delivered_on"], contract["signing_allowed_from"]) == ("2000-01-13", "2000-01-28")
    early = await problem(api, f"{path}/signatures", {"party": "partner", "occurred_at": "2000-01-28T08:59:00Z"})
    assert (early["status"], early["code"]) == (409, "contract.disclosure_period_running")
    assert (early["allowed_from"], early["law"]) == ("2000-01-28", "16 CFR 436.2(a)")

    partner = {"party": "partner", "effective_from": "2000-02-01", "occurred_at": "2000-01-28T21:00:00Z"}
    await done(api, f"{path}/signatures", partner)
    assert (await got(api, path))["awaits"] == ["principal"]
    last = await done(api, f"{path}/signatures", {"party": "principal", "occurred_at": "2000-01-29T21:00:00Z"})
    assert [type.split(".")[2] for type in last["events"]] == ["PartySigned", "PartnerSigned", "ContractExecuted"]
    await followed(service)
    await reached(api, "2000-02-01T08:59:00Z")
    (contract,) = await items(api, "/contracts", status="signed")
    assert (contract["awaits"], contract["effective_from"]) == ([], "2000-02-01")
    early = {"reason": "Too soon.", "occurred_at": "2000-01-30T21:00:00Z"}
    refused = await problem(api, f"{path}/termination", early, seen=path)
    assert (refused["code"], refused["standing"]) == ("contract.not_in_force", "signed")

    await reached(api, "2000-02-01T09:00:00Z")
    assert (await got(api, path))["status"] == "in_force"
    in_force = (await items(api, f"{path}/history"))[-1]
    assert (in_force["type"], in_force["occurred_at"]) == ("cauce.contract.ContractInForce.v1", "2000-02-01T09:00:00Z")
    assert in_force["actor"] == "timer:contract.carrying_on"

    ending = {"reason": "Unpaid royalties.", "occurred_at": "2001-06-01T21:00:00Z"}
    assert (await problem(api, f"{path}/termination", ending))["code"] == "version_needed"
    assert (await problem(api, f"{path}/termination", ending, seen=path))["code"] == "contract.cause_needed"
    await done(api, f"{path}/termination-consent", {"reason": "Retires.", "occurred_at": "2001-05-01T21:00:00Z"})
    proposal = await done(api, f"{path}/termination", ending, seen=path)
    assert proposal["events"] == ["cauce.contract.TerminationProposed.v1"]
    alone = await problem(api, f"{path}/termination", ending, seen=path)
    assert (alone["status"], alone["code"]) == (409, "contract.second_person_needed")
    assert (await got(api, path))["status"] == "in_force"
    second = caller("backfill", subject="somebody else")
    await done(second, f"{path}/termination", ending, seen=path)
    assert (await done(api, f"{path}/termination", ending, seen=path))["events"] == []
    (contract,) = await items(api, "/contracts", status="terminated")
    assert (contract["terminated_because"], contract["ended_at"]) == ("Unpaid royalties.", "2001-06-01T21:00:00Z")


@pytest.mark.usefixtures("backfilling")
async def test_a_contract_expires_when_its_last_day_is_over(
    api: httpx.AsyncClient, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    await drafted(api, service, term_ends_on="2001-12-31")
    await signed(api, service)
    await reached(api, "2002-01-01T08:59:59Z")
    assert (await got(api, f"/contracts/{CONTRACT}"))["status"] == "in_force"
    await reached(api, "2002-01-01T09:00:00Z")
    (contract,) = await items(api, "/contracts", status="expired")
    assert contract["ended_at"] == "2002-01-01T09:00:00Z"


@pytest.mark.usefixtures("backfilling")
async def test_a_terminated_contract_does_not_expire_as_well(
    api: httpx.AsyncClient, caller: Caller, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    await drafted(api, service, term_ends_on="2001-12-31")
    await signed(api, service)
    await reached(api, "2000-02-01T09:00:00Z")
    consent = {"reason": "Retires.", "occurred_at": "2000-05-01T21:00:00Z"}
    await done(api, f"/contracts/{CONTRACT}/termination-consent", consent)
    ending = {"reason": "Unpaid royalties.", "occurred_at": "2000-06-01T21:00:00Z"}
    for who in (api, caller("backfill", subject="somebody else")):
        await done(who, f"/contracts/{CONTRACT}/termination", ending, seen=f"/contracts/{CONTRACT}")
    await followed(service)
    await reached(api, "2003-01-01T00:00:00Z")
    assert [event["type"].split(".")[2] for event in await items(api, f"/contracts/{CONTRACT}/history")][-3:] == [
        "TerminationAgreed",
        "TerminationProposed",
        "ContractTerminated",
    ]


async def test_a_contract_signed_today_is_in_force_at_once(
    api: httpx.AsyncClient, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    await drafted(api, service, jurisdiction="NONE")
    path = f"/contracts/{CONTRACT}"
    for party in ("partner", "principal"):
        await done(api, f"{path}/signatures", {"party": party})
    await followed(service)
    async with asyncio.timeout(30):
        while True:
            status = (await got(api, path))["status"]
            if status == "in_force":
                break
            await asyncio.sleep(0.02)
    events = {event["type"].split(".")[2]: event["occurred_at"] for event in await items(api, f"{path}/history")}
    assert events["ContractInForce"] == events["PartnerSigned"]
    assert (await got(api, path))["effective_from"] == events["PartnerSigned"][:10]


async def test_a_negotiation_lapses_and_then_nothing_is_accepted(
    api: httpx.AsyncClient, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    path = f"/negotiations/{NEGOTIATION}"
    await done(api, f"{path}/lapse", {"reason": "No financing."})
    assert (await done(api, f"{path}/lapse", {"reason": "No financing."}))["events"] == []
    (negotiation,) = await items(api, "/negotiations", status="lapsed")
    assert negotiation["lapsed_because"] == "No financing."
    for what, body in (("offers", OFFER), ("acceptance", ACCEPTANCE), ("partner-acceptance", ACCEPTANCE)):
        refused = await problem(api, f"{path}/{what}", body)
        assert (refused["status"], refused["code"]) == (409, "contract.negotiation_closed")
    assert await items(api, "/contracts") == []


async def test_lists_go_page_by_page(api: httpx.AsyncClient, registers: Registers) -> None:
    partners = [uuid4() for _ in range(5)]
    for partner in partners:
        await registers(partner)
    seen, after = [], None
    while True:
        page = await got(api, "/negotiations", limit=2, **({"after": after} if after else {}))
        seen += [negotiation["partner_id"] for negotiation in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted(str(partner) for partner in partners)


async def test_what_does_not_exist_is_not_found_and_what_makes_no_sense_is_named(api: httpx.AsyncClient) -> None:
    for path, code in (("negotiations", "contract.negotiation_unknown"), ("contracts", "contract.contract_unknown")):
        for rest in ("", "/history"):
            answer = await api.get(f"/{path}/{uuid4()}{rest}")
            assert (answer.status_code, answer.json()["code"]) == (404, code)
    unknown = await problem(api, f"/contracts/{uuid4()}/disclosure", {})
    assert (unknown["status"], unknown["code"]) == (404, "contract.contract_unknown")
    wrong = {**TERMS, "jurisdiction": "alaska", "grants": [], "royalties": [{"percent": 101}]}
    told = await problem(api, f"/negotiations/{NEGOTIATION}/offers", {"terms": wrong})
    assert told["status"] == 422
    fields = {"terms.jurisdiction", "terms.grants", "terms.royalties.0.percent"}
    assert fields <= {error["field"] for error in told["errors"]}
    nowhere = {"terms": {**TERMS, "jurisdiction": "US-XX"}}
    told = await problem(api, f"/negotiations/{NEGOTIATION}/offers", nowhere)
    assert (told["status"], told["code"]) == (404, "contract.jurisdiction_unknown")
    told = await problem(api, f"/contracts/{CONTRACT}/signatures", {"party": "landlord"})
    assert (told["status"], told["errors"][0]["field"]) == (422, "party")
    answer = await api.get("/contracts", params={"after": "bm90LWFuLWlk"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


async def test_each_route_needs_its_scope_and_the_past_needs_one_more(
    caller: Callable[[str], httpx.AsyncClient],
) -> None:
    auditor, manager = caller("auditor"), caller("channel-manager")
    writes: list[tuple[str, dict[str, Any]]] = [
        (f"/negotiations/{NEGOTIATION}/offers", OFFER),
        (f"/negotiations/{NEGOTIATION}/acceptance", ACCEPTANCE),
        (f"/negotiations/{NEGOTIATION}/lapse", {"reason": "No financing."}),
        (f"/contracts/{CONTRACT}/withdrawal", {"reason": "No site."}),
        (f"/contracts/{CONTRACT}/signatures", {"party": "partner"}),
        (f"/contracts/{CONTRACT}/termination", {"reason": "Unpaid royalties."}),
    ]
    for path, body in writes:
        assert (await auditor.post(path, json=body)).status_code == 403
        past = {**body, "occurred_at": "2000-01-01T00:00:00Z"}
        answer = await manager.post(path, json=past, headers={"If-Match": '"1"'})
        assert answer.json()["code"] == "contract.backfill_scope_needed"
    for path in ("/negotiations", "/contracts"):
        assert (await auditor.get(path)).status_code == 200


@pytest.mark.usefixtures("backfilling")
async def test_a_contract_is_read_as_it_was_known_and_as_it_was_in_force(
    api: httpx.AsyncClient, service: FastAPI, registers: Registers
) -> None:
    await registers(PARTNER)
    await drafted(api, service)
    path = f"/contracts/{CONTRACT}"
    await done(api, f"{path}/disclosure", {"occurred_at": "2000-01-13T21:00:00Z"})
    known = (await items(api, f"{path}/history"))[-1]["recorded_at"]
    await done(api, f"{path}/signatures", {"party": "partner", "occurred_at": "2000-01-28T21:00:00Z"})

    now, then = await api.get(path), await api.get(path, params={"as_of": known})
    assert (now.headers["etag"], now.json()["awaits"]) == ('"4"', ["principal"])
    assert (then.headers["etag"], then.json()["awaits"]) == ('"3"', ["principal", "partner"])
    drafted_only = await api.get(path, params={"effective_at": "2000-01-13T20:59:59Z"})
    assert (drafted_only.json()["status"], "etag" in drafted_only.headers) == ("drafted", False)
    before = await api.get(path, params={"as_of": "2000-01-01T00:00:00Z"})
    assert (before.status_code, before.json()["code"]) == (404, "contract.contract_unknown")


@pytest.mark.usefixtures("backfilling")
async def test_contracts_are_sorted_by_the_day_of_their_effect_those_without_one_last(
    api: httpx.AsyncClient, service: FastAPI, registers: Registers
) -> None:
    partners = [uuid4() for _ in range(4)]
    for partner in partners:
        await registers(partner)
        await negotiated(api, negotiation_id(partner))
    await followed(service)
    contracts = [contract["contract_id"] for contract in await items(api, "/contracts")]
    for contract, day in zip(contracts[:3], ("2000-03-01", "2000-02-01", "2000-03-01"), strict=True):
        await done(api, f"/contracts/{contract}/disclosure", {"occurred_at": "2000-01-13T21:00:00Z"})
        signing = {"party": "partner", "effective_from": day, "occurred_at": "2000-01-28T21:00:00Z"}
        await done(api, f"/contracts/{contract}/signatures", signing)

    async def walked(**params: Any) -> list[str]:
        seen: list[str] = []
        after: str | None = None
        while True:
            page = await got(api, "/contracts", limit=1, **params, **({"after": after} if after else {}))
            seen += [item["contract_id"] for item in page["items"]]
            after = page["next"]
            if after is None:
                return seen

    first, second, third, last = contracts
    assert await walked(sort="effective_from") == [second, first, third, last]
    assert await walked(sort="-effective_from") == [third, first, second, last]
    assert await walked(sort="effective_from", status="disclosed") == [second, first, third]
    cursor = (await got(api, "/contracts", limit=1))["next"]
    for params, field in (
        ({"sort": "royalty_percent"}, "sort"),
        ({"colour": "red"}, "colour"),
        ({"status": "gone"}, "status"),
        ({"after": cursor, "sort": "effective_from"}, "after"),
    ):
        answer = await api.get("/contracts", params=params)
        assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
