"""Routes: applications, from the first word to the decision, and possible duplicates."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from engine import Command, Unknown
from fastapi import APIRouter
from pydantic import Field
from service import At, By, Collection, Handle, HandleSeen, NewId, Read, Receipt, Seal, history_of, list_of, scope
from service.sealing import Sealing

from partner import shown
from partner.domain.application import (
    ApplicationContent,
    Apply,
    ApproveApplication,
    DecideDuplicate,
    DeclineApplication,
    OverrideGates,
    ScoreApplication,
    WithdrawApplication,
    applications,
)
from partner.domain.registration import partner_id
from partner.domain.standard import standard_id, standards
from partner.domain.words import Code, Reason, Score, normalised
from partner.shown import ApplicationDetail, ApplicationView, PossibleDuplicate
from partner.views import applications_view

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/applications", tags=["applications"])
duplicate_routes = APIRouter(prefix="/possible-duplicates", tags=["possible duplicates"])


class Approval(Command):
    """In spite of failed gates if `override_reason` says why."""

    override_reason: Reason | None = None


class Scoring(Command):
    """Scores from 0 to 100 for each dimension of the standard, and of each of its gates whether it is passed."""

    standard: Code
    scores: Annotated[dict[Code, Score], Field(max_length=50)]
    gates: Annotated[dict[Code, bool], Field(default_factory=dict, max_length=50)]


APPLICATIONS = Collection(
    applications,
    applications_view,
    ApplicationView,
    key="application_id",
    filters=("status", "area", "kind", "partner_id"),
    sorts=("applied_at", "total", "legal_name"),
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


@router.post("/{application_id}/scores", status_code=201, dependencies=[WRITE])
async def score_application(application_id: UUID, body: Scoring, db: Read, handle: Handle) -> Receipt:
    """Measured by the standard's newest version, which the application keeps."""
    standard = await db.load(standards, standard_id(body.standard))
    if standard.state.terms is None:
        raise Unknown("partner.standard_unknown", standard=body.standard)
    command = ScoreApplication(
        occurred_at=body.occurred_at, standard=standard.state.terms, scores=body.scores, gates=body.gates
    )
    return await handle(applications, application_id, command)


@router.post("/{application_id}/approval", status_code=201, dependencies=[DECIDE])
async def approve_application(application_id: UUID, body: Approval, by: By, handle: HandleSeen) -> Receipt:
    """The applicant is registered by itself, unless its name looks like a partner's: then it is held. To override a
    failed gate takes two persons who say so for the same reason; the first only proposes it. If-Match names the version
    that was looked at: other scores may have come since."""
    if body.override_reason is None:
        return await handle(applications, application_id, ApproveApplication(occurred_at=body.occurred_at))
    command = OverrideGates(reason=body.override_reason, by=by, occurred_at=body.occurred_at)
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
    return shown.application_detail(dict(row), loaded.state)


router.add_api_route("/{id}/history", history_of(applications), methods=["GET"], dependencies=[READ])


duplicate_routes.add_api_route(
    "",
    list_of(POSSIBLE_DUPLICATES, "Those that somebody has to decide on: POST /applications/{id}/duplicate-decision."),
    methods=["GET"],
    dependencies=[READ],
)
