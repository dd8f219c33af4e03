"""Runs a proposed scorecard over periods that are closed: reads, and writes nothing into the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any
from uuid import UUID

from engine import Rows
from events.periods import first_day, last_day
from pydantic import BaseModel, ConfigDict
from service import Job, Running

from performance.domain.card import Content, ScorecardTerms, terms_of
from performance.domain.metric import Code, MetricTerms
from performance.domain.period import ids_of
from performance.domain.replay import BandChange, Held, Money, Outcome, Sum, changes, with_sales
from performance.observed import COHORT_PART, ROUND_SIZE, Closing, observed, segments

CLOSED = """
select period, closed_at, closed_by, coalesce(rounds, 1) as rounds from periods
where scorecard = $1 and evaluated order by period
"""
LAST_CLOSED = """
select period, closed_at, closed_by, coalesce(rounds, 1) as rounds from periods
where scorecard = $1 and evaluated order by closed_on desc, closed_at desc limit 1
"""
HELD = """
select partner_id, total, band from evaluations where period = $1 and scorecard = $2 and partner_id between $3 and $4
"""
SOLD = """
select partner_id, currency, sum(amount) as amount from sales
where partner_id = any ($1) and sold_on between $2 and $3 group by partner_id, currency order by partner_id, currency
"""
NOW = 2**62
"""Behind every position."""


class Proposal(BaseModel):
    """What is asked: a scorecard that is not published, with the terms of its metrics."""

    model_config = ConfigDict(frozen=True)
    code: Code
    content: Content
    metrics: dict[str, MetricTerms]

    @property
    def card(self) -> ScorecardTerms:
        return terms_of(self.code, 0, self.content, self.metrics)


async def found_in(db: Rows, card: ScorecardTerms, period: Any, summed: Sum, part: int, of: int) -> list[BandChange]:
    """Who would be in another band in a part of the partners of a closed period, with their sales."""
    closing = Closing(period["period"], card, period["closed_at"], period["closed_by"])
    ids = ids_of(part, of)
    rows = await db.fetch(HELD, closing.period, card.code, *ids)
    held = {row["partner_id"]: Held(row["total"], row["band"]) for row in rows}
    seen = await observed(db, closing, NOW, *ids)
    found = list(changes(closing.period, closing.scorings, seen, await segments(db, closing, *ids), held))
    found = with_sales(found, await sold(db, closing.period, [each.partner_id for each in found]))
    summed.evaluations += len(held.keys() | seen.keys())
    summed.add(found)
    return found


async def sold(db: Rows, period: str, partners: Iterable[UUID]) -> dict[UUID, list[Money]]:
    made: defaultdict[UUID, list[Money]] = defaultdict(list)
    for row in await db.fetch(SOLD, list(partners), first_day(period), last_day(period)):
        made[row["partner_id"]].append(Money(amount=row["amount"], currency=row["currency"]))
    return made


def parts_of(period: Any) -> int:
    """A period is read part by part, each of which is a fraction of a second."""
    return int(-(-period["rounds"] * ROUND_SIZE // COHORT_PART))


async def last_period(db: Rows, card: ScorecardTerms) -> AsyncIterator[tuple[str, Sum, list[BandChange]]]:
    """The period that was closed last by this scorecard, part by part, with the sum so far; nothing where there is
    none."""
    summed = Sum(periods=1)
    period = await db.fetchrow(LAST_CLOSED, card.code)
    if period is not None:
        of = parts_of(period)
        for part in range(1, of + 1):
            yield period["period"], summed, await found_in(db, card, period, summed, part, of)


async def replay(running: Running, asked: Proposal) -> Outcome:
    """Every period that was evaluated by this scorecard, in whichever version, on the reports as they hold now."""
    card, summed = asked.card, Sum()
    periods = await running.db.fetch(CLOSED, card.code)
    parts = [(period, part, of) for period in periods for of in (parts_of(period),) for part in range(1, of + 1)]
    summed.periods = len(periods)
    for done, (period, part, of) in enumerate(parts):
        await running.progress(done, len(parts))
        await running.tell(await found_in(running.db, card, period, summed, part, of))
    await running.progress(len(parts), len(parts))
    return summed.outcome()


REPLAYS = Job("replay", Proposal, Outcome, BandChange, replay)
