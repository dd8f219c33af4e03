"""Where an application stands: what is known of it, and what was decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal
from uuid import UUID

from engine import Proposal, Rejected
from events.partner import GateResult

from partner.domain.economics import BusinessCase, Projection
from partner.domain.investment import InvestmentTerms
from partner.domain.registration import Registration
from partner.domain.scoring import Measured

Outcome = Literal["recommended", "not_recommended", "undecided"]


class Status(StrEnum):
    APPLIED = "applied"
    SCREENED = "screened"
    SCORED = "scored"
    INTERVIEWED = "interviewed"
    APPROVED = "approved"
    HELD = "held"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


OPEN = (Status.APPLIED, Status.SCREENED, Status.SCORED, Status.INTERVIEWED)


@dataclass(frozen=True)
class Screening:
    """How it came through the gates of a version of the standard, before anybody scored it."""

    standard: str
    standard_version: int
    gates: tuple[GateResult, ...]


@dataclass(frozen=True)
class Interview:
    held_on: date
    outcome: Outcome
    summary: str


@dataclass(frozen=True)
class Plan:
    """What the applicant plans, judged by a version of the investment standard."""

    case: BusinessCase
    terms: InvestmentTerms
    projection: Projection


@dataclass(frozen=True)
class Duplicate:
    """The partner it looks like, and what was decided about that; None: nothing yet."""

    looks_like: UUID
    distinct: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Override:
    """That failed gates are overridden, as one person wants it, in these roles."""

    proposal: Proposal
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Application:
    """`registration` is None until somebody applies; `override` waits for a second person; `closed_because` is the
    reason of a decline or withdrawal."""

    registration: Registration | None = None
    status: Status = Status.APPLIED
    screening: Screening | None = None
    measured: Measured | None = None
    interviews: tuple[Interview, ...] = ()
    plan: Plan | None = None
    override: Proposal | None = None
    duplicate: Duplicate | None = None
    closed_because: str | None = None


def refuse_closed(application: Application) -> None:
    if application.status not in OPEN:
        raise Rejected("partner.application_closed", standing=application.status.value)
