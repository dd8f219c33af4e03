"""`make bench`: every measure on a Postgres and a Kafka of its own, with progress; results beside this file."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop
from devstack import place
from devstack.trouble import Trouble
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import results
from bench.measure import Measure
from bench.report import report, table
from bench.rig import Rig, servers
from bench.suite import MEASURES

HERE = Path(__file__).parent
NAMES = ", ".join(measure.name for measure in MEASURES)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this measure; may be given more than once. There are: {NAMES}.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Rounds too short to be believed, which show that a measure works.")
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="Say what is measured, and end.")] = False,
) -> None:
    """Measure what Cauce costs, each figure beside a limit or a peer in the same run, in turn.

    Needs a quiet machine. A full run takes up to 25 minutes and writes bench/results.json, bench/RESULTS.md and
    bench/results.svg; with --only, just the sections measured anew are replaced. --quick writes to .run/bench instead.
    """
    console = Console()
    if listed:
        for measure in MEASURES:
            console.print(f"[bold]{measure.name:12}[/] {measure.says}")
        return
    if strange := set(only or ()) - {measure.name for measure in MEASURES}:
        raise typer.BadParameter(f"no measure is called {', '.join(sorted(strange))}; there are: {NAMES}")
    wanted = [measure for measure in MEASURES if not only or measure.name in only]
    for name in ("aiokafka", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    folder = place.run() / "bench" if quick else HERE
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(wanted, folder, console, quick=quick))
    except Trouble as trouble:
        console.print(f"bench: {trouble}", style="red")
        raise SystemExit(1) from None


async def run(wanted: list[Measure], folder: Path, console: Console, *, quick: bool) -> None:
    """Results are written after each measure, so that one that fails costs only itself."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[step]}"), console=console) as progress:
        task = progress.add_task("starting Postgres and Kafka", total=len(wanted), step="")
        async with servers() as (postgres, kafka):
            for measure in wanted:
                progress.update(task, description=f"[bold]{measure.name}[/]", step="")
                began = time.perf_counter()
                figures = await measure.run(Rig(postgres, kafka.bootstrap, progress, task, quick=quick))
                console.print(table(figures))
                kept = results.read(folder / "results.json")
                kept[measure.name] = results.section(figures, time.perf_counter() - began)
                report(results.write(folder / "results.json", kept, MEASURES), folder)
                progress.advance(task)
    console.print(f"Written to {folder / 'RESULTS.md'}")


if __name__ == "__main__":
    app()
