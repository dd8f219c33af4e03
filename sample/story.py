"""The load told in sentences while it runs: headings, stories with the command that shows why, and progress."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sample.services import TOKEN_FILE

REAL = (
    "Twenty years of a channel, from 27,178 health inspections in Anchorage, Alaska. Real: the names of the "
    "establishments, their scores and the years. Simulated around them: that they are partners of one channel, "
    "their contracts and training, the days within a year, and every flag and suspension."
)


def curl(url: str) -> str:
    """The command that shows what is at the URL to whoever runs it beside the token."""
    token_file = os.environ.get("CAUCE_TOKEN_FILE", TOKEN_FILE)
    return f'curl -sH "Authorization: Bearer $(cat {token_file})" {url}'


@dataclass
class Story:
    """Sentences for the screen. On a terminal a line at the bottom shows what is being done and how far it is."""

    console: Console = field(default_factory=Console)
    started: float = field(default_factory=time.monotonic)
    _progress: Progress | None = None

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    def say(self, sentence: str, *, style: str | None = None) -> None:
        """Plain text: names in it may have brackets."""
        self.console.print(sentence, style=style, markup=False, highlight=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        self.say(f"\n{text}", style="bold")

    def why(self, url: str) -> None:
        self.say(f"      why: {curl(url)}", style="dim")

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the load runs: the line at the bottom, where there is a terminal."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as self._progress:
            yield
        self._progress = None

    @contextmanager
    def step(self, what: str, total: int) -> Iterator[Step]:
        """Something that takes `total` steps, for the line at the bottom."""
        if self._progress is None or total == 0:
            yield Step(None, None)
            return
        task = self._progress.add_task(what, total=total)
        try:
            yield Step(self._progress, task)
        finally:
            self._progress.remove_task(task)


@dataclass(frozen=True)
class Step:
    _progress: Progress | None
    _task: object

    def done(self, n: int = 1) -> None:
        if self._progress is not None:
            self._progress.advance(self._task, n)  # type: ignore[arg-type]
