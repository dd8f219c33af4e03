"""Routes: the registry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from engine import Command, Unknown
from fastapi import APIRouter, Query
from service import Handle, Listing, Page, Read, Receipt, history_of, listing, own, scope

from partner import shown
from partner.domain.checklist import CompleteChecklistItem, OpenOutlet
from partner.domain.partner import Status, partners
from partner.domain.words import Code, normalised
from partner.shown import PartnerDetail, PartnerView

READ, WRITE = scope("partner:read"), scope("partner:write")

router = APIRouter(prefix="/partners", tags=["partners"])


class Completion(Command):
    """The item is in place."""


@router.post("/{partner_id}/checklist/{item}/completion", status_code=201, dependencies=[WRITE])
async def complete_checklist_item(partner_id: UUID, item: Code, body: Completion, handle: Handle) -> Receipt:
    return await handle(partners, partner_id, CompleteChecklistItem(item=item, **body.model_dump()))


@router.post("/{partner_id}/outlet-opening", status_code=201, dependencies=[WRITE])
async def open_outlet(partner_id: UUID, command: OpenOutlet, handle: Handle) -> Receipt:
    return await handle(partners, partner_id, command)


@router.get("", dependencies=[READ])
async def list_partners(
    db: Read,
    page: Page,
    status: Status | None = None,
    area: str | None = None,
    name: Annotated[
        str | None, Query(max_length=200, description="How the name begins, however it is written.")
    ] = None,
) -> Listing[PartnerView]:
    rows = await db.fetch(
        "select * from partners where ($1::text is null or status = $1) and ($2::text is null or area = $2)"
        " and ($3::text is null or name_key like $3) and ($4::uuid is null or partner_id > $4)"
        " order by partner_id limit $5",
        status,
        area,
        None if name is None else f"{normalised(name)}%",
        page.after_id,
        page.limit + 1,
    )
    return listing(rows, page, key=lambda row: str(row["partner_id"]), item=PartnerView)


@router.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_partner(partner_id: UUID, db: Read) -> PartnerDetail:
    """Everything that the registry knows of the partner."""
    loaded = await db.load(partners, partner_id)
    if loaded.version == 0:
        raise Unknown("partner.partner_unknown", partner_id=partner_id)
    return shown.partner_detail(loaded.state, loaded.version)


router.add_api_route("/{id}/history", history_of(partners), methods=["GET"], dependencies=[READ])
