"""What a service is told from outside: by environment variables that start with CAUCE_, and by files of the same names.

A file is how secrets come: Docker, Kubernetes and systemd put them into a folder, which is /run/secrets where there is
one, or CAUCE_SECRETS_DIR. A variable goes before a file of its name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from engine.kafka import Brokers
from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from service.keys import is_url
from service.roles import InvalidRoles, roles

MIB = 2**20
SECRETS = Path("/run/secrets")

WHAT_IT_IS = {
    "postgres_url": "the address of the service's database, like postgresql://partner:secret@127.0.0.1:55432/partner",
    "postgres_admin_url": "the address of the same server for a role that may make roles and databases, like "
    "postgresql://postgres:secret@127.0.0.1:55432/postgres",
    "kafka_bootstrap": "the address of a Kafka broker, like 127.0.0.1:59092",
    "jwks": "the token issuer's public keys: the path of a JWKS file or an http(s) URL; an issuer that is a URL itself "
    "is asked where they are",
}


class InvalidSettings(ValueError):
    """One sentence that names the variable and says what belongs there."""


def secrets_folder() -> Path | None:
    """Where secrets lie as files, if anywhere. Raises `InvalidSettings`."""
    told = os.environ.get("CAUCE_SECRETS_DIR")
    if not told:
        return SECRETS if SECRETS.is_dir() and os.access(SECRETS, os.R_OK | os.X_OK) else None
    if not Path(told).is_dir():
        raise InvalidSettings(f"CAUCE_SECRETS_DIR is not usable: there is no folder {told}.")
    return Path(told)


class FromOutside(BaseSettings):
    """Read when it is made. Raises `InvalidSettings`."""

    model_config = SettingsConfigDict(env_prefix="CAUCE_", frozen=True, extra="ignore")

    def __init__(self, **values: Any) -> None:
        folder = secrets_folder()
        try:
            super().__init__(_secrets_dir=folder, **values)
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None
        except SettingsError as error:
            raise InvalidSettings(f"A file in {folder} is not usable as a setting: {error.__cause__}.") from None


class OwnDatabase(FromOutside):
    """A service's database and role, as the service itself is told of them."""

    postgres_url: str = Field(min_length=1, repr=False)


class KafkaSettings(FromOutside):
    """What one has to know who only looks after topics."""

    kafka_bootstrap: str = Field(min_length=1)
    kafka_tls: Path | None = Field(
        default=None, description="a folder with user.crt, user.key and ca.crt, where Kafka is spoken to by TLS"
    )
    topic_prefix: str = ""
    kafka_replication: int = Field(default=1, ge=1, description="how many brokers keep each record of a new topic")

    @field_validator("kafka_tls")
    @classmethod
    def _complete(cls, folder: Path | None) -> Path | None:
        for file in () if folder is None else (folder / "user.crt", folder / "user.key", folder / "ca.crt"):
            if not file.is_file():
                raise PydanticCustomError("tls", "there is no file {file}", {"file": str(file)})
        return folder

    @property
    def kafka(self) -> str:
        """The address, and who this is there."""
        return self.kafka_bootstrap if self.kafka_tls is None else Brokers(self.kafka_bootstrap, self.kafka_tls)


class Settings(KafkaSettings, OwnDatabase):
    """What a service runs by; make it inside the app's factory."""

    issuer: str = Field(default="cauce-dev", min_length=1, description="the `iss` of its tokens")
    jwks: str | None = Field(default=None, validate_default=True, description=WHAT_IT_IS["jwks"])
    audience: str = Field(default="cauce", min_length=1, description="which has to be among the `aud` of a token")
    token_type: str = Field(default="at+jwt", min_length=1, description="the `typ` of a token's header; some send JWT")
    roles_claim: str = Field(default="roles", min_length=1, description="like realm_access.roles")
    roles: Path | None = Field(default=None, description="a file of roles and their scopes, not the standard one")
    sealing_keys: str | None = Field(
        default=None,
        repr=False,
        description="keys that wrap the keys of people, newest first: 2026=<base64 of 32 bytes>,2024=...",
    )
    role: Literal["all", "api", "worker"] = Field(default="all", description="which of its tasks this process takes on")
    host: str = "127.0.0.1"
    port: int | None = Field(
        default=None, ge=1, le=65535, description="the service's own port of a local run if absent"
    )
    root_path: str = Field(
        default="",
        pattern="^(/[^/]+)*$",
        description="where a proxy shows the service, like /partner; the proxy takes it away from what it passes on",
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_limit: int = Field(default=MIB, gt=0, description="bytes; a route may have its own")
    request_timeout: float = Field(default=60, gt=0, description="seconds until a response begins")
    rate: float = Field(default=1000, gt=0, description="requests a second that one caller may make of one process")
    burst: int = Field(default=2000, gt=0, description="requests that a caller may make at once")
    drain: float = Field(default=0, ge=0, description="seconds that it answers on after it was told to stop")
    shutdown_timeout: int = Field(default=20, gt=0, description="seconds that open requests get to finish")

    @field_validator("jwks")
    @classmethod
    def _or_an_issuer_that_says(cls, jwks: str | None, info: ValidationInfo) -> str | None:
        if not jwks and not is_url(info.data.get("issuer", "")):
            raise PydanticCustomError("missing", "not set")
        return jwks or None

    @field_validator("roles")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        try:
            roles(path)
        except InvalidRoles as error:
            raise PydanticCustomError("roles", "{why}", {"why": str(error)}) from None
        return path


class Administration(FromOutside):
    """Who may make them."""

    postgres_admin_url: str = Field(min_length=1, repr=False)


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    if first["type"] in ("missing", "string_too_short"):
        return f"CAUCE_{name.upper()} is not set; it is {WHAT_IT_IS[name]}."
    return f"CAUCE_{name.upper()} is not usable: {first['msg']}."
