"""Routes: applications, from the first word to the decision, and possible duplicates."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from engine import Command, Unknown
from fastapi import APIRouter
from pydantic import Field
from service import Handle, Listing, NewId, Page, Read, Receipt, history_of, listing, scope

from partner import shown
from partner.domain.application import (
    ApplicationContent,
    Apply,
    ApproveApplication,
    DecideDuplicate,
    DeclineApplication,
    ScoreApplication,
    Status,
    WithdrawApplication,
    applications,
)
from partner.domain.standard import standard_id, standards
from partner.domain.words import Code, Score
from partner.shown import ApplicationDetail, ApplicationView, PossibleDuplicate

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/applications", tags=["applications"])
duplicate_routes = APIRouter(prefix="/possible-duplicates", tags=["possible duplicates"])


class Scoring(Command):
    """Scores from 0 to 100 for each dimension of the standard, and of each of its gates whether it is passed."""

    standard: Code
    scores: Annotated[dict[Code, Score], Field(max_length=50)]
    gates: Annotated[dict[Code, bool], Field(default_factory=dict, max_length=50)]


@router.post("", status_code=201, dependencies=[WRITE])
async def apply(content: ApplicationContent, id: NewId, handle: Handle) -> Receipt:
    return await handle(applications, id, Apply(application_id=id, **content.model_dump()))


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
async def approve_application(application_id: UUID, command: ApproveApplication, handle: Handle) -> Receipt:
    """The applicant is registered by itself, unless its name looks like a partner's: then it is held."""
    return await handle(applications, application_id, command)


@router.post("/{application_id}/decline", status_code=201, dependencies=[DECIDE])
async def decline_application(application_id: UUID, command: DeclineApplication, handle: Handle) -> Receipt:
    return await handle(applications, application_id, command)


@router.post("/{application_id}/withdrawal", status_code=201, dependencies=[WRITE])
async def withdraw_application(application_id: UUID, command: WithdrawApplication, handle: Handle) -> Receipt:
    return await handle(applications, application_id, command)


@router.post("/{application_id}/duplicate-decision", status_code=201, dependencies=[DECIDE])
async def decide_duplicate(application_id: UUID, command: DecideDuplicate, handle: Handle) -> Receipt:
    return await handle(applications, application_id, command)


@router.get("", dependencies=[READ])
async def list_applications(
    db: Read, page: Page, status: Status | None = None, area: str | None = None
) -> Listing[ApplicationView]:
    rows = await db.fetch(
        "select * from applications where ($1::text is null or status = $1) and ($2::text is null or area = $2)"
        " and ($3::uuid is null or application_id > $3) order by application_id limit $4",
        status,
        area,
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["application_id"]), item=ApplicationView)


@router.get("/{application_id}", dependencies=[READ])
async def read_application(application_id: UUID, db: Read) -> ApplicationDetail:
    row = await db.fetchrow("select * from applications where application_id = $1", application_id)
    if row is None:
        raise Unknown("partner.application_unknown", application_id=application_id)
    loaded = await db.load(applications, application_id)
    return shown.application_detail(row, loaded.state)


router.add_api_route("/{id}/history", history_of(applications), methods=["GET"], dependencies=[READ])


@duplicate_routes.get("", dependencies=[READ])
async def list_possible_duplicates(db: Read, page: Page) -> Listing[PossibleDuplicate]:
    """Those that somebody has to decide on: POST /applications/{id}/duplicate-decision."""
    rows = await db.fetch(
        "select application_id, partner_id, legal_name, area, looks_like, looks_like_name, held_at from applications"
        " where status = 'held' and ($1::uuid is null or application_id > $1) order by application_id limit $2",
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["application_id"]), item=PossibleDuplicate)
