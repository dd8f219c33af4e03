"""How contracts are shown on contract.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.states import ContractState

from contract.domain.contract import Contract, contracts


def show_contract(id: UUID, contract: Contract) -> ContractState | None:
    draft = contract.draft
    if draft is None:
        return None
    return ContractState(
        contract_id=id,
        partner_id=draft.partner_id,
        status=contract.status.value,
        jurisdiction=draft.terms.jurisdiction,
        areas=draft.terms.areas,
        royalty_percent=draft.terms.royalty_percent,
        effective_from=contract.effective_from,
        signed_by=tuple(sorted(contract.signed_by)),
    )


STATES = [PublicState(contracts, ContractState, show_contract)]
