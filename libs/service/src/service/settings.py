"""What a service is told from outside, all of it by environment variables that start with CAUCE_."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.keys import is_url
from service.roles import InvalidRoles, roles

MIB = 2**20

WHAT_IT_IS = {
    "postgres_url": "the address of the service's database, like postgresql://partner:secret@127.0.0.1:55432/partner",
    "kafka_bootstrap": "the address of a Kafka broker, like 127.0.0.1:59092",
    "jwks": "the token issuer's public keys: the path of a JWKS file or an http(s) URL; an issuer that is a URL itself "
    "is asked where they are",
}


class InvalidSettings(ValueError):
    """One sentence that names the variable and says what belongs there."""


class Settings(BaseSettings):
    """Read from the environment when it is made, so make it inside the app's factory.

    Raises `InvalidSettings`.
    """

    model_config = SettingsConfigDict(env_prefix="CAUCE_", frozen=True, extra="ignore")

    postgres_url: str = Field(min_length=1, repr=False)
    kafka_bootstrap: str = Field(min_length=1)
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
    topic_prefix: str = ""
    kafka_replication: int = Field(default=1, ge=1, description="how many brokers keep each record of a new topic")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_limit: int = Field(default=MIB, gt=0, description="bytes; a route may have its own")
    request_timeout: float = Field(default=60, gt=0, description="seconds until a response begins")
    rate: float = Field(default=1000, gt=0, description="requests a second that one caller may make of one process")
    burst: int = Field(default=2000, gt=0, description="requests that a caller may make at once")
    drain: float = Field(default=0, ge=0, description="seconds that it answers on after it was told to stop")
    shutdown_timeout: int = Field(default=20, gt=0, description="seconds that open requests get to finish")

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None

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


class KafkaSettings(BaseSettings):
    """What one has to know who only looks after topics. Raises `InvalidSettings`."""

    model_config = Settings.model_config

    kafka_bootstrap: str = Field(min_length=1)
    topic_prefix: str = ""
    kafka_replication: int = Field(default=1, ge=1)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidSettings(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    name = str(first["loc"][0])
    if first["type"] in ("missing", "string_too_short"):
        return f"CAUCE_{name.upper()} is not set; it is {WHAT_IT_IS[name]}."
    return f"CAUCE_{name.upper()} is not usable: {first['msg']}."
