"""How contracts and royalty statements are shown on contract.state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine import PublicState
from events.states import ContractState, RoyaltyStatementState

from contract.domain.contract import contracts
from contract.domain.royalty import royalty_statements
from contract.domain.royalty_statement import RoyaltyStatement
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


def show_statement(id: UUID, statement: RoyaltyStatement) -> RoyaltyStatementState | None:
    basis, figures, settled = statement.basis, statement.figures, statement.settlement
    if basis is None or figures is None or settled is None:
        return None
    return RoyaltyStatementState(
        statement_id=id,
        contract_id=basis.contract_id,
        partner_id=basis.partner_id,
        period=basis.period,
        currency=basis.currency,
        total=figures.total,
        due_on=basis.due_on,
        paid=settled.paid,
        outstanding=settled.outstanding,
        days_late=settled.days_late,
        corrections=statement.corrections,
        disputed=statement.disputed is not None,
    )


STATES: list[PublicState[Any]] = [
    PublicState(contracts, ContractState, show_contract),
    PublicState(royalty_statements, RoyaltyStatementState, show_statement),
]
