"""An application to become a partner: made, screened, scored, talked about, and approved, declined or withdrawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, TypeAlias, assert_never
from uuid import UUID

from engine import Command, Decider, Proposal, Rejected, Unknown
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

from partner.domain import assessment
from partner.domain.approval import (
    ApplicationWithdrawn,
    ApprovalEvent,
    ApproveApplication,
    DeclineApplication,
    GateOverrideProposed,
    OverrideGates,
    RegistrationRequested,
    WithdrawApplication,
    approve,
    decline,
    withdraw,
)
from partner.domain.assessment import (
    ApplicationScreened,
    AssessmentEvent,
    BusinessPlanProjected,
    InterviewHeld,
    ProjectBusinessPlan,
    RecordInterview,
    ScoreApplication,
    ScreenApplication,
    interview,
    project_plan,
    score,
    screen,
)
from partner.domain.candidate import Application, Duplicate, Override, Status
from partner.domain.duplicate import (
    DecideDuplicate,
    DuplicateDecided,
    DuplicateEvent,
    HoldAsPossibleDuplicate,
    PossibleDuplicateHeld,
    decide_duplicate,
    hold,
)
from partner.domain.registration import Registration, partner_id
from partner.domain.words import Area, Code, LegalName, Text

ApplicationEvent: TypeAlias = PartnerApplied | AssessmentEvent | ApprovalEvent | DuplicateEvent


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


OfApplied: TypeAlias = (
    ScreenApplication
    | ScoreApplication
    | RecordInterview
    | ProjectBusinessPlan
    | ApproveApplication
    | OverrideGates
    | DeclineApplication
    | WithdrawApplication
    | HoldAsPossibleDuplicate
    | DecideDuplicate
)
ApplicationCommand: TypeAlias = Apply | OfApplied


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


def decide(command: ApplicationCommand, application: Application, now: datetime) -> list[ApplicationEvent]:
    if isinstance(command, Apply):
        return apply(application, command)
    who = application.registration
    if who is None:
        raise Unknown("partner.application_unknown")
    match command:
        case ScreenApplication():
            return [*screen(application, who, command)]
        case ScoreApplication():
            return [*score(application, who, command)]
        case RecordInterview():
            return [*interview(application, who, command, now.astimezone(UTC).date())]
        case ProjectBusinessPlan():
            return [*project_plan(application, who, command)]
        case ApproveApplication():
            return [*approve(application, who, None)]
        case OverrideGates(reason=reason, by=by, roles=roles):
            return [*approve(application, who, Override(Proposal(reason, by), roles))]
        case DeclineApplication(reason=reason):
            return [*decline(application, who, reason)]
        case WithdrawApplication(reason=why):
            return [*withdraw(application, who, why)]
        case HoldAsPossibleDuplicate():
            return [*hold(application, who, command)]
        case DecideDuplicate():
            return [*decide_duplicate(application, who, command)]
        case _:
            assert_never(command)


# -- evolve


def evolve(application: Application, event: ApplicationEvent) -> Application:
    match event:
        case PartnerApplied(application_id=id):
            details = event.model_dump(include={"legal_name", "kind", "area", "outlet_name", "sole_trader", "name_key"})
            return Application(Registration(id, partner_id(id), external_refs=event.external_refs, **details))
        case ApplicationScreened() | ApplicationScored() | InterviewHeld() | BusinessPlanProjected():
            return assessment.evolve(application, event)
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
