"""An example of whatever a JSON schema describes: its own where it has one, else something that fits it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

FORMATS = {
    "uuid": "5f0c2a52-6d0b-4c55-9d6e-0a2f3b1c7e44",
    "date-time": "2026-03-02T09:00:00Z",
    "date": "2026-03-02",
    "uri": "https://example.com/",
}
WORDS = ("example", "85", "2026", "US-AK", "EUR", "someone@example.com", "An example.")
"""The first that a pattern takes."""
Schema = Mapping[str, Any]


class NoExample(ValueError):
    """Nothing that is known here fits: the field needs an example of its own."""


def example(schema: Schema, components: Mapping[str, Schema], name: str = "") -> Any:
    """Raises NoExample."""
    if "$ref" in schema:
        return example(components[schema["$ref"].rpartition("/")[2]], components, name)
    if schema.get("examples"):
        return schema["examples"][0]
    for own in ("example", "const", "default"):
        if schema.get(own) is not None:
            return schema[own]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return example(next(s for s in schema[several] if s.get("type") != "null"), components, name)
    if "allOf" in schema:
        return {k: v for each in schema["allOf"] for k, v in example(each, components, name).items()}
    return _of_type(schema, components, name)


def _of_type(schema: Schema, components: Mapping[str, Schema], name: str) -> Any:
    match schema.get("type"):
        case "object":
            return _object(schema, components)
        case "array":
            return [example(schema["items"], components, name)] if schema.get("maxItems", 1) else []
        case "string":
            return _string(schema, name)
        case "integer" | "number":
            return _number(schema)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return {}


def _object(schema: Schema, components: Mapping[str, Schema]) -> dict[str, Any]:
    required = schema.get("required", ())
    fields = schema.get("properties", {})
    made = {name: example(field, components, name) for name, field in fields.items() if name in required}
    more = schema.get("additionalProperties")
    if not made and isinstance(more, Mapping):
        key = example(schema.get("propertyNames", {"type": "string"}), components)
        made[key] = example(more, components)
    return made


def _string(schema: Schema, name: str) -> str:
    if schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    for word in (name, *WORDS) if name else WORDS:
        if re.search(schema.get("pattern", ""), word) and _fits(word, schema):
            return word
    raise NoExample(f"{name or 'a text'} with pattern {schema.get('pattern')}")


def _fits(word: str, schema: Schema) -> bool:
    low, high = schema.get("minLength", 0), schema.get("maxLength", len(word))
    return bool(low <= len(word) <= high)


def _number(schema: Schema) -> Any:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    if low is None and high is None:
        return 1
    if low is None or high is None:
        return (low if high is None else high) + (1 if high is None else -1)
    return (low + high) // 2 if (low + high) // 2 > low else high
