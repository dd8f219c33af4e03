"""What others send over Kafka: recorded as if it had come over HTTP, and kept apart where it cannot be."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from service.topic_intake import Kept, Message, TopicIntake, message_of, word_of

Tells = Callable[..., Awaitable[None]]
Sends = Callable[..., Awaitable[None]]
ONE = uuid4()
METRIC = {"unit": "points", "direction": "higher", "aggregation": "mean", "due": "on_occurrence"}


def sale(ref: str, partner: UUID = ONE, **changes: Any) -> dict[str, Any]:
    said = {"kind": "sale", "source": "pos", "source_ref": ref, "partner_id": str(partner)}
    return {**said, "amount": "10.50", "currency": "EUR", "sold_on": "2019-03-02", **changes}


def kpi(ref: str, value: Any = 84) -> dict[str, Any]:
    said = {"kind": "kpi_report", "source": "erp", "source_ref": ref, "partner_id": str(ONE)}
    return {**said, "metric": "score", "period": "2019", "value": value}


@pytest.fixture
async def channel(api: httpx.AsyncClient, tells: Tells) -> None:
    assert (await api.put("/metrics/score", json=METRIC)).is_success
    await tells(("registered", ONE, "2010-01-01"))


@pytest.fixture
def intake(performance: FastAPI) -> TopicIntake:
    found: TopicIntake = performance.state.intake
    return found


@pytest.fixture
async def sends(intake: TopicIntake, kafka: str) -> Sends:
    async def send(*values: Any) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=kafka)
        await producer.start()
        try:
            for value in values:
                content = value if isinstance(value, bytes) else json.dumps(value).encode()
                await producer.send_and_wait(intake.topic, content, key=b"one")
        finally:
            await producer.stop()

    return send


@pytest.fixture
def ops(caller: Callable[[str], httpx.AsyncClient]) -> httpx.AsyncClient:
    return caller("ops")


async def items(api: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(path)).json()["items"]
    return found


async def comes(api: httpx.AsyncClient, path: str, count: int) -> list[dict[str, Any]]:
    """So many things, once they are there."""
    async with asyncio.timeout(60):
        while True:
            found = await items(api, path)
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


def message(offset: int, value: Any) -> Message:
    content = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Message(UUID(int=offset), "performance.intake", 0, offset, datetime(2026, 1, 1, tzinfo=UTC), None, content)


@pytest.mark.usefixtures("channel")
async def test_facts_and_reports_come_over_the_topic_and_what_is_no_good_is_kept_apart_and_named(
    api: httpx.AsyncClient, ops: httpx.AsyncClient, sends: Sends
) -> None:
    await sends(sale("1"), sale("1"), kpi("1"), b"\xff", ["no"], {"kind": "sail"}, sale("2", amount="much"))
    await sends(sale("1", amount="7"), kpi("1", 85), sale("3", partner=uuid4()), sale("4", unknown=1), sale("5"))
    sales = await comes(api, "/sales", 2)
    assert [(each["source_ref"], each["amount"]) for each in sales] == [("1", "10.50"), ("5", "10.50")]
    assert [each["value"] for each in await items(api, "/kpi-reports")] == ["84"]
    history = (await api.get(f"/sales/{sales[0]['sale_id']}/history")).json()["items"]
    assert [each["actor"].partition(":")[0] for each in history] == ["intake"]
    kept = await comes(ops, "/kept-messages", 8)
    assert [(each["offset"], each["errors"][0]["field"], each["errors"][0]["rule"]) for each in kept] == [
        (3, "message", "json_invalid"),
        (4, "message", "object_needed"),
        (5, "kind", "kind_unknown"),
        (6, "amount", "decimal_parsing"),
        (7, "amount", "performance.fact_differs"),
        (8, "value", "performance.report_differs"),
        (9, "partner_id", "performance.partner_unknown"),
        (10, "unknown", "extra_forbidden"),
    ]
    assert (kept[3]["key"], json.loads(kept[3]["value"])["amount"]) == ("one", "much")


@pytest.mark.usefixtures("channel")
async def test_what_is_kept_apart_is_told_by_a_metric_until_somebody_retries_or_drops_it(
    api: httpx.AsyncClient, ops: httpx.AsyncClient, sends: Sends, tells: Tells
) -> None:
    late = uuid4()
    await sends(sale("1", partner=late), b"{", sale("2"))
    await comes(api, "/sales", 1)
    first, second = [each["message_id"] for each in await comes(ops, "/kept-messages", 2)]
    page = (await ops.get("/kept-messages", params={"limit": 1})).json()
    behind = (await ops.get("/kept-messages", params={"after": page["next"]})).json()
    assert [[each["offset"] for each in found["items"]] for found in (page, behind)] == [[0], [1]]
    assert (await ops.get("/kept-messages", params={"after": "eA"})).status_code == 422
    await gauge(ops, 2)
    still = (await ops.post(f"/kept-messages/{first}/retry")).json()
    assert (still["outcome"], still["errors"][0]["rule"]) == ("kept", "performance.partner_unknown")
    await tells(("registered", late, "2010-01-01"))
    assert (await ops.post(f"/kept-messages/{first}/retry")).json() == {"outcome": "accepted", "errors": []}
    assert (await ops.post(f"/kept-messages/{second}/drop", json={"reason": "a test of theirs"})).is_success
    assert await items(ops, "/kept-messages") == []
    assert [each["source_ref"] for each in await items(api, "/sales")] == ["2", "1"]
    await gauge(ops, 0)
    for again in (f"/kept-messages/{first}/retry", f"/kept-messages/{uuid4()}/retry"):
        answer = await ops.post(again)
        assert (answer.status_code, answer.json()["code"]) == (404, "performance.intake_message_unknown")
    assert (await api.get("/kept-messages")).json()["code"] == "scope_missing"


async def gauge(ops: httpx.AsyncClient, expected: int) -> None:
    async with asyncio.timeout(60):
        while True:
            if f"cauce_intake_kept_messages {expected}.0" in (await ops.get("/metrics")).text:
                return
            await asyncio.sleep(0.05)


@pytest.mark.usefixtures("channel")
async def test_messages_that_are_read_again_change_nothing_and_are_kept_apart_once(
    api: httpx.AsyncClient, ops: httpx.AsyncClient, intake: TopicIntake
) -> None:
    """As after a crash between the effect and the commit of the offset."""
    messages = [message(1, sale("1")), message(2, b"{"), message(3, None), message(4, kpi("1"))]
    await intake.record(messages)
    assert [word_of(each) for each in await intake.take(messages)] == ["repeated", "kept", "kept", "repeated"]
    await intake.record(messages)
    assert len(await items(api, "/sales")) == len(await items(api, "/kpi-reports")) == 1
    assert [each["offset"] for each in await items(ops, "/kept-messages")] == [2, 3]


@pytest.mark.usefixtures("channel")
async def test_a_message_on_which_our_own_code_fails_does_not_hold_up_the_others(
    api: httpx.AsyncClient, intake: TopicIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = intake._kinds["sale"]

    async def fails(upload: Any, lines: Any) -> Any:
        if any(line.content.source_ref == "3" for line in lines):
            raise ZeroDivisionError
        return await kind.sends(upload, lines)

    monkeypatch.setitem(intake._kinds, "sale", replace(kind, sends=fails))
    outcomes = await intake.take([message(n, sale(str(n))) for n in range(6)])
    assert [word_of(each) for each in outcomes] == ["accepted"] * 3 + ["kept"] + ["accepted"] * 2
    assert isinstance(outcomes[3], Kept)
    assert [error.rule for error in outcomes[3].errors] == ["internal_error"]
    assert [each["source_ref"] for each in await items(api, "/sales")] == ["0", "1", "2", "4", "5"]


@pytest.mark.usefixtures("channel")
async def test_a_correction_in_the_same_batch_follows_its_fact_and_the_future_is_refused(
    api: httpx.AsyncClient, intake: TopicIntake
) -> None:
    [first] = await intake.take([message(1, sale("1"))])
    assert not isinstance(first, Kept)
    batch = [sale("1-a", amount="5", corrects=str(first.id)), kpi("1"), sale("1-b", amount="6", corrects=str(first.id))]
    outcomes = await intake.take([message(n, each) for n, each in enumerate(batch, 2)])
    assert [word_of(each) for each in outcomes] == ["accepted"] * 3
    [now] = await items(api, "/sales")
    assert (now["amount"], now["restatement"]) == ("6", 2)
    [early] = await intake.take([message(9, sale("9", occurred_at="2999-01-01T00:00:00Z"))])
    assert isinstance(early, Kept)
    assert [(error.field, error.rule) for error in early.errors] == [("occurred_at", "not_in_the_future")]


def test_a_message_has_one_id_wherever_it_is_read_and_another_in_a_topic_made_anew() -> None:
    class Record:
        topic, partition, offset, timestamp, key, value = "t", 1, 7, 1_700_000_000_000, None, b"{}"

    one, two = UUID(int=1), UUID(int=2)
    assert message_of(one, Record()).id == message_of(one, Record()).id
    assert message_of(one, Record()).id != message_of(two, Record()).id
