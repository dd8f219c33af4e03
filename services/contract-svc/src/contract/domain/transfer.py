"""A contract's transfer to another partner: proposed by the principal, consented to by both partners, done on its day.
The contract, with all its history, goes on."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.contract import ContractTransferred

from contract.domain.standing import (
    Contract,
    Draft,
    Side,
    Transfer,
    refuse_not_in_force,
    refuse_open_breach,
)

SIDES: frozenset[Side] = frozenset(("transferor", "transferee"))


# -- events that stay in the house


class TransferProposed(Event, type="cauce.contract.TransferProposed.v1"):
    """The principal is ready to have another partner in the place of this one."""

    contract_id: UUID
    to_partner_id: UUID
    effective_on: date


class TransferConsented(Event, type="cauce.contract.TransferConsented.v1"):
    """One of the partners consents. `transfers_at` is there once both have: the contract is transferred then."""

    contract_id: UUID
    side: Side
    transfers_at: datetime | None


TransferEvent: TypeAlias = TransferProposed | TransferConsented | ContractTransferred


# -- commands


class ProposeTransfer(Command):
    """`effective_on` is the first day on which it is the other's."""

    to_partner_id: UUID
    effective_on: date


class ConsentToTransfer(Command):
    side: Side


class CompleteTransfer(Command):
    pass


TransferCommand: TypeAlias = ProposeTransfer | ConsentToTransfer | CompleteTransfer


# -- decide


def propose(contract: Contract, draft: Draft, command: ProposeTransfer, today: date) -> list[TransferEvent]:
    wanted = (command.to_partner_id, command.effective_on)
    if contract.transfer is not None and (contract.transfer.to_partner_id, contract.transfer.effective_on) == wanted:
        return []
    refuse_not_in_force(contract)
    if command.to_partner_id == draft.partner_id:
        raise Rejected("contract.already_theirs", partner_id=draft.partner_id)
    if command.effective_on < today:
        raise Rejected("contract.effective_before_signing", effective_from=command.effective_on, signed_on=today)
    refuse_open_breach(contract)
    return [
        TransferProposed(
            contract_id=draft.contract_id,
            to_partner_id=command.to_partner_id,
            effective_on=command.effective_on,
        )
    ]


def consent(contract: Contract, draft: Draft, side: Side, now: datetime) -> list[TransferEvent]:
    transfer = transfer_of(contract)
    if side in transfer.consents:
        return []
    refuse_not_in_force(contract)
    both = transfer.consents | {side} == SIDES
    at = max(draft.rules.start_of(transfer.effective_on), now) if both else None
    return [TransferConsented(contract_id=draft.contract_id, side=side, transfers_at=at)]


def transfer_of(contract: Contract) -> Transfer:
    if contract.transfer is None:
        raise Rejected("contract.no_transfer_proposed")
    return contract.transfer


def complete(contract: Contract, draft: Draft, today: date) -> list[TransferEvent]:
    transfer = transfer_of(contract)
    refuse_not_in_force(contract)
    refuse_open_breach(contract)
    if transfer.consents != SIDES:
        raise Rejected("contract.consent_missing", awaits=sorted(SIDES - transfer.consents))
    if today < transfer.effective_on:
        raise Rejected("contract.transfer_not_due", allowed_from=transfer.effective_on)
    return [
        ContractTransferred(
            contract_id=draft.contract_id,
            partner_id=transfer.to_partner_id,
            from_partner_id=draft.partner_id,
            effective_on=transfer.effective_on,
        )
    ]


# -- evolve


def evolve(transfer: Transfer | None, event: TransferEvent) -> Transfer | None:
    match event:
        case TransferProposed():
            return Transfer(event.to_partner_id, event.effective_on)
        case TransferConsented(side=side):
            assert transfer is not None  # noqa: S101 - it was proposed
            return Transfer(transfer.to_partner_id, transfer.effective_on, transfer.consents | {side})
        case ContractTransferred():
            return None
