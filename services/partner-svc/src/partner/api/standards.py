"""Routes: the standards that applications are measured by, drafted, previewed and published by version."""

from __future__ import annotations

from typing import Any

from engine import Command, Unknown
from fastapi import APIRouter
from service import At, Collection, Drafts, HandlePut, Read, Receipt, history_of, list_of, scope

from partner.api.shown import RecommendedOtherwise, StandardPreview, StandardView, standard_view
from partner.api.versioned import MOST_SHOWN, shown_differences
from partner.domain.scoring import measured_by
from partner.domain.standard import DraftStandard, StandardContent, standard_id, standards
from partner.domain.words import Code
from partner.standard_views import standards_view
from partner.views import LINES, RESULTS

READ, DECIDE = scope("partner:read"), scope("partner:decide")

router = APIRouter(prefix="/standards", tags=["standards"])

STANDARDS = Collection(
    standards, standards_view, StandardView, key="code", sorts=("title", "published_at"), shown=standard_view
)
OPEN_BY = """
select application_id, status, total, recommendation, scores, gates from applications
where standard = $1 and status in ('scored', 'interviewed') order by application_id
"""


class DraftedStandard(Command):
    content: StandardContent


@router.put("/{code}/draft", dependencies=[DECIDE])
async def draft_standard(code: Code, body: DraftedStandard, handle: HandlePut) -> Receipt:
    """What the next version is to be; nothing is measured by it yet."""
    command = DraftStandard(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(standards, standard_id(code), command)


@router.get("/{code}/draft/preview", dependencies=[READ])
async def preview_standard(code: Code, db: Read) -> StandardPreview:
    """Which open applications the draft would recommend otherwise than they are, if they were scored by it. They keep
    the version that they were scored by until somebody scores them anew."""
    state = (await db.state(standards, standard_id(code), standard=code)).state
    if state.code is None:
        raise Unknown("partner.standard_unknown", standard=code)
    drafted, rows = state.drafted(), await db.fetch(OPEN_BY, code)
    otherwise = [each for row in rows if (each := recommended_otherwise(drafted, dict(row))) is not None]
    return StandardPreview(
        code=code,
        version=drafted.version,
        differences=shown_differences(state.terms, state.draft or drafted),
        open_applications=len(rows),
        recommended_otherwise=len(otherwise),
        applications=otherwise[:MOST_SHOWN],
    )


def recommended_otherwise(terms: Any, row: dict[str, Any]) -> RecommendedOtherwise | None:
    then = measured_by(terms, LINES.validate_json(row["scores"]), RESULTS.validate_json(row["gates"]))
    if then.recommendation == row["recommendation"] and not then.missing:
        return None
    return RecommendedOtherwise(
        application_id=row["application_id"],
        status=row["status"],
        total=row["total"],
        recommendation=row["recommendation"],
        total_then=then.total,
        recommendation_then=then.recommendation,
        to_be_looked_at=list(then.missing),
    )


drafts = Drafts(router, standards, standard_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_standard",
    "The draft is the version by which applications are scored from now on. If-Match names the version that was looked"
    " at.",
)
drafts.discarding("discard_standard")

router.add_api_route("", list_of(STANDARDS), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_standard(code: Code, db: Read, at: At) -> StandardView:
    """The standard in its newest version, and the draft of the next if there is one."""
    return await db.one(STANDARDS, at, of=standard_id(code), code=code)


router.add_api_route(
    "/{code}/history", history_of(standards, "code", standard_id), methods=["GET"], dependencies=[READ]
)
