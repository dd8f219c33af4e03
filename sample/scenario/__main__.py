"""`python -m sample.scenario`: a made-up story on the services that `make run` has started, told while it passes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer
from devstack import issuer
from devstack.trouble import Trouble as StackTrouble

from sample.load import connected
from sample.scenario.acting import Acting
from sample.scenario.joining import Joining
from sample.scenario.setting import CODE, SEED, Calendar, figures
from sample.scenario.stage import Mint, Stage
from sample.scenario.trading import Trading
from sample.services import PATIENCE, Refused, Service, Trouble
from sample.settle import settled
from sample.story import Story

SIMULATED = (
    'All of this is simulated: no such business exists. Its partners are called "... (simulated)", their external '
    'references are of the system "scenario", and every code begins with "scenario". The sample of real inspections '
    "beside it is left alone."
)
LEFT_OUT = (
    "Left out, for their clocks take weeks: a cure that lapses, a certificate that expires, a renewal, a probation "
    "that ends. Dated back (occurred_at): everything up to the closing of the second month."
)
AWAY = 3.0
"""Seconds until services that do not answer at the start are taken for not started."""
BEFORE = 90
"""Days between the start of the recruiting plan and the first month."""


async def play(services: Mapping[str, Service], story: Story, mint: Mint, *, seed: int = SEED) -> None:
    """From where it is to its end; at its end it changes nothing. Raises Trouble."""
    await settled(services)
    planned = await _planned(services["partner"], seed)
    calendar = Calendar.before(datetime.now(UTC).date()) if planned is None else Calendar(planned)
    story.say(SIMULATED)
    async with AsyncExitStack() as opened:
        stage = Stage(services, story, figures(seed), calendar, mint, opened)
        poor = None if planned is None else await _is_over(services, stage)
        if poor is None:
            poor = await _play(stage)
        else:
            story.say(f"\nThe story was played in the month after {calendar.periods[1]}; nothing is changed.")
        story.heading(f"Why {stage.figures.overridden} stands where it does")
        story.why(f"{services['risk'].url}/risk-profiles/{poor}/why")
        story.say(f"\n{LEFT_OUT}")


async def _play(stage: Stage) -> str:
    story = stage.story
    joining = Joining(stage, stage.person("ana"), stage.person("ben"))
    with story.running(), story.step("the scenario", total=9) as step:
        story.heading("Recruiting")
        await joining.instruct()
        regular, poor = await joining.recruit()
        step.done()
        story.heading("Contracts")
        await joining.sign(regular, poor)
        step.done()
        story.heading("Training and opening")
        for partner in (regular, poor):
            await joining.train(partner, fails_first=partner is poor)
            await joining.open(partner)
        await joining.acknowledge(regular)
        await joining.count()
        step.done()
        trading, acting = Trading(stage, joining, regular, poor), Acting(stage, joining, poor)
        for heading, act in (
            ("Sales and royalties", trading.sell),
            ("A field audit, a breach and its cure", trading.audit),
            ("", trading.cure),
            ("Two months of figures", trading.measure),
            ("A risk", acting.answer),
            ("The end of one", acting.end),
        ):
            if heading:
                story.heading(heading)
            await act()
            step.done()
    return poor.id


async def _planned(partner: Service, seed: int) -> date | None:
    """The first month's first day, if the story has begun. Raises Trouble if it is another seed's."""
    plans = [row for row in await partner.items("/recruitment-plans") if row["code"].startswith(f"{CODE}-")]
    for row in plans:
        if row["code"] != f"{CODE}-{seed}":
            raise Trouble(
                f"The scenario was begun with --seed {row['code'].removeprefix(f'{CODE}-')}, and one stack plays one: "
                "give that seed, or begin anew with `make clean` and `make run`."
            )
        return date.fromisoformat(row["content"]["starts_on"]) + timedelta(days=BEFORE)
    return None


async def _is_over(services: Mapping[str, Service], stage: Stage) -> str | None:
    """The partner whose contract was terminated, if it was."""
    for row in await services["contract"].items("/contracts", status="terminated"):
        partner = await services["partner"].get(f"/partners/{row['partner_id']}")
        if partner["legal_name"] == stage.figures.overridden:
            return str(row["partner_id"])
    return None


def mint_here(role: str, subject: str, partner_id: UUID | None = None) -> str:
    """A token of this clone's development issuer, as `make token` gives one."""
    return issuer.mint(role, subject, partner_id=partner_id)


async def _run(seed: int) -> None:
    async with connected() as services:
        for service in services.values():
            service.patience = AWAY
            try:
                await service.get("/log")
            except Trouble as trouble:
                raise Trouble(f"{trouble} Start the services with `make run` in another terminal first.") from trouble
            service.patience = PATIENCE
        await play(services, Story(), mint_here, seed=seed)


def main(
    seed: Annotated[
        int, typer.Option(min=0, max=9999, help="What names and figures follow from. One stack plays one seed.")
    ] = SEED,
) -> None:
    """Play a simulated story on the services that `make run` has started: three applicants, two contracts, training,
    sales, an audit, figures, a risk, a breach and an end, with the refusals that are expected.

    It speaks HTTP only, as two persons (ana, ben) and the partners' own people. Stopped, it goes on where it was; run
    again at its end, it changes nothing. The real sample's figures are left alone: python -m sample.verify agrees after
    it as before.
    """
    try:
        asyncio.run(_run(seed))
    except Refused as refused:
        sys.exit(f"scenario: {refused} Nothing before this step is lost. Run it again; if it stays, `make clean`.")
    except (Trouble, StackTrouble) as trouble:
        sys.exit(f"scenario: {trouble}")
    except KeyboardInterrupt:
        sys.exit("scenario: stopped; run it again and it goes on where it was")


if __name__ == "__main__":
    typer.run(main)
