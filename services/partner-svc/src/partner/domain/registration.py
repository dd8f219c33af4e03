"""What is known of a partner when it comes into the registry, and the names that are taken there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

from engine import Command, Decider, Rejected
from events import Event
from events.partner import ExternalRef, PartnerKind

from partner.domain.words import normalised

PARTNERS = UUID("c1a7f0d2-5e3b-4c1d-9f7e-2a8b6d4e0f35")
"""The namespace of the ids of partners."""
NAMES = UUID("3e8d5b17-0c6f-4f0a-b1d9-7f2c4a9e6b08")
"""The namespace of the ids of registered names."""


def partner_id(application_id: UUID) -> UUID:
    return uuid5(PARTNERS, str(application_id))


def outlet_id(partner_id: UUID) -> UUID:
    """Of the outlet that the partner applied with."""
    return uuid5(partner_id, "outlet")


def name_id(legal_name: str) -> UUID:
    """The same for every way to write the name."""
    return uuid5(NAMES, normalised(legal_name))


@dataclass(frozen=True)
class Registration:
    """An approved application, as the registry takes it. A sole trader is a person, whose name is sealed."""

    application_id: UUID
    partner_id: UUID
    legal_name: str
    kind: PartnerKind
    area: str
    outlet_name: str
    external_refs: tuple[ExternalRef, ...] = ()
    sole_trader: bool = False
    name_key: UUID | None = None

    @property
    def name_id(self) -> UUID:
        """Of the stream of its name. A sole trader's name is sealed, and found by its key."""
        return name_id(self.legal_name) if self.name_key is None else uuid5(NAMES, str(self.name_key))


# -- a registered name: one stream for all ways to write it, so that of two who claim it at once exactly one gets it


class NameClaimed(Event, type="cauce.partner.NameClaimed.v1"):
    """Nobody had the name; it is this partner's, who is registered by it."""

    registration: Registration


class NameContested(Event, type="cauce.partner.NameContested.v1"):
    """Another partner has the name: whether the two are one and the same is for a person to say."""

    registration: Registration
    held_by: UUID
    held_as: str


class NameTaken(Event, type="cauce.partner.NameTaken.v1"):
    """Nobody had the name; it is this partner's, whose business is somebody else's now."""

    partner_id: UUID
    legal_name: str


class ClaimName(Command):
    registration: Registration


class TakeName(Command):
    """For a partner whose business becomes somebody else's: who is called so already is a partner of its own."""

    partner_id: UUID
    legal_name: str


NameEvent = NameClaimed | NameContested | NameTaken
NameCommand = ClaimName | TakeName


@dataclass(frozen=True)
class RegisteredName:
    """`contested_by` are partners-to-be who claimed it, too."""

    held_by: UUID | None = None
    held_as: str = ""
    contested_by: frozenset[UUID] = frozenset()


def decide(command: NameCommand, name: RegisteredName, now: datetime) -> list[NameEvent]:
    if isinstance(command, TakeName):
        if name.held_by == command.partner_id:
            return []
        if name.held_by is not None:
            raise Rejected("partner.name_taken", held_by=name.held_by)
        return [NameTaken(partner_id=command.partner_id, legal_name=command.legal_name)]
    claimant = command.registration.partner_id
    if name.held_by is None:
        return [NameClaimed(registration=command.registration)]
    if name.held_by == claimant or claimant in name.contested_by:
        return []
    return [NameContested(registration=command.registration, held_by=name.held_by, held_as=name.held_as)]


def evolve(name: RegisteredName, event: NameEvent) -> RegisteredName:
    match event:
        case NameClaimed(registration=registration):
            return RegisteredName(registration.partner_id, registration.legal_name)
        case NameTaken(partner_id=id, legal_name=legal_name):
            return replace(name, held_by=id, held_as=legal_name)
        case NameContested(registration=registration):
            return replace(name, contested_by=name.contested_by | {registration.partner_id})
        case _:
            assert_never(event)


registered_names = Decider("registered_name", decide, evolve, initial=RegisteredName, events=NameEvent)
