"""Inspections that were made elsewhere, uploaded by the thousand."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import ClientOf
from fastapi import FastAPI

PARTNER = UUID(int=11)
SECTION = {"code": "all", "title": "All", "items": [{"code": "floors", "title": "Floors are clean", "weight": 1}]}
COLUMNS = ["source", "source_ref", "partner_id", "template", "audited_on", "answers"]


def line(ref: str, **changed: Any) -> dict[str, Any]:
    seen = {"template": "food-safety", "audited_on": "2026-03-02", "answers": [{"item": "floors", "rating": 90}]}
    return {"source": "authority", "source_ref": ref, "partner_id": str(PARTNER), **seen, **changed}


def as_ndjson(lines: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in lines).encode()


def as_csv(lines: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([json.dumps(v) if isinstance(v, list) else v for v in map(each.get, COLUMNS)] for each in lines)
    return text.getvalue().encode()


@pytest.fixture
async def in_use(api: httpx.AsyncClient, registers: Callable[..., Awaitable[None]]) -> None:
    path = "/audit-templates/food-safety"
    answer = await api.put(f"{path}/draft", json={"title": "Food safety", "sections": [SECTION], "pass_mark": 80})
    answer = await api.post(f"{path}/publication", json={}, headers={"If-Match": answer.headers["etag"]})
    assert answer.status_code == 201, answer.text
    await registers(PARTNER)


async def uploaded(api: httpx.AsyncClient, content: bytes, media_type: str, **headers: str) -> dict[str, Any]:
    answer = await api.post("/field-audits/imports", content=content, headers={"content-type": media_type, **headers})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    async with asyncio.timeout(60):
        while job["status"] not in ("done", "failed"):
            await asyncio.sleep(0.05)
            job = (await api.get(f"/field-audits/imports/{job['id']}")).json()
    return job


def counts(job: dict[str, Any]) -> tuple[str, int, int, int]:
    return job["status"], job["accepted"], job["repeated"], job["rejected"]


@pytest.mark.usefixtures("in_use")
@pytest.mark.parametrize(
    ("form", "media_type"), [(as_ndjson, "application/x-ndjson"), (as_csv, "text/csv")], ids=["ndjson", "csv"]
)
async def test_good_inspections_are_kept_and_each_bad_line_is_told_with_its_field(
    api: httpx.AsyncClient, form: Callable[[list[dict[str, Any]]], bytes], media_type: str
) -> None:
    bad = [
        line("a", partner_id=str(uuid4())),
        line("b", template="brand"),
        line("c", audited_on="2999-01-01"),
        line("d", answers=[{"item": "walls", "rating": 90}]),
        line("e", answers=[{"item": "floors", "rating": 101}]),
        line("f", answers=[{"item": "floors", "rating": None}]),
        line("7", audited_on="2026-03-01"),
    ]
    content = gzip.compress(form([line(str(n)) for n in range(600)] + bad))
    job = await uploaded(api, content, media_type, **{"content-encoding": "gzip"})
    assert counts(job) == ("done", 600, 0, 7)
    told = list(csv.reader(io.StringIO((await api.get(job["errors"])).text)))[1:]
    first = 601 + (media_type == "text/csv")
    assert sorted((int(n) - first, field, rule.rpartition(".")[2]) for n, field, rule, _ in told) == [
        (0, "partner_id", "partner_unknown"),
        (1, "template", "template_not_in_use"),
        (2, "audited_on", "audited_in_the_future"),
        (3, "answers", "answers_do_not_fit_template"),
        (4, "answers.0.rating", "less_than_equal"),
        (5, "answers", "nothing_applied"),
        (6, "audited_on", "audit_differs"),
    ]
    shown = (await api.get("/field-audits", params={"limit": 1})).json()["items"][0]
    assert (shown["status"], shown["total"], shown["source"]) == ("recorded", "90.00", "authority")


@pytest.mark.usefixtures("in_use")
async def test_an_inspection_is_known_by_its_own_key_whichever_upload_brings_it(api: httpx.AsyncClient) -> None:
    content = as_ndjson([line(str(n)) for n in range(10)])
    assert counts(await uploaded(api, content, "application/x-ndjson")) == ("done", 10, 0, 0)
    assert counts(await uploaded(api, as_csv([line(str(n)) for n in range(12)]), "text/csv")) == ("done", 2, 10, 0)
    key = {"idempotency-key": "march"}
    unkeyed = as_ndjson([line("x", source=None, source_ref=None)])
    first, again = [await uploaded(api, unkeyed, "application/x-ndjson", **key) for _ in range(2)]
    assert (first, counts(first)) == (again, ("done", 1, 0, 0))


@pytest.mark.usefixtures("in_use")
async def test_who_uploads_does_not_approve(api: httpx.AsyncClient, client_of: ClientOf, training: FastAPI) -> None:
    await uploaded(api, as_ndjson([line("1")]), "application/x-ndjson")
    [audit] = (await api.get("/field-audits")).json()["items"]
    path = f"/field-audits/{audit['audit_id']}"
    seen = {"If-Match": (await api.get(path)).headers["etag"]}
    refused = await api.post(f"{path}/publication", json={}, headers=seen)
    assert (refused.status_code, refused.json()["code"]) == (409, "training.second_person_needed")
    eva = client_of(training, "channel-manager", "eva")
    assert (await eva.post(f"{path}/publication", json={}, headers=seen)).status_code == 201
