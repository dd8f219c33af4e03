"""Back-tests: `POST /back-tests`, answered by and by. A rule is replayed over all that was heard of all partners, on
profiles that nobody keeps, and measured against what came of them. Nothing of it is left in the history."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from engine import Command, Rejected, Unknown
from engine.drafts import next_version
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from service import By, Job, JobStatus, NewId, Read, Running, begin, job_routes, scope
from starlette.requests import Request

from risk.domain.backtest import Raised, came_true, measured
from risk.domain.evaluation import Evaluation
from risk.domain.rule import Rule, RuleTerms, rule_id, rules
from risk.domain.words import Code
from risk.gathering import OF_SALES, sales, within
from risk.heard import Heard
from risk.reading import everybody
from risk.replay import Replay

READ, WRITE = scope("risk:read"), scope("risk:write")
PATH = "/back-tests"

routes = APIRouter(prefix=PATH, tags=["back-tests"])


class Outcome(BaseModel):
    """What the rule should have warned of: a contract terminated, a breach noticed, a cure lapsed, a suspension (as it
    was imposed by whatever rule or person), or a later evaluation in the band that is named."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["terminated", "breach_noticed", "cure_lapsed", "suspended", "band"]
    band: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")] | None = None


class Asked(Command):
    """`version`: the one in force, or the draft."""

    rule: Code
    version: Literal["published", "drafted"] = "published"
    outcome: Outcome
    horizon_days: Annotated[int, Field(ge=1, le=3660)] = 365


class Question(Asked):
    """What was asked, by whom, and the rule as it was then."""

    terms: RuleTerms
    asked_by: str


class FalseAlarm(BaseModel):
    partner_id: UUID
    at: AwareDatetime
    explanation: str


class Result(BaseModel):
    """`could_not_judge` counts the partners that the rule failed for. The false alarms are the job's lines."""

    rule_version: int
    until: AwareDatetime
    partners: int
    heard: int
    alarms: int
    true_alarms: int
    false_alarms: int
    undecided: int
    outcomes: int
    foreseen: int
    precision: Decimal | None
    recall: Decimal | None
    lead_days: Decimal | None = Field(description="The median.")
    shortest_lead_days: int | None
    suspensions: int = Field(description="How often the rule would have suspended.")
    could_not_judge: int
    error: str | None = Field(description="Why, of the first.")
    seconds: Decimal


@routes.post("", status_code=202, dependencies=[WRITE])
async def begin_back_test(
    body: Asked, job_id: NewId, by: By, db: Read, request: Request
) -> JobStatus[Question, Result]:
    """Replays a rule over the whole of history, and measures it against what came of the partners. It answers with a
    job, and leaves nothing in any history."""
    if (body.outcome.kind == "band") != (body.outcome.band is not None):
        raise Rejected("risk.outcome_band", kind=body.outcome.kind)
    rule: Rule = (await db.load(rules, rule_id(body.rule))).state
    if rule.code is None:
        raise Unknown("risk.rule_unknown", rule=body.rule)
    terms = rule.terms
    if body.version == "drafted":
        terms = None if rule.draft is None else next_version(RuleTerms, rule.draft, rule.terms, code=body.rule)
    if terms is None:
        raise Rejected("risk.no_such_version", rule=body.rule, rule_version=body.version)
    question = Question(**dict(body), terms=terms, asked_by=by[0])
    return await begin(request, BACK_TESTS, PATH, job_id, question)


# -- the work


async def back_test(running: Running, asked: Question) -> Result:
    began, now = time.perf_counter(), running.engine.clock()
    db, terms, horizon = running.db, asked.terms, timedelta(days=asked.horizon_days)
    partners = await db.fetchval("select count(distinct partner_id)::int from heard")
    sold = await sales(db, now, terms.window_days) if terms.speaks_of & OF_SALES else {}
    outcomes: dict[UUID, list[datetime]] = {}
    if asked.outcome.kind == "suspended":
        for row in await db.fetch("select partner_id, imposed_at from restrictions where kind = 'suspension'"):
            outcomes.setdefault(row["partner_id"], []).append(row["imposed_at"])

    def work(some: dict[UUID, list[Heard]]) -> list[Replay]:
        return [Replay(terms, id, within(sold, id)).run(each, now) for id, each in some.items()]

    replays: list[Replay] = []
    heard = 0
    await running.progress(0, partners)
    async for some in everybody(db):
        done = await asyncio.to_thread(work, some)
        for partner_id, each in some.items():
            heard += len(each)
            if found := [one.at for one in each if is_outcome(one, asked.outcome)]:
                outcomes.setdefault(partner_id, []).extend(found)
        await running.tell(false_alarms(done, outcomes, horizon, now))
        replays += done
        await running.progress(len(replays), max(partners, len(replays)))
    alarms = [Raised(alarm.partner_id, alarm.at) for replay in replays for alarm in replay.alarms.values()]
    broken = [replay for replay in replays if replay.failures]
    return Result(
        rule_version=terms.version,
        until=now,
        partners=len(replays),
        heard=heard,
        **vars(measured(alarms, outcomes, horizon, now)),
        suspensions=sum(replay.suspensions for replay in replays),
        could_not_judge=len(broken),
        error=broken[0].error if broken else None,
        seconds=Decimal(str(round(time.perf_counter() - began, 3))),
    )


def false_alarms(
    replays: list[Replay], outcomes: dict[UUID, list[datetime]], horizon: timedelta, until: datetime
) -> list[FalseAlarm]:
    return [
        FalseAlarm(partner_id=alarm.partner_id, at=alarm.at, explanation=alarm.explanation)
        for replay in replays
        for alarm in replay.alarms.values()
        if came_true(alarm.at, outcomes.get(alarm.partner_id, ()), horizon, until) is False
    ]


def is_outcome(heard: Heard, outcome: Outcome) -> bool:
    if outcome.kind == "band":
        return isinstance(heard.what, Evaluation) and heard.what.band == outcome.band
    return heard.outcome == outcome.kind


BACK_TESTS = Job("back_test", Question, Result, FalseAlarm, back_test)
ROUTES = (routes, job_routes(BACK_TESTS, PATH, read=READ))
