"""The catalogue as an AsyncAPI 3 document: what a team outside needs to make a reader of the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic.json_schema import models_json_schema

from events.base import Event, Versioned
from events.document import Catalogue, States, promise, said_of
from events.envelope import CONTENT_TYPE, ENVELOPE, STATE_ENVELOPE, Attribute
from events.releases import Golden
from events.topics import Topic, state_topic, topic

Node = dict[str, Any]
Carried = type[Versioned]

DESCRIPTION = """\
Events of Cauce, which runs a company's channel: franchisees, resellers and distributors. Each service says what \
happened on one topic of its own and how things are now on another, as CloudEvents 1.0.2 in binary mode. The key is \
the stream, so what happened to one thing arrives in order. An event may be sent again: keep the highest \
`ce_sequence` by partition and pass over what is not above it; of states keep the highest incarnation and version \
by key. Ignore fields, headers and types that you do not know."""


def asyncapi(catalogue: Catalogue, examples: Mapping[str, Golden], states: States) -> Node:
    """The document. `examples` has a golden record for each type."""
    events: list[Carried] = [event for events in catalogue.values() for event in events]
    documents: list[Carried] = [document for documents in states.values() for document in documents]
    payloads, shared = _payloads([*events, *documents])
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Cauce events", "version": "1", "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "servers": {"kafka": _server()},
        "channels": {
            **{service: _channel(topic(service), published) for service, published in catalogue.items()},
            **{f"{service}-now": _channel(state_topic(service), shown) for service, shown in states.items()},
        },
        "operations": {
            **{f"{service}-publishes": _operation(service, published) for service, published in catalogue.items()},
            **{f"{service}-shows": _operation(f"{service}-now", shown) for service, shown in states.items()},
        },
        "components": {
            "messages": {
                _message_id(each): _message(each, payloads[each], examples[each.event_type])
                for each in (*events, *documents)
            },
            "messageTraits": {
                "event": {"contentType": CONTENT_TYPE, "headers": _headers(ENVELOPE)},
                "state": {"contentType": CONTENT_TYPE, "headers": _headers(STATE_ENVELOPE)},
            },
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


def _channel(declared: Topic, carried: Sequence[Carried]) -> Node:
    kind = "What has happened" if declared.carries == "events" else "How each thing is now; without a value it is gone"
    configs = declared.configs(replication=1)
    return {
        "address": declared.name,
        "title": f"{declared.service}-svc, {declared.carries}",
        "description": f"{kind}: {promise(declared)}.",
        "messages": {each.__name__: _ref(f"components/messages/{_message_id(each)}") for each in carried},
        "bindings": {
            "kafka": {
                "topic": declared.name,
                "partitions": declared.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [configs["cleanup.policy"]],
                    "retention.ms": int(configs["retention.ms"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operation(channel: str, carried: Sequence[Carried]) -> Node:
    return {
        "action": "send",
        "channel": _ref(f"channels/{channel}"),
        "summary": "The service sends, others read.",
        "messages": [_ref(f"channels/{channel}/messages/{each.__name__}") for each in carried],
    }


def _message(each: Carried, payload: Node, example: Golden) -> Node:
    kind = "event" if issubclass(each, Event) else "state"
    return {
        "name": each.event_type,
        "title": each.__name__,
        "description": said_of(each),
        "traits": [_ref(f"components/messageTraits/{kind}")],
        "payload": payload,
        "bindings": {"kafka": {"key": _key(each.event_key), "bindingVersion": "0.5.0"}},
        "examples": [{"name": each.__name__, "headers": dict(example.headers), "payload": dict(example.value)}],
    }


def _key(key: str) -> Node:
    return {
        "type": "string",
        "pattern": f"^{key.partition('-')[0]}-[0-9a-f-]{{36}}$",
        "description": f"The stream: `{key}`.",
    }


def _headers(envelope: Sequence[Attribute]) -> Node:
    return {
        "type": "object",
        "required": ["content-type", *(each.header for each in envelope if not each.optional)],
        "properties": {
            "content-type": {"type": "string", "const": CONTENT_TYPE},
            **{each.header: {**each.schema, "description": each.meaning} for each in envelope},
        },
    }


def _payloads(models: Sequence[Carried]) -> tuple[dict[Carried, Node], Node]:
    """Each one's schema, and what they share by name."""
    by_model, whole = models_json_schema(
        [(model, "serialization") for model in models], ref_template="#/components/schemas/{model}"
    )
    shared: Node = dict(whole["$defs"])
    found = {}
    for model in models:
        name = str(by_model[model, "serialization"]["$ref"]).rpartition("/")[2]
        found[model] = {key: value for key, value in shared.pop(name).items() if key != "description"}
    return found, shared


def _message_id(model: Carried) -> str:
    return model.event_type.removeprefix("cauce.").replace(".", "-")


def _ref(path: str) -> Node:
    return {"$ref": f"#/{path}"}
