"""A client that a stranger generates from the OpenAPI document does what the document promises."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from devstack.issuer import Issuer, scopes_of
from devstack.serving import Serve
from fastapi import FastAPI

APPLICATION = {"legal_name": "Aurora Retail", "kind": "franchisee", "area": "US-AK", "outlet_name": "Aurora Main"}


@pytest.fixture
async def partner(serve: Serve) -> FastAPI:
    return await serve(importlib.import_module("partner.app").app)


@pytest.fixture
def generated(partner: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    document, into = tmp_path / "openapi.json", tmp_path / "made"
    document.write_text(json.dumps(partner.openapi()))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"package_name_override": "partner_client", "post_hooks": []}))
    generate = ["--path", str(document), "--config", str(config), "--output-path", str(into), "--meta", "setup"]
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *generate], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "WARNING" not in made.stdout.upper(), made.stdout
    monkeypatch.syspath_prepend(str(into))
    yield importlib.import_module("partner_client")
    for name in [name for name in sys.modules if name.partition(".")[0] == "partner_client"]:
        del sys.modules[name]


async def test_a_generated_client_applies_lists_reads_and_decides(
    partner: FastAPI, generated: ModuleType, issuer: Issuer
) -> None:
    import httpx

    client = generated.AuthenticatedClient(
        base_url="http://partner", token=issuer.mint("erp", scopes_of("channel-manager"))
    )
    transport = httpx.ASGITransport(partner)
    headers = {"Authorization": f"Bearer {client.token}"}
    client.set_async_httpx_client(httpx.AsyncClient(transport=transport, base_url="http://partner", headers=headers))
    models = importlib.import_module("partner_client.models")

    def api(name: str) -> ModuleType:
        return importlib.import_module(f"partner_client.api.applications.applications_{name}")

    applied = await api("apply").asyncio(
        client=client, body=models.ApplicationContent.from_dict(APPLICATION), idempotency_key="erp-1"
    )
    assert applied.version == 1
    listed = await api("list_applications").asyncio(client=client, sort="-applied_at", limit=10)
    (row,) = listed.items
    assert (row.application_id, row.legal_name, str(row.status)) == (applied.id, "Aurora Retail", "applied")
    read = await api("read_application").asyncio_detailed(row.application_id, client=client)
    seen = read.headers["etag"]
    declined = await api("decline_application").asyncio(
        row.application_id,
        client=client,
        body=models.DeclineApplication.from_dict({"reason": "Too near to another."}),
        if_match=seen,
    )
    assert declined.version == 2
    refused = await api("withdraw_application").asyncio_detailed(
        row.application_id, client=client, body=models.WithdrawApplication.from_dict({})
    )
    assert (int(refused.status_code), refused.parsed.code) == (409, "partner.application_closed")
    assert isinstance(refused.parsed, models.Problem)
    history = await api("application_history").asyncio(row.application_id, client=client)
    assert [each.type_ for each in history.items] == [
        "cauce.partner.PartnerApplied.v1",
        "cauce.partner.ApplicationDeclined.v1",
    ]
