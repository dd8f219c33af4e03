"""Read models of royalties: terms, taxes, the sales that count, and statements. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from events.periods import first_day, last_day
from events.royalty import RoyaltyCorrected, RoyaltyDisputed, RoyaltyLine, RoyaltyOverdue, RoyaltySales, RoyaltyStated
from pydantic import TypeAdapter

from contract.domain.royalty_sale import RoyaltySaleTaken
from contract.domain.royalty_schedule import RoyaltySchedule
from contract.domain.royalty_statement import (
    RoyaltyBalanced,
    RoyaltyBasisTaken,
    RoyaltyDisputeSettled,
    RoyaltyRateMissed,
)
from contract.domain.royalty_tax import RoyaltyTaxesSet, TaxRate
from contract.domain.royalty_terms import RoyaltyTermsAgreed, TakenUp

SCHEDULES = TypeAdapter(tuple[RoyaltySchedule, ...])
RATES = TypeAdapter(tuple[TaxRate, ...])
TAKEN_UP = TypeAdapter(tuple[TakenUp, ...])
SALES = TypeAdapter(tuple[RoyaltySales, ...])
LINES = TypeAdapter(tuple[RoyaltyLine, ...])

TERMS = Table(
    "royalty_terms",
    """
    contract_id uuid primary key,
    partner_id uuid not null,
    version integer not null,
    currency text not null,
    schedules json not null,
    due_days integer,
    late_interest_percent numeric,
    source text not null,
    taken_up json not null
    """,
)

TAXES = Table("royalty_taxes", "jurisdiction text primary key, version integer not null, rates json not null")

COUNTED = Table(
    "royalty_sales",
    """
    sale_id uuid primary key,
    partner_id uuid not null,
    contract_id uuid,
    amount numeric not null,
    currency text not null,
    sold_on date not null,
    reported_by uuid not null
    """,
    indexes=("(partner_id, sold_on)",),
)

STATEMENTS = Table(
    "royalty_statements",
    """
    statement_id uuid primary key,
    contract_id uuid not null,
    partner_id uuid not null,
    period text not null,
    first_day date not null,
    last_day date not null,
    sole boolean,
    currency text not null,
    sales json not null,
    lines json not null,
    total numeric not null,
    due_on date,
    terms_version integer not null,
    tax_version integer,
    corrections integer not null,
    disputed boolean not null,
    disputed_because text,
    paid numeric not null,
    outstanding numeric not null,
    days_late integer not null,
    overdue boolean not null,
    interest numeric,
    payments_in_other_currencies integer not null,
    awaits_rates_of text[] not null,
    event_id uuid not null
    """,
    indexes=("(partner_id, first_day)", "(contract_id, first_day)", "(due_on, statement_id)"),
)


def project_terms(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RoyaltyTermsAgreed(schedules=schedules, taken_up=taken_up) as agreed:
            row = agreed.model_dump(exclude={"schedules", "taken_up"})
            said = {"schedules": SCHEDULES.dump_json(schedules), "taken_up": TAKEN_UP.dump_json(taken_up)}
            yield TERMS.upsert("contract_id", **row, **said)


def project_taxes(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RoyaltyTaxesSet(jurisdiction=code, version=version, rates=rates):
            yield TAXES.upsert("jurisdiction", jurisdiction=code, version=version, rates=RATES.dump_json(rates))


def project_sales(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case RoyaltySaleTaken() as taken:
            yield COUNTED.upsert("sale_id", **taken.model_dump(exclude={"restatement", "previously_on"}))


def project_statements(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"statement_id": fact.stream_id}
    match fact.event:
        case RoyaltyStated() as stated:
            yield STATEMENTS.insert(
                **key,
                contract_id=stated.contract_id,
                partner_id=stated.partner_id,
                period=stated.period,
                first_day=first_day(stated.period),
                last_day=last_day(stated.period),
                **_figures(fact, stated),
                corrections=0,
                disputed=False,
                paid=0,
                outstanding=stated.total,
                days_late=0,
                overdue=False,
                payments_in_other_currencies=0,
                awaits_rates_of=[],
            )
        case RoyaltyBasisTaken(basis=basis):
            yield STATEMENTS.update(key, sole=basis.sole)
        case RoyaltyCorrected(correction=number) as corrected:
            yield STATEMENTS.update(key, **_figures(fact, corrected), corrections=number, awaits_rates_of=[])
        case RoyaltyRateMissed(currencies=currencies):
            yield STATEMENTS.update(key, awaits_rates_of=list(currencies))
        case RoyaltyBalanced() as balanced:
            row = balanced.model_dump()
            yield STATEMENTS.sql(
                "update {table} set overdue = overdue and $2 > 0 where statement_id = $1",
                fact.stream_id,
                balanced.outstanding,
            )
            yield STATEMENTS.update(key, payments_in_other_currencies=row.pop("in_other_currencies"), **row)
        case RoyaltyOverdue():
            yield STATEMENTS.update(key, overdue=True)
        case RoyaltyDisputed(reason=reason):
            yield STATEMENTS.update(key, disputed=True, disputed_because=reason)
        case RoyaltyDisputeSettled():
            yield STATEMENTS.update(key, disputed=False, disputed_because=None)


def _figures(fact: Fact[Any], told: RoyaltyStated | RoyaltyCorrected) -> dict[str, Any]:
    return {
        "currency": told.currency,
        "sales": SALES.dump_json(told.sales),
        "lines": LINES.dump_json(told.lines),
        "total": told.total,
        "due_on": told.due_on,
        "terms_version": told.terms_version,
        "tax_version": told.tax_version,
        "event_id": fact.event_id,
    }


terms_view = View("royalty_terms", version=2, tables=(TERMS,), project=project_terms, inline=True)
taxes_view = View("royalty_taxes", version=1, tables=(TAXES,), project=project_taxes, inline=True)
sales_view = View("royalty_sales", version=1, tables=(COUNTED,), project=project_sales, inline=True)
statements_view = View("royalty_statements", version=2, tables=(STATEMENTS,), project=project_statements, inline=True)

VIEWS = (terms_view, taxes_view, sales_view, statements_view)
