"""Settling, against services that hear each other only when they are asked whether they have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
import orjson
import pytest

from sample import settle
from sample.services import Service, connect
from sample.settle import Stuck, heard, reached, settled


@dataclass
class Fake:
    """A service with a log of `head` events. Its subscriptions hear nothing until they are waited for; `react` then
    says how many events of its own come of an event of the source."""

    name: str
    others: dict[str, Fake]
    sources: tuple[str, ...] = ()
    react: Callable[[str, int], int] = lambda source, position: 0
    head: int = 0
    published: int = 0
    parked: int = 0
    deaf: bool = False
    timers: list[str] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path, params = request.url.path, request.url.params
        if path == "/log":
            return reply({"incarnation": 1, "head": self.head, "published": self.published})
        if path == "/log/published":
            self.published = max(self.published, int(params["position"]))
            return reply({"reached": True})
        if path == "/subscriptions":
            return reply({"items": [self.row(source) for source in self.sources], "next": None})
        if path == "/backfill":
            self.timers.append(orjson.loads(request.content)["reached"])
            return reply({"reached": self.timers[-1] if len(self.timers) > 1 else None})
        source = path.removeprefix("/subscriptions/on-").removesuffix("/handled")
        return reply({"reached": self.hear(source, params.get("position"))})

    def row(self, source: str) -> dict[str, object]:
        said = self.head if source == self.name else self.others[source].published
        lag = said - self.heard.get(source, 0)
        return {"name": f"on-{source}", "source": source, "lag": lag, "parked": self.parked}

    def hear(self, source: str, position: str | None) -> bool:
        assert (position is not None) == (source == self.name), "a position is one of the own log"
        if self.deaf:
            return False
        until = int(position) if position is not None else self.others[source].published
        for event in range(self.heard.get(source, 0) + 1, until + 1):
            self.head += self.react(source, event)
        self.heard[source] = max(until, self.heard.get(source, 0))
        return True


def reply(body: object) -> httpx.Response:
    return httpx.Response(200, content=orjson.dumps(body))


def ask(fake: Fake) -> Service:
    return connect(fake.name, f"http://{fake.name}", "token", transport=httpx.MockTransport(fake.answer))


def channel() -> dict[str, Fake]:
    """An event of performance leads risk to one, that one leads partner to one, and partner's own log to another."""
    others: dict[str, Fake] = {}
    others["performance"] = Fake("performance", others)
    others["risk"] = Fake("risk", others, ("performance",), react=lambda source, position: 1)
    others["partner"] = Fake(
        "partner", others, ("risk", "partner"), react=lambda source, position: 1 if source == "risk" else position % 2
    )
    return others


async def test_settled_follows_every_consequence_to_its_end() -> None:
    fakes = channel()
    fakes["performance"].head = 1
    heads = await settled({name: ask(fake) for name, fake in fakes.items()})
    assert heads == {"performance": (1, 1), "risk": (1, 1), "partner": (1, 2)}
    assert all(fake.published == fake.head for fake in fakes.values())
    assert fakes["partner"].heard == {"risk": 1, "partner": 2}


async def test_where_nothing_happened_one_pass_is_enough() -> None:
    asked: list[str] = []
    fakes = channel()

    def count(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return fakes["risk"].answer(request)

    await settled({"risk": connect("risk", "http://risk", "token", transport=httpx.MockTransport(count))})
    assert asked == ["/log", "/subscriptions", "/log"]


async def test_a_listener_has_heard_what_the_source_said_and_nobody_else_is_waited_for() -> None:
    fakes = channel()
    fakes["performance"].head = 3
    await heard(ask(fakes["performance"]), ask(fakes["risk"]))
    assert fakes["risk"].heard == {"performance": 3}
    assert fakes["partner"].heard == {}


async def test_parked_streams_end_the_load_with_the_place_where_they_are_listed() -> None:
    fakes = channel()
    fakes["risk"].parked = 2
    services = {name: ask(fake) for name, fake in fakes.items()}
    with pytest.raises(Stuck, match=r"^risk has parked 2 stream\(s\) of on-performance .*/parked-streams"):
        await settled(services)
    with pytest.raises(Stuck, match="risk has parked 2"):
        await heard(services["performance"], services["risk"])


async def test_a_consequence_that_never_comes_is_given_up_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "PATIENCE", 0.01)
    fakes = channel()
    fakes["performance"].head = 1
    fakes["partner"].deaf = True
    with pytest.raises(Stuck, match="partner does not catch up with risk in on-risk within"):
        await settled({name: ask(fake) for name, fake in fakes.items()})


async def test_timers_are_asked_for_until_they_have_reached_the_business_time() -> None:
    fakes = channel()
    await reached(ask(fakes["partner"]), datetime(2000, 2, 1, 12, tzinfo=UTC))
    assert fakes["partner"].timers == ["2000-02-01T12:00:00+00:00"] * 2
