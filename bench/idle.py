"""What services cost that have nothing to do: CPU and memory a process, and how long one takes to be ready."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

from devstack.services import SERVICES

from bench.measure import Figure, Spread, Target
from bench.process import Served, migrate, serving
from bench.rig import Rig

REPLICAS = 2
SETTLE_SECONDS = 10.0
"""Until groups are balanced, leases taken and start-up work is done."""


async def idle(rig: Rig) -> list[Figure]:
    """Five services, each twice: they share its database and consumer group, as pods of one deployment do."""
    async with AsyncExitStack() as stack:
        prefix = await stack.enter_async_context(rig.topics())
        databases = {each.name: await stack.enter_async_context(rig.database()) for each in SERVICES}
        for name, database in databases.items():
            rig.step(f"making {name}'s tables")
            await migrate(rig, ("-m", "service", "migrate", name), database, prefix)
        running: list[Served] = []
        for n in range(REPLICAS):
            for name, database in databases.items():
                rig.step(f"starting {name}, process {n + 1} of {REPLICAS}")
                command = ("-m", "service", "run", name)
                running.append(await stack.enter_async_context(serving(rig, command, database, prefix)))
        await asyncio.sleep(rig.pick(int(SETTLE_SECONDS), 3))
        seconds = float(rig.pick(60, 10))
        rig.step(f"idle for {seconds:.0f} s")
        before, began = [each.cpu() for each in running], time.monotonic()
        await asyncio.sleep(seconds)
        elapsed = time.monotonic() - began
        cpu = [100 * (each.cpu() - used) / elapsed for each, used in zip(running, before, strict=True)]
        memory = [each.memory() for each in running]
        own = [each.own_memory() for each in running]
    leading, standing_by = cpu[: len(SERVICES)], cpu[len(SERVICES) :]
    return [
        Figure(
            f"an idle process that leads: CPU ({len(running)} processes run)",
            "% of a core",
            Spread.of(leading),
            target=Target("at most", 1.0),
            note=f"{len(SERVICES)} services, each as {REPLICAS} processes, over {seconds:.0f} s: together"
            f" {sum(cpu):.1f} % of a core. The first process of a service leads: it holds the leases of the"
            " relay and of the readers.",
        ),
        Figure(
            "an idle process that stands by: CPU",
            "% of a core",
            Spread.of(standing_by),
            target=Target("at most", 1.0),
        ),
        Figure(
            "an idle process: memory",
            "MB resident",
            Spread.of(memory),
            target=Target("at most", 110.0),
            note=f"Of its own, not shared with other processes: {sum(own) / len(own):.0f} MB on average.",
        ),
        Figure(
            "from start to ready",
            "s",
            Spread.of(each.ready_after for each in running),
            target=Target("at most", 3.0),
            note="One process after another, beside those that run already, with its tables in place.",
        ),
    ]
