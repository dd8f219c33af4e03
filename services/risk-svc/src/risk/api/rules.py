"""Routes: rules, drafted, previewed and published by version; what they may speak of, and where they could not be
judged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from operator import itemgetter
from uuid import UUID

from engine import Command, Rows
from engine.drafts import drafted, next_version
from fastapi import APIRouter
from pydantic import BaseModel, Field
from service import (
    Collection,
    Drafts,
    HandlePut,
    Listing,
    Page,
    Read,
    Receipt,
    history_of,
    list_of,
    listing,
)

from risk.api.shown import DECIDE, READ, FailureView, RuleView, rule_view
from risk.domain.rule import DraftRule, Rule, RuleContent, RuleTerms, rule_id, rules
from risk.domain.variables import FIGURE, VARIABLES, JudgedOn, Kind, Variable
from risk.domain.words import Code
from risk.gathering import OF_SALES, sales, within
from risk.heard import Heard
from risk.reading import everybody
from risk.replay import Replay
from risk.views import rules_view

routes = APIRouter(prefix="/rules", tags=["rules"])
about_routes = APIRouter(tags=["rules"])

RULES = Collection(
    rules,
    rules_view,
    RuleView,
    key="code",
    filters=("status", "judged_on", "severity"),
    sorts=("published_at",),
    source="select r.*, (select count(*) from {rule_failures} f where f.rule = r.code)::int as failing_for"
    " from {rulebook} r",
    shown=rule_view,
    name="rules",
)
FAILURES = Collection(
    rules,
    rules_view,
    FailureView,
    key=("rule", "partner_id"),
    filters=("rule", "partner_id"),
    sorts=("failed_at",),
    source="select * from {rule_failures}",
    name="rule_failures",
)
MOST_SHOWN = 100


class DraftedRule(Command):
    rule: RuleContent


class Publication(Command):
    pass


class Retirement(Command):
    pass


class PreviewedPartner(BaseModel):
    """A partner that would be flagged; `flagged_now`: the version in force flags it as well."""

    partner_id: UUID
    explanation: str
    evidence: list[UUID]
    flagged_now: bool


class RulePreview(BaseModel):
    """What publishing would mean for partners as they stand, as if it had been the only rule all the time: at most 100
    of them are shown. `not_flagged_any_more` are those whose flag of the version in force the draft would not have
    raised; it stays open until a later fact."""

    code: str
    judged: int = Field(description="The partners of whom anything was heard.")
    would_flag: int
    would_suspend: int = Field(description="Those that it would have suspended at some time.")
    flagged: list[PreviewedPartner]
    not_flagged_any_more: list[UUID]
    could_not_judge: int
    error: str | None = Field(description="Why, of the first.")


class VariableView(BaseModel):
    """What an expression may speak of."""

    name: str
    type: str
    unit: str
    meaning: str
    judged_on: JudgedOn | None = Field(description="null: on either, in `when` and `lifts_when` only")


@routes.put("/{code}/draft", dependencies=[DECIDE])
async def draft_rule(code: Code, body: DraftedRule, handle: HandlePut) -> Receipt:
    """A rule that is meant to be published; nobody is judged by it yet. Its expressions are checked, and refused with
    what is wrong with them."""
    command = DraftRule(code=code, content=body.rule, occurred_at=body.occurred_at)
    return await handle(rules, rule_id(code), command)


@routes.get("/{code}/draft/preview", dependencies=[READ])
async def preview_rule(code: Code, db: Read) -> RulePreview:
    """Which partners the draft would flag now, by all that was heard of them."""
    rule: Rule = (await db.state(rules, rule_id(code), rule=code)).state
    draft = drafted(rule.draft, "risk", {"rule": code})
    query = "select distinct partner_id from flags where rule = $1 and status = 'open'"
    flagged_now = {row["partner_id"] for row in await db.fetch(query, code)}
    replays = await replayed(db, next_version(RuleTerms, draft, rule.terms, code=code))
    would = [each for each in replays if each.open]
    broken = [each for each in replays if each.failures]
    return RulePreview(
        code=code,
        judged=len(replays),
        would_flag=len(would),
        would_suspend=sum(each.suspensions > 0 for each in replays),
        flagged=[_previewed(each, flagged_now) for each in would[:MOST_SHOWN]],
        not_flagged_any_more=sorted(flagged_now - {each.partner_id for each in would})[:MOST_SHOWN],
        could_not_judge=len(broken),
        error=broken[0].error if broken else None,
    )


async def replayed(db: Rows, terms: RuleTerms) -> list[Replay]:
    """The rule over each partner, up to now."""
    now = datetime.now(UTC)
    sold = await sales(db, now, terms.window_days) if terms.speaks_of & OF_SALES else {}
    found: list[Replay] = []

    def run(some: dict[UUID, list[Heard]]) -> list[Replay]:
        return [Replay(terms, id, within(sold, id)).run(heard, now) for id, heard in some.items()]

    async for some in everybody(db):
        found += await asyncio.to_thread(run, some)
    return found


def _previewed(replay: Replay, flagged_now: set[UUID]) -> PreviewedPartner:
    alarm = replay.open[0]
    return PreviewedPartner(
        partner_id=replay.partner_id,
        explanation=alarm.explanation,
        evidence=list(alarm.evidence),
        flagged_now=replay.partner_id in flagged_now,
    )


drafts = Drafts(routes, rules, rule_id, {"code": Code}, DECIDE)
drafts.publication(
    "publish_rule",
    "The draft is the rule's next version. On evaluations it is judged as they come; on events every partner with"
    " signals is judged at once. If-Match names the version that was looked at.",
    Publication,
)
drafts.discarding("discard_rule_draft", Publication)
drafts.retirement(
    "retire_rule",
    "The rule raises and imposes nothing more; what it opened is still resolved and lifted by facts to come.",
    Retirement,
)

routes.add_api_route("", list_of(RULES), methods=["GET"], dependencies=[READ])


@routes.get("/{code}", dependencies=[READ])
async def read_rule(code: Code, db: Read) -> RuleView:
    """The rule in the version that partners are judged by, its draft if there is one, and whether it can be judged."""
    return await db.one(RULES, of=rule_id(code), code=code)


routes.add_api_route("/{code}/history", history_of(rules, "code", rule_id), methods=["GET"], dependencies=[READ])


@about_routes.get("/rule-variables", dependencies=[READ])
async def list_rule_variables(page: Page) -> Listing[VariableView]:
    """What a rule's expressions may speak of, with types and units. They are in CEL without its macros; a double is
    written with a point (85.0), and a variable that is absent makes a judgement fail, unless it is asked for behind
    something that is false (`evaluations > 1 && total_change < -10.0`)."""
    shown = [_variable(each, judged_on) for judged_on, all_of in VARIABLES.items() for each in all_of]
    rows = sorted((each.model_dump() for each in (*shown, _variable(FIGURE, None))), key=itemgetter("name"))
    behind = [row for row in rows if page.after is None or row["name"] > page.after]
    return listing(behind[: page.limit + 1], page, key=itemgetter("name"), item=VariableView)


def _variable(variable: Variable, judged_on: JudgedOn | None) -> VariableView:
    kinds: dict[Kind, str] = {"map": "map<string, double>"}
    return VariableView(
        name=variable.name,
        type=kinds.get(variable.kind, variable.kind),
        unit=variable.unit,
        meaning=variable.meaning,
        judged_on=judged_on,
    )


about_routes.add_api_route("/rule-failures", list_of(FAILURES), methods=["GET"], dependencies=[READ])

ROUTES = (routes, about_routes)
