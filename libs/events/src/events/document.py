"""What the catalogue says of itself: schemas and the page that lists every event."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, get_args

from pydantic import BaseModel

from events.base import Event, Versioned, personal_data_of
from events.envelope import ENVELOPE, STATE_ENVELOPE
from events.states import State
from events.topics import Topic, state_topic, topic

Catalogue = Mapping[str, tuple[type[Event], ...]]
States = Mapping[str, tuple[type[State], ...]]
Revisions = Mapping[str, int]
"""The newest pinned revision by type."""


def schema_of(event: type[Versioned]) -> dict[str, Any]:
    """Its data as JSON Schema (draft 2020-12), as it is written: decimals are strings, instants RFC 3339."""
    schema = event.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{event.event_type}", **schema}


def said_of(model: type[BaseModel]) -> str:
    """The model's own words, on one line a paragraph."""
    paragraphs = inspect.cleandoc(model.__doc__ or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def catalogue_page(catalogue: Catalogue, revisions: Revisions, states: States) -> str:
    return "\n".join(_page(catalogue, revisions, states)) + "\n"


def promise(topic: Topic) -> str:
    """What a topic keeps, in words."""
    return f"{topic.partitions} partitions, kept {topic.kept}"


_INTRODUCTION = """\
# The events

Generated from `libs/events` by `make docs`; a test fails when it is stale. The same as a document for tools:
[asyncapi.json](asyncapi.json) (AsyncAPI 3); to read in a browser: [asyncapi.html](asyncapi.html). How to follow the
stream from an ERP: [erp.md](erp.md).

Every event travels on Kafka as a CloudEvent 1.0.2 in binary mode: the attributes are `ce_` headers, the value is
plain JSON, and the key is the stream (`<kind>-<uuid>`), so that everything about one thing arrives in order.

A record may be sent again, and what is new comes in order within its partition. A reader that keeps the highest
`ce_sequence` it has seen of a partition, and passes over what is not above it, sees each event once.

Ignore fields, headers and event types that you do not know. Fields are only ever added, and optional; anything else is
a new major version, under a new type. Decimals are JSON strings, instants RFC 3339 in UTC. Schemas say so in
`libs/events/schemas`, one file a revision; what is in `released.sha256` is never changed.

Beside its events each service has a compacted topic of states, for systems that only want to know how things are now.
Of the headers below its records have
{headers}.

Personal data is marked: `x-personal-data` in a schema names the field that says whose it is. Texts that people write
(reasons, explanations) are not for names.

`ce_traceparent` and `ce_tracestate` go on in the trace of the request that led to the event (W3C Trace Context, by
CloudEvents' extension for distributed tracing); they are absent where nobody began one."""


def _page(catalogue: Catalogue, revisions: Revisions, states: States) -> Iterator[str]:
    headers = ", ".join(f"`{attribute.name}`" for attribute in STATE_ENVELOPE)
    yield _INTRODUCTION.format(headers=headers)
    yield "\n## Headers\n"
    yield from _table(("header", "what it says", ""), _headers())
    yield "\n## Personal data\n"
    yield from _table(("event", "field", "of"), _personal(catalogue))
    for service, events in catalogue.items():
        yield f"\n## {service}-svc: `{topic(service).name}`"
        yield f"\n{promise(topic(service)).capitalize()}."
        for event in events:
            yield from _section(event, revisions[event.event_type])
        if service in states:
            yield from _states(service, states[service], revisions)


def _headers() -> Iterator[Sequence[str]]:
    yield "`content-type`", "`application/json`", ""
    for attribute in ENVELOPE:
        kind = "extension" if attribute.extension else "CloudEvents"
        yield f"`{attribute.header}`", attribute.meaning, f"{kind}, where known" if attribute.optional else kind


def _personal(catalogue: Catalogue) -> Iterator[Sequence[str]]:
    yield "every event", "header `ce_actor`", "the person who acted"
    for event in (event for events in catalogue.values() for event in events):
        for field, of in personal_data_of(event).items():
            yield event.__name__, f"`{field}`", f"`{of}`"


def _section(each: type[Versioned], revision: int) -> Iterator[str]:
    file = f"{each.event_type}.{revision}.json"
    yield f"\n### {each.__name__}\n"
    yield said_of(each)
    yield (
        f"\n`{each.event_type}`, key `{each.event_key}`;"
        f" [schema](../libs/events/schemas/{file}), [example](../libs/events/golden/{file})\n"
    )
    yield from _table(("field", "type", ""), _fields(each))


def _states(service: str, states: tuple[type[State], ...], revisions: Revisions) -> Iterator[str]:
    declared = state_topic(service)
    yield f"\n## {service}-svc now: `{declared.name}`"
    yield f"\n{promise(declared).capitalize()}. A record without a value: the thing is not there any more."
    for state in states:
        yield from _section(state, revisions[state.event_type])


def _fields(model: type[BaseModel]) -> Iterator[Sequence[str]]:
    properties, personal = model.model_json_schema(mode="serialization").get("properties", {}), personal_data_of(model)
    for name, field in model.model_fields.items():
        marks = ["required" if field.is_required() else "optional", *(["personal"] if name in personal else [])]
        decimal = Decimal in (field.annotation, *get_args(field.annotation))
        yield f"`{name}`", "decimal" if decimal else type_in_words(properties[name]), ", ".join(marks)


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |".replace("|  |", "| |")
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")


def type_in_words(field: Mapping[str, Any]) -> str:
    """A field's schema as a person would say it."""
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(type_in_words(option) for option in field["anyOf"]))
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {type_in_words(field.get('items', {}))}"
    names = {"string": "text", "null": "none"}
    return str(field.get("format") or names.get(str(field.get("type")), field.get("type", "any")))
