"""What the two sides agree on, from the negotiation into the contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

from engine import Command
from pydantic import Field, StringConstraints

from contract.domain.jurisdiction import JURISDICTIONS, Jurisdiction, JurisdictionCode

Area = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


@dataclass(frozen=True)
class Terms:
    """`term_ends_on` is the last day of the term; None: it has no end."""

    jurisdiction: str
    areas: tuple[str, ...]
    royalty_percent: Decimal
    term_ends_on: date | None

    @property
    def rules(self) -> Jurisdiction:
        return JURISDICTIONS[self.jurisdiction]

    def day(self, now: datetime) -> date:
        """The legal day."""
        return self.rules.day(now)

    def over(self, day: date) -> bool:
        return self.term_ends_on is not None and day > self.term_ends_on


class AgreedTerms(Command):
    """`royalty_percent` from 0 to 100. Without `term_ends_on`, the last day of the term, it has no end."""

    jurisdiction: JurisdictionCode
    areas: Annotated[tuple[Area, ...], Field(min_length=1, max_length=100)]
    royalty_percent: Percent
    term_ends_on: date | None = None

    def terms(self) -> Terms:
        return Terms(self.jurisdiction, self.areas, self.royalty_percent, self.term_ends_on)
