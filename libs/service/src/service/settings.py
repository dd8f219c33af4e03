"""What a service is told from outside, all of it by environment variables that start with CAUCE_."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 2**20

WHAT_IT_IS = {
    "postgres_url": "the address of the service's database, like postgresql://partner:secret@127.0.0.1:55432/partner",
    "kafka_bootstrap": "the address of a Kafka broker, like 127.0.0.1:59092",
    "jwks": "the token issuer's public keys: the path of a JWKS file or an http(s) URL",
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
    jwks: str = Field(min_length=1, description=WHAT_IT_IS["jwks"])
    issuer: str = "cauce-dev"
    audience: str = "cauce"
    role: Literal["all", "api", "worker"] = Field(default="all", description="which of its tasks this process takes on")
    host: str = "127.0.0.1"
    port: int | None = Field(
        default=None, ge=1, le=65535, description="the service's own port of a local run if absent"
    )
    topic_prefix: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    body_limit: int = Field(default=MIB, gt=0, description="bytes; a route may have its own")
    request_timeout: float = Field(default=60, gt=0, description="seconds until a response begins")
    shutdown_timeout: int = Field(default=20, gt=0, description="seconds that open requests get to finish")

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
