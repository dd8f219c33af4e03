"""Routes: the registry."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import StringConstraints
from service import At, Collection, Filter, Read, history_of, list_of, own, scope

from partner.api import shown_partners
from partner.api.shown_partners import PartnerDetail, PartnerView
from partner.domain.partner import partners
from partner.domain.words import normalised
from partner.views import partners_view

READ = scope("partner:read")

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


router.add_api_route("", list_of(PARTNERS), methods=["GET"], dependencies=[READ])


@router.get("/{partner_id}", dependencies=[READ, own("partner_id")])
async def read_partner(partner_id: UUID, db: Read, at: At) -> PartnerDetail:
    """Everything that the registry knows of the partner."""
    loaded = await db.state(partners, partner_id, at, partner_id=partner_id)
    return shown_partners.partner_detail(loaded.state, loaded.version)


router.add_api_route("/{id}/history", history_of(partners), methods=["GET"], dependencies=[READ])
