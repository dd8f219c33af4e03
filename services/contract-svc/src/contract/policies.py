"""What contract-svc does by itself: it opens a negotiation with each new partner, drafts what was agreed on, and keeps
the clock of each signed contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from engine import CancelTimer, Fact, Policy, Reaction, Send, SetTimer
from events.contract import ContractTerminated, NegotiationAccepted
from events.partner import PartnerRegistered

from contract.domain.contract import BringIntoForce, ContractExecuted, DraftContract, ExpireContract, contracts
from contract.domain.negotiation import OpenNegotiation, negotiation_id, negotiations


def open_negotiation(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case PartnerRegistered(partner_id=partner_id):
            yield Send(negotiations, negotiation_id(partner_id), OpenNegotiation(partner_id=partner_id))


def carry_on(fact: Fact[Any]) -> Iterator[Reaction]:
    match fact.event:
        case NegotiationAccepted() as accepted:
            yield Send(
                contracts,
                accepted.contract_id,
                DraftContract(
                    contract_id=accepted.contract_id,
                    partner_id=accepted.partner_id,
                    jurisdiction=accepted.jurisdiction,
                    areas=accepted.areas,
                    royalty_percent=accepted.royalty_percent,
                    term_ends_on=accepted.term_ends_on,
                ),
            )
        case ContractExecuted(contract_id=id, in_force_at=begins, expires_at=ends):
            yield SetTimer(in_force(id), begins, Send(contracts, id, BringIntoForce()))
            if ends is not None:
                yield SetTimer(expiry(id), ends, Send(contracts, id, ExpireContract()))
        case ContractTerminated(contract_id=id):
            yield CancelTimer(expiry(id))


def in_force(contract_id: UUID) -> str:
    return f"{contract_id}/in_force"


def expiry(contract_id: UUID) -> str:
    return f"{contract_id}/expiry"


POLICIES = (
    Policy("opening", source="partner", react=open_negotiation),
    Policy("carrying_on", source="contract", react=carry_on),
)
