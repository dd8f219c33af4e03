"""Routes: the standards that applications are measured by."""

from __future__ import annotations

from engine import Unknown
from fastapi import APIRouter
from service import Handle, Listing, Page, Read, Receipt, listing, scope

from partner import shown
from partner.domain.standard import PublishStandard, StandardContent, standard_id, standards
from partner.domain.words import Code
from partner.shown import StandardView

READ, DECIDE = scope("partner:read"), scope("partner:decide")

router = APIRouter(prefix="/standards", tags=["standards"])


@router.put("/{code}", dependencies=[DECIDE])
async def publish_standard(code: Code, content: StandardContent, handle: Handle) -> Receipt:
    """A new version of the standard, for applications scored from now on; the same content again changes nothing."""
    return await handle(standards, standard_id(code), PublishStandard(code=code, **content.model_dump()))


@router.get("", dependencies=[READ])
async def list_standards(db: Read, page: Page) -> Listing[StandardView]:
    rows = await db.fetch(
        "select * from standards where ($1::text is null or code > $1) order by code limit $2",
        page.after,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: row["code"], item=shown.standard)


@router.get("/{code}", dependencies=[READ])
async def read_standard(code: Code, db: Read) -> StandardView:
    row = await db.fetchrow("select * from standards where code = $1", code)
    if row is None:
        raise Unknown("partner.standard_unknown", standard=code)
    return shown.standard(**row)
