"""A suspension has causes; it begins with the first and ends with the last."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected, Unknown
from events import Event
from events.partner import PartnerReinstated, PartnerSuspended, SuspensionCause

from partner.domain.standing import Partner, refuse_out

# -- events that stay in the house


class SuspensionCauseAdded(Event, type="cauce.partner.SuspensionCauseAdded.v1"):
    """One more cause for a suspension that there is already."""

    partner_id: UUID
    cause: SuspensionCause


class SuspensionCauseLifted(Event, type="cauce.partner.SuspensionCauseLifted.v1"):
    """A cause was taken away, and others remain."""

    partner_id: UUID
    lifted_cause_id: UUID


SuspensionEvent: TypeAlias = PartnerSuspended | SuspensionCauseAdded | SuspensionCauseLifted | PartnerReinstated


# -- commands


class Suspend(Command):
    cause: SuspensionCause


class LiftSuspension(Command):
    cause_id: UUID


# -- decide


def suspend(partner: Partner, id: UUID, cause: SuspensionCause) -> list[SuspensionEvent]:
    """Whatever the stage: one that does not trade yet cannot begin to before the cause is lifted."""
    if cause.cause_id in partner.causes:
        return []
    refuse_out(partner)
    if cause.cause_id in partner.lifted:
        raise Rejected("partner.suspension_lifted_already", cause_id=cause.cause_id)
    if partner.causes:
        return [SuspensionCauseAdded(partner_id=id, cause=cause)]
    return [PartnerSuspended(partner_id=id, cause=cause)]


def lift(partner: Partner, id: UUID, cause_id: UUID) -> list[SuspensionEvent]:
    if cause_id in partner.lifted:
        return []
    refuse_out(partner)
    if cause_id not in partner.causes:
        raise Unknown("partner.suspension_cause_unknown", cause_id=cause_id)
    if len(partner.causes) > 1:
        return [SuspensionCauseLifted(partner_id=id, lifted_cause_id=cause_id)]
    return [PartnerReinstated(partner_id=id, lifted_cause_id=cause_id)]


# -- evolve


def evolve(partner: Partner, event: SuspensionEvent) -> Partner:
    match event:
        case PartnerSuspended(cause=cause) | SuspensionCauseAdded(cause=cause):
            return replace(partner, causes={**partner.causes, cause.cause_id: cause})
        case SuspensionCauseLifted(lifted_cause_id=id) | PartnerReinstated(lifted_cause_id=id):
            causes = {cause_id: cause for cause_id, cause in partner.causes.items() if cause_id != id}
            return replace(partner, causes=causes, lifted=partner.lifted | {id})
