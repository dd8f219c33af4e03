from __future__ import annotations

import httpx
import pytest
from engine.errors import Unavailable
from service.keys import INTERVAL, MAX_AGE, Keys

URL = "https://issuer.example/jwks"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def web(monkeypatch, issuer):
    """The issuer's key set at a URL; `fails` makes it fail; `asked` counts."""

    class Web:
        asked = 0
        fails = False

        def answer(self, request):
            self.asked += 1
            if self.fails:
                raise httpx.ConnectError("away", request=request)
            return httpx.Response(200, content=issuer.path.read_bytes())

    web, real = Web(), httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: real(transport=httpx.MockTransport(web.answer)))
    return web


def kids(keys):
    return {key.kid for key in keys}


async def test_keys_are_fetched_once_and_again_when_they_are_old(web, clock):
    keys = Keys(URL, now=clock)
    for _ in range(3):
        assert kids(await keys.current()) == {"ed", "ec", "rsa"}
    assert web.asked == 1
    clock.now += MAX_AGE + 1
    await keys.current()
    assert web.asked == 2


async def test_unknown_key_ids_make_at_most_one_fetch_an_interval(web, clock):
    keys = Keys(URL, now=clock)
    await keys.current()
    for _ in range(5):
        await keys.refreshed()
    assert web.asked == 1
    clock.now += INTERVAL
    for _ in range(5):
        await keys.refreshed()
    assert web.asked == 2


async def test_a_new_key_is_known_after_the_next_fetch_and_its_coming_is_told(web, clock, issuer):
    told = []
    keys = Keys(URL, now=clock)
    keys.changed.append(lambda: told.append(1))
    await keys.current()
    del issuer.keys["rsa"]
    issuer.publish()
    clock.now += INTERVAL
    assert kids(await keys.refreshed()) == {"ed", "ec"}
    clock.now += INTERVAL
    await keys.refreshed()
    assert len(told) == 2


async def test_while_the_source_is_away_the_keys_of_before_are_used(web, clock):
    keys = Keys(URL, now=clock)
    await keys.current()
    web.fails = True
    clock.now += MAX_AGE + 1
    assert kids(await keys.current()) == {"ed", "ec", "rsa"}
    await keys.current()
    assert web.asked == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": []}', b'{"keys": [{"kty": "RSA"}]}'])
async def test_a_source_that_holds_no_keys_changes_nothing(issuer, clock, content):
    keys = Keys(str(issuer.path), now=clock)
    await keys.current()
    issuer.path.write_bytes(content)
    clock.now += MAX_AGE + 1
    assert kids(await keys.current()) == {"ed", "ec", "rsa"}


async def test_without_any_keys_nobody_can_be_told_apart(tmp_path, clock):
    keys = Keys(str(tmp_path / "absent.json"), now=clock)
    with pytest.raises(Unavailable):
        await keys.current()


async def test_without_any_keys_the_source_is_not_asked_at_every_request(web, clock):
    web.fails = True
    keys = Keys(URL, now=clock)
    for _ in range(5):
        with pytest.raises(Unavailable):
            await keys.current()
    assert web.asked == 1
    clock.now += 1
    web.fails = False
    assert kids(await keys.current()) == {"ed", "ec", "rsa"}


async def test_a_service_without_keys_answers_503(make_app, connect, tmp_path):
    answer = await connect(make_app(jwks=str(tmp_path / "absent.json"))).get("/loans")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
