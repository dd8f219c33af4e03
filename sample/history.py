"""The sample's file, read into years: who is new in a year, and what was reported in it. Pure reading."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("inspections.csv")
HEADER = ("business_name", "inspection_score", "Year", "NumberofLocations", "Weekend")


@dataclass(frozen=True, slots=True)
class Report:
    """One inspection: an observation of `inspection_score` (0 to 100). `line` is its line in the file, from 2 on;
    equal rows are separate observations and differ in nothing else."""

    line: int
    name: str
    year: int
    score: int

    @property
    def source_ref(self) -> str:
        return str(self.line)


@dataclass(frozen=True, slots=True)
class Year:
    """A year of history: `newcomers` are the establishments first seen in it, in the order of the file."""

    year: int
    newcomers: tuple[str, ...]
    reports: tuple[Report, ...]


def read(path: Path = FILE) -> list[Report]:
    """Every inspection in the order of the file.

    Raises ValueError, with the line, for a file that is not the one this sample knows.
    """
    with path.open(encoding="ascii", newline="") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != HEADER:
            raise ValueError(f"{path}: the first line is not {','.join(HEADER)}")
        return [_report(path, line, row) for line, row in enumerate(rows, start=2)]


def _report(path: Path, line: int, row: list[str]) -> Report:
    try:
        name, score, year, _, _ = row
        report = Report(line, name, int(year), int(score))
    except ValueError as error:
        raise ValueError(f"{path}, line {line}: {error}") from error
    if not name or not 0 <= report.score <= 100:
        raise ValueError(f"{path}, line {line}: an inspection has a name and a score from 0 to 100")
    return report


def years(reports: Iterable[Report]) -> list[Year]:
    """The years that have reports, in order. An establishment is its exact name."""
    by_year: dict[int, list[Report]] = {}
    for report in reports:
        by_year.setdefault(report.year, []).append(report)
    seen: set[str] = set()
    history = []
    for year in sorted(by_year):
        newcomers = tuple(dict.fromkeys(r.name for r in by_year[year] if r.name not in seen))
        seen.update(newcomers)
        history.append(Year(year, newcomers, tuple(by_year[year])))
    return history


def establishments(reports: Iterable[Report]) -> list[str]:
    """Every establishment once, in the order of the file."""
    return list(dict.fromkeys(report.name for report in reports))


def only(reports: Iterable[Report], names: Collection[str]) -> list[Report]:
    """What was reported of these establishments."""
    return [report for report in reports if report.name in names]
