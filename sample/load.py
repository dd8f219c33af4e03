"""`python -m sample.load`: twenty years of a channel, through the public HTTP API, told while they pass.

It can be stopped, or lose a service, at any moment: it goes on where it was, and run again it changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import typer

from sample import history
from sample.dates import on
from sample.history import Report, Year
from sample.joining import together
from sample.services import Service, Trouble, from_environment
from sample.setting import define
from sample.settle import settled
from sample.story import REAL, Story
from sample.summary import counted, tell
from sample.year import Channel

LAST = 2019
OnlyEvery = Annotated[int, typer.Option(min=1, help="Only every n-th establishment.")]
Until = Annotated[int, typer.Option(help="No year after this one.")]


async def load(services: Mapping[str, Service], years: Sequence[Year], story: Story) -> None:
    """Lives through the years that have not been closed yet, in order. Raises Trouble."""
    await settled(services)
    closed = {row["period"] for row in await services["performance"].items("/periods", kind="year")}
    todo = [year for year in years if str(year.year) not in closed]
    if closed and todo:
        story.say(f"{len(closed)} years are in already; going on with {todo[0].year}.")
    elif not todo:
        story.say("All years are in already.")
    if todo:
        await define(services, on(years[0].year, (1, 1)))
    channel = Channel(services, story, welcomed=bool(closed))
    for year in todo:
        await channel.live(year)
    await together(service.delete("/backfill", wait=5) for service in services.values())
    await settled(services)


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[Mapping[str, Service]]:
    """The services of the environment. Raises Trouble."""
    services = from_environment()
    async with contextlib.AsyncExitStack() as stack:
        for service in services.values():
            await stack.enter_async_context(service.client)
        yield services


def selected(only_every: int, until: int) -> list[Report]:
    """All of it, or every n-th establishment, or the years up to one."""
    reports = history.read()
    if only_every > 1:
        reports = history.only(reports, set(history.establishments(reports)[::only_every]))
    return [report for report in reports if report.year <= until]


async def run(years: Sequence[Year], story: Story) -> None:
    async with connected() as services:
        with story.running():
            await load(services, years, story)
        summary = await counted(services, story.elapsed)
        await tell(summary, services, story)
        story.say(f"\nThese figures are in {summary.write()}; python -m sample.verify recomputes them from the file.")


def main(only_every: OnlyEvery = 1, until: Until = LAST) -> None:
    """Load the sample through the services' public HTTP API."""
    story = Story()
    try:
        story.say(REAL)
        asyncio.run(run(history.years(selected(only_every, until)), story))
    except Trouble as trouble:
        sys.exit(f"sample: {trouble}")
    except KeyboardInterrupt:
        sys.exit("sample: stopped; run it again and it goes on where it was")


if __name__ == "__main__":
    typer.run(main)
