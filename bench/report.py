"""What a person reads: the table on the screen, RESULTS.md, and the plot of all ratios against their targets."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import pygal
from pygal.style import CleanStyle
from rich.table import Table

from bench.measure import Figure, Spread
from bench.results import Section, of_json

# pygal leaves an import hook of the old kind behind, of which Python warns at every later import of anything.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

HEADER = """# What it costs

`make bench` writes this file. Each figure is the median of rounds that alternate between ours and the baseline, with
the lowest and the highest in brackets; the ratio is taken pair by pair. Client, Postgres (fsync on) and Kafka share
the machine. The code of each baseline is a few lines beside the measure.
"""


def table(figures: Iterable[Figure]) -> Table:
    made = Table(show_lines=False, header_style="bold")
    for column in ("measure", "ours", "baseline", "ratio", "target", ""):
        made.add_column(column, overflow="fold")
    for figure in figures:
        ours, baseline, ratio, target, verdict = _cells(figure)
        colour = {"met": "green", "missed": "red"}.get(verdict, "dim")
        made.add_row(figure.what, ours, baseline, ratio, target, f"[{colour}]{verdict}[/]")
    return made


def report(sections: dict[str, Section], folder: Path) -> None:
    """RESULTS.md and results.svg from the kept results."""
    lines = [HEADER]
    figures = {name: [of_json(row) for row in section["figures"]] for name, section in sections.items()}
    everything = [figure for each in figures.values() for figure in each]
    judged = [figure for figure in everything if figure.target is not None]
    lines.append(f"{sum(figure.met is True for figure in judged)} of {len(judged)} targets are met.\n")
    lines.append("![Ratios by their targets](results.svg)\n")
    lines += ["| measure | ours | baseline | ratio | target | |", "|---|---|---|---|---|---|"]
    for figure in everything:
        what = f"{figure.what}, against {figure.against}" if figure.against else figure.what
        cells = " | ".join(_cells(figure)).replace("missed", "**missed**")
        lines.append(f"| {what} | {cells} |")
    lines.append("")
    for name, section in sections.items():
        notes = [figure for figure in figures[name] if figure.note]
        lines.append(f"## {name}\n")
        lines += [f"- {figure.what}: {figure.note}" for figure in notes]
        lines.append(f"\nMeasured {section['at'][:10]} at commit {section['commit']}, in {section['seconds']} s.\n")
    lines.append("## The machine\n")
    lines += [f"- {each}" for each in dict.fromkeys(section["machine"] for section in sections.values())]
    (folder / "RESULTS.md").write_text("\n".join(lines) + "\n")
    (folder / "results.svg").write_bytes(plot(judged))


def plot(judged: list[Figure]) -> bytes:
    """How far each figure is from its target: 1 meets it, more is better."""
    compared = [
        figure for figure in judged if figure.target is not None and figure.target.kind in ("at least", "at most")
    ]
    chart = pygal.HorizontalBar(
        style=CleanStyle,
        js=[],
        title="By how much each target is met (1: just met; logarithmic)",
        logarithmic=True,
        width=1000,
        height=120 + 34 * len(compared),
        show_legend=False,
        truncate_label=-1,
        print_values=True,
        value_formatter=lambda value: f"{value:.2f}",
    )
    chart.x_labels = [figure.what for figure in compared]
    chart.add("", [_distance(figure) for figure in compared])
    return bytes(chart.render())


def _distance(figure: Figure) -> dict[str, object]:
    if figure.target is None:
        raise ValueError(f"{figure.what} has no target")
    median, target = figure.judged.median, figure.target.value
    value = median / target if figure.target.kind == "at least" else target / median
    return {"value": value, "color": "#3a8f5c" if figure.met else "#c0392b"}


def _cells(figure: Figure) -> tuple[str, str, str, str, str]:
    verdict = {True: "met", False: "missed", None: "reported"}[figure.met]
    target = "" if figure.target is None else _target(figure)
    if figure.baseline is None:
        return f"{_spread(figure.ours)} {figure.unit}", "", "", target, verdict
    ratio = figure.judged
    times = f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    return f"{_spread(figure.ours)} {figure.unit}", _spread(figure.baseline), times, target, verdict


def _target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    sign = {"at least": ">=", "at most": "<=", "never above": "<=", "contains": "="}[figure.target.kind]
    unit = "" if figure.baseline is not None else f" {figure.unit}"
    return f"{sign} {_number(figure.target.value)}{unit}"


def _spread(spread: Spread) -> str:
    if len(set(spread.values)) == 1:
        return _number(spread.median)
    return f"{_number(spread.median)} ({_number(spread.low)} to {_number(spread.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if value != int(value) else f"{value:.0f}"
