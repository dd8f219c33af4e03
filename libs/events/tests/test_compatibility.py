"""What may become of a released schema: every kind of change, and what the gate says of it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from events.compatibility import breaks, contract_of
from pydantic import BaseModel, Field, create_model


class Line(BaseModel):
    """One line of an order."""

    sku: str
    pieces: int = Field(ge=0)


class Order(BaseModel):
    """What was released."""

    order_id: UUID
    buyer: str
    state: Literal["open", "paid"]
    kind: Literal["order"] = "order"
    lines: tuple[Line, ...]
    total: Decimal
    due: date | None
    note: str | None = None
    code: str = Field(pattern="^[A-Z]+$")
    paid: Decimal | None = None
    by_country: dict[str, int] = Field(default_factory=dict)


RELEASED = Order.model_json_schema(mode="serialization")


def changed(**fields: Any) -> dict[str, Any]:
    """The order's schema with other fields; None takes a field out."""
    kept = {name: (field.annotation, field) for name, field in Order.model_fields.items()}
    wanted = {name: field for name, field in (kept | fields).items() if field is not None}
    return create_model("Order", **wanted).model_json_schema(mode="serialization")  # type: ignore[no-any-return]


class LongerLine(Line):
    colour: str | None = None


class ShorterLine(BaseModel):
    sku: str


class LineByWeight(Line):
    pieces: Decimal  # type: ignore[assignment]


class LineOfAColour(Line):
    colour: str


ALLOWED = {
    "nothing": {},
    "an optional field is added": {"channel": (str | None, None)},
    "a field with a default is added": {"channel": (str, "shop")},
    "a part of the event has an optional field more": {"lines": (tuple[LongerLine, ...], ...)},
    "a field has other words": {"buyer": (str, Field(description="Who buys.", title="The buyer"))},
    "a field is marked": {"buyer": (str, Field(json_schema_extra={"x-personal-data": "order_id"}))},
}
REFUSED = {
    "a field is gone": ({"buyer": None}, "buyer of the event: is gone"),
    "an optional field is gone": ({"note": None}, "note of the event: is gone"),
    "a field is called otherwise": ({"buyer": None, "customer": (str, "")}, "buyer of the event: is gone"),
    "a required field is new": ({"channel": (str, ...)}, "channel of the event: is new and required"),
    "an optional field is required": ({"note": (str | None, ...)}, "is required now, and what is stored may lack it"),
    "a required field is optional": ({"due": (date | None, None)}, "is optional now, and readers rely on it"),
    "another default": ({"note": (str | None, "none")}, "note of the event: another default"),
    "a default is gone": ({"note": (str | None, Field(default_factory=lambda: None))}, "note of the event: another"),
    "another type": ({"buyer": (int, ...)}, "buyer of the event: was string and is integer"),
    "a number instead of a decimal": ({"total": (float, ...)}, "total of the event: was string and is number"),
    "another format": ({"order_id": (str, ...)}, 'order_id of the event: format was "uuid" and is null'),
    "a list instead of one": ({"buyer": (tuple[str, ...], ...)}, "buyer of the event: was string and is array"),
    "one instead of a list": ({"lines": (Line, ...)}, "lines of the event: was array and is object"),
    "null is taken": ({"buyer": (str | None, ...)}, "may be null now, which readers of yesterday do not know"),
    "null is not taken": ({"due": (date, ...)}, "due of the event: is null no more, and such is stored"),
    "another kind is taken": ({"due": (date | int | None, ...)}, "may be integer now"),
    "a value is no more": ({"state": (Literal["open"], ...)}, '"paid" is no value of it any more'),
    "a value is new": ({"state": (Literal["open", "paid", "void"], ...)}, 'has the new value "void"'),
    "another constant": ({"kind": (Literal["sale"], "sale")}, '"order" is no value of it any more'),
    "a list of values becomes free text": ({"state": (str, ...)}, "a closed list of values came or went"),
    "free text becomes a list of values": ({"buyer": (Literal["me"], ...)}, "a closed list of values came or went"),
    "a pattern is narrower": ({"code": (str, Field(pattern="^[A-C]+$"))}, "code of the event: pattern was"),
    "a pattern is gone": ({"code": (str, ...)}, "code of the event: pattern was"),
    "a pattern is new": ({"buyer": (str, Field(pattern="^x"))}, "buyer of the event: pattern was"),
    "a length is new": ({"buyer": (str, Field(max_length=9))}, "buyer of the event: maxLength was"),
    "a part lost a field": ({"lines": (tuple[ShorterLine, ...], ...)}, "pieces of each of lines of the event: is gone"),
    "a part needs a field more": ({"lines": (tuple[LineOfAColour, ...], ...)}, "colour of each of lines of the event"),
    "a field of a part has another type": (
        {"lines": (tuple[LineByWeight, ...], ...)}, "pieces of each of lines of the event: was integer and is string"),
    "so many lines at most": ({"lines": (tuple[Line, ...], Field(max_length=3))}, "lines of the event: maxItems was"),
    "the values of a map are others": ({"by_country": (dict[str, str], Field(default_factory=dict))},
                                      "each value of by_country of the event: was integer and is string"),
    "a map becomes free": ({"by_country": (dict[str, Any], Field(default_factory=dict))}, "by_country of the event"),
}  # fmt: skip


@pytest.mark.parametrize("fields", ALLOWED.values(), ids=ALLOWED)
def test_may_be_changed_without_anybody_noticing(fields: dict[str, Any]) -> None:
    assert breaks(RELEASED, changed(**fields)) == []


@pytest.mark.parametrize(("fields", "said"), REFUSED.values(), ids=REFUSED)
def test_is_another_contract_and_the_gate_says_which_field(fields: dict[str, Any], said: str) -> None:
    found = breaks(RELEASED, changed(**fields))
    assert any(said in sentence for sentence in found), found
    assert len({sentence.partition(":")[0] for sentence in found}) == 1, found


def test_what_is_shared_is_compared_where_it_is_used() -> None:
    inline = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    apart = {"$defs": {"A": {"type": "string", "title": "A"}}, "properties": {"a": {"$ref": "#/$defs/A"}}, **inline}
    apart["properties"] = {"a": {"$ref": "#/$defs/A", "description": "by reference"}}
    assert contract_of(apart) == contract_of(inline)
    assert breaks(inline, apart) == []


def test_an_event_that_contains_itself_is_refused() -> None:
    node = {"$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}}}, "$ref": "#/$defs/Node"}
    with pytest.raises(ValueError, match="Node contains itself"):
        contract_of(node)
