from collections.abc import Callable, Iterator
from typing import Any

import httpx
import orjson
import pytest

from sample import services
from sample.services import Refused, Service, Trouble, connect, from_environment

Answer = httpx.Response | Exception


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PAUSES", (0.0,))


class Scripted:
    """A service that gives these answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers: Iterator[Answer] = iter(answers)
        self.asked: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def service(handler: Callable[[httpx.Request], Any], patience: float = 5) -> Service:
    transport = httpx.MockTransport(handler)
    return connect("partner", "http://partner", "s3cret", transport=transport, patience=patience)


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, content=orjson.dumps(body))


@pytest.mark.usefixtures("no_pauses")
async def test_a_command_to_a_service_that_was_killed_is_repeated_with_the_same_key_until_it_is_back() -> None:
    partner = Scripted(
        httpx.ReadError("connection reset"),
        httpx.ConnectError("refused"),
        httpx.Response(503),
        httpx.Response(502),
        ok({"id": "x"}),
    )
    assert await service(partner).post("/applications", {"legal_name": "907"}, key="apply/907") == {"id": "x"}
    assert len(partner.asked) == 5
    assert {request.headers["idempotency-key"] for request in partner.asked} == {"apply/907"}
    assert {request.content for request in partner.asked} == {b'{"legal_name":"907"}'}
    assert {request.headers["authorization"] for request in partner.asked} == {"Bearer s3cret"}


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 500])
async def test_a_refusal_is_not_repeated(status: int) -> None:
    problem = {"code": "partner.application_scored_already", "detail": "It was scored."}
    partner = Scripted(httpx.Response(status, content=orjson.dumps(problem)))
    with pytest.raises(Refused) as refused:
        await service(partner).post("/applications/1/scores", {}, key="score")
    assert (refused.value.status, refused.value.code) == (status, "partner.application_scored_already")
    assert "It was scored." in str(refused.value)
    assert len(partner.asked) == 1


@pytest.mark.usefixtures("no_pauses")
async def test_a_service_that_does_not_come_back_ends_the_load_in_one_sentence() -> None:
    async def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(Trouble, match=r"^partner at http://partner has been away for .*connection refused\)\.$"):
        await service(gone, patience=0.01).get("/partners")


async def test_a_list_is_read_to_its_last_page() -> None:
    partner = Scripted(ok({"items": [1, 2], "next": "abc"}), ok({"items": [3], "next": None}))
    assert await service(partner).items("/partners", status="active") == [1, 2, 3]
    assert [dict(request.url.params) for request in partner.asked] == [
        {"status": "active", "limit": "500"},
        {"status": "active", "limit": "500", "after": "abc"},
    ]


def test_without_a_token_the_load_says_where_it_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("CAUCE_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(Trouble, match=r"The token cannot be read: No such file or directory: .*token\."):
        from_environment()


async def test_services_are_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    monkeypatch.setenv("CAUCE_TOKEN_FILE", str(token))
    monkeypatch.setenv("CAUCE_SERVICES", '{"partner": "http://127.0.0.1:9"}')
    found = from_environment()
    assert (found["partner"].url, found["risk"].url) == ("http://127.0.0.1:9", "http://127.0.0.1:8108")
    assert found["partner"].client.headers["authorization"] == "Bearer s3cret"
    for each in found.values():
        await each.client.aclose()
    monkeypatch.setenv("CAUCE_SERVICES", "partner=here")
    with pytest.raises(Trouble, match="CAUCE_SERVICES is not a JSON object"):
        from_environment()
