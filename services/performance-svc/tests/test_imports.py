"""Uploads as jobs, on the real stack."""

import asyncio
import csv
import gzip
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from engine.errors import Fenced
from fastapi import FastAPI
from service import imports
from service.imports import Tally, Worker

ONE = UUID(int=1)
Tells = Callable[..., Awaitable[None]]
METRIC = {
    "unit": "points",
    "direction": "higher",
    "aggregation": "mean",
    "minimum": 0,
    "maximum": 100,
    "due": "on_occurrence",
}
HEADER = "partner_id,metric,period,value,source,source_ref"
CSV = {"content-type": "text/csv"}
WHEN = {"occurred_at": "2019-12-31T12:00:00Z"}


def rows(count: int, *others: str) -> bytes:
    good = [f"{ONE},score,2019,{n % 101},erp,{n}" for n in range(count)]
    return "".join(f"{row}\r\n" for row in (HEADER, *good, *others)).encode()


@pytest.fixture
async def channel(api: httpx.AsyncClient, tells: Tells) -> None:
    answer = await api.put("/metrics/score", json=METRIC)
    assert answer.is_success, answer.text
    await tells(("registered", ONE, "2010-01-01"))


async def sent(api: httpx.AsyncClient, content: Any, headers: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await api.post("/kpi-reports/imports", content=content, headers=CSV | (headers or {}), params=WHEN)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


async def ended(api: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            answer = await api.get(f"/kpi-reports/imports/{job['id']}")
            now: dict[str, Any] = answer.json()
            if now["status"] in ("done", "failed"):
                return now
            await asyncio.sleep(0.05)


async def errors(api: httpx.AsyncClient, job: dict[str, Any]) -> list[list[str]]:
    answer = await api.get(job["errors"])
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.text)))[1:]


def counts(job: dict[str, Any]) -> tuple[str, int, int, int]:
    return job["status"], job["accepted"], job["repeated"], job["rejected"]


@pytest.mark.usefixtures("channel")
async def test_good_lines_are_kept_and_bad_ones_told_with_line_and_field(api: httpx.AsyncClient) -> None:
    bad = (f"{uuid4()},score,2019,1,erp,x", f"{ONE},score,2019,much,erp,y", f"{ONE},score,2019,101,erp,z", "too,few")
    job = await ended(api, await sent(api, gzip.compress(rows(1200, *bad)), {"content-encoding": "gzip"}))
    assert counts(job) == ("done", 1200, 0, 4)
    told = [(int(line), field, rule.partition(".")[2] or rule) for line, field, rule, _ in await errors(api, job)]
    assert sorted(told) == [
        (1202, "partner_id", "partner_unknown"),
        (1203, "value", "decimal_parsing"),
        (1204, "value", "value_above_maximum"),
        (1205, "line", "csv_cells"),
    ]
    assert (job["lines"], job["failure"]) == (1205, None)
    last = (await api.get("/kpi-reports", params={"sort": "-reported_at", "limit": 1})).json()["items"][0]
    assert last["position"] == job["position"]


@pytest.mark.usefixtures("channel")
async def test_the_same_upload_again_is_the_same_job_by_its_key_and_repeats_without(api: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "2019"}
    first = await ended(api, await sent(api, rows(10), key))
    again = await sent(api, rows(10), key)
    assert again == first
    other = await ended(api, await sent(api, rows(10)))
    assert (other["id"] != first["id"], counts(other)) == (True, ("done", 0, 10, 0))


@pytest.mark.usefixtures("channel")
async def test_an_upload_that_broke_off_is_taken_up_where_it_stopped(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PIECE", 1000)
    whole, key = rows(300), {"idempotency-key": "broken"}

    async def breaks_off() -> AsyncIterator[bytes]:
        yield whole[:4321]
        raise ConnectionResetError

    broken = await api.post("/kpi-reports/imports", content=breaks_off(), headers=CSV | key, params=WHEN)
    assert broken.status_code == 503

    async def again() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 777):
            yield whole[start : start + 777]

    job = await sent(api, again(), key)
    assert job["bytes"] == len(whole)
    assert counts(await ended(api, job)) == ("done", 300, 0, 0)


@pytest.mark.usefixtures("channel")
async def test_a_job_whose_worker_died_goes_on_behind_the_lines_that_it_counted(
    performance: FastAPI, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = asyncio.Event()
    count = Worker._count

    async def dies(self: Worker, job: UUID, lines: int, tally: Tally) -> None:
        if not died.is_set() and lines > 501:
            died.set()  # the batch is recorded, and not counted
            async with performance.state.engine.acquire() as db:
                await db.execute("update import_job set leased_until = null, holder = null")
            raise Fenced("dead")
        await count(self, job, lines, tally)

    monkeypatch.setattr(Worker, "_count", dies)
    job = await ended(api, await sent(api, rows(1500)))
    assert died.is_set()
    assert counts(job) == ("done", 1500, 0, 0)
    listed = (await api.get("/kpi-reports", params={"limit": 500, "source": "erp"})).json()
    assert len({item["source_ref"] for item in listed["items"]}) == 500


async def test_what_cannot_be_read_at_all_fails_and_says_why(api: httpx.AsyncClient) -> None:
    job = await ended(api, await sent(api, b"a,b\r\n1,2\r\n"))
    assert (job["status"], job["accepted"]) == ("failed", 0)
    assert "missing: " in job["failure"]
    assert "unknown: a, b" in job["failure"]
    cut = gzip.compress(rows(100))[:60]
    job = await ended(api, await sent(api, cut, {"content-encoding": "gzip"}))
    assert (job["status"], job["accepted"]) == ("done", 0)
    assert (await errors(api, job))[-1][2] == "gzip_corrupt"


async def test_what_is_no_upload_is_refused_and_no_job(api: httpx.AsyncClient) -> None:
    answer = await api.post("/kpi-reports/imports", json=[])
    assert (answer.status_code, answer.json()["code"]) == (415, "media_type_unsupported")
    answer = await api.post("/kpi-reports/imports", content=b"", headers=CSV | {"content-encoding": "br"})
    assert (answer.status_code, answer.json()["code"]) == (415, "encoding_unsupported")
    for path in ("", "/errors"):
        answer = await api.get(f"/kpi-reports/imports/{uuid4()}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "performance.import_unknown")


@pytest.mark.usefixtures("channel")
async def test_the_past_is_refused_line_by_line_to_who_may_not_bring_it_in(
    caller: Callable[[str], httpx.AsyncClient],
) -> None:
    manager = caller("channel-manager")
    job = await ended(manager, await sent(manager, rows(2)))
    assert counts(job) == ("done", 0, 0, 2)
    assert {error[2] for error in await errors(manager, job)} == {"performance.backfill_scope_needed"}
    assert (await caller("auditor").post("/kpi-reports/imports", content=rows(1), headers=CSV)).status_code == 403


async def test_an_upload_whose_rest_never_comes_is_given_up_and_let_go_of(
    performance: FastAPI, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PIECE", 1000)
    key = {"idempotency-key": "abandoned"}

    async def breaks_off() -> AsyncIterator[bytes]:
        yield rows(100)[:2500]
        raise ConnectionResetError

    await api.post("/kpi-reports/imports", content=breaks_off(), headers=CSV | key, params=WHEN)
    worker = Worker(performance, [])
    await worker.give_up()
    async with performance.state.engine.acquire() as db:
        assert await db.fetchval("select count(*) from import_piece") == 2
        await db.execute("update import_job set created_at = created_at - interval '25 hours'")
    await Worker(performance, []).give_up()
    async with performance.state.engine.acquire() as db:
        assert await db.fetchval("select count(*) from import_piece") == 0
    job = await sent(api, rows(100), key)
    assert (job["status"], job["failure"]) == ("failed", "the rest of the upload never came")
