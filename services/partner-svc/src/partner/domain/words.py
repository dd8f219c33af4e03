"""The forms of what people type: codes, names, reasons, scores."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


def normalised(name: str) -> str:
    """The name without case, spaces and punctuation: what two ways of writing one name have in common.

    `TESORO - SEWARD HWY` and `TESORO -SEWARD HWY` are both `tesorosewardhwy`.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(each for each in folded if unicodedata.category(each)[0] not in "CPZ")
    return unicodedata.normalize("NFKC", kept)  # a mark that stood on a space now stands on a letter


def _has_substance(name: str) -> str:
    if not normalised(name):
        raise ValueError("has no letter or digit")
    return name


Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
LegalName = Annotated[Text, AfterValidator(_has_substance)]
Area = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Score = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
Weight = Annotated[Decimal, Field(gt=0, le=100, max_digits=5, decimal_places=2)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(examples=["ES"])]
AreaCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,10}){0,2}$"), Field(examples=["US-AK"])]
"""A country, with a subdivision or a postal code."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
"""ISO 4217."""
Amount = Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]


class Value(BaseModel):
    """Something that is said whole, kept whole and compared whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def twice(codes: Iterable[str]) -> list[str]:
    return sorted(code for code, n in Counter(codes).items() if n > 1)


def within(area: str) -> list[str]:
    """The area and those that it lies in, the narrowest first: `US-AK-99501`, `US-AK`, `US`."""
    parts = area.split("-")
    return ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]
