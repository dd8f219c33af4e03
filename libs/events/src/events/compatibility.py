"""What may become of a released schema: optional fields may be added, and nothing else may change.

A schema is read in two directions. What was stored under it is read by today's code, so nothing may become narrower;
what today's code sends is read by yesterday's readers, so nothing may become wider either. Anything else is a new
major version with an upcast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

ANNOTATIONS = frozenset({"$schema", "$id", "$defs", "title", "description", "examples", "deprecated"})
"""Keywords that no reader depends on. Marks of ours, `x-...`, are of their kind."""

STRUCTURE = frozenset({"type", "properties", "required", "items", "additionalProperties", "anyOf", "enum", "const"})


def contract_of(schema: Schema) -> Schema:
    """What a schema demands: its references put in place and its annotations left out, in one order."""
    contract: Schema = _plain(schema, schema.get("$defs", {}), ())
    return contract


def breaks(old: Schema, new: Schema) -> list[str]:
    """What makes `new` another contract than the released `old`, a sentence each; empty where it is none."""
    return list(_breaks(contract_of(old), contract_of(new), "the event"))


def _plain(node: Any, definitions: Schema, within: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_plain(each, definitions, within) for each in node]
    if not isinstance(node, Mapping):
        return node
    if "$ref" in node:
        name = str(node["$ref"]).rpartition("/")[2]
        if name in within:
            raise ValueError(f"{name} contains itself: an event is a tree of values")
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _plain({**definitions[name], **beside}, definitions, (*within, name))
    kept = {key: value for key, value in node.items() if key not in ANNOTATIONS and not key.startswith("x-")}
    return {key: _keyword(key, value, definitions, within) for key, value in sorted(kept.items())}


def _keyword(key: str, value: Any, definitions: Schema, within: tuple[str, ...]) -> Any:
    if key == "properties":
        return {name: _plain(field, definitions, within) for name, field in sorted(value.items())}
    if key in ("required", "enum"):
        return sorted(value, key=_text)
    if key in ("default", "const"):
        return value
    return _plain(value, definitions, within)


def _breaks(old: Schema, new: Schema, at: str) -> Iterator[str]:
    if old == new:
        return
    if ("default" in old or "default" in new) and old.get("default", ...) != new.get("default", ...):
        yield f"{at}: another default: what was stored without it would be read otherwise"
    befores, afters = _variants(old), _variants(new)
    befores, afters = [v for v in befores if v not in afters], [v for v in afters if v not in befores]
    for before in list(befores):
        match = next((after for after in afters if before.get("type") == after.get("type")), None)
        if match is not None:
            befores.remove(before)
            afters.remove(match)
            yield from _variant_breaks(before, match, at)
    if len(befores) == len(afters) == 1:
        yield f"{at}: was {_shown(befores[0])} and is {_shown(afters[0])}"
        return
    for before in befores:
        yield f"{at}: is {_shown(before)} no more, and such is stored"
    for after in afters:
        yield f"{at}: may be {_shown(after)} now, which readers of yesterday do not know"


def _variants(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf", [{key: value for key, value in schema.items() if key != "default"}]))


def _variant_breaks(old: Schema, new: Schema, at: str) -> Iterator[str]:
    yield from _field_breaks(old, new, at)
    for key, within in (("items", "each of"), ("additionalProperties", "each value of")):
        if (key in old) != (key in new):
            yield f"{at}: {key} came or went"
        elif isinstance(old.get(key), Mapping) and isinstance(new.get(key), Mapping):
            yield from _breaks(old[key], new[key], f"{within} {at}")
        elif old.get(key) != new.get(key):
            yield f"{at}: {key} was {_text(old[key])} and is {_text(new[key])}"
    before, after = _values(old), _values(new)
    if before is None or after is None:
        if before is not after:
            yield f"{at}: a closed list of values came or went"
    else:
        for value in sorted(before - after):
            yield f"{at}: {value} is no value of it any more, and such is stored"
        for value in sorted(after - before):
            yield f"{at}: has the new value {value}, which readers of yesterday do not know"
    for key in sorted((old.keys() | new.keys()) - STRUCTURE - {"default"}):
        if old.get(key) != new.get(key):
            yield f"{at}: {key} was {_text(old.get(key))} and is {_text(new.get(key))}"


def _field_breaks(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    needed, needs = set(old.get("required", ())), set(new.get("required", ()))
    for name, field in before.items():
        where = f"{name} of {at}"
        if name not in after:
            yield f"{where}: is gone"
            continue
        if name in needed - needs:
            yield f"{where}: is optional now, and readers rely on it"
        if name in needs - needed:
            yield f"{where}: is required now, and what is stored may lack it"
        yield from _breaks(field, after[name], where)
    for name in sorted(after.keys() - before.keys()):
        if name in needs:
            yield f"{name} of {at}: is new and required, and what is stored lacks it: give it a default"


def _values(schema: Schema) -> set[str] | None:
    if "const" in schema:
        return {_text(schema["const"])}
    return {_text(value) for value in schema["enum"]} if "enum" in schema else None


def _shown(schema: Schema) -> str:
    return " ".join(str(schema[key]) for key in ("format", "type") if key in schema) or _text(schema)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
