"""The OpenAPI document: readable operation ids, the bearer token and each route's scope, the headers that commands go
by, and the problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service import problems
from service.handling import KEY_LENGTH, handling, handling_many, handling_put, handling_seen, new_id

if TYPE_CHECKING:
    from service.routing import KitRoute

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"}
READS: tuple[str, ...] = ("401", "403", "404", "422", "503")
WRITES: tuple[str, ...] = ("401", "403", "404", "409", "412", "413", "422", "503")
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH},
    "description": "Your own name for this request: sent again with the same key, it is answered and not done again.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "examples": ['"3"']},
    "description": "The version that you decided on (an ETag); 412 if there is another by now.",
}


def operation_id(route: APIRoute) -> str:
    """`contracts_draft`: the router's tag and the endpoint's name."""
    name = route.name.strip("_")
    return f"{route.tags[0]}_{name}".replace("-", "_").replace(" ", "_") if route.tags else name


def install(app: FastAPI, routes: list[KitRoute]) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, routes)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, routes: list[KitRoute]) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": BEARER}
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"].get(route.path_format, {}).get(method.lower())
            if operation is not None:
                _complete(operation, route, method)
    return document


def _complete(operation: dict[str, Any], route: KitRoute, method: str) -> None:
    statuses = READS if method == "GET" else WRITES
    if route.scopes:
        operation["security"] = [{"bearer": list(route.scopes)}]
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nScope: {', '.join(f'`{s}`' for s in route.scopes)}".strip()
    else:
        statuses = ("503",)
    if headers := list(_headers(route)):
        operation.setdefault("parameters", []).extend(headers)
    stated = operation.setdefault("responses", {})
    stated.pop("422", None)
    for status, response in problems.responses(statuses).items():
        stated.setdefault(status, response)


def _headers(route: KitRoute) -> Iterator[dict[str, Any]]:
    if route.providers & {handling, handling_seen, handling_put, handling_many, new_id}:
        yield IDEMPOTENCY_KEY
    if route.providers & {handling, handling_put}:
        yield IF_MATCH
    if handling_seen in route.providers:
        yield IF_MATCH | {"required": True}
