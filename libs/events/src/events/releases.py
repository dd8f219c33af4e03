"""What was released of each event and state, and whether today's code still keeps to it.

In a folder: `schemas/<type>.<n>.json`, the n-th revision of its schema; `golden/<type>.<n>.json`, a record that
was sent under it; and `released.sha256`, the sums of those that outside readers rely on, in the form of `sha256sum -c`.
What is not in there is a draft. A line that was ever in there stays: see `forgotten`.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from events.base import Event, Upcast, Versioned
from events.compatibility import breaks, contract_of
from events.document import schema_of

LEDGER = "released.sha256"
_LINE = re.compile(r"^[0-9a-f]{64}  \S+$")


@dataclass(frozen=True, order=True)
class Pin:
    """One revision of one type."""

    folder: Path
    type: str
    revision: int

    @property
    def name(self) -> str:
        return f"{self.type}.{self.revision}"

    @property
    def path(self) -> Path:
        return self.folder / "schemas" / f"{self.name}.json"

    @property
    def golden_path(self) -> Path:
        return self.folder / "golden" / f"{self.name}.json"

    @property
    def files(self) -> tuple[Path, Path]:
        return self.path, self.golden_path

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = json.loads(self.path.read_text())
        return schema

    def golden(self) -> Golden:
        return Golden(**json.loads(self.golden_path.read_text()))


@dataclass(frozen=True)
class Golden:
    """A record as it was sent: its key, its headers as text, and its value."""

    key: str
    headers: Mapping[str, str]
    value: Mapping[str, Any]

    @property
    def of_event(self) -> bool:
        """False: of a state, which has no place in the log."""
        return "ce_sequence" in self.headers

    def record(self, **unknown: Any) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
        """Key, headers and value as Kafka carries them, with fields that no reader knows."""
        headers = [(name, value.encode()) for name, value in self.headers.items()]
        return self.key.encode(), headers, json.dumps({**self.value, **unknown}).encode()


def pins(folder: Path) -> list[Pin]:
    """Every revision of every type, oldest first."""
    found = (path.stem.rpartition(".") for path in (folder / "schemas").glob("*.json"))
    return sorted(Pin(folder, type, int(revision)) for type, _, revision in found)


def newest(folder: Path, event: type[Versioned]) -> Pin | None:
    return max((pin for pin in pins(folder) if pin.type == event.event_type), default=None)


def pin(folder: Path, events: Iterable[type[Versioned]]) -> list[Path]:
    """Writes a draft for every event whose contract is not the newest pinned one; what is released stays as it is.
    Returns the files that were written."""
    released, written = _ledger(folder).keys(), []
    for event in events:
        last, schema = newest(folder, event), schema_of(event)
        if last is not None and contract_of(last.schema()) == contract_of(schema):
            continue
        if last is None or _name(last.path) in released:
            last = Pin(folder, event.event_type, 1 if last is None else last.revision + 1)
        last.path.write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n")
        written.append(last.path)
    return written


def release(folder: Path) -> list[Path]:
    """Enters every draft, with its golden record, into the ledger. Returns the files that were entered."""
    released = _ledger(folder)
    entered = [path for pin in pins(folder) for path in pin.files if _name(path) not in released]
    released.update({_name(path): _sum(path) for path in entered})
    (folder / LEDGER).write_text("".join(f"{sum}  {name}\n" for name, sum in sorted(released.items())))
    return entered


def problems(folder: Path, events: Sequence[type[Versioned]]) -> list[str]:
    """Where today's events and states do not keep to what was released, a sentence each."""
    readers = dict(_readers(events))
    found = [*_unpinned(folder, events), *_not_lowered(folder, events)]
    for pin in pins(folder):
        found += [f"{pin.name}: {sentence}" for sentence in _promises(pin, readers)]
    for name, sum in _ledger(folder).items():
        path = folder / name
        if not path.exists():
            found.append(f"{name} is released and gone: take it back from the history")
        elif _sum(path) != sum:
            found.append(f"{name} is released and was changed: take it back, and pin another revision")
    return found


def forgotten(folder: Path) -> list[str]:
    """Lines that the ledger once had, by git's history, and has no more: somebody rewrote what was released.

    Raises OSError or CalledProcessError where there is no history to ask.
    """
    history = subprocess.run(  # noqa: S603
        ["git", "log", "--patch", "--format=", "--no-color", "--no-ext-diff", "--", LEDGER],  # noqa: S607
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    once = {line[1:] for line in history.stdout.splitlines() if line[:1] in "+-" and _LINE.match(line[1:])}
    return sorted(once - {f"{sum}  {name}" for name, sum in _ledger(folder).items()})


def _unpinned(folder: Path, events: Sequence[type[Versioned]]) -> Iterator[str]:
    for event in events:
        last = newest(folder, event)
        if last is None:
            yield f"{event.event_type} is new: pin it with `python -m events pin`"
        elif contract_of(last.schema()) != contract_of(schema_of(event)):
            yield f"{event.event_type} is another than {last.path.name}: pin it with `python -m events pin`"


def _not_lowered(folder: Path, events: Sequence[type[Versioned]]) -> Iterator[str]:
    """A new major of what was released is written in the form of the one before until all who read it know it."""
    released = _ledger(folder).keys()
    majors = {pin.type for pin in pins(folder) if _name(pin.path) in released}
    for event in events:
        before = sorted(majors & event.upcasts.keys())
        if issubclass(event, Event) and event.event_type not in majors and before and event.downcast is None:
            yield (
                f"{event.event_type} follows {before[-1]}, and commands that lead to it could not be done until it is"
                " admitted: say by a `downcast` how it is written until then"
            )


def _promises(pin: Pin, readers: Mapping[str, tuple[type[Versioned], Upcast | None]]) -> Iterator[str]:
    """What the pin's own readers, and what was stored under it, would miss today."""
    if pin.type not in readers:
        yield "nothing reads it any more: keep it, or give its successor an upcast"
        return
    event, upcast = readers[pin.type]
    if upcast is None:
        for sentence in breaks(pin.schema(), schema_of(event)):
            yield f"{sentence}. That is a new major version with an upcast"
    if not pin.golden_path.exists():
        yield f"has no golden record: write {_name(pin.golden_path)}, a record as it is sent"
        return
    golden = pin.golden()
    if golden.headers.get("ce_type") != pin.type:
        yield f"its golden record is of type {golden.headers.get('ce_type')}"
    if absent := sorted(pin.schema().get("properties", {}).keys() - golden.value.keys()):
        yield f"its golden record does not show {', '.join(absent)}"
    try:
        event.model_validate_json(json.dumps(golden.value if upcast is None else upcast(dict(golden.value))))
    except ValidationError as error:
        yield f"today's {event.__name__} cannot read its golden record: {error.errors(include_url=False)}"


def _readers(events: Iterable[type[Versioned]]) -> Iterator[tuple[str, tuple[type[Versioned], Upcast | None]]]:
    for event in events:
        yield event.event_type, (event, None)
        for type, upcast in event.upcasts.items():
            yield type, (event, upcast)


def _ledger(folder: Path) -> dict[str, str]:
    """Sums by file name, relative to the folder."""
    path = folder / LEDGER
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: sum for sum, _, name in (line.partition("  ") for line in lines)}


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
