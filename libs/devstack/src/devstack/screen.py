"""What a person sees of `make run`. On a terminal things move; elsewhere every line is printed once."""

import contextlib
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from devstack.health import Health
from devstack.services import Service

COLOURS = {"ready": "green", "starting": "yellow", "not ready": "yellow", "restarting": "red", "stopped": "dim"}


class Forgiving(io.TextIOBase, IO[str]):
    """A stream that drops what cannot be written."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self.stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.stream.flush()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def fileno(self) -> int:
        return self.stream.fileno()


@dataclass
class Screen:
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    _progress: Progress | None = None

    def forgive(self) -> None:
        """From here on a screen that is gone (a closed terminal, a broken pipe) stops nobody."""
        self.console = Console(file=Forgiving(self.console.file), highlight=False, soft_wrap=True)

    @property
    def moves(self) -> bool:
        return self.console.is_terminal

    def say(self, sentence: str, style: str | None = None) -> None:
        self.console.print(escape(sentence), style=style)

    def notice(self, sentence: str) -> None:
        """Something that went otherwise than planned, and went on."""
        self.say(f"{time.strftime('%H:%M:%S')}  {sentence}", "yellow")

    @contextlib.contextmanager
    def steps(self) -> Iterator[None]:
        """Around steps: on a terminal those under way are shown at the bottom with their clocks."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.moves) as self._progress:
            yield
        self._progress = None

    @contextlib.contextmanager
    def step(self, doing: str, done: str) -> Iterator[None]:
        """One step, its own line when it is done: with how long it took."""
        started = time.monotonic()
        task = self._progress.add_task(escape(doing)) if self._progress is not None and self.moves else None
        if not self.moves:
            self.say(f"  {doing} ...")
        try:
            yield
        finally:
            if self._progress is not None and task is not None:
                self._progress.remove_task(task)
        took = time.monotonic() - started
        self.console.print(f"[green]✓[/] {escape(done)} [dim]({took:.1f} s)[/]")

    def urls(self, services: Sequence[Service], token_file: str) -> None:
        """Where everything is and what to try next."""
        table = Table(title="Running on this machine", title_justify="left", box=None, padding=(0, 2, 0, 0))
        table.add_column("service", no_wrap=True, min_width=max(len(service.name) for service in services))
        table.add_column("what it keeps")
        table.add_column("its API, to read and to try", no_wrap=True, min_width=28)
        for service in services:
            table.add_row(service.name, service.keeps, f"{service.url}/docs")
        self.console.print()
        self.console.print(table)
        bearer = f'curl -sH "Authorization: Bearer $(cat {token_file})"'
        self.console.print(
            "\n[bold]Try next[/]\n"
            f"  {services[0].url}/docs, Authorize, and paste the token in {token_file}\n"
            f"  {bearer} {services[0].url}/subscriptions     who listens, and how far behind\n"
            "  make token ROLE=auditor        a token that may only read\n"
            "  kill -9 the pid of a service   it is started again, and nothing is lost\n"
            "  Ctrl-C                         stops all of it in order; `make run` goes on from there\n",
            highlight=False,
        )

    def health(self, state: Sequence[Health]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for column in ("", "state", "pid", "memory", "behind", "parked", "restarts"):
            right = "right" if column in ("pid", "memory", "behind", "parked", "restarts") else "left"
            table.add_column(column, justify=right, no_wrap=True)  # type: ignore[arg-type]
        for each in state:
            colour = COLOURS.get(each.state, "white")
            told = each.state if each.why is None else f"{each.state}: {each.why}"
            table.add_row(
                each.name,
                f"[{colour}]{escape(told)}[/]",
                "" if each.pid is None else str(each.pid),
                "" if each.memory is None else f"{each.memory / 2**20:.0f} MB",
                "" if each.lag is None else f"{each.lag:,}",
                "" if each.parked is None else (f"[red]{each.parked}[/]" if each.parked else "0"),
                str(each.restarts or ""),
            )
        return table

    @contextlib.contextmanager
    def watching(self) -> Iterator["Watch"]:
        """The live table."""
        live = Live(console=self.console, auto_refresh=False, transient=True) if self.moves else None
        with live or contextlib.nullcontext():
            yield Watch(self, live)


@dataclass
class Watch:
    screen: Screen
    live: Live | None
    told: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def show(self, state: Sequence[Health]) -> None:
        if self.live is not None:
            self.live.update(self.screen.health(state), refresh=True)
            return
        for each in state:
            if self.told.get(each.name) != each.kind:
                self.told[each.name] = each.kind
                self.screen.say(f"{time.strftime('%H:%M:%S')}  {each}")
