"""What a partner may come to cost: expected loss = PD x LGD x EAD (Basel Committee on Banking Supervision, An
Explanatory Note on the Basel II IRB Risk Weight Functions, July 2005, section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import Annotated
from uuid import UUID, uuid5

from engine import Command, Decider
from events import Event
from pydantic import BaseModel, ConfigDict, Field

from risk.domain.words import Amount, Currency, Reason

EXPOSURES = UUID("8d5f3c1a-6e0b-4f7e-a3c4-1b2e9d7f6a05")
"""The namespace of ids of exposures."""
SOURCE = "Basel Committee on Banking Supervision, An Explanatory Note on the Basel II IRB Risk Weight Functions, 2005"
Part = Annotated[Decimal, Field(ge=0, le=1, max_digits=9, decimal_places=8)]


def exposure_id(partner_id: UUID) -> UUID:
    return uuid5(EXPOSURES, str(partner_id))


class Estimate(BaseModel):
    """`pd`: the probability that the partner defaults within a year; `lgd`: the part that is lost then; `ead`: what it
    owes then, in `currency`. `basis` says what they rest on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pd: Part
    lgd: Part
    ead: Amount
    currency: Currency
    basis: Reason


class ExposureEstimated(Event, type="cauce.risk.ExposureEstimated.v1"):
    """What a partner may come to cost was estimated, first or anew."""

    partner_id: UUID
    estimate: Estimate


class EstimateExposure(Command):
    partner_id: UUID
    estimate: Estimate


@dataclass(frozen=True)
class Exposure:
    partner_id: UUID | None = None
    estimate: Estimate | None = None


def decide(command: EstimateExposure, exposure: Exposure, now: datetime) -> list[ExposureEstimated]:
    if command.estimate == exposure.estimate:
        return []
    return [ExposureEstimated(partner_id=command.partner_id, estimate=command.estimate)]


def evolve(exposure: Exposure, event: ExposureEstimated) -> Exposure:
    return Exposure(event.partner_id, event.estimate)


exposures = Decider(
    "exposure", decide, evolve, initial=Exposure, events=ExposureEstimated, owner=lambda exposure: exposure.partner_id
)


def expected_loss(estimate: Estimate) -> Decimal:
    """To a ten-thousandth of the currency: it is a mean, and nothing to be paid."""
    with localcontext(Context(prec=60)):
        return (estimate.pd * estimate.lgd * estimate.ead).quantize(Decimal("0.0001"), ROUND_HALF_EVEN)
