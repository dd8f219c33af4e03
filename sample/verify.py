"""`python -m sample.verify`: everything that came of the file, recomputed in plain Python and compared with what the
services say: every report, evaluation, flag, suspension and reinstatement. Exits with 1 and the first differences."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

import typer

from sample import history
from sample.dates import year_closed
from sample.expected import Expected, Observation, expect
from sample.history import Report
from sample.joining import Row, together
from sample.load import LAST, OnlyEvery, Until, connected, selected
from sample.scenario.setting import LABEL
from sample.services import Service, Trouble
from sample.setting import METRIC, MINIMUM_COHORT, RULE, SCORECARD

K = TypeVar("K", bound=Hashable)
TOLD = 5
"""Differences of one kind that are told; the others are counted."""
MISSING = "nothing"
TRADES = "trades"


async def differences(services: Mapping[str, Service], reports: Sequence[Report]) -> tuple[dict[str, int], list[str]]:
    """How many of each kind were compared, and what differs, in sentences. The scenario's partners are none of it."""
    partner, performance, risk = (services[name] for name in ("partner", "performance", "risk"))
    partners, told, evaluations, flags, restrictions = await together(
        [
            partner.items("/partners"),
            performance.items("/kpi-reports"),
            performance.items("/evaluations"),
            risk.items("/flags"),
            risk.items("/restrictions"),
        ]
    )
    partners = [row for row in partners if not row["legal_name"].endswith(LABEL)]
    names = {row["partner_id"]: row["legal_name"] for row in partners}
    expected = expect(observation(report) for report in reports)
    suspended = sorted({suspension.name for suspension in expected.suspensions})
    ids = {name: id for id, name in names.items()}
    happened = await together([_suspensions_of(partner, ids[name]) for name in suspended if name in ids])
    pairs: dict[str, tuple[Mapping[Any, Any], Mapping[Any, Any]]] = {
        "partners": (dict.fromkeys(history.establishments(reports), TRADES), partners_of(partners)),
        "kpi_reports": ({r.source_ref: (r.name, r.year, r.score) for r in reports}, reports_of(told, names)),
        "evaluations": (expected_evaluations(expected), evaluations_of(evaluations, names)),
        "flags": ({(f.name, f.raised): f.resolved for f in expected.flags}, flags_of(flags, names)),
        "suspensions": (
            {(s.name, s.imposed): s.lifted for s in expected.suspensions},
            restrictions_of(restrictions, names),
        ),
        "suspended partners": (
            expected_causes(expected),
            dict(zip((name for name in suspended if name in ids), happened, strict=True))
            | {row["legal_name"]: "suspended" for row in partners if _oddly(row, suspended)},
        ),
    }
    found = [sentence for what, (wanted, there) in pairs.items() for sentence in compare(what, wanted, there)]
    return {what: len(wanted) for what, (wanted, _) in pairs.items()}, found


def observation(report: Report) -> Observation:
    return report.name, report.year, report.score


def compare(what: str, wanted: Mapping[K, Any], there: Mapping[K, Any]) -> list[str]:
    """One sentence for each key whose values differ, up to a limit, and one that counts the others."""
    differing = [key for key in wanted.keys() | there.keys() if wanted.get(key, MISSING) != there.get(key, MISSING)]
    sentences = [
        f"{what}: {_shown(key)}: the file gives {_shown(wanted.get(key, MISSING))}, "
        f"the services say {_shown(there.get(key, MISSING))}"
        for key in sorted(differing, key=str)[:TOLD]
    ]
    if len(differing) > TOLD:
        sentences.append(f"{what}: and {len(differing) - TOLD:,} more")
    return sentences


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


# -- what the file gives


def expected_evaluations(expected: Expected) -> dict[tuple[str, int], tuple[Any, ...]]:
    return {
        (e.name, e.year): (
            rounded(e.mean),
            rounded(e.mean),
            e.observations,
            e.trend,
            None if e.cohort < MINIMUM_COHORT else rounded(e.percentile),
            e.cohort,
        )
        for e in expected.evaluations
    }


def expected_causes(expected: Expected) -> dict[str, tuple[tuple[str, int], ...]]:
    """When each partner was suspended and reinstated, in order."""
    causes: dict[str, list[tuple[str, int]]] = {}
    for each in sorted(expected.suspensions, key=lambda s: s.imposed):
        of_partner = causes.setdefault(each.name, [])
        of_partner.append(("suspended", each.imposed))
        if each.lifted is not None:
            of_partner.append(("reinstated", each.lifted))
    return {name: tuple(found) for name, found in causes.items()}


def rounded(value: Fraction) -> Decimal:
    """To six places, half to even, as the services round."""
    return Decimal(round(value * 10**6)) / 10**6


# -- what the services say


def partners_of(rows: Iterable[Row]) -> dict[str, str]:
    """A partner that trades, or would if it were not suspended, went all the way from its application."""
    return {row["legal_name"]: TRADES if row["stage"] == "active" else row["stage"] for row in rows}


def reports_of(rows: Iterable[Row], names: Mapping[str, str]) -> dict[str, tuple[str, int, Decimal]]:
    return {
        row["source_ref"]: (names.get(row["partner_id"], row["partner_id"]), int(row["period"]), Decimal(row["value"]))
        for row in rows
        if row["metric"] == METRIC
    }


def evaluations_of(rows: Iterable[Row], names: Mapping[str, str]) -> dict[tuple[str, int], tuple[Any, ...]]:
    return {
        (names.get(row["partner_id"], row["partner_id"]), int(row["period"])): (
            Decimal(row["total"]),
            *_measured(row["scores"]),
            row["trend"],
            None if row["percentile"] is None else Decimal(row["percentile"]),
            row["cohort_size"],
        )
        for row in rows
        if row["scorecard"] == SCORECARD
    }


def _measured(scores: Iterable[Row]) -> tuple[Decimal, int]:
    """Its one line: the mean of how many observations."""
    [score] = scores
    return Decimal(score["value"]), score["observations"]


def flags_of(rows: Iterable[Row], names: Mapping[str, str]) -> dict[tuple[str, int | str], int | str | None]:
    return {
        (names.get(row["partner_id"], row["partner_id"]), year_closed(row["raised_at"])): _until(
            row["closed_at"], row["status"], "resolved"
        )
        for row in rows
        if row["rule"] == RULE
    }


def restrictions_of(rows: Iterable[Row], names: Mapping[str, str]) -> dict[tuple[str, int | str], int | str | None]:
    return {
        (names.get(row["partner_id"], row["partner_id"]), year_closed(row["imposed_at"])): _until(
            row["lifted_at"], row["status"], "lifted"
        )
        for row in rows
        if row["rule"] == RULE
    }


def _until(closed_at: str | None, status: str, usual: str) -> int | str | None:
    if closed_at is None:
        return None
    return year_closed(closed_at) if status == usual else status


async def _suspensions_of(partner: Service, id: str) -> tuple[tuple[str, int | str], ...]:
    kinds = {"PartnerSuspended": "suspended", "PartnerReinstated": "reinstated"}
    events = await partner.items(f"/partners/{id}/history")
    named = [(event["type"].split(".")[2], event["occurred_at"]) for event in events]
    return tuple((kinds[kind], year_closed(instant)) for kind, instant in named if kind in kinds)


def _oddly(row: Row, suspended: Iterable[str]) -> bool:
    return row["status"] == "suspended" and row["legal_name"] not in suspended


async def run(reports: Sequence[Report]) -> None:
    async with connected() as services:
        compared, found = await differences(services, reports)
    if found:
        raise Trouble("what the services say is not what the file gives:\n  " + "\n  ".join(found))
    told = ", ".join(f"{number:,} {what.replace('_', ' ')}" for what, number in compared.items())
    print(f"All of it agrees with the file: {told}.")


def main(only_every: OnlyEvery = 1, until: Until = LAST) -> None:
    """Recompute what came of the sample from the file, and compare all of it with what the services say."""
    try:
        asyncio.run(run(selected(only_every, until)))
    except Trouble as trouble:
        sys.exit(f"sample: {trouble}")


if __name__ == "__main__":
    typer.run(main)
