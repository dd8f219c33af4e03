"""Tokens that no service may take, each wrong in one way only: for tests of who gets in."""

import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from devstack.issuer import ALGORITHM, AUDIENCE, ISSUER, Issuer

Claims = dict[str, Any]


def parts_of(token: str) -> tuple[Claims, Claims]:
    """Header and claims, unverified."""
    header, claims, _ = token.split(".")
    return json.loads(_decoded(header)), json.loads(_decoded(claims))


def compact(header: Claims, claims: Claims, sign: Callable[[bytes], bytes]) -> str:
    """A token put together by hand, as a forger would."""
    text = f"{_encoded(header)}.{_encoded(claims)}"
    return f"{text}.{urlsafe_b64encode(sign(text.encode())).decode().rstrip('=')}"


def forged(good: str, keys: KeySet) -> dict[str, str]:
    """What somebody who has a good token and the issuer's public keys, but no private one, could make of them."""
    header, claims = parts_of(good)
    start, middle, signature = good.split(".")
    public = next(key for key in keys if key.kid == header["kid"] and not isinstance(key, OctKey))
    secrets = {"its PEM": public.as_pem(private=False), "its JWK": json.dumps(public.as_dict(private=False)).encode()}
    stranger: RSAKey | ECKey = RSAKey.generate_key(2048) if header["alg"] == "RS256" else ECKey.generate_key("P-256")

    def signed_by_stranger(changes: Claims, leave: str = "") -> str:
        made = {name: value for name, value in (header | changes).items() if name != leave}
        return jwt.encode(made, claims, stranger, algorithms=[header["alg"]])

    return {
        "not a token": "letmein",
        "empty parts": "..",
        "without its signature": f"{start}.{middle}.",
        "another signature": f"{start}.{middle}.{signature[:-8]}{'AAAAAAAA' if signature[-8:] != 'A' * 8 else 'B' * 8}",
        "other claims under its signature": f"{start}.{_encoded(claims | {'sub': 'root'})}.{signature}",
        "alg none": compact(header | {"alg": "none"}, claims, lambda _: b""),
        "alg None": compact(header | {"alg": "None"}, claims, lambda _: b""),
        **{
            f"HS256 keyed by {name}": compact(header | {"alg": "HS256"}, claims, _keyed_by(secret))
            for name, secret in secrets.items()
        },
        "unknown key id": signed_by_stranger({"kid": "nobody"}),
        "known key id, another's key": signed_by_stranger({}),
        "no key id, another's key": signed_by_stranger({}, leave="kid"),
        "another's key, brought along": signed_by_stranger({"jwk": stranger.as_dict(private=False)}, leave="kid"),
        "another's key, to be fetched": signed_by_stranger({"jku": "http://127.0.0.1:1/jwks", "kid": "nobody"}),
    }


def misissued(issuer: Issuer, scopes: str) -> dict[str, str]:
    """What the issuer itself signed, but not for here, not for now, or not as an access token."""
    now = int(time.time())
    right: Claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "mallory",
        "scope": scopes,
        "iat": now - 600,
        "exp": now + 600,
    }
    wrong: dict[str, Claims] = {
        "expired": {"exp": now - 60},
        "expired this second": {"exp": now},
        "not yet valid": {"nbf": now + 600},
        "issued in the future": {"iat": now + 600},
        "for another audience": {"aud": "another-api"},
        "for several others": {"aud": ["another-api", "a-third"]},
        "for nobody": {"aud": None},
        "by another issuer": {"iss": "https://mallory.example"},
        "by nobody": {"iss": None},
        "without an end": {"exp": None},
        "about nobody": {"sub": None},
        "of a partner that is no id": {"partner_id": "all"},
    }
    tokens = {name: _mint(issuer, {}, right | claims) for name, claims in wrong.items()}
    types = {"an ID token (typ JWT)": "JWT", "a logout token": "logout+jwt"}
    return (
        tokens
        | {name: _mint(issuer, {"typ": typ}, right) for name, typ in types.items()}
        | {"without a type": _mint(issuer, {"typ": None}, right)}
    )


def _keyed_by(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda text: hmac.digest(secret, text, "sha256")


def _mint(issuer: Issuer, header: Claims, claims: Claims) -> str:
    key = issuer.key()
    made = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid} | header
    return jwt.encode(_present(made), _present(claims), key, algorithms=[ALGORITHM])


def _present(claims: Claims) -> Claims:
    return {name: value for name, value in claims.items() if value is not None}


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(part: Claims) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
