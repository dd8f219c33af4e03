"""The five services as processes of their own, on databases and topics of the test's own."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from devstack import ports
from devstack.child import Child
from devstack.fixtures import Databases
from devstack.issuer import Issuer, scopes_of

from sample.services import URLS, Service, connect

ROOT = Path(__file__).parents[2]
START = 60.0


@dataclass
class Running:
    """The services' processes, and the services as a user with a token sees them."""

    children: dict[str, Child]
    services: dict[str, Service]
    environment: dict[str, str]

    async def kill(self, name: str) -> None:
        """SIGKILL, and started again as a supervisor would."""
        await asyncio.to_thread(self.children[name].kill)
        self.children[name].start()

    async def ready(self) -> None:
        deadline = asyncio.get_running_loop().time() + START
        for name, service in self.services.items():
            while not await _is_ready(service):
                assert self.children[name].alive(), f"{name} died: {self.children[name].log.read_text()[-2000:]}"
                assert asyncio.get_running_loop().time() < deadline, f"{name} is not ready"
                await asyncio.sleep(0.1)


async def _is_ready(service: Service) -> bool:
    try:
        return (await service.client.get("/readyz")).is_success
    except httpx.TransportError:
        return False


@pytest.fixture
async def running(
    databases: Databases, kafka: str, topic_prefix: str, issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    token = issuer.mint("sample", scopes_of("backfill"))
    shared = {
        "CAUCE_KAFKA_BOOTSTRAP": kafka,
        "CAUCE_TOPIC_PREFIX": topic_prefix,
        "CAUCE_JWKS": str(issuer.jwks),
        "CAUCE_SEALING_KEYS": issuer.sealing_keys(),
        "CAUCE_LOG_LEVEL": "warning",
    }
    running = Running({}, {}, {**shared, "CAUCE_TOKEN_FILE": str(tmp_path / "token")})
    (tmp_path / "token").write_text(token)
    for variable, value in shared.items():
        monkeypatch.setenv(variable, value)
    for name, port in zip(URLS, ports.free(len(URLS)), strict=True):
        own = {**shared, "CAUCE_POSTGRES_URL": databases.create(), "CAUCE_PORT": str(port)}
        monkeypatch.setenv("CAUCE_POSTGRES_URL", own["CAUCE_POSTGRES_URL"])
        await importlib.import_module(f"{name}.app").app().state.engine.migrate()
        command = [sys.executable, "-m", "service", "run", name]
        running.children[name] = Child(name, command, log=tmp_path / f"{name}.log", env=os.environ | own, cwd=ROOT)
        running.services[name] = connect(name, f"http://127.0.0.1:{port}", token)
    try:
        for child in running.children.values():
            child.start()
        await running.ready()
        yield running
    finally:
        for service in running.services.values():
            await service.client.aclose()
        for child in running.children.values():
            child.kill()
