"""Routes: negotiations with partners, and their contracts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel
from service import At, By, Collection, Handle, HandleSeen, Read, Receipt, history_of, list_of, own, scope

from contract.domain import contract, negotiation
from contract.domain.contract import DeliverDisclosure, Party, SignContract, TerminateContract, contracts
from contract.domain.negotiation import AcceptTerms, LetLapse, negotiations
from contract.domain.terms import Reason
from contract.views import contracts_view, negotiations_view

READ, WRITE, DECIDE = scope("contract:read"), scope("contract:write"), scope("contract:decide")


class Termination(Command):
    reason: Reason


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


NEGOTIATIONS = Collection(
    negotiations,
    negotiations_view,
    NegotiationView,
    key="negotiation_id",
    filters=("status", "partner_id", "jurisdiction"),
    sorts=("opened_at",),
)
CONTRACTS = Collection(
    contracts,
    contracts_view,
    ContractView,
    key="contract_id",
    filters=("status", "partner_id", "jurisdiction"),
    sorts=("effective_from", "term_ends_on"),
)


@negotiation_routes.post("/{negotiation_id}/acceptance", status_code=201, dependencies=[DECIDE])
async def accept_terms(negotiation_id: UUID, command: AcceptTerms, handle: Handle) -> Receipt:
    """Both sides agree; the contract is drafted from the terms by itself."""
    return await handle(negotiations, negotiation_id, command)


@negotiation_routes.post("/{negotiation_id}/lapse", status_code=201, dependencies=[DECIDE])
async def let_lapse(negotiation_id: UUID, command: LetLapse, handle: Handle) -> Receipt:
    """It came to nothing: the negotiation is over, and the prospect is closed."""
    return await handle(negotiations, negotiation_id, command)


negotiation_routes.add_api_route(
    "", list_of(NEGOTIATIONS), methods=["GET"], dependencies=[READ, own(query="partner_id")]
)


@negotiation_routes.get("/{negotiation_id}", dependencies=[READ, own("negotiation_id", negotiations)])
async def read_negotiation(negotiation_id: UUID, db: Read, at: At) -> NegotiationView:
    """The negotiation, with the terms if some were accepted."""
    return await db.one(NEGOTIATIONS, at, negotiation_id=negotiation_id)


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
async def terminate_contract(contract_id: UUID, body: Termination, by: By, handle: HandleSeen) -> Receipt:
    """Ends a contract in force before its term, once a second person says so for the same reason; the first only
    proposes it. If-Match names the version that was looked at."""
    return await handle(contracts, contract_id, TerminateContract(by=by, **body.model_dump()))


contract_routes.add_api_route("", list_of(CONTRACTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@contract_routes.get("/{contract_id}", dependencies=[READ, own("contract_id", contracts)])
async def read_contract(contract_id: UUID, db: Read, at: At) -> ContractView:
    """The contract as it stands, and whose signature it waits for."""
    return await db.one(CONTRACTS, at, contract_id=contract_id)


contract_routes.add_api_route("/{id}/history", history_of(contracts), methods=["GET"], dependencies=[READ])


ROUTES = (negotiation_routes, contract_routes)
