"""performance-svc as a new user would try it, over HTTP, each refusal included: from a metric to a scorecard, reports,
a close, an evaluation, its restatement and its reasons, and over to what a draft would have made of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.serving import Others, Said
from events import Event
from events.contract import ContractDrafted, ContractInForce, ContractTerms
from fastapi import FastAPI
from performance.domain.kpi_report import report_id

Caller = Callable[..., httpx.AsyncClient]
Tells = Callable[..., Awaitable[None]]
Settles = Callable[[], Awaitable[None]]

METRICS: dict[str, dict[str, Any]] = {
    "score": {"unit": "points", "direction": "higher", "aggregation": "mean", "minimum": 0, "maximum": 100},
    "returns": {"unit": "share", "direction": "lower", "aggregation": "ratio", "minimum": 0, "maximum": 1},
}
CARD: dict[str, Any] = {
    "lines": [
        {"metric": "score", "weight": 60, "floor": 0, "target": 100},
        {"metric": "returns", "weight": 40, "floor": "0.5", "target": 0},
    ],
    "bands": [
        {"name": "low", "lower": 0, "upper": 50},
        {"name": "fair", "lower": 50, "upper": 80},
        {"name": "high", "lower": 80, "upper": 100},
    ],
    "minimum_cohort": 3,
}
STRICT = {**CARD, "bands": [{"name": "low", "lower": 0, "upper": 80}, {"name": "high", "lower": 80, "upper": 100}]}


@dataclass
class Walk:
    """Says what it does and is told what came of it. `us` and `colleague` are the principal's, `them` the partner's."""

    service: FastAPI
    us: httpx.AsyncClient
    colleague: httpx.AsyncClient
    tells: Tells
    settles: Settles
    partners: list[UUID]

    async def say(
        self, path: str, day: str, *, method: str = "POST", seen: str = "", who: httpx.AsyncClient | None = None,
        **body: Any,
    ) -> httpx.Response:  # fmt: skip
        headers = {"If-Match": (await self.us.get(seen)).headers["etag"]} if seen else {}
        said = {**body, "occurred_at": f"{day}T12:00:00Z"}
        return await (who or self.us).request(method, path, json=said, headers=headers)

    async def done(self, path: str, day: str, **body: Any) -> list[str]:
        """The names of the events that came of it."""
        answer = await self.say(path, day, **body)
        assert answer.is_success, answer.text
        return [event.split(".")[2] for event in answer.json()["events"]]

    async def refused(self, path: str, day: str, **body: Any) -> dict[str, Any]:
        answer = await self.say(path, day, **body)
        assert answer.status_code in (403, 404, 409, 412, 428), answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def see(self, path: str, **params: Any) -> Any:
        answer = await self.us.get(path, params=params or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def items(self, path: str, **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.see(path, **params))["items"]
        return found

    async def head(self) -> int:
        found: int = (await self.see("/log"))["head"]
        return found

    async def report(self, partner: UUID, ref: str, value: Any, period: str = "2018", **more: Any) -> dict[str, Any]:
        day = more.pop("day", f"{period}-12-31")
        body = {"source": "erp", "source_ref": ref, "partner_id": str(partner), "metric": "score", "period": period}
        answer = await self.say("/kpi-reports", day, **{**body, "value": value, **more})
        assert answer.is_success, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def setting(self, card: dict[str, Any] = CARD, **metric: Any) -> None:
        for code, content in METRICS.items():
            await self.done(f"/metrics/{code}", "2016-06-01", method="PUT", **content, due="on_occurrence", **metric)
        await self.done("/scorecards/yearly", "2016-06-01", method="PUT", **card)

    async def close(self, period: str, day: str | None = None) -> None:
        day = day or f"{int(period) + 1}-01-15"
        assert await self.done(f"/periods/{period}/close", day, scorecard="yearly") == ["PeriodClosed"]
        await self.settles()

    async def job(self, path: str) -> dict[str, Any]:
        """What came of a job, when it is done."""
        async with asyncio.timeout(30):
            while True:
                found: dict[str, Any] = await self.see(path)
                if found["status"] in ("done", "failed"):
                    assert found["status"] == "done", found
                    return found
                await asyncio.sleep(0.02)


Enter = Callable[[], Awaitable[Walk]]


@pytest.fixture
async def walk(performance: FastAPI, caller: Caller, tells: Tells, settles: Settles) -> Walk:
    """Four partners, registered and active since 2015, in the order of their ids; the last is in Washington."""
    partners = sorted(uuid4() for _ in range(4))
    areas = ("US-AK-99501", "US-AK-99502", "US-AK-99501", "US-WA")
    await tells(*(("registered", id, "2015-01-01", area) for id, area in zip(partners, areas, strict=True)))
    await tells(*(("activated", id, "2015-02-01") for id in partners))
    us, colleague = (caller("backfill", subject=name) for name in ("ana", "ben"))
    return Walk(performance, us, colleague, tells, settles, partners)


async def test_a_scorecard_is_drafted_previewed_replayed_and_published_and_closed_periods_keep_theirs(
    walk: Walk, caller: Caller
) -> None:
    await walk.setting()
    one, two, three, _ = walk.partners
    values = {"2017": (40, 60, 70, 90), "2018": (45, 90, 75, 85)}
    for period, scores in values.items():
        for n, (partner, value) in enumerate(zip(walk.partners, scores, strict=True)):
            await walk.report(partner, f"{period}-{n}", value, period)
        await walk.close(period)
    for ref, day, amount, currency in (("a", "2017-05-01", "1000.50", "USD"), ("b", "2018-05-01", "20", "EUR")):
        sale = {"source": "till", "source_ref": ref, "partner_id": str(three), "sold_on": day}
        await walk.done("/sales", day, **sale, amount=amount, currency=currency)

    # Nothing is drafted yet, and what cannot be published cannot be drafted.
    draft, preview, publication = (f"/scorecards/yearly/{each}" for each in ("draft", "draft/preview", "publication"))
    answer = await walk.us.get(preview)
    assert (answer.status_code, answer.json()["code"]) == (409, "performance.nothing_drafted")
    assert (await walk.us.get("/scorecards/other/draft")).json()["code"] == "performance.scorecard_unknown"
    assert (await walk.refused(publication, "2019-02-01", seen=draft))["code"] == "performance.nothing_drafted"
    heavy = {**STRICT, "lines": [{**CARD["lines"][0], "weight": 61}, CARD["lines"][1]]}
    seen = {"method": "PUT", "seen": draft}
    told = await walk.refused(draft, "2019-02-01", **seen, **heavy)
    assert (told["code"], told["total"]) == ("performance.weights_not_100", "101")
    gap = {**STRICT, "bands": [STRICT["bands"][0]]}
    assert (await walk.refused(draft, "2019-02-01", **seen, **gap))["code"] == "performance.bands_leave_a_gap"
    assert (await walk.refused(draft, "2019-02-01", method="PUT", **STRICT))["code"] == "version_needed"
    assert await walk.done(draft, "2019-02-01", **seen, **STRICT) == ["ScorecardDrafted"]
    assert (await walk.see(draft))["draft"]["bands"][0]["name"] == "low"

    # The preview tells term by term, and for the period that was closed last.
    shown = await walk.see(preview)
    assert [each["term"] for each in shown["differences"]] == [
        "bands[0].upper", "bands[1].name", "bands[1].lower", "bands[1].upper", "bands[2]"
    ]  # fmt: skip
    assert (shown["period"], shown["outcome"]["evaluations"], shown["outcome"]["changed"]) == ("2018", 4, 1)
    assert [(each["partner_id"], each["band_before"], each["band_after"]) for each in shown["changes"]] == [
        (str(three), "fair", "low")
    ]

    # The whole past, without a trace of it in the log.
    head = await walk.head()
    begun = await walk.us.post("/scorecards/yearly/replays", json={}, headers={"Idempotency-Key": "what-if"})
    assert begun.status_code == 202, begun.text
    job = f"/replays/{begun.json()['id']}"
    result = (await walk.job(job))["result"]
    assert (result["periods"], result["evaluations"], result["changed"], result["partners"]) == (2, 8, 3, 2)
    assert result["moves"] == [
        {"band_before": "fair", "band_after": "low", "direction": "level", "evaluations": 3},
    ]
    assert result["sales"] == [{"amount": "20", "currency": "EUR"}, {"amount": "1000.50", "currency": "USD"}]
    first = await walk.see(f"{job}/lines", limit=2)
    lines = [*first["items"], *await walk.items(f"{job}/lines", after=first["next"])]
    assert [(line["period"], line["partner_id"]) for line in lines] == [
        ("2017", str(two)), ("2017", str(three)), ("2018", str(three)),
    ]  # fmt: skip
    assert lines[2]["sales"] == [{"amount": "20", "currency": "EUR"}]
    again = await walk.us.post("/scorecards/yearly/replays", json={}, headers={"Idempotency-Key": "what-if"})
    assert again.json()["id"] == begun.json()["id"]
    other = {"proposed": CARD}
    reused = await walk.us.post("/scorecards/yearly/replays", json=other, headers={"Idempotency-Key": "what-if"})
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    same = await walk.us.post("/scorecards/yearly/replays", json=other)
    assert (await walk.job(f"/replays/{same.json()['id']}"))["result"]["changed"] == 0
    page = await walk.see("/replays", limit=1)
    behind = await walk.see("/replays", limit=1, after=page["next"])
    assert [each["id"] for each in (*page["items"], *behind["items"])] == [same.json()["id"], begun.json()["id"]]
    assert (behind["next"], behind["items"][0]["asked"]["code"]) == (None, "yearly")
    assert (await walk.us.get("/replays", params={"after": first["next"]})).status_code == 422
    wrong = await walk.us.post("/scorecards/yearly/replays", json={"proposed": heavy})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "performance.weights_not_100")
    assert (await walk.us.get(f"/replays/{uuid4()}")).json()["code"] == "performance.replay_unknown"
    assert (await walk.us.get(f"{job}/lines", params={"after": "x"})).status_code == 422
    theirs = caller("partner", partner_id=one)
    assert (await theirs.get(job)).json()["code"] == "partner_closed"
    assert await walk.head() == head

    # Discarded, drafted anew, published: what is closed keeps its version, the next period has the new one.
    assert await walk.done("/scorecards/yearly/draft/discarding", "2019-02-02") == ["ScorecardDraftDiscarded"]
    await walk.done(draft, "2019-02-02", **seen, **CARD)
    unchanged = await walk.refused(publication, "2019-02-02", seen=draft)
    assert (unchanged["code"], unchanged["scorecard_version"]) == ("performance.draft_changes_nothing", 1)
    await walk.done(draft, "2019-02-02", **seen, **STRICT)
    assert (await walk.refused(publication, "2019-02-02"))["code"] == "version_needed"
    assert await walk.done(publication, "2019-02-02", seen=draft) == ["ScorecardDefined"]
    assert (await walk.see(draft))["draft"] is None
    await walk.report(three, "2019-3", 75, "2019")
    await walk.close("2019")
    for period, band, version in (("2018", "fair", 1), ("2019", "low", 2)):
        found = await walk.see(f"/evaluations/{three}/{period}")
        assert (found["band"], found["scorecard_version"], found["total"]) == (band, version, "75.000000")
    assert (await walk.see("/scorecards/yearly", version=1))["bands"][1]["name"] == "fair"


async def test_targets_by_tier_and_area_ratios_and_a_metric_of_the_middle_of_the_year(walk: Walk) -> None:
    lines = [
        {**CARD["lines"][0], "targets": [{"area": "US-AK", "floor": 0, "target": 50}]},
        {**CARD["lines"][1], "targets": [{"tier": "gold", "floor": 1, "target": 0}]},
    ]
    hidden = [*lines[0]["targets"], {"area": "US-AK-99501", "floor": 0, "target": 60}]
    card = {**CARD, "programme": "stars"}
    await walk.setting({**card, "lines": lines})
    told = await walk.refused(
        "/scorecards/other",
        "2016-06-01",
        method="PUT",
        **{**CARD, "lines": [{**lines[0], "targets": hidden}, lines[1]]},
    )
    assert (told["code"], told["behind"]) == ("performance.target_never_holds", {"tier": None, "area": "US-AK"})
    one, two, _, four = walk.partners
    async with walk.service.state.engine.acquire() as db:  # as if partner-svc had said so
        decided = (
            ("stars", "silver", 2016),
            ("stars", "gold", 2017),
            ("care", "silver", 2018),
            ("stars", "silver", 2019),
        )
        for version, (programme, tier, since) in enumerate(decided, 9):
            row = (one, version, programme, tier, datetime(since, 1, 1, tzinfo=UTC))
            await db.execute(
                "insert into partner_tiers (partner_id, version, programme, tier, since) values ($1, $2, $3, $4, $5)",
                *row,
            )
    for partner in (one, four):
        await walk.report(partner, f"s{partner}", 40)
    ratio = {"metric": "returns", "period": "2018", "source": "erp", "partner_id": str(one), "value": 3}
    missing = await walk.refused("/kpi-reports", "2018-12-31", source_ref="r", **ratio)
    assert missing["code"] == "performance.denominator_missing"
    above = await walk.refused("/kpi-reports", "2018-12-31", source_ref="r", denominator=2, **ratio)
    assert (above["code"], above["value"]) == ("performance.value_above_maximum", "1.500000")
    unexpected = {**ratio, "metric": "score", "denominator": 2}
    told = await walk.refused("/kpi-reports", "2018-12-31", source_ref="r", **unexpected)
    assert told["code"] == "performance.denominator_unexpected"
    await walk.report(one, "r1", 3, metric="returns", denominator=10)
    await walk.report(one, "r2", 0, metric="returns", denominator=20)
    await walk.report(two, "r3", 0, metric="returns", denominator=0)
    # A metric that comes in the middle of the year is not due for it.
    await walk.done("/metrics/visits", "2018-07-01", method="PUT", **{**METRICS["score"], "due": "every_period"})
    more = [{**lines[0], "weight": 50}, lines[1], {"metric": "visits", "weight": 10, "floor": 0, "target": 10}]
    await walk.done(
        "/scorecards/yearly", "2018-07-01", method="PUT", seen="/scorecards/yearly", **{**card, "lines": more}
    )
    await walk.close("2018")
    found = await walk.see(f"/evaluations/{one}/2018")
    assert [(s["metric"], s["value"], s["observations"]) for s in found["scores"]] == [
        ("score", "40.000000", 1), ("returns", "0.100000", 2)
    ]  # fmt: skip
    # 40 of 50 and, for gold in the scorecard's programme, whatever another says, 0.1 between 1 and 0: 80 and 90, with
    # the weights 50 and 40
    assert [s["score"] for s in found["scores"]] == ["80.000000", "90.000000"]
    assert (found["total"], found["area"], found["tier"]) == ("84.444444", "US-AK-99501", "gold")
    assert (await walk.see(f"/evaluations/{four}/2018"))["total"] == "40.000000"
    assert (await walk.us.get(f"/evaluations/{two}/2018")).status_code == 404  # it had nothing to divide by
    assert await walk.items("/missed-reports") == []
    await walk.close("2019")
    assert {(each["partner_id"], each["metric"]) for each in await walk.items("/missed-reports")} == {
        (str(partner), "visits") for partner in walk.partners
    }


async def test_a_period_is_rolled_up_by_territory_and_by_channel(walk: Walk, others: Others) -> None:
    await walk.setting({**CARD, "lines": [{**CARD["lines"][0], "weight": 100}]})
    contracts = {partner: uuid4() for partner in walk.partners[:3]}
    said: list[Event] = []
    for partner, channels in zip(walk.partners, (["retail"], ["retail", None], ["online"]), strict=False):
        grants = [{"area": "US", "channel": channel} for channel in channels]
        terms = ContractTerms.model_validate({"jurisdiction": "NONE", "grants": grants, "royalties": [{"percent": 5}]})
        of: dict[str, Any] = {"contract_id": contracts[partner], "partner_id": partner}
        said.append(ContractDrafted(**of, jurisdiction="NONE", areas=("US",), royalty_percent=Decimal(5), terms=terms))
        if channels != ["online"]:  # that one is never in force
            said.append(ContractInForce(**of))
    on = datetime(2016, 1, 1, tzinfo=UTC)
    await others(walk.service, "contract", *(Said(event, on, event.contract_id) for event in said))  # type: ignore[attr-defined]
    for partner, value in zip(walk.partners, (40, 61, 90, 85), strict=True):
        await walk.report(partner, str(value), value)
    await walk.close("2018")

    states = await walk.items("/periods/2018/roll-ups", by="territory")
    assert [(each["member"], each["partners"], each["mean"]) for each in states] == [
        ("US-AK", 3, "63.666667"), ("US-WA", 1, "85.000000")
    ]  # fmt: skip
    alaska = states[0]
    assert (alaska["lowest"], alaska["highest"]) == ("40.000000", "90.000000")
    assert alaska["bands"] == {"low": 1, "fair": 1, "high": 1}
    assert alaska["trends"] == {"first": 3}
    assert alaska["metrics"] == [{"metric": "score", "partners": 3, "mean_score": "63.666667"}]
    codes = [each["member"] for each in await walk.items("/periods/2018/roll-ups", by="territory", depth=3)]
    assert codes == ["US-AK-99501", "US-AK-99502", "US-WA"]
    page = await walk.see("/periods/2018/roll-ups", by="channel", limit=2)
    last = await walk.see("/periods/2018/roll-ups", by="channel", after=page["next"])
    channels = {each["member"]: (each["partners"], each["mean"]) for each in [*page["items"], *last["items"]]}
    assert channels == {"any": (1, "61.000000"), "retail": (2, "50.500000"), "unassigned": (2, "87.500000")}
    assert last["next"] is None
    assert await walk.items("/periods/2011/roll-ups") == []


# -- why, and what is done about it


async def evaluated_year(walk: Walk) -> None:
    """2017 is closed. The first partner is poor; the others are fair, good and better."""
    await walk.setting()
    for n, (partner, value) in enumerate(zip(walk.partners, (40, 60, 70, 90), strict=True)):
        await walk.report(partner, f"2017-{n}", value, "2017")
    await walk.report(walk.partners[0], "2017-returns", 3, "2017", metric="returns", denominator=10)
    await walk.close("2017")


async def test_why_an_evaluation_is_what_it_is_is_told_by_event(walk: Walk, caller: Caller) -> None:
    await evaluated_year(walk)
    one, two, *_ = walk.partners
    corrected = str(report_id("erp", "2017-0"))
    await walk.report(one, "late", 50, "2017", day="2018-02-01")
    await walk.report(one, "2017-0-fixed", 30, "2017", day="2018-02-02", corrects=corrected)
    await walk.settles()

    why = await walk.see(f"/evaluations/{one}/2017/why")
    assert (why["evaluation"]["total"], why["evaluation"]["restatements"]) == ("40.000000", 2)
    facts = [(each["source_ref"], each["value"], each["came"], each["holds"]) for each in why["reports"]]
    assert facts == [
        ("2017-0", "40", "at_close", False),
        ("2017-returns", "3", "at_close", True),
        ("late", "50", "late", True),
        ("2017-0", "30", "late", True),
    ]
    assert why["reports_in_all"] == 4
    card = (await walk.items("/scorecards/yearly/history"))[0]
    assert why["scorecard"]["published"]["event_id"] == card["event_id"]
    assert (why["scorecard"]["code"], why["scorecard"]["version"]) == ("yearly", 1)
    period = await walk.see("/periods/2017")
    assert (why["closed"]["event_id"], why["closed"]["position"]) == (period["closed_by"], period["position"])

    first, second, third = why["told"]
    assert [each["type"].split(".")[2] for each in why["told"]] == [
        "PartnerEvaluated", "EvaluationRestated", "EvaluationRestated"
    ]  # fmt: skip
    assert (first["changes"], first["because"], first["total"]) == ([], [], "40.000000")
    changed = {each["figure"]: (each["before"], each["after"]) for each in second["changes"]}
    assert changed["scores.score.value"] == ("40.000000", "45.000000")
    assert changed["scores.score.observations"] == ("1", "2")
    assert [second["because"], third["because"]] == [
        [why["reports"][2]["event_id"]], [why["reports"][3]["event_id"]]
    ]  # fmt: skip
    assert [each["type"].split(".")[2] for each in why["chain"]] == ["EvaluationRestated", "KPIRestated"]
    assert why["chain"][-1]["causation_id"] is None

    of_two = await walk.see(f"/evaluations/{two}/2017/why")
    assert [each["type"].split(".")[2] for each in of_two["chain"]] == [
        "PartnerEvaluated", "EvaluationRoundOpened", "PeriodClosed"
    ]  # fmt: skip
    unknown = await walk.us.get(f"/evaluations/{two}/2011/why")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "performance.evaluation_unknown")

    # The partner's own people see the same of themselves, and nothing of others.
    them = caller("partner", subject="carla", partner_id=one)
    theirs = await them.get(f"/evaluations/{one}/2017/why")
    assert theirs.status_code == 200, theirs.text
    assert theirs.json() == why
    assert (await them.get(f"/evaluations/{two}/2017/why")).status_code == 404


async def test_a_plan_is_made_of_an_evaluation_measured_by_later_ones_and_closed_by_a_person(
    walk: Walk, caller: Caller
) -> None:
    await evaluated_year(walk)
    one, two, *_ = walk.partners
    them = caller("partner", subject="carla", partner_id=one)
    found = await walk.see(f"/evaluations/{one}/2017/shortfalls")
    told = [(each["metric"], each["lost"], each["peers"]) for each in found["shortfalls"]]
    assert told == [("score", "36.000000", "70.000000"), ("returns", "24.000000", None)]

    # What cannot be a plan.
    plan: dict[str, Any] = {
        "partner_id": str(one), "period": "2017", "time_zone": "America/Anchorage",
        "problems": [{"metric": "score", "against": "peers"}, {"metric": "returns", "goal": 60}],
        "actions": [{"what": "Train the kitchen.", "owner": "store-manager", "due_on": "2018-03-31"}],
    }  # fmt: skip
    for changes, code in (
        ({"period": "2016"}, "evaluation_unknown"),
        ({"problems": [{"metric": "visits"}]}, "metric_not_evaluated"),
        ({"problems": [{"metric": "score", "goal": 40}]}, "no_shortfall"),
        ({"problems": [{"metric": "returns", "against": "peers"}]}, "insufficient_data"),
        ({"problems": [{"metric": "score"}, {"metric": "score"}]}, "problem_twice"),
        ({"actions": [{**plan["actions"][0], "due_on": "2018-01-31"}]}, "due_on_passed"),
    ):
        refusal = await walk.refused("/improvement-plans", "2018-02-01", **{**plan, **changes})
        assert refusal["code"] == f"performance.{code}"

    # Days are over when the business has reached them, which is long ago for the clock on the wall.
    assert (await walk.us.put("/backfill?wait=30", json={"reached": "2018-02-01T00:00:00Z"})).status_code == 200

    # Of several at once, for one evaluation, exactly one wins.
    rivals = [
        {**plan, "partner_id": str(two), "problems": [{"metric": "score", "goal": goal}]} for goal in (70, 80, 90)
    ]
    answers = await asyncio.gather(*(walk.say("/improvement-plans", "2018-02-01", **each) for each in rivals))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    [won] = [answer.json() for answer in answers if answer.is_success]
    for lost in (answer.json() for answer in answers if not answer.is_success):
        assert (lost["code"], lost["plan_id"]) == ("performance.plan_exists", won["id"])

    opened = await walk.say("/improvement-plans", "2018-02-01", **plan)
    assert opened.json()["events"] == ["cauce.performance.ImprovementPlanOpened.v1"], opened.text
    assert (await walk.say("/improvement-plans", "2018-02-01", **plan)).json()["events"] == []
    path = f"/improvement-plans/{opened.json()['id']}"
    await walk.settles()

    # Its actions: added, done by the partner's own people, overdue when the day is over in Alaska.
    clean = {"what": "Clean the kitchen.", "owner": "area-manager", "due_on": "2018-03-31"}
    assert await walk.done(f"{path}/actions", "2018-02-02", action=clean) == ["PlanActionAdded"]
    done = {"how": "done", "note": "Twelve people were trained."}
    early = await them.post(f"{path}/actions/1/end", json={**done, "how": "dropped"})
    assert (early.status_code, early.json()["code"]) == (403, "partner_may_not")
    assert (await walk.refused(f"{path}/actions/9/end", "2018-02-03", **done))["code"] == "performance.action_unknown"
    assert await walk.done(f"{path}/actions/1/end", "2018-02-03", **done) == ["PlanActionEnded"]
    dropped = await walk.refused(f"{path}/actions/1/end", "2018-02-03", how="dropped", note="No.")
    assert (dropped["code"], dropped["how"]) == ("performance.action_ended", "done")
    await walk.settles()
    for reached, overdue in (("2018-04-01T07:59:00Z", []), ("2018-04-01T08:00:00Z", [2])):
        assert (await walk.us.put("/backfill?wait=30", json={"reached": reached})).status_code == 200
        listed = await walk.items("/plan-actions", partner_id=str(one), overdue=True)
        assert [each["number"] for each in listed] == overdue
    answer = await them.post(f"{path}/actions/2/end", json=done)
    assert answer.status_code == 201, answer.text
    theirs = (await them.get("/plan-actions")).json()["items"]
    assert [(each["number"], each["status"], each["overdue"], each["late"]) for each in theirs] == [
        (1, "done", False, False), (2, "done", True, True)
    ]  # fmt: skip

    # Later periods measure it; a restated one takes it back; a person closes it.
    improved = {"outcome": "improved", "reason": "Two audits have seen it."}
    nothing = await walk.refused(f"{path}/closure", "2018-05-01", seen=path, **improved)
    assert (nothing["code"], nothing["period"]) == ("performance.not_verified", None)
    for n, (partner, value) in enumerate(zip(walk.partners, (75, 75, 75, 85), strict=True)):
        await walk.report(partner, f"2018-{n}", value, "2018")
        await walk.report(partner, f"2018-r{n}", 2, "2018", metric="returns", denominator=10)
    await walk.close("2018")
    shown = await walk.see(path)
    assert (shown["measured_in"], shown["verified"]) == ("2018", True)
    assert shown["measured"] == {"score": "75.000000", "returns": "60.000000"}
    more = {"metric": "returns", "denominator": 10}
    late = await walk.report(one, "2018-late", 3, "2018", day="2019-02-01", **more)
    await walk.settles()
    shown = await walk.see(path)
    assert (shown["verified"], shown["measured"]["returns"]) == (False, "50.000000")
    lacking = await walk.refused(f"{path}/closure", "2019-02-02", seen=path, **improved)
    assert (lacking["code"], lacking["lacking"]) == ("performance.not_verified", {"returns": "50.000000"})
    await walk.report(one, "2018-late-fixed", 1, "2018", corrects=late["id"], day="2019-02-03", **more)
    await walk.settles()
    assert (await walk.see(path))["verified"] is True
    assert (await walk.refused(f"{path}/closure", "2019-02-04", **improved))["code"] == "version_needed"
    assert await walk.done(f"{path}/closure", "2019-02-04", seen=path, **improved) == ["ImprovementPlanClosed"]
    late_word = await walk.refused(f"{path}/actions", "2019-02-05", action={**clean, "due_on": "2019-03-01"})
    assert (late_word["code"], late_word["outcome"]) == ("performance.plan_closed", "improved")
    history = await walk.items(f"{path}/history")
    assert [each["type"].split(".")[2] for each in history] == [
        "ImprovementPlanOpened", "PlanActionAdded", "PlanActionEnded", "PlanActionOverdue", "PlanActionEnded",
        "ImprovementMeasured", "ImprovementMeasured", "ImprovementMeasured", "ImprovementPlanClosed",
    ]  # fmt: skip
    assert {each["actor"] for each in history[5:8]} == {"policy:performance.evaluation"}
    assert history[3]["actor"] == "timer:performance.evaluation"
    assert (await them.get(path)).json()["outcome"] == "improved"
    assert [each["status"] for each in (await them.get("/improvement-plans")).json()["items"]] == ["closed"]


async def test_a_plan_that_is_opened_when_later_periods_are_evaluated_already_is_measured_at_once(walk: Walk) -> None:
    await evaluated_year(walk)
    one = walk.partners[0]
    await walk.report(one, "2018", 85, "2018")
    await walk.close("2018")
    await walk.done("/improvement-plans", "2019-02-01", partner_id=str(one), period="2017")
    await walk.settles()
    [plan] = await walk.items("/improvement-plans", partner_id=str(one), status="open")
    assert [(each["metric"], each["against"], each["goal_value"]) for each in plan["problems"]] == [
        ("score", "target", "100.000000"), ("returns", "target", "0.000000")
    ]  # fmt: skip
    assert (plan["measured_in"], plan["measured"]) == ("2018", {"score": "85.000000", "returns": None})
    assert plan["verified"] is False


async def test_reports_that_come_while_their_period_is_closed_are_counted_once_each(walk: Walk) -> None:
    await walk.setting()
    await walk.report(walk.partners[0], "first", 50)
    values = {partner: range(10 * n, 10 * n + 10) for n, partner in enumerate(walk.partners)}
    reports = [(partner, value) for partner, of in values.items() for value in of]

    async def close() -> None:
        answer = await walk.say("/periods/2018/close", "2019-01-15", scorecard="yearly")
        assert answer.is_success, answer.text

    await asyncio.gather(
        *(walk.report(partner, f"r{value}", value, day="2019-01-15") for partner, value in reports[:20]),
        close(),
        close(),
        *(walk.report(partner, f"r{value}", value, day="2019-01-15") for partner, value in reports[20:]),
    )
    await walk.settles()
    for n, partner in enumerate(walk.partners):
        all_of = [*values[partner], *([50] if n == 0 else [])]
        [score] = (await walk.see(f"/evaluations/{partner}/2018"))["scores"]
        assert score["observations"] == len(all_of)
        assert Decimal(score["value"]) == round(Decimal(sum(all_of)) / len(all_of), 6)
    closes = [each["type"].split(".")[2] for each in await walk.items("/periods/2018/history")]
    assert closes.count("PeriodClosed") == 1
