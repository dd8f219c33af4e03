"""Read models of manuals, coaching and support plans. All are written with the append."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine import Fact, Statement, Table, View
from engine.drafts import VersionsTable
from events.training import CoachingCompleted, ManualAcknowledged
from pydantic import TypeAdapter

from training.domain.acknowledgement import (
    AcknowledgementAsked,
    AcknowledgementOverdue,
    AcknowledgementWithdrawn,
)
from training.domain.coaching_events import (
    AgreedActionFollowedUp,
    AgreedActionOverdue,
    AgreedActionReported,
    CoachingCancelled,
    CoachingHeld,
    CoachingPlanned,
    Guidance,
)
from training.domain.manual import (
    ManualContent,
    ManualDraftDiscarded,
    ManualDrafted,
    ManualPublished,
    ManualRetired,
)
from training.domain.support_plan import SupportPlanClosed, SupportPlanOpened, SupportPlanOverran

MANUAL = TypeAdapter(ManualContent)
GUIDANCE = TypeAdapter(tuple[Guidance, ...])

MANUALS = VersionsTable(
    "manuals",
    """
    code text primary key,
    title text not null,
    version integer,
    content json,
    draft json,
    published_on date,
    retired boolean not null default false
    """,
)

ACKNOWLEDGEMENTS = Table(
    "manual_acknowledgements",
    """
    acknowledgement_id uuid primary key,
    partner_id uuid not null,
    manual text not null,
    version integer not null,
    title text not null,
    document text not null,
    status text not null,
    overdue boolean not null,
    asked_on date not null,
    due_on date not null,
    acknowledged_on date,
    acknowledged_version integer
    """,
    indexes=("(partner_id)", "(manual, status)", "(status, due_on)"),
)

VISITS = Table(
    "coaching_visits",
    """
    visit_id uuid primary key,
    partner_id uuid not null,
    outlet_id uuid,
    plan_id uuid,
    purpose text not null,
    status text not null,
    planned_on date not null,
    held_on date,
    guidance json not null,
    cancelled_because text,
    completed_on date
    """,
    indexes=("(partner_id)", "(status, planned_on)", "(plan_id)"),
)

AGREED = Table(
    "agreed_actions",
    """
    visit_id uuid not null,
    number integer not null,
    partner_id uuid not null,
    what text not null,
    side text not null,
    owner text not null,
    due_on date not null,
    status text not null,
    overdue boolean not null,
    account text,
    note text,
    followed_up_on date,
    late boolean,
    primary key (visit_id, number)
    """,
    indexes=("(partner_id)", "(status, due_on)"),
)

PLANS = Table(
    "support_plans",
    """
    plan_id uuid primary key,
    partner_id uuid not null,
    title text not null,
    needs text[] not null,
    visits_wanted integer not null,
    starts_on date not null,
    ends_on date not null,
    status text not null,
    overran boolean not null,
    result text,
    summary text,
    closed_on date
    """,
    indexes=("(partner_id)", "(status, ends_on)"),
)


def project_manuals(fact: Fact[Any]) -> Iterator[Statement]:
    match fact.event:
        case ManualDrafted(code=code, content=content):
            yield MANUALS.drafted_with_title(MANUAL.dump_json(content), content.title, code)
        case ManualDraftDiscarded(code=code):
            yield MANUALS.discarded(code=code)
        case ManualPublished(code=code, version=version, content=content, published_on=day):
            yield MANUALS.update(
                {"code": code},
                title=content.title,
                version=version,
                content=MANUAL.dump_json(content),
                draft=None,
                published_on=day,
            )
        case ManualRetired(code=code):
            yield MANUALS.update({"code": code}, draft=None, retired=True)


def project_acknowledgements(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"acknowledgement_id": fact.stream_id}
    match fact.event:
        case AcknowledgementAsked() as asked:
            row = asked.model_dump(exclude={"due_at", "time_zone"})
            yield ACKNOWLEDGEMENTS.upsert("acknowledgement_id", **row, status="asked", overdue=False)
        case AcknowledgementOverdue():
            yield ACKNOWLEDGEMENTS.update(key, overdue=True)
        case AcknowledgementWithdrawn():
            yield ACKNOWLEDGEMENTS.update(key, status="withdrawn", overdue=False)
        case ManualAcknowledged(version=version, acknowledged_on=day):
            yield ACKNOWLEDGEMENTS.update(
                key, status="acknowledged", overdue=False, acknowledged_on=day, acknowledged_version=version
            )


def project_coaching(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"visit_id": fact.stream_id}
    match fact.event:
        case CoachingPlanned() as planned:
            row = planned.model_dump(exclude={"time_zone"})
            yield VISITS.insert(**row, status="planned", guidance=b"[]")
        case CoachingHeld(held_on=day, guidance=guidance, actions=actions):
            yield VISITS.update(key, status="held", held_on=day, guidance=GUIDANCE.dump_json(guidance))
            for each in actions:
                yield AGREED.insert(
                    visit_id=fact.stream_id,
                    number=each.number,
                    partner_id=fact.event.partner_id,
                    what=each.what,
                    side=each.side,
                    owner=each.owner,
                    due_on=each.due_on,
                    status="agreed",
                    overdue=False,
                )
        case CoachingCancelled(reason=reason):
            yield VISITS.update(key, status="cancelled", cancelled_because=reason)
        case CoachingCompleted(completed_on=day):
            yield VISITS.update(key, status="completed", completed_on=day)
        case AgreedActionReported(number=number, account=account):
            yield AGREED.update({**key, "number": number}, status="reported", account=account)
        case AgreedActionOverdue(number=number):
            yield AGREED.update({**key, "number": number}, overdue=True)
        case AgreedActionFollowedUp(number=number, outcome=outcome, note=note, followed_up_on=day, late=late):
            yield AGREED.update({**key, "number": number}, status=outcome, note=note, followed_up_on=day, late=late)


def project_plans(fact: Fact[Any]) -> Iterator[Statement]:
    key = {"plan_id": fact.stream_id}
    match fact.event:
        case SupportPlanOpened(needs=needs) as opened:
            row = opened.model_dump(exclude={"ends_at", "time_zone", "needs"})
            yield PLANS.insert(**row, needs=list(needs), status="open", overran=False)
        case SupportPlanOverran():
            yield PLANS.update(key, overran=True)
        case SupportPlanClosed(result=result, summary=summary, closed_on=day):
            yield PLANS.update(key, status="closed", result=result, summary=summary, closed_on=day)


manuals_view = View("manuals", version=1, tables=(MANUALS,), project=project_manuals, inline=True)
acknowledgements_view = View(
    "manual_acknowledgements", version=1, tables=(ACKNOWLEDGEMENTS,), project=project_acknowledgements, inline=True
)
coaching_view = View("coaching_visits", version=1, tables=(VISITS, AGREED), project=project_coaching, inline=True)
plans_view = View("support_plans", version=1, tables=(PLANS,), project=project_plans, inline=True)

VIEWS = (manuals_view, acknowledgements_view, coaching_view, plans_view)
