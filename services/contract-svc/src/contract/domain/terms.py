"""What two parties agree on, as it is offered, compared term by term, and taken from the negotiation into the
contract."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from events.contract import AreaGrant, ContractDrafted, ContractTerms, NegotiationAccepted, RoyaltyRate
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Area = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=24, decimal_places=6)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(examples=["EUR"])]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
JurisdictionCode = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2,4}(-[A-Z0-9]{1,3})?$"), Field(examples=["US-AK"])
]
"""A country ("ES"), a state of one ("US-AK"), or "NONE" for places without a law of their own."""
Days = Annotated[int, Field(ge=0, le=730)]


# -- as a caller says them


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MoneySaid(_Said):
    """An amount in a currency (ISO 4217)."""

    amount: Amount
    currency: Currency


class RoyaltyRateSaid(_Said):
    """A line of the royalty schedule: `percent` of sales, and what of them goes to the brand's fund, from one day to
    another, both included; `minimum` and `maximum` are a period's."""

    percent: Percent
    brand_fund_percent: Percent = Decimal(0)
    minimum: MoneySaid | None = None
    maximum: MoneySaid | None = None
    effective_from: date | None = None
    effective_to: date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> RoyaltyRateSaid:
        if self.effective_from and self.effective_to and self.effective_to < self.effective_from:
            raise ValueError("effective_to is before effective_from")
        if self.minimum and self.maximum:
            if self.minimum.currency != self.maximum.currency:
                raise ValueError("minimum and maximum are in two currencies")
            if self.maximum.amount < self.minimum.amount:
                raise ValueError("maximum is below minimum")
        return self


class GrantSaid(_Said):
    """An area, for a brand and a channel or (null) for any; `exclusive`: nobody else may sell there."""

    area: Area
    brand: Code | None = None
    channel: Code | None = None
    exclusive: bool = False


class FeesSaid(_Said):
    """What is paid once: at the beginning, for a transfer, for a renewal."""

    initial: MoneySaid | None = None
    transfer: MoneySaid | None = None
    renewal: MoneySaid | None = None


class RenewalTermsSaid(_Said):
    """The contract may be renewed so many `times` by so many `months`, from `window_days` before its term ends."""

    times: Annotated[int, Field(ge=1, le=20)]
    months: Annotated[int, Field(ge=1, le=600)]
    window_days: Annotated[int, Field(ge=1, le=730)]


class ClauseSaid(_Said):
    """A restriction on the partner: its kind, as `non_compete`, and its words."""

    kind: Code
    text: Text


class TermsSaid(_Said):
    """All that is to be agreed on. Percents are from 0 to 100. Without `term_ends_on`, the last day of the term, it has
    no end. `notice_days` and `cure_days` hold where no law asks for more. Royalties are stated in `royalty_currency`
    (without it, in that of their minimum or maximum) and paid within `royalty_due_days` after their period; what comes
    later costs `royalty_interest_percent` a year."""

    jurisdiction: JurisdictionCode
    grants: Annotated[tuple[GrantSaid, ...], Field(min_length=1, max_length=100)]
    royalties: Annotated[tuple[RoyaltyRateSaid, ...], Field(min_length=1, max_length=50)]
    fees: FeesSaid = FeesSaid()
    term_ends_on: date | None = None
    notice_days: Days = 30
    cure_days: Days = 30
    renewal: RenewalTermsSaid | None = None
    restrictions: Annotated[tuple[ClauseSaid, ...], Field(max_length=50)] = ()
    royalty_currency: Currency | None = None
    royalty_due_days: Annotated[int, Field(ge=0, le=365)] | None = None
    royalty_interest_percent: Percent | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> TermsSaid:
        if len({(g.area, g.brand, g.channel) for g in self.grants}) != len(self.grants):
            raise ValueError("an area is granted twice for the same brand and channel")
        for before, after in zip(self.royalties, self.royalties[1:], strict=False):
            if before.effective_to is None or after.effective_from is None:
                raise ValueError(
                    "only the first line of the royalty schedule may begin, and the last end, without a day"
                )
            if after.effective_from <= before.effective_to:
                raise ValueError("lines of the royalty schedule overlap, or are not in order")
            if after.effective_from > before.effective_to + timedelta(days=1):
                raise ValueError("between two lines of the royalty schedule there are days without one")
        amounts = [each for line in self.royalties for each in (line.minimum, line.maximum) if each is not None]
        currencies = {each.currency for each in amounts} | {self.royalty_currency} - {None}
        if len(currencies) > 1:
            raise ValueError("royalties are in several currencies")
        if not currencies and (self.royalty_due_days, self.royalty_interest_percent) != (None, None):
            raise ValueError("royalties that are to be paid by a day, or cost interest, have a currency")
        if self.renewal is not None and self.term_ends_on is None:
            raise ValueError("a term without an end is not renewed")
        return self

    def agreed(self) -> ContractTerms:
        return ContractTerms.model_validate(self.model_dump())


# -- as they hold


def over(terms: ContractTerms, day: date) -> bool:
    return terms.term_ends_on is not None and day > terms.term_ends_on


def royalty_currency(terms: ContractTerms) -> str | None:
    """In which its royalties are stated. Terms that do not say so have that of their amounts; None: it is agreed
    elsewhere, or nowhere."""
    amounts = (each for line in terms.royalties for each in (line.minimum, line.maximum) if each is not None)
    return terms.royalty_currency or next((each.currency for each in amounts), None)


def told_flat(terms: ContractTerms) -> dict[str, Any]:
    """The fields that events have told since before they carried the whole terms."""
    return {
        "jurisdiction": terms.jurisdiction,
        "areas": terms.areas,
        "royalty_percent": terms.royalties[0].percent,
        "term_ends_on": terms.term_ends_on,
        "terms": terms,
    }


def terms_of(event: NegotiationAccepted | ContractDrafted) -> ContractTerms:
    """Also of an event from before it carried the whole terms."""
    return event.terms or ContractTerms(
        jurisdiction=event.jurisdiction,
        grants=tuple(AreaGrant(area=area) for area in event.areas),
        royalties=(RoyaltyRate(percent=event.royalty_percent),),
        term_ends_on=event.term_ends_on,
    )
