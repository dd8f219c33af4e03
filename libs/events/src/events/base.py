"""What every word of the published language is: a frozen value with a name, a major version and a key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
TYPE_PATTERN = re.compile(r"^cauce\.(?P<service>[a-z]+)\.(?P<event>[A-Z][A-Za-z]+)\.v(?P<major>[1-9][0-9]*)$")
PERSONAL = "x-personal-data"

Period = Annotated[str, StringConstraints(pattern=r"^\d{4}(-(0[1-9]|1[0-2])|-Q[1-4])?$")]
"""A reporting period: `2026`, `2026-Q3` or `2026-09`."""


@dataclass(frozen=True)
class PersonalData:
    """Marks a field that may tell who a person is: `legal_name: Annotated[str, PersonalData(of="partner_id")]`.

    `of` is the field of the same event that names whose it is. The mark is in the event's JSON Schema as
    `x-personal-data`, and in the catalogue.
    """

    of: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {PERSONAL: self.of}


class Versioned(BaseModel):
    """Data under a name with a major version, which outlives the code that wrote it: an event, or a state.

    `type` is the record's `ce_type` on Kafka, and what it is stored as. `key` names the stream, which is the record's
    key, by a field of its own; `{uuid}` where no field has the stream's id. `upcasts` maps the type names of older
    majors to a function that lifts their data to this version; stored bytes are never rewritten. Fields that a reader
    does not know are ignored.

    `downcast` is the type name of the major before, and a function that lowers this version's data to it: so it is
    written until all who may read it know this version (ADR 14).
    """

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64")

    event_type: ClassVar[str] = ""
    event_key: ClassVar[str] = ""
    upcasts: ClassVar[Mapping[str, Upcast]] = {}
    downcast: ClassVar[tuple[str, Upcast] | None] = None

    def __init_subclass__(
        cls,
        *,
        type: str = "",
        key: str = "",
        upcasts: Mapping[str, Upcast] | None = None,
        downcast: tuple[str, Upcast] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init_subclass__(**kwargs)
        if Versioned in cls.__bases__:
            return  # a kind of them, and none itself
        match = TYPE_PATTERN.match(type)
        if match is None:
            raise TypeError(f"{cls.__name__}: type={type!r} is not of the form cauce.<service>.<EventName>.v<major>")
        if match["event"] != cls.__name__:
            raise TypeError(f"{cls.__name__}: the class is called otherwise than its type {type!r}")
        cls.event_type = type
        cls.event_key = key
        cls.upcasts = upcasts or {}
        cls.downcast = downcast
        if downcast is not None and downcast[0] not in cls.upcasts:
            raise TypeError(f"{cls.__name__}: what is written as {downcast[0]} could not be read: it has no upcast")

    def data(self) -> bytes:
        """Its JSON, as it is stored and as it is sent."""
        return self.model_dump_json().encode()


class Event(Versioned):
    """A fact in the past tense. Declared once, named once:

        class PartnerSigned(Event, type="cauce.contract.PartnerSigned.v1", key="contract-{contract_id}"): ...

    A public event has a key. `erases` is the field that names a person of whom nothing may be read any more: what a
    restore would bring back of them is erased again.
    """

    event_erases: ClassVar[str] = ""

    def __init_subclass__(cls, *, erases: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if erases and erases not in cls.__annotations__:
            raise TypeError(f"{cls.__name__}: erases={erases!r} is no field of it")
        cls.event_erases = erases


def owner_of(event: type[Versioned]) -> str:
    """The service that publishes it."""
    return event.event_type.split(".")[1]


def personal_data_of(event: type[BaseModel]) -> dict[str, str]:
    """The fields that are marked as personal, each with the field that names whose it is."""
    return {
        name: mark.of
        for name, field in event.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, PersonalData)
    }
