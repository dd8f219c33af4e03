"""A contract's royalty terms: its schedules, when a statement is due, and what late payment costs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from engine import Command, Decider, Unknown
from events import Event
from pydantic import Field

from contract.domain.money import Currency, Percent
from contract.domain.royalty_schedule import RoyaltySchedule, check_schedules

# -- events that stay in the house


class RoyaltyTermsAgreed(Event, type="cauce.contract.RoyaltyTermsAgreed.v1"):
    """All of a contract's royalty terms, as they are agreed from now on."""

    contract_id: UUID
    partner_id: UUID
    version: int
    currency: str
    schedules: tuple[RoyaltySchedule, ...]
    due_days: int | None
    late_interest_percent: Percent | None


# -- commands


class RoyaltyTermsContent(Command):
    """Each day from the first schedule's has one schedule. A statement is to be paid within `due_days` after its
    period; what comes later costs `late_interest_percent` a year. A statement keeps the terms it was made by."""

    currency: Currency
    schedules: Annotated[tuple[RoyaltySchedule, ...], Field(min_length=1, max_length=100)]
    due_days: Annotated[int, Field(ge=0, le=365)] | None = None
    late_interest_percent: Percent | None = None


class AgreeRoyaltyTerms(RoyaltyTermsContent):
    """`partner_id` is the contract's; None where there is no such contract."""

    contract_id: UUID
    partner_id: UUID | None


# -- state, decide and evolve


@dataclass(frozen=True)
class RoyaltyTerms:
    """`agreed` is None until something is agreed."""

    agreed: RoyaltyTermsAgreed | None = None


def decide(command: AgreeRoyaltyTerms, terms: RoyaltyTerms, now: datetime) -> list[RoyaltyTermsAgreed]:
    if command.partner_id is None:
        raise Unknown("contract.contract_unknown", contract_id=command.contract_id)
    check_schedules(command.schedules)
    agreed = RoyaltyTermsAgreed(
        contract_id=command.contract_id,
        partner_id=command.partner_id,
        version=1 if terms.agreed is None else terms.agreed.version + 1,
        currency=command.currency,
        schedules=command.schedules,
        due_days=command.due_days,
        late_interest_percent=command.late_interest_percent,
    )
    if terms.agreed is not None and agreed.model_copy(update={"version": terms.agreed.version}) == terms.agreed:
        return []
    return [agreed]


def evolve(terms: RoyaltyTerms, event: RoyaltyTermsAgreed) -> RoyaltyTerms:
    return RoyaltyTerms(event)


royalty_terms = Decider(
    "royalty_terms",
    decide,
    evolve,
    initial=RoyaltyTerms,
    events=RoyaltyTermsAgreed,
    owner=lambda terms: None if terms.agreed is None else terms.agreed.partner_id,
)
