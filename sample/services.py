"""The services as a user with a token sees them: HTTP, and patience where a service is away for a moment."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport

URLS = {
    "partner": "http://127.0.0.1:8102",
    "contract": "http://127.0.0.1:8103",
    "training": "http://127.0.0.1:8104",
    "performance": "http://127.0.0.1:8105",
    "risk": "http://127.0.0.1:8108",
}
TOKEN_FILE = ".run/token"  # noqa: S105 -- where it is, not what it is
CONCURRENCY = 32
"""Requests in flight at one service."""
LIMITS = httpx.Limits(max_connections=CONCURRENCY, keepalive_expiry=4)
"""A connection is dropped a little before the services would drop it."""
PATIENCE = 120.0
"""Seconds that a service may be away: the supervisor has restarted it by then, or it is not coming back."""
AWAY = frozenset({429, 502, 503, 504})
"""Among them what a proxy says of a service that it does not reach."""
PAUSES = (0.05, 0.1, 0.25, 0.5, 1.0)
PAGE = 500


class Trouble(Exception):
    """Something that ends the load; its text is one sentence for the person at the screen."""


class Refused(Trouble):
    """A service said no, and would say it again."""

    def __init__(self, service: str, request: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.problem = problem
        told = problem.get("detail") or problem.get("title") or "no reason given"
        super().__init__(f"{service} answered {status} {self.code} to {request}: {told}")


@dataclass
class Service:
    """One service's HTTP API over kept-alive connections, a bounded number of requests at a time.

    A request is repeated while the service cannot be reached or says that it is away, for `patience` seconds; what
    it did before is not done twice, because every command has an Idempotency-Key. Raises Refused for every other
    answer that is no success, Trouble when patience ends.
    """

    name: str
    client: httpx.AsyncClient
    patience: float = PATIENCE
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONCURRENCY))

    @property
    def url(self) -> str:
        return str(self.client.base_url).rstrip("/")

    async def get(self, path: str, **params: Any) -> Any:
        return await self._request("GET", path, params={k: v for k, v in params.items() if v is not None})

    async def items(self, path: str, **params: Any) -> list[Any]:
        """A whole list, page by page."""
        found: list[Any] = []
        after: str | None = None
        while True:
            page = await self.get(path, limit=PAGE, after=after, **params)
            found += page["items"]
            after = page["next"]
            if after is None:
                return found

    async def put(
        self, path: str, body: Mapping[str, Any], *, key: str | None = None, seen: str | None = None, **params: Any
    ) -> Any:
        version = None if seen is None else await self._version(seen)
        return await self._request("PUT", path, params=params, content=orjson.dumps(body), key=key, version=version)

    async def post(self, path: str, body: Mapping[str, Any], *, key: str, seen: str | None = None) -> Any:
        """`seen`: the path of what a person looks at before they decide so; the decision is on that version."""
        if seen is None:
            return await self._request("POST", path, content=orjson.dumps(body), key=key)
        return await self._request("POST", path, content=orjson.dumps(body), key=key, version=await self._version(seen))

    async def _version(self, path: str) -> str | None:
        async with self.slots:
            answer = await self._answer("GET", path)
        version: str | None = answer.headers.get("etag")
        return version

    async def post_csv(self, path: str, lines: bytes, *, key: str, **params: Any) -> Any:
        return await self._request("POST", path, params=params, content=lines, key=key, content_type="text/csv")

    async def delete(self, path: str, **params: Any) -> Any:
        return await self._request("DELETE", path, params=params)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        version: str | None = None,
        content_type: str = "application/json",
        **kwargs: Any,
    ) -> Any:
        headers = {"content-type": content_type} if kwargs.get("content") is not None else {}
        if key is not None:
            headers["idempotency-key"] = key
        if version is not None:
            headers["if-match"] = version
        async with self.slots:
            answer = await self._answer(method, path, headers=headers, **kwargs)
        if answer.is_success:
            return orjson.loads(answer.content) if answer.content else None
        raise Refused(self.name, f"{method} {path}", answer.status_code, _problem(answer))

    async def _answer(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        until = time.monotonic() + self.patience
        tries = 0
        while True:
            try:
                answer = await self.client.request(method, path, **kwargs)
                if answer.status_code not in AWAY:
                    return answer
                why = f"it answers {answer.status_code}"
            except httpx.TransportError as error:
                why = str(error) or type(error).__name__
            if time.monotonic() > until:
                raise Trouble(f"{self.name} at {self.url} has been away for {self.patience:.0f} s ({why}).")
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        problem = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        problem = None
    return problem if isinstance(problem, dict) else {"detail": answer.text[:200]}


def from_environment() -> dict[str, Service]:
    """The services by name, at CAUCE_SERVICES (JSON, name to URL; the local ports if unset) with the token in
    CAUCE_TOKEN_FILE. Raises Trouble where these cannot be used."""
    token_file = Path(os.environ.get("CAUCE_TOKEN_FILE", TOKEN_FILE))
    try:
        token = token_file.read_text().strip()
    except OSError as error:
        raise Trouble(f"The token cannot be read: {error.strerror}: {token_file}. `make run` writes one.") from error
    try:
        urls = URLS | dict(orjson.loads(os.environ.get("CAUCE_SERVICES", "{}")))
    except (ValueError, TypeError) as error:
        raise Trouble("CAUCE_SERVICES is not a JSON object of service names and URLs.") from error
    return {name: connect(name, urls[name], token) for name in URLS}


def connect(
    name: str, url: str, token: str, *, transport: httpx.AsyncBaseTransport | None = None, patience: float = PATIENCE
) -> Service:
    client = httpx.AsyncClient(
        base_url=url,
        headers={"authorization": f"Bearer {token}", "accept": "application/json"},
        timeout=httpx.Timeout(90, connect=5),
        # aiohttp below httpx: 0.65 ms of processor time a request where httpx's own transport takes 3.6, of which
        # the load makes 20,000 beside the services on two processors.
        transport=transport or AiohttpTransport(trust_env=False, limits=LIMITS),
        trust_env=False,
    )
    return Service(name, client, patience)
