"""Waiting for consequences without sleeping: what was said has been heard, and what came of it too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterable, Mapping
from datetime import datetime
from typing import Any

from sample.services import Service, Trouble

WAIT = 20
"""Seconds that a service holds one question open."""
PATIENCE = 180.0
"""Seconds until something that does not come is given up."""

Head = tuple[int, int]
"""A log's incarnation, and the position of its last event."""
Heads = dict[str, Head]


class Stuck(Trouble):
    """A consequence is not coming."""


async def settled(services: Mapping[str, Service]) -> Heads:
    """Returns when nothing is under way any more: every event is published, every subscription has handled all of
    them, and none of that led to another event.

    One pass reads the heads, waits until they are published and then handled. An event that came of it has moved a
    head, and the next pass follows it; a pass that moved none is the end. Raises Stuck for parked streams.
    """
    heads = await _published(services)
    while True:
        await _all(_heard(service, None, heads[name]) for name, service in services.items())
        before, heads = heads, await _published(services)
        if heads == before:
            return heads


async def heard(source: Service, *listeners: Service) -> None:
    """Returns when these have handled all that `source` has said so far."""
    heads = await _published({source.name: source})
    await _all(_heard(listener, source.name, heads[source.name]) for listener in listeners)


async def reached(service: Service, instant: datetime) -> None:
    """Lets the service's timers fire up to this business time; returns when they have."""
    until = time.monotonic() + PATIENCE
    while True:
        answer = (await service.put("/backfill", {"reached": instant.isoformat()}, wait=WAIT))["reached"]
        if answer is not None and datetime.fromisoformat(answer) >= instant:
            return
        if time.monotonic() > until:
            raise Stuck(f"The timers of {service.name} do not get to {instant:%d %B %Y}.")


async def _published(services: Mapping[str, Service]) -> Heads:
    """The heads of the logs, when all that they have is published."""
    return dict(zip(services, await asyncio.gather(*(_head(service) for service in services.values())), strict=True))


async def _head(service: Service) -> Head:
    log = await service.get("/log")
    if log["published"] < log["head"]:
        complaint = f"does not publish its event {log['head']}"
        await _until(service, "/log/published", complaint, position=log["head"])
    return log["incarnation"], log["head"]


async def _heard(service: Service, source: str | None, head: Head) -> None:
    """`head` is the service's own; of what others have published, all up to now is waited for."""
    subscriptions = (await service.get("/subscriptions"))["items"]
    for each in subscriptions:
        if each["parked"]:
            raise Stuck(
                f"{service.name} has parked {each['parked']} stream(s) of {each['name']} that it could not handle: "
                f"see {service.url}/parked-streams?subscription={each['name']}"
            )
    await _all(
        _until(
            service,
            f"/subscriptions/{each['name']}/handled",
            f"does not catch up with {each['source']} in {each['name']}",
            position=head[1] if each["source"] == service.name else None,
        )
        for each in subscriptions
        if each["lag"] and source in (None, each["source"])
    )


async def _until(service: Service, path: str, complaint: str, **params: Any) -> None:
    until = time.monotonic() + PATIENCE
    while not (await service.get(path, wait=WAIT, **params))["reached"]:
        if time.monotonic() > until:
            raise Stuck(f"{service.name} {complaint} within {PATIENCE:.0f} s.")


async def _all(waits: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*waits)
