"""What stands around an event on Kafka: CloudEvents 1.0.2 in binary mode, each attribute a header `ce_<name>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONTENT_TYPE = "application/json"
SPEC_VERSION = "1.0"


@dataclass(frozen=True)
class Attribute:
    """One header. `schema` is the JSON Schema of its text; `optional`: absent where it has nothing to say."""

    name: str
    meaning: str
    schema: dict[str, Any]
    extension: bool = False
    optional: bool = False

    @property
    def header(self) -> str:
        return f"ce_{self.name}"


def source_of(service: str) -> str:
    """The CloudEvents source of a service's events."""
    return f"/cauce/{service}"


def sequence(incarnation: int, position: int) -> str:
    """The order of one service's events as text that sorts: incarnation first, position second."""
    return f"{incarnation:010d}.{position:019d}"


_UUID = {"type": "string", "format": "uuid"}
_INSTANT = {"type": "string", "format": "date-time"}
_NUMBER = {"type": "string", "pattern": r"^\d+$"}

ENVELOPE: tuple[Attribute, ...] = (
    Attribute("specversion", "The version of CloudEvents.", {"type": "string", "const": SPEC_VERSION}),
    Attribute("id", "The event. With `ce_source` it is unique, however often the record is sent.", _UUID),
    Attribute("source", "The service that publishes it.", {"type": "string", "pattern": r"^/cauce/[a-z]+$"}),
    Attribute("type", "What happened, with the major version.", {"type": "string"}),
    Attribute("time", "When it happened in the business.", _INSTANT),
    Attribute("subject", "The stream: the one thing that it is about.", {"type": "string"}),
    Attribute("partitionkey", "The record's key: the stream.", {"type": "string"}, extension=True),
    Attribute(
        "sequence",
        "The order of all events of the service, as text: what compares higher came later.",
        {"type": "string", "pattern": r"^\d{10}\.\d{19}$"},
        extension=True,
    ),
    Attribute("incarnation", "The first half of the order: raised when a store was restored.", _NUMBER, extension=True),
    Attribute("position", "The second half of the order: the place in the service's log.", _NUMBER, extension=True),
    Attribute("streamversion", "The place within the stream, from 1, without gaps.", _NUMBER, extension=True),
    Attribute("recordedat", "When it was recorded, by the database's clock.", _INSTANT, extension=True),
    Attribute("correlationid", "What all that follows from one request has in common.", _UUID, extension=True),
    Attribute("causationid", "The event that it follows from.", _UUID, extension=True, optional=True),
    Attribute(
        "actor",
        "Who did it: a caller's subject, or `policy:<name>`. A subject is personal data.",
        {"type": "string"},
        extension=True,
    ),
    Attribute("client", "The program by which a caller did it.", {"type": "string"}, extension=True, optional=True),
    Attribute(
        "onbehalfof",
        "Whose rights were used, where the actor acted for another. Personal data, too.",
        {"type": "string"},
        extension=True,
        optional=True,
    ),
    Attribute(
        "traceparent",
        "The span of a trace in which it came about: W3C Trace Context, as CloudEvents' extension for tracing has it.",
        {"type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"},
        extension=True,
        optional=True,
    ),
    Attribute(
        "tracestate",
        "What tracing systems add to it, theirs alone to read.",
        {"type": "string", "maxLength": 512},
        extension=True,
        optional=True,
    ),
)

_OF_A_STATE = {"specversion", "id", "source", "type", "subject", "partitionkey", "incarnation", "streamversion"}
STATE_ENVELOPE: tuple[Attribute, ...] = tuple(attribute for attribute in ENVELOPE if attribute.name in _OF_A_STATE)
"""What stands around a document of a state topic."""
