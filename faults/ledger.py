"""What the client asked for and what it was told: the only account of the run that the services have no part in."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

import httpx
import orjson

from sample.services import AWAY, PAUSES, Refused, Service, Trouble

SUBJECT = "faults"
"""Whom the client's tokens name."""
TRY_SECONDS = 6.0
"""One attempt: a halted replica does not answer, another one may."""
GIVES_UP = 0.08
"""The share of commands whose client goes away at the first failure, and never learns what became of them."""

LOOK_FIRST = frozenset({412, 428})
"""Answers to a decision on what the client has not looked at, or not at what it is now."""

Outcome = Literal["acknowledged", "refused", "unknown"]


class Line(NamedTuple):
    """One report of an upload."""

    source_ref: str
    partner_id: str
    period: str
    value: int


@dataclass
class Asked:
    """One command. `receipt` is the answer of an acknowledged one, `problem` the code of a refusal. Whatever came of
    the command itself carries `correlation_id` and names no cause."""

    service: str
    request: str
    key: str
    correlation_id: UUID
    lines: tuple[Line, ...] = ()
    outcome: Outcome = "unknown"
    receipt: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    tries: int = 0

    def __str__(self) -> str:
        return f"{self.service}: {self.request}, key {self.key}, correlation {self.correlation_id}"


class Unanswered(Trouble):
    """The client gave up: it is not known what became of the command."""


@dataclass
class Ledger:
    asked: list[Asked] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Answers that no fault excuses: 500s."""
    reads: int = 0
    answered_at: float = 0.0

    def of(self, outcome: Outcome, service: str | None = None) -> list[Asked]:
        return [a for a in self.asked if a.outcome == outcome and service in (None, a.service)]

    def refusals(self) -> Counter[str]:
        return Counter(asked.problem for asked in self.asked if asked.outcome == "refused")


@dataclass
class Client(Service):
    """A service with several replicas. Each attempt goes to any of them; a command is repeated under its key, with the
    same correlation id, until it is answered or `patience` (seconds) ends."""

    urls: Sequence[str] = ()
    ledger: Ledger = field(default_factory=Ledger)
    choice: Random = field(default_factory=Random)

    async def upload(self, path: str, csv: bytes, lines: Sequence[Line], *, key: str) -> Any:
        return await self._request("POST", path, content=csv, key=key, content_type="text/csv", lines=tuple(lines))

    async def _version(self, path: str) -> str | None:
        async with self.slots:
            answer = await self._attempts("GET", path, self.patience, None, headers={})
        version: str | None = answer.headers.get("etag")
        return version

    async def _request(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        version: str | None = None,
        content_type: str = "application/json",
        lines: tuple[Line, ...] = (),
        **kwargs: Any,
    ) -> Any:
        headers = {"content-type": content_type} if kwargs.get("content") is not None else {}
        asked = None
        patience = self.patience
        if key is not None:
            asked = Asked(self.name, f"{method} {path}", key, uuid4(), lines)
            self.ledger.asked.append(asked)
            headers |= {"idempotency-key": key, "x-correlation-id": str(asked.correlation_id)}
            if self.choice.random() < GIVES_UP:
                patience = 0.0
        if version is not None:
            headers["if-match"] = version
        async with self.slots:
            answer = await self._attempts(method, path, patience, asked, headers=headers, **kwargs)
            while answer.status_code in LOOK_FIRST:
                seen = await self._attempts("GET", path.rpartition("/")[0], self.patience, None, headers={})
                headers["if-match"] = seen.headers["etag"]
                answer = await self._attempts(method, path, patience, asked, headers=headers, **kwargs)
        content = orjson.loads(answer.content) if answer.content else {}
        self.ledger.answered_at = time.monotonic()
        if answer.status_code >= 500:
            self.ledger.broken.append(f"{self.name} answered {answer.status_code} to {method} {path}: {content}")
            raise Unanswered(f"{self.name} answered {answer.status_code}")
        if answer.is_success:
            if asked is None:
                self.ledger.reads += 1
            else:
                asked.outcome, asked.receipt = "acknowledged", content
            return content
        refused = Refused(self.name, f"{method} {path}", answer.status_code, content)
        if asked is not None:
            asked.outcome, asked.problem = "refused", refused.code
        raise refused

    async def _attempts(
        self, method: str, path: str, patience: float, asked: Asked | None, **kwargs: Any
    ) -> httpx.Response:
        """Raises Unanswered."""
        until = time.monotonic() + patience
        tries = 0
        while True:
            if asked is not None:
                asked.tries += 1
            try:
                url = self.choice.choice(self.urls)
                answer = await self.client.request(method, url + path, timeout=TRY_SECONDS, **kwargs)
                if answer.status_code not in AWAY and b'"request_in_flight"' not in answer.content[:1000]:
                    return answer
            except httpx.TransportError:
                pass  # it shows in the count of tries; what became of the command is found out by asking again
            if time.monotonic() >= until:
                raise Unanswered(f"{self.name} did not answer {method} {path}")
            await asyncio.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1
