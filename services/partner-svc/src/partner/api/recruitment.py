"""Routes: recruitment plans, and how far they are."""

from __future__ import annotations

from datetime import UTC, date
from typing import Annotated

from engine import Command
from fastapi import APIRouter, Query
from service import At, Clock, Collection, Handle, HandlePut, Read, Receipt, history_of, list_of, scope

from partner.api.shown import PlanProgress, PlanView, plan_view
from partner.domain.recruitment import (
    BookExpense,
    ClosePlan,
    PlanContent,
    PlanRecruitment,
    plan_id,
    progress,
    recruitment_plans,
)
from partner.domain.words import Code
from partner.views import recruitment_plans_view

READ, WRITE, DECIDE = scope("partner:read"), scope("partner:write"), scope("partner:decide")

router = APIRouter(prefix="/recruitment-plans", tags=["recruitment plans"])

PLANS = Collection(
    recruitment_plans,
    recruitment_plans_view,
    PlanView,
    key="code",
    filters=("kind", "status"),
    sorts=("starts_on", "ends_on"),
    shown=plan_view,
)
PIPELINE = """
select coalesce(case when p.stage in ('onboarding', 'active', 'terminated') then 'signed' end, a.status) as step,
       count(*) as n
from applications a left join partners p on p.application_id = a.application_id
where a.kind = $1 and a.applied_at >= $2::date and a.applied_at < $3::date + 1
  and exists (select 1 from unnest($4::text[]) t where a.area = t or starts_with(a.area, t || '-'))
group by step
"""


On = Annotated[date | None, Query(description="How far it should be on this day; today if absent.")]


class PlannedRecruitment(Command):
    content: PlanContent


@router.put("/{code}", dependencies=[DECIDE])
async def plan_recruitment(code: Code, body: PlannedRecruitment, handle: HandlePut) -> Receipt:
    """The plan, whole, as it is from now on."""
    command = PlanRecruitment(code=code, content=body.content, occurred_at=body.occurred_at)
    return await handle(recruitment_plans, plan_id(code), command)


@router.post("/{code}/expenses", status_code=201, dependencies=[WRITE])
async def book_expense(code: Code, command: BookExpense, handle: Handle) -> Receipt:
    """Something was paid for out of the plan's budget. It is booked also where the budget does not cover it."""
    return await handle(recruitment_plans, plan_id(code), command)


@router.post("/{code}/closure", status_code=201, dependencies=[DECIDE])
async def close_plan(code: Code, command: ClosePlan, handle: Handle) -> Receipt:
    """Nobody recruits by the plan any more."""
    return await handle(recruitment_plans, plan_id(code), command)


router.add_api_route("", list_of(PLANS), methods=["GET"], dependencies=[READ])


@router.get("/{code}", dependencies=[READ])
async def read_plan(code: Code, db: Read, at: At) -> PlanView:
    """The plan as it is."""
    return await db.one(PLANS, at, of=plan_id(code), code=code)


@router.get("/{code}/progress", dependencies=[READ])
async def read_progress(code: Code, db: Read, clock: Clock, on: On = None) -> PlanProgress:
    """How far the plan is, from the pipeline of its areas as it is now: how many applications stand at which step,
    those whose partner has signed under `signed`."""
    plan = await db.one(PLANS, of=plan_id(code), code=code)
    content = plan.content
    rows = await db.fetch(PIPELINE, content.kind, content.starts_on, content.ends_on, list(content.areas))
    pipeline = {row["step"]: row["n"] for row in rows}
    day = on or clock.astimezone(UTC).date()
    reached = progress(content, pipeline.get("signed", 0), plan.spent, day)
    return PlanProgress(code=code, target=content.target, pipeline=pipeline, **vars(reached))


router.add_api_route(
    "/{code}/history", history_of(recruitment_plans, "code", plan_id), methods=["GET"], dependencies=[READ]
)
