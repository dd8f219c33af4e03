"""Routes: negotiations with partners, and their contracts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from engine import Unknown
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel
from service import Handle, Listing, Page, Read, Receipt, history_of, listing, own, scope

from contract.domain import contract, negotiation
from contract.domain.contract import DeliverDisclosure, Party, SignContract, TerminateContract, contracts
from contract.domain.negotiation import AcceptTerms, LetLapse, negotiations

READ, WRITE, DECIDE = scope("contract:read"), scope("contract:write"), scope("contract:decide")

negotiation_routes = APIRouter(prefix="/negotiations", tags=["negotiations"])
contract_routes = APIRouter(prefix="/contracts", tags=["contracts"])


class NegotiationView(BaseModel):
    """The terms, and the contract drafted from them, are null until some are accepted."""

    negotiation_id: UUID
    partner_id: UUID
    status: negotiation.Status
    opened_at: AwareDatetime
    contract_id: UUID | None
    jurisdiction: str | None
    areas: list[str] | None
    royalty_percent: Decimal | None
    term_ends_on: date | None
    lapsed_because: str | None


class ContractView(BaseModel):
    """`awaits` are the parties whose signature is missing; none of them may sign before `signing_allowed_from`, by the
    `law` that is cited. `effective_from` is the day agreed so far."""

    contract_id: UUID
    partner_id: UUID
    status: contract.Status
    jurisdiction: str
    areas: list[str]
    royalty_percent: Decimal
    term_ends_on: date | None
    delivered_on: date | None
    signing_allowed_from: date | None
    law: str | None
    awaits: list[Party]
    effective_from: date | None
    ended_at: AwareDatetime | None
    terminated_because: str | None


@negotiation_routes.post("/{negotiation_id}/acceptance", status_code=201, dependencies=[DECIDE])
async def accept_terms(negotiation_id: UUID, command: AcceptTerms, handle: Handle) -> Receipt:
    """Both sides agree; the contract is drafted from the terms by itself."""
    return await handle(negotiations, negotiation_id, command)


@negotiation_routes.post("/{negotiation_id}/lapse", status_code=201, dependencies=[DECIDE])
async def let_lapse(negotiation_id: UUID, command: LetLapse, handle: Handle) -> Receipt:
    return await handle(negotiations, negotiation_id, command)


@negotiation_routes.get("", dependencies=[READ, own(query="partner_id")])
async def list_negotiations(
    db: Read, page: Page, status: negotiation.Status | None = None, partner_id: UUID | None = None
) -> Listing[NegotiationView]:
    rows = await db.fetch(
        "select * from negotiations where ($1::text is null or status = $1)"
        " and ($2::uuid is null or partner_id = $2) and ($3::uuid is null or negotiation_id > $3)"
        " order by negotiation_id limit $4",
        status,
        partner_id,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["negotiation_id"]), item=NegotiationView)


@negotiation_routes.get("/{negotiation_id}", dependencies=[READ, own("negotiation_id", negotiations)])
async def read_negotiation(negotiation_id: UUID, db: Read) -> NegotiationView:
    row = await db.fetchrow("select * from negotiations where negotiation_id = $1", negotiation_id)
    if row is None:
        raise Unknown("contract.negotiation_unknown", negotiation_id=negotiation_id)
    return NegotiationView(**row)


negotiation_routes.add_api_route("/{id}/history", history_of(negotiations), methods=["GET"], dependencies=[READ])


@contract_routes.post("/{contract_id}/disclosure", status_code=201, dependencies=[WRITE])
async def deliver_disclosure(contract_id: UUID, command: DeliverDisclosure, handle: Handle) -> Receipt:
    """The partner has the disclosure document; from now on the jurisdiction's clock runs."""
    return await handle(contracts, contract_id, command)


@contract_routes.post(
    "/{contract_id}/signatures",
    status_code=201,
    dependencies=[WRITE, own("contract_id", contracts, only={"party": Party.PARTNER})],
)
async def sign_contract(contract_id: UUID, command: SignContract, handle: Handle) -> Receipt:
    """Signing early is refused with the date from which it is allowed, and the law that says so."""
    return await handle(contracts, contract_id, command)


@contract_routes.post("/{contract_id}/termination", status_code=201, dependencies=[DECIDE])
async def terminate_contract(contract_id: UUID, command: TerminateContract, handle: Handle) -> Receipt:
    return await handle(contracts, contract_id, command)


@contract_routes.get("", dependencies=[READ, own(query="partner_id")])
async def list_contracts(
    db: Read, page: Page, status: contract.Status | None = None, partner_id: UUID | None = None
) -> Listing[ContractView]:
    rows = await db.fetch(
        "select * from contracts where ($1::text is null or status = $1) and ($2::uuid is null or partner_id = $2)"
        " and ($3::uuid is null or contract_id > $3) order by contract_id limit $4",
        status,
        partner_id,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["contract_id"]), item=ContractView)


@contract_routes.get("/{contract_id}", dependencies=[READ, own("contract_id", contracts)])
async def read_contract(contract_id: UUID, db: Read) -> ContractView:
    row = await db.fetchrow("select * from contracts where contract_id = $1", contract_id)
    if row is None:
        raise Unknown("contract.contract_unknown", contract_id=contract_id)
    return ContractView(**row)


contract_routes.add_api_route("/{id}/history", history_of(contracts), methods=["GET"], dependencies=[READ])


ROUTES = (negotiation_routes, contract_routes)
