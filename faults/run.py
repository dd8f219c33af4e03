"""One run: the fleet up, the load on it, faults one after another, and at the end the proof."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import shutil
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx
import structlog
from devstack import place
from httpx_aiohttp import AiohttpTransport
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from faults.checker import Verdict, judge
from faults.child import SHORT
from faults.evidence import Evidence
from faults.fleet import REPLICAS, Fleet
from faults.injector import Done, Injector, deck
from faults.ledger import Client, Ledger
from faults.load import Load
from faults.probe import Probe, behind

SETTLE_SECONDS = 120.0
"""Until everything that the load has led to must have come to its end."""
WARM_UP_SECONDS = 5.0


@dataclass(frozen=True)
class Plan:
    """So many `faults` at least, or for so many `minutes`, in `lanes` beside each other; `only` some kinds, if any are
    named."""

    seed: int
    faults: int
    minutes: float = math.inf
    lanes: int = 1
    long: bool = False
    only: Sequence[str] = ()


@dataclass(frozen=True)
class Outcome:
    plan: Plan
    done: Sequence[Done]
    missed: Sequence[str]
    ledger: Ledger
    stuck: Sequence[str]
    settled: float | None
    evidence: dict[str, Evidence]
    verdicts: Sequence[Verdict]
    seconds: float
    folder: Path

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


async def faulted(plan: Plan, console: Console) -> Outcome:
    """Raises Trouble where the fleet does not even come up."""
    began = time.monotonic()

    def tell(sentence: str) -> None:
        console.print(f"{time.monotonic() - began:5.0f} s  {sentence}", highlight=False, markup=False, soft_wrap=True)

    folder = place.run() / "faults" / str(plan.seed)
    shutil.rmtree(folder, ignore_errors=True)
    fleet = Fleet(folder)
    log_to(folder / "logs" / "faults.log")
    ledger = Ledger()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting Postgres, Kafka and seven replicas", total=None)
        async with fleet.running(), clients(fleet, ledger, plan.seed) as asking:
            load = Load(asking, ledger, plan.seed)
            probe = Probe(fleet)
            injector = Injector(fleet, probe, Random(plan.seed), tell)
            await load.prepare()
            progress.update(task, total=plan.faults)
            showing = asyncio.create_task(_show(progress, task, injector, ledger, plan))
            failed = await _under_load(load, injector, plan)
            showing.cancel()
            progress.update(task, description="the load has ended; waiting until nothing is under way")
            settled = await probe.settled(SETTLE_SECONDS)
            urls = {service: fleet.direct_url(service) for service in REPLICAS}
            evidence, verdicts = await judge(
                fleet.engines,
                urls,
                fleet.bootstrap,
                ledger,
                window=int(SHORT["relay_window"]),
                stumbles=len(injector.done),
                step=lambda text: progress.update(task, description=text),
            )
            verdicts = [
                Verdict("Load and injector themselves did not fail", tuple(failed)),
                await _settling(probe, settled),
                _recovering(injector.done),
                *verdicts,
            ]
            await probe.close()
    outcome = Outcome(
        plan,
        injector.done,
        injector.missed,
        ledger,
        load.stuck,
        settled,
        evidence,
        verdicts,
        time.monotonic() - began,
        folder,
    )
    if outcome.passed:  # else somebody will want to look
        for data in ("postgres", "kafka", "failpoints"):
            shutil.rmtree(folder / data)
        for dump in folder.glob("*.dump"):
            dump.unlink()
    return outcome


async def _under_load(load: Load, injector: Injector, plan: Plan) -> list[str]:
    """What went wrong with load or injector themselves; the proof is owed all the same."""
    working = asyncio.create_task(load.run())
    injecting = asyncio.create_task(_inject(injector, plan))
    await asyncio.wait({working, injecting}, return_when=asyncio.FIRST_COMPLETED)
    failed = [f"the load ended: {working.exception()!r}"] if working.done() else []
    working.cancel()
    await asyncio.wait({working})
    return failed + await injecting


async def _inject(injector: Injector, plan: Plan) -> list[str]:
    await asyncio.sleep(WARM_UP_SECONDS)
    cards: list[str] = []
    failed: list[str] = []
    until = time.monotonic() + plan.minutes * 60

    async def lane(number: int) -> None:
        """Whatever happens in another lane, a fault that was begun is brought to its end."""
        while len(injector.done) < plan.faults and time.monotonic() < until and not failed:
            if not cards:
                cards.extend(plan.only or deck(injector.random, long=plan.long))
            kind = cards.pop()
            try:
                await injector.inflict(kind, number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told as a check that does not hold
                failed.append(f"{kind}: {''.join(traceback.format_exception(error))}")

    await asyncio.gather(*(lane(number) for number in range(plan.lanes)))
    return failed


async def _show(progress: Progress, task: object, injector: Injector, ledger: Ledger, plan: Plan) -> None:
    while True:
        doing = "; ".join(injector.now.values()) or "warming up"
        told = f"{len(injector.done)}/{plan.faults} faults, {len(ledger.of('acknowledged')):,} commands acknowledged"
        progress.update(task, completed=len(injector.done), description=f"{told}: {doing}")  # type: ignore[arg-type]
        await asyncio.sleep(0.5)


async def _settling(probe: Probe, settled: float | None) -> Verdict:
    name = f"Nothing is under way any more within {SETTLE_SECONDS:.0f} s of the load's end"
    if settled is not None:
        return Verdict(name, ())
    states = await probe.states()
    heads = {service: state.head for service, state in states.items()}
    left = behind(states, heads, {service: state.ends for service, state in states.items()})
    left += [
        f"{s} has published {state.published} of {state.head}"
        for s, state in states.items()
        if state.published < state.head
    ]
    left += [f"{s} has {state.due} timers that are due" for s, state in states.items() if state.due]
    return Verdict(name, tuple(left) or ("events came without an end",))


def _recovering(done: Sequence[Done]) -> Verdict:
    failed = [f"{each.kind} of {each.target}" for each in done if each.recovered is None]
    return Verdict("All was well again in time after every fault", tuple(failed))


@contextlib.asynccontextmanager
async def clients(fleet: Fleet, ledger: Ledger, seed: int) -> AsyncIterator[dict[str, Client]]:
    client = httpx.AsyncClient(
        headers={"authorization": f"Bearer {fleet.token()}", "accept": "application/json"},
        transport=AiohttpTransport(trust_env=False, limits=httpx.Limits(max_connections=64, keepalive_expiry=4)),
        trust_env=False,
    )
    async with client:
        yield {
            service: Client(
                service,
                client,
                urls=[r.url for r in fleet.of(service)],
                ledger=ledger,
                choice=Random(seed),
            )
            for service in REPLICAS
        }


def log_to(path: Path) -> None:
    """What the engine says in this process (reading topics, migrating) belongs to no screen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    logging.getLogger().handlers = [handler]
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(path.open("a", buffering=1)))
