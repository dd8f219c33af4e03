"""Who calls, and what they may do: OIDC access tokens (RFC 9068) checked against the issuer's public keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from fastapi import params
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidKeyIdError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from pydantic import BaseModel, StringConstraints, TypeAdapter
from starlette.requests import Request

from service.keys import Keys
from service.problems import ProblemError
from service.roles import Roles, granted, standard

ALGORITHMS = frozenset({"Ed25519", "EdDSA", "ES256", "RS256"})
SKEW = 5
"""Seconds that the issuer's clock may be ahead of this one."""
REMEMBERED = 4096
"""Verified tokens that are not verified again until they expire."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `subject` acts, with the program `client`; `on_behalf_of` is whose rights are used where these are
    another's (RFC 8693: the token's `sub`, while its `act` says who acts). With a `partner_id` the caller belongs to
    that partner and not to us. `roles` are those that the token names; what they allow is among the scopes."""

    subject: str
    scopes: frozenset[str] = frozenset()
    client: str | None = None
    partner_id: UUID | None = None
    on_behalf_of: str | None = None
    roles: frozenset[str] = field(default=frozenset(), compare=False)


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


Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
"""Of a subject, a client or a role: it is stored with every event, and travels in a header."""
NAMES = TypeAdapter(tuple[Annotated[str, StringConstraints(strict=True)], ...])


class _Acting(BaseModel):
    sub: Name


class _Caller(BaseModel):
    sub: Name
    scope: Annotated[str, StringConstraints(strict=True)] = ""
    client_id: Name | None = None
    azp: Name | None = None
    act: _Acting | None = None
    partner_id: UUID | None = None


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


@dataclass(frozen=True)
class Tokens:
    """What an issuer's access tokens look like. `typ` is the header's (`at+jwt` by RFC 9068; some send `JWT`);
    `roles_claim` a path like `realm_access.roles`; `roles` what they mean."""

    issuer: str
    audience: str
    typ: str = "at+jwt"
    roles_claim: str = "roles"
    roles: Roles = field(default_factory=standard)

    def typed(self, typ: object) -> bool:
        return str(typ).lower().removeprefix("application/") == self.typ.lower().removeprefix("application/")


@dataclass
class Access:
    """Verifies tokens for one service. `now` gives seconds since the epoch."""

    keys: Keys
    tokens: Tokens
    service: str
    now: Callable[[], float] = time.time
    _verified: dict[str, tuple[Principal, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._signatures = _Signatures(strict_check_header=False)
        self._claims = _Claims(
            now=lambda: int(self.now()),
            leeway=SKEW,
            iss={"essential": True, "value": self.tokens.issuer},
            aud={"essential": True, "value": self.tokens.audience},
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
        if self.keys.old:
            await self.keys.current()  # which forgets the tokens of keys that were withdrawn
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
            if not self.tokens.typed(decoded.header.get("typ")):
                detail = f"The token is not an access token (typ {self.tokens.typ})."
                raise Unauthenticated(detail, error="invalid_token")
            self._claims.validate(decoded.claims)
            return self._principal(decoded.claims), float(decoded.claims["exp"])
        except ExpiredTokenError:
            raise Unauthenticated("The token has expired.", error="invalid_token") from None
        except InvalidKeyIdError:
            raise Unauthenticated("The token is signed with a key that is not known.", error="invalid_token") from None
        except (JoseError, ValueError, TypeError) as error:
            # A token is the caller's text: whatever is wrong with it is a 401, with words of ours and not with its own.
            detail = f"The token is not valid ({getattr(error, 'error', '') or 'malformed'})."
            raise Unauthenticated(detail, error="invalid_token") from None

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        caller = _Caller.model_validate(claims)
        held = NAMES.validate_python(_at(claims, self.tokens.roles_claim) or ())
        by_role = granted(self.tokens.roles, held, self.service, of_a_partner=caller.partner_id is not None)
        return Principal(
            subject=caller.act.sub if caller.act else caller.sub,
            scopes=frozenset(caller.scope.split()) | by_role,
            client=caller.client_id or caller.azp,
            partner_id=caller.partner_id,
            on_behalf_of=caller.sub if caller.act else None,
            roles=frozenset(held),
        )

    def _remember(self, token: str, principal: Principal, expires: float) -> None:
        if len(self._verified) >= REMEMBERED:
            now = self.now()
            for old in [t for t, (_, until) in self._verified.items() if until <= now]:
                del self._verified[old]
            while len(self._verified) >= REMEMBERED:
                del self._verified[next(iter(self._verified))]
        self._verified[token] = (principal, expires)


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The value at `realm_access.roles`, or at a claim of exactly that name; None where there is nothing."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


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
