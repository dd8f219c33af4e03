"""What the evaluation policy reads, fact by fact, from the views of a log that is written in an exact order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from engine import Context, Fact, Send
from engine.runtime import Engine
from engine.testing import fact_of
from events.performance import KPIReported, PeriodClosed
from performance import observed, partner_views
from performance.domain.card import Band, Weighted
from performance.domain.evaluation import evaluations
from performance.domain.figures import Observed
from performance.domain.kpi_report import RecordReport, ReportKPI, kpi_reports, report_id
from performance.domain.metric import DefineMetric, MetricTerms, metric_id, metrics
from performance.domain.period import Close, FinishEvaluation, OpenRound, period_id, periods
from performance.domain.scorecard import DefineScorecard, scorecard_id, scorecards
from performance.observed import CohortUnfinished, Late, Round, RoundSize
from performance.observing import Batch, Gathered, Observing, ViewBehind
from performance.views import VIEWS

FIRST, LAST = UUID(int=1 << 120), UUID(int=3 << 126)
"""Of two rounds, the partner of the first and the partner of the second."""
AT = datetime(2020, 1, 1, tzinfo=UTC)
SCORE = MetricTerms("score", 1, "points", "higher", "mean", None, None, "on_occurrence")


@pytest.fixture
async def engine(database: str, kafka: str, topic_prefix: str) -> AsyncIterator[Engine]:
    """Only appends: nothing reacts but what a test asks."""
    engine = Engine(
        "performance",
        postgres_url=database,
        kafka_bootstrap=kafka,
        topic_prefix=topic_prefix,
        role="api",
        deciders=[metrics, scorecards, kpi_reports, periods, evaluations],
        views=(*VIEWS, *partner_views.VIEWS),
    )
    await engine.migrate()
    await engine.start()
    yield engine
    await engine.stop()


def reported(partner: UUID, ref: str, value: int, corrects: str | None = None, metric: str = "score") -> Send:
    report = ReportKPI(
        source="erp",
        source_ref=ref,
        partner_id=partner,
        metric=metric,
        period="2019",
        value=Decimal(value),
        corrects=None if corrects is None else report_id("erp", corrects),
    )
    terms = SCORE if metric == "score" else MetricTerms(metric, 1, "EUR", "higher", "sum", None, None, "on_occurrence")
    command = RecordReport(report_id=report.about(), report=report, terms=terms, partner_known=True)
    return Send(kpi_reports, command.report_id, command)


def period(command: Any) -> Send:
    return Send(periods, period_id("2019"), command)


CLOSE = Close(scorecard="yearly", period="2019", scorecard_version=1, latest_closed=None)
HISTORY = {
    "first 80": reported(FIRST, "1", 80),
    "last 70": reported(LAST, "2", 70),
    "last 70 is 60": reported(LAST, "2a", 60, corrects="2"),
    "sales": reported(LAST, "3", 5, metric="sales"),
    "close": period(CLOSE),
    "round 1": period(OpenRound(number=1, of=2)),
    "late sales": reported(FIRST, "4", 6, metric="sales"),
    "first late 100": reported(FIRST, "5", 100),
    "last late 90": reported(LAST, "6", 90),
    "last 60 is 50": reported(LAST, "2b", 50, corrects="2"),
    "round 2": period(OpenRound(number=2, of=2)),
    "last late 40": reported(LAST, "7", 40),
    "last 40 is 30": reported(LAST, "7a", 30, corrects="7"),
    "finish": period(FinishEvaluation()),
}


@pytest.fixture
async def history(engine: Engine) -> dict[str, Fact[Any]]:
    """The facts by name, all in the log."""
    metric = DefineMetric(code="score", unit="points", direction="higher", aggregation="mean", due="on_occurrence")
    card = DefineScorecard(
        code="yearly",
        lines=(Weighted(metric="score", weight=Decimal(100), floor=Decimal(0), target=Decimal(100)),),
        bands=(Band(name="all", lower=Decimal(0), upper=Decimal(100)),),
        minimum_cohort=1,
        metrics={"score": SCORE},
    )
    sends = [Send(metrics, metric_id("score"), metric), Send(scorecards, scorecard_id("yearly"), card)]
    for send in [*sends, *HISTORY.values()]:
        (outcome,) = await engine.handle_many([send], Context("test"))
        assert not isinstance(outcome, Exception)
    async with engine.acquire() as db:
        rows = await db.fetch("select e.*, s.incarnation from event e, store s order by position")
    return dict(zip(HISTORY, [engine.store.fact(row) for row in rows][2:], strict=True))


def seen(*values: int) -> dict[str, Observed]:
    return {"score": Observed(Decimal(sum(values)), len(values), Decimal(values[-1]))}


def totals(gathered: Gathered) -> dict[UUID, Decimal]:
    assert isinstance(gathered, Round | Late)
    return dict(gathered.cohort.totals)


async def test_each_late_fact_is_taken_in_once_by_its_partners_round_or_by_itself(
    engine: Engine, history: dict[str, Fact[Any]]
) -> None:
    observing = Observing()
    async with engine.acquire() as db:
        found = {name: await observing(db, fact) for name, fact in history.items()}
    assert found["close"] == RoundSize(1)
    for name in ("first 80", "last 70", "last 70 is 60", "sales", "late sales", "finish"):
        assert found[name] is None, name

    one, two = found["round 1"], found["round 2"]
    assert isinstance(one, Round)
    assert (one.observed, one.late) == ({FIRST: seen(80)}, {})
    assert isinstance(two, Round)
    assert two.observed == {LAST: seen(60)}
    because = (history["last late 90"].event_id, history["last 60 is 50"].event_id)
    assert two.late == {LAST: (because, {"score": Observed(Decimal(140), 2, Decimal(90))})}

    early, late = found["first late 100"], found["last late 40"]
    assert isinstance(early, Late)
    assert early.observed == seen(80, 100)
    assert found["last late 90"] is None
    assert found["last 60 is 50"] is None
    assert isinstance(late, Late)
    assert late.observed == {"score": Observed(Decimal(180), 3, Decimal(40))}
    corrected = found["last 40 is 30"]
    assert isinstance(corrected, Late)
    assert corrected.observed == {"score": Observed(Decimal(170), 3, Decimal(30))}
    for each in (one, two, early, late, corrected):
        assert totals(each) == {FIRST: Decimal(80), LAST: Decimal(60)}


async def test_what_is_read_is_the_same_in_whatever_batches_and_whenever(
    engine: Engine, history: dict[str, Fact[Any]]
) -> None:
    together, apart = Observing(), Observing()
    async with engine.acquire() as db:
        found = [await together(db, fact) for fact in history.values()]
    for fact, expected in zip(history.values(), found, strict=True):
        async with engine.acquire() as db:
            assert await apart(db, fact) == expected
            assert await Observing()(db, fact) == expected


class Transaction:
    """Counts how often observations are read; ends at the `ends_at`-th time."""

    def __init__(self, db: Any, ends_at: int | None = None) -> None:
        self.db, self.ends_at, self.reads = db, ends_at, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    async def fetch(self, query: str, *args: Any) -> Any:
        if query == observed.OBSERVED:
            self.reads += 1
            if self.reads == self.ends_at:
                raise TimeoutError
        return await self.db.fetch(query, *args)


async def test_a_large_cohort_is_read_in_parts_and_the_next_transaction_goes_on_where_one_ended(
    engine: Engine, history: dict[str, Fact[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    late = history["last late 40"]
    async with engine.acquire() as db:
        whole = await Observing()(db, late)
        monkeypatch.setattr(observed, "COHORT_PART", observed.ROUND_SIZE // 2)  # two rounds in four parts
        observing = Observing()
        for _ in range(2):  # the partner's own, and then one part more each time
            with pytest.raises(TimeoutError):
                await observing(Transaction(db, ends_at=3), late)
        last = Transaction(db)
        assert await observing(last, late) == whole
        assert last.reads == 3
        again = Transaction(db)
        assert await observing(again, late) == whole
        assert again.reads == 1


async def test_a_cohort_that_takes_long_is_left_to_further_transactions_before_the_engine_ends_this_one(
    engine: Engine, history: dict[str, Fact[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = history["round 1"]
    monkeypatch.setattr(observed, "COHORT_PART", observed.ROUND_SIZE // 2)
    seconds = count(step=observed.READ_SECONDS * 0.7)
    cohorts, rounds = observed.Cohorts(now=lambda: next(seconds)), 2  # in four parts
    async with engine.acquire() as db:
        closing = await (await Batch.begin(db)).closing(opened.event.period, opened.position)
        assert closing is not None
        reads = []
        for _ in range(3):  # each has time for one part, and is told that there are more
            transaction = Transaction(db)
            with pytest.raises(CohortUnfinished):
                await cohorts.of(transaction, closing, rounds)
            reads.append(transaction.reads)
        assert reads == [1, 1, 1]
        assert await cohorts.of(db, closing, rounds) == await observed.Cohorts().of(db, closing, rounds)


REPORTS_OF_MANY = """
insert into observations__g1 (position, event_id, report_id, partner_id, metric, period, value, source, source_ref,
                              reported_at, occurred_at, restatements)
select 1000 + 2 * p + r, gen_random_uuid(), gen_random_uuid(), md5('partner ' || p)::uuid, 'score', $1, 80, 'test',
       p || '/' || r, 1000 + 2 * p + r, clock_timestamp(), 0
from generate_series(1, $2::int) p, generate_series(0, 1) r
"""


async def test_a_period_with_very_many_reports_is_divided_by_an_estimate_of_its_partners(
    engine: Engine, history: dict[str, Fact[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    partners = 40 * observed.ROUND_SIZE
    async with engine.acquire() as db:
        closing = await (await Batch.begin(db)).closing("2019", history["round 1"].position)
        assert closing is not None
        await db.execute(REPORTS_OF_MANY, "2019", partners)
        exact = await observed.round_size(db, closing)
        monkeypatch.setattr(observed, "COUNTED_REPORTS", partners)
        estimated = await observed.round_size(db, closing)
    assert exact.rounds == 41, "the two of the history are in a round of their own"
    assert 0.7 <= estimated.rounds / exact.rounds <= 1.3
    assert estimated != exact


async def test_a_view_that_is_behind_is_waited_for(engine: Engine, history: dict[str, Fact[Any]]) -> None:
    observing = Observing()
    beyond = history["finish"].position + 1
    event = history["last late 40"].event
    async with engine.acquire() as db:
        for unseen in (event, PeriodClosed(period="2018", scorecard="yearly", scorecard_version=1)):
            with pytest.raises(ViewBehind):
                await observing(db, fact_of(unseen, occurred_at=AT, position=beyond))
        assert isinstance(event, KPIReported)
        assert isinstance(await observing(db, history["last late 40"]), Late)


async def test_the_last_observation_is_the_one_that_occurred_last_and_a_correction_keeps_its_place(
    engine: Engine,
) -> None:
    terms = MetricTerms("stock", 1, "pieces", "higher", "last", None, None, "on_occurrence")
    metric = DefineMetric(code="stock", unit="pieces", direction="higher", aggregation="last", due="on_occurrence")
    card = DefineScorecard(
        code="yearly",
        lines=(Weighted(metric="stock", weight=Decimal(100), floor=Decimal(0), target=Decimal(100)),),
        bands=(Band(name="all", lower=Decimal(0), upper=Decimal(100)),),
        minimum_cohort=1,
        metrics={"stock": terms},
    )

    def stock(ref: str, value: int, month: int, corrects: str | None = None) -> Send:
        send = reported(FIRST, ref, value, corrects)
        assert isinstance(send.command, RecordReport)
        report = send.command.report.model_copy(update={"metric": "stock"})
        at = datetime(2019, month, 1, tzinfo=UTC)
        command = send.command.model_copy(update={"report": report, "terms": terms, "occurred_at": at})
        return Send(kpi_reports, send.id, command)

    sends = [
        Send(metrics, metric_id("stock"), metric),
        Send(scorecards, scorecard_id("yearly"), card),
        stock("1", 30, month=12),
        stock("2", 10, month=3),
        stock("3", 20, month=12),
        stock("1a", 35, month=12, corrects="1"),
        stock("2a", 15, month=12, corrects="2"),
        period(CLOSE),
        period(OpenRound(number=1, of=1)),
    ]
    for send in sends:
        await engine.handle_many([send], Context("test"))
    async with engine.acquire() as db:
        rows = await db.fetch("select e.*, s.incarnation from event e, store s order by position")
        found = await Observing()(db, engine.store.fact(rows[-1]))
    assert isinstance(found, Round)
    assert found.observed == {FIRST: {"stock": Observed(Decimal(70), 3, Decimal(20))}}
    assert totals(found) == {FIRST: Decimal(20)}
