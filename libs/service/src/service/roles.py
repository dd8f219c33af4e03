"""What each role may do: a table that configuration may replace. Scopes are `<service>:<verb>`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

VERBS = ("read", "write", "decide", "personal", "backfill", "ops")

Grant = Annotated[str, StringConstraints(pattern=rf"^(\*|[a-z][a-z-]*):({'|'.join(VERBS)})$")]


class Role(BaseModel):
    """`scopes` may say `*` for every service. One that is `of_a_partner` grants nothing to a token without a
    `partner_id`: an issuer that forgets the claim does not make a partner's people our own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str = ""
    scopes: tuple[Grant, ...] = Field(min_length=1)
    of_a_partner: bool = False

    def scopes_in(self, service: str) -> frozenset[str]:
        """Those that mean anything in this service."""
        verbs = (scope.split(":")[1] for scope in self.scopes if scope.split(":")[0] in ("*", service))
        return frozenset(f"{service}:{verb}" for verb in verbs)


Roles = Mapping[str, Role]
TABLE = TypeAdapter(dict[str, Role])


class InvalidRoles(ValueError):
    """One sentence that says what is wrong with a table of roles."""


def parsed(text: str, where: str) -> Roles:
    """Raises InvalidRoles."""
    try:
        return TABLE.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidRoles(f"{where} is not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidRoles(f"{where}: {place}: {first['msg']}") from None


@cache
def standard() -> Roles:
    """The table that comes with this library."""
    return parsed(resources.files("service").joinpath("roles.toml").read_text(), "roles.toml")


def roles(path: Path | None) -> Roles:
    """The table in this file; without one, the standard. Raises InvalidRoles."""
    if path is None:
        return standard()
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRoles(f"{path} cannot be read: {error}") from None
    return parsed(text, str(path))


def granted(table: Roles, held: Iterable[str], service: str, *, of_a_partner: bool) -> frozenset[str]:
    """The scopes in `service` of a caller who holds these roles."""
    found = (table[name] for name in held if name in table)
    return frozenset().union(*(role.scopes_in(service) for role in found if of_a_partner or not role.of_a_partner))
