"""The door, with a real OIDC provider behind it: CAUCE_TEST_OIDC names its issuer, with the realm of tests/oidc in it.

How to start one is in docs/access.md.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest
from devstack.forgeries import forged, parts_of
from fastapi import FastAPI
from partner.app import app as partner_app
from service.access import Access, Principal, Tokens
from service.keys import Keys

ISSUER = os.environ.get("CAUCE_TEST_OIDC", "")
PARTNER = UUID("11111111-1111-4111-8111-111111111111")
PASSWORD = "for-tests-only"
ROLES = "realm_access.roles"
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(not ISSUER, reason="CAUCE_TEST_OIDC names no issuer: no real OIDC provider to ask")


async def about(issuer: str) -> dict[str, str]:
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.get(f"{issuer}/.well-known/openid-configuration")
    told: dict[str, str] = answer.raise_for_status().json()
    return told


async def tokens_of(user: str, client: str = "cauce-web") -> dict[str, str]:
    """What the provider gives a user who says their password: `access_token`, `id_token`, `refresh_token`."""
    asked = {"grant_type": "password", "scope": "openid", "username": user, "password": PASSWORD}
    endpoint = (await about(ISSUER))["token_endpoint"]
    async with httpx.AsyncClient(timeout=60) as http:
        answer = await http.post(endpoint, data=asked, auth=(client, PASSWORD))
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


async def principal_of(token: str) -> Principal:
    access = Access(Keys(None, issuer=ISSUER), Tokens(ISSUER, "cauce", "JWT", ROLES), "partner")
    return await access.authenticate(f"Bearer {token}")


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FastAPI]:
    """partner-svc as it is configured for the provider; its engine is not started."""

    def made(**changes: str) -> FastAPI:
        for name in [name for name in os.environ if name.startswith("CAUCE_")]:
            monkeypatch.delenv(name)
        configured = {
            "POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "ISSUER": ISSUER,
            "TOKEN_TYPE": "JWT",
            "ROLES_CLAIM": ROLES,
            "LOG_LEVEL": "error",
        }
        for name, value in (configured | changes).items():
            monkeypatch.setenv(f"CAUCE_{name}", value)
        return partner_app()

    return made


async def asked(app: FastAPI, token: str, path: str = f"/streams/nothing/{uuid4()}") -> httpx.Response:
    """A route that answers 404 to whoever may read, without a look at the store."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", timeout=60) as client:
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})


async def test_a_users_roles_in_the_provider_are_what_they_may_do_here() -> None:
    token = (await tokens_of("ana"))["access_token"]
    principal = await principal_of(token)
    assert principal.subject == parts_of(token)[1]["sub"]
    assert principal.client == "cauce-web"
    assert {"partner:read", "partner:write", "partner:decide"} <= principal.scopes
    assert {"partner:ops", "partner:backfill"} & principal.scopes == set()
    assert principal.partner_id is None


async def test_a_good_token_is_let_in(make: Callable[..., FastAPI]) -> None:
    answer = await asked(make(), (await tokens_of("ana"))["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (404, "partner.category_unknown")


async def test_a_partners_own_people_are_kept_to_their_own(make: Callable[..., FastAPI]) -> None:
    token = (await tokens_of("ben"))["access_token"]
    principal = await principal_of(token)
    assert (principal.partner_id, "partner:read" in principal.scopes) == (PARTNER, True)
    app = make()
    closed, others = await asked(app, token), await asked(app, token, f"/partners/{uuid4()}")
    assert (closed.status_code, closed.json()["code"]) == (403, "partner_closed")
    assert (others.status_code, others.json()["code"]) == (404, "not_found")


async def test_a_partners_role_without_a_partner_may_nothing(make: Callable[..., FastAPI]) -> None:
    token = (await tokens_of("carla"))["access_token"]
    assert (await principal_of(token)).scopes & {"partner:read", "partner:write"} == set()
    answer = await asked(make(), token)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def test_whatever_is_made_of_a_good_token_is_refused(make: Callable[..., FastAPI]) -> None:
    good = (await tokens_of("ana"))["access_token"]
    app, keys = make(), await Keys(None, issuer=ISSUER).current()
    wrong = {
        kind: answer.status_code
        for kind, token in forged(good, keys).items()
        if (answer := await asked(app, token)).status_code != 401
    }
    assert wrong == {}


async def test_its_other_tokens_are_refused(make: Callable[..., FastAPI]) -> None:
    app, ana = make(), await tokens_of("ana")
    for kind in ("id_token", "refresh_token"):
        answer = await asked(app, ana[kind])
        assert (kind, answer.status_code, answer.json()["code"]) == (kind, 401, "token_invalid")


async def test_a_token_for_another_audience_is_refused(make: Callable[..., FastAPI]) -> None:
    assert (await asked(make(), (await tokens_of("ana", "elsewhere"))["access_token"])).status_code == 401
    ours = (await tokens_of("ana"))["access_token"]
    assert (await asked(make(AUDIENCE="another-api"), ours)).status_code == 401


async def test_a_token_of_another_issuer_or_type_than_is_configured_is_refused(make: Callable[..., FastAPI]) -> None:
    token = (await tokens_of("ana"))["access_token"]
    keys = (await about(ISSUER))["jwks_uri"]
    assert (await asked(make(ISSUER="https://another.example", JWKS=keys), token)).status_code == 401
    assert (await asked(make(TOKEN_TYPE="at+jwt"), token)).status_code == 401
    assert (await asked(make(ISSUER=f"{ISSUER}/"), token)).status_code == 503  # it does not speak for that name


async def test_a_token_is_taken_until_it_expires(make: Callable[..., FastAPI]) -> None:
    app, token = make(), (await tokens_of("ana", "short-lived"))["access_token"]
    async with asyncio.timeout(PATIENCE):
        while (answer := await asked(app, token)).status_code != 401:
            assert answer.status_code == 404
            await asyncio.sleep(0.1)
    assert answer.json()["detail"] == "The token has expired."
