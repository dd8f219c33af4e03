"""Exact arithmetic of decimals, on whole numbers of millionths: every value, weight and bound has at most six decimals.

A figure that a division makes is rounded once, to the millionth, half to even (IEEE 754-2019, 4.3.1,
roundTiesToEven); sums are exact.
"""

from __future__ import annotations

from decimal import Context, Decimal

MILLION = 10**6
EXACT = Context(prec=200)
"""Values have up to 24 digits, and no period has so many that their sum has 200."""


def millionths(value: Decimal) -> int:
    return int(value.scaleb(6, EXACT))


def decimal(millionths: int) -> Decimal:
    """With six places."""
    return Decimal(millionths).scaleb(-6, EXACT)


def quotient(dividend: int, divisor: int) -> int:
    """Rounded half to even."""
    whole, rest = divmod(dividend, divisor)
    if not rest:
        return whole
    twice, divisor = 2 * abs(rest), abs(divisor)
    return whole + (twice > divisor or (twice == divisor and whole % 2))


def ratio(dividend: Decimal, divisor: Decimal) -> Decimal:
    return decimal(quotient(millionths(dividend) * MILLION, millionths(divisor)))
