"""Routes: the registry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from engine import Command
from fastapi import APIRouter
from pydantic import StringConstraints
from service import At, Collection, Filter, Handle, Read, Receipt, history_of, list_of, own, scope

from partner.api import shown
from partner.api.shown import PartnerDetail, PartnerView
from partner.domain.checklist import CompleteChecklistItem, OpenOutlet
from partner.domain.partner import partners
from partner.domain.words import Code, normalised
from partner.views import partners_view

READ, WRITE = scope("partner:read"), scope("partner:write")

router = APIRouter(prefix="/partners", tags=["partners"])


PARTNERS = Collection(
    partners,
    partners_view,
    PartnerView,
    key="partner_id",
    filters=(
        "status",
        "area",
        "kind",
        Filter(
            "name",
            Annotated[str, StringConstraints(max_length=200)],
            "name_key like {}",
            lambda name: f"{normalised(name)}%",
            "How the name begins, however it is written.",
        ),
    ),
    sorts=("registered_at", "legal_name"),
)


class Completion(Command):
    """The item is in place."""


@router.post("/{partner_id}/checklist/{item}/completion", status_code=201, dependencies=[WRITE])
async def complete_checklist_item(partner_id: UUID, item: Code, body: Completion, handle: Handle) -> Receipt:
    """An item of the outlet's checklist is in place."""
    return await handle(partners, partner_id, CompleteChecklistItem(item=item, **body.model_dump()))


@router.post("/{partner_id}/outlet-opening", status_code=201, dependencies=[WRITE])
async def open_outlet(partner_id: UUID, command: OpenOutlet, handle: Handle) -> Receipt:
    """The outlet opens its doors, on this day in its time zone."""
    return await handle(partners, partner_id, command)


router.add_api_route("", list_of(PARTNERS), methods=["GET"], dependencies=[READ])


@router.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_partner(partner_id: UUID, db: Read, at: At) -> PartnerDetail:
    """Everything that the registry knows of the partner."""
    loaded = await db.state(partners, partner_id, at, partner_id=partner_id)
    return shown.partner_detail(loaded.state, loaded.version)


router.add_api_route("/{id}/history", history_of(partners), methods=["GET"], dependencies=[READ])
