"""Routes that every service has: probes, metrics, its log, its subscriptions, parked streams, backfill, as-of reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeVar
from uuid import UUID

from engine import Decider, Unknown
from engine.runtime import Engine
from fastapi import APIRouter, Depends, Query
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from service.access import scope
from service.paging import Listing, Page, Window, listing
from service.problems import RETRY_AFTER, ProblemError

OPEN = frozenset({"/livez", "/readyz", "/metrics"})
"""The only routes without a scope: probes and scrapers carry no token, and learn nothing about the business."""

Wait = Annotated[float, Query(ge=0, le=30, description="Seconds to wait for it.")]


async def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


TheEngine = Annotated[Engine, Depends(_engine)]
T = TypeVar("T", bound=BaseModel)


def _paged(things: Iterable[Any], page: Window, key: Callable[[Any], str], item: type[T]) -> Listing[T]:
    """A page of what is not in a table: it is few, and all of it is at hand."""
    rows = sorted((asdict(each) for each in things), key=key)
    behind = [row for row in rows if page.after is None or key(row) > page.after]
    return listing(behind[: page.limit + 1], page, key=key, item=item)


class Alive(BaseModel):
    status: str = "ok"


class Log(BaseModel):
    """Positions up to `published` are final and on the topic; `head` is the highest there is."""

    model_config = ConfigDict(from_attributes=True)

    incarnation: int
    head: int
    published: int


class Reached(BaseModel):
    reached: bool = Field(description="Whether it was so within the wait.")


class Subscription(BaseModel):
    name: str
    source: str
    lag: int = Field(description="Events that it has not handled yet.")
    parked: int = Field(description="Streams of it that are parked.")


class Parked(BaseModel):
    subscription: str
    stream: str
    reason: str
    since: AwareDatetime
    events: int


class Retried(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    handled: int
    remaining: int
    error: str | None = Field(description="Why the stream is still parked; null when it is not.")


class Drop(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500, description="Why these events need no effect; it is recorded.")


class Dropped(BaseModel):
    events: int


class Backfill(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reached: AwareDatetime = Field(description="The business time that the backfill has reached; timers fire up to it.")


class BackfillReached(BaseModel):
    reached: AwareDatetime | None = Field(description="How far timers have fired; null: they go by the wall clock.")


class Aggregate(BaseModel):
    stream: str
    version: int
    state: dict[str, Any]


def routers(service: str, deciders: Sequence[Decider[Any, Any, Any]]) -> list[APIRouter]:
    return [
        _probes(),
        _log(service),
        _subscriptions(service),
        _parked(service),
        _backfill(service),
        _streams(service, deciders),
    ]


def _probes() -> APIRouter:
    router = APIRouter(tags=["probes"])

    @router.get("/livez")
    async def livez() -> Alive:
        """The process answers."""
        return Alive()

    @router.get("/readyz")
    async def readyz(engine: TheEngine, request: Request) -> Alive:
        """The service can do its work, and will go on with it; 503 says what is missing."""
        missing = {"server": "was told to stop"} if request.app.state.leaving else engine.health()
        if missing:
            told = "; ".join(f"{part}: {why}" for part, why in missing.items())
            raise ProblemError(503, "not_ready", f"{told}.", headers=RETRY_AFTER, missing=missing)
        return Alive()

    @router.get("/metrics", response_class=Response)
    async def metrics(engine: TheEngine) -> Response:
        """For Prometheus."""
        return Response(generate_latest(engine.registry), media_type=CONTENT_TYPE_LATEST)

    return router


def _log(service: str) -> APIRouter:
    router = APIRouter(prefix="/log", tags=["log"], dependencies=[scope(f"{service}:read")])

    @router.get("")
    async def status(engine: TheEngine) -> Log:
        """How far the log is, and how far it is published."""
        log = await engine.log()
        return Log(incarnation=log.incarnation, head=log.head, published=log.final)

    @router.get("/published")
    async def published(
        engine: TheEngine,
        position: Annotated[int, Query(ge=0, le=2**63 - 1, description="Of the log, as a receipt gives it.")],
        wait: Wait = 0,
    ) -> Reached:
        """Whether the event at this position (and all before it) is on the topic; waits for it."""
        return Reached(reached=await engine.published(position, wait))

    return router


def _subscriptions(service: str) -> APIRouter:
    router = APIRouter(prefix="/subscriptions", tags=["subscriptions"], dependencies=[scope(f"{service}:read")])

    @router.get("")
    async def list_(engine: TheEngine, page: Page) -> Listing[Subscription]:
        """Policies and views that follow a log, and how far behind they are, a page at a time."""
        return _paged(await engine.subscriptions(), page, lambda row: f"{row['name']}/{row['source']}", Subscription)

    @router.get("/{name}/handled")
    async def handled(
        engine: TheEngine,
        name: str,
        position: Annotated[
            int | None, Query(ge=0, le=2**63 - 1, description="Of the own log, as a receipt gives it.")
        ] = None,
        wait: Wait = 0,
    ) -> Reached:
        """Whether a subscription has handled its own service's log through `position`, or, for another service's
        topic, all that was published before this call; waits for it."""
        try:
            return Reached(reached=await engine.handled(name, wait, position=position))
        except LookupError:
            raise Unknown(f"{service}.subscription_unknown", name=name) from None

    return router


def _parked(service: str) -> APIRouter:
    router = APIRouter(prefix="/parked-streams", tags=["parked-streams"], dependencies=[scope(f"{service}:ops")])

    @router.get("")
    async def list_(
        engine: TheEngine,
        page: Page,
        subscription: Annotated[str | None, Query(description="Only those of this subscription.")] = None,
    ) -> Listing[Parked]:
        """Streams whose events a subscription could not handle, and why, a page at a time."""
        parked = await engine.parked(subscription)
        return _paged(parked, page, lambda row: f"{row['subscription']}/{row['stream']}", Parked)

    async def known(engine: TheEngine, subscription: str, stream: str) -> None:
        if stream not in {each.stream for each in await engine.parked(subscription)}:
            raise Unknown(f"{service}.parked_stream_unknown", subscription=subscription, stream=stream)

    @router.post("/{subscription}/{stream}/retry", dependencies=[Depends(known)])
    async def retry(engine: TheEngine, subscription: str, stream: str) -> Retried:
        """Handles the parked events again, in order, until one fails."""
        return Retried.model_validate(await engine.retry(subscription, stream))

    @router.post("/{subscription}/{stream}/drop", dependencies=[Depends(known)])
    async def drop(engine: TheEngine, subscription: str, stream: str, body: Drop, request: Request) -> Dropped:
        """Gives the parked events up, with a reason that is recorded."""
        actor = (await request.scope["cauce.exchange"].authenticated()).subject
        return Dropped(events=await engine.drop(subscription, stream, body.reason, actor))

    retry.cauce_refusals = drop.cauce_refusals = {"{service}.parked_stream_unknown": 404}  # type: ignore[attr-defined]
    return router


def _backfill(service: str) -> APIRouter:
    router = APIRouter(prefix="/backfill", tags=["backfill"], dependencies=[scope(f"{service}:backfill")])

    @router.put("")
    async def reach(engine: TheEngine, body: Backfill, wait: Wait = 0) -> BackfillReached:
        """While history is brought in, timers go by the business time that it has reached, not by the wall clock."""
        return BackfillReached(reached=await engine.backfill(body.reached, wait))

    @router.delete("")
    async def end(engine: TheEngine, wait: Wait = 0) -> BackfillReached:
        """History is in: timers go by the wall clock again."""
        return BackfillReached(reached=await engine.backfill(None, wait))

    return router


def _streams(service: str, deciders: Sequence[Decider[Any, Any, Any]]) -> APIRouter:
    router = APIRouter(prefix="/streams", tags=["streams"], dependencies=[scope(f"{service}:read")])
    by_category = {decider.category: decider for decider in deciders}

    @router.get("/{category}/{id}")
    async def read(
        engine: TheEngine,
        request: Request,
        category: str,
        id: UUID,
        version: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="As it was at this version.")] = None,
        recorded_by: Annotated[AwareDatetime | None, Query(description="As the log knew it then.")] = None,
    ) -> Aggregate:
        """An aggregate's state now, at a version, or as the log knew it at a recorded time."""
        decider = by_category.get(category)
        if decider is None:
            raise Unknown(f"{service}.category_unknown", category=category, categories=sorted(by_category))
        loaded = await engine.load(decider, id, version=version, recorded_by=recorded_by)
        if loaded.version == 0 or (version is not None and loaded.version < version):
            raise Unknown(f"{service}.{category}_unknown", id=id)
        request.scope["cauce.exchange"].version = loaded.version
        state = decider.state_adapter.dump_python(loaded.state, mode="json")
        return Aggregate(stream=decider.stream(id), version=loaded.version, state=state)

    unknown = {"{service}.category_unknown": 404} | {f"{{service}}.{each}_unknown": 404 for each in by_category}
    read.cauce_refusals = unknown  # type: ignore[attr-defined]
    return router
