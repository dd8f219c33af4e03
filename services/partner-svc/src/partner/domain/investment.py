"""An investment standard: what an outlet of a format takes in a territory, in versions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from engine.drafts import DiscardDraft, Publish, content_of, drafted, next_version, publishable
from events import Event
from pydantic import Field

from partner.domain.words import Amount, AreaCode, Code, Currency, Percent, Value

INVESTMENT_STANDARDS = UUID("5a1e7d3c-94b0-4d0e-8a55-0c3f7be1d926")
"""The namespace of investment standard ids."""


def investment_id(format: str, area: str) -> UUID:
    return uuid5(INVESTMENT_STANDARDS, f"{format}/{area}")


class InvestmentContent(Value):
    """The investment is the initial fee, the set-up and the working capital, and lies between `lowest_investment` and
    `highest_investment`. Of it at least `own_funds` are the partner's own, and at least `working_capital` is there on
    the first day. Royalty and brand fund are percents of sales. `discount_percent` a year is what money is worth to
    somebody who invests it elsewhere."""

    currency: Currency
    lowest_investment: Amount
    highest_investment: Annotated[Amount, Field(examples=["250000"])]
    own_funds: Amount
    working_capital: Amount
    initial_fee: Amount = Decimal(0)
    royalty_percent: Percent = Decimal(0)
    brand_fund_percent: Percent = Decimal(0)
    discount_percent: Percent = Decimal(0)
    longest_payback_years: Annotated[Decimal, Field(gt=0, le=15, max_digits=4, decimal_places=2)] | None = None


class InvestmentTerms(InvestmentContent):
    """A version of the standard, from 1, as applications keep it."""

    format: Code
    area: AreaCode
    version: int

    @property
    def fee_percent(self) -> Decimal:
        return self.royalty_percent + self.brand_fund_percent


# -- events that stay in the house


class InvestmentStandardDrafted(Event, type="cauce.partner.InvestmentStandardDrafted.v1"):
    """What the next version is to be; no plan is judged by it yet."""

    format: str
    area: str
    content: InvestmentContent


class InvestmentStandardPublished(Event, type="cauce.partner.InvestmentStandardPublished.v1"):
    """Plans that come from now on are judged by this version."""

    terms: InvestmentTerms


class InvestmentStandardDraftDiscarded(Event, type="cauce.partner.InvestmentStandardDraftDiscarded.v1"):
    """The draft is not to be published."""

    format: str
    area: str


InvestmentEvent = InvestmentStandardDrafted | InvestmentStandardPublished | InvestmentStandardDraftDiscarded


# -- commands


class DraftInvestmentStandard(Command):
    format: Code
    area: AreaCode
    content: InvestmentContent


InvestmentCommand = DraftInvestmentStandard | Publish | DiscardDraft


# -- state


@dataclass(frozen=True)
class InvestmentStandard:
    """`of` is format and area, None until somebody drafts; `terms` is None until a version is published."""

    of: tuple[str, str] | None = None
    draft: InvestmentContent | None = None
    terms: InvestmentTerms | None = None

    def drafted(self) -> InvestmentTerms:
        """The version that publishing the draft would make. Raises `partner.nothing_drafted`."""
        format, area = self.of or ("", "")
        return next_version(InvestmentTerms, drafted(self.draft, "partner"), self.terms, format=format, area=area)


# -- decide and evolve


def draft(standard: InvestmentStandard, command: DraftInvestmentStandard) -> list[InvestmentEvent]:
    """Raises `partner.investment_range_empty` and `partner.fees_take_all`."""
    content = command.content
    if content.highest_investment < content.lowest_investment:
        raise Rejected(
            "partner.investment_range_empty", lowest=content.lowest_investment, highest=content.highest_investment
        )
    fees = content.royalty_percent + content.brand_fund_percent
    if fees >= 100:
        raise Rejected("partner.fees_take_all", percent=fees)
    if standard.draft == content:
        return []
    return [InvestmentStandardDrafted(format=command.format, area=command.area, content=content)]


def decide(command: InvestmentCommand, standard: InvestmentStandard, now: datetime) -> list[InvestmentEvent]:
    if isinstance(command, DraftInvestmentStandard):
        return draft(standard, command)
    if standard.of is None:
        raise Unknown("partner.investment_standard_unknown")
    match command:
        case Publish():
            publishable(standard.draft, content_of(standard.terms, InvestmentContent), "partner")
            return [InvestmentStandardPublished(terms=standard.drafted())]
        case DiscardDraft():
            format, area = standard.of
            return [] if standard.draft is None else [InvestmentStandardDraftDiscarded(format=format, area=area)]
        case _:
            assert_never(command)


def evolve(standard: InvestmentStandard, event: InvestmentEvent) -> InvestmentStandard:
    match event:
        case InvestmentStandardDrafted(format=format, area=area, content=content):
            return replace(standard, of=(format, area), draft=content)
        case InvestmentStandardPublished(terms=terms):
            return InvestmentStandard((terms.format, terms.area), terms=terms)
        case InvestmentStandardDraftDiscarded():
            return replace(standard, draft=None)
        case _:
            assert_never(event)


investment_standards = Decider(
    "investment_standard", decide, evolve, initial=InvestmentStandard, events=InvestmentEvent
)
