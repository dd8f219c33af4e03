"""How a contract stands: what all its rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Literal
from uuid import UUID

from engine import Proposal, Rejected
from events.contract import ContractTerms, Money

from contract.domain.rules import Rules


class Party(StrEnum):
    PRINCIPAL = "principal"
    PARTNER = "partner"


PARTIES = tuple(Party)
"""Everybody whose signature is required."""


class Status(StrEnum):
    DRAFTED = "drafted"
    DISCLOSED = "disclosed"
    IN_WINDOW = "in_window"
    SIGNED = "signed"
    IN_FORCE = "in_force"
    RENEWAL_ELIGIBLE = "renewal_eligible"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Draft:
    """Who agreed on what. A renewal moves the end of its terms, a transfer gives it another partner."""

    contract_id: UUID
    partner_id: UUID
    terms: ContractTerms
    rules: Rules


BreachStatus = Literal["noticed", "lapsed", "cured", "waived"]


@dataclass(frozen=True)
class Breach:
    """It is open while it is noticed or its cure has lapsed."""

    id: UUID
    ground: str
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]
    noticed_on: date
    cure_until: date | None
    termination_allowed_from: date
    law: str
    status: BreachStatus = "noticed"
    waiver: Proposal | None = None

    @property
    def open(self) -> bool:
        return self.status in ("noticed", "lapsed")


@dataclass(frozen=True)
class Addendum:
    """`terms` None: it changes none of the terms that are kept as such. It holds once it is signed."""

    number: int
    text: str
    effective_from: date
    terms: ContractTerms | None
    signed_on: date | None = None


@dataclass(frozen=True)
class Renewal:
    """Up to `term_ends_on`, as far as it is signed."""

    term_ends_on: date
    signed_by: frozenset[Party]


Side = Literal["transferor", "transferee"]


@dataclass(frozen=True)
class Transfer:
    """To another partner, once both consent; `agreed` then, and done on its day."""

    to_partner_id: UUID
    effective_on: date
    consents: frozenset[Side] = frozenset()


@dataclass(frozen=True)
class Succession:
    """That another partner is to take this one's place, and why; who it is becomes a transfer."""

    adjustment_id: UUID
    reasons: tuple[str, ...]
    evidence: tuple[UUID, ...]


@dataclass(frozen=True)
class Payment:
    purpose: str
    amount: Money


@dataclass(frozen=True)
class Contract:
    """`draft` is None until it is drafted; `signing_opens` None until disclosure, and again when it may be renewed.
    `effective_from` is what the parties who signed agreed on. `termination` waits for a second person;
    `agreed_to_end` is the partner's consent to one without cause."""

    draft: Draft | None = None
    status: Status = Status.DRAFTED
    delivered_on: date | None = None
    signing_opens: date | None = None
    signed_by: frozenset[Party] = frozenset()
    effective_from: date | None = None
    payments: Mapping[str, Payment] = field(default_factory=dict)
    breaches: Mapping[UUID, Breach] = field(default_factory=dict)
    addenda: tuple[Addendum, ...] = ()
    renewals: int = 0
    renewal: Renewal | None = None
    transfer: Transfer | None = None
    succession: Succession | None = None
    termination: Proposal | None = None
    agreed_to_end: str | None = None
    ended_because: str | None = None
    ended_by_breach: UUID | None = None

    @property
    def holds(self) -> bool:
        return self.status in (Status.IN_FORCE, Status.RENEWAL_ELIGIBLE)

    def terms_on(self, day: date) -> ContractTerms | None:
        """With the addenda that are signed and effective by then."""
        if self.draft is None:
            return None
        terms = self.draft.terms
        for each in sorted(self.addenda, key=lambda addendum: (addendum.effective_from, addendum.number)):
            if each.terms is not None and each.signed_on is not None and each.effective_from <= day:
                terms = each.terms
        return terms.model_copy(update={"term_ends_on": self.draft.terms.term_ends_on})


# -- what rules of several nouns refuse


def refuse_not_in_force(contract: Contract) -> None:
    if not contract.holds:
        raise Rejected("contract.not_in_force", standing=contract.status.value)


def refuse_open_breach(contract: Contract) -> None:
    breach = next((each for each in contract.breaches.values() if each.open), None)
    if breach is not None:
        raise Rejected("contract.breach_open", breach_id=breach.id, ground=breach.ground)


def refuse_successor_sought(contract: Contract) -> None:
    if contract.succession is not None:
        raise Rejected("contract.successor_sought", reasons=list(contract.succession.reasons))


def refuse_before_window(contract: Contract, rules: Rules, today: date) -> None:
    """By the law of disclosure; for whoever signs."""
    if contract.signing_opens is None and rules.disclosure is not None:
        raise Rejected("contract.not_disclosed", law=rules.citation)
    if contract.signing_opens is not None and today < contract.signing_opens:
        raise Rejected("contract.disclosure_period_running", allowed_from=contract.signing_opens, law=rules.citation)
