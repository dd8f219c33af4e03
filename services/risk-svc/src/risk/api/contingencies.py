"""Routes: contingency plans, drafted and published by version, and what was set in motion by them."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from engine import Command, Rejected, Send
from engine.drafts import drafted
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from service import (
    Collection,
    Drafts,
    Handle,
    HandlePut,
    HandleSeen,
    NewId,
    Read,
    Receipt,
    history_of,
    list_of,
)

from risk.api.shown import DECIDE, READ, WRITE
from risk.contingency_views import contingencies_view, plans_view
from risk.domain.activation import NoteActivation, NoteClosing, activation_id, activations
from risk.domain.contingency import (
    Activate,
    CloseContingency,
    Closing,
    Contingency,
    Outcome,
    ReportStep,
    StepReport,
    StepStatus,
    contingencies,
)
from risk.domain.plan import DraftPlan, Plan, PlanContent, PlanTerms, plan_id, plans
from risk.domain.words import Code, Reason

plan_routes = APIRouter(prefix="/contingency-plans", tags=["contingency plans"])
routes = APIRouter(prefix="/contingencies", tags=["contingencies"])


class PlanView(BaseModel):
    """`terms` are of the version that is activated; null before the first."""

    code: str
    version: int
    status: Literal["drafted", "active", "retired"]
    terms: PlanTerms | None
    draft: PlanContent | None
    published_at: AwareDatetime | None


def plan_view(terms: str | None, draft: str | None, **row: Any) -> PlanView:
    return PlanView(
        terms=None if terms is None else PlanTerms.model_validate_json(terms),
        draft=None if draft is None else PlanContent.model_validate_json(draft),
        **row,
    )


class ContingencyView(BaseModel):
    """`flag_id` null: a person activated it."""

    contingency_id: UUID
    partner_id: UUID
    plan: str
    plan_version: int
    flag_id: UUID | None
    reason: str
    status: Literal["running", "closed"]
    activated_by: str
    activated_at: AwareDatetime
    outcome: Outcome | None
    summary: str | None
    closed_by: str | None
    closed_at: AwareDatetime | None


class StepView(BaseModel):
    """`overdue` stays once it was."""

    contingency_id: UUID
    step: str
    partner_id: UUID
    title: str
    owner: str
    due_at: AwareDatetime
    status: StepStatus
    note: str | None
    overdue: bool
    done_by: str | None
    done_at: AwareDatetime | None


class ContingencyFile(ContingencyView):
    steps: list[StepView]


PLANS = Collection(plans, plans_view, PlanView, key="code", filters=("status",), shown=plan_view)
CONTINGENCIES = Collection(
    contingencies,
    contingencies_view,
    ContingencyView,
    key="contingency_id",
    filters=("status", "partner_id", "plan", "outcome"),
    sorts=("activated_at", "closed_at"),
)
STEPS = Collection(
    contingencies,
    contingencies_view,
    StepView,
    key=("contingency_id", "step"),
    filters=("contingency_id", "partner_id", "status", "owner", "overdue"),
    sorts=("due_at",),
    source="select contingency_id, step, partner_id, title, owner, due_at, status, note, overdue, done_by, done_at"
    " from {contingency_steps}",
    name="contingency_steps",
)


class DraftedPlan(Command):
    plan: PlanContent


class PlanPublication(Command):
    pass


class Activation(Command):
    partner_id: UUID
    plan: Code
    reason: Reason


class PlanPreview(BaseModel):
    """What publishing would change: open flags that would have activated the plan, and are not behind one that runs.
    They activate nothing afterwards; only flags to come do."""

    code: str
    steps_added: list[str]
    steps_removed: list[str]
    running: int = Field(description="Contingencies that go on by the version that they were activated by.")
    flags_that_would_have: int


@plan_routes.put("/{code}/draft", dependencies=[DECIDE])
async def draft_plan(code: Code, body: DraftedPlan, handle: HandlePut) -> Receipt:
    """A plan that is meant to be published."""
    return await handle(plans, plan_id(code), DraftPlan(code=code, content=body.plan, occurred_at=body.occurred_at))


@plan_routes.get("/{code}/draft/preview", dependencies=[READ])
async def preview_plan(code: Code, db: Read) -> PlanPreview:
    """What publishing would change."""
    plan: Plan = (await db.state(plans, plan_id(code), plan=code)).state
    draft = drafted(plan.draft, "risk", {"plan": code})
    now = set() if plan.terms is None else {step.code for step in plan.terms.steps}
    then = {step.code for step in draft.steps}
    open_flags = await db.fetch(
        "select rule, severity from flags where status = 'open' and rule = any($1)", draft.rules
    )
    running = "select count(*)::int from contingencies where plan = $1 and status = 'running'"
    return PlanPreview(
        code=code,
        steps_added=sorted(then - now),
        steps_removed=sorted(now - then),
        running=await db.fetchval(running, code),
        flags_that_would_have=sum(draft.asked_for_by(row["rule"], row["severity"]) for row in open_flags),
    )


drafts = Drafts(plan_routes, plans, plan_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_plan",
    "The draft is what is activated from now on. If-Match names the version that was looked at.",
    PlanPublication,
)
drafts.discarding("discard_plan_draft", PlanPublication)
drafts.retirement("retire_plan", "The plan is not activated any more; what runs goes on.", PlanPublication)

plan_routes.add_api_route("", list_of(PLANS), methods=["GET"], dependencies=[READ])


@plan_routes.get("/{code}", dependencies=[READ])
async def read_plan(code: Code, db: Read) -> PlanView:
    """The plan in the version that is activated, and its draft if there is one."""
    return await db.one(PLANS, of=plan_id(code), code=code)


plan_routes.add_api_route("/{code}/history", history_of(plans, "code", plan_id), methods=["GET"], dependencies=[READ])


@routes.post("", status_code=201, dependencies=[DECIDE])
async def activate_plan(body: Activation, contingency_id: NewId, db: Read, handle: Handle) -> Receipt:
    """A person sets a plan in motion for a partner, for a reason."""
    plan: Plan = (await db.load(plans, plan_id(body.plan))).state
    if plan.terms is None or plan.retired:
        raise Rejected("risk.plan_not_in_use", plan=body.plan)
    command = Activate(
        contingency_id=contingency_id,
        partner_id=body.partner_id,
        plan=plan.terms,
        reason=body.reason,
        occurred_at=body.occurred_at,
    )
    return await handle(contingencies, contingency_id, command, also=noted(command))


def noted(command: Activate) -> list[Send]:
    """So that a flag does not set it in motion beside."""
    note = NoteActivation(contingency_id=command.contingency_id)
    return [Send(activations, activation_id(command.partner_id, command.plan.code), note)]


@routes.post("/{contingency_id}/steps/{step}/report", status_code=201, dependencies=[WRITE])
async def report_step(contingency_id: UUID, step: Code, body: StepReport, handle: Handle) -> Receipt:
    """A step was done, or is not needed; also after its time."""
    return await handle(contingencies, contingency_id, ReportStep(step=step, **body.model_dump()))


@routes.post("/{contingency_id}/closing", status_code=201, dependencies=[DECIDE])
async def close_contingency(contingency_id: UUID, body: Closing, db: Read, handle: HandleSeen) -> Receipt:
    """It is over, and came out so. Steps that are open have to be done or skipped first, unless it was a false alarm.
    If-Match names the version that was looked at."""
    running: Contingency = (await db.load(contingencies, contingency_id)).state
    command = CloseContingency(**body.model_dump())
    return await handle(contingencies, contingency_id, command, also=ended(running))


def ended(contingency: Contingency) -> list[Send]:
    """So that the next flag sets the plan in motion again."""
    if contingency.id is None or contingency.partner_id is None:
        return []
    note = NoteClosing(contingency_id=contingency.id)
    return [Send(activations, activation_id(contingency.partner_id, contingency.plan), note)]


routes.add_api_route("", list_of(CONTINGENCIES), methods=["GET"], dependencies=[READ])


@routes.get("/{contingency_id}", dependencies=[READ])
async def read_contingency(contingency_id: UUID, db: Read) -> ContingencyFile:
    """What was set in motion, and each step with its owner and its time."""
    found = await db.one(CONTINGENCIES, contingency_id=contingency_id)
    steps = await db.all(STEPS, of=contingency_id, sort="due_at", contingency_id=contingency_id)
    return ContingencyFile(**found.model_dump(), steps=steps)


step_routes = APIRouter(tags=["contingencies"])
step_routes.add_api_route("/contingency-steps", list_of(STEPS), methods=["GET"], dependencies=[READ])

ROUTES = (plan_routes, routes, step_routes)
