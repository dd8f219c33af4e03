"""Events of contract-svc: royalty statements. A statement is a stream, one a contract and period."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from events.base import Event, Period

LineKind = Literal["royalty", "minimum", "maximum", "brand_fund", "tax", "withholding"]


class RoyaltySales(BaseModel):
    """What was sold in one currency on the days of one schedule, and what that is in the statement's: `converted` at
    `rate` (the statement's currency for one of `currency`) of the day `rate_on`, both null where they are the same."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    first_day: date
    last_day: date
    currency: str
    amount: Decimal
    rate: Decimal | None = None
    rate_on: date | None = None
    converted: Decimal


class RoyaltyLine(BaseModel):
    """One line: `amount` of `percent` on `base`. `minimum` is what is missing to the schedule's minimum, `maximum`
    (below zero) what is above its maximum; withholding is below zero. `name` is the tax's."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: LineKind
    name: str | None = None
    first_day: date
    last_day: date
    base: Decimal
    percent: Decimal | None = None
    amount: Decimal


class RoyaltyChange(BaseModel):
    """A line that is another than before; null where it was not there, or is not there any more."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: LineKind
    name: str | None = None
    first_day: date
    previous: Decimal | None
    amount: Decimal | None


class RoyaltyStated(Event, type="cauce.contract.RoyaltyStated.v1", key="royalty_statement-{statement_id}"):
    """What a partner owes under a contract for a period: `total` is the sum of the lines, in `currency`, to be paid by
    `due_on` (null: no day is agreed). `terms_version` is that of the royalty terms, `tax_version` that of the
    jurisdiction's taxes, null without."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    currency: str
    sales: tuple[RoyaltySales, ...]
    lines: tuple[RoyaltyLine, ...]
    total: Decimal
    due_on: date | None = None
    terms_version: int
    tax_version: int | None = None


class RoyaltyCorrected(Event, type="cauce.contract.RoyaltyCorrected.v1", key="royalty_statement-{statement_id}"):
    """Restated sales, or a person, changed a statement. It is told whole, as it is from now on, beside what changed:
    `delta` is `total` less `previous_total`. `because` are the events that led to it, `reason` a person's."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    currency: str
    sales: tuple[RoyaltySales, ...]
    lines: tuple[RoyaltyLine, ...]
    total: Decimal
    previous_total: Decimal
    delta: Decimal
    changes: tuple[RoyaltyChange, ...]
    correction: int
    due_on: date | None = None
    terms_version: int
    tax_version: int | None = None
    because: tuple[UUID, ...] = ()
    reason: str | None = None


class RoyaltyDisputed(Event, type="cauce.contract.RoyaltyDisputed.v1", key="royalty_statement-{statement_id}"):
    """The partner contests a statement; it is marked so until that is settled, and stays due."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    reason: str


class RoyaltyPaidLate(Event, type="cauce.contract.RoyaltyPaidLate.v1", key="royalty_statement-{statement_id}"):
    """Some of a statement was paid after `due_on`: the latest by `days_late`. `interest` is what the terms make of all
    that came late, null where they say nothing."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    currency: str
    due_on: date
    days_late: int
    paid: Decimal
    outstanding: Decimal
    interest: Decimal | None = None


class RoyaltyOverdue(Event, type="cauce.contract.RoyaltyOverdue.v1", key="royalty_statement-{statement_id}"):
    """`due_on` has passed, and `outstanding` of a statement is not paid. It is told once, until all of it is paid."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: Period
    currency: str
    due_on: date
    outstanding: Decimal


ROYALTY: tuple[type[Event], ...] = (
    RoyaltyStated,
    RoyaltyCorrected,
    RoyaltyDisputed,
    RoyaltyPaidLate,
    RoyaltyOverdue,
)
