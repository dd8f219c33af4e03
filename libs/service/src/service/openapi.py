"""The OpenAPI document: readable operation ids, each route's scope, the headers that it goes by, an example of what it
takes and gives, and every code that it may answer with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service import problems
from service.examples import NoExample, example
from service.handling import KEY_LENGTH, handling, handling_many, handling_put, handling_seen, new_id
from service.refusals import refusals

if TYPE_CHECKING:
    from service.routing import KitRoute

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"}
JSON = "application/json"
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "examples": ["order-4711"]},
    "description": "Your own name for this request: sent again with the same key, it is answered and not done again.",
}
IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": '^(W/)?"?[0-9]{1,9}"?$', "examples": ['"3"']},
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
                _complete(operation, route, app.state.service)
                _exemplify(operation, schemas)
    return document


def _complete(operation: dict[str, Any], route: KitRoute, service: str) -> None:
    if route.scopes:
        operation["security"] = [{"bearer": list(route.scopes)}]
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nScope: {', '.join(f'`{s}`' for s in route.scopes)}".strip()
    if headers := list(_headers(route)):
        operation.setdefault("parameters", []).extend(headers)
    stated = operation.setdefault("responses", {})
    stated.pop("422", None)
    codes = _codes(route, service, takes_body="requestBody" in operation)
    for status, response in problems.responses(codes).items():
        stated.setdefault(status, response)
    if (route.scopes and route.methods == {"GET"}) or handles(route):
        for status, response in stated.items():
            if status.startswith("2"):
                response.setdefault("headers", {})["ETag"] = ETAG


ETAG = {
    "schema": {"type": "string"},
    "description": "The version of what is shown or was changed; where there is one.",
}


def handles(route: KitRoute) -> bool:
    return bool(route.providers & {handling, handling_seen, handling_put})


def _codes(route: KitRoute, service: str, *, takes_body: bool) -> dict[str, int]:
    """Every code that the route may answer with, and its status."""
    if not route.scopes:
        return {"unavailable": 503, "not_ready": 503, "request_timeout": 503}
    codes = problems.ALWAYS | refusals(route.endpoint, service) | route.own_codes
    if takes_body:
        codes |= problems.WITH_BODY
    if route.providers & {handling, handling_seen, handling_put, handling_many}:
        codes |= problems.COMMANDS | {f"{service}.backfill_scope_needed": 403}
    if route.providers & {handling_seen, handling_put}:
        codes |= {"version_needed": 428}
    return codes


def _exemplify(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    taken = operation.get("requestBody", {}).get("content", {}).get(JSON)
    given = [r.get("content", {}).get(JSON) for status, r in operation["responses"].items() if status.startswith("2")]
    for content in (taken, *given):
        if content is not None and "example" not in content and "examples" not in content:
            with suppress(NoExample):  # a document without one is better than none
                content["example"] = example(content["schema"], schemas)


def _headers(route: KitRoute) -> Iterator[dict[str, Any]]:
    if route.providers & {handling, handling_seen, handling_put, handling_many, new_id}:
        yield IDEMPOTENCY_KEY
    if route.providers & {handling, handling_put}:
        yield IF_MATCH
    if handling_seen in route.providers:
        yield IF_MATCH | {"required": True}
