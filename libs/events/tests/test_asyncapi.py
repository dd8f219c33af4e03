"""The AsyncAPI document: it is one, it says what is sent, and both files of it are up to date."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from events import CATALOGUE, TOPICS
from events.asyncapi import asyncapi
from events.base import personal_data_of
from events.catalogue import every, language
from events.envelope import ENVELOPE, STATE_ENVELOPE
from events.html import html_page
from events.releases import newest
from events.states import STATES
from jsonschema import Draft7Validator, FormatChecker
from pydantic import ValidationError

with warnings.catch_warnings():  # two of its fields are called as something that pydantic once had
    warnings.simplefilter("ignore", UserWarning)
    from asyncapi3.models.asyncapi import AsyncAPI3

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parents[1]
EXAMPLES = {event.event_type: pin.golden() for event in language() if (pin := newest(FOLDER, event)) is not None}
DOCUMENT = asyncapi(CATALOGUE, EXAMPLES, STATES)
MESSAGES = DOCUMENT["components"]["messages"]
EVENTS = {event.event_type for event in every()}


def within(node: Any, path: str = "#") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object of the document with its path."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from within(value, f"{path}/{key}")
    if isinstance(node, list | tuple):
        for n, value in enumerate(node):
            yield from within(value, f"{path}/{n}")


def found(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


def validator(schema: Mapping[str, Any]) -> Draft7Validator:
    whole = {**schema, "components": {"schemas": DOCUMENT["components"]["schemas"]}}
    Draft7Validator.check_schema(whole)
    return Draft7Validator(whole, format_checker=FormatChecker())


def test_the_files_are_up_to_date() -> None:
    assert json.loads((ROOT / "docs" / "asyncapi.json").read_text()) == DOCUMENT, "run `make docs`"
    assert (ROOT / "docs" / "asyncapi.html").read_text() == html_page(DOCUMENT), "run `make docs`"


def test_the_document_is_asyncapi_3() -> None:
    assert AsyncAPI3.model_validate(DOCUMENT).asyncapi == "3.0.0"


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ("#/channels/partner", "adress", "partner.events"),
        ("#/operations/partner-publishes", "action", "publish"),
        ("#/channels/partner/bindings/kafka", "partitions", "six"),
        ("#/components/messages/risk-RiskFlagged-v1", "key", {}),
        ("#/servers/kafka", "protocol", None),
    ],
)
def test_what_is_not_asyncapi_3_would_be_seen(path: str, key: str, value: Any) -> None:
    spoilt = json.loads(json.dumps(DOCUMENT))
    dict(within(spoilt))[path][key] = value  # type: ignore[index]
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate(spoilt)


def test_every_reference_leads_somewhere() -> None:
    references = [str(node["$ref"]) for _, node in within(DOCUMENT) if "$ref" in node]
    assert len(references) > 100
    for reference in references:
        assert isinstance(found(reference), dict), reference


def test_a_channels_messages_are_the_events_of_its_service_and_all_of_them_are_published() -> None:
    for service, events in CATALOGUE.items():
        channel = DOCUMENT["channels"][service]
        assert channel["address"] == TOPICS[service].name
        assert channel["bindings"]["kafka"]["partitions"] == TOPICS[service].partitions
        assert list(channel["messages"]) == [event.__name__ for event in events]
        operation = DOCUMENT["operations"][f"{service}-publishes"]
        assert operation["action"] == "send"
        assert {each["$ref"] for each in operation["messages"]} == {
            f"#/channels/{service}/messages/{event.__name__}" for event in events
        }


@pytest.mark.parametrize("name", MESSAGES)
def test_a_messages_example_is_what_its_schemas_say(name: str) -> None:
    message = MESSAGES[name]
    headers = validator(found(message["traits"][0]["$ref"])["headers"])
    payload, key = validator(message["payload"]), validator(message["bindings"]["kafka"]["key"])
    assert message["examples"]
    for example in message["examples"]:
        headers.validate(example["headers"])
        payload.validate(example["payload"])
        key.validate(example["headers"]["ce_partitionkey"])
        assert example["headers"]["ce_type"] == message["name"]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_says_what_happened(name: str) -> None:
    assert MESSAGES[name]["description"]
    service, title = name.partition("-")[0], MESSAGES[name]["title"]
    assert title in DOCUMENT["channels"][service if MESSAGES[name]["name"] in EVENTS else f"{service}-now"]["messages"]


def test_a_services_states_are_on_its_compacted_topic() -> None:
    for service, states in STATES.items():
        channel = DOCUMENT["channels"][f"{service}-now"]
        assert channel["address"] == f"{service}.state"
        assert channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact"]
        assert list(channel["messages"]) == [state.__name__ for state in states]
    message = MESSAGES["partner-PartnerState-v1"]
    assert not validator(message["payload"]).is_valid({"partner_id": "1"})


def test_a_payload_without_a_required_field_is_not_what_its_schema_says() -> None:
    message = MESSAGES["partner-PartnerRegistered-v1"]
    payload = {k: v for k, v in message["examples"][0]["payload"].items() if k != "legal_name"}
    assert not validator(message["payload"]).is_valid(payload)


def test_personal_data_is_marked_where_a_reader_meets_it() -> None:
    for event in every():
        payload = MESSAGES[event.event_type.removeprefix("cauce.").replace(".", "-")]["payload"]
        marked = {n: f["x-personal-data"] for n, f in payload["properties"].items() if "x-personal-data" in f}
        assert marked == personal_data_of(event)


class Page(HTMLParser):
    """What a page holds: its ids, its links, and everything that it would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        if tag == "a":
            self.links.append(str(given["href"]))
        elif tag in ("script", "link", "img", "iframe") or "src" in given:
            self.loads.append(tag)


def test_the_page_shows_every_event_and_every_header_and_loads_nothing_from_elsewhere() -> None:
    text = html_page(DOCUMENT)
    page = Page(text)
    assert page.loads == []
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(MESSAGES) <= set(page.ids)
    for attribute in (*ENVELOPE, *STATE_ENVELOPE):
        assert f"<code>{attribute.header}</code>" in text
    assert not re.search(r"https?://", text)


def test_words_that_look_like_markup_stay_words() -> None:
    example = DOCUMENT | {"info": DOCUMENT["info"] | {"description": "a < b & `c<d>`"}}
    assert "<p>a &lt; b &amp; <code>c&lt;d&gt;</code></p>" in html_page(example)
