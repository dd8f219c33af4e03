"""What is judged, and what is kept and told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.measure import Figure, Measure, Pairs, Spread, Target
from bench.report import report
from bench.results import of_json, read, section, write
from bench.rig import Rig

FASTER = Figure.compared(
    "append",
    "events/s",
    Pairs(Spread.of([90, 40, 80]), Spread.of([100, 50, 80])),
    against="raw INSERT",
    target=Target("at least", 0.8),
    note="of three rounds",
)
SLOW = Figure("p99", "ms", Spread.of([12.0]), target=Target("at most", 9.0))


async def nothing(rig: Rig) -> list[Figure]:
    return []


SUITE = [Measure(name, "", nothing) for name in ("append", "latency")]


def test_the_ratio_is_taken_pair_by_pair_so_that_a_slower_moment_slows_both() -> None:
    assert FASTER.judged.values == (0.9, 0.8, 1.0)
    assert FASTER.met is True


@pytest.mark.parametrize(
    ("target", "values", "met"),
    [
        (Target("at least", 2.0), [1, 2, 9], True),
        (Target("at least", 2.1), [1, 2, 9], False),
        (Target("at most", 2.0), [1, 2, 9], True),
        (Target("at most", 1.9), [1, 2, 9], False),
        (Target("never above", 8.9), [1, 2, 9], False),
        (Target("never above", 9.0), [1, 2, 9], True),
        (Target("contains", 1.0), [0.9, 1.1], True),
        (Target("contains", 1.0), [1.01, 1.1], False),
    ],
)
def test_the_median_is_judged_or_the_highest_or_the_interval(target: Target, values: list[float], met: bool) -> None:
    assert target.met(Spread.of(values)) is met


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "results.json", {"append": section([FASTER, SLOW], 3.0)}, SUITE)
    kept = read(tmp_path / "results.json")
    assert kept["append"]["seconds"] == 3
    assert [of_json(row) for row in kept["append"]["figures"]] == [FASTER, SLOW]


def test_a_measure_taken_anew_replaces_its_own_section_only(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write(path, {"latency": section([SLOW], 1.0), "append": section([FASTER], 1.0)}, SUITE)
    kept = write(path, read(path) | {"append": section([], 1.0), "gone from the suite": section([], 1.0)}, SUITE)
    assert list(kept) == ["append", "latency"]
    assert kept["append"]["figures"] == []
    assert [of_json(row) for row in kept["latency"]["figures"]] == [SLOW]


def test_a_missed_target_is_told_as_missed(tmp_path: Path) -> None:
    report({"append": section([FASTER], 3.0), "latency": section([SLOW], 1.0)}, tmp_path)
    told = (tmp_path / "RESULTS.md").read_text()
    assert "1 of 2 targets are met." in told
    faster = "80 (40 to 90) events/s | 80 (50 to 100) | 0.90 (0.80 to 1.00) | >= 0.8 | met"
    assert f"| append, against raw INSERT | {faster} |" in told
    assert "| p99 | 12 ms |  |  | <= 9 ms | **missed** |" in told
    assert (tmp_path / "results.svg").read_text().count("<text") > 2
