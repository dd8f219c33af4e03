"""`python -m faults`: real services under faults, and the proof that nothing was lost and nothing happened twice."""

from __future__ import annotations

import math
import os
import secrets
import sys
from typing import Annotated

import psutil
import typer
import uvloop
from devstack.trouble import Trouble
from rich.console import Console

from faults import summary
from faults.injector import KINDS
from faults.run import Plan, faulted

SHORT_FAULTS, LONG_FAULTS = 17, 300


def main(
    seed: Annotated[int | None, typer.Option(help="Chooses the faults and the load; a fresh one if absent.")] = None,
    faults: Annotated[
        int | None, typer.Option(min=1, help=f"How many; {SHORT_FAULTS}, or {LONG_FAULTS} if long.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Not for longer than this; the proof comes after it.")] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="How many at a time; 1, or 2 if long.")] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"This kind; again for more. {', '.join(KINDS)}.")] = None,
    long: Annotated[
        bool, typer.Option("--long", help="Also crashes of Kafka, dumps and restores; writes faults/RESULTS.md.")
    ] = False,
) -> None:
    """Starts a Postgres, a Kafka and seven replicas of five services of its own, puts a load on them, and inflicts
    faults: processes killed at random and in the middle of their work, halted and woken, servers crashed, lines cut.

    At the end it proves from the databases and topics that every acknowledged command is there once, every event is
    published in order, every consequence came once, and every view is what the log says. Exits with 1 if not.

    Examples: [b]make faults[/b], [b]python -m faults --seed 7 --only "kill at relay_sent" --faults 5[/b]
    """
    console = Console()
    if unknown := set(only or ()) - KINDS.keys():
        console.print(f"There is no fault {', '.join(sorted(unknown))}; there are: {', '.join(KINDS)}.", style="red")
        raise typer.Exit(2)
    plan = Plan(
        seed=seed if seed is not None else secrets.randbelow(1_000_000),
        faults=faults or (LONG_FAULTS if long else SHORT_FAULTS),
        minutes=minutes or math.inf,
        lanes=lanes or (2 if long else 1),
        long=long,
        only=tuple(only or ()),
    )
    console.print(f"Faults with seed {plan.seed}.", highlight=False)
    try:
        outcome = uvloop.run(faulted(plan, console))
    except Trouble as trouble:
        console.print(str(trouble), style="red", markup=False)
        raise typer.Exit(1) from None
    summary.tell(outcome, console)
    if long and not plan.only:
        summary.write(outcome, f"{os.cpu_count()} cores and {psutil.virtual_memory().total / 2**30:.0f} GiB")
    if not outcome.passed:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
