"""A suspension has causes; it begins with the first and ends with the last."""

from __future__ import annotations

from uuid import UUID

from engine import Command
from events import Event
from events.partner import SuspensionCause

# -- events that stay in the house


class SuspensionCauseAdded(Event, type="cauce.partner.SuspensionCauseAdded.v1"):
    """One more cause for a suspension that there is already."""

    partner_id: UUID
    cause: SuspensionCause


class SuspensionCauseLifted(Event, type="cauce.partner.SuspensionCauseLifted.v1"):
    """A cause was taken away, and others remain."""

    partner_id: UUID
    lifted_cause_id: UUID


# -- commands


class Suspend(Command):
    cause: SuspensionCause


class LiftSuspension(Command):
    cause_id: UUID
