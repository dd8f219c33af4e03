"""Applications in one upload, on the real stack."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {"content-type": "application/x-ndjson", "idempotency-key": "fair 2026", "traceparent": TRACE}


def line(name: str, **changes: Any) -> str:
    return json.dumps({"legal_name": name, "kind": "franchisee", "area": "US-AK", "outlet_name": name, **changes})


async def test_applications_come_in_by_one_upload_and_a_persons_name_is_sealed(
    service: FastAPI, caller: Callable[[str], httpx.AsyncClient]
) -> None:
    async with service.state.engine.acquire() as db:  # as it was before jobs knew their trace
        await db.execute("alter table import_job drop column traceparent, drop column tracestate")
    await service.state.engine.migrate()
    api = caller("channel-manager")
    person = line("Jana Nov\u00e1k", sole_trader=True, outlet_name="Corner")
    upload = "\n".join([line("Aurora"), person, line("---"), line("Borealis", kind="pet")])
    answer = await api.post("/applications/imports", content=upload.encode(), headers=HEADERS)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    async with asyncio.timeout(60):
        while job["status"] not in ("done", "failed"):
            await asyncio.sleep(0.05)
            job = (await api.get(f"/applications/imports/{job['id']}")).json()
    assert (job["status"], job["accepted"], job["rejected"]) == ("done", 2, 2)
    told = [row.split(",")[:2] for row in (await api.get(job["errors"])).text.splitlines()[1:]]
    assert told == [["3", "legal_name"], ["4", "kind"]]
    found = (await api.get("/applications", params={"sort": "applied_at"})).json()["items"]
    assert len(found) == 2
    async with service.state.engine.acquire() as db:
        stored = await db.fetch("select data::text from event union all select data::text from import_piece")
        traces = await db.fetch("select traceparent from event where stream like 'application-%' and version = 1")
    assert not any("Jana" in row["data"] for row in stored)
    assert [row["traceparent"] for row in traces] == [TRACE, TRACE]
    again = await api.post("/applications/imports", content=upload.encode(), headers=HEADERS)
    assert again.json() == job
    assert len((await api.get("/applications")).json()["items"]) == 2
