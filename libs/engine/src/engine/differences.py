"""What is another between two values, term by term: for offers, drafts and whatever else people compare."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python


@dataclass(frozen=True)
class Difference:
    """A term that is another than before, by its path, as `royalties[0].percent`. None: it was not there, or is not."""

    term: str
    before: Any
    after: Any


def differences(before: Any, after: Any) -> tuple[Difference, ...]:
    """Of two models or dataclasses, in the order of their fields; None is one without any. Empty where nothing
    differs."""
    values = [{} if each is None else to_jsonable_python(each) for each in (before, after)]
    return tuple(_differences("", *values))


def _differences(path: str, before: Any, after: Any) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _differences(f"{path}.{name}".lstrip("."), before.get(name), after.get(name))
    elif isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            pair = [each[n] if n < len(each) else None for each in (before, after)]
            yield from _differences(f"{path}[{n}]", *pair)
    elif before != after:
        yield Difference(path, before, after)
