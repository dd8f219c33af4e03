from __future__ import annotations

import asyncio
import json
from functools import partial
from types import SimpleNamespace

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
    """The issuer and its key set; `fails` makes it fail, `holds` makes it slow; `asked` counts."""

    class Web:
        asked = 0
        fails = False
        about = {"issuer": "https://issuer.example/realm", "jwks_uri": URL}  # noqa: RUF012
        holds = None

        async def answer(self, request):
            self.asked += 1
            if self.holds is not None:
                await self.holds.wait()
            if self.fails:
                raise httpx.ConnectError("away", request=request)
            if request.url.path.endswith("/.well-known/openid-configuration"):
                return httpx.Response(200, json=self.about)
            return httpx.Response(200, content=issuer.path.read_bytes())

    web = Web()
    client = partial(httpx.AsyncClient, transport=httpx.MockTransport(web.answer))
    monkeypatch.setattr("service.keys.httpx", SimpleNamespace(AsyncClient=client))
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


async def test_a_request_waits_only_a_moment_for_a_source_that_hangs_and_the_next_ones_not_at_all(
    web, clock, monkeypatch
):
    monkeypatch.setattr("service.keys.PATIENCE", 0.01)
    keys = Keys(URL, now=clock)
    await keys.current()
    web.holds = asyncio.Event()
    clock.now += MAX_AGE + 1
    assert kids(await keys.current()) == {"ed", "ec", "rsa"}
    monkeypatch.setattr("service.keys.PATIENCE", 3600)
    for _ in range(3):
        assert kids(await asyncio.wait_for(keys.current(), 60)) == {"ed", "ec", "rsa"}
    assert web.asked == 2
    web.holds.set()
    await keys.refreshed()
    assert not keys.old


async def test_a_source_that_hangs_for_good_is_given_up(web, clock, monkeypatch):
    monkeypatch.setattr("service.keys.FETCH", 0.01)
    web.holds = asyncio.Event()
    with pytest.raises(Unavailable):
        await Keys(URL, now=clock).current()


async def test_many_who_need_keys_at_once_share_one_fetch(web, clock):
    keys = Keys(URL, now=clock)
    found = await asyncio.gather(*(keys.current() for _ in range(20)))
    assert web.asked == 1
    assert all(kids(each) == {"ed", "ec", "rsa"} for each in found)


async def test_a_caller_who_gives_up_leaves_the_fetch_to_the_others(web, clock):
    web.holds = asyncio.Event()
    keys = Keys(URL, now=clock)
    first, second = (asyncio.create_task(keys.current()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    web.holds.set()
    assert kids(await second) == {"ed", "ec", "rsa"}


# -- discovery


async def test_an_issuer_that_is_a_url_says_itself_where_its_keys_are(web, clock):
    keys = Keys(None, now=clock, issuer="https://issuer.example/realm")
    assert keys.source == "https://issuer.example/realm/.well-known/openid-configuration"
    assert kids(await keys.current()) == {"ed", "ec", "rsa"}
    assert web.asked == 2


@pytest.mark.parametrize(
    "about",
    [{"issuer": "https://mallory.example", "jwks_uri": URL}, {"issuer": "https://issuer.example/realm"}, {}, [], "x"],
    ids=str,
)
async def test_what_speaks_for_another_issuer_or_names_no_keys_is_not_believed(web, clock, about):
    web.about = about
    with pytest.raises(Unavailable):
        await Keys(None, now=clock, issuer="https://issuer.example/realm").current()


async def test_a_service_finds_the_keys_of_an_issuer_that_is_a_url(make_app, connect, issuer, web):
    app = make_app(jwks=None, issuer="https://issuer.example/realm")
    good, other = issuer.token(iss="https://issuer.example/realm"), issuer.token()
    assert (await connect(app, good).get("/loans/count")).status_code == 200
    assert (await connect(app, other).get("/loans/count")).status_code == 401


# -- what is among the keys


async def test_keys_of_kinds_that_are_not_known_here_or_not_for_signatures_are_left_out(issuer, clock):
    found = json.loads(issuer.path.read_text())["keys"]
    rsa = next(each for each in found if each["kid"] == "rsa")
    more = [
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "later", "pub": "AA"},
        {"kty": "EC", "crv": "none", "kid": "odd", "x": "AA", "y": "AA"},
        rsa | {"kid": "encrypts", "use": "enc"},
    ]
    issuer.path.write_text(json.dumps({"keys": more + found}))
    assert kids(await Keys(str(issuer.path), now=clock).current()) == {"ed", "ec", "rsa"}


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
