"""The app of a service: everything that it is made of is in sight in one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from engine import Decider, Policy, Process, PublicState, View
from engine.runtime import Engine, Tuning
from events import INTAKES
from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from service import jobs as asked_jobs
from service import logs, openapi, ops, problems
from service.access import Access, Tokens
from service.exchange import Edge
from service.imports import SCHEMA as IMPORT_TABLES
from service.imports import Import, Worker
from service.jobs import Job
from service.kept_messages import kept_messages
from service.keys import Keys
from service.metrics import RequestMetrics
from service.partners import tables_of
from service.rate import Rate
from service.roles import roles
from service.routing import mount
from service.sealing import vault
from service.settings import Settings
from service.topic_intake import SCHEMA as INTAKE_TABLES
from service.topic_intake import TopicIntake

log = structlog.get_logger()

TELEMETRY: TelemetryConfig = {
    "auto_configure": True,  # where OTEL_EXPORTER_OTLP_ENDPOINT says so, and nothing otherwise
    "operation_spans": False,
    "logs": False,  # they would have the text of exceptions, and so what people wrote
    "metrics": False,  # Prometheus has them
    "exclude": lambda scope: scope["path"] in ops.OPEN,
}
"""A span a request, by FastAPI, if there is an SDK."""


def create_app(
    service: str,
    settings: Settings,
    *,
    routes: Sequence[APIRouter],
    deciders: Sequence[Decider[Any, Any, Any]],
    views: Sequence[View] = (),
    policies: Sequence[Policy | Process[Any]] = (),
    states: Sequence[PublicState[Any]] = (),
    sealing: bool = False,
    imports: Sequence[Import[Any]] = (),
    takes_in: Sequence[Import[Any]] = (),
    jobs: Sequence[Job[Any, Any, Any]] = (),
    title: str | None = None,
    description: str = "",
    engine: Engine | None = None,
) -> FastAPI:
    """The service as an ASGI app. Its engine starts and stops with it.

    Raises UnsafeRoute for a route without a scope, and where two routes would have one name in the OpenAPI.
    `sealing`: it keeps personal data, and does not start without CAUCE_SEALING_KEYS. `engine` is for those who have one
    already. `takes_in`: what messages of the service's intake topic may be.
    `jobs`: questions that are answered by and by.
    """
    logs.configure(service, settings.log_level)
    if engine is None:
        engine = Engine(
            service,
            postgres_url=settings.postgres_url,
            kafka_bootstrap=settings.kafka,
            role=settings.role,
            topic_prefix=settings.topic_prefix,
            deciders=deciders,
            views=views,
            policies=policies,
            states=states,
            tuning=Tuning(replication=settings.kafka_replication),
        )
    app = FastAPI(
        title=title or f"Cauce {service}",
        description=description,
        version="1",
        lifespan=_lifespan,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=TELEMETRY,
    )
    # Not by FastAPI's parameter or uvicorn's, which have it in every path: a path is a part of what an Idempotency-Key
    # names, and is to stay the same behind a proxy and without one.
    app.root_path = settings.root_path
    if imports:
        engine.tables += IMPORT_TABLES
    if jobs:
        engine.tables += asked_jobs.SCHEMA
    if takes_in:
        engine.tables += INTAKE_TABLES
        engine.topics = [INTAKES[service]]
    app.state.service = service
    app.state.engine = engine
    app.state.settings = settings
    app.state.leaving = False  # told to stop, and answering on for a while
    app.state.sealing = sealing
    app.state.vault = vault(settings) if sealing and settings.sealing_keys else None
    app.state.tables = tables_of(views)
    app.state.imports = Worker(app, imports) if imports else None
    app.state.jobs = asked_jobs.Worker(app, jobs) if jobs else None
    app.state.intake = TopicIntake(app, takes_in) if takes_in else None
    kept = [kept_messages(service)] if takes_in else []
    mounted = mount(app, [*routes, *kept, *ops.routers(service, deciders)], open=ops.OPEN)
    problems.install(app)
    openapi.install(app, mounted)
    metrics = RequestMetrics(service, engine.registry)
    metrics.watch_readiness(lambda: not ops.missing_of(app))
    app.add_middleware(
        Edge,
        service=service,
        engine=engine,
        access=_access(service, settings),
        lines=logs.AccessLog(service, settings.log_level, quiet=ops.OPEN),
        metrics=metrics,
        body_limit=settings.body_limit,
        request_timeout=settings.request_timeout,
        rate=Rate(settings.rate, settings.burst),
    )
    return app


def _access(service: str, settings: Settings) -> Access:
    tokens = Tokens(
        settings.issuer, settings.audience, settings.token_type, settings.roles_claim, roles(settings.roles)
    )
    return Access(Keys(settings.jwks, issuer=settings.issuer), tokens, service)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    engine: Engine = app.state.engine
    try:
        if app.state.sealing:
            vault(app.state.settings)  # what only looks into a service needs no keys
        await engine.start()
    except Exception as error:
        log.critical("not_started", why=f"{type(error).__name__}: {error}")
        raise
    if app.state.imports is not None and app.state.settings.role != "api":
        engine.background("imports", app.state.imports.run())
    if app.state.jobs is not None and app.state.settings.role != "api":
        engine.background("jobs", app.state.jobs.run())
    if app.state.intake is not None and app.state.settings.role != "api":
        engine.background("intake", app.state.intake.run())
    log.info("started", role=app.state.settings.role)
    try:
        yield
    finally:
        await engine.stop()
        log.info("stopped")
