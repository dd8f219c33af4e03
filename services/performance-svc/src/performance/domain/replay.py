"""A proposed scorecard run over what has been evaluated: who would be in another band. Pure, and apart from the log: a
replay decides nothing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from performance.domain.card import NOWHERE
from performance.domain.figures import Observed, Scorings, Segments, band_of


@dataclass(frozen=True)
class Held:
    """An evaluation as it holds."""

    total: Decimal
    band: str


class Money(BaseModel):
    model_config = ConfigDict(frozen=True)
    amount: Decimal
    currency: str


class BandChange(BaseModel):
    """A partner that would be in another band in a period. Null before: it was not evaluated; null after: it would not
    be. `sales` are those that it reported of the period's days."""

    model_config = ConfigDict(frozen=True)
    partner_id: UUID
    period: str
    band_before: str | None
    band_after: str | None
    total_before: Decimal | None
    total_after: Decimal | None
    sales: tuple[Money, ...] = ()


class Move(BaseModel):
    """How many evaluations would go from one band to another."""

    model_config = ConfigDict(frozen=True)
    band_before: str | None
    band_after: str | None
    direction: Literal["up", "level", "down"] | None
    evaluations: int


class Outcome(BaseModel):
    """What a proposed scorecard would have made of the past. `evaluations` were looked at, `changed` of them would be
    in another band: those of `partners` partners, who reported `sales` in those periods."""

    model_config = ConfigDict(frozen=True)
    periods: int
    evaluations: int
    changed: int
    partners: int
    moves: tuple[Move, ...]
    sales: tuple[Money, ...]


def changes(
    period: str,
    scorings: Scorings,
    observed: Mapping[UUID, Mapping[str, Observed]],
    segments: Segments,
    held: Mapping[UUID, Held],
) -> Iterator[BandChange]:
    """Who would be in another band, in the order of partners' ids."""
    for partner_id in sorted(observed.keys() | held.keys()):
        before = held.get(partner_id)
        total = scorings.of(segments.get(partner_id, NOWHERE)).total(observed.get(partner_id, {}))
        band = None if total is None else band_of(scorings.card.bands, total)
        if band != (None if before is None else before.band):
            yield BandChange(
                partner_id=partner_id,
                period=period,
                band_before=None if before is None else before.band,
                band_after=band,
                total_before=None if before is None else before.total,
                total_after=total,
            )


def with_sales(found: Iterable[BandChange], sales: Mapping[UUID, Iterable[Money]]) -> list[BandChange]:
    return [each.model_copy(update={"sales": tuple(sales.get(each.partner_id, ()))}) for each in found]


@dataclass
class Sum:
    """Adds up what the periods gave."""

    periods: int = 0
    evaluations: int = 0
    moves: Counter[tuple[str | None, str | None, Literal["up", "level", "down"] | None]] = field(
        default_factory=Counter
    )
    partners: set[UUID] = field(default_factory=set)
    sales: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    def add(self, found: Iterable[BandChange]) -> None:
        for each in found:
            self.moves[each.band_before, each.band_after, direction(each)] += 1
            self.partners.add(each.partner_id)
            for money in each.sales:
                self.sales[money.currency] += money.amount

    def outcome(self) -> Outcome:
        moves = [
            Move(band_before=before, band_after=after, direction=way, evaluations=count)
            for (before, after, way), count in self.moves.most_common()
        ]
        return Outcome(
            periods=self.periods,
            evaluations=self.evaluations,
            changed=self.moves.total(),
            partners=len(self.partners),
            moves=tuple(moves),
            sales=tuple(Money(amount=n, currency=currency) for currency, n in sorted(self.sales.items())),
        )


def direction(change: BandChange) -> Literal["up", "level", "down"] | None:
    """Of the total; None where there was or would be none."""
    if change.total_before is None or change.total_after is None:
        return None
    if change.total_before == change.total_after:
        return "level"
    return "up" if change.total_after > change.total_before else "down"
