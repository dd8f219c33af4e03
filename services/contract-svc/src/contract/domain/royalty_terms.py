"""A contract's royalty terms: its schedules, when a statement is due, and what late payment costs. They follow what the
contract's own terms say; only where these name no currency, what was agreed elsewhere is said by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import zip_longest
from operator import attrgetter
from typing import Annotated, Literal, assert_never
from uuid import UUID

from engine import Command, Decider, Rejected, Unknown
from events import Event
from events.contract import ContractTerms
from pydantic import BaseModel, ConfigDict, Field

from contract.domain.money import Currency, Percent
from contract.domain.royalty_schedule import RoyaltySchedule, agreed, check_schedules, up_to
from contract.domain.terms import royalty_currency

Source = Literal["contract", "elsewhere"]


class TakenUp(BaseModel):
    """What the contract's terms, or an addendum to them, say from a day on; until another is taken up."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    effective_from: date
    schedules: tuple[RoyaltySchedule, ...]
    due_days: int | None
    late_interest_percent: Percent | None


# -- events that stay in the house


class RoyaltyTermsAgreed(Event, type="cauce.contract.RoyaltyTermsAgreed.v1"):
    """All of a contract's royalty terms, as they are agreed from now on. Where they follow the contract, `taken_up` is
    what they are made of, in the order of its days; `due_days` and `late_interest_percent` are the last one's."""

    contract_id: UUID
    partner_id: UUID
    version: int
    currency: str
    schedules: tuple[RoyaltySchedule, ...]
    due_days: int | None
    late_interest_percent: Percent | None
    source: Source = "elsewhere"
    taken_up: tuple[TakenUp, ...] = ()

    def on(self, day: date) -> TakenUp:
        """By what a statement of a period that ends on that day is to be paid."""
        begun = [each for each in self.taken_up if each.effective_from <= day]
        return begun[-1] if begun else self.whole()

    def whole(self) -> TakenUp:
        return TakenUp(
            effective_from=min(each.effective_from for each in self.schedules),
            schedules=self.schedules,
            due_days=self.due_days,
            late_interest_percent=self.late_interest_percent,
        )


# -- commands


class RoyaltyTermsContent(Command):
    """Each day from the first schedule's has one schedule. A statement is to be paid within `due_days` after its
    period; what comes later costs `late_interest_percent` a year. A statement keeps the terms it was made by."""

    currency: Currency
    schedules: Annotated[tuple[RoyaltySchedule, ...], Field(min_length=1, max_length=100)]
    due_days: Annotated[int, Field(ge=0, le=365)] | None = None
    late_interest_percent: Percent | None = None


class AgreeRoyaltyTerms(RoyaltyTermsContent):
    """`partner_id` is the contract's; None where there is no such contract. `by_contract`: its terms will be followed
    once it is in force."""

    contract_id: UUID
    partner_id: UUID | None
    by_contract: bool


class FollowContract(Command):
    """From this day on its terms are these."""

    contract_id: UUID
    partner_id: UUID
    terms: ContractTerms
    effective_from: date


class PassRoyaltyTerms(Command):
    """The contract is another partner's."""

    partner_id: UUID


RoyaltyTermsCommand = AgreeRoyaltyTerms | FollowContract | PassRoyaltyTerms


# -- state, decide and evolve


@dataclass(frozen=True)
class RoyaltyTerms:
    """`agreed` is None until something is agreed."""

    agreed: RoyaltyTermsAgreed | None = None


def agree(before: RoyaltyTermsAgreed | None, command: AgreeRoyaltyTerms) -> list[RoyaltyTermsAgreed]:
    if command.partner_id is None:
        raise Unknown("contract.contract_unknown", contract_id=command.contract_id)
    check_schedules(command.schedules)
    if command.by_contract or (before is not None and before.source == "contract"):
        raise Rejected("contract.royalties_by_contract", hint="an addendum changes what the contract's terms say")
    return told(
        before,
        RoyaltyTermsAgreed(
            contract_id=command.contract_id,
            partner_id=command.partner_id,
            version=0,
            currency=command.currency,
            schedules=command.schedules,
            due_days=command.due_days,
            late_interest_percent=command.late_interest_percent,
        ),
    )


def follow(before: RoyaltyTermsAgreed | None, command: FollowContract) -> list[RoyaltyTermsAgreed]:
    """Terms without a currency say nothing that could be charged, unless that of before is meant. Raises
    `contract.royalty_currency_differs`."""
    terms, day = command.terms, command.effective_from
    followed = before is not None and before.source == "contract"
    currency = royalty_currency(terms) or (before.currency if before is not None and followed else None)
    schedules = agreed(terms.royalties, day)
    if currency is None or not schedules:
        return []
    if before is not None and before.currency != currency:
        raise Rejected("contract.royalty_currency_differs", currency=currency, agreed=before.currency)
    new = TakenUp(
        effective_from=day,
        schedules=schedules,
        due_days=terms.royalty_due_days,
        late_interest_percent=terms.royalty_interest_percent,
    )
    there = () if before is None else before.taken_up or (before.whole(),)
    taken_up = sorted((*(each for each in there if each.effective_from != day), new), key=attrgetter("effective_from"))
    return told(
        before,
        RoyaltyTermsAgreed(
            contract_id=command.contract_id,
            partner_id=command.partner_id,
            version=0,
            currency=currency,
            schedules=tuple(one_after_another(taken_up)),
            due_days=taken_up[-1].due_days,
            late_interest_percent=taken_up[-1].late_interest_percent,
            source="contract",
            taken_up=tuple(taken_up),
        ),
    )


def one_after_another(taken_up: Sequence[TakenUp]) -> Iterator[RoyaltySchedule]:
    """Each holds until the next is taken up, in whichever order they were signed."""
    for each, following in zip_longest(taken_up, taken_up[1:]):
        yield from each.schedules if following is None else up_to(each.schedules, following.effective_from)


def told(before: RoyaltyTermsAgreed | None, terms: RoyaltyTermsAgreed) -> list[RoyaltyTermsAgreed]:
    """As the next version, unless that is what holds."""
    if before is None:
        return [terms.model_copy(update={"version": 1})]
    if terms.model_copy(update={"version": before.version}) == before:
        return []
    return [terms.model_copy(update={"version": before.version + 1})]


def decide(command: RoyaltyTermsCommand, terms: RoyaltyTerms, now: datetime) -> list[RoyaltyTermsAgreed]:
    before = terms.agreed
    match command:
        case AgreeRoyaltyTerms():
            return agree(before, command)
        case FollowContract():
            return follow(before, command)
        case PassRoyaltyTerms(partner_id=partner_id):
            return [] if before is None else told(before, before.model_copy(update={"partner_id": partner_id}))
        case _:
            assert_never(command)


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
