"""What the evaluation of partners is judged on, read from this service's views as of a position of its log.

The log is the serialisation: a period's reports are those with a position before its PeriodClosed, whatever has been
recorded since. So what is read of them is the same whenever it is read, and however often.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from time import monotonic
from typing import Any
from uuid import UUID

from engine import Rows

from performance.domain.card import NOWHERE, ScorecardTerms, Segment
from performance.domain.figures import Cohort, Observed, Scorings, Segments, totals
from performance.domain.period import PartnerLife, begins, ends, ids_of, owes_report

ROUND_SIZE = 200
"""Partners whose evaluations one transaction appends: about 0.1 s of work. The engine ends a transaction after 2 s, and
a round cannot be divided, so that it must fit in there also where the machine is ten times too busy. A period with
100,000 partners takes 500 rounds, each as short as the rounds of a small one."""
COHORT_PART = 5_000
"""Partners whose totals are read at once for the cohort: about 0.1 s of work, and some 20 MB until they are totals."""
COUNTED_REPORTS = 60_000
"""Up to so many reports of a period its partners are counted: about 0.1 s of work."""
ESTIMATED_FROM = 64
"""The part of the ids that is counted otherwise: that of 100,000 partners with twelve reports each takes 0.04 s, and
tells their number within some 8 % (four standard deviations of a count of 1,560)."""
READ_SECONDS = 1.2
"""How long one transaction goes on with parts: the last has to end before the engine ends the transaction."""
KEPT_COHORTS = 8

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=(1 << 128) - 1)

ByMetric = Mapping[str, Observed]

OBSERVED = """
select partner_id, metric, sum(value) as total, count(*) as observations,
       (array_agg(value order by occurred_at desc, reported_at desc))[1] as last, sum(denominator) as base
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

MANY = "select exists (select from observations where period = $1 offset $2)"

PARTNERS = "select count(distinct partner_id) from observations where period = $1 and partner_id between $2 and $3"

DUE = """
select code from metrics
where code = any ($1) and due = 'every_period' and (due_since is null or due_since <= $2) order by code
"""

OWING = """
select p.partner_id, p.activated_at, p.terminated_at,
       array(select s.since from suspensions s where s.partner_id = p.partner_id order by s.version) as since,
       array(select s.until from suspensions s where s.partner_id = p.partner_id order by s.version) as until
from known_partners p
where p.activated_at <= $1 and (p.terminated_at is null or p.terminated_at >= $2) and p.partner_id between $3 and $4
"""


SEGMENTS = """
select p.partner_id, p.area,
       (select t.tier from partner_tiers t
        where t.partner_id = p.partner_id and t.since < $1 and ($4::text is null or t.programme = $4)
        order by t.since desc, t.version desc limit 1) as tier
from known_partners p where p.partner_id between $2 and $3
"""


@dataclass(frozen=True)
class Closing:
    """A closed period: by which scorecard, by the event `closed_by` at which position."""

    period: str
    card: ScorecardTerms
    closed_at: int
    closed_by: UUID

    @cached_property
    def metrics(self) -> list[str]:
        return [line.metric for line in self.card.lines]

    @cached_property
    def scorings(self) -> Scorings:
        return Scorings(self.card)


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
    segments: Segments = field(default_factory=dict)


@dataclass(frozen=True)
class Late:
    """A report that came, or was corrected, after its partner was evaluated, and what is observed with it."""

    closing: Closing
    cohort: Cohort
    observed: ByMetric
    segment: Segment = NOWHERE


class CohortUnfinished(TimeoutError):
    """Parts of the cohort are still to be read. It passes by itself: the engine tries again, in a new transaction."""


class Cohorts:
    """Cohorts of closed periods. They never change, so the last few are kept by the event that closed the period, and
    a large one is read part by part: where a transaction ends too soon, the next goes on with the parts to come."""

    def __init__(self, kept: int = KEPT_COHORTS, now: Callable[[], float] = monotonic) -> None:
        self._kept = kept
        self._now = now
        self._parts: dict[UUID, dict[int, dict[UUID, Decimal]]] = {}
        self._cohorts: OrderedDict[UUID, Cohort] = OrderedDict()

    async def of(self, db: Rows, closing: Closing, rounds: int) -> Cohort:
        """Raises CohortUnfinished."""
        cohort = self._cohorts.pop(closing.closed_by, None) or await self._read(db, closing, rounds)
        self._cohorts[closing.closed_by] = cohort
        if len(self._cohorts) > self._kept:
            self._cohorts.popitem(last=False)
        return cohort

    async def _read(self, db: Rows, closing: Closing, rounds: int) -> Cohort:
        parts = self._parts.setdefault(closing.closed_by, {})
        of = -(-rounds * ROUND_SIZE // COHORT_PART)
        until = self._now() + READ_SECONDS
        for number in range(1, of + 1):
            if number not in parts:
                if self._now() > until:
                    raise CohortUnfinished(f"{len(parts)} of {of} parts of the cohort of {closing.period} are read")
                ids = ids_of(number, of)
                found = await observed(db, closing, closing.closed_at, *ids)
                parts[number] = totals(closing.card, found.items(), await segments(db, closing, *ids))
        self._parts.pop(closing.closed_by, None)
        return Cohort.of({partner_id: total for part in parts.values() for partner_id, total in part.items()})


async def observed(
    db: Rows, closing: Closing, before: int, first: UUID = FIRST_ID, last: UUID = LAST_ID
) -> dict[UUID, dict[str, Observed]]:
    """Of the partners from the first to the last id, what had been recorded before a position."""
    found: defaultdict[UUID, dict[str, Observed]] = defaultdict(dict)
    rows = await db.fetch(OBSERVED, closing.period, closing.metrics, before, first, last)
    for partner_id, metric, total, observations, newest, base in rows:
        found[partner_id][metric] = Observed(total, observations, newest, base)
    return dict(found)


async def segments(db: Rows, closing: Closing, first: UUID = FIRST_ID, last: UUID = LAST_ID) -> Segments:
    """Where the scorecard has targets by tier or area: in which area the partners are, and which tier they had in its
    programme when the period was over, by what has been heard of them by now."""
    if not closing.card.segmented:
        return {}
    rows = await db.fetch(SEGMENTS, ends(closing.period), first, last, closing.card.programme)
    return {row["partner_id"]: Segment(row["tier"], row["area"]) for row in rows}


async def round_size(db: Rows, closing: Closing) -> RoundSize:
    """By the number of partners with reports, also of those that came since. Where there are very many it is estimated
    from a part of the ids, over which partners are spread evenly: to count all would outlast a transaction."""
    many = await db.fetchval(MANY, closing.period, COUNTED_REPORTS)
    parts = ESTIMATED_FROM if many else 1
    partners = parts * await db.fetchval(PARTNERS, closing.period, *ids_of(1, parts))
    if await due(db, closing):
        partners += await db.fetchval(
            "select count(*) from known_partners where activated_at <= $1", begins(closing.period)
        )
    return RoundSize(max(1, -(-partners // ROUND_SIZE)))


async def due(db: Rows, closing: Closing) -> list[str]:
    """The scorecard's metrics whose reports are due every period, by now; those that were there when it began."""
    rows = await db.fetch(DUE, closing.metrics, begins(closing.period))
    return [row["code"] for row in rows]


async def a_round(db: Rows, closing: Closing, cohort: Cohort, opened_at: int, first: UUID, last: UUID) -> Round:
    present = await observed(db, closing, closing.closed_at, first, last)
    rows = await db.fetch(LATE, closing.period, closing.metrics, closing.closed_at, opened_at, first, last)
    with_late = await observed(db, closing, opened_at, first, last) if rows else {}
    return Round(
        closing,
        cohort,
        present,
        await missing(db, closing, present, first, last),
        {row["partner_id"]: (tuple(row["events"]), with_late[row["partner_id"]]) for row in rows},
        await segments(db, closing, first, last),
    )


async def missing(
    db: Rows, closing: Closing, present: Mapping[UUID, ByMetric], first: UUID, last: UUID
) -> dict[UUID, tuple[str, ...]]:
    """Of whose reports were due, by what has been heard of partners by now."""
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
