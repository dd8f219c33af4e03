"""Termination before the term: for a breach, once the law's clocks have run, or in agreement with the partner. Either
way it takes two persons."""

from __future__ import annotations

from datetime import date
from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Proposal, Rejected, seconds
from events import Event
from events.contract import ContractTerminated
from pydantic import Field

from contract.domain.breach import breach_of, refuse_over
from contract.domain.standing import Breach, Contract, Draft, Status, refuse_not_in_force
from contract.domain.terms import Reason, over

# -- events that stay in the house


class TerminationProposed(Event, type="cauce.contract.TerminationProposed.v1"):
    """Somebody wants to terminate it. It is terminated when another person wants the same."""

    contract_id: UUID
    reason: str
    by: tuple[str, ...]
    breach_id: UUID | None = None


class TerminationAgreed(Event, type="cauce.contract.TerminationAgreed.v1"):
    """The partner consents to an end of the contract without cause."""

    contract_id: UUID
    reason: str


TerminationEvent: TypeAlias = TerminationProposed | TerminationAgreed | ContractTerminated


# -- commands


class Termination(Command):
    """For the breach, or, without one, as the partner has agreed."""

    reason: Reason
    breach_id: UUID | None = None


class TerminateContract(Termination):
    """Once two persons have said so for the same reason. `by` is everybody who stands behind this one."""

    by: Annotated[tuple[str, ...], Field(min_length=1)]


class AgreeToTermination(Command):
    reason: Reason


TerminationCommand: TypeAlias = TerminateContract | AgreeToTermination


# -- decide


def agree(contract: Contract, draft: Draft, reason: str) -> list[TerminationEvent]:
    if contract.agreed_to_end == reason:
        return []
    refuse_not_in_force(contract)
    return [TerminationAgreed(contract_id=draft.contract_id, reason=reason)]


def terminate(contract: Contract, draft: Draft, wanted: Proposal, today: date) -> list[TerminationEvent]:
    as_before = (contract.ended_because, contract.ended_by_breach) == (wanted.reason, wanted.about)
    if contract.status is Status.TERMINATED and as_before:
        return []
    refuse_not_in_force(contract)
    if contract.effective_from is not None and today < contract.effective_from:
        raise Rejected("contract.not_yet_effective", effective_from=contract.effective_from)
    if over(draft.terms, today):
        # It has ended by itself; its timer says so any moment now.
        raise Rejected("contract.term_over", term_ends_on=draft.terms.term_ends_on)
    if wanted.about is not None:
        refuse_while_clocks_run(breach_of(contract, wanted.about), today)
    elif contract.agreed_to_end is None:
        raise Rejected("contract.cause_needed")
    if not seconds(wanted, contract.termination, "contract.second_person_needed"):
        return [
            TerminationProposed(
                contract_id=draft.contract_id, reason=wanted.reason, by=wanted.by, breach_id=wanted.about
            )
        ]
    return [
        ContractTerminated(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            reason=wanted.reason,
            breach_id=wanted.about,
        )
    ]


def refuse_while_clocks_run(breach: Breach, today: date) -> None:
    refuse_over(breach)
    if today >= breach.termination_allowed_from:
        return
    allowed_from = breach.termination_allowed_from
    if breach.cure_until is not None and today <= breach.cure_until:
        raise Rejected(
            "contract.cure_running", breach_id=breach.id, cure_until=breach.cure_until, allowed_from=allowed_from,
            law=breach.law,
        )  # fmt: skip
    raise Rejected("contract.notice_running", breach_id=breach.id, allowed_from=allowed_from, law=breach.law)
