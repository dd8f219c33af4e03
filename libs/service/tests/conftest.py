"""A small lending service on an engine in memory, and an issuer of tokens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from engine import Command, Context, Decider, Fact, Rejected, Send, Unknown
from engine.errors import Conflict, KeyReused, VersionNeeded
from engine.parking import ParkedStream, RetryResult
from engine.runtime import LogStatus, SubscriptionStatus
from engine.store import Loaded
from events import Event
from fastapi import APIRouter, FastAPI, Request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, Field
from service import (
    Handle,
    HandleMany,
    HandlePut,
    HandleSeen,
    Listing,
    NewId,
    Page,
    Read,
    Receipt,
    Settings,
    body_limit,
    create_app,
    history_of,
    listing,
    scope,
)

NOW = datetime(2026, 9, 15, 12, tzinfo=UTC)


class LoanOpened(Event, type="cauce.lending.LoanOpened.v1"):
    amount: Decimal


class LoanApproved(Event, type="cauce.lending.LoanApproved.v1"):
    by: str


class Open(Command):
    amount: Decimal = Field(gt=0)
    notes: tuple[str, ...] = ()


class Approve(Command):
    by: str


@dataclass(frozen=True)
class Loan:
    amount: Decimal | None = None
    approved_by: str | None = None


def decide(command: Command, loan: Loan, now: datetime) -> list[Any]:
    match command:
        case Open(amount=amount):
            if loan.amount is not None:
                return []
            if amount > 1000:
                raise Rejected(
                    "lending.amount_too_high",
                    highest=Decimal("1000.00"),
                    review_on=date(2026, 10, 1),
                    asked_at=now,
                    desk=UUID(int=7),
                    status="closed",
                )
            return [LoanOpened(amount=amount)]
        case Approve(by=by):
            if loan.amount is None:
                raise Unknown("lending.loan_unknown")
            if by == "broken":
                raise ZeroDivisionError("secret figures")
            return [] if loan.approved_by else [LoanApproved(by=by)]
        case _:
            raise AssertionError(command)


def evolve(loan: Loan, event: Any) -> Loan:
    match event:
        case LoanOpened(amount=amount):
            return replace(loan, amount=amount)
        case _:
            return replace(loan, approved_by=event.by)


LOANS: Decider[Any, Any, Any] = Decider("loan", decide, evolve, Loan, LoanOpened | LoanApproved)


class Rows:
    """A database that knows one view: every loan, by id."""

    def __init__(self, engine: MemoryEngine) -> None:
        self.engine = engine

    async def fetch(self, query: str, after: str | None, limit: int) -> list[dict[str, Any]]:
        ids = sorted(str(f.stream_id) for f in self.engine.facts if f.version == 1)
        return [{"loan_id": id} for id in ids if after is None or id > after][:limit]

    async def fetchval(self, query: str) -> int:
        return len({f.stream for f in self.engine.facts})

    async def fetchrow(self, query: str, id: UUID) -> dict[str, Any] | None:
        return next(({"loan_id": str(id)} for f in self.engine.facts if f.stream_id == id), None)


@dataclass
class MemoryEngine:
    facts: list[Fact[Any]] = field(default_factory=list)
    commands: dict[UUID, Receipt | Rejected] = field(default_factory=dict)
    requests: dict[UUID, bytes | None] = field(default_factory=dict)
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    parked_streams: list[ParkedStream] = field(default_factory=list)
    failure: Exception | None = None
    now: datetime = NOW
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    store: Any = field(default_factory=lambda: SimpleNamespace(deciders={"loan": LOANS}))

    def clock(self) -> datetime:
        return self.now

    async def migrate(self) -> None:
        self.calls.append(("migrate",))

    async def migrated(self) -> bool:
        self.calls.append(("migrated",))
        return ("migrate",) in self.calls

    async def start(self) -> None:
        self.calls.append(("start",))

    async def stop(self) -> None:
        self.calls.append(("stop",))

    def health(self) -> dict[str, str]:
        return self.missing

    async def handle(
        self,
        send: Send,
        context: Context,
        *,
        expected_version: int | None = None,
        command_id: UUID | None = None,
        request: bytes | None = None,
        only_creates: bool = False,
        also: tuple[Any, ...] = (),
    ) -> Receipt:
        if self.failure is not None:
            raise self.failure
        if command_id is not None and self.requests.setdefault(command_id, request) != request:
            raise KeyReused
        version = sum(f.stream == send.decider.stream(send.id) for f in self.facts)
        if only_creates and version:
            raise VersionNeeded(send.decider.stream(send.id), version)
        outcome = self._handle(send, context, expected_version, command_id)
        if isinstance(outcome, Rejected):
            raise outcome
        return outcome

    async def handle_many(
        self,
        sends: Sequence[Send],
        context: Context,
        *,
        command_ids: Sequence[UUID] | None = None,
        request: bytes | None = None,
    ) -> list[Receipt | Rejected]:
        ids = command_ids or [None] * len(sends)
        self.calls.append(("handle_many", len(sends)))
        return [self._handle(s, context, None, id) for s, id in zip(sends, ids, strict=True)]

    def _handle(
        self, send: Send, context: Context, expected: int | None, command_id: UUID | None
    ) -> Receipt | Rejected:
        if command_id is not None and command_id in self.commands:
            return self.commands[command_id]
        stream = send.decider.stream(send.id)
        before = [f.event for f in self.facts if f.stream == stream]
        if expected is not None and expected != len(before):
            raise Conflict(stream, expected=expected, actual=len(before))
        at = send.command.occurred_at or self.now
        outcome: Receipt | Rejected
        try:
            events = send.decider.decide(send.command, send.decider.fold(before), at)
        except Rejected as refusal:
            outcome = refusal
        else:
            for n, event in enumerate(events, len(before) + 1):
                self.facts.append(
                    Fact(
                        event, uuid4(), stream, n, len(self.facts) + 1, 1, at, self.now,
                        context.correlation_id, context.causation_id, context.actor, context.client,
                        context.on_behalf_of, context.traceparent, context.tracestate,
                    )
                )  # fmt: skip
            position = len(self.facts) if events else None
            outcome = Receipt(send.id, len(before) + len(events), position, tuple(e.event_type for e in events))
        if command_id is not None:
            self.commands[command_id] = outcome
        return outcome

    async def load(
        self,
        decider: Any,
        id: UUID,
        *,
        version: int | None = None,
        recorded_by: datetime | None = None,
        occurred_by: datetime | None = None,
    ) -> Loaded[Any]:
        found = [f.event for f in self.facts if f.stream == decider.stream(id)]
        found = found[:version] if recorded_by is None or recorded_by >= self.now else []
        return Loaded(decider.fold(found), len(found))

    async def history(self, decider: Any, id: UUID, *, after: int = 0, limit: int = 100) -> list[Fact[Any]]:
        return [f for f in self.facts if f.stream == decider.stream(id) and f.version > after][:limit]

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Rows]:
        if self.failure is not None:
            raise self.failure
        yield Rows(self)

    async def log(self) -> LogStatus:
        return LogStatus(1, len(self.facts), max(0, len(self.facts) - 1))

    async def published(self, position: int, wait: float) -> bool:
        self.calls.append(("published", position, wait))
        return position < len(self.facts)

    async def subscriptions(self) -> list[SubscriptionStatus]:
        return [SubscriptionStatus("lending.reminding", "lending", 3, len(self.parked_streams))]

    async def handled(self, subscription: str, wait: float, *, position: int | None = None) -> bool:
        if subscription != "lending.reminding":
            raise LookupError(subscription)
        self.calls.append(("handled", subscription, wait, position))
        return position == 1

    async def parked(self, subscription: str | None = None) -> list[ParkedStream]:
        return [p for p in self.parked_streams if subscription in (None, p.subscription)]

    async def retry(self, subscription: str, stream: str) -> RetryResult:
        return RetryResult(1, 2, "ValueError: no")

    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int:
        self.calls.append(("drop", subscription, stream, reason, actor))
        return 3

    async def backfill(self, reached: datetime | None, wait: float) -> datetime | None:
        self.calls.append(("backfill", reached, wait))
        return reached

    async def rebuild(self, view: str, progress: Callable[[int, int], None]) -> None:
        if view != "loans":
            raise LookupError(f"there is no view {view!r}")
        for done in range(0, len(self.facts) + 1):
            progress(done, len(self.facts))


class LoanView(BaseModel):
    loan_id: UUID


def lending_routes() -> APIRouter:
    router = APIRouter(prefix="/loans", tags=["loans"])

    @router.post("", status_code=201, dependencies=[scope("lending:write")])
    async def open(command: Open, id: NewId, handle: Handle) -> Receipt:
        """Opens a loan."""
        return await handle(LOANS, id, command)

    @router.get("", dependencies=[scope("lending:read")])
    async def list_(db: Read, page: Page) -> Listing[LoanView]:
        rows = await db.fetch("select ...", page.after, page.limit + 1)
        return listing(rows, page, key=lambda row: row["loan_id"], item=LoanView)

    @router.post("/{id}/approvals", status_code=201, dependencies=[scope("lending:decide")])
    async def approve(id: UUID, command: Approve, handle: Handle) -> Receipt:
        return await handle(LOANS, id, command)

    @router.post("/{id}/reviewed-approvals", status_code=201, dependencies=[scope("lending:decide")])
    async def approve_seen(id: UUID, command: Approve, handle: HandleSeen) -> Receipt:
        return await handle(LOANS, id, command)

    @router.put("/{id}", dependencies=[scope("lending:write")])
    async def put(id: UUID, command: Open, handle: HandlePut) -> Receipt:
        return await handle(LOANS, id, command)

    @router.post("/bulk", dependencies=[scope("lending:write"), body_limit(5000)])
    async def bulk(commands: list[Open], handle_many: HandleMany) -> list[dict[str, Any]]:
        outcomes = await handle_many([Send(LOANS, UUID(int=n), c) for n, c in enumerate(commands, 1)])
        return [{"refused": o.code} if isinstance(o, Rejected) else {"version": o.version} for o in outcomes]

    @router.post("/lines", dependencies=[scope("lending:write"), body_limit(5000)])
    async def lines(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    @router.get("/count", dependencies=[scope("lending:read")])
    async def count(db: Read) -> int:
        count: int = await db.fetchval("select count(*) ...")
        return count

    router.add_api_route("/{id}/history", history_of(LOANS), methods=["GET"], dependencies=[scope("lending:read")])
    return router


ALL_SCOPES = " ".join(f"lending:{verb}" for verb in ("read", "write", "decide", "ops"))


@dataclass
class Issuer:
    """Signs tokens with keys of every kind; its key set is the file `path`."""

    path: Path
    keys: dict[str, Any]

    def publish(self) -> None:
        self.path.write_text(json.dumps(KeySet(list(self.keys.values())).as_dict(private=False)))

    def token(
        self,
        key: Any = "ed",
        *,
        alg: str | None = None,
        header: dict[str, Any] | None = None,
        algorithms: list[str] | None = None,
        **claims: Any,
    ) -> str:
        """A good token, or as bad as the arguments make it; a claim that is None is left out."""
        signer = self.keys[key] if isinstance(key, str) else key
        alg = alg or {"ed": "Ed25519", "ec": "ES256", "rsa": "RS256"}[key]
        now = datetime.now(UTC)
        good = {
            "iss": "cauce-dev",
            "aud": "cauce",
            "sub": "ana",
            "client_id": "erp",
            "scope": ALL_SCOPES,
            "iat": now,
            "exp": now + timedelta(minutes=5),
        }
        kept = {name: value for name, value in (good | claims).items() if value is not None}
        return jwt.encode(
            {"alg": alg, "typ": "at+jwt", "kid": signer.kid} | (header or {}), kept, signer, algorithms or [alg]
        )


@pytest.fixture(autouse=True)
def logs_are_set_up_by_each_test_alone():
    """A level that an app was made with would keep lines from whatever test this process runs next."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def signing_keys() -> dict[str, Any]:
    return {
        "ed": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
        "ec": ECKey.generate_key("P-256", {"kid": "ec"}),
        "rsa": RSAKey.generate_key(2048, {"kid": "rsa"}),
    }


@pytest.fixture
def issuer(tmp_path: Path, signing_keys: dict[str, Any]) -> Issuer:
    issuer = Issuer(tmp_path / "jwks.json", dict(signing_keys))
    issuer.publish()
    return issuer


@pytest.fixture
def engine() -> MemoryEngine:
    return MemoryEngine()


@pytest.fixture
def settings(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    def make(**values: Any) -> Settings:
        return Settings(
            **{"postgres_url": "postgresql://x", "kafka_bootstrap": "x:1", "jwks": str(issuer.path)} | values
        )

    return make


@pytest.fixture
def make_app(engine: MemoryEngine, settings: Callable[..., Settings]) -> Callable[..., FastAPI]:
    def make(*routers: APIRouter, **values: Any) -> FastAPI:
        routes = list(routers) or [lending_routes()]
        return create_app("lending", settings(**values), routes=routes, deciders=[LOANS], engine=engine)

    def again(*routers: APIRouter, **values: Any) -> FastAPI:
        """Another process of the same service: the same facts, metrics of its own."""
        routes = list(routers) or [lending_routes()]
        other = replace(engine, registry=CollectorRegistry())
        return create_app("lending", settings(**values), routes=routes, deciders=[LOANS], engine=other)

    make.again = again  # type: ignore[attr-defined]
    return make


@pytest.fixture
async def connect(issuer: Issuer) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:

        def make(app: FastAPI, token: str | None = "", **headers: str) -> httpx.AsyncClient:
            """A client with a good token, with the given one, or (None) with none."""
            if token is not None:
                headers["Authorization"] = f"Bearer {token or issuer.token()}"
            transport = httpx.ASGITransport(app)
            client = httpx.AsyncClient(transport=transport, base_url="http://lending", headers=headers)
            stack.push_async_callback(client.aclose)
            return client

        yield make


@pytest.fixture
def client(make_app: Callable[..., FastAPI], connect: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return connect(make_app())


@pytest.fixture
def lending() -> SimpleNamespace:
    return SimpleNamespace(
        now=NOW, loans=LOANS, routes=lending_routes, all_scopes=ALL_SCOPES, Open=Open, Approve=Approve, Send=Send
    )
