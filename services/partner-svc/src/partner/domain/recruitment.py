"""A recruitment plan: so many partners of a kind, in these areas, by that day, for this much money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.partner import PartnerKind
from pydantic import Field

from partner.domain.words import Amount, AreaCode, Code, Currency, Reason, Text, Value

PLANS = UUID("b3c2f6ee-40d8-4b6a-9d5b-1f8c6a7e2d04")
"""The namespace of recruitment plan ids."""


def plan_id(code: str) -> UUID:
    return uuid5(PLANS, code)


class PlanContent(Value):
    """`target` partners of the `kind` are to be signed whose application came from `starts_on` to `ends_on`, both
    included, for one of the `areas` or a part of it. `budget` in `currency`."""

    title: Text
    areas: Annotated[tuple[AreaCode, ...], Field(min_length=1, max_length=100)]
    kind: PartnerKind
    target: Annotated[int, Field(ge=1, le=100_000)]
    starts_on: date
    ends_on: Annotated[date, Field(examples=["2026-12-31"])]
    budget: Amount
    currency: Currency


# -- events that stay in the house


class RecruitmentPlanned(Event, type="cauce.partner.RecruitmentPlanned.v1"):
    """The plan, whole, as it is from now on."""

    code: str
    content: PlanContent


class RecruitmentExpenseBooked(Event, type="cauce.partner.RecruitmentExpenseBooked.v1"):
    """Something was paid for out of the plan's budget, in its currency."""

    code: str
    reference: str
    purpose: str
    amount: Decimal
    spent_on: date


class RecruitmentPlanClosed(Event, type="cauce.partner.RecruitmentPlanClosed.v1"):
    """Nobody recruits by this plan any more."""

    code: str
    reason: str


PlanEvent = RecruitmentPlanned | RecruitmentExpenseBooked | RecruitmentPlanClosed


# -- commands


class PlanRecruitment(Command):
    code: Code
    content: PlanContent


class BookExpense(Command):
    """`reference` is the receipt's: the same one again changes nothing."""

    reference: Text
    purpose: Text
    amount: Amount
    currency: Currency
    spent_on: date


class ClosePlan(Command):
    reason: Reason


PlanCommand = PlanRecruitment | BookExpense | ClosePlan


# -- state


@dataclass(frozen=True)
class Expense:
    purpose: str
    amount: Decimal
    spent_on: date


@dataclass(frozen=True)
class RecruitmentPlan:
    """`content` is None until somebody plans; expenses are kept by their reference."""

    code: str = ""
    content: PlanContent | None = None
    expenses: Mapping[str, Expense] = field(default_factory=dict)
    closed_because: str | None = None


# -- decide and evolve


def plan(current: RecruitmentPlan, command: PlanRecruitment) -> list[PlanEvent]:
    content = command.content
    if current.content == content:
        return []
    _refuse_closed(current)
    if content.ends_on < content.starts_on:
        raise Rejected("partner.plan_ends_before_it_starts", starts_on=content.starts_on, ends_on=content.ends_on)
    if current.expenses and current.content is not None and current.content.currency != content.currency:
        raise Rejected("partner.plan_currency_in_use", currency=current.content.currency)
    return [RecruitmentPlanned(code=command.code, content=content)]


def book(current: RecruitmentPlan, content: PlanContent, command: BookExpense) -> list[PlanEvent]:
    expense = Expense(command.purpose, command.amount, command.spent_on)
    known = current.expenses.get(command.reference)
    if known == expense:
        return []
    if known is not None:
        raise Rejected("partner.expense_differs", reference=command.reference, amount=known.amount)
    _refuse_closed(current)
    if command.currency != content.currency:
        raise Rejected("partner.plan_in_another_currency", currency=content.currency)
    return [RecruitmentExpenseBooked(code=current.code, reference=command.reference, **vars(expense))]


def _refuse_closed(current: RecruitmentPlan) -> None:
    if current.closed_because is not None:
        raise Rejected("partner.plan_closed", reason=current.closed_because)


def decide(command: PlanCommand, current: RecruitmentPlan, now: datetime) -> list[PlanEvent]:
    if isinstance(command, PlanRecruitment):
        return plan(current, command)
    if current.content is None:
        raise Unknown("partner.recruitment_plan_unknown")
    match command:
        case BookExpense():
            return book(current, current.content, command)
        case ClosePlan(reason=reason):
            if current.closed_because == reason:
                return []
            _refuse_closed(current)
            return [RecruitmentPlanClosed(code=current.code, reason=reason)]
        case _:
            assert_never(command)


def evolve(current: RecruitmentPlan, event: PlanEvent) -> RecruitmentPlan:
    match event:
        case RecruitmentPlanned(code=code, content=content):
            return replace(current, code=code, content=content)
        case RecruitmentExpenseBooked(reference=reference):
            expense = Expense(event.purpose, event.amount, event.spent_on)
            return replace(current, expenses={**current.expenses, reference: expense})
        case RecruitmentPlanClosed(reason=reason):
            return replace(current, closed_because=reason)
        case _:
            assert_never(event)


recruitment_plans = Decider("recruitment_plan", decide, evolve, initial=RecruitmentPlan, events=PlanEvent)


# -- how far it is


TENTH = Decimal("0.1")
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Progress:
    """`signed` of the target. `expected` is what would be signed by now if it went evenly from the first day to the
    last, `behind` how many fewer there are than that. `cost_each` is what was spent for each that signed."""

    signed: int
    reached_percent: Decimal
    expected: Decimal
    behind: Decimal
    spent: Decimal
    budget_left: Decimal
    cost_each: Decimal | None


def progress(content: PlanContent, signed: int, spent: Decimal, today: date) -> Progress:
    whole = (content.ends_on - content.starts_on).days + 1
    passed = min(max((today - content.starts_on).days + 1, 0), whole)
    expected = (Decimal(content.target) * passed / whole).quantize(TENTH, ROUND_HALF_UP)
    return Progress(
        signed=signed,
        reached_percent=(Decimal(100) * signed / content.target).quantize(TENTH, ROUND_HALF_UP),
        expected=expected,
        behind=max(expected - signed, Decimal(0)),
        spent=spent,
        budget_left=content.budget - spent,
        cost_each=(spent / signed).quantize(CENT, ROUND_HALF_UP) if signed else None,
    )
