"""An approved applicant that may be a partner who is there already: held until a person has decided."""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.partner import ApplicationDeclined

from partner.domain.candidate import Application, Status
from partner.domain.registration import Registration
from partner.domain.words import Reason

# -- events that stay in the house


class PossibleDuplicateHeld(Event, type="cauce.partner.PossibleDuplicateHeld.v1"):
    """The name is taken by a partner that may be the same one. Nothing is registered until somebody decides."""

    application_id: UUID
    looks_like: UUID
    looks_like_name: str


class DuplicateDecided(Event, type="cauce.partner.DuplicateDecided.v1"):
    """Somebody decided whether the two are distinct; one that is comes into the registry beside the other."""

    registration: Registration
    looks_like: UUID
    distinct: bool
    reason: str


DuplicateEvent: TypeAlias = PossibleDuplicateHeld | DuplicateDecided | ApplicationDeclined


# -- commands


class HoldAsPossibleDuplicate(Command):
    looks_like: UUID
    looks_like_name: str


class DecideDuplicate(Command):
    """`distinct`: the applicant is not the partner whose name looks the same, and is registered; if not, declined."""

    distinct: bool
    reason: Reason


# -- decide


def hold(application: Application, who: Registration, command: HoldAsPossibleDuplicate) -> list[DuplicateEvent]:
    if application.duplicate is not None and application.duplicate.looks_like == command.looks_like:
        return []
    if application.status is not Status.APPROVED or application.duplicate is not None:
        raise Rejected("partner.not_to_be_held", standing=application.status.value)
    return [
        PossibleDuplicateHeld(
            application_id=who.application_id,
            looks_like=command.looks_like,
            looks_like_name=command.looks_like_name,
        )
    ]


def decide_duplicate(application: Application, who: Registration, command: DecideDuplicate) -> list[DuplicateEvent]:
    duplicate = application.duplicate
    if duplicate is None:
        raise Rejected("partner.no_possible_duplicate", standing=application.status.value)
    if (duplicate.distinct, duplicate.reason) == (command.distinct, command.reason):
        return []
    if duplicate.distinct is not None:
        raise Rejected("partner.duplicate_already_decided", distinct=duplicate.distinct, reason=duplicate.reason)
    if application.status is not Status.HELD:
        raise Rejected("partner.application_closed", standing=application.status.value)
    decided = DuplicateDecided(
        registration=who,
        looks_like=duplicate.looks_like,
        distinct=command.distinct,
        reason=command.reason,
    )
    if command.distinct:
        return [decided]
    return [decided, ApplicationDeclined(application_id=who.application_id, reason=command.reason)]
