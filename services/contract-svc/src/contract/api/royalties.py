"""Routes of royalties: terms by contract, taxes by jurisdiction, and statements."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Period as PeriodName
from events.contract import ContractTerms
from events.periods import first_day, in_the_calendar, last_day
from events.royalty import RoyaltyLine, RoyaltySales
from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from service import At, Collection, Handle, HandlePut, HandleSeen, Read, Receipt, history_of, list_of, own

from contract.api.shown import DECIDE, READ, WRITE, rules_of
from contract.domain.contract import contracts
from contract.domain.money import ExchangeRate
from contract.domain.royalty import CorrectRoyalty, StateRoyalty, royalty_statements
from contract.domain.royalty_dispute import DisputeRoyalty, SettleRoyaltyDispute
from contract.domain.royalty_figures import Basis
from contract.domain.royalty_schedule import RoyaltySchedule
from contract.domain.royalty_statement import statement_id
from contract.domain.royalty_tax import SetTaxes, TaxesContent, TaxRate, royalty_taxes, taxes_id
from contract.domain.royalty_terms import AgreeRoyaltyTerms, RoyaltyTermsContent, Source, TakenUp, royalty_terms
from contract.domain.terms import JurisdictionCode, Reason, royalty_currency
from contract.royalty_counting import day_sales
from contract.royalty_views import LINES, RATES, SALES, SCHEDULES, TAKEN_UP, statements_view, taxes_view, terms_view

Period = Annotated[PeriodName, AfterValidator(in_the_calendar)]
Rates = Annotated[tuple[ExchangeRate, ...], Field(max_length=200)]

terms_routes = APIRouter(prefix="/contracts", tags=["royalty-terms"])
taxes_routes = APIRouter(prefix="/royalty-taxes", tags=["royalty-taxes"])
contract_routes = APIRouter(prefix="/contracts", tags=["royalty-statements"])
statement_routes = APIRouter(prefix="/royalty-statements", tags=["royalty-statements"])


# -- what is taken


class Stating(Command):
    """`rates` are what one of another currency is in that of the terms, with the day that each is of. They are needed
    for every currency that sales of the period are in."""

    period: Period
    rates: Rates = ()


class Correcting(Command):
    """`rates` stand for those of before; what is not named stays."""

    reason: Reason
    rates: Rates = ()


# -- what is shown


class RoyaltyTermsView(BaseModel):
    """`source`: whether they follow the contract's own terms, or were agreed elsewhere. `taken_up` is
    what these say from which day on; a statement is to be paid by those of its period's last day."""

    contract_id: UUID
    partner_id: UUID
    version: int
    currency: str
    schedules: tuple[RoyaltySchedule, ...]
    due_days: int | None
    late_interest_percent: Decimal | None
    source: Source
    taken_up: tuple[TakenUp, ...]


class RoyaltyTaxesView(BaseModel):
    jurisdiction: str
    version: int
    rates: tuple[TaxRate, ...]


class RoyaltyStatementView(BaseModel):
    """As it holds now. The lines add up to `total`."""

    statement_id: UUID
    contract_id: UUID
    partner_id: UUID
    period: str
    first_day: date
    last_day: date
    currency: str
    sales: tuple[RoyaltySales, ...]
    lines: tuple[RoyaltyLine, ...]
    total: Decimal
    due_on: date | None
    terms_version: int
    tax_version: int | None
    corrections: int = Field(description="How often it was corrected; its history has each earlier one.")
    disputed: bool
    disputed_because: str | None
    paid: Decimal
    outstanding: Decimal = Field(description="Below zero: more was paid than is owed.")
    days_late: int = Field(description="By how many days the latest payment came after `due_on`.")
    overdue: bool = Field(description="Its day has passed, and not all of it is paid.")
    interest: Decimal | None = Field(description="What late payments cost by the terms; null where they say nothing.")
    payments_in_other_currencies: int = Field(description="Reported, and not taken in: there is no rate for them.")
    awaits_rates_of: list[str] = Field(description="Currencies of late sales: correct it with their rates.")
    event_id: UUID = Field(description="The event that the figures are from.")


def shown_terms(**row: Any) -> RoyaltyTermsView:
    schedules, taken_up = SCHEDULES.validate_json(row.pop("schedules")), TAKEN_UP.validate_json(row.pop("taken_up"))
    return RoyaltyTermsView(schedules=schedules, taken_up=taken_up, **row)


def shown_taxes(**row: Any) -> RoyaltyTaxesView:
    return RoyaltyTaxesView(rates=RATES.validate_json(row.pop("rates")), **row)


def shown_statement(**row: Any) -> RoyaltyStatementView:
    sales, lines = SALES.validate_json(row.pop("sales")), LINES.validate_json(row.pop("lines"))
    return RoyaltyStatementView(sales=sales, lines=lines, **row)


TERMS = Collection(
    royalty_terms,
    terms_view,
    RoyaltyTermsView,
    key="contract_id",
    shown=shown_terms,
)
TAXES = Collection(royalty_taxes, taxes_view, RoyaltyTaxesView, key="jurisdiction", shown=shown_taxes)
STATEMENTS = Collection(
    royalty_statements,
    statements_view,
    RoyaltyStatementView,
    key="statement_id",
    filters=("contract_id", "partner_id", "period", "currency", "disputed", "overdue"),
    sorts=("first_day", "due_on", "outstanding", "days_late"),
    types={"period": Period},
    shown=shown_statement,
)


# -- terms

BEGUN = ("in_force", "renewal_eligible", "expired", "terminated")


def names_currency(terms: ContractTerms) -> bool:
    return royalty_currency(terms) is not None


@terms_routes.put("/{contract_id}/royalty-terms", dependencies=[DECIDE])
async def agree_royalty_terms(contract_id: UUID, content: RoyaltyTermsContent, db: Read, handle: HandlePut) -> Receipt:
    """For a contract whose own terms name no currency: what was agreed elsewhere, from when to when its sales are
    charged what, when that is due and what late payment costs. Otherwise its terms are followed by themselves, and
    changed by an addendum."""
    contract = (await db.load(contracts, contract_id)).state
    draft = contract.draft
    command = AgreeRoyaltyTerms(
        contract_id=contract_id,
        partner_id=None if draft is None else draft.partner_id,
        by_contract=draft is not None and contract.status.value not in BEGUN and names_currency(draft.terms),
        **content.model_dump(),
    )
    return await handle(royalty_terms, contract_id, command)


@terms_routes.get("/{contract_id}/royalty-terms", dependencies=[READ, own("contract_id", contracts)])
async def read_royalty_terms(contract_id: UUID, db: Read, at: At) -> RoyaltyTermsView:
    """The royalty terms in their newest version."""
    return await db.one(TERMS, at, contract_id=contract_id)


terms_routes.add_api_route(
    "/{contract_id}/royalty-terms/history",
    history_of(royalty_terms, "contract_id"),
    methods=["GET"],
    dependencies=[READ],
)


# -- taxes


@taxes_routes.put("/{jurisdiction}", dependencies=[DECIDE])
async def set_royalty_taxes(jurisdiction: JurisdictionCode, content: TaxesContent, handle: HandlePut) -> Receipt:
    """All taxes on royalties of the jurisdiction. Statements that are made keep those that they were made by."""
    return await handle(
        royalty_taxes, taxes_id(jurisdiction), SetTaxes(jurisdiction=jurisdiction, **content.model_dump())
    )


taxes_routes.add_api_route("", list_of(TAXES), methods=["GET"], dependencies=[READ, own(reads=["royalty_taxes"])])


@taxes_routes.get("/{jurisdiction}", dependencies=[READ, own(reads=["royalty_taxes"])])
async def read_royalty_taxes(jurisdiction: JurisdictionCode, db: Read, at: At) -> RoyaltyTaxesView:
    """The jurisdiction's taxes on royalties in their newest version."""
    return await db.one(TAXES, at, of=taxes_id(jurisdiction), jurisdiction=jurisdiction)


taxes_routes.add_api_route(
    "/{jurisdiction}/history",
    history_of(royalty_taxes, "jurisdiction", taxes_id),
    methods=["GET"],
    dependencies=[READ],
)


# -- statements

CONTRACT = """
select partner_id, jurisdiction, status, effective_from, term_ends_on, ended_at from contracts where contract_id = $1
"""
OTHERS = """
select contract_id, jurisdiction, status, effective_from, term_ends_on, ended_at from contracts
where partner_id = $1 and contract_id <> $2 and effective_from <= $3 order by contract_id
"""
UNATTRIBUTED = """
select count(*) from royalty_sales where partner_id = $1 and contract_id is null and sold_on between $2 and $3
"""


async def in_force_until(db: Read, row: Any) -> date | None:
    """The last day on which the contract was in force; None: there is none yet."""
    ended: date | None = row["term_ends_on"]
    if row["status"] == "terminated":
        ended = (await rules_of(db, row["jurisdiction"])).day(row["ended_at"])
    return ended


async def basis_of(db: Read, contract_id: UUID, period: str, rates: tuple[ExchangeRate, ...]) -> dict[str, Any]:
    """Everything that the contract's statement of the period is made of, as it is known now. Raises
    `contract.contract_unknown`, `contract.royalty_terms_unknown`, `contract.not_in_force`."""
    row = await db.fetchrow(CONTRACT, contract_id)
    if row is None:
        raise Unknown("contract.contract_unknown", contract_id=contract_id)
    terms = (await db.load(royalty_terms, contract_id)).state.agreed
    if terms is None:
        raise Unknown("contract.royalty_terms_unknown", contract_id=contract_id)
    if row["status"] not in BEGUN or row["effective_from"] is None:
        raise Rejected("contract.not_in_force", standing=row["status"])
    days = first_day(period), last_day(period)
    partner_id = row["partner_id"]
    others = [
        each["contract_id"]
        for each in await db.fetch(OTHERS, partner_id, contract_id, days[1])
        if each["status"] in BEGUN and ((until := await in_force_until(db, each)) is None or until >= days[0])
    ]
    payment = terms.on(days[1])
    taxes = (await db.load(royalty_taxes, taxes_id(row["jurisdiction"]))).state
    basis = Basis(
        contract_id=contract_id,
        partner_id=partner_id,
        jurisdiction=row["jurisdiction"],
        period=period,
        in_force_from=row["effective_from"],
        in_force_until=await in_force_until(db, row),
        sole=not others,
        currency=terms.currency,
        schedules=terms.schedules,
        due_days=payment.due_days,
        late_interest_percent=payment.late_interest_percent,
        terms_version=terms.version,
        taxes=taxes.on(days[1]),
        tax_version=taxes.version or None,
        rates=rates,
    )
    return {
        "basis": basis,
        "rules": await rules_of(db, row["jurisdiction"]),
        "sales": await day_sales(db, partner_id, contract_id, basis.sole, days),
        "unattributed": await db.fetchval(UNATTRIBUTED, partner_id, *days) if others else 0,
        "others": tuple(others),
    }


@contract_routes.post("/{contract_id}/royalty-statements", status_code=201, dependencies=[DECIDE])
async def state_royalty(contract_id: UUID, body: Stating, db: Read, handle: Handle) -> Receipt:
    """What the partner owes for a period that is over, from the sales that were reported. Sales that come or are
    restated later correct it by themselves."""
    found = await basis_of(db, contract_id, body.period, body.rates)
    command = StateRoyalty(occurred_at=body.occurred_at, **found)
    return await handle(royalty_statements, statement_id(contract_id, body.period), command)


@statement_routes.post("/{statement_id}/corrections", status_code=201, dependencies=[DECIDE])
async def correct_royalty(statement_id: UUID, body: Correcting, db: Read, handle: HandleSeen) -> Receipt:
    """Computes it anew by the terms, taxes and sales of now, and with rates for currencies that it awaits. What it said
    before stays in its history. If-Match names the version that was looked at."""
    before = (await db.load(royalty_statements, statement_id)).state.basis
    if before is None:
        raise Unknown("contract.royalty_statement_unknown", statement_id=statement_id)
    named = {rate.currency for rate in body.rates}
    rates = (*body.rates, *(rate for rate in before.rates if rate.currency not in named))
    found = await basis_of(db, before.contract_id, before.period, rates)
    command = CorrectRoyalty(occurred_at=body.occurred_at, reason=body.reason, **found)
    return await handle(royalty_statements, statement_id, command)


@statement_routes.post(
    "/{statement_id}/dispute", status_code=201, dependencies=[WRITE, own("statement_id", royalty_statements)]
)
async def dispute_royalty(statement_id: UUID, command: DisputeRoyalty, handle: Handle) -> Receipt:
    """The partner contests it: it is marked so, and stays due."""
    return await handle(royalty_statements, statement_id, command)


@statement_routes.post("/{statement_id}/dispute/settlement", status_code=201, dependencies=[DECIDE])
async def settle_royalty_dispute(statement_id: UUID, command: SettleRoyaltyDispute, handle: HandleSeen) -> Receipt:
    """The dispute is over. What is owed changes by a correction only."""
    return await handle(royalty_statements, statement_id, command)


statement_routes.add_api_route("", list_of(STATEMENTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@statement_routes.get("/{statement_id}", dependencies=[READ, own("statement_id", royalty_statements)])
async def read_royalty_statement(statement_id: UUID, db: Read, at: At) -> RoyaltyStatementView:
    """The statement, with what is paid of it."""
    return await db.one(STATEMENTS, at, statement_id=statement_id)


statement_routes.add_api_route("/{id}/history", history_of(royalty_statements), methods=["GET"], dependencies=[READ])

ROUTES = (terms_routes, taxes_routes, contract_routes, statement_routes)
