"""What the evaluation of partners is judged on, read from this service's views as of a position of its log.

The log is the serialisation: a period's reports are those with a position before its PeriodClosed, whatever has been
recorded since. So everything read here is the same whenever it is read, and however often. The tables are one view,
written with the append; while a new version of it takes over it may be behind, and is waited for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

# Facts are projected in their order: where one is seen, so are all before it.
CLOSING = """
select seen, closing.*
from (
    select exists (select 1 from observations where position = $2)
        or exists (select 1 from evaluation_rounds where opened_at = $2)
        or exists (select 1 from periods where closed_at = $2) as seen
) fact
left join (
    select p.period, p.closed_at, p.closed_by, p.rounds, s.code, s.version, s.lines, s.bands, s.minimum_cohort
    from periods p join scorecards s on s.code = p.scorecard and s.version = p.scorecard_version
    where p.period = $1 and p.closed_at <= $2
) closing on true
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
    """A closed period: by which scorecard, by the event `closed_by` at which position, in how many rounds."""

    period: str
    card: ScorecardTerms
    closed_at: int
    closed_by: UUID
    rounds: int | None = None

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


async def closing_at(db: Rows, period: str, position: int) -> Closing | None:
    """The period's close as of the fact at this position; None while it is open. Raises ViewBehind."""
    row = await db.fetchrow(CLOSING, period, position)
    if not row["seen"]:
        raise ViewBehind(f"the view has not reached position {position}")
    if row["period"] is None:
        return None
    lines, bands = LINES.validate_json(row["lines"]), BANDS.validate_json(row["bands"])
    card = ScorecardTerms(row["code"], row["version"], lines, bands, row["minimum_cohort"])
    return Closing(row["period"], card, row["closed_at"], row["closed_by"], row["rounds"])


async def gather(db: Rows, fact: Fact[Any], cohorts: Cohorts) -> Gathered:
    match fact.event:
        case PeriodClosed() | EvaluationRoundOpened() | KPIReported() | KPIRestated():
            closing = await closing_at(db, fact.event.period, fact.position)
        case _:
            return None
    if closing is None:
        return None
    match fact.event:
        case EvaluationRoundOpened(number=number, of=of):
            return await a_round(db, closing, cohorts, fact.position, *ids_of(number, of))
        case KPIReported(partner_id=partner_id, metric=metric) | KPIRestated(partner_id=partner_id, metric=metric):
            return await late(db, closing, cohorts, partner_id, fact.position) if metric in closing.metrics else None
        case _:
            return await round_size(db, closing)


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


async def late(db: Rows, closing: Closing, cohorts: Cohorts, partner_id: UUID, position: int) -> Late | None:
    """None where the partner's round was opened later, or is to come: it takes in what is there by then. The log is
    read up to where it is final, so a round that is not seen here has a position behind this one."""
    if closing.rounds is None:
        return None
    opened_at = await db.fetchval(
        "select opened_at from evaluation_rounds where period = $1 and number = $2",
        closing.period,
        round_of(partner_id, closing.rounds),
    )
    if opened_at is None or opened_at > position:
        return None
    found = await observed(db, closing, position + 1, partner_id, partner_id)
    return Late(closing, await cohorts.of(db, closing), found[partner_id])
