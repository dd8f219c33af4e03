"""The development issuer of access tokens: a key of this clone's own, its public half for the services, and tokens."""

import base64
import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from joserfc import jwt
from joserfc.jwk import ECKey
from service.roles import Role, standard

from devstack import place
from devstack.files import write_secret
from devstack.services import SERVICES
from devstack.trouble import Trouble

ISSUER, AUDIENCE, ALGORITHM = "cauce-dev", "cauce", "ES256"


ROLES = standard()
"""The services' own table, which they look up a token's roles in."""


def known_role(role: str) -> Role:
    """Raises Trouble for a role that is not in the table."""
    if role not in ROLES:
        raise Trouble(f"there is no role {role}; the roles are {', '.join(ROLES)}")
    return ROLES[role]


def scopes_of(role: str) -> tuple[str, ...]:
    """In all services. Raises Trouble for a role that is not in the table."""
    return tuple(sorted(scope for service in SERVICES for scope in known_role(role).scopes_in(service.name)))


@dataclass(frozen=True)
class Issuer:
    """Signs tokens with the key in `folder`, made there when absent; `jwks` is what services verify with."""

    folder: Path

    @property
    def key_file(self) -> Path:
        return self.folder / "issuer.key.json"

    @property
    def jwks(self) -> Path:
        return self.folder / "issuer.jwks.json"

    def key(self) -> ECKey:
        if not self.key_file.exists():
            made = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
            write_secret(self.key_file, json.dumps(made.as_dict(private=True)))
        return ECKey.import_key(json.loads(self.key_file.read_text()))

    def publish(self) -> Path:
        """Writes the public key set and says where."""
        self.jwks.parent.mkdir(parents=True, exist_ok=True)
        self.jwks.write_text(json.dumps({"keys": [self.key().as_dict(private=False)]}))
        return self.jwks

    def sealing_keys(self) -> str:
        """CAUCE_SEALING_KEYS of this clone, made when absent. As lasting as the data that is sealed under it."""
        file = self.folder / "sealing.keys"
        if not file.exists():
            write_secret(file, f"local={base64.b64encode(secrets.token_bytes(32)).decode()}")
        return file.read_text()

    def mint(
        self,
        subject: str,
        scopes: Iterable[str] = (),
        ttl: float = 3600.0,
        partner_id: UUID | None = None,
        *,
        roles: Iterable[str] = (),
        client: str | None = None,
    ) -> str:
        """An access token (RFC 9068) good for `ttl` seconds, with scopes or with roles that mean some; with
        `partner_id`, one for a partner's own people."""
        now = int(time.time())
        key = self.key()
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "scope": " ".join(sorted(scopes)),
            "iat": now,
            "exp": now + int(ttl),
        }
        named = {"roles": sorted(roles), "client_id": client, "partner_id": partner_id and str(partner_id)}
        claims |= {name: value for name, value in named.items() if value}
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}
        return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


def mint(role: str, subject: str, ttl: float = 3600.0, partner_id: UUID | None = None) -> str:
    """A token of this clone's own issuer, for somebody in this role. Raises Trouble."""
    if known_role(role).of_a_partner and partner_id is None:
        raise Trouble(
            f"the role {role} is for a partner's people: say whose, with --partner <id> (make token PARTNER=<id>)"
        )
    return Issuer(place.kept()).mint(subject, ttl=ttl, partner_id=partner_id, roles=[role], client="cauce-token")
