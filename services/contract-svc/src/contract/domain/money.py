"""Amounts of money: decimals in a currency, rounded to what can be paid in it."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
Amount = Annotated[Decimal, Field(max_digits=24, decimal_places=6, allow_inf_nan=False)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]

WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = {**dict.fromkeys(WHOLE.split(), 0), **dict.fromkeys(THOUSANDTHS.split(), 3), "CLF": 4, "UYW": 4}
"""Of currencies whose minor unit is not a hundredth (ISO 4217, list one)."""

WIDE = Context(prec=60)
"""Digits for what comes in between: products of two amounts are exact."""


class ExchangeRate(BaseModel):
    """What one of `currency` is in the statement's currency, on a day."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    currency: Currency
    rate: Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=12)]
    on: date


def rounded(amount: Decimal, currency: str) -> Decimal:
    """To the currency's minor unit; a half goes to the even neighbour, so that many roundings do not add up to one
    side (IEEE 754 roundTiesToEven)."""
    with localcontext(WIDE):
        unit = Decimal(1).scaleb(-DECIMALS.get(currency, 2))
        return amount.quantize(unit, ROUND_HALF_EVEN) + 0  # + 0: there is no negative zero to pay


def share(amount: Decimal, part: Decimal | int, whole: Decimal | int) -> Decimal:
    """`amount` x `part` / `whole`, with more digits than anybody pays."""
    with localcontext(WIDE):
        return amount * part / whole


def total(amounts: tuple[Decimal, ...]) -> Decimal:
    with localcontext(WIDE):
        return sum(amounts, Decimal(0))
