"""Read models of contingency plans, and of what was set in motion by them. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from engine.drafts import VersionsTable
from events.risk import ContingencyActivated, ContingencyClosed

from risk.domain.contingency import StepDone, StepOverdue, StepsPlanned
from risk.domain.plan import PlanDraftDiscarded, PlanDrafted, PlanPublished, PlanRetired

PLANS = VersionsTable(
    "plans",
    """
    code text primary key,
    version integer not null default 0,
    status text not null default 'drafted',
    terms json,
    draft json,
    published_at timestamptz
    """,
)

CONTINGENCIES = Table(
    "contingencies",
    """
    contingency_id uuid primary key,
    partner_id uuid not null,
    plan text not null,
    plan_version integer not null,
    flag_id uuid,
    reason text not null,
    status text not null,
    activated_by text not null,
    activated_at timestamptz not null,
    outcome text,
    summary text,
    closed_by text,
    closed_at timestamptz
    """,
    indexes=("(partner_id, status)", "(status, contingency_id)"),
)

STEPS = Table(
    "contingency_steps",
    """
    contingency_id uuid not null,
    step text not null,
    partner_id uuid not null,
    n integer not null,
    title text not null,
    owner text not null,
    due_at timestamptz not null,
    status text not null,
    note text,
    overdue boolean not null default false,
    done_by text,
    done_at timestamptz,
    primary key (contingency_id, step)
    """,
    indexes=("(status, due_at)",),
)


def project_plans(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case PlanDrafted(code=code, content=content):
            yield PLANS.drafted(content, code=code)
        case PlanPublished(code=code, plan=plan):
            yield PLANS.published(plan, fact.occurred_at, "code", code=code, status="active")
        case PlanDraftDiscarded(code=code):
            yield PLANS.discarded(code=code)
        case PlanRetired(code=code):
            yield PLANS.update({"code": code}, status="retired", draft=None)


def project_contingencies(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ContingencyActivated() as activated:
            yield CONTINGENCIES.upsert(
                "contingency_id",
                contingency_id=activated.contingency_id,
                partner_id=activated.partner_id,
                plan=activated.plan,
                plan_version=activated.plan_version,
                flag_id=activated.flag_id,
                reason=activated.reason,
                status="running",
                activated_by=fact.actor,
                activated_at=fact.occurred_at,
            )
        case StepsPlanned(contingency_id=id, partner_id=partner_id, plan=plan, due=due):
            for n, step in enumerate(plan.steps, 1):
                yield STEPS.upsert(
                    "contingency_id",
                    "step",
                    contingency_id=id,
                    step=step.code,
                    partner_id=partner_id,
                    n=n,
                    title=step.title,
                    owner=step.owner,
                    due_at=due[step.code],
                    status="open",
                )
        case StepDone(contingency_id=id, step=step_code, status=status, note=note):
            where = {"contingency_id": id, "step": step_code}
            yield STEPS.update(where, status=status, note=note, done_by=fact.actor, done_at=fact.occurred_at)
        case StepOverdue(contingency_id=id, step=step_code):
            yield STEPS.update({"contingency_id": id, "step": step_code}, overdue=True)
        case ContingencyClosed(contingency_id=id, outcome=outcome, summary=summary):
            yield CONTINGENCIES.update(
                {"contingency_id": id},
                status="closed",
                outcome=outcome,
                summary=summary,
                closed_by=fact.actor,
                closed_at=fact.occurred_at,
            )


plans_view = View("plans", version=1, tables=(PLANS,), project=project_plans, inline=True)
contingencies_view = View(
    "contingencies", version=1, tables=(CONTINGENCIES, STEPS), project=project_contingencies, inline=True
)

VIEWS = (plans_view, contingencies_view)
