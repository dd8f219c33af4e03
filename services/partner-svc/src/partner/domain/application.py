"""An application to become a partner: made, scored, and approved, declined or withdrawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, assert_never
from uuid import UUID

from engine import Command, Decider, Proposal, Rejected, Unknown, seconds
from events import Event
from events.partner import (
    ApplicationApproved,
    ApplicationDeclined,
    ApplicationScored,
    ExternalRef,
    PartnerApplied,
    PartnerKind,
)
from events.sealed import Sealed
from pydantic import BaseModel, ConfigDict, Field

from partner.domain.registration import Registration, partner_id
from partner.domain.scoring import Measured, measure
from partner.domain.standard import StandardTerms
from partner.domain.words import Area, Code, LegalName, Reason, Score, Text

# -- events that stay in the house


class RegistrationRequested(Event, type="cauce.partner.RegistrationRequested.v1"):
    """The approved applicant is to come into the registry, if its name is free."""

    registration: Registration


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


class GateOverrideProposed(Event, type="cauce.partner.GateOverrideProposed.v1"):
    """Somebody wants it approved in spite of failed gates. It is when another person wants the same."""

    application_id: UUID
    reason: str
    by: tuple[str, ...]


class ApplicationWithdrawn(Event, type="cauce.partner.ApplicationWithdrawn.v1"):
    """The applicant does not want to become a partner any more."""

    application_id: UUID
    reason: str | None


ApplicationEvent = (
    PartnerApplied
    | ApplicationScored
    | GateOverrideProposed
    | ApplicationApproved
    | RegistrationRequested
    | PossibleDuplicateHeld
    | DuplicateDecided
    | ApplicationDeclined
    | ApplicationWithdrawn
)


# -- commands


class Reference(BaseModel):
    """How another system calls this record: `{"system": "erp", "key": "V-1042"}`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: Code
    key: Text


class ApplicationContent(Command):
    """Who applies, to be what and where, and the outlet that they want to open."""

    legal_name: LegalName
    kind: PartnerKind
    area: Area
    outlet_name: Text
    external_refs: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()
    sole_trader: Annotated[bool, Field(description="The applicant is a person: the name is kept sealed.")] = False


class Apply(ApplicationContent):
    """A sole trader's name comes sealed, with a key that is the same for every way to write the name."""

    application_id: UUID
    legal_name: LegalName | Sealed
    name_key: UUID | None = None


class ScoreApplication(Command):
    """Scores from 0 to 100 by dimension, and of each gate whether it is passed, under the standard as it is now."""

    standard: StandardTerms
    scores: dict[str, Score]
    gates: dict[str, bool]


class ApproveApplication(Command):
    pass


class OverrideGates(Command):
    """Approves in spite of failed gates, once two persons have said so for the same reason. `by` is everybody who
    stands behind this one."""

    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]


class DeclineApplication(Command):
    reason: Reason


class WithdrawApplication(Command):
    reason: Reason | None = None


class HoldAsPossibleDuplicate(Command):
    looks_like: UUID
    looks_like_name: str


class DecideDuplicate(Command):
    """`distinct`: the applicant is not the partner whose name looks the same, and is registered; if not, declined."""

    distinct: bool
    reason: Reason


ApplicationCommand = (
    Apply
    | ScoreApplication
    | ApproveApplication
    | OverrideGates
    | DeclineApplication
    | WithdrawApplication
    | HoldAsPossibleDuplicate
    | DecideDuplicate
)


# -- state


class Status(StrEnum):
    APPLIED = "applied"
    SCORED = "scored"
    APPROVED = "approved"
    HELD = "held"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


OPEN = (Status.APPLIED, Status.SCORED)


@dataclass(frozen=True)
class Duplicate:
    """The partner it looks like, and what was decided about that; None: nothing yet."""

    looks_like: UUID
    distinct: bool | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Application:
    """`registration` is None until somebody applies; `override` waits for a second person; `closed_because` is the
    reason of a decline or withdrawal."""

    registration: Registration | None = None
    status: Status = Status.APPLIED
    measured: Measured | None = None
    override: Proposal | None = None
    duplicate: Duplicate | None = None
    closed_because: str | None = None


# -- decide


def apply(application: Application, command: Apply) -> list[ApplicationEvent]:
    refs = tuple(ExternalRef(system=ref.system, key=ref.key) for ref in command.external_refs)
    registration = Registration(
        application_id=command.application_id,
        partner_id=partner_id(command.application_id),
        legal_name=command.legal_name,
        kind=command.kind,
        area=command.area,
        outlet_name=command.outlet_name,
        external_refs=refs,
        sole_trader=command.sole_trader,
        name_key=command.name_key,
    )
    if application.registration == registration:
        return []
    if application.registration is not None:
        raise Rejected("partner.already_applied", application_id=command.application_id)
    return [
        PartnerApplied(
            application_id=command.application_id,
            legal_name=command.legal_name,
            kind=command.kind,
            area=command.area,
            outlet_name=command.outlet_name,
            external_refs=refs,
            sole_trader=command.sole_trader,
            name_key=command.name_key,
        )
    ]


def score(application: Application, who: Registration, command: ScoreApplication) -> list[ApplicationEvent]:
    measured = measure(command.standard, command.scores, command.gates)
    if application.measured == measured:
        return []
    if application.status not in OPEN:
        raise Rejected("partner.application_closed", status=application.status.value)
    return [ApplicationScored(application_id=who.application_id, **vars(measured))]


def approve(application: Application, who: Registration, override: Proposal | None) -> list[ApplicationEvent]:
    match application.status:
        case Status.APPROVED | Status.HELD:
            return []
        case Status.DECLINED | Status.WITHDRAWN:
            raise Rejected("partner.application_closed", status=application.status.value)
        case Status.APPLIED | Status.SCORED if application.measured is None:
            raise Rejected("partner.application_not_scored")
        case Status.APPLIED | Status.SCORED:
            failed = list(application.measured.failed_gates)
        case _:
            assert_never(application.status)
    if failed and override is None:
        raise Rejected("partner.gates_failed", gates=failed)
    if override is not None and not failed:
        raise Rejected("partner.no_gate_to_override")
    if override is not None and not seconds(override, application.override, "partner.second_person_needed"):
        return [GateOverrideProposed(application_id=who.application_id, reason=override.reason, by=override.by)]
    reason = None if override is None else override.reason
    return [
        ApplicationApproved(application_id=who.application_id, partner_id=who.partner_id, override_reason=reason),
        RegistrationRequested(registration=who),
    ]


def decline(application: Application, who: Registration, reason: str) -> list[ApplicationEvent]:
    if application.status is Status.DECLINED and application.closed_because == reason:
        return []
    if application.status is Status.HELD:
        raise Rejected("partner.duplicate_decision_needed", looks_like=_looks_like(application))
    if application.status not in OPEN:
        raise Rejected("partner.application_closed", status=application.status.value)
    return [ApplicationDeclined(application_id=who.application_id, reason=reason)]


def withdraw(application: Application, who: Registration, reason: str | None) -> list[ApplicationEvent]:
    """Also while it is held as a possible duplicate: nobody is registered then."""
    if application.status is Status.WITHDRAWN and application.closed_because == reason:
        return []
    if application.status not in (*OPEN, Status.HELD):
        raise Rejected("partner.application_closed", status=application.status.value)
    return [ApplicationWithdrawn(application_id=who.application_id, reason=reason)]


def hold(application: Application, who: Registration, command: HoldAsPossibleDuplicate) -> list[ApplicationEvent]:
    if application.duplicate is not None and application.duplicate.looks_like == command.looks_like:
        return []
    if application.status is not Status.APPROVED or application.duplicate is not None:
        raise Rejected("partner.not_to_be_held", status=application.status.value)
    return [
        PossibleDuplicateHeld(
            application_id=who.application_id,
            looks_like=command.looks_like,
            looks_like_name=command.looks_like_name,
        )
    ]


def decide_duplicate(application: Application, who: Registration, command: DecideDuplicate) -> list[ApplicationEvent]:
    duplicate = application.duplicate
    if duplicate is None:
        raise Rejected("partner.no_possible_duplicate", status=application.status.value)
    if (duplicate.distinct, duplicate.reason) == (command.distinct, command.reason):
        return []
    if duplicate.distinct is not None:
        raise Rejected("partner.duplicate_already_decided", distinct=duplicate.distinct, reason=duplicate.reason)
    if application.status is not Status.HELD:
        raise Rejected("partner.application_closed", status=application.status.value)
    decided = DuplicateDecided(
        registration=who,
        looks_like=duplicate.looks_like,
        distinct=command.distinct,
        reason=command.reason,
    )
    if command.distinct:
        return [decided]
    return [decided, ApplicationDeclined(application_id=who.application_id, reason=command.reason)]


def _looks_like(application: Application) -> UUID | None:
    return None if application.duplicate is None else application.duplicate.looks_like


def decide(command: ApplicationCommand, application: Application, now: datetime) -> list[ApplicationEvent]:
    if isinstance(command, Apply):
        return apply(application, command)
    who = application.registration
    if who is None:
        raise Unknown("partner.application_unknown")
    match command:
        case ScoreApplication():
            return score(application, who, command)
        case ApproveApplication():
            return approve(application, who, None)
        case OverrideGates(reason=reason, by=by):
            return approve(application, who, Proposal(reason, by))
        case DeclineApplication(reason=reason):
            return decline(application, who, reason)
        case WithdrawApplication(reason=why):
            return withdraw(application, who, why)
        case HoldAsPossibleDuplicate():
            return hold(application, who, command)
        case DecideDuplicate():
            return decide_duplicate(application, who, command)
        case _:
            assert_never(command)


# -- evolve


def evolve(application: Application, event: ApplicationEvent) -> Application:
    match event:
        case PartnerApplied(application_id=id):
            details = event.model_dump(include={"legal_name", "kind", "area", "outlet_name", "sole_trader", "name_key"})
            return Application(Registration(id, partner_id(id), external_refs=event.external_refs, **details))
        case ApplicationScored():
            measured = Measured(event.standard, event.standard_version, event.total, event.failed_gates, event.scores)
            return replace(application, status=Status.SCORED, measured=measured, override=None)
        case GateOverrideProposed(reason=reason, by=by):
            return replace(application, override=Proposal(reason, by))
        case ApplicationApproved():
            return replace(application, status=Status.APPROVED)
        case RegistrationRequested():
            return application
        case PossibleDuplicateHeld(looks_like=id):
            return replace(application, status=Status.HELD, duplicate=Duplicate(id))
        case DuplicateDecided(looks_like=id, distinct=distinct, reason=reason):
            return replace(application, status=Status.APPROVED, duplicate=Duplicate(id, distinct, reason))
        case ApplicationDeclined(reason=reason):
            return replace(application, status=Status.DECLINED, closed_because=reason)
        case ApplicationWithdrawn(reason=why):
            return replace(application, status=Status.WITHDRAWN, closed_because=why)
        case _:
            assert_never(event)


applications = Decider("application", decide, evolve, initial=Application, events=ApplicationEvent)
