"""Why an evaluation is what it is: the reports behind it, the scorecard and the close that it was judged by, how it was
restated, and the events that led to it, one by one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from events.performance import EvaluationRestated, FigureChange, PartnerEvaluated
from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from service import NOW, Read, own, scope

from performance.api.evaluations import EVALUATIONS, EvaluationView
from performance.domain.evaluation import evaluations
from performance.domain.period import Period
from performance.domain.scorecard import ScorecardDefined, scorecard_id, scorecards

READ = scope("performance:read")

router = APIRouter(prefix="/evaluations/{partner_id}/{period}", tags=["evaluations"])

MOST_REPORTS = 500
LONGEST_CHAIN = 20

REPORTS = """
select o.event_id, o.report_id, o.metric, o.value, o.denominator, o.source, o.source_ref, o.occurred_at, o.position,
       case when p.closed_at is null or o.position < p.closed_at then 'at_close' else 'late' end as came,
       o.superseded_at is null as holds
from observations o left join periods p on p.period = o.period
where o.partner_id = $1 and o.period = $2 and o.metric = any ($3) order by o.position limit $4
"""
COUNT = "select count(*) from observations where partner_id = $1 and period = $2 and metric = any ($3)"
CARD = """
select id as event_id, position, occurred_at from event where stream = $1 and type = $2 and data ->> 'version' = $3
"""
CLOSED = """
select e.id as event_id, e.position, e.occurred_at from periods p join event e on e.id = p.closed_by where p.period = $1
"""
TOLD = """
select id as event_id, type, position, occurred_at, causation_id, data from event
where stream = $1 and data ->> 'period' = $2 and type = any ($3) order by position
"""
LINK = "select id as event_id, type, stream, position, occurred_at, recorded_at, causation_id from event where id = $1"


class Report(BaseModel):
    """A value that a report has or had: `holds`, or was corrected since. `came` before the close (`at_close`), or
    late."""

    event_id: UUID
    report_id: UUID
    metric: str
    value: Decimal
    denominator: Decimal | None
    source: str
    source_ref: str
    occurred_at: AwareDatetime
    position: int
    came: Literal["at_close", "late"]
    holds: bool


class Event(BaseModel):
    event_id: UUID
    position: int
    occurred_at: AwareDatetime


class CardBehind(BaseModel):
    """`published` is the event of this version."""

    code: str
    version: int
    tier: str | None
    area: str | None
    published: Event | None


class Telling(Event):
    """The evaluation as it was first told, and each restatement, with what it changed and because of which reports."""

    type: str
    total: Decimal
    band: str
    changes: tuple[FigureChange, ...]
    because: tuple[UUID, ...]


class Link(Event):
    """An event of the chain; `causation_id` is the one that led to it, null where a caller did."""

    type: str
    stream: str
    recorded_at: AwareDatetime
    causation_id: UUID | None


class Why(BaseModel):
    evaluation: EvaluationView
    scorecard: CardBehind
    closed: Event | None
    reports: list[Report] = Field(description=f"The first {MOST_REPORTS} in the order in which they came.")
    reports_in_all: int
    told: list[Telling] = Field(description="How it was told, the last one as it holds.")
    chain: list[Link] = Field(description="From the event that it is from now back to what a caller did.")


class Data(BaseModel):
    """What is read of an evaluation's event."""

    total: Decimal
    band: str
    changes: tuple[FigureChange, ...] = ()
    because: tuple[UUID, ...] = ()


DATA = TypeAdapter(Data)


@router.get("/why", dependencies=[READ, own("partner_id", reads=["event", "periods"])])
async def why(partner_id: UUID, period: Period, db: Read) -> Why:
    """Everything that the evaluation rests on, by event."""
    found = await db.one(EVALUATIONS, NOW, of=partner_id, partner_id=partner_id, period=period)
    metrics = [score.metric for score in found.scores]
    reports = await db.fetch(REPORTS, partner_id, period, metrics, MOST_REPORTS)
    types = [PartnerEvaluated.event_type, EvaluationRestated.event_type]
    told = await db.fetch(TOLD, evaluations.stream(partner_id), period, types)
    return Why(
        evaluation=found,
        scorecard=await card_behind(db, found),
        closed=event(await db.fetchrow(CLOSED, period)),
        reports=[Report(**row) for row in reports],
        reports_in_all=await db.fetchval(COUNT, partner_id, period, metrics),
        told=[telling(row) for row in told],
        chain=await chain(db, found.event_id),
    )


async def card_behind(db: Read, found: EvaluationView) -> CardBehind:
    stream, version = scorecards.stream(scorecard_id(found.scorecard)), str(found.scorecard_version)
    published = await db.fetchrow(CARD, stream, ScorecardDefined.event_type, version)
    return CardBehind(
        code=found.scorecard,
        version=found.scorecard_version,
        tier=found.tier,
        area=found.area,
        published=event(published),
    )


def event(row: Any) -> Event | None:
    return None if row is None else Event(**row)


def telling(row: Any) -> Telling:
    data = DATA.validate_json(row["data"])
    named = {name: row[name] for name in ("event_id", "type", "position", "occurred_at")}
    return Telling(**named, **dict(data))


async def chain(db: Read, event_id: UUID) -> list[Link]:
    """Hop by hop: an evaluation is a few events from a caller."""
    found: list[Link] = []
    next_id: UUID | None = event_id
    while next_id is not None and len(found) < LONGEST_CHAIN:
        row = await db.fetchrow(LINK, next_id)
        if row is None:
            break
        found.append(Link(**row))
        next_id = found[-1].causation_id
    return found
