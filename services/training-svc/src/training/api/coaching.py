"""Routes: coaching visits, what is agreed on there, and the technical support plans that they are part of."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import At, Collection, Handle, HandleSeen, NewId, Read, Receipt, history_of, list_of, own

from training.api.known import Known
from training.api.shown import READ, WRITE
from training.domain.coaching_events import (
    ActionAccount,
    ActionStatus,
    CancelCoaching,
    FollowUp,
    FollowUpAction,
    Guidance,
    HoldCoaching,
    PlanCoaching,
    ReportAgreedAction,
    Side,
    Status,
    VisitContent,
)
from training.domain.coaching_visit import coaching_visits
from training.domain.support_plan import (
    CloseSupportPlan,
    Closing,
    OpenSupportPlan,
    PlanContent,
    Result,
    support_plans,
)
from training.domain.support_plan import Status as PlanStatus
from training.support_views import GUIDANCE, coaching_view, plans_view

router = APIRouter(prefix="/coaching-visits", tags=["coaching"])
action_router = APIRouter(prefix="/agreed-actions", tags=["coaching"])
plan_router = APIRouter(prefix="/support-plans", tags=["coaching"])


class CoachingVisitView(BaseModel):
    """`agreed` actions were agreed on, of which `open` are not followed up. It is complete once none is."""

    visit_id: UUID
    partner_id: UUID
    outlet_id: UUID | None
    plan_id: UUID | None
    purpose: str
    status: Status
    planned_on: date
    held_on: date | None
    guidance: tuple[Guidance, ...]
    agreed: int
    open: int
    cancelled_because: str | None
    completed_on: date | None


class AgreedActionView(BaseModel):
    """`account` is what its side says was done, `note` what the follow-up found."""

    visit_id: UUID
    number: int
    partner_id: UUID
    what: str
    side: Side
    owner: str
    due_on: date
    status: ActionStatus
    overdue: bool = Field(description="Its last day passed while nobody had said that it was done.")
    account: str | None
    note: str | None
    followed_up_on: date | None
    late: bool | None


class SupportPlanView(BaseModel):
    """`visits_held` of `visits_wanted`; `actions_open` are those that its visits agreed on and that are not followed
    up."""

    plan_id: UUID
    partner_id: UUID
    title: str
    needs: list[str]
    visits_wanted: int
    visits_held: int
    actions_open: int
    starts_on: date
    ends_on: date
    status: PlanStatus
    overran: bool = Field(description="Its last day passed and nobody had said what came of it.")
    result: Result | None
    summary: str | None
    closed_on: date | None


def shown(**row: Any) -> CoachingVisitView:
    return CoachingVisitView(guidance=GUIDANCE.validate_json(row.pop("guidance")), **row)


VISITS = Collection(
    coaching_visits,
    coaching_view,
    CoachingVisitView,
    key="visit_id",
    filters=("status", "partner_id", "outlet_id", "plan_id"),
    sorts=("planned_on", "held_on"),
    source="""
select v.*, (select count(*) from {agreed_actions} a where a.visit_id = v.visit_id) as agreed,
    (select count(*) from {agreed_actions} a
     where a.visit_id = v.visit_id and a.status in ('agreed', 'reported')) as open
from {coaching_visits} v
""",
    shown=shown,
)
AGREED = Collection(
    coaching_visits,
    coaching_view,
    AgreedActionView,
    key=("visit_id", "number"),
    filters=("status", "overdue", "partner_id", "visit_id", "side", "owner"),
    sorts=("due_on",),
    source="select * from {agreed_actions}",
    name="agreed_actions",
)
PLANS = Collection(
    support_plans,
    plans_view,
    SupportPlanView,
    key="plan_id",
    filters=("status", "partner_id", "overran"),
    sorts=("ends_on",),
    source="""
select p.*, (select count(*) from coaching_visits v
     where v.plan_id = p.plan_id and v.status in ('held', 'completed')) as visits_held,
    (select count(*) from coaching_visits v join agreed_actions a using (visit_id)
     where v.plan_id = p.plan_id and a.status in ('agreed', 'reported')) as actions_open
from {support_plans} p
""",
)
OPEN_VISITS = "select visit_id from coaching_visits where plan_id = $1 and status in ('planned', 'held') order by 1"


# -- visits


@router.post("", status_code=201, dependencies=[WRITE])
async def plan_visit(body: VisitContent, visit_id: NewId, db: Read, handle: Handle) -> Receipt:
    """Somebody of ours will come and help: by itself, or as a part of the partner's technical support plan."""
    plan = None if body.plan_id is None else (await db.load(support_plans, body.plan_id)).state
    command = PlanCoaching(
        visit_id=visit_id,
        partner_known=bool(await Known(db).partners([body.partner_id])),
        plan_of=None if plan is None else plan.open_for(),
        **body.model_dump(),
    )
    return await handle(coaching_visits, visit_id, command)


@router.post("/{visit_id}/report", status_code=201, dependencies=[WRITE])
async def report_visit(visit_id: UUID, command: HoldCoaching, handle: Handle) -> Receipt:
    """The visit took place: the guidance that was given, and what was agreed on, with owner and last day."""
    return await handle(coaching_visits, visit_id, command)


@router.post("/{visit_id}/cancellation", status_code=201, dependencies=[WRITE])
async def cancel_visit(visit_id: UUID, command: CancelCoaching, handle: Handle) -> Receipt:
    """The visit does not take place."""
    return await handle(coaching_visits, visit_id, command)


@router.post(
    "/{visit_id}/actions/{number}/report", status_code=201, dependencies=[WRITE, own("visit_id", coaching_visits)]
)
async def report_action(visit_id: UUID, number: int, body: ActionAccount, handle: Handle) -> Receipt:
    """Whose the action is says that it is done. Whether it is, is for the follow-up to find."""
    return await handle(coaching_visits, visit_id, ReportAgreedAction(number=number, **body.model_dump()))


@router.post("/{visit_id}/actions/{number}/follow-up", status_code=201, dependencies=[WRITE])
async def follow_up_action(visit_id: UUID, number: int, body: FollowUp, handle: Handle) -> Receipt:
    """It was seen to: done, or no longer wanted. With the last one the visit is complete."""
    return await handle(coaching_visits, visit_id, FollowUpAction(number=number, **body.model_dump()))


router.add_api_route("", list_of(VISITS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@router.get("/{visit_id}", dependencies=[READ, own("visit_id", coaching_visits)])
async def read_visit(visit_id: UUID, db: Read, at: At) -> CoachingVisitView:
    """The visit, and the guidance that was given."""
    return await db.one(VISITS, at, visit_id=visit_id)


router.add_api_route("/{id}/history", history_of(coaching_visits), methods=["GET"], dependencies=[READ])
action_router.add_api_route("", list_of(AGREED), methods=["GET"], dependencies=[READ, own(query="partner_id")])


# -- support plans


@plan_router.post("", status_code=201, dependencies=[WRITE])
async def open_plan(body: PlanContent, plan_id: NewId, db: Read, handle: Handle) -> Receipt:
    """What the partner is helped with, from when to when, and in how many visits."""
    known = bool(await Known(db).partners([body.partner_id]))
    command = OpenSupportPlan(plan_id=plan_id, partner_known=known, **body.model_dump())
    return await handle(support_plans, plan_id, command)


@plan_router.post("/{plan_id}/closing", status_code=201, dependencies=[WRITE])
async def close_plan(plan_id: UUID, body: Closing, db: Read, handle: HandleSeen) -> Receipt:
    """What came of it; refused while one of its visits is planned or not followed up. If-Match names the version that
    was looked at."""
    visits = tuple(row["visit_id"] for row in await db.fetch(OPEN_VISITS, plan_id))
    return await handle(support_plans, plan_id, CloseSupportPlan(open_visits=visits, **body.model_dump()))


plan_router.add_api_route("", list_of(PLANS), methods=["GET"], dependencies=[READ, own(query="partner_id")])


@plan_router.get("/{plan_id}", dependencies=[READ, own("plan_id", support_plans)])
async def read_plan(plan_id: UUID, db: Read) -> SupportPlanView:
    """The plan, with how far its visits and what they agreed on have come."""
    return await db.one(PLANS, plan_id=plan_id)


plan_router.add_api_route("/{id}/history", history_of(support_plans), methods=["GET"], dependencies=[READ])
