"""Every error as application/problem+json (RFC 9457).

`code` is stable; what a rule wants the caller to know stands beside it as members of their own. Where a detail has
the name of a member that the format itself defines (`status`, say), it is called `its_status`; no refusal of ours has
one (`tests/test_refusals.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
from engine import Rejected, Unknown
from engine.errors import Conflict, EventTooLarge, InFlight, KeyReused, NotAdmitted, VersionNeeded
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "1"}
UNSTORABLE_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
PARTS = ("body", "query", "path", "header", "cookie")


class FieldError(BaseModel):
    """`field` is a path like `scores.0.value`; `rule` is the name of the rule that it breaks."""

    field: str
    rule: str
    message: str


class Problem(BaseModel):
    """What went wrong. Rules add members of their own."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:cauce:problem:contract.disclosure_period_running"])
    title: str = Field(examples=["Disclosure period running"])
    status: int = Field(examples=[409])
    detail: str
    code: str = Field(examples=["contract.disclosure_period_running"])
    instance: str = Field(description="The path that was asked.", examples=["/contracts/1c0b.../signatures"])
    correlation_id: UUID = Field(description="Find it again in the logs and in the events' metadata.")
    errors: list[FieldError] | None = Field(default=None, description="With 422: every field that breaks a rule.")


RESERVED = frozenset({"type", "title", "status", "detail", "code", "instance", "correlation_id"})


class ProblemError(HTTPException):
    """A problem of HTTP rather than of the business, from anywhere in a request."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.members = members


class Invalid(ProblemError):
    """422: one field, header or query parameter breaks a rule; `message` goes on after its name."""

    def __init__(self, field: str, rule: str, message: str) -> None:
        error = {"field": field, "rule": rule, "message": message}
        super().__init__(422, "request_invalid", f"{field} {message}.", errors=[error])


def problem(
    scope: Mapping[str, Any],
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    exchange = scope.get("cauce.exchange")
    body = {
        "type": f"urn:cauce:problem:{code}",
        "title": title(code),
        "status": status,
        "detail": detail,
        "code": code,
        "instance": scope["path"],
        "correlation_id": None if exchange is None else exchange.correlation_id,
    }
    for name, value in (members or {}).items():
        body[f"its_{name}" if name in RESERVED else name] = value
    return Response(to_json(body, fallback=str), status, headers, MEDIA_TYPE)


def title(code: str) -> str:
    words = code.rpartition(".")[2].replace("_", " ")
    return words[:1].upper() + words[1:]


def install(app: FastAPI) -> None:
    app.add_exception_handler(Rejected, _rejected)
    app.add_exception_handler(Conflict, _conflict)
    app.add_exception_handler(InFlight, _in_flight)
    app.add_exception_handler(KeyReused, _key_reused)
    app.add_exception_handler(VersionNeeded, _version_needed)
    app.add_exception_handler(EventTooLarge, _too_large)
    app.add_exception_handler(NotAdmitted, _not_admitted)
    app.add_exception_handler(asyncpg.DataError, _unstorable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _rejected(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Rejected)  # noqa: S101
    status = 404 if isinstance(refusal, Unknown) else 409
    return problem(request.scope, status, refusal.code, _told(refusal), members=refusal.details)


def _told(refusal: Rejected) -> str:
    details = ", ".join(f"{name.replace('_', ' ')} {_plain(value)}" for name, value in refusal.details.items())
    return f"{title(refusal.code)}{': ' if details else ''}{details}."


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = to_json(value, fallback=str).decode()
    return text[1:-1] if text.startswith('"') else text


async def _conflict(request: Request, conflict: Exception) -> Response:
    assert isinstance(conflict, Conflict)  # noqa: S101
    asked = "if-match" in request.headers
    status, code = (412, "version_mismatch") if asked else (409, "conflict")
    found = "another version" if conflict.actual is None else f"version {conflict.actual}"
    detail = f"It is at {found}, not at version {conflict.expected}: read it again and decide anew."
    members = {"expected": conflict.expected, "actual": conflict.actual}
    headers = {} if conflict.actual is None else {"ETag": f'"{conflict.actual}"'}
    return problem(request.scope, status, code, detail, headers=headers, members=members)


async def _in_flight(request: Request, error: Exception) -> Response:
    detail = "A request of this Idempotency-Key is being handled at this moment; try again for its answer."
    return problem(request.scope, 409, "request_in_flight", detail, headers=RETRY_AFTER)


async def _key_reused(request: Request, error: Exception) -> Response:
    detail = "This Idempotency-Key was sent before with another query or body; a new request needs a new key."
    return problem(request.scope, 422, "idempotency_key_reused", detail)


async def _version_needed(request: Request, needed: Exception) -> Response:
    assert isinstance(needed, VersionNeeded)  # noqa: S101
    detail = f"It exists at version {needed.actual}: read it, and say by If-Match which version you change."
    headers = {"ETag": f'"{needed.actual}"'}
    return problem(request.scope, 428, "version_needed", detail, headers=headers, members={"actual": needed.actual})


async def _too_large(request: Request, error: Exception) -> Response:
    return problem(request.scope, 413, "event_too_large", f"What this would record is too large: {error}.")


async def _not_admitted(request: Request, error: Exception) -> Response:
    return problem(request.scope, 503, "not_admitted", f"{error}. Nothing was done.", headers=RETRY_AFTER)


async def _unstorable(request: Request, error: Exception) -> Response:
    """For values that pass for text or a number everywhere but in Postgres; any other error of data is ours."""
    assert isinstance(error, asyncpg.DataError)  # noqa: S101
    if isinstance(error, UNSTORABLE_TEXT):
        detail = "A text has a character that cannot be stored, such as NUL."
    elif isinstance(error, asyncpg.NumericValueOutOfRangeError) or isinstance(error.__cause__, OverflowError):
        detail = "A number is too large to be stored."
    else:
        raise error
    return problem(request.scope, 422, "value_unstorable", detail)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    errors = [_field_error(e) for e in error.errors()]
    told = "; ".join(f"{e['field']}: {e['message']}" for e in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return problem(request.scope, 422, "request_invalid", f"{told}{more}.", members={"errors": errors})


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    if error["type"] == "json_invalid":
        why = error.get("ctx", {}).get("error", error["msg"])
        return {"field": "body", "rule": "json_invalid", "message": f"not JSON at character {error['loc'][-1]}: {why}"}
    return {"field": _path(error["loc"]), "rule": error["type"], "message": error["msg"]}


def _path(loc: Iterable[int | str]) -> str:
    parts = [str(part) for part in loc]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] in PARTS else parts)


HTTP_CODES = {
    400: "request_unreadable",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    503: "unavailable",
}


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error, ProblemError):
        request.scope["cauce.exchange"].refused(error.status_code, error.code)
        return problem(
            request.scope, error.status_code, error.code, error.detail, headers=error.headers, members=error.members
        )
    phrase = HTTPStatus(error.status_code).phrase
    code = HTTP_CODES.get(error.status_code) or re.sub(r"\W+", "_", phrase.lower())
    return problem(request.scope, error.status_code, code, _http_detail(request, error), headers=error.headers)


def _http_detail(request: Request, error: HTTPException) -> str:
    if error.detail and error.detail != HTTPStatus(error.status_code).phrase:
        return f"{str(error.detail).rstrip('.')}."
    if error.status_code == 404:
        return f"There is nothing at {request.url.path}."
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return f"{request.method} is not possible here{f', only {allowed}' if allowed else ''}."
    return f"{HTTPStatus(error.status_code).phrase}."


DOCUMENTED = {
    400: "The request cannot be read.",
    401: "There is no bearer token, or it is not valid.",
    403: "The caller may not do this.",
    404: "It does not exist, or it is not the caller's.",
    409: "A rule refuses it; `code` says which and the details stand beside it.",
    412: "If-Match names another version than the current one.",
    413: "The body is too large.",
    415: "The body is of a kind that is not taken here.",
    422: "The request is not well formed; `errors` names each field and the rule that it breaks.",
    428: "If-Match is needed: the version that the caller has looked at.",
    429: "The caller asks too often; Retry-After says when again.",
    503: "A part of the service is away; try again.",
}
ALWAYS = {
    "token_missing": 401,
    "token_invalid": 401,
    "scope_missing": 403,
    "request_invalid": 422,
    "value_unstorable": 422,
    "rate_exceeded": 429,
    "unavailable": 503,
    "request_timeout": 503,
}
WITH_BODY = {"request_unreadable": 400, "body_too_large": 413}
COMMANDS = {
    "conflict": 409,
    "request_in_flight": 409,
    "version_mismatch": 412,
    "event_too_large": 413,
    "not_admitted": 503,
    "idempotency_key_reused": 422,
}


def responses(codes: Mapping[str, int]) -> dict[str, Any]:
    """The OpenAPI responses for these codes, with an example of each."""
    by_status: dict[int, list[str]] = {}
    for code, status in sorted(codes.items()):
        by_status.setdefault(status, []).append(code)
    return {str(status): _response(status, by_status[status]) for status in sorted(by_status)}


def _response(status: int, codes: Sequence[str]) -> dict[str, Any]:
    told = f"{DOCUMENTED[status]} Codes: {', '.join(f'`{code}`' for code in codes)}."
    examples = {code: {"value": _example(status, code)} for code in codes}
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {MEDIA_TYPE: {"schema": schema, "examples": examples}}
    return {"description": told, "content": content, "x-problem-codes": list(codes)}


def _example(status: int, code: str) -> dict[str, Any]:
    return {
        "type": f"urn:cauce:problem:{code}",
        "title": title(code),
        "status": status,
        "detail": f"{title(code)}.",
        "code": code,
        "instance": "/the/path/that/was/asked",
        "correlation_id": "0b7c1d4e-2f5a-4c3b-9e8d-7a6b5c4d3e2f",
    }
