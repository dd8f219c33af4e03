"""What the catalogue says of itself: schemas and the page that lists every event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, get_args

from events.base import Event


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The event's data as JSON Schema (draft 2020-12), as it is written: decimals are strings, instants RFC 3339."""
    schema = event.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{event.event_type}", **schema}


def catalogue_page(catalogue: Mapping[str, tuple[type[Event], ...]], topic_of: Callable[[str], str]) -> str:
    return "\n".join(_page(catalogue, topic_of)) + "\n"


_INTRODUCTION = """\
# The events

Generated from `libs/events` by `make docs`; a test fails when it is stale.

Every event travels on Kafka as a CloudEvent 1.0.2 in binary mode: the attributes are `ce_` headers, the value is
plain JSON, and the key is the stream (`<kind>-<uuid>`), so that everything about one thing arrives in order. Beside
the required attributes each record carries `ce_time` (when it happened in the business), `ce_recordedat` (the
database's clock), `ce_correlationid`, `ce_causationid` (the event that it follows from), `ce_actor`,
`ce_streamversion`, and `ce_incarnation` with `ce_position`. A reader that keeps the highest such pair it has seen of
a partition, and passes over what is not above it, sees each event once.

Ignore fields that you do not know. Fields are only ever added, and optional; anything else is a new major version,
under a new type. Decimals are JSON strings, instants RFC 3339 in UTC."""


def _page(catalogue: Mapping[str, tuple[type[Event], ...]], topic_of: Callable[[str], str]) -> Iterator[str]:
    yield _INTRODUCTION
    for service, events in catalogue.items():
        yield f"\n## {service}-svc: `{topic_of(service)}`"
        for event in events:
            yield f"\n### {event.__name__}\n"
            yield inspect.cleandoc(event.__doc__ or "").replace("\n", " ")
            yield f"\n[`{event.event_type}`](../libs/events/schemas/{event.event_type}.json)\n"
            yield "| field | type | |"
            yield "|---|---|---|"
            properties = schema_of(event).get("properties", {})
            for name, field in event.model_fields.items():
                required = "required" if field.is_required() else "optional"
                decimal = Decimal in (field.annotation, *get_args(field.annotation))
                yield f"| `{name}` | {'decimal' if decimal else _type(properties[name])} | {required} |"


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(option) for option in field["anyOf"]))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    names = {"string": "text", "null": "none"}
    return str(field.get("format") or names.get(str(field.get("type")), field.get("type", "any")))
