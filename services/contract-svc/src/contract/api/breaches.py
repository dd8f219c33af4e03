"""Routes: breaches of contracts, their clocks, and how they end."""

from __future__ import annotations

from uuid import UUID

from engine import Command
from fastapi import APIRouter
from service import By, Collection, Handle, HandleSeen, NewId, Read, Receipt, list_of, own

from contract.api.contracts import known
from contract.api.shown import DECIDE, READ, WRITE, BreachView, rules_of
from contract.domain.breach import CureBreach, Notice, NoticeBreach, Report, ReportCure, WaiveBreach
from contract.domain.contract import contracts
from contract.domain.terms import Reason
from contract.views import breaches_view

routes = APIRouter(prefix="/contracts/{contract_id}/breaches", tags=["breaches"])
list_routes = APIRouter(prefix="/breaches", tags=["breaches"])

BREACHES = Collection(
    contracts,
    breaches_view,
    BreachView,
    key="breach_id",
    filters=("status", "partner_id", "contract_id", "ground"),
    sorts=("noticed_on", "cure_until", "termination_allowed_from"),
    unknown="contract.breach_unknown",
)


class Resolution(Command):
    reason: Reason


@routes.post("", status_code=201, dependencies=[DECIDE])
async def notice_breach(contract_id: UUID, body: Notice, breach_id: NewId, db: Read, handle: Handle) -> Receipt:
    """Notice with every reason. When it may be cured and when the contract may be terminated follow from the ground, by
    the law of the jurisdiction as it is today."""
    contract = await known(db, contract_id)
    rules = await rules_of(db, contract.jurisdiction)
    return await handle(contracts, contract_id, NoticeBreach(breach_id=breach_id, rules=rules, **body.model_dump()))


@routes.post("/{breach_id}/cure-reports", status_code=201, dependencies=[WRITE, own("contract_id", contracts)])
async def report_cure(contract_id: UUID, breach_id: UUID, body: Report, handle: Handle) -> Receipt:
    """The partner says what was done about it."""
    return await handle(contracts, contract_id, ReportCure(breach_id=breach_id, **body.model_dump()))


@routes.post("/{breach_id}/cure", status_code=201, dependencies=[DECIDE])
async def cure_breach(contract_id: UUID, breach_id: UUID, body: Resolution, handle: Handle) -> Receipt:
    """The principal finds it cured; possible up to the last day for curing."""
    return await handle(contracts, contract_id, CureBreach(breach_id=breach_id, **body.model_dump()))


@routes.post("/{breach_id}/waiver", status_code=201, dependencies=[DECIDE])
async def waive_breach(contract_id: UUID, breach_id: UUID, body: Resolution, by: By, handle: HandleSeen) -> Receipt:
    """Waives it, also after its cure has lapsed, once a second person says so for the same reason; the first only
    proposes it. If-Match names the version of the contract that was looked at."""
    return await handle(contracts, contract_id, WaiveBreach(breach_id=breach_id, by=by, **body.model_dump()))


list_routes.add_api_route("", list_of(BREACHES), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@list_routes.get("/{breach_id}", dependencies=[READ, own()])
async def read_breach(breach_id: UUID, db: Read) -> BreachView:
    """The breach, its clocks, and what the partner says was done. What happened to it is in its contract's history."""
    return await db.one(BREACHES, breach_id=breach_id)
