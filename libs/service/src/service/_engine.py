"""What the kit asks of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from engine import Context, Decider, Fact, Receipt, Rejected, Send
from prometheus_client import CollectorRegistry

S = TypeVar("S")


@dataclass(frozen=True)
class Loaded(Generic[S]):
    state: S
    version: int


@dataclass(frozen=True, slots=True)
class LogStatus:
    incarnation: int
    head: int
    final: int


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    name: str
    source: str
    lag: int
    parked: int


@dataclass(frozen=True, slots=True)
class ParkedStream:
    subscription: str
    stream: str
    reason: str
    since: datetime
    events: int


@dataclass(frozen=True, slots=True)
class RetryResult:
    handled: int
    remaining: int
    error: str | None


class Engine(Protocol):
    clock: Callable[[], datetime]
    registry: CollectorRegistry

    async def migrate(self) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def health(self) -> dict[str, str]: ...
    async def handle(
        self, send: Send, context: Context, *, expected_version: int | None = None, command_id: UUID | None = None
    ) -> Receipt: ...
    async def handle_many(
        self, sends: Sequence[Send], context: Context, *, command_ids: Sequence[UUID] | None = None
    ) -> list[Receipt | Rejected]: ...
    async def load(
        self,
        decider: Decider[Any, S, Any],
        id: UUID,
        *,
        version: int | None = None,
        recorded_by: datetime | None = None,
    ) -> Loaded[S]: ...
    async def history(
        self, decider: Decider[Any, Any, Any], id: UUID, *, after: int = 0, limit: int = 100
    ) -> list[Fact[Any]]: ...
    def acquire(self) -> AbstractAsyncContextManager[Any]: ...
    async def log(self) -> LogStatus: ...
    async def published(self, position: int, wait: float) -> bool: ...
    async def subscriptions(self) -> list[SubscriptionStatus]: ...
    async def handled(self, subscription: str, wait: float, *, position: int | None = None) -> bool: ...
    async def parked(self, subscription: str | None = None) -> list[ParkedStream]: ...
    async def retry(self, subscription: str, stream: str) -> RetryResult: ...
    async def drop(self, subscription: str, stream: str, reason: str, actor: str) -> int: ...
    async def backfill(self, reached: datetime | None, wait: float) -> datetime | None: ...
    async def rebuild(self, view: str, progress: Callable[[int, int], None]) -> None: ...
