"""Routes: what partners may not do for a time."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter
from service import Collection, Handle, HandleSeen, Receipt, list_of, own

from risk.api.shown import DECIDE, READ, RestrictionView
from risk.domain.restriction import (
    ChangeCreditLimit,
    ImposeRestriction,
    Lifting,
    LiftRestriction,
    LimitByHand,
    RestrictionByHand,
)
from risk.domain.risk_profile import risk_profiles
from risk.views import restrictions_view

list_routes = APIRouter(tags=["restrictions"])
routes = APIRouter(prefix="/risk-profiles/{partner_id}/restrictions", tags=["restrictions"])

RESTRICTIONS = Collection(
    risk_profiles,
    restrictions_view,
    RestrictionView,
    key="restriction_id",
    filters=("status", "partner_id", "kind", "rule"),
    sorts=("imposed_at", "lifted_at", "expires_at"),
)

list_routes.add_api_route(
    "/restrictions", list_of(RESTRICTIONS), methods=["GET"], dependencies=[READ, own(query="partner_id")]
)


@routes.post("", status_code=201, dependencies=[DECIDE])
async def impose_restriction(partner_id: UUID, body: RestrictionByHand, handle: Handle) -> Receipt:
    """A person imposes a restriction, for a reason and, with `expires_at`, for a time; the first makes the profile of a
    partner who has none."""
    return await handle(risk_profiles, partner_id, ImposeRestriction(partner_id=partner_id, **body.model_dump()))


@routes.post("/{restriction_id}/limit", status_code=201, dependencies=[DECIDE])
async def change_credit_limit(partner_id: UUID, restriction_id: UUID, body: LimitByHand, handle: HandleSeen) -> Receipt:
    """A credit limit becomes another. If-Match names the version of the profile that was looked at."""
    command = ChangeCreditLimit(restriction_id=restriction_id, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


@routes.post("/{restriction_id}/lifting", status_code=201, dependencies=[DECIDE])
async def lift_restriction(partner_id: UUID, restriction_id: UUID, body: Lifting, handle: HandleSeen) -> Receipt:
    """A person lifts it, for a reason. If-Match names the version of the profile that was looked at."""
    command = LiftRestriction(restriction_id=restriction_id, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


ROUTES = (list_routes, routes)
