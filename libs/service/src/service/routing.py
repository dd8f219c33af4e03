"""Routes as the kit serves them: in one flat list, the caller checked before anything of the request is read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import wraps
from typing import Any

from fastapi import APIRouter, FastAPI, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response

from service import openapi
from service.access import Scoped, ScopeMissing
from service.handling import PROVIDERS
from service.limits import BodyLimit
from service.partners import Closed, Own
from service.problems import Invalid

_ASKED = [name for name in inspect.signature(APIRoute.__init__).parameters if name not in ("self", "path", "endpoint")]


class UnsafeRoute(TypeError):
    """A route that may not be served as it is written."""


class KitRoute(APIRoute):
    """Takes scopes, whose the thing is, and body limits out of the dependencies and sees to them itself, at the very
    start."""

    scopes: tuple[str, ...]
    own: Own | None
    body_limit: int | None
    asks: frozenset[str]

    def __init__(self, path: str, endpoint: Callable[..., Any], *, dependencies: Iterable[params.Depends], **rest: Any):
        depends = list(dependencies)
        self.scopes = tuple(d.dependency.name for d in depends if isinstance(d.dependency, Scoped))
        self.own = next((d.dependency for d in depends if isinstance(d.dependency, Own)), None)
        limits = [d.dependency.size for d in depends if isinstance(d.dependency, BodyLimit)]
        self.body_limit = limits[-1] if limits else None
        others = [d for d in depends if not isinstance(d.dependency, Scoped | Own | BodyLimit)]
        super().__init__(path, provided(endpoint), dependencies=others, **rest)
        self.asks = frozenset(
            p.alias for p in get_flat_params(self.dependant) if isinstance(p.field_info, params.Query)
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        scopes, own, body_limit = self.scopes, self.own, self.body_limit
        if not scopes:
            return answer

        async def checked(request: Request) -> Response:
            exchange = request.scope["cauce.exchange"]
            caller = await exchange.authenticated()
            exchange.admit(caller)
            for scope in scopes:
                if scope not in caller.scopes:
                    raise ScopeMissing(scope)
            if body_limit is not None:
                exchange.body_limit = body_limit
            if caller.partner_id is not None:
                if own is None:
                    raise Closed
                request.scope["cauce.reads"] = own.reads
                await own.admit(request, exchange.engine, caller.partner_id)
            if request.scope["query_string"]:
                self._check_query(request)
            return await answer(request)

        return checked

    def _check_query(self, request: Request) -> None:
        """Raises Invalid for a parameter that nothing reads: the caller would take the answer for another one."""
        for name in request.query_params:
            if name not in self.asks:
                known = ", ".join(sorted(self.asks)) or "none"
                raise Invalid(name, "unknown", f"is no parameter of this request; there are: {known}")

    @property
    def own_codes(self) -> dict[str, int]:
        """What a partner's own people may be told besides."""
        if self.own is None:
            return {"partner_closed": 403}
        found = {"not_found": 404} if self.own.path else {}
        found |= {"partner_other": 403} if self.own.query or self.own.body else {}
        return found | ({"partner_may_not": 403} if self.own.only else {})

    @property
    def providers(self) -> frozenset[Callable[..., Any]]:
        """What of the kit the endpoint asks for."""
        found: frozenset[Callable[..., Any]] = getattr(self.endpoint, "cauce_providers", frozenset())
        return found


def provided(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """The endpoint as FastAPI sees it: without the parameters that the kit provides (Handle, NewId, Read ...)."""
    if not inspect.iscoroutinefunction(endpoint):
        return endpoint
    signature = inspect.signature(endpoint, eval_str=True)
    parameters = signature.parameters.values()
    providers = {p.name: provider for p in parameters if (provider := _provider(p.annotation)) is not None}
    if not providers:
        return endpoint
    kept = [p.replace(kind=p.KEYWORD_ONLY) for p in parameters if p.name not in providers]
    request = _named(kept, Request, "kit_request")
    declared = request in signature.parameters

    @wraps(endpoint)
    async def call(**values: Any) -> Any:
        asked = values[request] if declared else values.pop(request)
        for name, provide in providers.items():
            values[name] = provide(asked)
        return await endpoint(**values)

    call.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    call.cauce_providers = frozenset(providers.values())  # type: ignore[attr-defined]
    return call


def _provider(annotation: Any) -> Callable[..., Any] | None:
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, params.Depends) and mark.dependency in PROVIDERS:
            return mark.dependency
    return None


def _named(parameters: list[inspect.Parameter], kind: type[Any], name: str) -> str:
    """The name of the parameter of this kind; added if there is none."""
    for parameter in parameters:
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, kind):
            return parameter.name
    parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind))
    return name


def mount(app: FastAPI, routers: Iterable[APIRouter], *, open: frozenset[str]) -> list[KitRoute]:
    """Puts the routers' routes into the app and returns them. They are one flat list, as FastAPI matches the routes of
    an included router twice.

    Raises UnsafeRoute for a route without a scope that is not at one of the `open` paths.
    """
    names: dict[str, str] = {}
    places: set[tuple[str, str]] = set()
    mounted: list[KitRoute] = []
    for router in routers:
        for context in iter_route_contexts(router.routes):
            route = _own(context, app)
            where = f"{' '.join(sorted(route.methods or ()))} {route.path}"
            _check(route, where, open)
            taken = {(method, route.path_format) for method in route.methods or ()}
            if taken & places:
                raise UnsafeRoute(
                    f"{where} is there twice, here or among the routes that every service has: call it otherwise"
                )
            places |= taken
            if route.include_in_schema and names.setdefault(route.unique_id, where) != where:
                raise UnsafeRoute(f"{where} and {names[route.unique_id]} are both called {route.unique_id}: rename one")
            mounted.append(route)
    app.router.routes[:0] = mounted  # before FastAPI's own for the documentation, as routes are tried in order
    return mounted


def _own(context: RouteContext, app: FastAPI) -> KitRoute:
    if not isinstance(context.original_route, APIRoute):
        raise UnsafeRoute(f"{context.path} is not an API route, so it cannot have a scope")
    return KitRoute(context.path or "", context.endpoint or (lambda: None), **dict(_asked(context, app)))


def _asked(context: RouteContext, app: FastAPI) -> Iterator[tuple[str, Any]]:
    streams = inspect.isasyncgenfunction(context.endpoint) or inspect.isgeneratorfunction(context.endpoint)
    for name in _ASKED:
        if name == "dependency_overrides_provider":
            yield name, app
        elif name == "generate_unique_id_function":
            yield name, openapi.operation_id
        elif name == "response_model" and streams:
            continue  # what a stream yields is read from the endpoint's annotation
        elif hasattr(context, name):
            yield name, getattr(context, name)


def _check(route: KitRoute, where: str, open: frozenset[str]) -> None:
    if not route.scopes and route.path not in open:
        raise UnsafeRoute(
            f"{where} has no scope: whoever has any token could call it. "
            'Give it one: dependencies=[scope("<service>:read")].'
        )
    if route.max_body_size is not None:
        raise UnsafeRoute(f"{where}: max_body_size is not kept here, use dependencies=[..., body_limit(bytes)]")
    if route.own is not None and route.own.path is not None and f"{{{route.own.path}}}" not in route.path:
        raise UnsafeRoute(f"{where} has no {{{route.own.path}}} in its path to tell whose it is")
    needed = getattr(route.endpoint, "cauce_path", "")
    if needed not in route.path:
        raise UnsafeRoute(f"{where} needs {needed} in its path, as its endpoint reads it")
