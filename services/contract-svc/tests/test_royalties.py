"""Royalties on the real stack: sales and payments heard over Kafka, statements, corrections, and who sees them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from contract.domain.negotiation import contract_id, negotiation_id
from contract.domain.royalty import RecountRoyalty, royalty_statements
from contract.domain.royalty_figures import DaySales
from contract.domain.royalty_payment import TakeRoyaltyPayment
from contract.domain.royalty_sale import TakeSale, royalty_sales
from contract.domain.royalty_statement import statement_id
from contract.royalty_counting import Count
from contract.royalty_policies import count_anew, take_reported
from devstack.serving import ClientOf, Others, Said
from engine import Send
from engine.runtime import Engine
from engine.testing import fact_of
from events.operational import PaymentReported, SalesReported
from events.royalty import RoyaltyDisputed
from fastapi import FastAPI

PARTNER = uuid4()
NEGOTIATION = negotiation_id(PARTNER)
CONTRACT = contract_id(NEGOTIATION)
STATEMENT = statement_id(CONTRACT, "2000-04")
PATH = f"/royalty-statements/{STATEMENT}"
NOW = datetime(2000, 5, 3, 21, tzinfo=UTC)
MAY = "2000-05-03T21:00:00Z"
SCHEDULE: dict[str, Any] = {"percent": "5", "brand_fund_percent": "1", "effective_from": "2000-02-01"}
TERMS: dict[str, Any] = {"currency": "USD", "schedules": [SCHEDULE], "due_days": 15, "late_interest_percent": "8"}
Registers = Callable[[UUID], Awaitable[None]]
Reports = Callable[..., Awaitable[None]]


def sale(n: int, amount: str, day: str = "2000-04-10", restatement: int = 0, currency: str = "USD") -> SalesReported:
    return SalesReported(
        sale_id=UUID(int=n),
        partner_id=PARTNER,
        amount=Decimal(amount),
        currency=currency,
        sold_on=date.fromisoformat(day),
        source="pos",
        source_ref=f"{n}/{restatement}",
        restatement=restatement,
    )


def payment(amount: str, day: str) -> PaymentReported:
    return PaymentReported(
        payment_id=UUID(int=1),
        partner_id=PARTNER,
        contract_id=CONTRACT,
        purpose="royalty",
        period="2000-04",
        amount=Decimal(amount),
        currency="USD",
        paid_on=date.fromisoformat(day),
        source="erp",
        source_ref="1",
    )


async def done(
    api: httpx.AsyncClient, path: str, body: dict[str, Any], *, method: str = "POST", seen: str | None = None
) -> dict[str, Any]:
    headers = {} if seen is None else {"If-Match": (await api.get(seen)).headers["etag"]}
    answer = await api.request(method, path, json=body, headers=headers)
    assert answer.is_success, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def refused(api: httpx.AsyncClient, path: str, body: dict[str, Any], method: str = "POST") -> tuple[int, str]:
    answer = await api.request(method, path, json=body)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def read(api: httpx.AsyncClient, path: str = PATH, **params: Any) -> dict[str, Any]:
    answer = await api.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def becomes(api: httpx.AsyncClient, status: str) -> None:
    async with asyncio.timeout(60):
        while True:
            answer = await api.get(f"/contracts/{CONTRACT}")
            if answer.status_code == 200 and answer.json()["status"] == status:
                return
            await asyncio.sleep(0.05)


ORDINARY: dict[str, Any] = {"jurisdiction": "US-AK", "grants": [{"area": "US-AK"}], "royalties": [{"percent": "5"}]}


async def comes_into_force(api: httpx.AsyncClient, registers: Registers, **royalties: Any) -> None:
    """A contract in Alaska, in force from 1 February 2000."""
    await registers(PARTNER)
    terms = {**ORDINARY, **royalties}
    on = {"occurred_at": "2000-01-12T21:00:00Z"}
    await done(api, f"/negotiations/{NEGOTIATION}/offers", {"terms": terms, **on})
    await done(api, f"/negotiations/{NEGOTIATION}/partner-acceptance", {"round": 1, **on})
    await becomes(api, "drafted")
    await done(api, f"/contracts/{CONTRACT}/disclosure", {"occurred_at": "2000-01-13T21:00:00Z"})
    for party in ("principal", "partner"):
        signs = {"party": party, "effective_from": "2000-02-01", "occurred_at": "2000-01-29T21:00:00Z"}
        await done(api, f"/contracts/{CONTRACT}/signatures", signs)
    await becomes(api, "in_force")


@pytest.fixture
async def in_force(api: httpx.AsyncClient, registers: Registers) -> None:
    """A contract in Alaska, in force from 1 February 2000, whose royalties were agreed elsewhere."""
    await comes_into_force(api, registers)
    await done(api, f"/contracts/{CONTRACT}/royalty-terms", TERMS, method="PUT")


@pytest.fixture
async def reports(others: Others, service: FastAPI) -> Reports:
    """`await reports(sale(...), ...)`: performance-svc says so, and contract-svc has drawn all consequences."""
    engine: Engine = service.state.engine

    async def make(*events: SalesReported | PaymentReported) -> None:
        await others(service, "performance", *(Said(each, NOW) for each in events))
        head = -1
        while head != (await engine.log()).head:
            head = (await engine.log()).head
            assert await engine.published(head, 60)
            assert await engine.handled("contract.royalty_counting", 60, position=head)
        assert not await engine.parked()

    return make


async def state(api: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    body = {"period": "2000-04", "occurred_at": MAY, **more}
    return await done(api, f"/contracts/{CONTRACT}/royalty-statements", body)


@pytest.mark.usefixtures("in_force")
async def test_a_statement_is_made_of_what_was_reported_corrected_disputed_and_paid_late(
    api: httpx.AsyncClient, reports: Reports
) -> None:
    await reports(sale(1, "1000"), sale(2, "500.50", "2000-04-30"), sale(3, "70", "2000-05-01"))
    assert (await state(api))["id"] == str(STATEMENT)
    assert (await state(api))["events"] == []
    now = await read(api)
    assert [(line["kind"], line["base"], line["amount"]) for line in now["lines"]] == [
        ("royalty", "1500.50", "75.02"),
        ("brand_fund", "1500.50", "15.00"),
    ]
    assert (now["total"], now["outstanding"], now["due_on"]) == ("90.02", "90.02", "2000-05-15")

    await reports(sale(2, "100", "2000-04-30", restatement=1), sale(3, "70", "2000-04-30", restatement=1))
    now = await read(api)
    assert (now["corrections"], now["total"], now["outstanding"]) == (1, "70.20", "70.20")
    history = (await read(api, f"{PATH}/history"))["items"]
    [corrected] = [each["data"] for each in history if each["type"] == "cauce.contract.RoyaltyCorrected.v1"]
    assert (corrected["previous_total"], corrected["delta"], len(corrected["because"])) == ("90.02", "-19.82", 1)
    assert [(each["kind"], each["previous"], each["amount"]) for each in corrected["changes"]] == [
        ("royalty", "75.02", "58.50"),
        ("brand_fund", "15.00", "11.70"),
    ]
    stated = [each for each in history if each["type"] == "cauce.contract.RoyaltyStated.v1"]
    assert stated[0]["data"]["total"] == "90.02"

    await done(api, f"{PATH}/dispute", {"reason": "the sale of the 30th was cancelled"})
    assert (await read(api))["disputed_because"] == "the sale of the 30th was cancelled"
    settles = {"outcome": "rejected", "reason": "it was paid"}
    assert await refused(api, f"{PATH}/dispute/settlement", settles) == (428, "version_needed")
    await done(api, f"{PATH}/dispute/settlement", settles, seen=PATH)
    assert (await read(api))["disputed"] is False

    await reports(payment("70.20", "2000-05-25"))
    now = await read(api)
    assert (now["paid"], now["outstanding"], now["days_late"], now["interest"]) == ("70.20", "0.00", 10, "0.15")


@pytest.mark.usefixtures("in_force")
async def test_late_sales_in_another_currency_wait_for_a_correction_with_their_rate(
    api: httpx.AsyncClient, reports: Reports
) -> None:
    await reports(sale(1, "1000"))
    await state(api)
    await reports(sale(2, "100", currency="CAD"))
    now = await read(api)
    assert (now["awaits_rates_of"], now["total"], now["corrections"]) == (["CAD"], "60.00", 0)
    corrects = {"reason": "late", "rates": [{"currency": "CAD", "rate": "0.68", "on": "2000-04-28"}]}
    await done(api, f"{PATH}/corrections", {**corrects, "occurred_at": MAY}, seen=PATH)
    now = await read(api)
    assert (now["awaits_rates_of"], now["total"], now["corrections"]) == ([], "64.08", 1)
    assert [(each["currency"], each["rate"], each["rate_on"]) for each in now["sales"]] == [
        ("CAD", "0.68", "2000-04-28"),
        ("USD", None, None),
    ]
    await reports(sale(2, "200", currency="CAD", restatement=1))
    assert ((await read(api))["total"], (await read(api))["corrections"]) == ("68.16", 2)


@pytest.mark.usefixtures("in_force")
async def test_taxes_of_the_jurisdiction_are_lines_and_a_statement_keeps_its_own(
    api: httpx.AsyncClient, reports: Reports
) -> None:
    gross = {
        "name": "gross receipts tax",
        "kind": "tax",
        "percent": "3",
        "law": "By law.",
        "effective_from": "1990-01-01",
    }
    await done(api, "/royalty-taxes/US-AK", {"rates": [gross]}, method="PUT")
    await reports(sale(1, "1000"))
    await state(api)
    now = await read(api)
    assert [(line["name"], line["amount"]) for line in now["lines"] if line["kind"] == "tax"] == [
        ("gross receipts tax", "1.80")
    ]
    await done(api, "/royalty-taxes/US-AK", {"rates": []}, method="PUT", seen="/royalty-taxes/US-AK")
    await reports(sale(1, "2000", restatement=1))
    now = await read(api)
    assert (now["total"], now["tax_version"]) == ("123.60", 1)
    assert [each["version"] for each in (await read(api, "/royalty-taxes/US-AK/history"))["items"]] == [1, 2]
    assert (await read(api, "/royalty-taxes"))["items"][0]["rates"] == []


@pytest.mark.usefixtures("in_force")
async def test_whatever_comes_at_once_with_a_statement_is_in_it_at_last(
    api: httpx.AsyncClient, reports: Reports
) -> None:
    """Sales are taken while the statement is made, again and again: none is lost between the two."""
    await reports()
    batches = [[sale(10 * n + m, "100") for m in range(3)] for n in range(5)]
    await asyncio.gather(*(reports(*batch) for batch in batches), state(api))
    await reports()
    assert (await read(api))["total"] == "90.00"


async def test_nothing_is_stated_without_a_contract_without_terms_and_before_its_time(
    api: httpx.AsyncClient, registers: Registers
) -> None:
    path, april = f"/contracts/{CONTRACT}/royalty-statements", {"period": "2000-04", "occurred_at": MAY}
    assert await refused(api, path, april) == (404, "contract.contract_unknown")
    assert await refused(api, f"/contracts/{CONTRACT}/royalty-terms", TERMS, "PUT") == (
        404,
        "contract.contract_unknown",
    )
    assert await refused(api, f"{PATH}/dispute", {"reason": "why"}) == (404, "contract.royalty_statement_unknown")


@pytest.mark.usefixtures("in_force")
async def test_a_period_is_stated_once_it_is_over_and_terms_change_by_version(api: httpx.AsyncClient) -> None:
    path = f"/contracts/{CONTRACT}/royalty-statements"
    early = {"period": "2000-04", "occurred_at": "2000-05-01T07:59:00Z"}  # still April in Anchorage
    assert await refused(api, path, early) == (409, "contract.period_not_over")
    assert await refused(api, path, {"period": "1999", "occurred_at": MAY}) == (409, "contract.not_in_force_in_period")
    terms = f"/contracts/{CONTRACT}/royalty-terms"
    assert await refused(api, terms, {**TERMS, "due_days": 30}, "PUT") == (428, "version_needed")
    assert (await done(api, terms, {**TERMS, "due_days": 30}, method="PUT", seen=terms))["version"] == 2
    assert (await read(api, terms))["due_days"] == 30


@pytest.mark.usefixtures("in_force")
async def test_the_partners_own_people_see_and_dispute_their_own_statements_and_nobody_elses(
    api: httpx.AsyncClient, service: FastAPI, client_of: ClientOf, reports: Reports
) -> None:
    await reports(sale(1, "1000"))
    await state(api)
    theirs = client_of(service, "partner", partner_id=PARTNER)
    others = client_of(service, "partner", partner_id=uuid4())
    assert [each["statement_id"] for each in (await read(theirs, "/royalty-statements"))["items"]] == [str(STATEMENT)]
    assert (await read(others, "/royalty-statements"))["items"] == []
    assert (await others.get(PATH)).status_code == 404
    assert (await others.post(f"{PATH}/dispute", json={"reason": "not mine"})).status_code == 404
    await done(theirs, f"{PATH}/dispute", {"reason": "too much"})
    assert (await read(theirs))["disputed_because"] == "too much"
    settles = {"outcome": "upheld", "reason": "x"}
    assert (await theirs.post(f"{PATH}/dispute/settlement", json=settles)).status_code == 403
    body = {"period": "2000-05"}
    assert (await theirs.post(f"/contracts/{CONTRACT}/royalty-statements", json=body)).status_code == 403


@pytest.fixture
async def by_its_terms(api: httpx.AsyncClient, registers: Registers) -> None:
    """As `in_force`, and its own terms say how royalties are charged and paid."""
    await comes_into_force(api, registers, royalty_currency="USD", royalty_due_days=15)


@pytest.mark.usefixtures("by_its_terms")
async def test_what_was_agreed_on_is_what_is_charged_and_an_addendum_changes_it(
    api: httpx.AsyncClient, service: FastAPI, client_of: ClientOf, reports: Reports
) -> None:
    await reports()
    terms = f"/contracts/{CONTRACT}/royalty-terms"
    now = await read(api, terms)
    assert (now["source"], now["currency"], now["due_days"], now["version"]) == ("contract", "USD", 15, 1)
    assert [(each["percent"], each["effective_from"]) for each in now["schedules"]] == [("5", "2000-02-01")]
    assert await refused(api, terms, TERMS, "PUT") == (409, "contract.royalties_by_contract")

    lower = {**ORDINARY, "royalties": [{"percent": "4"}], "royalty_currency": "USD", "royalty_due_days": 30}
    proposal = {"text": "Lower.", "effective_from": "2000-04-16", "terms": lower, "occurred_at": "2000-04-02T21:00:00Z"}
    euros = {**proposal, "terms": {**lower, "royalty_currency": "EUR"}}
    assert await refused(api, f"/contracts/{CONTRACT}/addenda", euros) == (409, "contract.not_by_addendum")
    await done(api, f"/contracts/{CONTRACT}/addenda", proposal)
    await done(api, f"/contracts/{CONTRACT}/addenda/1/signature", {"occurred_at": "2000-04-03T21:00:00Z"})
    await reports(sale(1, "1000", "2000-04-15"), sale(2, "1000", "2000-04-16"))
    assert [each["percent"] for each in (await read(api, terms))["schedules"]] == ["5", "4"]
    await state(api)
    stated = await read(api)
    assert [(line["first_day"], line["amount"]) for line in stated["lines"]] == [
        ("2000-04-01", "50.00"),
        ("2000-04-16", "40.00"),
    ]
    assert (stated["due_on"], stated["terms_version"]) == ("2000-05-30", 2)
    theirs = client_of(service, "partner", partner_id=PARTNER)
    assert (await read(theirs, terms))["version"] == 2


@pytest.mark.usefixtures("by_its_terms")
async def test_a_statement_that_nobody_pays_is_overdue_when_its_day_is_over(
    api: httpx.AsyncClient, reports: Reports
) -> None:
    await reports(sale(1, "1000"))
    await state(api)
    await reports()
    assert (await api.put("/backfill?wait=30", json={"reached": "2000-05-16T07:59:00Z"})).status_code == 200
    assert (await read(api, "/royalty-statements", overdue=True))["items"] == []
    assert (await api.put("/backfill?wait=30", json={"reached": "2000-05-16T08:00:00Z"})).status_code == 200
    [late] = (await read(api, "/royalty-statements", overdue=True))["items"]
    assert (late["statement_id"], late["outstanding"]) == (str(STATEMENT), "50.00")
    await reports(payment("50", "2000-05-20"))
    now = await read(api)
    assert (now["overdue"], now["days_late"], now["outstanding"]) == (False, 5, "0.00")


@pytest.mark.usefixtures("in_force")
async def test_two_who_state_a_period_at_once_make_one_statement(api: httpx.AsyncClient, reports: Reports) -> None:
    await reports(sale(1, "1000"))
    receipts = await asyncio.gather(*(state(api) for _ in range(4)))
    assert sorted(bool(each["events"]) for each in receipts) == [False, False, False, True]


# -- policies, as values


def test_what_is_reported_is_taken_in() -> None:
    event = uuid4()
    [send] = take_reported(fact_of(sale(1, "5", restatement=2), occurred_at=NOW, event_id=event))
    assert send == Send(
        royalty_sales,
        UUID(int=1),
        TakeSale(
            sale_id=UUID(int=1),
            partner_id=PARTNER,
            contract_id=None,
            amount=Decimal(5),
            currency="USD",
            sold_on=date(2000, 4, 10),
            restatement=2,
            reported_by=event,
        ),
    )
    [send] = take_reported(fact_of(payment("7", "2000-05-01"), occurred_at=NOW))
    taken = TakeRoyaltyPayment(
        payment_id=UUID(int=1),
        partner_id=PARTNER,
        amount=Decimal(7),
        currency="USD",
        paid_on=date(2000, 5, 1),
        restatement=0,
    )
    assert send == Send(royalty_statements, STATEMENT, taken)


@pytest.mark.parametrize("change", [{"purpose": "fee"}, {"contract_id": None}, {"period": None}], ids=str)
def test_a_payment_that_does_not_say_which_royalty_it_is_for_is_nobodys(change: dict[str, Any]) -> None:
    paid = payment("7", "2000-05-01").model_copy(update=change)
    assert list(take_reported(fact_of(paid, occurred_at=NOW))) == []


def test_each_statement_that_a_sale_belongs_to_is_counted_anew_because_of_its_report() -> None:
    sales = (DaySales(date(2000, 4, 10), "USD", Decimal(5)),)
    reported = UUID(int=9)
    taken = royalty_sales.decide(
        TakeSale(
            sale_id=UUID(int=1), partner_id=PARTNER, contract_id=None, amount=Decimal(5), currency="USD",
            sold_on=date(2000, 4, 10), restatement=0, reported_by=reported,
        ),
        royalty_sales.initial(),
        NOW,
    )[0]  # fmt: skip
    sends = list(count_anew(fact_of(taken, occurred_at=NOW), [Count(STATEMENT, sales)]))
    assert sends == [Send(royalty_statements, STATEMENT, RecountRoyalty(sales=sales, because=reported))]
    disputed = RoyaltyDisputed(
        statement_id=STATEMENT, contract_id=CONTRACT, partner_id=PARTNER, period="2000-04", reason="x"
    )
    assert list(count_anew(fact_of(disputed, occurred_at=NOW), [])) == []
