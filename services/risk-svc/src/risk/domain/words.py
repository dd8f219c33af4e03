"""What is said in more than one place: codes, reasons, money."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Annotated

from pydantic import Field, StringConstraints

Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$"),
]
"""A sentence for people; of the control characters only tabs and new lines."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
Amount = Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6, allow_inf_nan=False)]
"""Of money, from nothing on."""
Signed = Annotated[Decimal, Field(max_digits=24, decimal_places=6, allow_inf_nan=False)]
"""Of money, below zero too."""


def plain(value: Decimal) -> str:
    """To nine places, without trailing zeros, an exponent or a negative zero."""
    if isinstance(exponent := value.as_tuple().exponent, int) and exponent < -9:
        value = value.quantize(Decimal("1e-9"), context=Context(prec=60))
    text = f"{value:f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
