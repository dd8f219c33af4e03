"""Routes: manuals, and partners' acknowledgements of them."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import (
    At,
    Collection,
    Drafts,
    Filter,
    Handle,
    HandlePut,
    Read,
    Receipt,
    Theirs,
    history_of,
    list_of,
    own,
)

from training.api.shown import DECIDE, READ, WRITE, DifferenceView, Publication, shown_differences
from training.domain.acknowledgement import AcknowledgeManual, Acknowledgement, acknowledgements
from training.domain.manual import DraftManual, ManualContent, manual_id, manuals
from training.domain.words import Code
from training.support_views import MANUAL, acknowledgements_view, manuals_view

router = APIRouter(prefix="/manuals", tags=["manuals"])
acknowledgement_router = APIRouter(prefix="/manual-acknowledgements", tags=["manuals"])


class ManualView(BaseModel):
    """`content` is that of the `version` that holds; null before the first. `draft` is what the next is to be."""

    code: str
    title: str
    version: int | None
    retired: bool
    content: ManualContent | None
    draft: ManualContent | None
    published_on: date | None


class ManualPreview(BaseModel):
    """What publishing the draft would change, and how many partners would be asked to acknowledge it."""

    code: str
    version: int
    differences: list[DifferenceView]
    partners: int
    waiting: int = Field(
        description="Who has not acknowledged the version that holds, and would be asked for this one."
    )


class AcknowledgementView(BaseModel):
    """Of the newest version that the partner was asked for; `acknowledged_version` is the last that it gave. A request
    is withdrawn when its manual is retired."""

    acknowledgement_id: UUID
    partner_id: UUID
    manual: str
    version: int
    title: str
    document: str
    status: Literal["asked", "acknowledged", "withdrawn"]
    overdue: bool
    asked_on: date
    due_on: date
    acknowledged_on: date | None
    acknowledged_version: int | None


class DraftedManual(Command):
    manual: ManualContent


def shown(**row: Any) -> ManualView:
    content, draft = (row.pop(name) for name in ("content", "draft"))
    return ManualView(
        content=content and MANUAL.validate_json(content), draft=draft and MANUAL.validate_json(draft), **row
    )


MANUALS = Collection(manuals, manuals_view, ManualView, key="code", filters=("retired",), sorts=("title",), shown=shown)
ACKNOWLEDGEMENTS = Collection(
    acknowledgements,
    acknowledgements_view,
    AcknowledgementView,
    key="acknowledgement_id",
    filters=(
        "status",
        "overdue",
        "partner_id",
        Filter("manual", Code, "manual = {}", description="Only of this manual."),
    ),
    sorts=("due_on", "acknowledged_on"),
)

READERS = "select count(*) from known_partners where not ended and ($1::text[] = '{}' or kind = any ($1))"
WAITING = "select count(*) from manual_acknowledgements where manual = $1 and status = 'asked'"


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_manual(code: Code, body: DraftedManual, handle: HandlePut) -> Receipt:
    """What the next version is to be; nobody is asked to acknowledge it yet."""
    return await handle(
        manuals, manual_id(code), DraftManual(code=code, content=body.manual, occurred_at=body.occurred_at)
    )


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_manual(code: Code, db: Read) -> ManualPreview:
    """What publishing would change, and whom it would reach."""
    versions = (await db.state(manuals, manual_id(code), manual=code)).state.versions
    draft = versions.to_look_at()
    return ManualPreview(
        code=code,
        version=versions.version + 1,
        differences=shown_differences(versions.content, draft),
        partners=await db.fetchval(READERS, list(draft.kinds)),
        waiting=await db.fetchval(WAITING, code),
    )


drafts = Drafts(router, manuals, manual_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_manual",
    "The draft is what partners of its kinds work by, and have to acknowledge. If-Match names the version of it that"
    " was looked at.",
    Publication,
)
drafts.discarding("discard_manual", Publication)
drafts.retirement(
    "retire_manual",
    "Nobody works by it any more: no partner is asked for it from now on, and what is asked for is withdrawn.",
    Publication,
)

router.add_api_route("", list_of(MANUALS), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_manual(code: Code, db: Read, at: At) -> ManualView:
    """The manual in the version that holds, and its draft."""
    return await db.one(MANUALS, at, of=manual_id(code), code=code)


router.add_api_route("/{code}/history", history_of(manuals, "code", manual_id), methods=["GET"], dependencies=[READ])


# -- acknowledgements


@acknowledgement_router.post(
    "/{acknowledgement_id}/acknowledgement",
    status_code=201,
    dependencies=[WRITE, own("acknowledgement_id", acknowledgements)],
)
async def acknowledge_manual(
    acknowledgement_id: UUID, body: Acknowledgement, theirs: Theirs, handle: Handle
) -> Receipt:
    """One of the partner's own people has read that version. It is theirs to say, and nobody's of ours."""
    return await handle(acknowledgements, acknowledgement_id, AcknowledgeManual(theirs=theirs, **body.model_dump()))


acknowledgement_router.add_api_route(
    "", list_of(ACKNOWLEDGEMENTS), methods=["GET"], dependencies=[READ, own(query="partner_id")]
)


@acknowledgement_router.get("/{acknowledgement_id}", dependencies=[READ, own("acknowledgement_id", acknowledgements)])
async def read_acknowledgement(acknowledgement_id: UUID, db: Read, at: At) -> AcknowledgementView:
    """What the partner is asked to read and by when, or when it was acknowledged."""
    return await db.one(ACKNOWLEDGEMENTS, at, acknowledgement_id=acknowledgement_id)


acknowledgement_router.add_api_route(
    "/{id}/history", history_of(acknowledgements), methods=["GET"], dependencies=[READ]
)
