"""Who reads what for which fact of the evaluation policy, a batch of facts at a time.

The tables that are read are one view, written with the append. While a new version of it takes over it may be behind,
and is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from engine import Fact, Rows
from events.performance import KPIReported, KPIRestated, PeriodClosed

from performance.domain.card import NOWHERE, ScorecardTerms
from performance.domain.period import EvaluationRoundOpened, ids_of, round_of
from performance.observed import Closing, Cohorts, Late, Round, RoundSize, a_round, observed, round_size, segments
from performance.views import BANDS, LINES

# Facts are projected in their order: up to the last that is seen, all are.
REACH = """
select greatest((select max(position) from observations), (select max(closed_at) from periods),
                (select max(opened_at) from evaluation_rounds), 0)
"""

CLOSING = """
select p.period, p.closed_at, p.closed_by, s.code, s.version, s.lines, s.bands, s.minimum_cohort, s.programme
from periods p join scorecards s on s.code = p.scorecard and s.version = p.scorecard_version
where p.period = $1
"""

ROUNDS = """
select r.number, r.opened_at, p.rounds from evaluation_rounds r join periods p on p.period = r.period
where r.period = $1
"""


Gathered = RoundSize | Round | Late | None


class ViewBehind(TimeoutError):
    """The view does not have the fact yet. It passes by itself, so that the engine tries again."""


@dataclass(frozen=True)
class Rounds:
    """The rounds of a period that are opened: at which position, by number, out of how many."""

    of: int
    opened_at: Mapping[int, int]


@dataclass
class Batch:
    """What the facts of one batch have in common. All of them were final before the batch began, and so was all that
    is before them in the log: one look at the closed periods is enough for every one of them."""

    db: Rows
    reach: int
    closed_at: Mapping[str, int]
    closings: dict[str, Closing] = field(default_factory=dict)
    rounds: dict[str, Rounds | None] = field(default_factory=dict)

    @classmethod
    async def begin(cls, db: Rows) -> Batch:
        reach = await db.fetchval(REACH)
        rows = await db.fetch("select period, closed_at from periods")
        return cls(db, reach, {row["period"]: row["closed_at"] for row in rows})

    async def closing(self, period: str, position: int) -> Closing | None:
        """The period's close, if it is at or before the position."""
        closed_at = self.closed_at.get(period)
        if closed_at is None or closed_at > position:
            return None
        if period not in self.closings:
            row = await self.db.fetchrow(CLOSING, period)
            lines, bands = LINES.validate_json(row["lines"]), BANDS.validate_json(row["bands"])
            card = ScorecardTerms(row["code"], row["version"], lines, bands, row["minimum_cohort"], row["programme"])
            self.closings[period] = Closing(row["period"], card, row["closed_at"], row["closed_by"])
        return self.closings[period]

    async def rounds_of(self, period: str) -> Rounds | None:
        """None before the first is opened."""
        if period not in self.rounds:
            rows = await self.db.fetch(ROUNDS, period)
            opened_at = {row["number"]: row["opened_at"] for row in rows}
            self.rounds[period] = Rounds(rows[0]["rounds"], opened_at) if rows else None
        return self.rounds[period]


class Observing:
    """Gathers what the evaluation policy judges a fact by. One for each service: what it keeps is of one log."""

    def __init__(self) -> None:
        self._cohorts = Cohorts()
        self._batch: Batch | None = None

    async def __call__(self, db: Rows, fact: Fact[Any]) -> Gathered:
        """Raises ViewBehind, CohortUnfinished."""
        match fact.event:
            case PeriodClosed() | EvaluationRoundOpened() | KPIReported() | KPIRestated():
                batch = await self._of(db, fact)
                closing = await batch.closing(fact.event.period, fact.position)
            case _:
                return None
        if closing is None:
            return None
        match fact.event:
            case EvaluationRoundOpened(number=number, of=of):
                cohort = await self._cohorts.of(db, closing, of)
                return await a_round(db, closing, cohort, fact.position, *ids_of(number, of))
            case KPIReported(partner_id=partner_id) | KPIRestated(partner_id=partner_id):
                return await late(batch, closing, self._cohorts, partner_id, fact)
            case _:
                return await round_size(db, closing)

    async def _of(self, db: Rows, fact: Fact[Any]) -> Batch:
        batch = self._batch
        if batch is None or batch.db is not db or fact.position > batch.reach:
            batch = self._batch = await Batch.begin(db)
        if fact.position > batch.reach:
            raise ViewBehind(f"the view has reached {batch.reach}, not yet {fact.position}")
        return batch


async def late(
    batch: Batch, closing: Closing, cohorts: Cohorts, partner_id: UUID, fact: Fact[KPIReported | KPIRestated]
) -> Late | None:
    """None where the scorecard does not count the metric, and where the partner's round was opened later or is to come:
    it takes in what is there by then."""
    if fact.event.metric not in closing.metrics:
        return None
    rounds = await batch.rounds_of(closing.period)
    if rounds is None:
        return None
    opened_at = rounds.opened_at.get(round_of(partner_id, rounds.of))
    if opened_at is None or opened_at > fact.position:
        return None
    found = await observed(batch.db, closing, fact.position + 1, partner_id, partner_id)
    segment = (await segments(batch.db, closing, partner_id, partner_id)).get(partner_id, NOWHERE)
    return Late(closing, await cohorts.of(batch.db, closing, rounds.of), found[partner_id], segment)
