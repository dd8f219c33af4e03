"""Routes: where an evaluation falls short, the plans that are made of it, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from engine import Command, Unknown
from events.days import TimeZone
from events.performance import PlanOutcome, PlanProblem
from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, Field
from service import NOW, Collection, Handle, HandleSeen, Read, Receipt, history_of, list_of, own, scope

from performance.api.evaluations import EVALUATIONS, EvaluationView
from performance.domain.card import Line, Segment
from performance.domain.exact import ratio
from performance.domain.improvement_plan import ClosePlan, OpenPlan, improvement_plans, plan_id
from performance.domain.metric import Code
from performance.domain.period import Period
from performance.domain.plan_action import ActionAsked, AddAction, EndAction, Text
from performance.domain.shortfall import Judged, ProblemAsked, Shortfall, shortfalls
from performance.improvement_views import PROBLEMS, SCORES, plans_view
from performance.views import LINES

READ, WRITE, DECIDE = scope("performance:read"), scope("performance:write"), scope("performance:decide")

router = APIRouter(prefix="/improvement-plans", tags=["improvement-plans"])
evaluation_routes = APIRouter(prefix="/evaluations/{partner_id}/{period}", tags=["improvement-plans"])
action_routes = APIRouter(prefix="/plan-actions", tags=["improvement-plans"])

ActionNumber = Annotated[int, Path(ge=1, le=100)]
CARD = "select lines, minimum_cohort from scorecards where code = $1 and version = $2"
# The median of the others: of an even number the mean of the two in the middle, as Python's statistics.median has it.
MIDDLE = """
select metric, sum(score) as score, count(*) as n from (
    select s.value ->> 'metric' as metric, (s.value ->> 'score')::numeric as score,
           row_number() over (partition by s.value ->> 'metric' order by (s.value ->> 'score')::numeric) as place,
           count(*) over (partition by s.value ->> 'metric') as of
    from evaluations e, json_array_elements(e.scores) s
    where e.period = $1 and e.scorecard = $2 and e.partner_id <> $3
) as ranked where place in ((of + 1) / 2, (of + 2) / 2) group by metric
"""


class Opening(Command):
    """Without `problems` it is about every metric that is below its target. Days are counted in `time_zone`."""

    partner_id: UUID
    period: Period
    problems: Annotated[tuple[ProblemAsked, ...], Field(max_length=100)] = ()
    actions: Annotated[tuple[ActionAsked, ...], Field(max_length=100)] = ()
    time_zone: TimeZone = "UTC"


class Shortfalls(BaseModel):
    evaluation_id: UUID
    shortfalls: list[Shortfall]


class Adding(Command):
    action: ActionAsked


class Ending(Command):
    """`note`: what was done, or why it will not be; not for names of people."""

    how: Literal["done", "dropped"]
    note: Text


class Closure(Command):
    """`improved` is possible once a later period has reached every goal."""

    outcome: PlanOutcome
    reason: Text


class PlanActionView(BaseModel):
    """`late`: it was ended after its day; null while it is open."""

    plan_id: UUID
    number: int
    partner_id: UUID
    what: str
    owner: str
    due_on: date
    status: Literal["open", "done", "dropped"]
    overdue: bool
    late: bool | None
    note: str | None


class PlanView(BaseModel):
    """`measured` are the scores in the last later period that was evaluated, `measured_in`; `verified`: they have all
    reached their goals."""

    plan_id: UUID
    partner_id: UUID
    period: str
    evaluation_id: UUID = Field(description="The event that the problems are from.")
    scorecard: str
    scorecard_version: int
    problems: tuple[PlanProblem, ...]
    time_zone: str
    status: Literal["open", "closed"]
    opened_at: AwareDatetime
    measured_in: str | None
    measured: Mapping[str, Decimal | None]
    verified: bool
    outcome: PlanOutcome | None
    reason: str | None
    closed_at: AwareDatetime | None


class PlanWithActions(PlanView):
    actions: list[PlanActionView]


def shown(**row: Any) -> PlanView:
    row.pop("period_kind")
    measured = row.pop("measured")
    return PlanView(
        problems=PROBLEMS.validate_json(row.pop("problems")),
        measured={} if measured is None else SCORES.validate_json(measured),
        verified=bool(row.pop("reached")),
        **row,
    )


PLANS = Collection(
    improvement_plans,
    plans_view,
    PlanView,
    key="plan_id",
    filters=("partner_id", "period", "status", "outcome"),
    sorts=("opened_at", "period"),
    types={"period": Period},
    shown=shown,
)
ACTIONS = Collection(
    improvement_plans,
    plans_view,
    PlanActionView,
    key=("plan_id", "number"),
    filters=("partner_id", "plan_id", "status", "overdue", "owner"),
    sorts=("due_on",),
    source="select * from {plan_actions}",
    types={"owner": Code},
    name="plan_actions",
)


async def judged(db: Read, partner_id: UUID, period: str) -> Judged:
    """The partner's evaluation as it holds, with the targets that it was judged by and what the others have. Raises
    Unknown."""
    found = await db.one(EVALUATIONS, NOW, of=partner_id, partner_id=partner_id, period=period)
    card = await db.fetchrow(CARD, found.scorecard, found.scorecard_version)
    if card is None:
        raise Unknown("performance.scorecard_unknown", scorecard=found.scorecard)
    segment = Segment(found.tier, found.area)
    lines: tuple[Line, ...] = tuple(line.for_segment(segment) for line in LINES.validate_json(card["lines"]))
    return Judged(
        evaluation_id=found.event_id,
        scorecard=found.scorecard,
        scorecard_version=found.scorecard_version,
        scores=found.scores,
        lines=lines,
        peers=await peers(db, found) if found.cohort_size >= card["minimum_cohort"] else None,
        cohort_size=found.cohort_size,
        minimum_cohort=card["minimum_cohort"],
    )


async def peers(db: Read, of: EvaluationView) -> dict[str, Decimal]:
    rows = await db.fetch(MIDDLE, of.period, of.scorecard, of.partner_id)
    return {row["metric"]: ratio(row["score"], Decimal(row["n"])) for row in rows}


@evaluation_routes.get("/shortfalls", dependencies=[READ])
async def read_shortfalls(partner_id: UUID, period: Period, db: Read) -> Shortfalls:
    """Where the evaluation falls short of its targets, what that costs of the total, and what the others have: what a
    plan can be made of. The metric that costs most comes first."""
    found = await judged(db, partner_id, period)
    return Shortfalls(evaluation_id=found.evaluation_id, shortfalls=shortfalls(found))


@router.post("", status_code=201, dependencies=[DECIDE])
async def open_plan(body: Opening, db: Read, handle: Handle) -> Receipt:
    """A plan for what the partner's evaluation of a closed period shows, with the first actions. An evaluation has one
    plan; the evaluations of later periods of the same kind measure it by themselves."""
    command = OpenPlan(
        partner_id=body.partner_id,
        period=body.period,
        judged=await judged(db, body.partner_id, body.period),
        problems=body.problems,
        actions=body.actions,
        time_zone=body.time_zone,
        occurred_at=body.occurred_at,
    )
    return await handle(improvement_plans, plan_id(body.partner_id, body.period), command)


@router.post("/{plan_id}/actions", status_code=201, dependencies=[DECIDE])
async def add_action(plan_id: UUID, body: Adding, handle: Handle) -> Receipt:
    """One more thing to do, by a role and a day."""
    return await handle(improvement_plans, plan_id, AddAction(action=body.action, occurred_at=body.occurred_at))


@router.post(
    "/{plan_id}/actions/{number}/end",
    status_code=201,
    dependencies=[WRITE, own("plan_id", improvement_plans, only={"how": "done"})],
)
async def end_action(plan_id: UUID, number: ActionNumber, body: Ending, handle: Handle) -> Receipt:
    """It is done, which the partner's own people may say, too, or it is dropped."""
    return await handle(improvement_plans, plan_id, EndAction(number=number, **body.model_dump()))


@router.post("/{plan_id}/closure", status_code=201, dependencies=[DECIDE])
async def close_plan(plan_id: UUID, body: Closure, handle: HandleSeen) -> Receipt:
    """A person says how it ended. If-Match names the version that was looked at."""
    return await handle(improvement_plans, plan_id, ClosePlan(**body.model_dump()))


router.add_api_route("", list_of(PLANS), methods=["GET"], dependencies=[READ, own(query="partner_id")])
action_routes.add_api_route(
    "",
    list_of(ACTIONS, "What is to be done, of all plans."),
    methods=["GET"],
    dependencies=[READ, own(query="partner_id")],
)


@router.get("/{plan_id}", dependencies=[READ, own("plan_id", improvement_plans)])
async def read_plan(plan_id: UUID, db: Read) -> PlanWithActions:
    """The plan with its actions, and what later periods say."""
    found = await db.one(PLANS, plan_id=plan_id)
    return PlanWithActions(**dict(found), actions=await db.all(ACTIONS, of=plan_id, plan_id=plan_id))


router.add_api_route("/{id}/history", history_of(improvement_plans), methods=["GET"], dependencies=[READ])
