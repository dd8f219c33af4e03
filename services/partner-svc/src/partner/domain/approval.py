"""The decision about an application: approved, in spite of a failed gate by two persons; declined; or withdrawn."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from engine import Command, Rejected, seconds
from events import Event
from events.partner import ApplicationApproved, ApplicationDeclined
from pydantic import Field

from partner.domain.candidate import OPEN, Application, Override, Status, refuse_closed
from partner.domain.registration import Registration
from partner.domain.scoring import Measured
from partner.domain.words import Reason

# -- events that stay in the house


class RegistrationRequested(Event, type="cauce.partner.RegistrationRequested.v1"):
    """The approved applicant is to come into the registry, if its name is free."""

    registration: Registration


class GateOverrideProposed(Event, type="cauce.partner.GateOverrideProposed.v1"):
    """Somebody wants it approved in spite of failed gates. It is when another person wants the same."""

    application_id: UUID
    reason: str
    by: tuple[str, ...]
    roles: tuple[str, ...] = ()


class ApplicationWithdrawn(Event, type="cauce.partner.ApplicationWithdrawn.v1"):
    """The applicant does not want to become a partner any more."""

    application_id: UUID
    reason: str | None


ApprovalEvent: TypeAlias = (
    GateOverrideProposed | ApplicationApproved | RegistrationRequested | ApplicationDeclined | ApplicationWithdrawn
)


# -- commands


class ApproveApplication(Command):
    pass


class OverrideGates(Command):
    """Approves in spite of failed gates, once two persons have said so for the same reason. `by` is everybody who
    stands behind this one, `roles` are those that their token names."""

    reason: Reason
    by: Annotated[tuple[str, ...], Field(min_length=1)]
    roles: tuple[str, ...] = ()


class DeclineApplication(Command):
    reason: Reason


class WithdrawApplication(Command):
    reason: Reason | None = None


ApprovalCommand: TypeAlias = ApproveApplication | OverrideGates | DeclineApplication | WithdrawApplication


# -- decide


def approve(application: Application, who: Registration, override: Override | None) -> list[ApprovalEvent]:
    if application.status in (Status.APPROVED, Status.HELD):
        return []
    refuse_closed(application)
    measured = application.measured
    if measured is None:
        raise Rejected("partner.application_not_scored")
    if measured.interview_required and not application.interviews:
        version = measured.standard_version
        raise Rejected("partner.interview_needed", standard=measured.standard, standard_version=version)
    failed = failures(application, measured)
    if failed and override is None:
        raise Rejected("partner.gates_failed", gates=failed)
    if override is not None and not failed:
        raise Rejected("partner.no_gate_to_override")
    if override is not None and measured.override_roles and not {*override.roles} & {*measured.override_roles}:
        raise Rejected("partner.override_needs_role", roles=list(measured.override_roles))
    if override is not None and not seconds(override.proposal, application.override, "partner.second_person_needed"):
        wanted = override.proposal
        return [
            GateOverrideProposed(
                application_id=who.application_id, reason=wanted.reason, by=wanted.by, roles=override.roles
            )
        ]
    reason = None if override is None else override.proposal.reason
    return [
        ApplicationApproved(application_id=who.application_id, partner_id=who.partner_id, override_reason=reason),
        RegistrationRequested(registration=who),
    ]


def failures(application: Application, measured: Measured) -> list[str]:
    """Gates that are not passed, and where the business plan does not meet the investment standard."""
    shortfalls = () if application.plan is None else application.plan.projection.shortfalls
    return [*measured.failed_gates, *shortfalls]


def decline(application: Application, who: Registration, reason: str) -> list[ApprovalEvent]:
    if application.status is Status.DECLINED and application.closed_because == reason:
        return []
    if application.status is Status.HELD and application.duplicate is not None:
        raise Rejected("partner.duplicate_decision_needed", looks_like=application.duplicate.looks_like)
    refuse_closed(application)
    return [ApplicationDeclined(application_id=who.application_id, reason=reason)]


def withdraw(application: Application, who: Registration, reason: str | None) -> list[ApprovalEvent]:
    """Also while it is held as a possible duplicate: nobody is registered then."""
    if application.status is Status.WITHDRAWN and application.closed_because == reason:
        return []
    if application.status not in (*OPEN, Status.HELD):
        raise Rejected("partner.application_closed", standing=application.status.value)
    return [ApplicationWithdrawn(application_id=who.application_id, reason=reason)]
