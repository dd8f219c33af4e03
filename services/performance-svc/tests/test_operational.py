"""Operational facts on the real stack: reported, uploaded, listed, read, and seen by a partner's own people."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from events import Event
from events.operational import OPERATIONAL
from fastapi import FastAPI
from performance.operational_views import VIEWS

Tells = Callable[..., Awaitable[None]]
ONE, TWO = uuid4(), uuid4()
SALE: dict[str, Any] = {"amount": "100.50", "currency": "EUR", "sold_on": "2019-03-02", "product": "tea"}


def fact(partner: UUID, ref: str, **content: Any) -> dict[str, Any]:
    return {"source": "pos", "source_ref": ref, "partner_id": str(partner), **content}


@pytest.fixture
async def channel(tells: Tells) -> None:
    await tells(("registered", ONE, "2010-01-01"), ("registered", TWO, "2010-01-01"))


async def reported(api: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def items(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = await api.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.usefixtures("channel")
async def test_a_sale_is_reported_repeated_corrected_and_read(api: httpx.AsyncClient) -> None:
    sale = fact(ONE, "1", **SALE)
    first = await reported(api, "/sales", sale)
    assert first["events"] == ["cauce.performance.SalesReported.v1"]
    assert (await reported(api, "/sales", sale))["events"] == []
    other = await api.post("/sales", json={**sale, "amount": "7"})
    assert (other.status_code, other.json()["code"], other.json()["field"]) == (
        409,
        "performance.fact_differs",
        "amount",
    )
    correction = {**sale, "source_ref": "1-a", "amount": "90", "corrects": first["id"]}
    assert (await reported(api, "/sales", correction))["version"] == 2
    now = (await api.get(f"/sales/{first['id']}")).json()
    assert (now["amount"], now["restatement"], now["source_ref"]) == ("90", 1, "1-a")
    then = (await api.get(f"/sales/{first['id']}", params={"as_of": "2000-01-01T00:00:00Z"})).status_code
    assert then == 404
    told = [each["data"]["amount"] for each in await items(api, f"/sales/{first['id']}/history")]
    assert told == ["100.50", "90"]


@pytest.mark.usefixtures("channel")
async def test_every_kind_of_fact_is_taken_and_shown_as_it_was_said(api: httpx.AsyncClient) -> None:
    money = {"amount": "12.5", "currency": "EUR"}
    said: dict[str, dict[str, Any]] = {
        "/sales": {**SALE, "contract_id": str(uuid4()), "quantity": "3", "route": "shop", "customer": "c-17"},
        "/stock-counts": {"product": "tea", "quantity": "4", "counted_on": "2019-03-02", **money},
        "/shipments": {
            "product": "tea",
            "quantity": "10",
            "delivered": "9",
            "route": "north",
            "ordered_on": "2019-03-01",
            "promised_on": "2019-03-04",
            "shipped_on": "2019-03-02",
            "delivered_on": "2019-03-05",
        },
        "/costs": {"kind": "transport", "route": "north", "incurred_on": "2019-03-02", **money},
        "/payments": {
            "purpose": "royalty",
            "contract_id": str(uuid4()),
            "period": "2019-02",
            "paid_on": "2019-03-20",
            "due_on": "2019-03-15",
            **money,
        },
        "/consumer-feedback": {"instrument": "nps", "score": "9", "given_on": "2019-03-02", "customer": "c-17"},
    }
    for path, content in said.items():
        receipt = await reported(api, path, fact(ONE, "1", **content))
        read = (await api.get(f"{path}/{receipt['id']}")).json()
        assert {name: read[name] for name in content} == content
        assert [each["event_id"] for each in await items(api, path, partner_id=ONE)] == [read["event_id"]]
        assert await items(api, path, partner_id=TWO) == []


@pytest.mark.usefixtures("channel")
async def test_a_list_of_sales_is_narrowed_by_day_and_product(api: httpx.AsyncClient) -> None:
    for n, day in enumerate(("2019-01-31", "2019-02-01", "2019-02-28", "2019-03-01")):
        await reported(api, "/sales", fact(ONE, str(n), **{**SALE, "sold_on": day, "product": f"p{n % 2}"}))
    february = {"since": "2019-02-01", "until": "2019-02-28"}
    assert [each["sold_on"] for each in await items(api, "/sales", **february)] == ["2019-02-01", "2019-02-28"]
    assert [each["source_ref"] for each in await items(api, "/sales", **february, product="p1")] == ["1"]
    assert [each["source_ref"] for each in await items(api, "/sales", sort="-sold_on", limit=2)] == ["3", "2"]


@pytest.mark.usefixtures("channel")
async def test_an_upload_keeps_good_lines_and_names_bad_ones(api: httpx.AsyncClient) -> None:
    good = [f"pos,{n},{ONE},100.5,EUR,2019-03-02" for n in range(600)]
    bad = [f"pos,x,{uuid4()},1,EUR,2019-03-02", f"pos,y,{ONE},much,EUR,2019-03-02", f"pos,0,{ONE},7,EUR,2019-03-02"]
    header = "source,source_ref,partner_id,amount,currency,sold_on"
    content = "".join(f"{line}\r\n" for line in (header, *good, good[0], *bad))
    started = await api.post("/sales/imports", content=content, headers={"content-type": "text/csv"})
    assert started.status_code == 202, started.text
    job = started.json()
    async with asyncio.timeout(60):
        while job["status"] not in ("done", "failed"):
            await asyncio.sleep(0.05)
            job = (await api.get(f"/sales/imports/{job['id']}")).json()
    assert (job["status"], job["accepted"], job["repeated"], job["rejected"]) == ("done", 600, 1, 3)
    told = [line.split(",")[:3] for line in (await api.get(job["errors"])).text.splitlines()[1:]]
    assert sorted(told) == [
        ["603", "partner_id", "performance.partner_unknown"],
        ["604", "amount", "decimal_parsing"],
        ["605", "amount", "performance.fact_differs"],
    ]


@pytest.mark.usefixtures("channel")
async def test_a_partners_own_people_report_and_see_their_own_sales_and_no_costs(
    api: httpx.AsyncClient, client_of: Callable[..., httpx.AsyncClient], performance: FastAPI
) -> None:
    theirs = client_of(performance, "partner", partner_id=ONE)
    mine = await reported(theirs, "/sales", fact(ONE, "1", **SALE))
    others = await reported(api, "/sales", fact(TWO, "2", **SALE))
    assert [each["sale_id"] for each in await items(theirs, "/sales")] == [mine["id"]]
    assert (await theirs.get(f"/sales/{others['id']}")).status_code == 404
    assert (await theirs.post("/sales", json=fact(TWO, "3", **SALE))).json()["code"] == "partner_other"
    for path in ("/costs", f"/costs/{uuid4()}"):
        assert (await theirs.get(path)).json()["code"] == "partner_closed"
    payment = fact(ONE, "4", purpose="royalty", amount="1", currency="EUR", paid_on="2019-03-02")
    assert (await theirs.post("/payments", json=payment)).json()["code"] == "partner_closed"


async def test_a_sale_of_a_partner_who_is_not_known_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/sales", json=fact(uuid4(), "1", **SALE))
    assert (answer.status_code, answer.json()["code"]) == (404, "performance.partner_unknown")


@pytest.mark.parametrize("event", OPERATIONAL, ids=lambda event: event.__name__)
def test_a_facts_row_has_every_field_of_its_event(event: type[Event]) -> None:
    [key] = [name for name in event.model_fields if event.event_key.endswith(f"-{{{name}}}")]
    [view] = [each for each in VIEWS if f"{key} uuid primary key" in each.tables[0].columns]
    columns = [line.strip().split()[0] for line in view.tables[0].columns.split(",") if line.strip()]
    assert sorted(columns) == sorted([*event.model_fields, "event_id", "position", "reported_at"])
