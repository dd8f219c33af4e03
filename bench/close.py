"""Closing a period: every partner with reports is evaluated by a scorecard of twelve metrics, beside one statement of
SQL that makes the same table of the same rows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg

from bench.http import SERVICE, client
from bench.intake import METRICS, define
from bench.measure import Figure, Pairs, Spread, Target
from bench.process import Served, migrate, serving, token
from bench.rig import UNLIMITED, Rig

CHUNK = 2000
"""Partners whose reports are filled in by one transaction."""
LINES = [{"metric": m, "weight": 12 if m == METRICS[0] else 8, "floor": 10, "target": 90} for m in METRICS]
BANDS = [
    {"name": "low", "lower": 0, "upper": 35},
    {"name": "fair", "lower": 35, "upper": 50},
    {"name": "good", "lower": 50, "upper": 65},
    {"name": "excellent", "lower": 65, "upper": 100},
]
BEFORE = datetime(2020, 1, 1, tzinfo=UTC)
PATIENCE = 600.0

# What an intake leaves behind: an event, its stream and its row of the view.
FILL = """
with report as (
    select md5($1 || '/' || p || '/' || m)::uuid as id, md5('partner ' || p)::uuid as partner_id,
           'metric-' || lpad(m::text, 2, '0') as metric, round((random() * 100)::numeric, 1) as value, p, m
    from generate_series($2::int, $3::int) p, generate_series(0, $4::int - 1) m
), streams as (
    insert into stream (id, version, recorded_at) select 'kpi_report-' || id, 1, clock_timestamp() from report
), events as (
    insert into event (stream, version, type, data, occurred_at, recorded_at, correlation_id, actor)
    select 'kpi_report-' || id, 1, 'cauce.performance.KPIReported.v1',
           json_build_object('report_id', id, 'partner_id', partner_id, 'outlet_id', null, 'metric', metric,
                             'period', $1::text, 'value', value::text, 'source', 'bench',
                             'source_ref', $1 || '/' || p || '/' || m),
           clock_timestamp(), clock_timestamp(), id, 'bench'
    from report
    returning position, id, occurred_at, data
)
insert into observations__g1 (position, event_id, report_id, partner_id, metric, period, value, source, source_ref,
                              reported_at, occurred_at, restatements)
select position, id, (data ->> 'report_id')::uuid, (data ->> 'partner_id')::uuid, data ->> 'metric', data ->> 'period',
       (data ->> 'value')::numeric, 'bench', data ->> 'source_ref', position, occurred_at, 0
from events
"""

KNOW = """
insert into known_partners__g1 (partner_id, activated_at)
select md5('partner ' || p)::uuid, $2 from generate_series(1, $1::int) p
"""

# As if the relay had published all of it and the policy had passed it: what is measured is the close alone.
PASSED = """
with head as (update store set published = (select max(position) from event) returning published)
insert into consumer_offset (subscription, source, topic_id, partition, next_offset, incarnation, last_position)
select 'performance.evaluation', 'performance', '00000000-0000-0000-0000-000000000000', 0, published + 1, 1, published
from head
"""

ANSWER = """
create table answer (
    partner_id uuid, period text, scores json, total numeric, band text, percentile numeric, cohort_size integer,
    primary key (partner_id, period)
);
create table line (metric text primary key, weight numeric, floor numeric, target numeric);
create table band (name text primary key, lower numeric);
"""

# One observation a metric and values of one decimal: nothing has to be rounded, so both must agree to the last digit.
AGGREGATE = """
with value as (
    select partner_id, metric, sum(value) / count(*) as value, count(*) as observations
    from observations
    where period = $1 and superseded_at is null and position < (select closed_at from periods where period = $1)
    group by partner_id, metric
), scored as (
    select partner_id, metric, value, observations, weight,
           round(least(greatest(100 * (value - floor) / (target - floor), 0), 100), 6) as score
    from value join line using (metric)
), totalled as (
    select partner_id, round(sum(weight * score) / sum(weight), 6) as total,
           json_agg(json_build_object('metric', metric, 'value', value, 'observations', observations,
                                      'score', score, 'weight', weight) order by metric) as scores
    from scored group by partner_id
)
insert into answer
select partner_id, $1, scores, total, (select name from band where lower <= total order by lower desc limit 1),
       round(100.0 * count(*) over (order by total) / count(*) over (), 6), count(*) over ()
from totalled
"""

DIFFERENCES = """
select count(*) from evaluations e full join (select * from answer where period = $1) a using (partner_id)
where coalesce(e.period, $1) = $1 and (e.total, e.band, e.percentile, e.cohort_size)
      is distinct from (a.total, a.band, a.percentile, a.cohort_size)
"""

TOOK = """
select (select recorded_at from event where stream = $1 and type like '%.PeriodEvaluated.%')
       - (select recorded_at from event where stream = $1 and type like '%.PeriodClosed.%')
"""


def months() -> Iterator[str]:
    for n in range(24):
        yield f"{2024 + n // 12}-{n % 12 + 1:02}"


@dataclass
class Closing:
    """Periods of so many partners, filled with reports and closed one after another."""

    rig: Rig
    session: aiohttp.ClientSession
    db: asyncpg.Connection[Any]
    performance: Served
    periods: list[str]
    cpu: float = 0.0
    memory: float = 0.0

    async def close(self) -> float:
        """Seconds, by the database's clock, from PeriodClosed to PeriodEvaluated of the next period."""
        period = self.periods[0]
        used = self.performance.cpu()
        url = f"{self.performance.url}/periods/{period}/close"
        async with self.session.post(url, json={"scorecard": "bench"}) as answer:
            answer.raise_for_status()
            stream = f"period-{(await answer.json())['id']}"
        async with asyncio.timeout(PATIENCE):
            while (took := await self.db.fetchval(TOOK, stream)) is None:
                self.memory = max(self.memory, self.performance.memory())
                await asyncio.sleep(0.1)
        self.cpu = self.performance.cpu() - used
        return float(took.total_seconds())

    async def aggregate(self) -> float:
        """Seconds of the one statement for the same period. Raises where the two do not agree on every partner."""
        period = self.periods.pop(0)
        began = time.perf_counter()
        await self.db.execute(AGGREGATE, period)
        took = time.perf_counter() - began
        if differences := await self.db.fetchval(DIFFERENCES, period):
            raise RuntimeError(f"{differences} evaluations of {period} are not what SQL makes of the same reports")
        return took


async def fill(rig: Rig, db: asyncpg.Connection[Any], partners: int, periods: list[str]) -> None:
    await db.execute(KNOW, partners, BEFORE)
    for period in periods:
        for first in range(1, partners + 1, CHUNK):
            rig.step(f"filling {period}: {first * len(METRICS):,} of {partners * len(METRICS):,} reports")
            async with db.transaction():
                await db.execute("select pg_advisory_xact_lock_shared(1128355157, 1)")
                await db.execute(FILL, period, first, min(first + CHUNK - 1, partners), len(METRICS))
    await db.execute(PASSED)
    await db.execute(ANSWER)
    await db.executemany("insert into line values ($1, $2, $3, $4)", [tuple(line.values()) for line in LINES])
    await db.executemany("insert into band values ($1, $2)", [(band["name"], band["lower"]) for band in BANDS])
    await db.execute("vacuum analyze")


async def closed(rig: Rig, partners: int, count: int) -> tuple[Pairs, Closing]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session, prefix, database = (
            await enter(client(token(rig))),
            await enter(rig.topics()),
            await enter(rig.database()),
        )
        await migrate(rig, (*SERVICE, "migrate", "performance"), database, prefix)
        db = await asyncpg.connect(database, server_settings=UNLIMITED)
        stack.push_async_callback(db.close)
        periods = [period for period, _ in zip(months(), range(rig.pick(count, 2)), strict=False)]
        await fill(rig, db, partners, periods)
        performance = await enter(serving(rig, (*SERVICE, "run", "performance"), database, prefix))
        await define(session, performance, "every_period")
        card = {"lines": LINES, "bands": BANDS, "minimum_cohort": 30}
        async with session.put(f"{performance.url}/scorecards/bench", json=card) as answer:
            answer.raise_for_status()
        closing = Closing(rig, session, db, performance, periods)
        return await rig.pairs(closing.close, closing.aggregate, count=count, warm_up=False), closing


async def close(rig: Rig) -> list[Figure]:
    figures, seconds = [], {}
    for partners, count in ((rig.pick(10_000, 1_000), 3), (rig.pick(100_000, 4_000), 1)):
        pairs, closing = await closed(rig, partners, count)
        seconds[partners] = pairs.ours.median
        figures.append(
            Figure(
                f"a period closed for {partners:,} partners with {len(METRICS)} metrics each",
                "s",
                pairs.ours,
                "one SQL statement that makes the same table of the same rows",
                pairs.baseline,
                Target("at most", 3.0),
                f"The service used {closing.cpu:.1f} s of CPU and at most {closing.memory:.0f} MB. Ours also decides on"
                " each partner, keeps an event and a stream of it, publishes it, and does so in rounds of a fraction of"
                " a second. Every evaluation was equal to what SQL made.",
            )
        )
    small, large = seconds
    growth = seconds[large] / seconds[small] / (large / small)
    figures.append(
        Figure(
            f"a period closed: time a partner with {large:,} partners, by that with {small:,}",
            "times",
            Spread.of([growth]),
            target=Target("at most", 1.2),
            note="1: the time grows as the number of partners.",
        )
    )
    return figures
