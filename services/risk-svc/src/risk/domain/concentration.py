"""How much of the channel's sales is one partner's, and how concentrated they are: the Herfindahl-Hirschman index.

HHI is the sum of the squares of all shares in percent, from near 0 to 10,000 where one has it all. Above 1,800 a market
is highly concentrated, between 1,000 and 1,800 moderately (U.S. Department of Justice and Federal Trade Commission,
Merger Guidelines, 2023, section 2.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Literal
from uuid import UUID

PERCENT = Decimal(100)
MODERATE, HIGH = Decimal(1000), Decimal(1800)
SOURCE = "Merger Guidelines, U.S. Department of Justice and Federal Trade Commission, 2023, section 2.1"
Level = Literal["low", "moderate", "high"]


@dataclass(frozen=True)
class Share:
    """What a partner sold, and which part from 0 to 1 of all sales that is."""

    partner_id: UUID
    amount: Decimal
    share: Decimal


def shares(sold: Mapping[UUID, Decimal]) -> list[Share]:
    """The greatest first. Partners with returns only, or nothing, have no part."""
    positive = {id: amount for id, amount in sold.items() if amount > 0}
    with localcontext(Context(prec=40)):
        whole = sum(positive.values(), Decimal(0))
        made = [Share(id, amount, amount / whole) for id, amount in positive.items()]
    return sorted(made, key=lambda each: (-each.share, each.partner_id))


def hhi(parts: Iterable[Decimal]) -> Decimal:
    """Of shares from 0 to 1."""
    with localcontext(Context(prec=40)):
        return sum(((part * PERCENT) ** 2 for part in parts), Decimal(0))


def level(index: Decimal) -> Level:
    return "high" if index > HIGH else "moderate" if index >= MODERATE else "low"
