"""What newcomers are asked to do, when and by which key; and what is left alone."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import httpx
import orjson
import pytest
from rich.console import Console

from sample import dates
from sample.dates import NOON, closing, on
from sample.history import Report, Year
from sample.joining import Newcomers, made_up_scores, together
from sample.services import Service, Trouble, connect
from sample.story import Story
from sample.year import Channel, upload

OURS, THEIRS = "a-partner", "somebody-elses"


@dataclass
class Desk:
    """A service with lists, that takes every command and keeps it: (path, key, body)."""

    name: str
    lists: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: Mapping[str, Any] = field(default_factory=dict)
    commands: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.method == "GET":
            status = request.url.params.get("status")
            rows = [row for row in self.lists.get(path, []) if status in (None, row.get("status", status))]
            return httpx.Response(200, content=orjson.dumps(self.answers.get(path, {"items": rows, "next": None})))
        if request.headers["content-type"] == "application/json":
            self.commands.append((path, request.headers["idempotency-key"], orjson.loads(request.content)))
        return httpx.Response(201, content=orjson.dumps(self.answers.get(path, {"id": "an-application"})))

    def service(self) -> Service:
        return connect(self.name, f"http://{self.name}", "token", transport=httpx.MockTransport(self.answer))


def story() -> Story:
    return Story(Console(file=io.StringIO()))


def newcomers(*desks: Desk, year: int = 2001, names: tuple[str, ...] = ("TWIN DRAGON",)) -> Newcomers:
    services = {desk.name: desk.service() for desk in desks}
    return Newcomers(services, story(), year, names, partners={OURS: "TWIN DRAGON"})


def contract(id: str, partner_id: str, awaits: list[str]) -> dict[str, Any]:
    return {"contract_id": id, "partner_id": partner_id, "status": "disclosed", "awaits": awaits}


async def test_an_application_says_who_applies_on_its_day_by_a_key_of_its_own() -> None:
    partner = Desk("partner")
    joining = newcomers(partner)
    await joining.apply(joining.services["partner"])
    ((path, key, body),) = partner.commands
    assert (path, key) == ("/applications", "sample/apply/TWIN DRAGON")
    assert (body["legal_name"], body["occurred_at"]) == ("TWIN DRAGON", "2001-01-05T12:00:00-09:00")


async def test_only_what_is_still_to_do_is_done() -> None:
    applied = {"application_id": "an-application", "partner_id": OURS, "legal_name": "TWIN DRAGON"}
    for status, rest in (("applied", ["scores", "approval"]), ("scored", ["approval"]), ("approved", [])):
        partner = Desk("partner", {"/applications": [applied | {"status": status}]})
        joining = newcomers(partner)
        await joining.apply(joining.services["partner"])
        assert [path.rpartition("/")[2] for path, _, _ in partner.commands] == ["applications", *rest]


async def test_a_contract_is_signed_by_whoever_has_not_signed_and_others_contracts_are_left_alone() -> None:
    rows = [contract("1", OURS, ["principal"]), contract("2", THEIRS, ["partner", "principal"])]
    desk = Desk("contract", {"/contracts": rows})
    joining = newcomers(desk)
    await joining.sign(joining.services["contract"])
    assert desk.commands == [
        (
            "/contracts/1/signatures",
            "sample/principal",
            {"party": "principal", "effective_from": "2001-02-01", "occurred_at": "2001-01-29T12:00:00-09:00"},
        )
    ]


async def test_both_parties_sign_in_their_order_by_keys_of_their_own() -> None:
    desk = Desk("contract", {"/contracts": [contract("1", OURS, ["principal", "partner"])]})
    joining = newcomers(desk)
    await joining.sign(joining.services["contract"])
    assert [(key, body["occurred_at"][:10]) for _, key, body in desk.commands] == [
        ("sample/partner", "2001-01-28"),
        ("sample/principal", "2001-01-29"),
    ]


async def test_a_possible_duplicate_is_decided_with_a_reason_and_only_if_it_is_ours() -> None:
    rows = [{"application_id": "1", "partner_id": OURS}, {"application_id": "2", "partner_id": THEIRS}]
    desk = Desk("partner", {"/possible-duplicates": rows})
    joining = newcomers(desk)
    await joining.decide_on_duplicates(joining.services["partner"])
    ((path, _, body),) = desk.commands
    assert path == "/applications/1/duplicate-decision"
    assert body["distinct"] is True
    assert body["reason"]
    assert joining.held == rows[:1]


async def test_a_newcomer_that_does_not_trade_ends_the_load_with_its_name() -> None:
    desk = Desk("partner", {"/partners": [{"partner_id": OURS, "status": "onboarding"}]})
    joining = newcomers(desk)
    with pytest.raises(Trouble, match=r"^1 of the newcomers of 2001 do not trade, among them TWIN DRAGON: see http"):
        await joining.check(joining.services["partner"])


async def test_a_suspended_newcomer_has_joined_all_the_same() -> None:
    desk = Desk("partner", {"/partners": [{"partner_id": OURS, "status": "suspended"}]})
    joining = newcomers(desk)
    await joining.check(joining.services["partner"])


async def test_the_first_failure_ends_what_was_begun_with_it() -> None:
    never = asyncio.Event()

    async def refused() -> None:
        raise Trouble("No.")

    async def waits() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            never.set()

    with pytest.raises(Trouble, match=r"^No\.$"):
        await together([waits(), refused()])
    assert never.is_set()


def test_made_up_scores_are_the_same_in_every_run_and_differ_between_names() -> None:
    assert made_up_scores("TWIN DRAGON") == made_up_scores("TWIN DRAGON") != made_up_scores("DAMI")
    assert all(60 <= score <= 100 for score in made_up_scores("TWIN DRAGON").values())


def test_the_days_of_a_year_are_in_the_order_in_which_things_happen() -> None:
    days = [
        *(dates.APPLIED, dates.SCORED, dates.APPROVED, dates.DUPLICATE_DECIDED, dates.TERMS_OFFERED),
        *(dates.TERMS_ACCEPTED, dates.DISCLOSED, dates.SIGNED_BY_PARTNER, dates.SIGNED_BY_PRINCIPAL, dates.IN_FORCE),
        *(dates.TRAINING_STARTED, dates.ASSESSED, dates.CHECKED, dates.OPENED, dates.INSPECTED),
    ]
    assert days == sorted(days)
    assert date(2001, *dates.SIGNED_BY_PARTNER) - date(2001, *dates.DISCLOSED) > timedelta(days=14)
    assert on(2001, dates.INSPECTED) < closing(2001) < on(2002, dates.APPLIED)
    assert closing(2001) == datetime(2002, 1, 1, 12, tzinfo=NOON.tzinfo)


# -- a year's reports


PARTNERS = {"VAULT, THE": {"partner_id": "p", "outlet_id": "o", "legal_name": "VAULT, THE"}}


def test_the_upload_has_a_line_for_every_observation_by_its_line_in_the_file() -> None:
    reports = [Report(2, "VAULT, THE", 2001, 90), Report(7, "VAULT, THE", 2001, 90)]
    assert upload(reports, PARTNERS).decode().splitlines() == [
        "source,source_ref,partner_id,outlet_id,metric,period,value",
        "anchorage_inspections,2,p,o,inspection_score,2001,90",
        "anchorage_inspections,7,p,o,inspection_score,2001,90",
    ]


async def test_a_report_that_is_rejected_ends_the_load_with_the_line_and_the_reason() -> None:
    error = {"line": 2, "field": "value", "rule": "performance.value_above_maximum", "message": "is above 100"}
    receipt = {"received": 1, "accepted": 0, "repeated": 0, "rejected": 1, "errors": [error], "position": None}
    channel = Channel({"performance": Desk("performance", answers={"/kpi-reports/bulk": receipt}).service()}, story())
    with pytest.raises(Trouble, match=r"^performance rejected 1 of 1 inspections of 2001, .* line 2: value is above"):
        await channel.report(Year(2001, (), (Report(2, "VAULT, THE", 2001, 101),)), PARTNERS)


async def test_a_year_whose_evaluation_did_not_end_is_not_told_as_closed() -> None:
    performance = Desk("performance", answers={"/periods/2001": {"status": "closed", "evaluations": 3}})
    channel = Channel({"performance": performance.service(), "risk": Desk("risk").service()}, story())
    with pytest.raises(Trouble, match="The evaluation of 2001 did not come to its end"):
        await channel.closed(2001)


async def test_what_came_of_a_year_is_what_carries_its_closing_as_business_time() -> None:
    at, later = closing(2001).isoformat(), closing(2002).isoformat()
    performance = Desk("performance", answers={"/periods/2001": {"status": "evaluated", "evaluations": 3}})
    risk = Desk(
        "risk",
        {
            "/flags": [
                {"raised_at": at, "closed_at": later, "n": 1},
                {"raised_at": "2001-01-01T21:00:00Z", "closed_at": at, "n": 2},
                {"raised_at": later, "closed_at": None, "n": 3},
            ],
            "/restrictions": [
                {"imposed_at": at, "lifted_at": None, "n": 4},
                {"imposed_at": "2001-01-01T21:00:00Z", "lifted_at": "2002-01-01T21:00:00Z", "n": 5},
            ],
        },
    )
    closed = await Channel({"performance": performance.service(), "risk": risk.service()}, story()).closed(2001)
    assert [[row["n"] for row in rows] for rows in (closed.flagged, closed.resolved)] == [[1], [2]]
    assert [[row["n"] for row in rows] for rows in (closed.suspended, closed.reinstated)] == [[4], [5]]
