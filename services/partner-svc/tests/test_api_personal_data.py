"""People behind partners: seen only by who may, and after an erasure by nobody, anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from engine.kafka import Watcher
from events.contract import ContractTerminated, PartnerSigned
from fastapi import FastAPI

NAME, EMAIL, PHONE, TAX_ID = "Ana Sánchez Vidal", "ana.vidal@example.org", "+34 600 123 456", "12345678Z"
PERSON = UUID(int=9)
SECRETS = (NAME, EMAIL, PHONE, TAX_ID, "Vidal", "anasanchezvidal")
Done = Callable[..., Awaitable[dict[str, Any]]]
Says = Callable[..., Awaitable[None]]


@pytest.fixture
def done(api: httpx.AsyncClient) -> Done:
    async def do(method: str, path: str, status: int, **body: Any) -> dict[str, Any]:
        headers = {}
        if method == "PUT" and (seen := await api.get(path.rsplit("/", 1)[0])).is_success:
            headers["If-Match"] = seen.headers["etag"]
        answer = await api.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        told: dict[str, Any] = answer.json()
        return told

    return do


@pytest.fixture
def registered(api: httpx.AsyncClient, service: FastAPI, done: Done) -> Callable[..., Awaitable[UUID]]:
    """Applies, is scored and approved, and registered, as a person where told so."""

    async def register(name: str, **content: Any) -> UUID:
        if not (await api.get("/standards/franchise")).is_success:
            standard = {"title": "Franchisees", "dimensions": [{"code": "experience", "weight": "100"}], "gates": []}
            assert (await api.put("/standards/franchise/draft", json={"content": standard})).is_success
            draft = {"If-Match": '"1"'}
            assert (await api.post("/standards/franchise/publication", json={}, headers=draft)).is_success
        body = {"legal_name": name, "kind": "agent", "area": "ES-MD", "outlet_name": "Centro", **content}
        application = (await done("POST", "/applications", 201, **body))["id"]
        scores = {"standard": "franchise", "scores": {"experience": 90}, "gates": {}}
        await done("POST", f"/applications/{application}/scores", 201, **scores)
        seen = (await api.get(f"/applications/{application}")).headers["etag"]
        approved = await api.post(f"/applications/{application}/approval", json={}, headers={"If-Match": seen})
        assert approved.status_code == 201, approved.text
        await followed(service)
        return UUID((await api.get(f"/applications/{application}")).json()["partner_id"])

    return register


async def followed(service: FastAPI) -> None:
    engine = service.state.engine
    while True:
        head = (await engine.log()).head
        assert await engine.published(head, 60)
        assert await engine.handled("partner.registration", 60, position=head)
        if (await engine.log()).head == head:
            return


async def everything(database: str, kafka: str, prefix: str) -> str:
    """All that the service's database and its topics hold, as one text."""
    connection = await asyncpg.connect(database)
    tables = await connection.fetch(
        "select format('%I', relname) as name from pg_class where relkind = 'r'"
        " and relnamespace = 'public'::regnamespace"
    )
    texts = []
    for table in tables:
        rows = await connection.fetch(f"select t::text from {table['name']} t")
        texts += [table["name"], *(row[0] for row in rows)]
    await connection.close()
    watcher = Watcher(kafka)
    for topic in ("partner.events", "partner.state"):
        async for _, record in watcher.read(prefix + topic, {}):
            headers = b" ".join(value for _, value in record.headers)
            texts.append((record.key + headers + (record.value or b"")).decode())
    await watcher.stop()
    return "\n".join(texts)


async def shown_on_state_topic(kafka: str, prefix: str, partner: UUID, version: int) -> None:
    watcher = Watcher(kafka)
    while True:
        async for _, record in watcher.read(f"{prefix}partner.state", {}):
            told = int(dict(record.headers)["ce_streamversion"])
            if record.key == f"partner-{partner}".encode() and told >= version:
                await watcher.stop()
                return
        await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
async def test_who_was_erased_is_nowhere_to_be_read(
    caller: Callable[[str], httpx.AsyncClient],
    service: FastAPI,
    done: Done,
    registered: Callable[..., Awaitable[UUID]],
    says: Says,
    database: str,
    kafka: str,
    topic_prefix: str,
) -> None:
    """A sole trader who is a contact of another partner, too: in the open for who may see it, sealed everywhere else,
    and after both erasures gone."""
    manager = caller("channel-manager")
    trader = await registered(NAME, sole_trader=True)
    await done(
        "PUT",
        f"/partners/{trader}/details",
        200,
        currency="EUR",
        tax_ids=[{"country": "ES", "scheme": "NIF", "value": TAX_ID}],
    )
    company, person = await registered("Bodegas del Sur"), uuid4()
    contact = {"role": "owner", "name": NAME, "email": EMAIL, "phone": PHONE}
    receipt = await done("PUT", f"/partners/{company}/contacts/{person}", 200, **contact)
    await followed(service)
    await shown_on_state_topic(kafka, topic_prefix, company, receipt["version"])

    told = (await manager.get(f"/partners/{company}/personal-data")).json()
    assert told["contacts"] == [{"person_id": str(person), **contact}]
    told = (await manager.get(f"/partners/{trader}/personal-data")).json()
    assert (told["legal_name"], told["tax_ids"][0]["value"]) == (NAME, TAX_ID)
    for path in ("/partners", "/applications", f"/partners/{trader}", f"/partners/{trader}/history"):
        shown = (await manager.get(path)).text
        assert not any(secret in shown for secret in SECRETS), path
    sealed = await everything(database, kafka, topic_prefix)
    assert f"sealed.1.{person}" in sealed
    assert not any(secret in sealed for secret in SECRETS), "in the open before the erasure"

    contract = uuid4()
    at = datetime.now(UTC)
    signed = PartnerSigned(contract_id=contract, partner_id=trader, areas=("ES-MD",), effective_from=at.date())
    await says("contract", signed, on=at)
    await says("contract", ContractTerminated(contract_id=contract, partner_id=trader, reason="The end."), on=at)
    for partner, erased in ((company, person), (trader, trader)):
        answer = await manager.post(f"/partners/{partner}/people/{erased}/erasure", json={})
        assert answer.status_code == 201, answer.text
        again = await manager.post(f"/partners/{partner}/people/{erased}/erasure", json={})
        assert (again.status_code, again.json()["events"]) == (201, [])
    assert (await manager.get(f"/partners/{company}/personal-data")).json()["contacts"] == []
    told = (await manager.get(f"/partners/{trader}/personal-data")).json()
    assert (told["legal_name"], [each["value"] for each in told["tax_ids"]]) == (None, [None])
    connection = await asyncpg.connect(database)
    assert (
        await connection.fetchval(
            "select count(*) from subject_key where subject = any($1) and wrapped is not null", [person, trader]
        )
        == 0
    )
    await connection.close()
    gone = await manager.put(f"/partners/{company}/contacts/{person}", json=contact)
    assert (gone.status_code, gone.json()["code"]) == (410, "partner.person_erased")


async def test_only_who_may_sees_people(
    caller: Callable[[str], httpx.AsyncClient], registered: Callable[..., Awaitable[UUID]]
) -> None:
    partner = await registered("Bodegas del Sur")
    answer = await caller("auditor").get(f"/partners/{partner}/personal-data")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    answer = await caller("backfill").post(f"/partners/{partner}/people/{uuid4()}/erasure", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_a_refused_erasure_destroys_nothing(
    caller: Callable[[str], httpx.AsyncClient], registered: Callable[..., Awaitable[UUID]]
) -> None:
    manager, trader = caller("channel-manager"), await registered(NAME, sole_trader=True)
    answer = await manager.post(f"/partners/{trader}/people/{trader}/erasure", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "partner.still_a_partner")
    assert (await manager.get(f"/partners/{trader}/personal-data")).json()["legal_name"] == NAME


async def test_sole_traders_of_one_name_are_held_as_possible_duplicates(
    api: httpx.AsyncClient, registered: Callable[..., Awaitable[UUID]]
) -> None:
    first = await registered(NAME, sole_trader=True)
    second = await registered("ANA SANCHEZ-VIDAL".replace("A", "a").replace("SaNCHEZ", "Sánchez"), sole_trader=True)
    [held] = (await api.get("/possible-duplicates")).json()["items"]
    assert (held["partner_id"], held["looks_like"]) == (str(second), str(first))
    assert (held["legal_name"], held["looks_like_name"]) == ("(sole trader)", "(sole trader)")


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("details", {"currency": "euro"}),
        ("details", {"tax_ids": [{"country": "Spain", "scheme": "NIF", "value": "1"}]}),
        ("details", {"tax_ids": [{"country": "ES", "scheme": "NIF"}]}),
        (f"contacts/{PERSON}", {"role": "boss", "name": "Ana"}),
        (f"contacts/{PERSON}", {"role": "owner", "name": "Ana", "email": "nowhere"}),
        (f"contacts/{PERSON}", {"role": "owner", "name": "Ana", "phone": "call me"}),
        ("outlet", {"name": "", "area": "ES-MD"}),
        ("external-references/erp", {}),
    ],
)
async def test_master_data_that_makes_no_sense_is_refused_by_field(
    api: httpx.AsyncClient, what: str, wrong: dict[str, Any]
) -> None:
    answer = await api.put(f"/partners/{uuid4()}/{what}", json=wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"]


async def test_what_other_systems_map_by_is_changed_and_shown(
    api: httpx.AsyncClient, done: Done, registered: Callable[..., Awaitable[UUID]]
) -> None:
    partner = await registered("Bodegas del Sur", external_refs=[{"system": "erp", "key": "V-1"}])
    tax_ids = [{"country": "ES", "scheme": "NIF", "value": "B12345678"}]
    await done("PUT", f"/partners/{partner}/details", 200, tax_ids=tax_ids, currency="EUR")
    await done("PUT", f"/partners/{partner}/outlet", 200, name="Bodegas Centro", area="ES-SE")
    answer = await api.put(f"/partners/{partner}/external-references/crm", json={"key": "77"})
    assert answer.status_code == 200, answer.text
    shown = (await api.get(f"/partners/{partner}")).json()
    assert (shown["tax_ids"], shown["currency"], shown["sole_trader"]) == (tax_ids, "EUR", False)
    assert (shown["outlet"]["name"], shown["outlet"]["area"]) == ("Bodegas Centro", "ES-SE")
    assert shown["external_refs"] == [{"system": "erp", "key": "V-1"}, {"system": "crm", "key": "77"}]
