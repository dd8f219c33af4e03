"""Asks running services over HTTP, for the command line. Every failure is a sentence that says what to do next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx

from service.addresses import addresses


class Failed(Exception):
    """What went wrong with a service, and what to do about it."""


def token() -> str:
    """From CAUCE_TOKEN, or the file that CAUCE_TOKEN_FILE names. Raises Failed."""
    given = os.environ.get("CAUCE_TOKEN")
    if given:
        return given.strip()
    file = os.environ.get("CAUCE_TOKEN_FILE")
    if not file:
        raise Failed("There is no token: set CAUCE_TOKEN, or CAUCE_TOKEN_FILE to a file that holds one.")
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise Failed(f"CAUCE_TOKEN_FILE names {file}, which cannot be read: {error.strerror}.") from None


def ask(service: str, method: str, path: str, **options: Any) -> Any:
    """The JSON of the answer. Raises Failed, InvalidSettings."""
    known = addresses()
    if service not in known:
        raise Failed(f"There is no address for {service}: there are {', '.join(sorted(known))} (see CAUCE_SERVICES).")
    url = known[service]
    try:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token()}"}, timeout=35) as client:
            answer = client.request(method, path, **options)
    except httpx.HTTPError as error:
        raise Failed(
            f"{service} does not answer at {url} ({type(error).__name__}): "
            "is it running? CAUCE_SERVICES says where services are."
        ) from None
    if answer.is_success:
        return answer.json()
    raise Failed(_told(service, answer))


def every(service: str, path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page. Raises Failed, InvalidSettings."""
    items: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = ask(service, "GET", path, params=after)
        items += page["items"]
        if page["next"] is None:
            return items
        after = {"after": page["next"]}


def _told(service: str, answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        detail, code = str(problem["detail"]), str(problem["code"])
    except (ValueError, KeyError, TypeError):
        return f"{service} answered {answer.status_code} and not as one of Cauce's services would: check the address."
    told = f"{service}: {detail}"
    if code == "token_invalid":
        return f"{told} Get a new one and put it into CAUCE_TOKEN."
    if code == "scope_missing":
        return f"{told} Use one that has it."
    if answer.status_code == 404:
        return f"{told} `cauce lag {service}` and `cauce parked list {service}` show the names."
    if answer.status_code >= 500:
        return f"{told} Its logs have more under correlation id {problem.get('correlation_id')}."
    return told
