"""The proof at the end: everything settles, and then databases and topics are held against what clients were told."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from engine.runtime import Engine

from faults import business, guarantees
from faults.evidence import Evidence, gathered
from faults.folds import folded
from faults.ledger import Ledger

TOLD = 8
"""Sentences of one check that are told; the others are counted."""


@dataclass(frozen=True)
class Verdict:
    check: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        if self.passed:
            return f"{self.check}: holds"
        told = [f"  {failure}" for failure in self.failures[:TOLD]]
        more = [f"  and {len(self.failures) - TOLD:,} more"] if len(self.failures) > TOLD else []
        return "\n".join([f"{self.check}: {len(self.failures):,} times not", *told, *more])


def first_line(check: Callable[..., object]) -> str:
    return (check.__doc__ or check.__name__).strip().split("\n\n")[0].replace("\n    ", " ").rstrip(".")


def judged(check: Callable[..., Iterable[str]], *arguments: object) -> Verdict:
    return Verdict(first_line(check), tuple(check(*arguments)))


def judge_services(
    channel: Mapping[str, Evidence], ledger: Ledger, *, window: int, stumbles: int, now: datetime
) -> Iterator[Verdict]:
    """The engine's guarantees, each over all of the services."""

    def all_of(check: Callable[..., Iterator[str]], *arguments: object) -> Verdict:
        found = (f"{name}: {each}" for name, evidence in channel.items() for each in check(evidence, *arguments))
        return Verdict(first_line(check), tuple(found))

    yield all_of(guarantees.nothing_waits, now)
    yield all_of(guarantees.acknowledged_once, ledger.asked)
    yield all_of(guarantees.uploads_once, ledger.asked)
    yield all_of(guarantees.never_half, ledger.asked)
    yield all_of(guarantees.contiguous)
    yield all_of(guarantees.published)
    yield all_of(guarantees.ordered)
    yield all_of(guarantees.nothing_foreign)
    yield all_of(guarantees.repeated_in_bounds, window, stumbles)
    yield all_of(guarantees.effects_once)


def judge_business(channel: Mapping[str, Evidence], now: datetime) -> Iterator[Verdict]:
    yield judged(business.consequences, channel, now)
    yield judged(business.evaluations, channel)
    yield judged(business.partners_trade, channel)


async def collect(engines: Mapping[str, Engine], urls: Mapping[str, str], bootstrap: str) -> dict[str, Evidence]:
    return {
        service: await gathered(service, urls[service], bootstrap, engine.topic(service), engine.partitions(service))
        for service, engine in engines.items()
    }


async def judge_views(
    channel: Mapping[str, Evidence], engines: Mapping[str, Engine], urls: Mapping[str, str]
) -> Verdict:
    wrong: list[str] = []
    for service, engine in engines.items():
        views = importlib.import_module(f"{service}.views").VIEWS
        wrong += await folded(service, urls[service], views, engine.store.codec, channel)
    return Verdict("Every view equals the fold of the store", tuple(wrong))


async def judge(
    engines: Mapping[str, Engine],
    urls: Mapping[str, str],
    bootstrap: str,
    ledger: Ledger,
    *,
    window: int,
    stumbles: int,
    step: Callable[[str], None],
) -> tuple[dict[str, Evidence], Sequence[Verdict]]:
    now = datetime.now(UTC)
    step("reading databases and topics")
    channel = await collect(engines, urls, bootstrap)
    step("holding them against what clients were told")
    verdicts = list(judge_services(channel, ledger, window=window, stumbles=stumbles, now=now))
    verdicts += judge_business(channel, now)
    step("folding every view anew")
    verdicts.append(await judge_views(channel, engines, urls))
    verdicts.append(Verdict("No answer was a failure that no fault excuses", tuple(ledger.broken)))
    return channel, verdicts
