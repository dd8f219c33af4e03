import json
from pathlib import Path

import pytest
from events import CATALOGUE, Event, topic_of
from events.base import TYPE_PATTERN
from events.document import catalogue_page, schema_of

ROOT = Path(__file__).parents[3]
SCHEMAS = Path(__file__).parents[1] / "schemas"
PUBLIC = [event for events in CATALOGUE.values() for event in events]


@pytest.mark.parametrize("event", PUBLIC, ids=lambda event: event.event_type)
def test_an_event_is_what_its_pinned_schema_says(event: type[Event]) -> None:
    path = SCHEMAS / f"{event.event_type}.json"
    assert path.exists(), f"{event.__name__} is new: pin it with `python -m events pin libs/events/schemas`"
    assert schema_of(event) == json.loads(path.read_text()), (
        f"{event.__name__} is released: its fields do not change. Add an optional field and pin anew, or a new major"
    )


def test_no_pinned_event_has_gone() -> None:
    gone = {path.stem for path in SCHEMAS.glob("*.json")} - {event.event_type for event in PUBLIC}
    assert not gone, f"these were released and must stay readable: {sorted(gone)}"


@pytest.mark.parametrize("event", PUBLIC, ids=lambda event: event.event_type)
def test_every_event_says_what_happened_and_belongs_to_its_service(event: type[Event]) -> None:
    assert event.__doc__
    match = TYPE_PATTERN.match(event.event_type)
    assert match is not None
    assert event in CATALOGUE[match["service"]]


def test_the_catalogue_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "events.md").read_text()
    assert page == catalogue_page(CATALOGUE, topic_of), "run `make docs`"


def test_an_event_without_a_well_formed_type_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="not of the form"):

        class Nameless(Event, type="Nameless"):
            """Has no service and no version."""

    with pytest.raises(TypeError, match="called otherwise"):

        class PartnerLeft(Event, type="cauce.partner.PartnerGone.v1"):
            """Is called by two names."""


def test_fields_that_a_reader_does_not_know_are_ignored_and_events_are_frozen() -> None:
    class PartnerWaved(Event, type="cauce.partner.PartnerWaved.v1"):
        """For this test."""

        hand: str

    event = PartnerWaved.model_validate_json('{"hand": "left", "invented_later": 1}')
    assert event == PartnerWaved(hand="left")
    with pytest.raises(ValueError, match="frozen"):
        event.hand = "right"  # type: ignore[misc]
