"""How contracts are shown on contract.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.states import ContractState

from contract.domain.contract import contracts
from contract.domain.standing import Contract, Status

STATUSES = {Status.IN_WINDOW: "disclosed", Status.RENEWAL_ELIGIBLE: "in_force"}
"""As readers know them since before there were these two."""


def show_contract(id: UUID, contract: Contract) -> ContractState | None:
    draft = contract.draft
    if draft is None or contract.status is Status.WITHDRAWN:
        return None
    return ContractState.model_validate(
        {
            "contract_id": id,
            "partner_id": draft.partner_id,
            "status": STATUSES.get(contract.status, contract.status.value),
            "jurisdiction": draft.terms.jurisdiction,
            "areas": draft.terms.areas,
            "royalty_percent": draft.terms.royalties[0].percent,
            "effective_from": contract.effective_from,
            "signed_by": sorted(contract.signed_by),
            "terms": draft.terms,
        }
    )


STATES = [PublicState(contracts, ContractState, show_contract)]
