"""How contracts and royalty statements are shown on contract.state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine import PublicState
from events.states import ContractState, RoyaltyStatementState

from contract.domain.contract import Contract, contracts
from contract.domain.royalty import RoyaltyStatement, royalty_statements


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
