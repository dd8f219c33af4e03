"""Back-tests as jobs: `POST /back-tests`, and then the job is asked how far it is. A rule is replayed over all that was
heard of all partners, on profiles that nobody keeps; of the job there is a row beside the log, and nothing in it.

A job belongs to the process that began it. One whose process died says so once it has not been heard of for a while,
and is begun anew by whoever wants it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import structlog
from engine import Command, Rejected, Unknown
from engine.runtime import Engine
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from service import By, Invalid, Listing, NewId, Page, Read, listing, scope
from starlette.requests import Request

from risk.domain.backtest import Raised, measured
from risk.domain.evaluation import Evaluation
from risk.domain.rule import Rule, RuleTerms, next_version, rule_id, rules
from risk.domain.words import Code
from risk.gathering import OF_SALES, sales, within
from risk.heard import Heard
from risk.reading import everybody
from risk.replay import Replay

log = structlog.get_logger()

READ, WRITE = scope("risk:read"), scope("risk:write")
SCHEMA = """
create table if not exists back_test (
    id         uuid primary key,
    rule       text not null,
    asked      json not null,
    status     text not null check (status in ('running', 'done', 'failed')),
    created_by text not null,
    created_at timestamptz not null default clock_timestamp(),
    partners   integer,
    replayed   integer not null default 0,
    result     json,
    failure    text,
    heard_of   timestamptz not null default clock_timestamp(),
    ended_at   timestamptz
);
"""
SILENCE = timedelta(seconds=60)
MOST_SHOWN = 50

routes = APIRouter(prefix="/back-tests", tags=["back-tests"])


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


class FalseAlarm(BaseModel):
    partner_id: UUID
    at: AwareDatetime
    explanation: str


class Result(BaseModel):
    """`false_alarms_shown` are at most 50. `could_not_judge` counts the partners that the rule failed for."""

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
    false_alarms_shown: list[FalseAlarm]


class BackTestView(BaseModel):
    """`partners` null: not counted yet."""

    back_test_id: UUID
    rule: str
    asked: Asked
    status: Literal["running", "done", "failed"]
    partners: int | None
    replayed: int
    created_by: str
    created_at: AwareDatetime
    ended_at: AwareDatetime | None
    failure: str | None
    result: Result | None


def shown(row: Any) -> BackTestView:
    return BackTestView(
        back_test_id=row["id"],
        asked=Asked.model_validate_json(row["asked"]),
        result=None if row["result"] is None else Result.model_validate_json(row["result"]),
        **{name: row[name] for name in BackTestView.model_fields if name not in ("back_test_id", "asked", "result")},
    )


@routes.post("", status_code=202, dependencies=[WRITE])
async def begin_back_test(body: Asked, back_test_id: NewId, by: By, db: Read, request: Request) -> BackTestView:
    """Replays a rule over the whole of history, and measures it against what came of the partners. Nothing of that is
    left in the history. The answer says how to ask how far it is."""
    if (body.outcome.kind == "band") != (body.outcome.band is not None):
        raise Rejected("risk.outcome_band", kind=body.outcome.kind)
    rule: Rule = (await db.load(rules, rule_id(body.rule))).state
    if rule.code is None:
        raise Unknown("risk.rule_unknown", rule=body.rule)
    terms = rule.terms
    if body.version == "drafted":
        terms = None if rule.draft is None else next_version(rule, body.rule, rule.draft)
    if terms is None:
        raise Rejected("risk.no_such_version", rule=body.rule, rule_version=body.version)
    engine: Engine = request.app.state.engine
    async with engine.acquire() as connection:
        begun = await connection.fetchval(
            "insert into back_test (id, rule, asked, status, created_by) values ($1, $2, $3, 'running', $4)"
            " on conflict (id) do nothing returning id",
            back_test_id,
            body.rule,
            body.model_dump_json().encode(),
            by[0],
        )
    if begun is not None:
        engine.background(f"back-test {back_test_id}", run(engine, back_test_id, terms, body))
    return await read_back_test(back_test_id, db)


@routes.get("", dependencies=[READ])
async def list_back_tests(page: Page, db: Read) -> Listing[BackTestView]:
    """The back-tests, a page at a time."""
    try:
        after = UUID(page.after or str(UUID(int=0)))
    except ValueError:
        raise Invalid("after", "cursor", "is not a `next` that this list handed out") from None
    rows = await db.fetch("select * from back_test where id > $1 order by id limit $2", after, page.limit + 1)
    made = [shown(await told(row)).model_dump() for row in rows]
    return listing(made, page, key=lambda row: str(row["back_test_id"]), item=BackTestView)


@routes.get("/{back_test_id}", dependencies=[READ])
async def read_back_test(back_test_id: UUID, db: Read) -> BackTestView:
    """How far it is, and what it came to."""
    row = await db.fetchrow("select * from back_test where id = $1", back_test_id)
    if row is None:
        raise Unknown("risk.back_test_unknown", back_test_id=back_test_id)
    return shown(await told(row))


async def told(row: Any) -> dict[str, Any]:
    """With what is to be said of one whose process is gone."""
    told = dict(row)
    if told["status"] == "running" and datetime.now(told["heard_of"].tzinfo) - told["heard_of"] > SILENCE:
        told |= {"status": "failed", "failure": "The process that ran it is gone. Begin it anew."}
    return told


# -- the work


async def run(engine: Engine, id: UUID, terms: RuleTerms, asked: Asked) -> None:
    """A failure is the job's, and the process goes on."""
    try:
        result = await replayed(engine, id, terms, asked)
        ending: tuple[str, bytes | None, str | None] = ("done", result.model_dump_json().encode(), None)
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked for it is told
        log.warning("back_test_failed", back_test=str(id), error=repr(error))
        ending = ("failed", None, f"{type(error).__name__}: {error}"[:500])
    async with engine.acquire() as db:
        await db.execute(
            "update back_test set status = $2, result = $3, failure = $4, ended_at = clock_timestamp() where id = $1",
            id,
            *ending,
        )


async def replayed(engine: Engine, id: UUID, terms: RuleTerms, asked: Asked) -> Result:
    began, now = time.perf_counter(), engine.clock()
    replays: list[Replay] = []
    outcomes: dict[UUID, list[datetime]] = {}
    heard = 0
    async with engine.acquire() as db:
        partners = await db.fetchval("select count(distinct partner_id)::int from heard")
        sold = await sales(db, now, terms.window_days) if terms.speaks_of & OF_SALES else {}
        if asked.outcome.kind == "suspended":
            for row in await db.fetch("select partner_id, imposed_at from restrictions where kind = 'suspension'"):
                outcomes.setdefault(row["partner_id"], []).append(row["imposed_at"])

        def work(some: dict[UUID, list[Heard]]) -> list[Replay]:
            return [Replay(terms, id, within(sold, id)).run(each, now) for id, each in some.items()]

        async for some in everybody(db):
            replays += await asyncio.to_thread(work, some)
            for partner_id, each in some.items():
                heard += len(each)
                if found := [one.at for one in each if is_outcome(one, asked.outcome)]:
                    outcomes.setdefault(partner_id, []).extend(found)
            await _progress(engine, id, partners, len(replays))
    alarms = [alarm for replay in replays for alarm in replay.alarms.values()]
    horizon = timedelta(days=asked.horizon_days)
    found_out = measured([Raised(alarm.partner_id, alarm.at) for alarm in alarms], outcomes, horizon, now)
    false = [
        alarm
        for alarm in alarms
        if alarm.at + horizon <= now
        and not any(alarm.at < end <= alarm.at + horizon for end in outcomes.get(alarm.partner_id, ()))
    ]
    broken = [replay for replay in replays if replay.failures]
    return Result(
        rule_version=terms.version,
        until=now,
        partners=len(replays),
        heard=heard,
        **vars(found_out),
        suspensions=sum(replay.suspensions for replay in replays),
        could_not_judge=len(broken),
        error=broken[0].error if broken else None,
        seconds=Decimal(str(round(time.perf_counter() - began, 3))),
        false_alarms_shown=[
            FalseAlarm(partner_id=alarm.partner_id, at=alarm.at, explanation=alarm.explanation)
            for alarm in sorted(false, key=lambda alarm: alarm.at)[:MOST_SHOWN]
        ],
    )


def is_outcome(heard: Heard, outcome: Outcome) -> bool:
    if outcome.kind == "band":
        return isinstance(heard.what, Evaluation) and heard.what.band == outcome.band
    return heard.outcome == outcome.kind


async def _progress(engine: Engine, id: UUID, partners: int, replayed: int) -> None:
    async with engine.acquire() as db:
        await db.execute(
            "update back_test set partners = $2, replayed = $3, heard_of = clock_timestamp() where id = $1",
            id,
            partners,
            replayed,
        )


ROUTES = (routes,)
