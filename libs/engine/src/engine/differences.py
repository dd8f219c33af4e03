"""What differs between two versions of the same thing, term by term: for previews and for rounds of an offer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Difference:
    """A term that is another than before, by its path, as `royalties[0].percent`. None: it was not there, or is not."""

    term: str
    before: Any
    after: Any


def differences(before: BaseModel, after: BaseModel) -> tuple[Difference, ...]:
    """Term by term, in the order of the terms. Empty where nothing differs."""
    return tuple(differing(before.model_dump(mode="json"), after.model_dump(mode="json")))


def differing(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Of plain JSON values."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from differing(before.get(name), after.get(name), f"{path}.{name}".lstrip("."))
    elif isinstance(before, list) and isinstance(after, list):
        for n in range(max(len(before), len(after))):
            was, is_ = (each[n] if n < len(each) else None for each in (before, after))
            yield from differing(was, is_, f"{path}[{n}]")
    elif before != after:
        yield Difference(path, before, after)
