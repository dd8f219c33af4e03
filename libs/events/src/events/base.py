"""What every event of the published language is: a frozen value with a name and a major version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, StringConstraints

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
TYPE_PATTERN = re.compile(r"^cauce\.(?P<service>[a-z]+)\.(?P<event>[A-Z][A-Za-z]+)\.v(?P<major>[1-9][0-9]*)$")

Period = Annotated[str, StringConstraints(pattern=r"^\d{4}(-(0[1-9]|1[0-2])|-Q[1-4])?$")]
"""A reporting period: `2026`, `2026-Q3` or `2026-09`."""


class Event(BaseModel):
    """A fact in the past tense. Declared once, named once:

        class PartnerSigned(Event, type="cauce.contract.PartnerSigned.v1"): ...

    `upcasts` maps the type names of older majors to a function that lifts their stored data to this
    version; stored bytes are never rewritten. Fields that a reader does not know are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64")

    event_type: ClassVar[str] = ""
    upcasts: ClassVar[Mapping[str, Upcast]] = {}

    def __init_subclass__(cls, *, type: str = "", upcasts: Mapping[str, Upcast] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        match = TYPE_PATTERN.match(type)
        if match is None:
            raise TypeError(f"{cls.__name__}: type={type!r} is not of the form cauce.<service>.<EventName>.v<major>")
        if match["event"] != cls.__name__:
            raise TypeError(f"{cls.__name__}: the class is called otherwise than its type {type!r}")
        cls.event_type = type
        cls.upcasts = upcasts or {}

    def data(self) -> bytes:
        """The event's JSON, as it is stored and as it is sent."""
        return self.model_dump_json().encode()
