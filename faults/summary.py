"""What a run came to: a table for the screen, and RESULTS.md for the long run."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from faults.guarantees import repeats
from faults.injector import Done
from faults.run import Outcome

RESULTS = Path(__file__).with_name("RESULTS.md")
FOUND = "## Found and mended"


def by_kind(done: Sequence[Done]) -> Mapping[str, list[Done]]:
    kinds: dict[str, list[Done]] = defaultdict(list)
    for each in sorted(done, key=lambda each: each.kind):
        kinds[each.kind].append(each)
    return kinds


def rows(done: Sequence[Done]) -> Iterator[tuple[str, str, str, str]]:
    """Kind, how often, and recovery in seconds: median and worst."""
    for kind, each in by_kind(done).items():
        seconds = [d.recovered for d in each if d.recovered is not None]
        late = "never" if len(seconds) < len(each) else f"{max(seconds):.1f}"
        yield kind, str(len(each)), f"{statistics.median(seconds):.1f}" if seconds else "-", late


def figures(outcome: Outcome) -> dict[str, str]:
    ledger = outcome.ledger
    events = sum(len(evidence.events) for evidence in outcome.evidence.values())
    records = sum(len(evidence.topic) for evidence in outcome.evidence.values())
    again = sum(repeats(evidence) for evidence in outcome.evidence.values())
    commands = len(ledger.asked)
    return {
        "commands": f"{commands:,}",
        "acknowledged": f"{len(ledger.of('acknowledged')):,}",
        "refused": f"{len(ledger.of('refused')):,}",
        "never answered": f"{len(ledger.of('unknown')):,}",
        "asked more than once": f"{sum(asked.tries > 1 for asked in ledger.asked):,}",
        "reads": f"{ledger.reads:,}",
        "events": f"{events:,}",
        "records on topics": f"{records:,}, of them {again:,} repeats",
        "the relay began anew": f"{sum(evidence.takeovers for evidence in outcome.evidence.values()):,} times",
        "all at rest after": "never" if outcome.settled is None else f"{outcome.settled:.1f} s",
    }


def tell(outcome: Outcome, console: Console) -> None:
    table = Table("fault", "times", "recovery, median s", "worst s", title=f"seed {outcome.plan.seed}")
    for row in rows(outcome.done):
        table.add_row(*row)
    console.print(table)
    told = Table(show_header=False, box=None)
    for what, figure in figures(outcome).items():
        told.add_row(what, figure)
    console.print(told)
    if outcome.missed:
        console.print(f"Not inflicted, as nobody came by or another fault had it: {len(outcome.missed)}", style="dim")
        for missed in outcome.missed:
            console.print(f"  {missed}", style="dim", markup=False)
    if refusals := outcome.ledger.refusals():
        console.print(f"Refusals: {dict(refusals)}", style="dim", markup=False)
    for stuck in outcome.stuck[:10]:
        console.print(f"A client gave up: {stuck}", style="dim", markup=False)
    for verdict in outcome.verdicts:
        console.print(
            str(verdict), style="green" if verdict.passed else "red", highlight=False, markup=False, soft_wrap=True
        )
    held = sum(verdict.passed for verdict in outcome.verdicts)
    console.print(
        f"{len(outcome.done)} faults in {outcome.seconds:.0f} s, seed {outcome.plan.seed}: {held} of"
        f" {len(outcome.verdicts)} checks hold. Logs: {outcome.folder / 'logs'}",
        highlight=False,
    )


def write(outcome: Outcome, machine: str) -> None:
    """RESULTS.md, but for what a person wrote under the last heading."""
    found = "\n\nNothing yet.\n"
    if RESULTS.exists() and FOUND in RESULTS.read_text():
        found = RESULTS.read_text().partition(FOUND)[2]
    RESULTS.write_text("\n".join(_page(outcome, machine)) + f"\n\n{FOUND}{found}")


def _page(outcome: Outcome, machine: str) -> Iterator[str]:
    plan = outcome.plan
    held = sum(verdict.passed for verdict in outcome.verdicts)
    yield "# Faults: the long run\n"
    yield (
        f"`make faults-long`, {datetime.now(UTC):%d %B %Y}, seed {plan.seed}: **{len(outcome.done)} faults** in"
        f" {outcome.seconds / 60:.0f} minutes, {plan.lanes} at a time, on {machine}. {held} of {len(outcome.verdicts)}"
        " checks hold.\n"
    )
    yield "| check | |\n|---|---|"
    for verdict in outcome.verdicts:
        yield f"| {verdict.check} | {'holds' if verdict.passed else f'{len(verdict.failures):,} times not'} |"
    yield "\n## What was done\n"
    yield "Recovery is counted from the end of the fault (of a kill: from the kill; of a halted process: from when it"
    yield "goes on) until every replica is ready and everything recorded by the end of the fault is published and"
    yield "handled by every subscription, with the load going on and other faults beside it.\n"
    yield "| fault | times | recovery, median s | worst s |\n|---|---:|---:|---:|"
    for row in rows(outcome.done):
        yield f"| {' | '.join(row)} |"
    yield "\n## What it was done to\n"
    yield "| | |\n|---|---:|"
    for what, figure in figures(outcome).items():
        yield f"| {what} | {figure} |"
