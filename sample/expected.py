"""What the platform has to come to, recomputed from the file in plain Python with exact fractions.

It shares nothing with the services or with the loader, on purpose. `python -m sample.expected` prints the figures.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

FILE = Path(__file__).with_name("inspections.csv")
FLAG_BELOW = 85
SUSPEND_AFTER = 2
LIFT_AT = 90

Observation = tuple[str, int, int]
"""Name, year, score."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A partner-year: the mean of its observations, how it moved against the partner's evaluation before, and the
    percentage of the year's partners at or below it."""

    name: str
    year: int
    mean: Fraction
    observations: int
    trend: str | None
    percentile: Fraction
    cohort: int


@dataclass(frozen=True, slots=True)
class Flag:
    """Raised by the evaluation of one year, resolved by that of a later one; None while it is open."""

    name: str
    raised: int
    resolved: int | None


@dataclass(frozen=True, slots=True)
class Suspension:
    """Imposed by the evaluation of one year, lifted by that of a later one; None while it holds."""

    name: str
    imposed: int
    lifted: int | None


@dataclass(frozen=True, slots=True)
class Expected:
    partners: int
    reports: int
    evaluations: tuple[Evaluation, ...]
    flags: tuple[Flag, ...]
    suspensions: tuple[Suspension, ...]

    def figures(self) -> dict[str, int]:
        return {
            "partners": self.partners,
            "kpi_reports": self.reports,
            "evaluations": len(self.evaluations),
            "flags": len(self.flags),
            "suspensions": len(self.suspensions),
            "reinstatements": sum(s.lifted is not None for s in self.suspensions),
        }


def observations(path: Path = FILE) -> list[Observation]:
    with path.open(encoding="ascii", newline="") as file:
        return [(row["business_name"], int(row["Year"]), int(row["inspection_score"])) for row in csv.DictReader(file)]


def expect(observed: Iterable[Observation]) -> Expected:
    """Evaluations by year, then name; flags and suspensions by name, then year."""
    scores: dict[str, dict[int, list[int]]] = {}
    for name, year, score in observed:
        scores.setdefault(name, {}).setdefault(year, []).append(score)
    means = {
        name: {year: Fraction(sum(of_year), len(of_year)) for year, of_year in sorted(of_name.items())}
        for name, of_name in sorted(scores.items())
    }
    return Expected(
        partners=len(scores),
        reports=sum(len(of_year) for of_name in scores.values() for of_year in of_name.values()),
        evaluations=tuple(_evaluations(scores, means)),
        flags=tuple(flag for name, of_name in means.items() for flag in flags(name, of_name)),
        suspensions=tuple(s for name, of_name in means.items() for s in suspensions(name, of_name)),
    )


def _evaluations(
    scores: dict[str, dict[int, list[int]]], means: dict[str, dict[int, Fraction]]
) -> Iterable[Evaluation]:
    last: dict[str, Fraction] = {}
    for year in sorted({year for of_name in means.values() for year in of_name}):
        cohort = {name: of_name[year] for name, of_name in means.items() if year in of_name}
        at_or_below = {mean: sum(other <= mean for other in cohort.values()) for mean in set(cohort.values())}
        for name, mean in cohort.items():
            percentile = Fraction(100 * at_or_below[mean], len(cohort))
            trend = _trend(last.get(name), mean)
            yield Evaluation(name, year, mean, len(scores[name][year]), trend, percentile, len(cohort))
            last[name] = mean


def _trend(before: Fraction | None, now: Fraction) -> str | None:
    if before is None:
        return None
    return "level" if now == before else "up" if now > before else "down"


def flags(name: str, means: dict[int, Fraction]) -> list[Flag]:
    """A mean below 85 raises a flag unless one is open; a mean of 85 or more resolves the open one."""
    found: list[Flag] = []
    for year, mean in means.items():
        is_open = bool(found) and found[-1].resolved is None
        if mean < FLAG_BELOW and not is_open:
            found.append(Flag(name, year, None))
        elif mean >= FLAG_BELOW and is_open:
            found[-1] = replace(found[-1], resolved=year)
    return found


def suspensions(name: str, means: dict[int, Fraction]) -> list[Suspension]:
    """Two evaluations in a row below 85 suspend, whatever years lie between them; one of 90 or more lifts."""
    found: list[Suspension] = []
    in_a_row = 0
    for year, mean in means.items():
        in_a_row = in_a_row + 1 if mean < FLAG_BELOW else 0
        holds = bool(found) and found[-1].lifted is None
        if holds and mean >= LIFT_AT:
            found[-1] = replace(found[-1], lifted=year)
        elif not holds and in_a_row >= SUSPEND_AFTER:
            found.append(Suspension(name, year, None))
    return found


def main() -> None:
    expected = expect(observations())
    for what, number in expected.figures().items():
        print(f"{what:<15}{number:>7,}")
    still = sum(s.lifted is None for s in expected.suspensions)
    print(f"\nAt the end {sum(f.resolved is None for f in expected.flags)} flags are open, {still} suspensions hold.")


if __name__ == "__main__":
    main()
