"""The app of a service: everything that it is made of is in sight in one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from engine import Decider, Policy, Process, View
from fastapi import APIRouter, FastAPI, params
from fastapi.routing import RouteContext, iter_route_contexts

from service import logs, openapi, ops, problems
from service._engine import Engine
from service.access import Access, Scoped
from service.exchange import Edge
from service.keys import Keys
from service.limits import BodyLimit
from service.metrics import RequestMetrics
from service.settings import Settings

log = structlog.get_logger()

MakeEngine = Callable[..., Engine]


class UnsafeRoute(TypeError):
    """A route that may not be served as it is written."""


def create_app(
    service: str,
    settings: Settings,
    *,
    routes: Sequence[APIRouter],
    deciders: Sequence[Decider[Any, Any, Any]],
    views: Sequence[View] = (),
    policies: Sequence[Policy | Process[Any]] = (),
    title: str | None = None,
    description: str = "",
    engine: Engine | None = None,
) -> FastAPI:
    """The service as an ASGI app. Its engine starts and stops with it.

    Raises UnsafeRoute for a route without a scope, and where two routes would have one name in the OpenAPI.
    `engine` is for those who have one already.
    """
    logs.configure(service, settings.log_level)
    if engine is None:
        engine = _engine(service, settings, deciders=deciders, views=views, policies=policies)
    app = FastAPI(
        title=title or f"Cauce {service}",
        description=description,
        version="1",
        lifespan=_lifespan,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.service = service
    app.state.engine = engine
    app.state.settings = settings
    for router in (ops.open_router(), ops.router(service, deciders), *routes):
        app.include_router(router)
    contexts = list(iter_route_contexts(app.routes))
    _check(contexts)
    problems.install(app)
    openapi.install(app)
    app.add_middleware(
        Edge,
        access=Access(Keys(settings.jwks), settings.issuer, settings.audience),
        metrics=RequestMetrics(engine.registry),
        limits={c.endpoint: limit.size for c in contexts for limit in _marks(c, BodyLimit)},
        body_limit=settings.body_limit,
        request_timeout=settings.request_timeout,
    )
    return app


def _engine(service: str, settings: Settings, **parts: Any) -> Engine:
    from engine.runtime import Engine as RealEngine

    return RealEngine(
        service,
        postgres_url=settings.postgres_url,
        kafka_bootstrap=settings.kafka_bootstrap,
        role=settings.role,
        topic_prefix=settings.topic_prefix,
        **parts,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine: Engine = app.state.engine
    await engine.start()
    log.info("started", role=app.state.settings.role)
    try:
        yield
    finally:
        await engine.stop()
        log.info("stopped")


def _check(contexts: Sequence[RouteContext]) -> None:
    names: dict[str, str] = {}
    for context in contexts:
        path, endpoint = context.path or "", context.endpoint
        where = f"{' '.join(sorted(context.methods or ()))} {path}"
        if not hasattr(context, "dependencies"):
            if path not in openapi.DOCS:
                raise UnsafeRoute(f"{where} is not an API route: it cannot have a scope")
            continue
        if path not in ops.OPEN and not any(True for _ in _marks(context, Scoped)):
            raise UnsafeRoute(
                f"{where} has no scope: whoever has any token could call it. "
                'Give it one: dependencies=[scope("<service>:read")].'
            )
        needed = getattr(endpoint, "cauce_path", "")
        if needed not in path:
            raise UnsafeRoute(f"{where} needs {needed} in its path, as its endpoint reads it")
        if context.include_in_schema and names.setdefault(context.unique_id, where) != where:
            raise UnsafeRoute(f"{where} and {names[context.unique_id]} are both called {context.unique_id}: rename one")


def _marks(context: RouteContext, kind: type[Any]) -> list[Any]:
    """The dependencies of a kind that a route declares, on itself or on its router."""
    if not hasattr(context, "dependencies"):
        return []
    depends: Sequence[params.Depends] = context.dependencies
    return [d.dependency for d in depends if isinstance(d.dependency, kind)]
