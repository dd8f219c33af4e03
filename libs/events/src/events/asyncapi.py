"""The catalogue as an AsyncAPI 3 document: what a team outside needs to make a reader of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from events.base import Event
from events.document import Catalogue, promise, said_of
from events.envelope import CONTENT_TYPE, ENVELOPE
from events.releases import Golden
from events.topics import topic

Node = dict[str, Any]

DESCRIPTION = """\
Events of Cauce, which runs a company's channel: franchisees, resellers and distributors. Each service publishes to a \
topic of its own, as CloudEvents 1.0.2 in binary mode. The key is the stream, so what happened to one thing arrives in \
order. A record may come twice: keep the highest `ce_sequence` by partition and pass over what is not above it. Ignore \
fields, headers and event types that you do not know."""


def asyncapi(catalogue: Catalogue, examples: Mapping[str, Golden]) -> Node:
    """The document. `examples` has a golden record for each event type."""
    payloads, shared = _payloads(catalogue)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Cauce events", "version": "1", "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": {service: _channel(service, events) for service, events in catalogue.items()},
        "operations": {f"{service}-publishes": _operation(service, events) for service, events in catalogue.items()},
        "components": {
            "messages": {
                _message_id(event): _message(event, payloads[event], examples[event.event_type])
                for events in catalogue.values()
                for event in events
            },
            "messageTraits": {"cloudevent": {"contentType": CONTENT_TYPE, "headers": _headers()}},
            "schemas": shared,
        },
    }


def _server() -> Node:
    return {
        "host": "{bootstrap}",
        "protocol": "kafka",
        "description": "The Kafka cluster of the environment.",
        "variables": {"bootstrap": {"default": "127.0.0.1:59092", "description": "Of a local run, if not said."}},
    }


def _channel(service: str, events: tuple[type[Event], ...]) -> Node:
    declared = topic(service)
    retention = -1 if declared.retention_ms is None else declared.retention_ms
    return {
        "address": declared.name,
        "title": f"{service}-svc",
        "description": f"What {service}-svc says: {promise(declared)}.",
        "messages": {event.__name__: _ref(f"components/messages/{_message_id(event)}") for event in events},
        "bindings": {
            "kafka": {
                "topic": declared.name,
                "partitions": declared.partitions,
                "topicConfiguration": {"cleanup.policy": ["delete"], "retention.ms": retention},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(service: str, events: tuple[type[Event], ...]) -> Node:
    return {
        "action": "send",
        "channel": _ref(f"channels/{service}"),
        "summary": f"{service}-svc publishes what happened.",
        "messages": [_ref(f"channels/{service}/messages/{event.__name__}") for event in events],
    }


def _message(event: type[Event], payload: Node, example: Golden) -> Node:
    return {
        "name": event.event_type,
        "title": event.__name__,
        "description": said_of(event),
        "traits": [_ref("components/messageTraits/cloudevent")],
        "payload": payload,
        "bindings": {"kafka": {"key": _key(event), "bindingVersion": "0.5.0"}},
        "examples": [{"name": event.__name__, "headers": dict(example.headers), "payload": dict(example.value)}],
    }


def _key(event: type[Event]) -> Node:
    return {
        "type": "string",
        "pattern": f"^{event.event_key.partition('-')[0]}-[0-9a-f-]{{36}}$",
        "description": f"The stream: `{event.event_key}`.",
    }


def _headers() -> Node:
    return {
        "type": "object",
        "required": ["content-type", *(each.header for each in ENVELOPE if not each.optional)],
        "properties": {
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            **{each.header: {**each.schema, "description": each.meaning} for each in ENVELOPE},
        },
    }


def _payloads(catalogue: Catalogue) -> tuple[dict[type[Event], Node], Node]:
    """Each event's schema by event, and what they share by name."""
    events = [event for events in catalogue.values() for event in events]
    by_model, whole = models_json_schema(
        [(event, "serialization") for event in events], ref_template="#/components/schemas/{model}"
    )
    shared: Node = dict(whole["$defs"])
    found = {}
    for event in events:
        name = str(by_model[event, "serialization"]["$ref"]).rpartition("/")[2]
        found[event] = {key: value for key, value in shared.pop(name).items() if key != "description"}
    return found, shared


def _message_id(event: type[Event]) -> str:
    return event.event_type.removeprefix("cauce.").replace(".", "-")


def _ref(path: str) -> Node:
    return {"$ref": f"#/{path}"}
