"""A royalty statement is disputed by the partner, and that is settled. It stays due all the while."""

from __future__ import annotations

from engine import Command, Rejected
from events.royalty import RoyaltyDisputed

from contract.domain.royalty_figures import Basis
from contract.domain.royalty_statement import (
    Outcome,
    RoyaltyDisputeSettled,
    RoyaltyEvent,
    RoyaltyStatement,
    whose,
)
from contract.domain.terms import Reason


class DisputeRoyalty(Command):
    reason: Reason


class SettleRoyaltyDispute(Command):
    """`upheld`: the partner is right, and a correction follows; `rejected`: the statement stands."""

    outcome: Outcome
    reason: Reason


def dispute(statement: RoyaltyStatement, basis: Basis, reason: str) -> list[RoyaltyEvent]:
    if statement.disputed == reason:
        return []
    if statement.disputed is not None:
        raise Rejected("contract.royalty_disputed", reason=statement.disputed)
    return [RoyaltyDisputed(**whose(basis), reason=reason)]


def settle_dispute(statement: RoyaltyStatement, command: SettleRoyaltyDispute) -> list[RoyaltyEvent]:
    settled = RoyaltyDisputeSettled(outcome=command.outcome, reason=command.reason)
    if statement.disputed is None:
        if statement.settled == settled:
            return []
        raise Rejected("contract.royalty_not_disputed")
    return [settled]
