"""What the evaluation of partners is judged on, read from this service's views as of a position of its log.

The log is the serialisation: a period's reports are those with a position before its PeriodClosed, whatever has been
recorded since. So everything read here is the same whenever it is read, and however often. The tables are one view,
written with the append; while a new version of it takes over it may be behind, and is waited for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from engine import Fact, Rows
from events.performance import KPIReported, KPIRestated, PeriodClosed

from performance.domain.figures import Cohort, Observed, totals
from performance.domain.period import EvaluationRoundOpened, PartnerLife, begins, ends, ids_of, owes_report, round_of
from performance.domain.scorecard import ScorecardTerms
from performance.views import BANDS, LINES

ROUND_SIZE = 400
"""Partners whose evaluations one transaction appends: about a fifth of a second's work."""
KEPT_COHORTS = 8

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)

ByMetric = Mapping[str, Observed]

# Facts are projected in their order: up to the last that is seen, all are.
REACH = """
select greatest((select max(position) from observations), (select max(closed_at) from periods),
                (select max(opened_at) from evaluation_rounds), 0)
"""

CLOSING = """
select p.period, p.closed_at, p.closed_by, s.code, s.version, s.lines, s.bands, s.minimum_cohort
from periods p join scorecards s on s.code = p.scorecard and s.version = p.scorecard_version
where p.period = $1
"""

ROUNDS = """
select r.number, r.opened_at, p.rounds from evaluation_rounds r join periods p on p.period = r.period
where r.period = $1
"""

OBSERVED = """
select partner_id, metric, sum(value) as total, count(*) as observations,
       (array_agg(value order by occurred_at desc, reported_at desc))[1] as last
from observations
where period = $1 and metric = any ($2) and position < $3 and (superseded_at is null or superseded_at >= $3)
  and partner_id between $4 and $5
group by partner_id, metric
"""

LATE = """
select partner_id, array_agg(event_id order by position) as events
from observations
where period = $1 and metric = any ($2) and position > $3 and position < $4 and partner_id between $5 and $6
group by partner_id
"""

OWING = """
select p.partner_id, p.activated_at, p.terminated_at,
       array(select s.since from suspensions s where s.partner_id = p.partner_id order by s.version) as since,
       array(select s.until from suspensions s where s.partner_id = p.partner_id order by s.version) as until
from known_partners p
where p.activated_at <= $1 and (p.terminated_at is null or p.terminated_at >= $2) and p.partner_id between $3 and $4
"""


@dataclass(frozen=True)
class Closing:
    """A closed period: by which scorecard, by the event `closed_by` at which position."""

    period: str
    card: ScorecardTerms
    closed_at: int
    closed_by: UUID

    @property
    def metrics(self) -> list[str]:
        return [line.metric for line in self.card.lines]


@dataclass(frozen=True)
class RoundSize:
    """How many rounds the evaluation of a period takes."""

    rounds: int


@dataclass(frozen=True)
class Round:
    """The partners of one round: what was observed of them when the period closed, which of their reports were
    missing, and what came between the close and the round (`late`: the events, and what is observed with them)."""

    closing: Closing
    cohort: Cohort
    observed: Mapping[UUID, ByMetric]
    missing: Mapping[UUID, tuple[str, ...]]
    late: Mapping[UUID, tuple[tuple[UUID, ...], ByMetric]]


@dataclass(frozen=True)
class Late:
    """A report that came, or was corrected, after its partner was evaluated, and what is observed with it."""

    closing: Closing
    cohort: Cohort
    observed: ByMetric


Gathered = RoundSize | Round | Late | None


class ViewBehind(TimeoutError):
    """The view does not have the fact yet. It passes by itself, so that the engine tries again."""


class Cohorts:
    """Cohorts of closed periods. They never change, so the last few are kept by the event that closed the period."""

    def __init__(self, kept: int = KEPT_COHORTS) -> None:
        self._kept = kept
        self._cohorts: OrderedDict[UUID, Cohort] = OrderedDict()

    async def of(self, db: Rows, closing: Closing) -> Cohort:
        cohort = self._cohorts.pop(closing.closed_by, None)
        if cohort is None:
            found = await observed(db, closing, closing.closed_at)
            cohort = Cohort.of(totals(closing.card, found.items()))
        self._cohorts[closing.closed_by] = cohort
        if len(self._cohorts) > self._kept:
            self._cohorts.popitem(last=False)
        return cohort


async def observed(
    db: Rows, closing: Closing, before: int, first: UUID = FIRST_ID, last: UUID = LAST_ID
) -> dict[UUID, dict[str, Observed]]:
    """Of the partners from the first to the last id, what had been recorded before a position."""
    found: dict[UUID, dict[str, Observed]] = {}
    for row in await db.fetch(OBSERVED, closing.period, closing.metrics, before, first, last):
        of_partner = found.setdefault(row["partner_id"], {})
        of_partner[row["metric"]] = Observed(row["total"], row["observations"], row["last"])
    return found


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
            card = ScorecardTerms(row["code"], row["version"], lines, bands, row["minimum_cohort"])
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
        """Raises ViewBehind."""
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
                return await a_round(db, closing, self._cohorts, fact.position, *ids_of(number, of))
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


async def round_size(db: Rows, closing: Closing) -> RoundSize:
    partners = await db.fetchval(
        "select count(distinct partner_id) from observations where period = $1 and position < $2",
        closing.period,
        closing.closed_at,
    )
    if await due(db, closing):
        partners += await db.fetchval(
            "select count(*) from known_partners where activated_at <= $1", begins(closing.period)
        )
    return RoundSize(max(1, -(-partners // ROUND_SIZE)))


async def due(db: Rows, closing: Closing) -> list[str]:
    """The scorecard's metrics whose reports are due every period."""
    rows = await db.fetch(
        "select code from metrics where code = any ($1) and due = 'every_period' order by code", closing.metrics
    )
    return [row["code"] for row in rows]


async def a_round(db: Rows, closing: Closing, cohorts: Cohorts, opened_at: int, first: UUID, last: UUID) -> Round:
    present = await observed(db, closing, closing.closed_at, first, last)
    rows = await db.fetch(LATE, closing.period, closing.metrics, closing.closed_at, opened_at, first, last)
    with_late = await observed(db, closing, opened_at, first, last) if rows else {}
    return Round(
        closing,
        await cohorts.of(db, closing),
        present,
        await missing(db, closing, present, first, last),
        {row["partner_id"]: (tuple(row["events"]), with_late[row["partner_id"]]) for row in rows},
    )


async def missing(
    db: Rows, closing: Closing, present: Mapping[UUID, ByMetric], first: UUID, last: UUID
) -> dict[UUID, tuple[str, ...]]:
    metrics = await due(db, closing)
    if not metrics:
        return {}
    found: dict[UUID, tuple[str, ...]] = {}
    for row in await db.fetch(OWING, begins(closing.period), ends(closing.period), first, last):
        lacking = tuple(metric for metric in metrics if metric not in present.get(row["partner_id"], {}))
        if lacking and owes_report(closing.period, life(row)):
            found[row["partner_id"]] = lacking
    return found


def life(row: Mapping[str, Any]) -> PartnerLife:
    suspensions: Sequence[Any] = tuple(zip(row["since"], row["until"], strict=True))
    return PartnerLife(row["partner_id"], row["activated_at"], row["terminated_at"], suspensions)


async def late(
    batch: Batch, closing: Closing, cohorts: Cohorts, partner_id: UUID, fact: Fact[KPIReported | KPIRestated]
) -> Late | None:
    """None where the scorecard does not count the metric, and where the partner's round was opened later or is to come:
    it takes in what is there by then."""
    if fact.event.metric not in closing.metrics:
        return None
    rounds = await batch.rounds_of(closing.period)
    opened_at = None if rounds is None else rounds.opened_at.get(round_of(partner_id, rounds.of))
    if opened_at is None or opened_at > fact.position:
        return None
    found = await observed(batch.db, closing, fact.position + 1, partner_id, partner_id)
    return Late(closing, await cohorts.of(batch.db, closing), found[partner_id])
