"""Routes: applications, from the first word to the decision, and possible duplicates."""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated
from uuid import UUID

from engine import Command, Unknown
from fastapi import APIRouter, Query
from pydantic import Field
from service import (
    At,
    By,
    Clock,
    Collection,
    Handle,
    HandleSeen,
    InRoles,
    NewId,
    Read,
    Receipt,
    Seal,
    history_of,
    list_of,
    scope,
)
from service.sealing import Sealing

from partner.api import shown
from partner.api.investment import terms_for
from partner.api.shown import ApplicationDetail, ApplicationView, BusinessPlanView, PossibleDuplicate
from partner.domain.application import ApplicationContent, Apply, applications
from partner.domain.approval import ApproveApplication, DeclineApplication, OverrideGates, WithdrawApplication
from partner.domain.assessment import (
    Figure,
    ProjectBusinessPlan,
    RecordInterview,
    ScoreApplication,
    ScreenApplication,
)
from partner.domain.duplicate import DecideDuplicate
from partner.domain.economics import BusinessCase, YearCompared, compare
from partner.domain.registration import partner_id
from partner.domain.standard import Confidence, StandardTerms, standard_id, standards
from partner.domain.words import Code, Reason, Score, Text, normalised
from partner.reported import left_out, reported_of
from partner.views import applications_view

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/applications", tags=["applications"])
duplicate_routes = APIRouter(prefix="/possible-duplicates", tags=["possible duplicates"])


On = Annotated[date | None, Query(description="What was reported up to this day; today if absent.")]


class Approval(Command):
    """In spite of failed gates if `override_reason` says why."""

    override_reason: Reason | None = None


Gates = Annotated[dict[Code, bool], Field(default_factory=dict, max_length=50)]
Figures = Annotated[dict[Code, Figure], Field(default_factory=dict, max_length=50)]
Evidence = Annotated[tuple[Text, ...], Field(max_length=20)]


class Screening(Command):
    """Of each gate of the standard whether it is passed, or, where it asks for a minimum, the figure."""

    standard: Code
    gates: Gates
    figures: Figures


class Scoring(Command):
    """Scores from 0 to 100 for each dimension of the standard; by dimension how sure one is, from 0 to 1, and the
    documents that the score rests on. Gates as in a screening; those that were screened may be left out."""

    standard: Code
    scores: Annotated[dict[Code, Score], Field(max_length=50)]
    gates: Gates
    figures: Figures
    confidence: Annotated[dict[Code, Confidence], Field(default_factory=dict, max_length=50)]
    evidence: Annotated[dict[Code, Evidence], Field(default_factory=dict, max_length=50)]


class BusinessPlan(Command):
    """What the applicant plans, whole."""

    case: BusinessCase


APPLICATIONS = Collection(
    applications,
    applications_view,
    ApplicationView,
    key="application_id",
    filters=("status", "area", "kind", "partner_id", "standard", "recommendation", "format"),
    sorts=("applied_at", "total", "legal_name", "payback_years"),
)
POSSIBLE_DUPLICATES = Collection(
    applications,
    applications_view,
    PossibleDuplicate,
    key="application_id",
    filters=("area", "looks_like"),
    sorts=("held_at",),
    source="""
    select application_id, partner_id, legal_name, area, looks_like, looks_like_name, held_at from {applications}
    where status = 'held'
    """,
    name="possible_duplicates",
)


@router.post("", status_code=201, dependencies=[WRITE])
async def apply(content: ApplicationContent, id: NewId, seal: Seal, handle: Handle) -> Receipt:
    """Somebody wants to become a partner. With an Idempotency-Key the id follows from the key."""
    return await handle(applications, id, await applying(id, content, seal))


async def applying(id: UUID, content: ApplicationContent, seal: Sealing) -> Apply:
    given = content.model_dump()
    if content.sole_trader:
        person = partner_id(id)
        sealed = await seal.seal(person, {"legal_name": content.legal_name})
        given |= {**sealed, "name_key": await seal.blind(normalised(content.legal_name))}
    return Apply(application_id=id, **given)


async def terms_of(db: Read, code: Code) -> StandardTerms:
    """The standard's newest version. Raises Unknown."""
    standard = await db.load(standards, standard_id(code))
    if standard.state.terms is None:
        raise Unknown("partner.standard_unknown", standard=code)
    return standard.state.terms


@router.post("/{application_id}/screening", status_code=201, dependencies=[WRITE])
async def screen_application(application_id: UUID, body: Screening, db: Read, handle: Handle) -> Receipt:
    """Whether the applicant comes through the gates of the standard's newest version, before anything is scored."""
    terms = await terms_of(db, body.standard)
    command = ScreenApplication(occurred_at=body.occurred_at, standard=terms, gates=body.gates, figures=body.figures)
    return await handle(applications, application_id, command)


@router.post("/{application_id}/scores", status_code=201, dependencies=[WRITE])
async def score_application(application_id: UUID, body: Scoring, db: Read, handle: Handle) -> Receipt:
    """Measured by the standard's newest version, which the application keeps."""
    terms = await terms_of(db, body.standard)
    command = ScoreApplication(**{**dict(body), "standard": terms})
    return await handle(applications, application_id, command)


@router.post("/{application_id}/interviews", status_code=201, dependencies=[WRITE])
async def record_interview(application_id: UUID, command: RecordInterview, handle: Handle) -> Receipt:
    """The applicant was talked to. A standard may ask for it before an approval."""
    return await handle(applications, application_id, command)


@router.put("/{application_id}/business-plan", dependencies=[WRITE])
async def project_business_plan(application_id: UUID, body: BusinessPlan, db: Read, handle: Handle) -> Receipt:
    """What the applicant plans, judged by the investment standard of its format for the nearest area that the
    application's lies in; the application keeps that version."""
    applied = await db.one(APPLICATIONS, application_id=application_id)
    terms = await terms_for(db, body.case.format, applied.area)
    command = ProjectBusinessPlan(occurred_at=body.occurred_at, case=body.case, terms=terms)
    return await handle(applications, application_id, command)


@router.get("/{application_id}/business-plan", dependencies=[READ])
async def read_business_plan(application_id: UUID, db: Read, clock: Clock, on: On = None) -> BusinessPlanView:
    """The plan, what it comes to, and year by year what was reported since the outlet opened."""
    state = (await db.state(applications, application_id, application_id=application_id)).state
    plan, id = state.plan, partner_id(application_id)
    if plan is None:
        raise Unknown("partner.no_business_plan", application_id=application_id)
    day = on or clock.astimezone(UTC).date()
    opened_on: date | None = await db.fetchval("select opened_on from partners where partner_id = $1", id)
    compared: tuple[YearCompared, ...] = ()
    others: list[str] = []
    if opened_on is not None and opened_on <= day:
        reported = await reported_of(db, id, plan.case.currency, opened_on, day)
        compared = compare(plan.projection, plan.terms, opened_on, day, reported)
        others = await left_out(db, id, plan.case.currency, opened_on, day)
    return BusinessPlanView(
        application_id=application_id,
        partner_id=id,
        **vars(plan),
        opened_on=opened_on,
        compared=list(compared),
        other_currencies=others,
    )


@router.post("/{application_id}/approval", status_code=201, dependencies=[DECIDE])
async def approve_application(
    application_id: UUID, body: Approval, by: By, roles: InRoles, handle: HandleSeen
) -> Receipt:
    """The applicant is registered by itself, unless its name looks like a partner's: then it is held. To override a
    failed gate takes two persons who say so for the same reason, in a role that the standard allows it; the first only
    proposes it. If-Match names the version that was looked at: other scores may have come since."""
    if body.override_reason is None:
        return await handle(applications, application_id, ApproveApplication(occurred_at=body.occurred_at))
    command = OverrideGates(reason=body.override_reason, by=by, roles=roles, occurred_at=body.occurred_at)
    return await handle(applications, application_id, command)


@router.post("/{application_id}/decline", status_code=201, dependencies=[DECIDE])
async def decline_application(application_id: UUID, command: DeclineApplication, handle: HandleSeen) -> Receipt:
    """The applicant is turned down, for a reason. If-Match names the version that was looked at."""
    return await handle(applications, application_id, command)


@router.post("/{application_id}/withdrawal", status_code=201, dependencies=[WRITE])
async def withdraw_application(application_id: UUID, command: WithdrawApplication, handle: Handle) -> Receipt:
    """The applicant does not want to any more."""
    return await handle(applications, application_id, command)


@router.post("/{application_id}/duplicate-decision", status_code=201, dependencies=[DECIDE])
async def decide_duplicate(application_id: UUID, command: DecideDuplicate, handle: HandleSeen) -> Receipt:
    """A person says whether the applicant and the partner it looks like are two. If-Match names the version seen."""
    return await handle(applications, application_id, command)


router.add_api_route("", list_of(APPLICATIONS), methods=["GET"], dependencies=[READ])


@router.get("/{application_id}", dependencies=[READ])
async def read_application(application_id: UUID, db: Read, at: At) -> ApplicationDetail:
    """The application, the scores behind its total, and what was decided about a possible duplicate."""
    row = await db.one(APPLICATIONS, at, application_id=application_id)
    loaded = await db.load(applications, application_id, at=at)
    return shown.application_detail(row, loaded.state)


router.add_api_route("/{id}/history", history_of(applications), methods=["GET"], dependencies=[READ])


duplicate_routes.add_api_route(
    "",
    list_of(POSSIBLE_DUPLICATES, "Those that somebody has to decide on: POST /applications/{id}/duplicate-decision."),
    methods=["GET"],
    dependencies=[READ],
)
