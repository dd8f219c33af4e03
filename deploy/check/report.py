"""What a run of the check finds: told while it runs, and kept in deploy/RESULTS.md where that is asked for."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil
from devstack import place
from devstack.trouble import Trouble
from rich.console import Console
from rich.markup import escape

HERE = Path(__file__).resolve().parents[1]
KEPT, SHOWN = HERE / "results.json", HERE / "RESULTS.md"
Outcome = Literal["holds", "fails", "not run"]
COLOURS = {"holds": "green", "fails": "red", "not run": "yellow"}
HEAD = """# What was shown of the deployment

`make verify-deploy ARGS=--write` writes this file; each part is of the run named under it, on the machine named there.
A part that was not run again keeps what it showed last.
"""


class Failed(Exception):
    """A check does not hold; its text is a sentence, and what lets one see why."""


class Skipped(Exception):
    """A part cannot be run here; its text is a sentence that says what it needs."""


@dataclass
class Check:
    """One thing that has to hold, what was seen of it, and how long that took."""

    name: str
    outcome: Outcome = "holds"
    said: str = ""

    def found(self, said: str) -> None:
        self.said = said


@dataclass
class Part:
    name: str
    outcome: Outcome = "holds"
    said: str = ""
    checks: list[Check] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)
    when: str = ""
    seconds: float = 0.0


@dataclass
class Report:
    """`check` is one thing that has to hold, `figure` something measured, `step` and `say` what is going on."""

    console: Console = field(default_factory=Console)
    parts: list[Part] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(part.outcome != "fails" for part in self.parts)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        part = Part(name, when=_now())
        self.parts.append(part)
        self.console.rule(f"[bold]{name}", align="left")
        began = time.monotonic()
        try:
            yield
        except Skipped as skipped:
            part.outcome, part.said = "not run", str(skipped)
        except (Failed, Trouble) as failed:
            part.outcome, part.said = "fails", str(failed)
        part.seconds = time.monotonic() - began
        if any(check.outcome == "fails" for check in part.checks):
            part.outcome = "fails"
        if part.said:
            self._tell(part.outcome, part.said)

    @contextmanager
    def check(self, name: str) -> Iterator[Check]:
        """What fails in it is kept, and the part goes on with the next."""
        check = Check(name)
        self.parts[-1].checks.append(check)
        began = time.monotonic()
        try:
            with self.console.status(escape(name)):
                yield check
        except (Failed, Trouble) as failed:
            check.outcome, check.said = "fails", str(failed)
        took = time.monotonic() - began
        self._tell(check.outcome, f"{name}{f': {check.said}' if check.said else ''} ({took:.0f} s)")

    def figure(self, name: str, value: str) -> None:
        self.parts[-1].figures[name] = value
        self.console.print(f"         {name}: [bold]{escape(value)}[/]", highlight=False)

    def holds(self, name: str) -> None:
        """Something that was looked at already."""
        with self.check(name):
            pass

    def say(self, sentence: str) -> None:
        self.console.print(f"         {sentence}", style="dim", highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Something that takes a while."""
        began = time.monotonic()
        with self.console.status(escape(what)):
            yield
        self.say(f"{what}: {time.monotonic() - began:.0f} s")

    def skip(self, why: str) -> None:
        """The part cannot be run here."""
        self.parts[-1].outcome, self.parts[-1].said = "not run", why

    def _tell(self, outcome: Outcome, said: str) -> None:
        mark = f"[{COLOURS[outcome]}]{outcome:>7}[/]"
        self.console.print(f"{mark}  {escape(said)}", highlight=False, soft_wrap=True)

    def conclude(self) -> None:
        """Which parts were run, and which were not and why."""
        self.console.rule()
        for part in self.parts:
            held = sum(check.outcome == "holds" for check in part.checks)
            said = part.said.partition("\n")[0] or f"{held} of {len(part.checks)} checks hold"
            self._tell(part.outcome, f"{part.name}: {said}")

    def write(self) -> None:
        """Puts the parts that were run in the place of those of the same names."""
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        kept |= {part.name: asdict(part) for part in self.parts if part.outcome != "not run"}
        KEPT.write_text(json.dumps(kept, indent=1) + "\n")
        SHOWN.write_text(HEAD + "".join(f"\n{section}" for section in map(_section, kept.values())))
        self.console.print(f"Written to {SHOWN.relative_to(place.root())}.", highlight=False)


def _section(part: dict[str, object]) -> str:
    lines = [f"## {part['name']}", "", f"{part['when']}, in {float(str(part['seconds'])):.0f} s.", ""]
    checks, figures = part["checks"], part["figures"]
    if part["said"]:
        lines += [str(part["said"]), ""]
    if isinstance(checks, list) and checks:
        lines += ["| check | | |", "|---|---|---|"]
        lines += [f"| {each['name']} | {each['outcome']} | {_cell(each['said'])} |" for each in checks] + [""]
    if isinstance(figures, dict) and figures:
        lines += [
            "| figure | |",
            "|---|---:|",
            *(f"| {name} | {_cell(value)} |" for name, value in figures.items()),
            "",
        ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("\n", " ").replace("|", "\\|")


def _now() -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607 - the caller's git
        cwd=place.root(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores and {psutil.virtual_memory().total / 2**30:.0f} GiB"
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC at commit {commit or 'unknown'}, on {machine}"
