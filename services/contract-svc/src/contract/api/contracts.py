"""Routes: contracts, from the draft to the end, and what changes them on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from engine import Command, Send, Unknown
from fastapi import APIRouter
from service import At, By, Collection, Filter, Handle, HandleSeen, Read, Receipt, history_of, list_of, own

from contract.api.shown import (
    DECIDE,
    READ,
    WRITE,
    ContractView,
    FileView,
    contract_view,
    file_of,
    rules_of,
)
from contract.domain.addendum import ProposeAddendum, SignAddendum
from contract.domain.contract import contracts
from contract.domain.disclosure import DeliverDisclosure, TakePayment
from contract.domain.signature import SignContract, WithdrawContract
from contract.domain.standing import Contract, Party, Status
from contract.domain.succession import CallOffSuccession
from contract.domain.term import KeepAreas, SignRenewal, renewed_until
from contract.domain.termination import AgreeToTermination, TerminateContract, Termination
from contract.domain.territory import reservations
from contract.domain.transfer import ConsentToTransfer, ProposeTransfer
from contract.views import contracts_view

routes = APIRouter(prefix="/contracts", tags=["contracts"])
change_routes = APIRouter(prefix="/contracts", tags=["changes of contracts"])

CONTRACTS = Collection(
    contracts,
    contracts_view,
    ContractView,
    key="contract_id",
    filters=(
        "status",
        "partner_id",
        "jurisdiction",
        Filter(
            "successor_sought",
            bool,
            "(successor_sought_at is not null) = {}",
            description="Only those for which another partner is sought, or those for which none is.",
        ),
    ),
    sorts=("effective_from", "term_ends_on", "successor_sought_at"),
    shown=contract_view,
)


class Delivery(Command):
    pass


@routes.post("/{contract_id}/disclosure", status_code=201, dependencies=[WRITE])
async def deliver_disclosure(contract_id: UUID, body: Delivery, db: Read, handle: Handle) -> Receipt:
    """The partner has the disclosure document; from now on the clock of the jurisdiction's law runs, as it is today."""
    contract = await known(db, contract_id)
    rules = await rules_of(db, contract.jurisdiction)
    return await handle(contracts, contract_id, DeliverDisclosure(rules=rules, **body.model_dump()))


async def known(db: Read, contract_id: UUID) -> ContractView:
    return await db.one(CONTRACTS, contract_id=contract_id)


@routes.post(
    "/{contract_id}/signatures",
    status_code=201,
    dependencies=[WRITE, own("contract_id", contracts, only={"party": Party.PARTNER})],
)
async def sign_contract(contract_id: UUID, command: SignContract, db: Read, handle: Handle) -> Receipt:
    """Signing early is refused with the date from which it is allowed, and the law that says so. With the first
    signature its areas are reserved: of two contracts that cannot stand beside one another, one is refused."""
    contract = (await db.load(contracts, contract_id)).state
    return await handle(
        contracts, contract_id, command, also=areas_of(contract_id, contract, command.occurred_at or datetime.now(UTC))
    )


def areas_of(contract_id: UUID, contract: Contract, now: datetime) -> Iterator[Send]:
    """What has to be reserved with the signature."""
    draft = contract.draft
    if draft is not None and contract.status in (Status.DRAFTED, Status.DISCLOSED, Status.IN_WINDOW):
        yield from reservations(
            contract_id,
            draft.partner_id,
            draft.terms,
            starts_on=draft.rules.day(now),
            until=draft.terms.term_ends_on,
        )


@routes.post("/{contract_id}/reservations", status_code=201, dependencies=[DECIDE])
async def reserve_areas(contract_id: UUID, command: KeepAreas, db: Read, handle: Handle) -> Receipt:
    """For a contract in force that was signed before all grants were reserved: its areas are reserved as those of a new
    one are. Where they are already, nothing changes; where somebody else has one by now, it is refused, and for people
    to settle. `GET /territories/{area}` shows what came of it."""
    contract = (await db.load(contracts, contract_id)).state
    now = command.occurred_at or datetime.now(UTC)
    return await handle(contracts, contract_id, command, also=areas_in_force(contract_id, contract, now))


def areas_in_force(contract_id: UUID, contract: Contract, now: datetime) -> Iterator[Send]:
    """What has to be reserved of a contract that holds."""
    draft = contract.draft
    if draft is not None and contract.holds:
        until = draft.terms.term_ends_on
        yield from reservations(contract_id, draft.partner_id, draft.terms, starts_on=draft.rules.day(now), until=until)


@routes.post("/{contract_id}/payments", status_code=201, dependencies=[WRITE])
async def take_payment(contract_id: UUID, command: TakePayment, handle: Handle) -> Receipt:
    """Something the partner paid. Before signing is allowed it is refused where the law bars that as well, with the
    date from which it is allowed."""
    return await handle(contracts, contract_id, command)


@routes.post("/{contract_id}/withdrawal", status_code=201, dependencies=[DECIDE])
async def withdraw_contract(contract_id: UUID, command: WithdrawContract, handle: Handle) -> Receipt:
    """It comes to no contract: possible until all have signed. Its areas are free again."""
    return await handle(contracts, contract_id, command)


@routes.post("/{contract_id}/termination-consent", status_code=201, dependencies=[WRITE, own("contract_id", contracts)])
async def agree_to_termination(contract_id: UUID, command: AgreeToTermination, handle: Handle) -> Receipt:
    """The partner agrees to end the contract without cause."""
    return await handle(contracts, contract_id, command)


@routes.post("/{contract_id}/termination", status_code=201, dependencies=[DECIDE])
async def terminate_contract(contract_id: UUID, body: Termination, by: By, handle: HandleSeen) -> Receipt:
    """Ends a contract in force before its term, once a second person says so for the same reason; the first only
    proposes it. For a breach it is refused until notice and cure have run, with the date from which it is allowed and
    the law; without one until the partner agrees. If-Match names the version that was looked at."""
    return await handle(contracts, contract_id, TerminateContract(by=by, **body.model_dump()))


routes.add_api_route("", list_of(CONTRACTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@routes.get("/{contract_id}", dependencies=[READ, own("contract_id", contracts)])
async def read_contract(contract_id: UUID, db: Read, at: At) -> ContractView:
    """The contract as it stands, and whose signature it waits for."""
    return await db.one(CONTRACTS, at, contract_id=contract_id)


@routes.get("/{contract_id}/file", dependencies=[READ, own("contract_id", contracts)])
async def read_file(contract_id: UUID, db: Read, at: At) -> FileView:
    """All that belongs to it, with the terms that its addenda have made of those it was drafted with."""
    loaded = await db.state(contracts, contract_id, at, contract_id=contract_id)
    rules = None if loaded.state.draft is None else loaded.state.draft.rules
    now = at.effective_at or at.as_of or datetime.now(UTC)
    return file_of(contract_id, loaded.state, now.date() if rules is None else rules.day(now))


routes.add_api_route("/{id}/history", history_of(contracts), methods=["GET"], dependencies=[READ])


# -- changes


@change_routes.post("/{contract_id}/addenda", status_code=201, dependencies=[DECIDE])
async def propose_addendum(contract_id: UUID, command: ProposeAddendum, handle: Handle) -> Receipt:
    """The principal's: it holds from its day on once the partner has signed it. Areas, law and term are not changed
    this way."""
    return await handle(contracts, contract_id, command)


@change_routes.post(
    "/{contract_id}/addenda/{number}/signature",
    status_code=201,
    dependencies=[WRITE, own("contract_id", contracts)],
)
async def sign_addendum(contract_id: UUID, number: int, body: Delivery, handle: Handle) -> Receipt:
    """The partner signs it: not after the day from which it is to hold."""
    return await handle(contracts, contract_id, SignAddendum(number=number, **body.model_dump()))


@change_routes.post(
    "/{contract_id}/renewal-signatures",
    status_code=201,
    dependencies=[WRITE, own("contract_id", contracts, only={"party": Party.PARTNER})],
)
async def sign_renewal(contract_id: UUID, command: SignRenewal, db: Read, handle: Handle) -> Receipt:
    """On the same terms, within the window that they name, without an open breach, and after disclosure where the law
    asks for it again; not while a successor is sought. With the last signature the term is longer."""
    contract = (await db.load(contracts, contract_id)).state
    return await handle(
        contracts,
        contract_id,
        command,
        also=areas_of_renewal(contract_id, contract, command.occurred_at or datetime.now(UTC)),
    )


def areas_of_renewal(contract_id: UUID, contract: Contract, now: datetime) -> Iterator[Send]:
    """What has to be reserved for longer."""
    draft = contract.draft
    if draft is not None and contract.status is Status.RENEWAL_ELIGIBLE:
        today, until = draft.rules.day(now), renewed_until(draft)
        yield from reservations(contract_id, draft.partner_id, draft.terms, starts_on=today, until=until)


@change_routes.post("/{contract_id}/transfer", status_code=201, dependencies=[DECIDE])
async def propose_transfer(contract_id: UUID, command: ProposeTransfer, db: Read, handle: Handle) -> Receipt:
    """To another partner that is registered, once both consent; refused while a breach is open."""
    if await db.fetchval("select 1 from negotiations where partner_id = $1", command.to_partner_id) is None:
        raise Unknown("contract.partner_unknown", partner_id=command.to_partner_id)
    return await handle(contracts, contract_id, command)


@change_routes.post(
    "/{contract_id}/transfer/consents",
    status_code=201,
    dependencies=[WRITE, own("contract_id", contracts, only={"side": "transferor"})],
)
async def consent_to_transfer(contract_id: UUID, command: ConsentToTransfer, handle: Handle) -> Receipt:
    """The one partner's, then the other's; with both, the contract is transferred on its day. The partner whose it
    will be has no access to it yet: theirs is recorded for them."""
    return await handle(contracts, contract_id, command)


@change_routes.post("/{contract_id}/succession/withdrawal", status_code=201, dependencies=[DECIDE])
async def call_off_succession(contract_id: UUID, command: CallOffSuccession, handle: HandleSeen) -> Receipt:
    """The partner keeps the contract, although it was decided to replace it. To carry the decision out, propose the
    transfer to whoever takes its place. If-Match names the version that was looked at."""
    return await handle(contracts, contract_id, command)
