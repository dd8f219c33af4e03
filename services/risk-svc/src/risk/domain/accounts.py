"""Reported accounts of a partner for a year, and Altman's Z' of them.

Z' = 0.717 X1 + 0.847 X2 + 3.107 X3 + 0.420 X4 + 0.998 X5, for private firms, with X1 working capital, X2 retained
earnings and X3 earnings before interest and taxes, each to total assets; X4 book equity to total liabilities; X5 sales
to total assets. Below 1.23 a firm is in distress, above 2.9 it is safe, in between it is in the grey zone (E. I.
Altman, Corporate Financial Distress, 1983; Predicting Financial Distress of Companies: Revisiting the Z-Score and ZETA
Models, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Context, Decimal, localcontext
from typing import Annotated, Literal
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected
from events import Event
from pydantic import BaseModel, ConfigDict, Field

from risk.domain.words import Amount, Currency, Signed

ACCOUNTS = UUID("c2a9f6d0-0f1b-4a5f-9b06-3a4a9f1c7e58")
"""The namespace of ids of reported accounts."""
SOURCE = "E. I. Altman, Corporate Financial Distress, 1983; model for private firms"
Z_WEIGHTS = tuple(Decimal(weight) for weight in ("0.717", "0.847", "3.107", "0.420", "0.998"))
DISTRESS_BELOW, SAFE_ABOVE = Decimal("1.23"), Decimal("2.9")
Zone = Literal["distress", "grey", "safe"]
Year = Annotated[int, Field(ge=1900, le=9998)]


def accounts_id(partner_id: UUID, year: int) -> UUID:
    return uuid5(ACCOUNTS, f"{partner_id}/{year}")


class Figures(BaseModel):
    """Of the balance sheet at the year's end and the year's result. Equity is what assets have over liabilities.
    `reported_by` is where they come from: an auditor, the register, the partner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Currency
    total_assets: Annotated[Amount, Field(gt=0)]
    current_assets: Amount
    current_liabilities: Amount
    total_liabilities: Annotated[Amount, Field(gt=0)]
    retained_earnings: Signed
    ebit: Signed
    sales: Amount
    reported_by: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class AccountsReported(Event, type="cauce.risk.AccountsReported.v1"):
    """A partner's accounts for a year, whole; reported again, they take the place of those before."""

    partner_id: UUID
    year: int
    figures: Figures


class ReportAccounts(Command):
    partner_id: UUID
    year: Year
    figures: Figures


@dataclass(frozen=True)
class Accounts:
    partner_id: UUID | None = None
    figures: Figures | None = None


def decide(command: ReportAccounts, accounts: Accounts, now: datetime) -> list[AccountsReported]:
    figures = command.figures
    if figures == accounts.figures:
        return []
    if command.year > now.year:
        raise Rejected("risk.year_not_begun", year=command.year)
    if figures.current_assets > figures.total_assets:
        raise Rejected("risk.accounts_do_not_add_up", part="current_assets", whole="total_assets")
    if figures.current_liabilities > figures.total_liabilities:
        raise Rejected("risk.accounts_do_not_add_up", part="current_liabilities", whole="total_liabilities")
    return [AccountsReported(partner_id=command.partner_id, year=command.year, figures=figures)]


def evolve(accounts: Accounts, event: AccountsReported) -> Accounts:
    return Accounts(event.partner_id, event.figures)


reported_accounts = Decider(
    "reported_accounts",
    decide,
    evolve,
    initial=Accounts,
    events=AccountsReported,
    owner=lambda accounts: accounts.partner_id,
)


# -- Altman's Z'


@dataclass(frozen=True)
class ZScore:
    """`ratios` are X1 to X5."""

    value: Decimal
    zone: Zone
    ratios: tuple[Decimal, ...]


def z_score(figures: Figures) -> ZScore:
    """To four places, half to even. The zone is that of the exact value."""
    with localcontext(Context(prec=60)):
        equity = figures.total_assets - figures.total_liabilities
        ratios = (
            (figures.current_assets - figures.current_liabilities) / figures.total_assets,
            figures.retained_earnings / figures.total_assets,
            figures.ebit / figures.total_assets,
            equity / figures.total_liabilities,
            figures.sales / figures.total_assets,
        )
        exact = sum((weight * ratio for weight, ratio in zip(Z_WEIGHTS, ratios, strict=True)), Decimal(0))
        place = Decimal("0.0001")
        shown = tuple(ratio.quantize(place) for ratio in ratios)
        return ZScore(exact.quantize(place), zone_of(exact), shown)


def zone_of(z: Decimal) -> Zone:
    """The bounds themselves are grey."""
    return "distress" if z < DISTRESS_BELOW else "safe" if z > SAFE_ABOVE else "grey"
