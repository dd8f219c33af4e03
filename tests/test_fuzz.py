"""Every operation of every service is asked things that fit its OpenAPI document and things that do not, with a token
that may do everything: no 5xx, no status and no code that the document does not have, no answer of another shape.

CAUCE_FUZZ_EXAMPLES: how many requests an operation gets of either kind (3).
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import os
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
import schemathesis
import uvicorn
from devstack import ports
from devstack.fixtures import Databases
from devstack.issuer import Issuer
from devstack.services import SERVICES
from engine import Context, Send
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings, strategies
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from service import server
from service.examples import FORMATS
from service.server import HEAD_LIMIT

T = TypeVar("T")
pytestmark = pytest.mark.filterwarnings(
    # schemathesis does, to mix wrong things
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
EXAMPLES = int(os.environ.get("CAUCE_FUZZ_EXAMPLES", "3"))
START = 60.0
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
VERBS = ("read", "write", "decide", "backfill", "ops", "personal")
PARTNER = UUID(int=4711)


class Named(dict[str, str]):
    """What examples call things; all else is of no importance."""

    def __missing__(self, name: str) -> str:
        return str(PARTNER)


NAMED = Named(code="example", period="2025", item="premises_approved", kind="franchisee", format="example", area="ES")
LAWS = Named(code="ES", number="1")
"""What contract-svc calls things: its codes are those of jurisdictions."""


@dataclass
class Served:
    """A service on a port of its own, in a thread and a loop of its own."""

    app: FastAPI
    port: int
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    started: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.server = uvicorn.Server(server.config(self.app))
        self.thread = threading.Thread(target=self._run, name="served")
        self.thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        await self.app.state.engine.migrate()
        serving = asyncio.create_task(self.server.serve())
        while not self.server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        self.started.set()
        await serving

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(START)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(START)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def served(
    request: pytest.FixtureRequest,
    databases: Databases,
    kafka: str,
    topic_prefix: str,
    issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Served]:
    port = ports.free()[0]
    for name, value in {
        "POSTGRES_URL": databases.create(),
        "KAFKA_BOOTSTRAP": kafka,
        "TOPIC_PREFIX": topic_prefix,
        "JWKS": str(issuer.jwks),
        "PORT": str(port),
        "RATE": "100000",
        "BURST": "100000",
        "LOG_LEVEL": "error",
        "SEALING_KEYS": f"2026={base64.b64encode(bytes(32)).decode()}",
    }.items():
        monkeypatch.setenv(f"CAUCE_{name}", value)
    running = Served(importlib.import_module(f"{request.param}.app").app(), port)
    assert running.started.wait(START)
    yield running
    running.stop()


def seeded(served: Served, document: dict[str, Any], client: httpx.Client) -> Counter[str]:
    """Does what the document's own examples say, definitions first and ends last, so that there is something to ask
    for. Where that decides on what one has looked at, it is looked at."""
    named = NAMED
    if served.app.state.service == "contract":
        named = LAWS
        for send in contract_in_force():
            served.do(served.app.state.engine.handle(send, Context("me")))
    if "known_partners" in served.app.state.tables:
        served.do(registered(served, UUID(FORMATS["uuid"])))
    seen: Counter[str] = Counter()
    for method in ("put", "post"):
        for path, operations in sorted(document["paths"].items(), key=lambda each: each[0].endswith("/retirement")):
            content = operations.get(method, {}).get("requestBody", {}).get("content", {})
            if not path.startswith("/backfill") and "application/json" in content:
                ids = {name: found[0] for name, found in known(document, client).items() if name.endswith("_id")}
                at, body = path.format_map(Named(named, **ids)), content["application/json"]["example"]
                answer = client.request(method, at, json=body)
                if answer.status_code == httpx.codes.PRECONDITION_REQUIRED:
                    looked_at = client.get(at.rpartition("/")[0]).headers
                    if "etag" in looked_at:
                        answer = client.request(method, at, json=body, headers={"If-Match": looked_at["etag"]})
                assert answer.status_code < 500, (method, path, answer.text)
                told = answer.json()
                seen[told["detail"] if told.get("code") == "request_invalid" else told.get("code") or "done"] += 1
    return seen


async def registered(served: Served, partner_id: UUID) -> None:
    """As if partner-svc had said so."""
    async with served.app.state.engine.acquire() as db:
        await db.execute("insert into known_partners (partner_id) values ($1)", partner_id)


def contract_in_force() -> Iterator[Send]:
    """A negotiation, and a contract with a breach, all of one id."""
    from contract.domain.breach import NoticeBreach
    from contract.domain.contract import DraftContract, contracts
    from contract.domain.negotiation import OpenNegotiation, negotiations
    from contract.domain.shipped import SHIPPED
    from contract.domain.signature import SignContract
    from contract.domain.standing import PARTIES
    from contract.domain.term import BringIntoForce
    from events.contract import ContractTerms

    yield Send(negotiations, PARTNER, OpenNegotiation(partner_id=PARTNER))
    terms = {"jurisdiction": "NONE", "grants": [{"area": "ES"}], "royalties": [{"percent": "5"}]}
    agreed = ContractTerms.model_validate(terms)
    draft = DraftContract(contract_id=PARTNER, partner_id=PARTNER, terms=agreed, rules=SHIPPED["NONE"])
    notice = NoticeBreach(breach_id=PARTNER, ground="noncompliance", reasons=("Dirty.",), rules=SHIPPED["NONE"])
    signing = (SignContract(party=party) for party in PARTIES)
    for command in (draft, *signing, BringIntoForce(), notice):
        yield Send(contracts, PARTNER, command)


def known(document: dict[str, Any], client: httpx.Client) -> dict[str, list[str]]:
    """Values of path parameters that lists show."""
    found: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        if "get" in operations and "{" not in path and path not in ("/metrics", "/log/published"):
            for item in client.get(path).json().get("items", []):
                for name, value in item.items():
                    if isinstance(value, str):
                        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("served", [service.name for service in SERVICES], indirect=True)
def test_whatever_is_asked_is_answered_as_the_document_says(
    served: Served, issuer: Issuer, record_property: Any
) -> None:
    service = served.app.state.service
    token = issuer.mint("fuzzer", [f"{service}:{verb}" for verb in VERBS])
    headers = {"Authorization": f"Bearer {token}"}
    document = served.app.openapi()
    with httpx.Client(base_url=served.url, headers=headers, timeout=60) as client:
        seeds = seeded(served, document, client)
        values = known(document, client)
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    statuses: Counter[int] = Counter()
    wrong: list[str] = []
    operations: list[Any] = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]

    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                fuzz(strategy, headers, values, statuses, seed_of=f"{operation.label}{mode}")
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # of an operation that takes nothing
            except BaseExceptionGroup as group:
                wrong += [f"{operation.label}: {each}" for each in group.exceptions]
            except AssertionError as error:
                wrong.append(f"{operation.label}: {error}")
    record_property("operations", len(operations))
    record_property("requests", statuses.total())
    print(
        f"{service}: {len(operations)} operations, seeds {dict(seeds)}, {statuses.total()} requests: {dict(statuses)}"
    )
    assert wrong == []
    assert statuses.total() >= len(operations) * EXAMPLES
    assert statuses[200] + statuses[201] > len(operations) / 4


def fuzz(
    strategy: Any, headers: dict[str, str], values: dict[str, list[str]], statuses: Counter[int], seed_of: str
) -> None:
    @seed(seed_of)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, pick=strategies.integers(0, 99))
    def ask(case: Any, pick: int) -> None:
        if case.query:
            case.query.pop("wait", None)  # it would
        for name in list(case.path_parameters or {}):
            there = values.get(name if name != "id" else "partner_id", [])
            if there and pick % 3:
                case.path_parameters[name] = quote(there[pick % len(there)], safe="")
        answer = case.call(headers=headers)
        statuses[answer.status_code] += 1
        if answer.status_code == 400 and len(str(answer.request.url)) > HEAD_LIMIT:
            return  # longer than any head may be, which is for the server to say and for no operation
        documented = str(answer.status_code) in case.operation.definition.raw["responses"]
        assert documented, f"{answer.status_code} to {str(answer.request.url)[:300]}: {answer.text[:300]}"
        case.validate_response(answer, checks=CHECKS)
        if answer.status_code >= 400:
            described = case.operation.definition.raw["responses"][str(answer.status_code)]
            code = answer.json()["code"]
            assert code in described["x-problem-codes"], f"{answer.status_code} {code} is not documented: {answer.text}"

    ask()
