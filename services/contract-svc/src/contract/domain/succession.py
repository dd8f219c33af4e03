"""A contract's succession: it was decided that another partner is to take the place of this one. A person looks for who
it will be and proposes the transfer, or calls the succession off; until then the contract goes on, but for its renewal.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event

from contract.domain.standing import Contract, Draft, Succession, refuse_not_in_force
from contract.domain.terms import Reason

# -- events that stay in the house


class SuccessorSought(Event, type="cauce.contract.SuccessorSought.v1"):
    """Another partner is to take the place of this one, by an adjustment that was decided. `evidence` are event ids."""

    contract_id: UUID
    partner_id: UUID
    adjustment_id: UUID
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]


class SuccessionCalledOff(Event, type="cauce.contract.SuccessionCalledOff.v1"):
    """The partner keeps the contract after all."""

    contract_id: UUID
    reason: str


SuccessionEvent: TypeAlias = SuccessorSought | SuccessionCalledOff


# -- commands


class SeekSuccessor(Command):
    adjustment_id: UUID
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]


class CallOffSuccession(Command):
    reason: Reason


SuccessionCommand: TypeAlias = SeekSuccessor | CallOffSuccession


# -- decide and evolve


def seek(contract: Contract, draft: Draft, command: SeekSuccessor) -> list[SuccessionEvent]:
    if contract.succession is not None:
        return []
    refuse_not_in_force(contract)
    return [
        SuccessorSought(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            adjustment_id=command.adjustment_id,
            reasons=command.reasons,
            evidence=command.evidence,
        )
    ]


def call_off(contract: Contract, draft: Draft, reason: str) -> list[SuccessionEvent]:
    if contract.succession is None:
        raise Rejected("contract.no_successor_sought")
    return [SuccessionCalledOff(contract_id=draft.contract_id, reason=reason)]


def evolve(event: SuccessionEvent) -> Succession | None:
    match event:
        case SuccessorSought():
            return Succession(event.adjustment_id, event.reasons, event.evidence)
        case SuccessionCalledOff():
            return None
