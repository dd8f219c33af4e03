"""performance-svc on the real stack: HTTP in, events out, partners heard over Kafka."""

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from performance.api import bulk
from performance.domain.kpi_report import report_id
from performance.observed import ROUND_SIZE

Tells = Callable[..., Awaitable[None]]
Settles = Callable[[], Awaitable[None]]

ONE, TWO, THREE = sorted(uuid4() for _ in range(3))
SCORE: dict[str, Any] = {
    "unit": "points",
    "direction": "higher",
    "aggregation": "mean",
    "minimum": 0,
    "maximum": 100,
    "due": "on_occurrence",
}
YEARLY: dict[str, Any] = {
    "lines": [{"metric": "score", "weight": 100, "floor": 0, "target": 100}],
    "bands": [
        {"name": "low", "lower": 0, "upper": 85},
        {"name": "fair", "lower": 85, "upper": 90},
        {"name": "high", "lower": 90, "upper": 100},
    ],
    "minimum_cohort": 3,
}
HEADER = "partner_id,metric,period,value,source,source_ref"


async def got(api: httpx.AsyncClient, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def items(api: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await got(api, path, **params))["items"]
    return found


async def looked_at(api: httpx.AsyncClient, path: str | None) -> dict[str, str]:
    """What a decision says of the version that was seen."""
    return {} if path is None else {"If-Match": (await api.get(path)).headers["etag"]}


async def done(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any], *, seen: str | None = None
) -> dict[str, Any]:
    answer = await api.request(method, path, json=body, headers=await looked_at(api, seen))
    assert answer.is_success, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


async def refused(api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> tuple[int, str]:
    answer = await api.request(method, path, json=body)
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


def report(partner: UUID, ref: str, value: Any = 84, **changes: Any) -> dict[str, Any]:
    content = {"source": "erp", "source_ref": ref, "partner_id": str(partner), "metric": "score", "period": "2019"}
    return {**content, "value": value, "occurred_at": "2019-12-31T12:00:00Z", **changes}


async def close(api: httpx.AsyncClient, period: str = "2019", **changes: Any) -> dict[str, Any]:
    body = {"scorecard": "yearly", "occurred_at": f"{int(period[:4]) + 1}-01-01T00:00:00Z", **changes}
    return await done(api, "POST", f"/periods/{period}/close", body)


def csv_of(*rows: str, header: str = HEADER) -> bytes:
    return "".join(f"{row}\r\n" for row in (header, *rows)).encode()


async def upload(
    api: httpx.AsyncClient, content: Any, media_type: str = "text/csv", headers: Any = None, **params: Any
) -> dict[str, Any]:
    answer = await api.post(
        "/kpi-reports/bulk",
        content=content,
        headers={"content-type": media_type, **(headers or {})},
        params={"occurred_at": "2019-12-31T12:00:00Z", **params},
    )
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


@pytest.fixture
async def scorecard(api: httpx.AsyncClient) -> None:
    await done(api, "PUT", "/metrics/score", SCORE)
    await done(api, "PUT", "/scorecards/yearly", YEARLY)


@pytest.fixture
async def channel(scorecard: None, tells: Tells) -> Tells:
    """Three partners, registered."""
    await tells(*(("registered", id, "2010-01-01") for id in (ONE, TWO, THREE)))
    return tells


# -- metrics and scorecards


async def test_a_metric_is_defined_revised_and_listed(api: httpx.AsyncClient) -> None:
    assert (await done(api, "PUT", "/metrics/score", SCORE))["version"] == 1
    assert (await done(api, "PUT", "/metrics/score", SCORE))["events"] == []
    tighter = {**SCORE, "maximum": "99.5"}
    assert await refused(api, "PUT", "/metrics/score", tighter) == (428, "version_needed")
    assert (await done(api, "PUT", "/metrics/score", tighter, seen="/metrics/score"))["version"] == 2
    await done(api, "PUT", "/metrics/area", {**SCORE, "minimum": None, "maximum": None})
    metric = await got(api, "/metrics/score")
    assert (metric["version"], metric["maximum"], metric["aggregation"]) == (2, "99.5", "mean")
    first = await got(api, "/metric-definitions", limit=1)
    assert [m["code"] for m in first["items"]] == ["area"]
    assert [m["code"] for m in await items(api, "/metric-definitions", after=first["next"])] == ["score"]
    assert [h["version"] for h in await items(api, "/metrics/score/history")] == [1, 2]
    other_unit = {**SCORE, "unit": "EUR"}
    assert await refused(api, "PUT", "/metrics/score", other_unit) == (409, "performance.metric_fixed")


async def test_a_scorecard_is_defined_revised_and_each_version_kept(api: httpx.AsyncClient) -> None:
    assert await refused(api, "PUT", "/scorecards/yearly", YEARLY) == (404, "performance.metric_unknown")
    await done(api, "PUT", "/metrics/score", SCORE)
    assert (await done(api, "PUT", "/scorecards/yearly", YEARLY))["version"] == 1
    assert (await done(api, "PUT", "/scorecards/yearly", YEARLY))["events"] == []
    larger = {**YEARLY, "minimum_cohort": 4}
    assert await refused(api, "PUT", "/scorecards/yearly", larger) == (428, "version_needed")
    assert (await done(api, "PUT", "/scorecards/yearly", larger, seen="/scorecards/yearly"))["version"] == 2
    card = await got(api, "/scorecards/yearly")
    assert (card["version"], card["minimum_cohort"], card["lines"][0]["aggregation"]) == (2, 4, "mean")
    assert [band["name"] for band in card["bands"]] == ["low", "fair", "high"]
    assert (await got(api, "/scorecards/yearly", version=1))["minimum_cohort"] == 3
    first = (await items(api, "/scorecards/yearly/history"))[0]["recorded_at"]
    assert (await got(api, "/scorecards/yearly", as_of=first))["minimum_cohort"] == 3
    assert [(c["code"], c["version"]) for c in await items(api, "/scorecards")] == [("yearly", 2)]
    assert len(await items(api, "/scorecards/yearly/history")) == 2
    gap = {**YEARLY, "bands": YEARLY["bands"][:2]}
    assert await refused(api, "PUT", "/scorecards/yearly", gap) == (409, "performance.bands_leave_a_gap")


async def test_what_does_not_exist_is_not_found(api: httpx.AsyncClient, scorecard: None) -> None:
    for path, code in (
        ("/metrics/unheard-of", "metric_unknown"),
        ("/metrics/unheard-of/history", "metric_unknown"),
        ("/scorecards/unheard-of", "scorecard_unknown"),
        ("/scorecards/yearly?version=9", "scorecard_unknown"),
        (f"/kpi-reports/{ONE}", "report_unknown"),
        (f"/kpi-reports/{ONE}/history", "kpi_report_unknown"),
        (f"/evaluations/{ONE}/2019", "evaluation_unknown"),
        (f"/evaluations/{ONE}/history", "evaluation_unknown"),
        ("/periods/2019/history", "period_unknown"),
    ):
        assert await refused(api, "GET", path, {}) == (404, f"performance.{code}")
    body = {"scorecard": "unheard-of", "occurred_at": "2020-01-01T00:00:00Z"}
    assert await refused(api, "POST", "/periods/2019/close", body) == (404, "performance.scorecard_unknown")


async def test_a_cursor_that_was_not_handed_out_is_refused(api: httpx.AsyncClient) -> None:
    for path in ("/kpi-reports", "/evaluations", "/missed-reports"):
        for after in ("bm90LWEtY3Vyc29y", "YS9iL2MvZA", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAx"):
            answer = await api.get(path, params={"after": after})
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")


async def test_each_route_needs_its_scope(caller: Callable[[str], httpx.AsyncClient], scorecard: None) -> None:
    auditor, manager = caller("auditor"), caller("channel-manager")
    for method, path in (
        ("PUT", "/metrics/score"),
        ("PUT", "/scorecards/yearly"),
        ("POST", "/kpi-reports"),
        ("POST", "/kpi-reports/bulk"),
        ("POST", "/periods/2019/close"),
    ):
        assert (await auditor.request(method, path, json={})).status_code == 403
    for path in (
        "/metric-definitions",
        "/scorecards",
        "/kpi-reports",
        "/periods",
        "/periods/2019",
        "/evaluations",
        "/missed-reports",
    ):
        assert (await auditor.get(path)).status_code == 200
    past = {"scorecard": "yearly", "occurred_at": "2020-01-01T00:00:00Z"}
    assert await refused(manager, "POST", "/periods/2019/close", past) == (403, "performance.backfill_scope_needed")
    answer = await manager.post(
        "/kpi-reports/bulk",
        content=csv_of(f"{ONE},score,2019,84,erp,1"),
        headers={"content-type": "text/csv"},
        params={"occurred_at": "2019-12-31T12:00:00Z"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "performance.backfill_scope_needed")


# -- reports


async def test_a_report_is_taken_once_refused_otherwise_and_corrected(api: httpx.AsyncClient, channel: Tells) -> None:
    receipt = await done(api, "POST", "/kpi-reports", report(ONE, "1"))
    assert receipt["id"] == str(report_id("erp", "1"))
    assert (await done(api, "POST", "/kpi-reports", report(ONE, "1")))["events"] == []
    answer = await api.post("/kpi-reports", json=report(ONE, "1", 85))
    assert (answer.status_code, answer.json()["code"]) == (409, "performance.report_differs")
    assert (answer.json()["field"], answer.json()["reported"]) == ("value", "84")
    assert "corrects" in answer.json()["hint"]

    fixed = report(ONE, "1-fixed", 85, corrects=receipt["id"])
    assert (await done(api, "POST", "/kpi-reports", fixed))["version"] == 2
    assert (await done(api, "POST", "/kpi-reports", fixed))["events"] == []
    shown = await got(api, f"/kpi-reports/{receipt['id']}")
    assert (shown["value"], shown["source_ref"], shown["restatements"]) == ("85", "1", 1)
    history = await items(api, f"/kpi-reports/{receipt['id']}/history")
    assert [h["data"]["value"] for h in history] == ["84", "85"]


async def test_a_report_that_cannot_be_is_refused(api: httpx.AsyncClient, channel: Tells) -> None:
    refusals: list[tuple[dict[str, Any], int, str]] = [
        ({"partner_id": str(uuid4())}, 404, "partner_unknown"),
        ({"metric": "sales"}, 404, "metric_unknown"),
        ({"unit": "EUR"}, 409, "unit_differs"),
        ({"value": "100.1"}, 409, "value_above_maximum"),
        ({"value": -1}, 409, "value_below_minimum"),
        ({"period": "2021"}, 409, "period_not_begun"),
        ({"corrects": str(uuid4())}, 404, "report_unknown"),
    ]
    for changes, status, code in refusals:
        body = report(ONE, "1", **changes)
        assert await refused(api, "POST", "/kpi-reports", body) == (status, f"performance.{code}")
    assert await items(api, "/kpi-reports") == []


async def test_reports_are_listed_in_the_order_in_which_they_came(api: httpx.AsyncClient, channel: Tells) -> None:
    for n, (partner, period) in enumerate([(TWO, "2019"), (ONE, "2019"), (ONE, "2018"), (ONE, "2019")]):
        await done(api, "POST", "/kpi-reports", report(partner, str(n), period=period))
    corrects = str(report_id("erp", "1"))
    await done(api, "POST", "/kpi-reports", report(ONE, "1b", 12, corrects=corrects))
    assert [r["source_ref"] for r in await items(api, "/kpi-reports")] == ["0", "1", "2", "3"]
    first = await got(api, "/kpi-reports", partner_id=str(ONE), period="2019", limit=1)
    assert [(r["source_ref"], r["value"]) for r in first["items"]] == [("1", "12")]
    rest = await items(api, "/kpi-reports", partner_id=str(ONE), period="2019", metric="score", after=first["next"])
    assert [r["source_ref"] for r in rest] == ["3"]
    assert await items(api, "/kpi-reports", metric="sales") == []


# -- uploads


async def test_an_upload_keeps_good_lines_names_bad_ones_and_counts_repeats(
    api: httpx.AsyncClient, channel: Tells
) -> None:
    stranger = uuid4()
    content = csv_of(
        f"{ONE},score,2019,84,erp,1",
        f"{ONE},score,2019,84,erp,2",
        f"{ONE},score,2019,eighty,erp,3",
        f"{stranger},score,2019,84,erp,4",
        f"{TWO},score,2019,101,erp,5",
        f"{ONE},score,2019,84,erp,1",
        f"{ONE},score,2019,85,erp,1",
        f"{ONE},sales,2019,85,erp,6",
        f"{ONE},score,2019,85",
        "",
        f"{THREE},score,2019,90.25,erp,7",
    )
    receipt = await upload(api, content)
    log = await got(api, "/log")
    assert {name: receipt[name] for name in ("received", "accepted", "repeated", "rejected", "position")} == {
        "received": 10,
        "accepted": 3,
        "repeated": 1,
        "rejected": 6,
        "position": log["head"],
    }
    assert [(e["line"], e["field"], e["rule"]) for e in receipt["errors"]] == [
        (4, "value", "decimal_parsing"),
        (5, "partner_id", "performance.partner_unknown"),
        (6, "value", "performance.value_above_maximum"),
        (8, "value", "performance.report_differs"),
        (9, "metric", "performance.metric_unknown"),
        (10, "line", "csv_cells"),
    ]
    assert (await items(api, "/kpi-reports", partner_id=str(THREE)))[0]["value"] == "90.25"

    again = await upload(api, content)
    assert (again["accepted"], again["repeated"], again["rejected"], again["position"]) == (0, 4, 6, None)


async def test_a_refused_line_is_taken_by_the_next_upload_with_the_same_key_once_its_partner_is_known(
    api: httpx.AsyncClient, channel: Tells
) -> None:
    newcomer = uuid4()
    content = csv_of(f"{newcomer},score,2019,84,erp,1")
    key = {"idempotency-key": "upload-1"}
    assert (await upload(api, content, headers=key))["rejected"] == 1
    await channel(("registered", newcomer, "2019-01-01"))
    assert (await upload(api, content, headers=key))["accepted"] == 1
    assert (await upload(api, content, headers=key))["repeated"] == 1


async def test_ndjson_is_streamed_in_compressed_with_times_and_corrections_of_its_own(
    api: httpx.AsyncClient, channel: Tells
) -> None:
    lines = [report(ONE, str(n), n % 101) for n in range(1200)]
    lines[600]["occurred_at"] = "2019-06-30T00:00:00Z"
    lines += [report(ONE, "fix", 77, corrects=str(report_id("erp", "5")))]
    data = gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode() + b'{"source')

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 777):
            yield data[start : start + 777]

    receipt = await upload(api, chunks(), "application/x-ndjson", {"content-encoding": "gzip"})
    assert (receipt["received"], receipt["accepted"], receipt["rejected"]) == (1202, 1201, 1)
    assert [(e["line"], e["rule"]) for e in receipt["errors"]] == [(1202, "line_incomplete")]
    assert (await got(api, f"/kpi-reports/{report_id('erp', '5')}"))["value"] == "77"
    assert (await got(api, f"/kpi-reports/{report_id('erp', '600')}"))["occurred_at"] == "2019-06-30T00:00:00Z"


async def test_lines_about_one_report_take_effect_in_their_order_though_batches_are_recorded_at_once(
    api: httpx.AsyncClient, channel: Tells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    first = str(report_id("erp", "0"))
    lines = [report(ONE, "0", 0), *(report(ONE, f"fix {n}", n, corrects=first) for n in range(1, 40))]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    receipt = await upload(api, content, "application/x-ndjson")
    assert (receipt["accepted"], receipt["errors"]) == (40, [])
    assert (await got(api, f"/kpi-reports/{first}"))["value"] == "39"


async def test_only_the_first_thousand_errors_are_told_but_all_are_counted(
    api: httpx.AsyncClient, channel: Tells
) -> None:
    content = csv_of(*(f"{uuid4()},score,2019,84,erp,{n}" for n in range(700)), *("nonsense" for _ in range(800)))
    receipt = await upload(api, content)
    assert (receipt["rejected"], len(receipt["errors"]), receipt["position"]) == (1500, 1000, None)


async def test_an_upload_that_cannot_be_understood_is_refused_as_a_whole(
    api: httpx.AsyncClient, channel: Tells
) -> None:
    answer = await api.post("/kpi-reports/bulk", content=b"a,b\r\n", headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (422, "performance.csv_header_wrong")
    assert answer.json()["unknown"] == ["a", "b"]
    assert "source_ref" in answer.json()["missing"]
    answer = await api.post("/kpi-reports/bulk", json=[])
    assert (answer.status_code, answer.json()["code"]) == (415, "performance.media_type_unsupported")
    headers = {"content-type": "text/csv", "content-encoding": "br"}
    answer = await api.post("/kpi-reports/bulk", content=b"", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "performance.encoding_unsupported")


async def test_the_answer_to_a_long_upload_begins_while_it_comes_in_and_says_where_it_stopped(
    api: httpx.AsyncClient, channel: Tells, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "ANSWER_AFTER", 0.0)
    monkeypatch.setattr(bulk, "SPACE_EVERY", 0.01)
    rows = [f"{ONE},score,2019,{n % 101},erp,{n}" for n in range(1100)]
    receipt = await upload(api, csv_of(*rows[:1000]))
    assert (receipt["accepted"], receipt["stopped"]) == (1000, None)

    async def broken() -> AsyncIterator[bytes]:
        yield csv_of(*rows[:1100])
        yield b"x" * (bulk.UPLOAD_LIMIT + 1)

    receipt = await upload(api, broken())
    assert (receipt["repeated"], receipt["accepted"], receipt["stopped"]) == (1000, 0, "body_too_large")
    assert (await upload(api, csv_of(*rows)))["accepted"] == 100


async def test_a_line_from_the_future_is_refused_alone(api: httpx.AsyncClient, channel: Tells) -> None:
    lines = [report(ONE, "1"), report(ONE, "2", occurred_at="2999-01-01T00:00:00Z")]
    receipt = await upload(api, "".join(json.dumps(line) + "\n" for line in lines), "application/x-ndjson")
    assert receipt["accepted"] == 1
    assert receipt["errors"][0]["rule"] == "performance.occurred_at_in_the_future"
    assert receipt["errors"][0]["field"] == "occurred_at"


# -- periods and evaluations


async def test_a_close_evaluates_the_partners_with_reports_and_shows_what_is_behind(
    api: httpx.AsyncClient, channel: Tells, settles: Settles
) -> None:
    rows = [(ONE, 80), (ONE, 80), (ONE, 95), (TWO, 90), (THREE, 70)]
    await upload(api, csv_of(*(f"{id},score,2019,{value},erp,{n}" for n, (id, value) in enumerate(rows))))
    assert (await got(api, "/periods/2019"))["status"] == "open"
    receipt = await close(api)
    await settles()

    period = await got(api, "/periods/2019")
    assert (period["status"], period["evaluations"], period["missed_reports"]) == ("evaluated", 3, 0)
    assert (period["position"], period["closes_from"]) == (receipt["position"], "2020-01-01")
    found = {e["partner_id"]: e for e in await items(api, "/evaluations", period="2019")}
    assert {id: (e["total"], e["band"], e["percentile"], e["trend"]) for id, e in found.items()} == {
        str(ONE): ("85.000000", "fair", "66.666667", None),
        str(TWO): ("90.000000", "high", "100.000000", None),
        str(THREE): ("70.000000", "low", "33.333333", None),
    }
    shown = await got(api, f"/evaluations/{ONE}/2019")
    assert (shown["reports"]["count"], len(shown["reports"]["first"]), shown["cohort_size"]) == (3, 3, 3)
    assert shown["scores"][0]["observations"] == 3
    assert [r["value"] for r in (await got(api, shown["reports"]["all"]))["items"]] == ["80", "80", "95"]
    assert (await got(api, shown["reports"]["first"][2]))["value"] == "95"
    history = await items(api, shown["history"])
    assert [(h["type"], h["causation_id"] is not None) for h in history] == [
        ("cauce.performance.PartnerEvaluated.v1", True)
    ]
    assert [e["partner_id"] for e in await items(api, "/evaluations", band="high")] == [str(TWO)]
    first = await got(api, "/evaluations", limit=2)
    rest = await items(api, "/evaluations", after=first["next"])
    assert [e["partner_id"] for e in [*first["items"], *rest]] == [str(ONE), str(TWO), str(THREE)]


async def test_closing_is_refused_too_early_twice_otherwise_and_out_of_order(
    api: httpx.AsyncClient, scorecard: None, settles: Settles
) -> None:
    early = {"scorecard": "yearly", "occurred_at": "2019-12-31T23:59:59Z"}
    answer = await api.post("/periods/2019/close", json=early)
    assert (answer.status_code, answer.json()["code"]) == (409, "performance.period_not_over")
    assert answer.json()["allowed_from"] == "2020-01-01"
    assert (await close(api))["version"] == 1
    await settles()
    assert (await close(api))["events"] == []
    await done(api, "PUT", "/scorecards/other", YEARLY)
    other = {"scorecard": "other", "occurred_at": "2020-01-01T00:00:00Z"}
    assert await refused(api, "POST", "/periods/2019/close", other) == (409, "performance.period_closed")
    older = {"scorecard": "yearly", "occurred_at": "2020-02-01T00:00:00Z"}
    assert await refused(api, "POST", "/periods/2017/close", older) == (409, "performance.later_period_closed")
    await close(api, "2017", out_of_order=True)
    await close(api, "2017-12")
    await settles()
    assert [(p["period"], p["status"]) for p in await items(api, "/periods", kind="year")] == [
        ("2017", "evaluated"),
        ("2019", "evaluated"),
    ]
    assert [h["type"].split(".")[2] for h in await items(api, "/periods/2017/history")] == [
        "PeriodClosed",
        "EvaluationRoundOpened",
        "PeriodEvaluated",
    ]
    answer = await api.post("/periods/2019-13/close", json=early)
    assert answer.status_code == 422


async def test_the_trend_spans_years_without_reports_and_the_percentile_needs_its_cohort(
    api: httpx.AsyncClient, channel: Tells, settles: Settles
) -> None:
    for year, value in (("2009", 80), ("2015", 79), ("2016", 79)):
        await upload(api, csv_of(f"{ONE},score,{year},{value},erp,{year}"))
        await close(api, year)
    await settles()
    found = await items(api, "/evaluations", partner_id=str(ONE))
    assert all(e["insufficient_data"] is (e["percentile"] is None) for e in found)
    assert [(e["period"], e["trend"], e["percentile"], e["cohort_size"]) for e in found] == [
        ("2009", None, None, 1),
        ("2015", "down", None, 1),
        ("2016", "level", None, 1),
    ]


async def test_late_facts_and_corrections_restate_the_evaluation_and_the_trend_after_it(
    api: httpx.AsyncClient, channel: Tells, settles: Settles
) -> None:
    rows = [(id, year, value) for year in (2018, 2019) for id, value in ((ONE, 80), (TWO, 85), (THREE, 90))]
    await upload(api, csv_of(*(f"{id},score,{year},{value},erp,{year}-{value}" for id, year, value in rows)))
    for year in ("2018", "2019"):
        await close(api, year)
    await settles()
    late = {"occurred_at": "2020-03-01T00:00:00Z", "period": "2018"}
    corrects = str(report_id("erp", "2018-80"))
    await done(api, "POST", "/kpi-reports", report(ONE, "fix", "87.5", corrects=corrects, **late))
    await settles()

    shown = await got(api, f"/evaluations/{ONE}/2018")
    assert (shown["total"], shown["percentile"], shown["restatements"]) == ("87.500000", "66.666667", 1)
    assert (await got(api, f"/evaluations/{ONE}/2019"))["trend"] == "down"
    history = await items(api, f"/evaluations/{ONE}/history")
    assert [h["type"].split(".")[2] for h in history] == [
        "PartnerEvaluated",
        "PartnerEvaluated",
        "EvaluationRestated",
        "EvaluationRestated",
    ]
    fix = (await items(api, f"/kpi-reports/{corrects}/history"))[1]
    assert history[2]["data"]["because"] == history[3]["data"]["because"] == [fix["event_id"]]
    assert history[2]["data"]["previous_total"] == "80.000000"
    assert history[2]["causation_id"] == fix["event_id"]
    assert (await got(api, f"/evaluations/{TWO}/2018"))["percentile"] == "66.666667"
    then = await got(api, f"/evaluations/{ONE}/2018", as_of=history[1]["recorded_at"])
    assert (then["total"], then["restatements"], then["reports"]) == ("80.000000", 0, None)
    value = await got(api, f"/kpi-reports/{corrects}", as_of=history[1]["recorded_at"])
    assert (value["value"], value["restatements"]) == ("80", 0)
    assert (await got(api, "/periods/2018", as_of="2020-01-01T00:00:00Z"))["status"] == "open"
    assert [e["total"] for e in await items(api, "/evaluations", period="2018", sort="-total")] == [
        "90.000000",
        "87.500000",
        "85.000000",
    ]

    await done(api, "POST", "/kpi-reports", report(ONE, "late", "87.5", **late))
    await settles()
    again = await got(api, f"/evaluations/{ONE}/2018")
    assert (again["total"], again["scores"][0]["observations"], again["restatements"]) == ("87.500000", 2, 2)
    await done(api, "POST", "/kpi-reports", report(ONE, "late", "87.5", **late))
    await settles()
    assert len(await items(api, f"/evaluations/{ONE}/history")) == 5


async def test_a_partner_whose_report_was_due_has_missed_it_until_it_comes_late(
    api: httpx.AsyncClient, tells: Tells, settles: Settles
) -> None:
    due = {**SCORE, "due": "every_period", "occurred_at": "2010-01-01T00:00:00Z"}
    await done(api, "PUT", "/metrics/score", due)
    await done(api, "PUT", "/scorecards/yearly", YEARLY)
    ids = {name: uuid4() for name in ("reports", "silent", "joined_in_2019", "suspended", "suspended_from_may", "left")}
    await tells(*(("registered", id, "2017-01-01") for id in ids.values()))
    await tells(
        *(("activated", id, "2019-02-01" if name == "joined_in_2019" else "2017-02-01") for name, id in ids.items()),
        ("suspended", ids["suspended"], "2018-05-01"),
        ("suspended", ids["suspended_from_may"], "2018-05-01"),
        ("reinstated", ids["suspended_from_may"], "2018-06-01"),
        ("suspended", ids["suspended_from_may"], "2019-05-01"),
        ("terminated", ids["left"], "2019-11-30"),
    )
    await done(api, "POST", "/kpi-reports", report(ids["reports"], "1", 90))
    await close(api)
    await settles()
    missed = await items(api, "/missed-reports", period="2019")
    assert {m["partner_id"] for m in missed} == {str(ids["silent"]), str(ids["suspended_from_may"])}
    assert [e["partner_id"] for e in await items(api, "/evaluations")] == [str(ids["reports"])]
    assert (await got(api, "/periods/2019"))["missed_reports"] == 2

    await done(api, "POST", "/kpi-reports", report(ids["silent"], "2", 70, occurred_at="2020-02-01T00:00:00Z"))
    await settles()
    shown = await got(api, f"/evaluations/{ids['silent']}/2019")
    assert (shown["total"], shown["missed"], shown["cohort_size"]) == ("70.000000", ["score"], 2)
    history = await items(api, f"/evaluations/{ids['silent']}/history")
    assert [h["type"].split(".")[2] for h in history] == ["KPIReportMissed", "EvaluationRestated"]
    assert history[1]["data"]["previous_total"] is None


async def test_a_close_takes_several_rounds_and_reports_that_race_with_it_are_neither_lost_nor_counted_twice(
    api: httpx.AsyncClient, channel: Tells, settles: Settles
) -> None:
    ids = [uuid4() for _ in range(ROUND_SIZE + 50)]
    await channel(*(("registered", id, "2019-01-01") for id in ids))
    await upload(api, csv_of(*(f"{id},score,2019,{n % 101},erp,{n}" for n, id in enumerate(ids))))
    await close(api)
    # no wait: these come before, between and after the rounds
    late = await upload(api, csv_of(*(f"{id},score,2019,100,erp,late-{n}" for n, id in enumerate(ids))))
    assert late["accepted"] == len(ids)
    await settles()
    closed = [h["data"] for h in await items(api, "/periods/2019/history")]
    assert [(c.get("number"), c.get("of")) for c in closed] == [(None, None), (1, 2), (2, 2), (None, None)]
    found: dict[str, dict[str, Any]] = {}
    after = None
    while True:
        page = await got(api, "/evaluations", limit=500, **({"after": after} if after else {}))
        found |= {e["partner_id"]: e for e in page["items"]}
        after = page["next"]
        if after is None:
            break
    assert len(found) == len(ids)
    for n, id in enumerate(ids):
        value = Decimal(n % 101 + 100) / 2
        assert Decimal(found[str(id)]["total"]) == value
        assert found[str(id)]["restatements"] == 1
    at_close = sorted(Decimal(n % 101) for n in range(len(ids)))
    for n, id in list(enumerate(ids))[::97]:
        others = list(at_close)
        others.remove(Decimal(n % 101))
        mine = Decimal(n % 101 + 100) / 2
        at_or_below = sum(1 for total in [*others, mine] if total <= mine)
        percentile = (Decimal(100 * at_or_below) / len(ids)).quantize(Decimal("0.000001"))
        assert Decimal(found[str(id)]["percentile"]) == percentile
        events = await items(api, f"/evaluations/{id}/history")
        assert [e["type"].split(".")[2] for e in events] == ["PartnerEvaluated", "EvaluationRestated"]
        assert Decimal(events[0]["data"]["total"]) == n % 101


async def test_what_a_business_day_was_is_kept_beside_the_clock(api: httpx.AsyncClient, channel: Tells) -> None:
    await upload(api, csv_of(f"{ONE},score,2019,84,erp,1"), occurred_at="2019-12-31T21:00:00+00:00")
    (event,) = await items(api, f"/kpi-reports/{report_id('erp', '1')}/history")
    assert event["occurred_at"] == "2019-12-31T21:00:00Z"
    assert datetime.fromisoformat(event["recorded_at"]) > datetime(2024, 1, 1, tzinfo=UTC)
