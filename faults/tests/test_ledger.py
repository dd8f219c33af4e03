"""The client's book: what it asks again under the same key, and what it never learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import httpx
import pytest

from faults.ledger import Client, Ledger, Line, Unanswered
from sample.services import Refused

RECEIPT = {"id": "x", "version": 1, "position": 5, "events": ["cauce.partner.PartnerApplied.v1"]}


class Never:
    """A choice by which no client goes away."""

    def random(self) -> float:
        return 1.0

    def choice(self, urls: Sequence[str]) -> str:
        return urls[0]


class Always(Never):
    """A choice by which every client goes away at the first failure."""

    def random(self) -> float:
        return 0.0


Answer = httpx.Response | httpx.TransportError
Ask = Callable[..., tuple[Client, list[httpx.Request]]]


@pytest.fixture
def client() -> Ask:
    def make(*answers: Answer, choice: Never | None = None) -> tuple[Client, list[httpx.Request]]:
        """A client of a service that answers so, in turn; and what it was asked."""
        seen: list[httpx.Request] = []
        left = list(answers)

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            following = left.pop(0)
            if isinstance(following, httpx.TransportError):
                raise following
            return following

        transport = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        made = Client("partner", transport, urls=["http://one"], ledger=Ledger(), choice=choice or Never())  # type: ignore[arg-type]
        return made, seen

    return make


async def test_an_acknowledged_command_is_kept_with_its_receipt(client: Ask) -> None:
    made, seen = client(httpx.Response(201, json=RECEIPT))
    await made.post("/applications", {}, key="k")
    [asked] = made.ledger.of("acknowledged")
    assert asked.receipt == RECEIPT
    assert seen[0].headers["x-correlation-id"] == str(asked.correlation_id)


async def test_a_command_is_repeated_as_the_same_command(client: Ask) -> None:
    made, seen = client(httpx.ConnectError("down"), httpx.Response(503), httpx.Response(201, json=RECEIPT))
    await made.post("/applications", {}, key="k")
    assert len({(r.headers["idempotency-key"], r.headers["x-correlation-id"]) for r in seen}) == 1
    assert [asked.tries for asked in made.ledger.of("acknowledged")] == [3]


async def test_a_client_that_goes_away_never_learns_what_became_of_it(client: Ask) -> None:
    made, seen = client(httpx.ReadTimeout("no answer"), choice=Always())
    with pytest.raises(Unanswered):
        await made.post("/applications", {}, key="k")
    assert len(seen) == len(made.ledger.of("unknown")) == 1


async def test_a_refusal_is_kept_by_its_code(client: Ask) -> None:
    made, _ = client(httpx.Response(409, json={"code": "partner.no"}))
    with pytest.raises(Refused):
        await made.post("/applications", {}, key="k")
    assert made.ledger.refusals() == {"partner.no": 1}


async def test_a_failure_of_the_service_itself_is_no_excuse(client: Ask) -> None:
    made, _ = client(httpx.Response(500, json={"code": "internal_error"}))
    with pytest.raises(Unanswered):
        await made.post("/applications", {}, key="k")
    assert len(made.ledger.broken) == 1


async def test_who_decides_without_looking_looks_and_decides_again(client: Ask) -> None:
    made, seen = client(
        httpx.Response(428, json={"code": "version_needed"}),
        httpx.Response(200, json={}, headers={"etag": '"4"'}),
        httpx.Response(201, json=RECEIPT),
    )
    await made.post("/applications/x/approval", {}, key="k")
    assert [(r.method, r.url.path) for r in seen] == [
        ("POST", "/applications/x/approval"),
        ("GET", "/applications/x"),
        ("POST", "/applications/x/approval"),
    ]
    assert seen[2].headers["if-match"] == '"4"'
    assert len(made.ledger.asked) == 1


async def test_a_request_that_is_in_flight_is_asked_for_again(client: Ask) -> None:
    made, _ = client(httpx.Response(409, json={"code": "request_in_flight"}), httpx.Response(201, json=RECEIPT))
    await made.post("/applications", {}, key="k")
    assert len(made.ledger.of("acknowledged")) == 1


async def test_an_uploads_lines_are_kept(client: Ask) -> None:
    lines = [Line("1", "p", "2026-09", 80)]
    made, _ = client(httpx.Response(200, json={"received": 1, "errors": []}))
    await made.upload("/kpi-reports/bulk", b"csv", lines, key="k")
    assert [asked.lines for asked in made.ledger.of("acknowledged")] == [tuple(lines)]


async def test_reads_are_counted_and_are_no_commands(client: Ask) -> None:
    made, _ = client(httpx.Response(200, json={"items": []}))
    await made.get("/partners")
    assert made.ledger.reads == 1
    assert not made.ledger.asked
