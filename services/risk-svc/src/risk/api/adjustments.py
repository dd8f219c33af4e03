"""Routes: how a partner is to be adjusted, proposed, contested and decided."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from events.risk import AdjustmentKind
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import By, Collection, Handle, HandleSeen, NewId, Read, Receipt, list_of, own

from risk.adjustment_views import adjustments_view
from risk.api.shown import DECIDE, READ, WRITE
from risk.domain.adjustment import DecideAdjustment, Decision, TurnDownAdjustment
from risk.domain.proposal import Contest, ContestAdjustment, ProposeAdjustment, Proposed, Refusal, WithdrawAdjustment
from risk.domain.risk_profile import risk_profiles

list_routes = APIRouter(prefix="/adjustments", tags=["adjustments"])
routes = APIRouter(prefix="/risk-profiles/{partner_id}/adjustments", tags=["adjustments"])


class AdjustmentView(BaseModel):
    """What is proposed for a partner, or was, on which evidence, what the partner says and what persons decided. The
    partner's own people see it as we do. `decision_id` is the event that decided it, `seconded_by` the first of two."""

    adjustment_id: UUID
    partner_id: UUID
    kind: AdjustmentKind
    status: Literal["proposed", "contested", "decided", "turned_down", "withdrawn"]
    reasons: list[str]
    evidence: list[UUID] = Field(description="Event ids: `GET /risk-profiles/{partner_id}/why` tells of each.")
    flags: list[UUID]
    proposed_by: list[str]
    proposed_at: AwareDatetime
    contest_until: AwareDatetime
    contested: str | None
    contested_at: AwareDatetime | None
    seconded_by: list[str] | None
    decided_by: list[str] | None
    answer: str | None
    closed_at: AwareDatetime | None
    closed_because: str | None
    decision_id: UUID | None
    probation_ends_at: AwareDatetime | None


ADJUSTMENTS = Collection(
    risk_profiles,
    adjustments_view,
    AdjustmentView,
    key="adjustment_id",
    filters=("status", "partner_id", "kind"),
    sorts=("proposed_at", "contest_until", "closed_at"),
    unknown="risk.adjustment_unknown",
)

list_routes.add_api_route("", list_of(ADJUSTMENTS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@list_routes.get("/{adjustment_id}", dependencies=[READ, own()])
async def read_adjustment(adjustment_id: UUID, db: Read) -> AdjustmentView:
    """The proposal and what became of it."""
    return await db.one(ADJUSTMENTS, adjustment_id=adjustment_id)


@routes.post("", status_code=201, dependencies=[DECIDE])
async def propose_adjustment(partner_id: UUID, body: Proposed, adjustment_id: NewId, by: By, handle: Handle) -> Receipt:
    """Probation, suspension, replacement or termination, with its reasons and the events that they rest on. The partner
    sees it and may contest it; it is decided on when it has, or its time for that is over."""
    command = ProposeAdjustment(adjustment_id=adjustment_id, partner_id=partner_id, by=by, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


@routes.post("/{adjustment_id}/contest", status_code=201, dependencies=[WRITE, own("partner_id")])
async def contest_adjustment(partner_id: UUID, adjustment_id: UUID, body: Contest, handle: Handle) -> Receipt:
    """The partner objects, in its own words. They are answered with the decision."""
    return await handle(risk_profiles, partner_id, ContestAdjustment(adjustment_id=adjustment_id, **body.model_dump()))


@routes.post("/{adjustment_id}/decision", status_code=201, dependencies=[DECIDE])
async def decide_adjustment(
    partner_id: UUID, adjustment_id: UUID, body: Decision, by: By, handle: HandleSeen
) -> Receipt:
    """A person decides for it. A termination takes a second person; the first only seconds it. If-Match names the
    version of the profile that was looked at."""
    command = DecideAdjustment(adjustment_id=adjustment_id, by=by, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


@routes.post("/{adjustment_id}/refusal", status_code=201, dependencies=[DECIDE])
async def turn_down_adjustment(
    partner_id: UUID, adjustment_id: UUID, body: Refusal, by: By, handle: HandleSeen
) -> Receipt:
    """A person decides against it. If-Match names the version of the profile that was looked at."""
    command = TurnDownAdjustment(adjustment_id=adjustment_id, by=by, **body.model_dump())
    return await handle(risk_profiles, partner_id, command)


@routes.post("/{adjustment_id}/withdrawal", status_code=201, dependencies=[DECIDE])
async def withdraw_adjustment(partner_id: UUID, adjustment_id: UUID, body: Refusal, handle: Handle) -> Receipt:
    """It is not proposed any more."""
    return await handle(risk_profiles, partner_id, WithdrawAdjustment(adjustment_id=adjustment_id, **body.model_dump()))


ROUTES = (list_routes, routes)
