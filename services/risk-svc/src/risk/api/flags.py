"""Routes: flags, and what people do about them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from service import Collection, Handle, HandleSeen, Receipt, list_of, own

from risk.api.shown import DECIDE, READ, FlagView
from risk.domain.flag import AcknowledgeFlag, Acknowledgement, Dismissal, DismissFlag
from risk.domain.risk_profile import risk_profiles
from risk.views import flags_view

list_routes = APIRouter(tags=["flags"])
routes = APIRouter(prefix="/risk-profiles/{partner_id}/flags", tags=["flags"])

FLAGS = Collection(
    risk_profiles,
    flags_view,
    FlagView,
    key="flag_id",
    filters=("status", "partner_id", "rule", "severity", "period"),
    sorts=("raised_at", "cause_added_at", "closed_at"),
)

list_routes.add_api_route("/flags", list_of(FLAGS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@routes.post("/{flag_id}/acknowledgement", status_code=201, dependencies=[DECIDE])
async def acknowledge_flag(partner_id: UUID, flag_id: UUID, body: Acknowledgement, handle: Handle) -> Receipt:
    """A person has seen the flag; it stays open."""
    return await handle(risk_profiles, partner_id, AcknowledgeFlag(flag_id=flag_id, **body.model_dump()))


@routes.post("/{flag_id}/dismissal", status_code=201, dependencies=[DECIDE])
async def dismiss_flag(partner_id: UUID, flag_id: UUID, body: Dismissal, handle: HandleSeen) -> Receipt:
    """A person closes the flag, for a reason. If-Match names the version of the profile that was looked at."""
    return await handle(risk_profiles, partner_id, DismissFlag(flag_id=flag_id, **body.model_dump()))


ROUTES = (list_routes, routes)
