"""Who acts in the scenario, on which services, and how a step is said: done, refused as expected, or waited for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sample.scenario.setting import Calendar, Figures
from sample.services import Refused, Service, Trouble, connect
from sample.settle import settled
from sample.story import Story

PATIENCE = 60.0
Mint = Callable[..., str]
"""`mint(role, subject, partner_id=...)`: a token."""
Row = Mapping[str, Any]
KEYS_END = "If the first run was more than seven days ago its keys are forgotten: begin anew with `make clean`."


@dataclass(frozen=True)
class Person:
    """Somebody with a token of their own, at each of the services. Every command has a key, so that it is done once."""

    name: str
    at: Mapping[str, Service]
    prefix: str

    async def does(self, service: str, path: str, key: str, *, seen: str | None = None, **body: Any) -> Any:
        return await self.at[service].post(path, body, key=f"{self.prefix}/{key}", seen=seen)

    async def puts(self, service: str, path: str, key: str, *, seen: str | None = None, **body: Any) -> Any:
        return await self.at[service].put(path, body, key=f"{self.prefix}/{key}", seen=seen)

    async def is_refused(
        self, code: str, service: str, path: str, key: str, *, seen: str | None = None, **body: Any
    ) -> Mapping[str, Any]:
        """What the service said to something that it has to refuse so. Raises Trouble where it does not."""
        try:
            await self.does(service, path, key, seen=seen, **body)
        except Refused as refused:
            if refused.code == code:
                return refused.problem
            raise
        raise Trouble(f"{service} took POST {path} by {self.name}, which it should have refused with {code}.")


@dataclass
class Stage:
    services: Mapping[str, Service]
    story: Story
    figures: Figures
    calendar: Calendar
    mint: Mint
    opened: AsyncExitStack

    @property
    def key(self) -> str:
        return f"scenario/{self.figures.seed}"

    def person(self, name: str, role: str = "backfill", partner_id: UUID | None = None) -> Person:
        token = self.mint(role, f"{name} (simulated)", partner_id=partner_id)
        at = {each: connect(each, service.url, token) for each, service in self.services.items()}
        for service in at.values():
            self.opened.push_async_callback(service.client.aclose)
        return Person(name, at, self.key)

    async def heard(self) -> None:
        """Everybody has heard everything."""
        await settled(self.services)

    async def until(self, what: str, there: Callable[[], Awaitable[bool]]) -> None:
        """What a timer brings about. Raises Trouble where it does not come."""
        deadline = time.monotonic() + PATIENCE
        while not await there():
            if time.monotonic() > deadline:
                raise Trouble(f"{what} did not come within {PATIENCE:.0f} s: see .run/logs, and run this again.")
            await asyncio.sleep(0.1)

    async def one(self, service: str, path: str, **params: Any) -> Row:
        """The one row of a list. Raises Trouble."""
        rows = await self.services[service].items(path, **params)
        if len(rows) != 1:
            raise Trouble(f"{service} lists {len(rows)} at {path} for {params}, where the scenario has one. {KEYS_END}")
        row: Row = rows[0]
        return row

    def tell(self, who: str, what: str) -> None:
        self.story.say(f"  {who}: {what}")

    def tell_refused(self, who: str, wanted: str, because: str, problem: Mapping[str, Any]) -> None:
        self.story.say(f"  {who} {wanted}. Refused, as expected: {because} ({problem['code']}).")
