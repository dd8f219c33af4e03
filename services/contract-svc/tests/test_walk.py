"""contract-svc as a new user would try it, over HTTP, each refusal included: from counter-offers to an early signature,
a breach, its cure, its lapse and a termination, and from a renewal to an expiry. The clock is the backfill's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from contract.domain.negotiation import contract_id, negotiation_id
from contract.domain.territory import releases
from devstack.serving import Others, Said
from engine import Context
from events.contract import ContractTerms
from events.risk import AdjustmentDecided
from fastapi import FastAPI

Caller = Callable[..., httpx.AsyncClient]
Registers = Callable[[UUID], Awaitable[None]]
TERMS: dict[str, Any] = {
    "jurisdiction": "US-WI",
    "grants": [{"area": "US-WI-53202", "brand": "burgers", "channel": "franchise", "exclusive": True}],
    "royalties": [
        {
            "percent": "6",
            "brand_fund_percent": "2",
            "minimum": {"amount": "1000", "currency": "USD"},
            "effective_to": "2020-12-31",
        },
        {"percent": "5", "brand_fund_percent": "2", "effective_from": "2021-01-01"},
    ],
    "fees": {"initial": {"amount": "25000", "currency": "USD"}},
    "term_ends_on": "2020-12-31",
    "renewal": {"times": 1, "months": 60, "window_days": 180},
    "restrictions": [{"kind": "non_compete", "text": "No other burgers within ten miles."}],
}
LAW, DISCLOSURE = "Wis. Stat. 135.04", "16 CFR 436.2(a)"


def noon(day: str) -> str:
    """In Wisconsin."""
    return f"{day}T18:00:00Z"


@dataclass
class Walk:
    """Says what it does and is told what came of it. `us` and `colleague` are the principal's, `them` the partner's."""

    service: FastAPI
    partner: UUID
    us: httpx.AsyncClient
    colleague: httpx.AsyncClient
    them: httpx.AsyncClient

    @property
    def negotiation(self) -> str:
        return f"/negotiations/{negotiation_id(self.partner)}"

    @property
    def contract(self) -> str:
        return f"/contracts/{contract_id(negotiation_id(self.partner))}"

    async def say(
        self, who: httpx.AsyncClient, path: str, day: str, *, method: str = "POST", seen: str = "", **body: Any
    ) -> httpx.Response:
        headers = {"If-Match": (await who.get(seen)).headers["etag"]} if seen else {}
        said = {**body, "occurred_at": noon(day)}
        return await who.request(method, path, json=said, headers=headers)

    async def done(self, who: httpx.AsyncClient, path: str, day: str, **body: Any) -> list[str]:
        """The names of the events that came of it."""
        answer = await self.say(who, path, day, **body)
        assert answer.is_success, answer.text
        return [event.split(".")[2] for event in answer.json()["events"]]

    async def refused(self, who: httpx.AsyncClient, path: str, day: str, **body: Any) -> dict[str, Any]:
        answer = await self.say(who, path, day, **body)
        assert answer.status_code in (403, 404, 409, 428), answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def see(self, path: str) -> Any:
        answer = await self.us.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def followed(self) -> None:
        engine = self.service.state.engine
        while True:
            head = (await engine.log()).head
            assert await engine.published(head, 60)
            assert await engine.handled("contract.carrying_on", 60, position=head)
            if (await engine.log()).head == head:
                return

    async def day(self, day: str) -> None:
        """The clock comes to noon of that day, and what was due is done."""
        await self.followed()
        answer = await self.us.put("/backfill?wait=30", json={"reached": noon(day)})
        assert answer.json()["reached"] == noon(day), answer.text
        await self.followed()

    async def agree(self, **terms: Any) -> None:
        await self.done(self.us, f"{self.negotiation}/offers", "2016-01-05", terms={**TERMS, **terms})
        await self.done(self.us, f"{self.negotiation}/partner-acceptance", "2016-01-06", round=1)
        await self.followed()

    async def sign(self) -> None:
        """Disclosed on 7 January 2016, signed by both on the first day on which the law allows it."""
        await self.done(self.us, f"{self.contract}/disclosure", "2016-01-07")
        for party in ("partner", "principal"):
            await self.done(self.us, f"{self.contract}/signatures", "2016-01-22", party=party)
        await self.day("2016-01-23")

    async def forget_areas(self) -> None:
        """As if nothing had been reserved with its signatures."""
        id, engine = UUID(self.contract.rpartition("/")[2]), self.service.state.engine
        terms = ContractTerms.model_validate((await self.see(self.contract))["terms"])
        for release in releases(id, terms):
            await engine.handle(release, Context("history"))

    async def status(self) -> str:
        found: str = (await self.see(self.contract))["status"]
        return found


Enter = Callable[..., Awaitable[Walk]]


@pytest.fixture
async def enter(service: FastAPI, caller: Caller, registers: Registers) -> Enter:
    """A new partner, whose negotiation is open, on 5 January 2016."""

    async def make(partner: UUID | None = None) -> Walk:
        id = partner or uuid4()
        walk = Walk(
            service,
            id,
            us=caller("backfill", subject="ana"),
            colleague=caller("backfill", subject="ben"),
            them=caller("partner", subject="carla", partner_id=id),
        )
        await walk.us.put("/backfill?wait=30", json={"reached": noon("2016-01-05")})
        await registers(id)
        return walk

    return make


async def test_a_negotiation_goes_through_counter_offers_to_the_round_on_which_both_agree(enter: Enter) -> None:
    walk = await enter()
    offers, acceptance = f"{walk.negotiation}/offers", f"{walk.negotiation}/acceptance"
    theirs = f"{walk.negotiation}/partner-acceptance"
    nothing = await walk.refused(walk.us, theirs, "2016-01-05", round=1)
    assert (nothing["code"], nothing["rounds"]) == ("contract.nothing_offered", 0)

    endless = {**TERMS, "term_ends_on": None, "renewal": None}
    body = {"terms": endless, "valid_until": "2016-01-31"}
    assert await walk.done(walk.us, offers, "2016-01-05", **body) == ["TermsOffered"]
    seen = await walk.see(walk.negotiation)
    assert (seen["round"], seen["awaits"], seen["valid_until"]) == (1, "partner", "2016-01-31")
    assert (await walk.refused(walk.us, acceptance, "2016-01-05", round=1))["code"] == "contract.own_offer"

    # The partner's own people counter, for their side only.
    cheaper = {**endless, "royalties": [{"percent": "5.5", "brand_fund_percent": "2"}]}
    answer = await walk.them.post(f"{walk.negotiation}/partner-offers", json={"terms": cheaper})
    assert answer.json()["events"] == ["cauce.contract.TermsOffered.v1"], answer.text
    for path in (offers, acceptance):
        told = await walk.them.post(path, json={"terms": TERMS} if path == offers else {"round": 2})
        assert (told.status_code, told.json()["code"]) in ((403, "partner_closed"), (403, "scope_missing"))
    gone = await walk.them.post(theirs, json={"round": 1})
    assert (gone.json()["code"], gone.json()["standing"]) == ("contract.offer_superseded", 2)

    second = (await walk.see(f"{walk.negotiation}/offers"))["offers"][1]
    assert [(d["term"], d["before"], d["after"]) for d in second["differences"]] == [
        ("royalties[0].percent", "6", "5.5"),
        ("royalties[0].minimum", {"amount": "1000", "currency": "USD"}, None),
        ("royalties[0].effective_to", "2020-12-31", None),
        ("royalties[1]", {**second["differences"][3]["before"]}, None),
    ]
    accepted = await walk.us.post(acceptance, json={"round": 2})
    assert accepted.json()["events"] == ["cauce.contract.NegotiationAccepted.v1"]
    assert (await walk.us.post(acceptance, json={"round": 2})).json()["events"] == []
    await walk.followed()
    contract = await walk.see(walk.contract)
    assert (contract["status"], contract["royalty_percent"]) == ("drafted", "5.5")
    assert contract["terms"]["restrictions"] == TERMS["restrictions"]


async def test_an_offer_that_nobody_answers_lapses_after_its_last_day(enter: Enter) -> None:
    walk = await enter()
    body = {"terms": TERMS, "valid_until": "2016-01-31"}
    await walk.done(walk.us, f"{walk.negotiation}/offers", "2016-01-05", **body)
    await walk.day("2016-01-31")
    assert (await walk.see(walk.negotiation))["status"] == "open"
    await walk.day("2016-02-01")
    lapsed = await walk.see(walk.negotiation)
    assert (lapsed["status"], lapsed["awaits"]) == ("lapsed", None)
    assert lapsed["lapsed_because"] == "The offer of round 1 was not answered by 2016-01-31."
    late = await walk.refused(walk.us, f"{walk.negotiation}/partner-acceptance", "2016-02-01", round=1)
    assert (late["code"], late["standing"]) == ("contract.negotiation_closed", "lapsed")


async def test_nobody_signs_or_pays_before_the_law_allows_it(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    signatures, payments = f"{walk.contract}/signatures", f"{walk.contract}/payments"
    paying = {"reference": "B-1", "purpose": "initial_fee", "amount": {"amount": "25000", "currency": "USD"}}
    for path, body in ((signatures, {"party": "partner"}), (payments, paying)):
        missing = await walk.refused(walk.us, path, "2016-01-07", **body)
        assert (missing["code"], missing["law"]) == ("contract.not_disclosed", DISCLOSURE)
    await walk.done(walk.us, f"{walk.contract}/disclosure", "2016-01-07")
    early = await walk.refused(walk.us, signatures, "2016-01-21", party="partner")
    assert early["code"] == "contract.disclosure_period_running"
    assert (early["allowed_from"], early["law"]) == ("2016-01-22", DISCLOSURE)
    early = await walk.refused(walk.us, payments, "2016-01-21", **paying)
    assert (early["code"], early["allowed_from"]) == ("contract.payment_too_early", "2016-01-22")
    await walk.day("2016-01-21")
    assert await walk.status() == "disclosed"
    await walk.day("2016-01-22")
    assert await walk.status() == "in_window"
    assert await walk.done(walk.us, payments, "2016-01-22", **paying) == ["PaymentTaken"]
    await walk.done(walk.us, signatures, "2016-01-22", party="partner")
    last = await walk.done(walk.us, signatures, "2016-01-22", party="principal", effective_from="2016-02-01")
    assert last == ["PartySigned", "PartnerSigned", "ContractExecuted"]
    await walk.day("2016-01-31")
    assert await walk.status() == "signed"
    await walk.day("2016-02-01")
    assert await walk.status() == "in_force"
    assert (await walk.see(f"{walk.contract}/file"))["payments"][0]["reference"] == "B-1"


async def test_a_breach_is_cured_and_the_next_lapses_and_ends_the_contract(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    await walk.sign()
    breaches = f"{walk.contract}/breaches"
    reasons = ["The kitchen was closed by the county.", "Royalties of May are not paid."]
    await walk.done(walk.us, breaches, "2016-06-01", ground="noncompliance", reasons=reasons)
    (first,) = (await walk.see("/breaches?status=noticed"))["items"]
    assert (first["reasons"], first["law"], first["noticed_on"]) == (reasons, LAW, "2016-06-01")
    assert (first["cure_until"], first["termination_allowed_from"]) == ("2016-07-31", "2016-08-31")

    ending = {"reason": "Not cured.", "breach_id": first["breach_id"], "seen": walk.contract}
    early = await walk.refused(walk.us, f"{walk.contract}/termination", "2016-07-01", **ending)
    assert (early["code"], early["cure_until"], early["allowed_from"]) == (
        "contract.cure_running", "2016-07-31", "2016-08-31",
    )  # fmt: skip
    told = await walk.them.post(f"{breaches}/{first['breach_id']}/cure-reports", json={"account": "A new kitchen."})
    assert told.json()["events"] == ["cauce.contract.CureReported.v1"], told.text
    at = f"{breaches}/{first['breach_id']}"
    assert await walk.done(walk.us, f"{at}/cure", "2016-07-20", reason="Seen on site.") == ["BreachCured"]
    over = await walk.refused(walk.us, f"{walk.contract}/termination", "2016-09-01", **ending)
    assert (over["code"], over["resolution"]) == ("contract.breach_over", "cured")

    await walk.done(walk.us, breaches, "2016-10-01", ground="non_payment", reasons=["Royalties of July."])
    (second,) = (await walk.see("/breaches?status=noticed"))["items"]
    assert second["termination_allowed_from"] == "2016-10-12"
    await walk.day("2016-10-11")
    assert (await walk.see("/breaches?status=noticed"))["items"] != []
    await walk.day("2016-10-12")
    (lapsed,) = (await walk.see("/breaches?status=lapsed"))["items"]
    assert lapsed["breach_id"] == second["breach_id"]
    late = await walk.refused(walk.us, f"{breaches}/{second['breach_id']}/cure", "2016-10-12", reason="Paid.")
    assert (late["code"], late["cure_until"]) == ("contract.cure_lapsed", "2016-10-11")

    ending = {"reason": "Not paid.", "breach_id": second["breach_id"], "seen": walk.contract}
    termination = f"{walk.contract}/termination"
    assert await walk.done(walk.us, termination, "2016-10-12", **ending) == ["TerminationProposed"]
    alone = await walk.refused(walk.us, termination, "2016-10-12", **ending)
    assert alone["code"] == "contract.second_person_needed"
    assert await walk.done(walk.colleague, termination, "2016-10-13", **ending) == ["ContractTerminated"]
    assert await walk.status() == "terminated"
    await walk.followed()
    assert (await walk.see("/territories/US-WI-53202"))["status"] == "free"


async def test_on_an_immediate_ground_there_is_nothing_to_wait_for(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    await walk.sign()
    await walk.done(
        walk.us, f"{walk.contract}/breaches", "2016-06-01", ground="insolvency", reasons=["Order for relief."]
    )
    (breach,) = (await walk.see("/breaches"))["items"]
    assert (breach["cure_until"], breach["termination_allowed_from"]) == (None, "2016-06-01")
    ending = {"reason": "Insolvent.", "breach_id": breach["breach_id"], "seen": walk.contract}
    for who in (walk.us, walk.colleague):
        await walk.done(who, f"{walk.contract}/termination", "2016-06-01", **ending)
    assert await walk.status() == "terminated"


async def test_a_waiver_takes_two_persons(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    await walk.sign()
    await walk.done(walk.us, f"{walk.contract}/breaches", "2016-06-01", ground="uniforms", reasons=["No caps."])
    (breach,) = (await walk.see("/breaches"))["items"]
    waiver = f"{walk.contract}/breaches/{breach['breach_id']}/waiver"
    small: dict[str, Any] = {"reason": "Too small.", "seen": walk.contract}
    assert await walk.done(walk.us, waiver, "2016-06-02", **small) == ["WaiverProposed"]
    assert (await walk.refused(walk.us, waiver, "2016-06-02", **small))["code"] == "contract.second_person_needed"
    assert await walk.done(walk.colleague, waiver, "2016-06-03", **small) == ["BreachCured"]
    assert (await walk.see(f"/breaches/{breach['breach_id']}"))["status"] == "waived"


async def test_a_termination_decided_elsewhere_begins_with_notice_and_never_skips_cure(
    enter: Enter, others: Others
) -> None:
    walk = await enter()
    await walk.agree()
    await walk.sign()
    decided = AdjustmentDecided(
        adjustment_id=uuid4(), partner_id=walk.partner, kind="terminate", reasons=("Three bad years.",)
    )
    on = datetime(2016, 6, 1, 18, tzinfo=UTC)
    [decision] = await others(walk.service, "risk", Said(decided, on, walk.partner))
    (breach,) = (await walk.see("/breaches"))["items"]
    assert (breach["reasons"], breach["evidence"]) == (["Three bad years."], [str(decision)])
    assert (breach["cure_until"], await walk.status()) == ("2016-07-31", "in_force")


async def test_of_a_partner_that_is_to_be_replaced_a_successor_is_sought_and_takes_its_contract(
    enter: Enter, others: Others
) -> None:
    walk, heir = await enter(), await enter()
    await walk.agree()
    await walk.sign()
    decided = AdjustmentDecided(adjustment_id=uuid4(), partner_id=walk.partner, kind="replace", reasons=("Retires.",))
    on = datetime(2016, 6, 1, 18, tzinfo=UTC)
    [decision] = await others(walk.service, "risk", Said(decided, on, walk.partner))
    (found,) = (await walk.see("/contracts?successor_sought=true"))["items"]
    assert (f"/contracts/{found['contract_id']}", found["successor_sought_because"]) == (walk.contract, ["Retires."])
    assert (await walk.see(f"{walk.contract}/file"))["succession"]["evidence"] == [str(decision)]

    off = f"{walk.contract}/succession/withdrawal"
    assert (await walk.refused(walk.us, off, "2016-06-02", reason="Stays."))["code"] == "version_needed"
    day, to = "2016-07-01", str(heir.partner)
    await walk.done(walk.us, f"{walk.contract}/transfer", "2016-06-02", to_partner_id=to, effective_on=day)
    for side in ("transferor", "transferee"):
        await walk.done(walk.us, f"{walk.contract}/transfer/consents", "2016-06-03", side=side)
    await walk.day(day)
    seen = await walk.see(walk.contract)
    assert (seen["partner_id"], seen["successor_sought_at"]) == (to, None)
    none = await walk.refused(walk.us, off, "2016-07-02", seen=walk.contract, reason="Stays.")
    assert none["code"] == "contract.no_successor_sought"


async def test_a_contract_is_renewed_in_its_window_and_expires_with_its_second_term(enter: Enter) -> None:
    walk = await enter()
    await walk.agree(royalties=[{"percent": "6"}])
    await walk.sign()
    renewals = f"{walk.contract}/renewal-signatures"
    early = await walk.refused(walk.us, renewals, "2020-07-04", party="partner")
    assert (early["code"], early["allowed_from"]) == ("contract.renewal_not_open", "2020-07-05")
    await walk.day("2020-07-05")
    assert await walk.status() == "renewal_eligible"
    assert await walk.done(walk.us, renewals, "2020-08-01", party="partner") == ["RenewalSigned"]
    renewed = await walk.done(walk.us, renewals, "2020-08-02", party="principal")
    assert renewed == ["RenewalSigned", "ContractRenewed", "TermExtended"]
    seen = await walk.see(walk.contract)
    assert (seen["status"], seen["renewals"], seen["term_ends_on"]) == ("in_force", 1, "2025-12-31")
    (held,) = (await walk.see("/territories/US-WI"))["reservations"]
    assert held["until"] == "2025-12-31"
    await walk.day("2021-01-01")
    assert await walk.status() == "in_force"
    none = await walk.refused(walk.us, renewals, "2025-08-01", party="partner")
    assert (none["code"], none["renewals"]) == ("contract.no_renewal_left", 1)
    await walk.day("2026-01-01")
    assert await walk.status() == "expired"
    assert (await walk.see("/territories/US"))["status"] == "free"


async def test_an_addendum_and_a_transfer_change_a_contract_in_force(enter: Enter) -> None:
    walk, heir = await enter(), await enter()
    await walk.agree()
    await walk.sign()
    lower = {**TERMS, "royalties": [{"percent": "4"}]}
    addenda = f"{walk.contract}/addenda"
    await walk.done(walk.us, addenda, "2016-03-01", text="Lower.", effective_from="2016-04-01", terms=lower)
    wider = {**TERMS, "grants": [{"area": "US"}]}
    no = await walk.refused(walk.us, addenda, "2016-03-01", text="All of it.", effective_from="2016-04-01", terms=wider)
    assert no["code"] == "contract.not_by_addendum"
    assert await walk.done(walk.us, f"{addenda}/1/signature", "2016-03-02") == ["AddendumSigned"]
    file = await walk.see(f"{walk.contract}/file?effective_at=2016-04-02T00:00:00Z")
    assert [rate["percent"] for rate in file["terms"]["royalties"]] == ["4"]

    transfer = f"{walk.contract}/transfer"
    nobody = await walk.refused(walk.us, transfer, "2016-05-01", to_partner_id=str(uuid4()), effective_on="2016-06-01")
    assert nobody["code"] == "contract.partner_unknown"
    heirs = {"to_partner_id": str(heir.partner), "effective_on": "2016-06-01"}
    await walk.done(walk.us, transfer, "2016-05-01", **heirs)
    may_not = await walk.them.post(f"{transfer}/consents", json={"side": "transferee"})
    assert (may_not.status_code, may_not.json()["code"]) == (403, "partner_may_not")
    for side in ("transferor", "transferee"):
        await walk.done(walk.us, f"{transfer}/consents", "2016-05-02", side=side)
    await walk.day("2016-06-01")
    seen = await walk.see(walk.contract)
    assert (seen["partner_id"], seen["transferred_from"]) == (str(heir.partner), str(walk.partner))
    assert (await walk.them.get(walk.contract)).status_code == 404
    assert (await heir.them.get(walk.contract)).status_code == 200


# -- races: exactly one wins, and the other is told why


async def test_of_two_who_sign_for_the_same_area_at_once_exactly_one_gets_it(enter: Enter) -> None:
    walks = [await enter(), await enter()]
    grants = ("US-WI", "US-WI-53202")
    for walk, area in zip(walks, grants, strict=True):
        await walk.agree(grants=[{"area": area, "exclusive": True}])
        await walk.done(walk.us, f"{walk.contract}/disclosure", "2016-01-07")
    answers = await asyncio.gather(
        *(walk.say(walk.us, f"{walk.contract}/signatures", "2016-01-22", party="principal") for walk in walks)
    )
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code) == (201, 409), [answer.text for answer in answers]
    told = lost.json()
    assert (told["code"], told["until"]) == ("contract.area_taken", "2020-12-31")
    assert {told["area"], told["taken"]} == set(grants)
    awaits = [(await walk.see(walk.contract))["awaits"] for walk in walks]
    assert sorted(map(len, awaits)) == [1, 2], "the loser has not signed"
    reservations = (await walks[0].see("/territories/US-WI"))["reservations"]
    assert len(reservations) == 1
    # Once the winner's contract is withdrawn, the area is free for the other.
    winner, loser = walks if answers[0].status_code == 201 else walks[::-1]
    await winner.done(winner.us, f"{winner.contract}/withdrawal", "2016-01-23", reason="No site.")
    await winner.followed()
    lapsed = await winner.see(winner.negotiation)
    assert (lapsed["status"], lapsed["lapsed_because"]) == ("lapsed", "No site."), "so the prospect is closed"
    await loser.done(loser.us, f"{loser.contract}/signatures", "2016-01-24", party="principal")


async def test_nobody_gets_exclusively_what_others_sell_in_already(enter: Enter) -> None:
    first, second = await enter(), await enter()
    await first.agree(grants=[{"area": "US-WI-53202"}])
    await first.sign()
    await second.agree(grants=[{"area": "US-WI", "exclusive": True}])
    await second.done(second.us, f"{second.contract}/disclosure", "2016-01-07")
    told = await second.refused(second.us, f"{second.contract}/signatures", "2016-01-22", party="principal")
    assert (told["code"], told["area"], told["granted"]) == ("contract.area_granted", "US-WI", "US-WI-53202")


async def test_of_an_exclusive_and_an_ordinary_signature_at_once_exactly_one_wins(enter: Enter) -> None:
    """The one would be in the other's area: neither is signed unseen."""
    walks = [await enter(), await enter()]
    for walk, grant in zip(walks, ({"area": "US-WI", "exclusive": True}, {"area": "US-WI-53202"}), strict=True):
        await walk.agree(grants=[grant])
        await walk.done(walk.us, f"{walk.contract}/disclosure", "2016-01-07")
    answers = await asyncio.gather(
        *(walk.say(walk.us, f"{walk.contract}/signatures", "2016-01-22", party="principal") for walk in walks)
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409], [answer.text for answer in answers]
    exclusive, ordinary = answers
    if exclusive.status_code == 409:
        assert exclusive.json()["code"] == "contract.area_granted"
    else:
        assert ordinary.json()["code"] == "contract.area_taken"


async def test_what_was_signed_before_areas_were_reserved_is_reserved_later_or_people_settle_it(enter: Enter) -> None:
    walk, other, third = await enter(), await enter(), await enter()
    grant = {"area": "US-WI", "exclusive": True}
    await walk.agree(grants=[grant])
    early = await walk.refused(walk.us, f"{walk.contract}/reservations", "2016-01-07")
    assert (early["code"], early["standing"]) == ("contract.not_in_force", "drafted")
    await walk.sign()
    await walk.forget_areas()
    assert (await walk.see("/territories/US-WI"))["status"] == "free"
    assert await walk.done(walk.us, f"{walk.contract}/reservations", "2016-02-01") == []
    (held,) = (await walk.see("/territories/US-WI"))["reservations"]
    assert f"/contracts/{held['contract_id']}" == walk.contract
    await walk.done(walk.us, f"{walk.contract}/reservations", "2016-02-02")
    assert len((await walk.see("/territories/US-WI"))["reservations"]) == 1, "once"
    await other.agree(grants=[{"area": "US-WI-53202"}])
    await other.done(other.us, f"{other.contract}/disclosure", "2016-01-07")
    taken = await other.refused(other.us, f"{other.contract}/signatures", "2016-02-03", party="partner")
    assert taken["code"] == "contract.area_taken"

    await walk.forget_areas()
    await third.agree(grants=[{"area": "US-WI-53202"}])
    await third.sign()
    late = await walk.refused(walk.us, f"{walk.contract}/reservations", "2016-02-05")
    assert late["code"] == "contract.area_granted"


async def test_of_a_last_signature_and_a_withdrawal_at_once_exactly_one_wins(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    await walk.done(walk.us, f"{walk.contract}/disclosure", "2016-01-07")
    await walk.done(walk.us, f"{walk.contract}/signatures", "2016-01-22", party="partner")
    signed, withdrawn = await asyncio.gather(
        walk.say(walk.us, f"{walk.contract}/signatures", "2016-01-22", party="principal"),
        walk.say(walk.colleague, f"{walk.contract}/withdrawal", "2016-01-22", reason="No site."),
    )
    codes = sorted((signed.status_code, withdrawn.status_code))
    assert codes == [201, 409], (signed.text, withdrawn.text)
    if signed.status_code == 409:
        assert signed.json()["code"] == "contract.withdrawn"
    else:
        assert withdrawn.json()["code"] == "contract.not_to_be_withdrawn"


async def test_of_a_renewals_signature_and_a_termination_at_once_exactly_one_wins(enter: Enter) -> None:
    walk = await enter()
    await walk.agree()
    await walk.sign()
    await walk.done(walk.us, f"{walk.contract}/termination-consent", "2020-07-20", reason="Retires.")
    await walk.day("2020-07-21")
    await walk.done(walk.us, f"{walk.contract}/renewal-signatures", "2020-08-01", party="partner")
    ending: dict[str, Any] = {"reason": "Retires.", "seen": walk.contract}
    await walk.done(walk.us, f"{walk.contract}/termination", "2020-08-01", **ending)
    renewed, terminated = await asyncio.gather(
        walk.say(walk.us, f"{walk.contract}/renewal-signatures", "2020-08-02", party="principal"),
        walk.say(walk.colleague, f"{walk.contract}/termination", "2020-08-02", **ending),
    )
    # A termination names the version that was looked at: after a renewal it is another contract.
    outcomes = (renewed.status_code, terminated.status_code)
    assert outcomes in ((201, 412), (409, 201)), (renewed.text, terminated.text)
    assert await walk.status() == ("in_force" if renewed.status_code == 201 else "terminated")


# -- the laws themselves


async def test_a_law_is_drafted_previewed_and_published_and_what_was_judged_before_stays(enter: Enter) -> None:
    before, after = await enter(), await enter()
    for walk in (before, after):
        await walk.agree()
    await before.done(before.us, f"{before.contract}/disclosure", "2016-01-07")
    path = "/jurisdictions/US-WI"
    now = await before.see(path)
    assert (now["shipped"], now["rules"]["disclosure"]["citation"]) == (True, DISCLOSURE)
    rules = {key: now["rules"][key] for key in ("time_zone", "disclosure", "grounds")}
    rules["disclosure"] = {**rules["disclosure"], "days": 30, "citation": "16 CFR 436.2(a) (2016)"}
    assert await before.done(before.us, f"{path}/draft", "2016-01-08", method="PUT", rules=rules) == ["RulesDrafted"]
    preview = await before.see(f"{path}/draft/preview")
    assert [each["term"] for each in preview["differences"]] == ["disclosure.days", "disclosure.citation"]
    assert preview["drafted_contracts"] == 1
    (moved,) = preview["disclosed_contracts"]
    assert (moved["signing_allowed_from"], moved["under_the_draft"]) == ("2016-01-22", "2016-02-07")
    unseen = await before.refused(before.us, f"{path}/publication", "2016-01-08")
    assert unseen["code"] == "version_needed"
    published = await before.us.post(
        f"{path}/publication", json={"occurred_at": noon("2016-01-08")}, headers={"If-Match": '"1"'}
    )
    assert published.json()["events"] == ["cauce.contract.RulesPublished.v1"], published.text

    await after.done(after.us, f"{after.contract}/disclosure", "2016-01-09")
    old, new = await before.see(before.contract), await after.see(after.contract)
    assert (old["rules_version"], old["signing_allowed_from"]) == (0, "2016-01-22")
    assert (new["rules_version"], new["signing_allowed_from"]) == (1, "2016-02-09")
    (listed,) = (await before.see("/jurisdictions"))["items"]
    assert (listed["code"], listed["rules"]["version"], listed["draft"]) == ("US-WI", 1, None)
    again = await before.us.get(f"{path}/draft/preview")
    assert (again.status_code, again.json()["code"]) == (409, "contract.nothing_drafted")
