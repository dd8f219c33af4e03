"""Routes: the standards that applications are measured by."""

from __future__ import annotations

from fastapi import APIRouter
from service import At, Collection, HandlePut, Read, Receipt, history_of, list_of, scope

from partner import shown
from partner.domain.standard import PublishStandard, StandardContent, standard_id, standards
from partner.domain.words import Code
from partner.shown import StandardView
from partner.views import standards_view

READ, DECIDE = scope("partner:read"), scope("partner:decide")

router = APIRouter(prefix="/standards", tags=["standards"])


STANDARDS = Collection(standards, standards_view, StandardView, key="code", sorts=("title",), shown=shown.standard)


@router.put("/{code}", dependencies=[DECIDE])
async def publish_standard(code: Code, content: StandardContent, handle: HandlePut) -> Receipt:
    """A new version of the standard, for applications scored from now on; the same content again changes nothing."""
    return await handle(standards, standard_id(code), PublishStandard(code=code, **content.model_dump()))


router.add_api_route("", list_of(STANDARDS), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_standard(code: Code, db: Read, at: At) -> StandardView:
    """The standard in its newest version."""
    return await db.one(STANDARDS, at, of=standard_id(code), code=code)


router.add_api_route(
    "/{code}/history", history_of(standards, "code", standard_id), methods=["GET"], dependencies=[READ]
)
