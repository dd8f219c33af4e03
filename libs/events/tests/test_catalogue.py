"""The published language says everything about itself, and what it says is what is in the pages."""

import re
from pathlib import Path

import pytest
from events import CATALOGUE, TOPICS, Event, Topic
from events.base import TYPE_PATTERN, Versioned, owner_of, personal_data_of
from events.catalogue import every, language
from events.document import catalogue_page, schema_of
from events.releases import Golden, newest
from events.states import STATES

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parents[1]
PUBLIC = every()
LANGUAGE = language()


def example_of(event: type[Versioned]) -> Golden:
    pin = newest(FOLDER, event)
    assert pin is not None
    return pin.golden()


@pytest.mark.parametrize("event", LANGUAGE, ids=lambda event: event.event_type)
def test_every_event_and_state_says_what_it_is_and_belongs_to_its_service(event: type[Versioned]) -> None:
    assert event.__doc__
    assert TYPE_PATTERN.match(event.event_type)
    assert event in (*CATALOGUE[owner_of(event)], *STATES[owner_of(event)])


@pytest.mark.parametrize("event", LANGUAGE, ids=lambda event: event.event_type)
def test_the_declared_key_is_the_one_of_the_example(event: type[Versioned]) -> None:
    example = example_of(event)
    uuid = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    declared = event.event_key.replace("{uuid}", "<uuid>").format(**example.value).replace("<uuid>", uuid)
    assert re.fullmatch(declared, example.key)
    assert example.headers["ce_partitionkey"] == example.headers["ce_subject"] == example.key


@pytest.mark.parametrize("event", PUBLIC, ids=lambda event: event.event_type)
def test_personal_data_is_somebodys(event: type[Event]) -> None:
    assert set(personal_data_of(event).values()) <= event.model_fields.keys()


def test_a_mark_of_personal_data_is_in_the_schema_and_on_the_page() -> None:
    [marked] = [event for event in PUBLIC if event.__name__ == "PartnerRegistered"]
    assert personal_data_of(marked) == {"legal_name": "partner_id"}
    assert schema_of(marked)["properties"]["legal_name"]["x-personal-data"] == "partner_id"
    page = (ROOT / "docs" / "events.md").read_text()
    assert "| PartnerRegistered | `legal_name` | `partner_id` |" in page
    assert "| `legal_name` | text | required, personal |" in page


def test_the_catalogue_page_is_up_to_date() -> None:
    revisions = {event.event_type: pin.revision for event in LANGUAGE if (pin := newest(FOLDER, event))}
    assert (ROOT / "docs" / "events.md").read_text() == catalogue_page(CATALOGUE, revisions, STATES), "run `make docs`"


def test_every_service_that_publishes_has_a_declared_topic_and_no_other_has() -> None:
    assert TOPICS.keys() == CATALOGUE.keys()
    assert {topic.name for topic in TOPICS.values()} == {f"{service}.events" for service in CATALOGUE}


def test_a_topic_keeps_everything_unless_it_says_otherwise_and_stands_one_broker_away() -> None:
    kept = Topic("partner").configs(replication=3)
    assert (kept["retention.ms"], kept["retention.bytes"], kept["cleanup.policy"]) == ("-1", "-1", "delete")
    assert kept["min.insync.replicas"] == "2"
    assert Topic("partner").configs(replication=1)["min.insync.replicas"] == "1"
    a_month = Topic("partner", retention_ms=2_592_000_000)
    assert (a_month.configs(replication=3)["retention.ms"], a_month.kept) == ("2592000000", "for 30 days")


def test_an_event_without_a_well_formed_type_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="not of the form"):

        class Nameless(Event, type="Nameless"):
            """Has no service and no version."""

    with pytest.raises(TypeError, match="called otherwise"):

        class PartnerLeft(Event, type="cauce.partner.PartnerGone.v1"):
            """Is called by two names."""


def test_what_is_written_in_an_older_form_can_be_read_back() -> None:
    with pytest.raises(TypeError, match="could not be read: it has no upcast"):

        class PartnerWaved(
            Event, type="cauce.partner.PartnerWaved.v2", downcast=("cauce.partner.PartnerWaved.v1", lambda new: new)
        ):
            hand: str


def test_an_erasure_names_a_field_of_its_own() -> None:
    with pytest.raises(TypeError, match="is no field of it"):

        class Erased(Event, type="cauce.partner.Erased.v1", key="partner-{uuid}", erases="person_id"):
            who: str


def test_fields_that_a_reader_does_not_know_are_ignored_and_events_are_frozen() -> None:
    class PartnerWaved(Event, type="cauce.partner.PartnerWaved.v1"):
        """For this test."""

        hand: str

    event = PartnerWaved.model_validate_json('{"hand": "left", "invented_later": 1}')
    assert event == PartnerWaved(hand="left")
    with pytest.raises(ValueError, match="frozen"):
        event.hand = "right"  # type: ignore[misc]
