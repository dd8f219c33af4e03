"""The OpenAPI document: readable operation ids, the bearer token and each route's scope, and the problems."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service import problems

BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"}
READS: tuple[str, ...] = ("401", "403", "404", "422", "503")
WRITES: tuple[str, ...] = ("401", "403", "404", "409", "412", "413", "422", "503")


def operation_id(route: APIRoute) -> str:
    """`contracts_draft`: the router's tag and the endpoint's name."""
    name = route.name.strip("_")
    return f"{route.tags[0]}_{name}".replace("-", "_").replace(" ", "_") if route.tags else name


def install(app: FastAPI) -> None:
    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": BEARER}
    schemas = components.setdefault("schemas", {})
    for leftover in ("HTTPValidationError", "ValidationError"):
        schemas.pop(leftover, None)
    problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    scopes = _scopes(app)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, method, scopes.get((path, method.upper()), []))
    return document


def _scopes(app: FastAPI) -> dict[tuple[str, str], list[str]]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    return {(r.path_format, method): list(getattr(r, "scopes", ())) for r in routes for method in r.methods or ()}


def _complete(operation: dict[str, Any], method: str, scopes: list[str]) -> None:
    statuses = READS if method == "get" else WRITES
    if scopes:
        operation["security"] = [{"bearer": scopes}]
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nScope: {', '.join(f'`{s}`' for s in scopes)}".strip()
    else:
        statuses = ("503",)
    stated = operation.setdefault("responses", {})
    stated.pop("422", None)
    for status, response in problems.responses(statuses).items():
        stated.setdefault(status, response)
