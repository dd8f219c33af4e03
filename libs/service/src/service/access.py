"""Who calls, and what they may do: bearer tokens (RFC 9068) checked against the issuer's public keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import params
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from pydantic import BaseModel, Field, StrictStr
from starlette.requests import Request

from service.keys import Keys
from service.problems import ProblemError

ALGORITHMS = frozenset({"Ed25519", "EdDSA", "ES256", "RS256"})
TYPES = frozenset({"at+jwt", "application/at+jwt"})
SKEW = 5
"""Seconds that the issuer's clock may be ahead of this one."""
REMEMBERED = 4096
"""Verified tokens that are not verified again until they expire."""


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf a request is made. `client` is the program that calls, `partner_id` the partner it belongs to."""

    subject: str
    scopes: frozenset[str] = frozenset()
    client: str | None = None
    partner_id: UUID | None = None


class Unauthenticated(ProblemError):
    def __init__(self, detail: str, *, error: str | None = None) -> None:
        challenge = 'Bearer realm="cauce"' + (f', error="{error}", error_description="{detail}"' if error else "")
        code = "token_invalid" if error else "token_missing"
        super().__init__(401, code, detail, headers={"WWW-Authenticate": challenge})


class ScopeMissing(ProblemError):
    def __init__(self, scope: str, code: str = "scope_missing", detail: str | None = None) -> None:
        challenge = f'Bearer realm="cauce", error="insufficient_scope", scope="{scope}"'
        detail = detail or f"The token does not have the scope {scope}."
        super().__init__(403, code, detail, headers={"WWW-Authenticate": challenge}, scope=scope)


class _Signatures(JWSRegistry):
    """The fixed list of algorithms, whatever a token's header asks for."""

    def get_alg(self, name: str) -> JWSAlgModel:
        # Overridden so that EdDSA, which RFC 9864 renames to Ed25519, does not warn at every token.
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"algorithm {name!r} is not allowed")
        return self.algorithms[name]


class _Claims(JWTClaimsRegistry):
    """The leeway is for clocks that run ahead, not for tokens that have expired."""

    def validate_exp(self, value: object) -> None:
        super().validate_exp(value)
        if isinstance(value, int | float) and value <= self.now:
            raise ExpiredTokenError("exp")


@dataclass
class Access:
    """Verifies tokens. `now` gives seconds since the epoch."""

    keys: Keys
    issuer: str
    audience: str
    now: Callable[[], float] = time.time
    _verified: dict[str, tuple[Principal, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._signatures = _Signatures(strict_check_header=False)
        self._claims = _Claims(
            now=lambda: int(self.now()),
            leeway=SKEW,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        self.keys.changed.append(self._verified.clear)

    async def authenticate(self, authorization: str | None) -> Principal:
        """The caller behind an Authorization header. Raises Unauthenticated, Unavailable if there are no keys."""
        if authorization is None:
            raise Unauthenticated("A bearer token is needed: Authorization: Bearer <token>.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Only bearer tokens are taken: Authorization: Bearer <token>.")
        known = self._verified.get(token)
        if known is not None and known[1] > self.now():
            return known[0]
        principal, expires = await self._verify(token)
        self._remember(token, principal, expires)
        return principal

    async def _verify(self, token: str) -> tuple[Principal, float]:
        try:
            try:
                decoded = jwt.decode(token, await self.keys.current(), registry=self._signatures)
            except InvalidKeyIdError:
                decoded = jwt.decode(token, await self.keys.refreshed(), registry=self._signatures)
            if str(decoded.header.get("typ", "")).lower() not in TYPES:
                raise Unauthenticated("The token is not an access token (typ at+jwt).", error="invalid_token")
            self._claims.validate(decoded.claims)
            return _principal(decoded.claims), float(decoded.claims["exp"])
        except ExpiredTokenError:
            raise Unauthenticated("The token has expired.", error="invalid_token") from None
        except InvalidKeyIdError:
            raise Unauthenticated("The token is signed with a key that is not known.", error="invalid_token") from None
        except (JoseError, ValueError, TypeError) as error:
            # A token is the caller's text: whatever is wrong with it is a 401, with words of ours and not with its own.
            detail = f"The token is not valid ({getattr(error, 'error', '') or 'malformed'})."
            raise Unauthenticated(detail, error="invalid_token") from None

    def _remember(self, token: str, principal: Principal, expires: float) -> None:
        if len(self._verified) >= REMEMBERED:
            now = self.now()
            for old in [t for t, (_, until) in self._verified.items() if until <= now]:
                del self._verified[old]
            while len(self._verified) >= REMEMBERED:
                del self._verified[next(iter(self._verified))]
        self._verified[token] = (principal, expires)


class _Caller(BaseModel):
    sub: StrictStr = Field(min_length=1)
    scope: StrictStr = ""
    client_id: StrictStr | None = None
    partner_id: UUID | None = None


def _principal(claims: Mapping[str, Any]) -> Principal:
    caller = _Caller.model_validate(claims)
    return Principal(caller.sub, frozenset(caller.scope.split()), caller.client_id, caller.partner_id)


class Scoped:
    """The dependency behind `scope(...)`. Every route has one, or create_app refuses it."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __call__(self, request: Request) -> None:
        principal = await request.scope["cauce.exchange"].authenticated()
        if self.name not in principal.scopes:
            raise ScopeMissing(self.name)


def scope(name: str) -> params.Depends:
    """For `dependencies=[scope("contract:write")]`: the caller's token must have this scope."""
    return params.Depends(Scoped(name))
