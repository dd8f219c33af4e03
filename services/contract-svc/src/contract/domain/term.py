"""A contract's term: in force from its day on, renewed within its window, expired after its last day."""

from __future__ import annotations

from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

from dateutil.relativedelta import relativedelta
from engine import Command, Rejected
from events import Event
from events.contract import ContractExpired, ContractInForce, ContractRenewed

from contract.domain.signature import clocks, renewable_from
from contract.domain.standing import (
    PARTIES,
    Contract,
    Draft,
    Party,
    Renewal,
    Status,
    refuse_before_window,
    refuse_not_in_force,
    refuse_open_breach,
    refuse_successor_sought,
)
from contract.domain.terms import over

# -- events that stay in the house


class RenewalOpened(Event, type="cauce.contract.RenewalOpened.v1"):
    """The window in which the contract may be renewed begins."""

    contract_id: UUID


class RenewalSigned(Event, type="cauce.contract.RenewalSigned.v1"):
    """A party signed a renewal up to `term_ends_on`."""

    contract_id: UUID
    party: Party
    signed_on: date
    term_ends_on: date


class TermExtended(Event, type="cauce.contract.TermExtended.v1"):
    """The renewed term's clock. `renewable_at` None: it is the last."""

    contract_id: UUID
    expires_at: datetime
    renewable_at: datetime | None


TermEvent: TypeAlias = (
    ContractInForce | ContractExpired | RenewalOpened | RenewalSigned | ContractRenewed | TermExtended
)


# -- commands


class BringIntoForce(Command):
    pass


class OpenRenewal(Command):
    pass


class SignRenewal(Command):
    """On the same terms, by as much as they say."""

    party: Party


class ExpireContract(Command):
    pass


class KeepAreas(Command):
    """What it grants is reserved, as it is with a first signature today."""


TermCommand: TypeAlias = BringIntoForce | OpenRenewal | SignRenewal | ExpireContract | KeepAreas


# -- decide


def bring_into_force(contract: Contract, draft: Draft, today: date) -> list[TermEvent]:
    if contract.holds:
        return []
    if contract.status in (Status.EXPIRED, Status.TERMINATED, Status.WITHDRAWN):
        raise Rejected("contract.ended", standing=contract.status.value)
    if contract.status is not Status.SIGNED or contract.effective_from is None:
        raise Rejected("contract.not_signed", standing=contract.status.value)
    if today < contract.effective_from:
        raise Rejected("contract.not_yet_effective", effective_from=contract.effective_from)
    return [ContractInForce(contract_id=draft.contract_id, partner_id=draft.partner_id)]


def open_renewal(contract: Contract, draft: Draft, today: date) -> list[TermEvent]:
    if contract.status is Status.RENEWAL_ELIGIBLE:
        return []
    refuse_not_in_force(contract)
    refuse_outside_window(contract, draft, today)
    return [RenewalOpened(contract_id=draft.contract_id)]


def refuse_outside_window(contract: Contract, draft: Draft, today: date) -> None:
    renewal, ends_on = draft.terms.renewal, draft.terms.term_ends_on
    if renewal is None or ends_on is None or contract.renewals >= renewal.times:
        raise Rejected("contract.no_renewal_left", renewals=contract.renewals)
    if today < (opens := renewable_from(ends_on, renewal.window_days)):
        raise Rejected("contract.renewal_not_open", allowed_from=opens)
    if over(draft.terms, today):
        raise Rejected("contract.term_over", term_ends_on=ends_on)


def keep_areas(contract: Contract) -> list[TermEvent]:
    """Territories tell of it themselves; of the contract nothing changes."""
    refuse_not_in_force(contract)
    return []


def renewed_until(draft: Draft) -> date | None:
    """The last day of the term once it is renewed: so many months after the last of the term before, at the end of a
    month that is too short for it."""
    renewal, ends_on = draft.terms.renewal, draft.terms.term_ends_on
    if renewal is None or ends_on is None:
        return None
    renewed: date = ends_on + relativedelta(months=renewal.months)
    return renewed


def sign_renewal(contract: Contract, draft: Draft, party: Party, today: date) -> list[TermEvent]:
    refuse_not_in_force(contract)
    signed_by = frozenset() if contract.renewal is None else contract.renewal.signed_by
    if party in signed_by:
        return []
    refuse_outside_window(contract, draft, today)
    refuse_open_breach(contract)
    refuse_successor_sought(contract)
    rule = draft.rules.disclosure
    if rule is not None and not rule.exempts_same_terms_renewal:
        refuse_before_window(contract, draft.rules, today)
    until = renewed_until(draft)
    if until is None:
        raise Rejected("contract.no_renewal_left", renewals=contract.renewals)
    signed = RenewalSigned(contract_id=draft.contract_id, party=party, signed_on=today, term_ends_on=until)
    if signed_by | {party} != set(PARTIES):
        return [signed]
    return [signed, *renew(contract, draft, until)]


def renew(contract: Contract, draft: Draft, until: date) -> list[TermEvent]:
    terms = draft.terms.model_copy(update={"term_ends_on": until})
    expires_at, renewable_at = clocks(draft.rules, terms, contract.renewals + 1)
    assert expires_at is not None  # noqa: S101 - it has an end
    return [
        ContractRenewed(
            contract_id=draft.contract_id,
            partner_id=draft.partner_id,
            renewal=contract.renewals + 1,
            term_ends_on=until,
        ),
        TermExtended(contract_id=draft.contract_id, expires_at=expires_at, renewable_at=renewable_at),
    ]


def expire(contract: Contract, draft: Draft, today: date) -> list[TermEvent]:
    if contract.status is Status.EXPIRED:
        return []
    refuse_not_in_force(contract)
    if not over(draft.terms, today):
        raise Rejected("contract.term_not_over", term_ends_on=draft.terms.term_ends_on)
    return [ContractExpired(contract_id=draft.contract_id, partner_id=draft.partner_id)]


def signing(renewal: Renewal | None, event: RenewalSigned) -> Renewal:
    before = frozenset() if renewal is None else renewal.signed_by
    return Renewal(event.term_ends_on, before | {event.party})
