"""A part of the sample on the real stack: loaded as a user loads it, with services killed and the load cut off on the
way, and then compared with what plain Python makes of the file, all of it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sample import history
from sample.expected import expect
from sample.load import load
from sample.setting import MINIMUM_COHORT
from sample.settle import settled
from sample.story import Story
from sample.summary import counted
from sample.topics import distinct_events
from sample.verify import differences, observation

if TYPE_CHECKING:
    from sample.tests.conftest import Running

UNTIL = 2004
EVERY = 15
TWO_NAMES = ("FRED MEYER - RETAIL STORE", "FRED MEYER RETAIL STORE")


def part() -> list[history.Report]:
    """Every 15th establishment, a pair of names that look the same, and whoever was suspended by then."""
    reports = [report for report in history.read() if report.year <= UNTIL]
    suspended = {suspension.name for suspension in expect(map(observation, reports)).suspensions}
    return history.only(reports, {*history.establishments(reports)[::EVERY], *TWO_NAMES, *suspended})


@dataclass
class Watched(Story):
    """Tells its sentences to the test, too."""

    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))
    told: list[str] = field(default_factory=list)
    at_heading: Callable[[str], None] = lambda text: None
    at_sentence: Callable[[str], None] = lambda sentence: None

    def say(self, sentence: str, *, style: str | None = None) -> None:
        self.told.append(sentence)
        self.at_sentence(sentence)

    def heading(self, text: str) -> None:
        self.told.append(text)
        self.at_heading(text)


@pytest.mark.timeout(600)
async def test_what_came_of_the_file_is_the_same_whatever_died_on_the_way(running: Running) -> None:
    reports = part()
    years = history.years(reports)
    expected = expect(map(observation, reports))
    assert any(suspension.lifted for suspension in expected.suspensions), "the part shows too little"

    # Each service is killed once, while a year is under way.
    victims = {"2000": ("contract", "performance"), "2003": ("partner", "training", "risk")}
    kills: list[asyncio.Task[None]] = []

    async def strike(name: str) -> None:
        await asyncio.sleep(0.5)
        await running.kill(name)

    def at_heading(text: str) -> None:
        kills.extend(asyncio.create_task(strike(name)) for name in victims.get(text[:4], ()))

    # The load itself is cut off in the middle of 2002: its newcomers are in, the year is not closed.
    cut = asyncio.Event()
    first = Watched(at_heading=at_heading)

    def in_2002(sentence: str) -> None:
        if any(text.startswith("2002") for text in first.told):
            cut.set()

    first.at_sentence = in_2002
    loading = asyncio.create_task(load(running.services, years, first))
    waiting = asyncio.create_task(cut.wait())
    await asyncio.wait([loading, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert not loading.done(), loading.exception()
    loading.cancel()
    await asyncio.wait([loading])

    second = Watched(at_heading=at_heading)
    await load(running.services, years, second)
    await asyncio.gather(*kills)
    assert len(kills) == len(running.children)
    assert "2 years are in already; going on with 2002." in second.told
    assert any("was suspended" in sentence for sentence in second.told)
    assert any("was reinstated" in sentence for sentence in second.told)
    assert any("possible duplicate" in sentence for sentence in first.told + second.told)

    compared, found = await differences(running.services, reports)
    assert found == []
    assert compared["evaluations"] == len(expected.evaluations) > 150
    assert any(evaluation.cohort >= MINIMUM_COHORT for evaluation in expected.evaluations), "no percentile was compared"

    summary = await counted(running.services, elapsed=0.0)
    figures = {what: getattr(summary, what) for what in expected.figures()}
    assert figures == expected.figures()
    assert (await distinct_events(["performance"]))["performance.events"]["PeriodClosed"] == len(years)

    # Run again, it changes nothing.
    before = await settled(running.services)
    third = Watched()
    await load(running.services, years, third)
    assert third.told == ["All years are in already."]
    assert await settled(running.services) == before
