"""What a measure yields: figures, each from rounds of ours and of a baseline in turn, and judged against its target."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bench.rig import Rig

Round = Callable[[], Awaitable[float]]
"""One round: returns what it measured, in the figure's unit."""


@dataclass(frozen=True)
class Spread:
    """What repeated rounds gave."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        return cls(tuple(values))

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)


@dataclass(frozen=True)
class Pairs:
    """Rounds of ours and of the baseline in turn; `ratio`: ours by the baseline's, pair by pair."""

    ours: Spread
    baseline: Spread

    @property
    def ratio(self) -> Spread:
        return Spread.of(a / b for a, b in zip(self.ours.values, self.baseline.values, strict=True))


@dataclass(frozen=True)
class Target:
    """`contains`: the value lies between the lowest and the highest; `never above`: the highest is judged; otherwise
    the median."""

    kind: Literal["at least", "at most", "never above", "contains"]
    value: float

    def met(self, judged: Spread) -> bool:
        match self.kind:
            case "at least":
                return judged.median >= self.value
            case "at most":
                return judged.median <= self.value
            case "never above":
                return judged.high <= self.value
            case "contains":
                return judged.low <= self.value <= judged.high


@dataclass(frozen=True)
class Figure:
    """One line of the results. Where there is a baseline its ratio is judged, else `ours`; without a target it is
    reported only. `note` says what a reader must know to believe it, and where the time goes if the target is missed.
    """

    what: str
    unit: str
    ours: Spread
    against: str = ""
    baseline: Spread | None = None
    target: Target | None = None
    note: str = ""

    @classmethod
    def compared(
        cls, what: str, unit: str, pairs: Pairs, *, against: str, target: Target | None = None, note: str = ""
    ) -> Figure:
        return cls(what, unit, pairs.ours, against, pairs.baseline, target, note)

    @property
    def judged(self) -> Spread:
        return self.ours if self.baseline is None else Pairs(self.ours, self.baseline).ratio

    @property
    def met(self) -> bool | None:
        return None if self.target is None else self.target.met(self.judged)


@dataclass(frozen=True)
class Measure:
    """`name` is what `--only` takes; `says` is its line in the list."""

    name: str
    says: str
    run: Callable[[Rig], Awaitable[list[Figure]]]
