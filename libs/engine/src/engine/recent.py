"""The states of aggregates that this process appended to of late, so that a busy one need not be read for each command.

What is remembered may be behind, as another process may have appended meanwhile. It is good enough to decide what is
then appended, because an append proves the version; a refusal, or that nothing is to be done, is never taken from it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

W = TypeVar("W")

LIMIT = 1000


class Recent(Generic[W]):
    """Aggregates as they were after their last append here, by stream."""

    def __init__(self) -> None:
        self._by_stream: OrderedDict[str, W] = OrderedDict()
        self._age = 0

    def taking(self) -> Taking[W]:
        """For one transaction; to be asked for once it has its connection."""
        return Taking(self._by_stream, self._still(self._age))

    def clear(self) -> None:
        """With each new connection: a store that was restored ended all of the old ones."""
        self._age += 1
        self._by_stream.clear()

    def _still(self, age: int) -> Callable[[], bool]:
        return lambda: self._age == age


class Taking(Generic[W]):
    """What one transaction takes out, and puts back once it is committed: whatever else becomes of it, its streams are
    forgotten."""

    def __init__(self, by_stream: OrderedDict[str, W], still: Callable[[], bool]) -> None:
        self._by_stream = by_stream
        self._still = still
        self.after: dict[str, W] = {}

    def take(self, streams: Iterable[str]) -> dict[str, W]:
        return {s: w for s in streams if (w := self._by_stream.pop(s, None)) is not None}

    def committed(self) -> None:
        if self._still():
            self._by_stream.update(self.after)
            while len(self._by_stream) > LIMIT:
                self._by_stream.popitem(last=False)
