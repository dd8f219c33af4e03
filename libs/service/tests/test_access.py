from __future__ import annotations

import base64
import hmac
import json
import warnings
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, given, settings, strategies
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from service import Handle, Principal, Receipt, ops
from service.access import REMEMBERED, Access, Tokens, Unauthenticated
from service.keys import Keys
from service.roles import parsed

PAST = datetime(2020, 1, 1, tzinfo=UTC)


def refused(answer, code, error=None):
    assert answer.status_code == 401, answer.text
    problem = answer.json()
    assert problem["code"] == code
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="cauce"')
    assert (f'error="{error}"' in challenge) if error else ("error=" not in challenge)
    return problem["detail"]


def encoded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def compact(header, claims, sign):
    """A token put together by hand, as a forger would."""
    text = f"{encoded(json.dumps(header).encode())}.{claims}"
    return f"{text}.{encoded(sign(text.encode()))}"


@pytest.fixture
def ask(make_app, connect):
    app = make_app()

    async def asked(token):
        return await connect(app, token).get("/loans/count")

    return asked


@pytest.mark.parametrize("key", ["ed", "ec", "rsa"])
async def test_a_good_token_of_each_algorithm_is_taken(ask, issuer, key):
    assert (await ask(issuer.token(key))).status_code == 200


async def test_the_old_name_of_ed25519_is_taken_without_a_warning(ask, issuer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc's, when the test signs
        token = issuer.token("ed", alg="EdDSA")
    assert (await ask(token)).status_code == 200


async def test_no_token_is_a_401_that_asks_for_one(make_app, connect):
    refused(await connect(make_app(), token=None).get("/loans/count"), "token_missing")


async def test_another_scheme_is_a_401(make_app, connect):
    client = connect(make_app(), token=None, Authorization="Basic YTpi")
    refused(await client.get("/loans/count"), "token_missing")


@pytest.mark.parametrize("token", ["x", "a.b.c", "....", "e30.e30.e30", "é", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_a_401(make_app, connect, token):
    client = connect(make_app(), token=None)
    answer = await client.get("/loans/count", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
    refused(answer, "token_invalid", "invalid_token")


async def test_an_expired_token_is_a_401(ask, issuer):
    answer = await ask(issuer.token(exp=datetime.now(UTC) - timedelta(seconds=2)))
    assert refused(answer, "token_invalid", "invalid_token") == "The token has expired."


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody-else"},
        {"iss": None},
        {"aud": "another-api"},
        {"aud": ["another-api", "a-third"]},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"scope": ["lending:read"]},
        {"partner_id": "not-a-uuid"},
        {"partner_id": 5},
        {"client_id": 5},
        {"client_id": "erp\nforged"},
        {"sub": "a" * 256},
        {"sub": "nul\x00"},
        {"azp": 5},
        {"act": "ben"},
        {"act": {"sub": 5}},
        {"roles": "auditor"},
        {"roles": [5]},
        {"roles": {"auditor": True}},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
    ids=str,
)
async def test_wrong_and_missing_claims_are_401s(ask, issuer, claims):
    refused(await ask(issuer.token(**claims)), "token_invalid", "invalid_token")


async def test_an_audience_among_others_is_taken(ask, issuer):
    assert (await ask(issuer.token(aud=["another-api", "cauce"]))).status_code == 200


async def test_an_issuer_whose_clock_is_a_little_ahead_is_taken(ask, issuer):
    assert (await ask(issuer.token(iat=datetime.now(UTC) + timedelta(seconds=3)))).status_code == 200


@pytest.mark.parametrize("typ", ["JWT", "at", "", None, 5, ["at+jwt"]])
async def test_a_token_of_another_type_is_a_401(ask, issuer, typ):
    _, claims, _ = issuer.token().split(".")
    token = compact({"alg": "Ed25519", "kid": "ed", "typ": typ}, claims, issuer.keys["ed"].private_key.sign)
    refused(await ask(token), "token_invalid", "invalid_token")


async def test_a_token_without_a_type_is_a_401(ask, issuer):
    _, claims, _ = issuer.token().split(".")
    token = compact({"alg": "Ed25519", "kid": "ed"}, claims, issuer.keys["ed"].private_key.sign)
    refused(await ask(token), "token_invalid", "invalid_token")


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_type_is_compared_as_the_standard_says(ask, issuer, typ):
    assert (await ask(issuer.token(header={"typ": typ}))).status_code == 200


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
async def test_an_unsigned_token_is_a_401(ask, issuer, alg):
    _, claims, _ = issuer.token().split(".")
    token = compact({"alg": alg, "kid": "ed", "typ": "at+jwt"}, claims, lambda _: b"")
    refused(await ask(token), "token_invalid", "invalid_token")


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
async def test_hs256_with_the_public_key_as_its_secret_is_a_401(ask, issuer, form):
    public = issuer.keys["rsa"]
    secret = {
        "pem": lambda: public.as_pem(private=False),
        "der": lambda: public.as_der(private=False),
        "jwk": lambda: json.dumps(public.as_dict(private=False)).encode(),
    }[form]()
    _, claims, _ = issuer.token().split(".")
    header = {"alg": "HS256", "kid": "rsa", "typ": "at+jwt"}
    token = compact(header, claims, lambda text: hmac.digest(secret, text, "sha256"))
    refused(await ask(token), "token_invalid", "invalid_token")


async def test_a_symmetric_key_in_the_key_set_signs_nothing(ask, issuer):
    issuer.keys["oct"] = OctKey.generate_key(256, {"kid": "oct"})
    issuer.path.write_text(json.dumps({"keys": [k.as_dict(private=k.key_type == "oct") for k in issuer.keys.values()]}))
    refused(await ask(issuer.token("oct", alg="HS256")), "token_invalid", "invalid_token")


async def test_a_changed_token_is_a_401(ask, issuer):
    header, payload, signature = issuer.token(scope="lending:read").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    more = encoded(json.dumps(claims | {"sub": "root"}).encode())
    refused(await ask(f"{header}.{more}.{signature}"), "token_invalid", "invalid_token")


async def test_a_token_of_an_unknown_key_is_a_401(ask, issuer):
    stranger = OKPKey.generate_key("Ed25519", {"kid": "stranger"})
    answer = await ask(issuer.token(stranger, alg="Ed25519"))
    assert refused(answer, "token_invalid", "invalid_token") == "The token is signed with a key that is not known."


async def test_a_stranger_who_names_a_known_key_is_a_401(ask, issuer):
    stranger = OKPKey.generate_key("Ed25519", {"kid": "ed"})
    refused(await ask(issuer.token(stranger, alg="Ed25519")), "token_invalid", "invalid_token")


async def test_a_key_of_another_kind_than_the_algorithm_is_a_401(ask, issuer):
    token = issuer.token("ec", header={"kid": "rsa"})
    refused(await ask(token), "token_invalid", "invalid_token")


async def test_a_missing_scope_is_a_403_that_names_it(ask, issuer):
    answer = await ask(issuer.token(scope="lending:write"))
    assert answer.status_code == 403
    problem = answer.json()
    assert (problem["code"], problem["scope"]) == ("scope_missing", "lending:read")
    assert 'error="insufficient_scope", scope="lending:read"' in answer.headers["www-authenticate"]


async def test_a_token_without_scopes_gives_a_403(ask, issuer):
    assert (await ask(issuer.token(scope=None))).status_code == 403


async def test_a_caller_is_checked_before_the_body_is_looked_at(make_app, connect, issuer):
    app, broken = make_app(), {"content": b"{", "headers": {"Content-Type": "application/json"}}
    assert (await connect(app, token=None).post("/loans", **broken)).status_code == 401
    assert (await connect(app, issuer.token(scope="lending:read")).post("/loans", **broken)).status_code == 403
    assert (await connect(app).post("/loans", **broken)).status_code == 422


async def test_probes_and_metrics_need_no_token(make_app, connect):
    client = connect(make_app(), token=None)
    for path in ("/livez", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 200


async def test_every_other_route_needs_one(make_app, connect):
    app = make_app()
    client = connect(app, token=None)
    asked = 0
    for route in app.routes:
        for method in getattr(route, "scopes", ()) and route.methods:
            path = route.path.replace("{id}", str(uuid4()))
            assert (await client.request(method, path)).status_code == 401, (method, route.path)
            asked += 1
    assert asked >= 15


# -- verification itself, on a clock of its own


class Clock:
    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def access(issuer, clock):
    return Access(Keys(str(issuer.path), now=clock), Tokens("cauce-dev", "cauce"), "lending", now=clock)


def at(clock, **claims):
    now = int(clock())
    return {"iat": now, "exp": now + 60} | claims


async def test_the_principal_is_who_calls_and_with_which_program(access, issuer, clock):
    partner = str(uuid4())
    token = issuer.token(**at(clock, scope="lending:read lending:write", partner_id=partner))
    principal = await access.authenticate(f"bearer {token}")
    assert principal == Principal("ana", frozenset({"lending:read", "lending:write"}), "erp", UUID(partner))


async def test_somebody_who_acts_for_another_is_who_acts_and_the_other_is_named(access, issuer, clock):
    token = issuer.token(**at(clock, sub="ana", act={"sub": "assistant"}, client_id=None, azp="web"))
    principal = await access.authenticate(f"bearer {token}")
    assert (principal.subject, principal.on_behalf_of, principal.client) == ("assistant", "ana", "web")


@pytest.mark.parametrize(
    ("path", "claims"),
    [("roles", {"roles": ["teller", "unheard-of"]}), ("realm.roles", {"realm": {"roles": ["teller"]}}),
     ("https://x.example/roles", {"https://x.example/roles": ["teller"]})],
)  # fmt: skip
async def test_roles_of_a_configured_claim_mean_scopes_beside_those_of_the_token(issuer, clock, path, claims):
    table = parsed('[teller]\nscopes = ["lending:write", "*:decide", "other:ops"]', "table")
    access = Access(Keys(str(issuer.path)), Tokens("cauce-dev", "cauce", "at+jwt", path, table), "lending", now=clock)
    principal = await access.authenticate(f"bearer {issuer.token(**at(clock, scope='lending:read', **claims))}")
    assert principal.scopes == {"lending:read", "lending:write", "lending:decide"}


@pytest.mark.parametrize("claims", [{}, {"realm": None}, {"realm": "x"}, {"realm": {"roles": None}}, {"realm": {}}])
async def test_a_token_without_the_claim_of_roles_has_none(issuer, clock, claims):
    access = Access(Keys(str(issuer.path)), Tokens("cauce-dev", "cauce", "at+jwt", "realm.roles"), "lending", now=clock)
    principal = await access.authenticate(f"bearer {issuer.token(**at(clock, scope=None, **claims))}")
    assert principal.scopes == frozenset()


async def test_a_partners_role_grants_nothing_to_a_token_that_names_no_partner(issuer, clock):
    table = parsed('[partner]\nscopes = ["*:read"]\nof_a_partner = true', "table")
    access = Access(Keys(str(issuer.path)), Tokens("cauce-dev", "cauce", roles=table), "lending", now=clock)
    of = {"scope": None, "roles": ["partner"]}
    nobody = await access.authenticate(f"bearer {issuer.token(**at(clock, **of))}")
    somebody = await access.authenticate(f"bearer {issuer.token(**at(clock, partner_id=str(uuid4()), **of))}")
    assert (nobody.scopes, somebody.scopes) == (frozenset(), {"lending:read"})


@pytest.mark.parametrize(("sent", "status"), [("JWT", 200), ("jwt", 200), ("at+jwt", 401), ("", 401)])
async def test_for_a_provider_that_calls_its_tokens_otherwise_the_type_is_configured(
    make_app, connect, issuer, sent, status
):
    app = make_app(token_type="JWT")
    answer = await connect(app, issuer.token(header={"typ": sent})).get("/loans/count")
    assert answer.status_code == status


async def test_a_verified_token_is_not_verified_again_but_still_expires(access, issuer, clock, monkeypatch):
    verified = []
    real = jwt.decode
    monkeypatch.setattr(jwt, "decode", lambda *args, **kwargs: verified.append(1) or real(*args, **kwargs))
    header = f"Bearer {issuer.token(**at(clock))}"
    assert await access.authenticate(header) == await access.authenticate(header)
    assert len(verified) == 1
    clock.now += 61
    with pytest.raises(Unauthenticated, match="expired"):
        await access.authenticate(header)


async def test_remembered_tokens_are_bounded_and_the_expired_go_first(access, clock):
    access._remember("keeps", Principal("x"), clock() + 1000)
    for n in range(REMEMBERED - 1):
        access._remember(f"old{n}", Principal("x"), clock() + 10)
    clock.now += 20
    access._remember("new", Principal("x"), clock() + 10)
    assert access._verified.keys() == {"keeps", "new"}
    for n in range(REMEMBERED * 2):
        access._remember(f"many{n}", Principal("x"), clock() + 10)
    assert len(access._verified) == REMEMBERED


async def test_a_withdrawn_key_is_not_taken_once_the_keys_are_read_again(access, issuer, clock):
    header = f"Bearer {issuer.token('rsa', **at(clock, exp=int(clock()) + 10_000))}"
    await access.authenticate(header)
    del issuer.keys["rsa"]
    issuer.publish()
    clock.now += 301
    await access.authenticate(f"Bearer {issuer.token('ed', **at(clock))}")
    with pytest.raises(Unauthenticated, match="not known"):
        await access.authenticate(header)


async def test_a_withdrawn_key_is_not_taken_either_where_only_its_remembered_token_comes(access, issuer, clock):
    header = f"Bearer {issuer.token('rsa', **at(clock, exp=int(clock()) + 10_000))}"
    await access.authenticate(header)
    del issuer.keys["rsa"]
    issuer.publish()
    clock.now += 301
    with pytest.raises(Unauthenticated, match="not known"):
        await access.authenticate(header)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    parts=strategies.lists(
        strategies.one_of(
            strategies.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode()),
            strategies.recursive(
                strategies.none() | strategies.booleans() | strategies.integers() | strategies.text(max_size=5),
                lambda inner: (
                    strategies.lists(inner, max_size=3)
                    | strategies.dictionaries(strategies.sampled_from(["alg", "typ", "kid", "crit", "b64", "x"]), inner)
                ),
                max_leaves=5,
            ).map(lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")),
            strategies.text(max_size=10),
        ),
        min_size=1,
        max_size=5,
    )
)
async def test_whatever_text_comes_as_a_token_is_refused_and_nothing_else_happens(access, parts):
    with pytest.raises(Unauthenticated):
        await access.authenticate("Bearer " + (".".join(parts) or "x"))


async def test_a_command_on_an_open_route_is_a_bug_and_not_an_anonymous_command(
    make_app, connect, monkeypatch, lending, engine
):
    made = APIRouter(tags=["open"])

    @made.post("/open")
    async def open_to_all(handle: Handle) -> Receipt:
        return await handle(lending.loans, uuid4(), lending.Open(amount=5))

    monkeypatch.setattr(ops, "OPEN", ops.OPEN | {"/open"})
    assert (await connect(make_app(made), token=None).post("/open")).status_code == 500
    assert engine.facts == []
