"""The pure core: what a decider knows of its commands, events and code, and how stored events are read."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from engine import Decider, Rejected, Unknown
from engine.decider import Codec, UnknownEvent
from engine.testing import scenario
from engine_example import Note, Open, Partner, Reinstate, Suspend, decide, evolve, partners
from events import Event
from hypothesis import given
from hypothesis import strategies as st

CAUSE = UUID(int=7)


class PartnerMoved(
    Event,
    type="cauce.partner.PartnerMoved.v3",
    upcasts={
        "cauce.partner.PartnerMoved.v1": lambda old: {
            "area": old["city"].upper(),
            "on": "2001-01-01",
            "fee": old["fee"],
        },
        "cauce.partner.PartnerMoved.v2": lambda old: {**old, "on": "2002-02-02"},
    },
):
    area: str
    on: date
    fee: Decimal
    tags: tuple[str, ...] = ()


codec = Codec([PartnerMoved])


def test_an_event_of_today_is_read_as_it_was_written() -> None:
    event = PartnerMoved(area="NORTH", on=date(2026, 3, 2), fee=Decimal("0.10"), tags=("a",))
    assert codec.decode("cauce.partner.PartnerMoved.v3", event.data()) == event


def test_an_event_of_an_older_major_is_lifted_to_todays_and_its_bytes_stay_as_they_are() -> None:
    stored = b'{"city": "north", "fee": "1.50"}'
    lifted = codec.decode("cauce.partner.PartnerMoved.v1", stored)
    assert lifted == PartnerMoved(area="NORTH", on=date(2001, 1, 1), fee=Decimal("1.50"))
    assert stored == b'{"city": "north", "fee": "1.50"}'
    second = codec.decode("cauce.partner.PartnerMoved.v2", b'{"area": "SOUTH", "fee": "2", "tags": ["x", "y"]}')
    assert second == PartnerMoved(area="SOUTH", on=date(2002, 2, 2), fee=Decimal(2), tags=("x", "y"))


@pytest.mark.parametrize("type", ["cauce.partner.PartnerMoved.v4", "cauce.partner.PartnerFlew.v1", "x"])
def test_an_event_that_the_code_does_not_know_is_an_error_and_never_passed_over(type: str) -> None:
    assert not codec.knows(type)
    with pytest.raises(UnknownEvent, match=type):
        codec.decode(type, b"{}")


def test_fields_that_the_code_does_not_know_are_ignored_and_missing_ones_are_not() -> None:
    data = {"area": "N", "on": "2026-01-01", "fee": "1", "new": 1}
    assert codec.decode("cauce.partner.PartnerMoved.v3", orjson.dumps(data)).area == "N"
    with pytest.raises(ValueError, match="area"):
        codec.decode("cauce.partner.PartnerMoved.v3", b'{"on": "2026-01-01", "fee": "1"}')


def test_two_events_cannot_claim_one_stored_type() -> None:
    class PartnerMovedAgain(
        Event, type="cauce.partner.PartnerMovedAgain.v1", upcasts={"cauce.partner.PartnerMoved.v3": lambda old: old}
    ):
        area: str

    with pytest.raises(ValueError, match=r"PartnerMoved\.v3"):
        Codec([PartnerMoved, PartnerMovedAgain])
    assert Codec([PartnerMoved, PartnerMoved]).knows("cauce.partner.PartnerMoved.v3")  # named by two deciders


@given(text=st.text(), fee=st.decimals(allow_nan=False, allow_infinity=False), tags=st.lists(st.text()))
def test_every_event_survives_being_stored(text: str, fee: Decimal, tags: list[str]) -> None:
    event = PartnerMoved(area=text, on=date(2026, 3, 2), fee=fee, tags=tuple(tags))
    read = codec.decode(event.event_type, event.data())
    assert read == event
    assert read.data() == event.data()


# -- commands


def test_commands_are_found_by_name_because_timers_store_them() -> None:
    assert partners.command_types == {"Open": Open, "Suspend": Suspend, "Reinstate": Reinstate, "Note": Note}


def test_a_decider_of_one_event_and_one_command_needs_no_union() -> None:
    def only(command: Note, state: Partner, now: Any) -> list[PartnerMoved]:
        return []

    one: Decider[Any, Any, Any] = Decider("thing", only, evolve, Partner, PartnerMoved)
    assert one.event_types == (PartnerMoved,)
    assert one.command_types == {"Note": Note}


def test_commands_refuse_fields_that_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="texd"):
        Note.model_validate({"texd": "x", "text": "x"})


def test_refusals_are_equal_by_code_and_details_and_unknown_is_one_of_them() -> None:
    assert Rejected("a.b", n=1) == Rejected("a.b", n=1) != Rejected("a.b", n=2)
    assert Rejected("a.b") != Rejected("a.c")
    assert isinstance(Unknown("a.b"), Rejected)
    assert str(Rejected("a.b", n=1)) == "a.b (n=1)"


# -- fingerprint

DOMAIN = {
    "__init__": "",
    "thing": """
from dataclasses import dataclass
from engine import Command, Decider
from {package}.published import ThingMade
from {package}_rest.state import Thing
from {package}.domain.rates import rate

class Make(Command):
    pass

def decide(command: Make, thing: Thing, now):
    return []

def evolve(thing: Thing, event: ThingMade) -> Thing:
    return Thing(thing.n + rate())

things = Decider("thing", decide, evolve, Thing, ThingMade)
""",
    "rates": "def rate():\n    return 1\n",
}
PUBLISHED = """
from events import Event
from {package}_rest.lifting import lift

class ThingMade(Event, type="cauce.thing.ThingMade.v2", upcasts={{"cauce.thing.ThingMade.v1": lift}}):
    n: int
"""
REST = {
    "__init__": "",
    "lifting": "def lift(old):\n    return {'n': 1}\n",
    "state": "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Thing:\n    n: int = 0\n",
}

Fingerprint = Callable[[dict[str, tuple[str, str]]], str]


@pytest.fixture
def fingerprint_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fingerprint:
    """The fingerprint of a service on disk, with some of its sources changed: {path: (old, new)}."""
    count = iter(range(100))

    def of(changes: dict[str, tuple[str, str]]) -> str:
        package, root = "cauce_thing", tmp_path / str(next(count))
        files = {f"{package}/domain/{name}.py": text for name, text in DOMAIN.items()}
        files |= {f"{package}_rest/{name}.py": text for name, text in REST.items()}
        files |= {f"{package}/__init__.py": "", f"{package}/published.py": PUBLISHED, f"{package}/api.py": "x = 1\n"}
        for path, text in files.items():
            text = text.format(package=package) if "{package}" in text else text
            for old, new in [changes[path]] if path in changes else []:
                assert old in text
                text = text.replace(old, new)
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for name in [n for n in sys.modules if n.startswith(package)]:
            del sys.modules[name]
        with monkeypatch.context() as patch:
            patch.syspath_prepend(root)
            importlib.import_module(f"{package}.api")
            module = importlib.import_module(f"{package}.domain.thing")
            return str(module.things.fingerprint)

    return of


def test_the_fingerprint_of_the_same_code_is_the_same(fingerprint_with: Fingerprint) -> None:
    assert fingerprint_with({}) == fingerprint_with({})
    assert fingerprint_with({"cauce_thing/api.py": ("1", "2")}) == fingerprint_with({})


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("cauce_thing/domain/thing.py", "thing.n + rate()", "thing.n - rate()"),
        ("cauce_thing/domain/rates.py", "return 1", "return 2"),
        ("cauce_thing/published.py", "n: int", "n: int = 3"),
        ("cauce_thing_rest/lifting.py", "'n': 1", "'n': 2"),
        ("cauce_thing_rest/state.py", "n: int = 0", "n: int = 5"),
    ],
    ids=["evolve", "a module that evolve uses", "an event's fields", "an upcast", "the state"],
)
def test_the_fingerprint_changes_with_whatever_makes_the_state(
    fingerprint_with: Fingerprint, path: str, old: str, new: str
) -> None:
    assert fingerprint_with({path: (old, new)}) != fingerprint_with({})


def test_the_state_survives_its_snapshot() -> None:
    state = partners.fold(decide(Open(partner_id=CAUSE), Partner(), None))  # type: ignore[arg-type]
    adapter = partners.state_adapter
    assert adapter.validate_json(adapter.dump_json(state)) == state


@dataclass(frozen=True)
class Forgetful:
    """Its snapshot comes back as something else."""

    seen: Any = ()


def test_a_state_that_does_not_survive_its_snapshot_fails_every_scenario_that_reaches_it() -> None:
    def moving(command: Note, state: Forgetful, now: Any) -> list[PartnerMoved]:
        return [PartnerMoved(area=command.text, on=date(2026, 3, 2), fee=Decimal(1))]

    def moved(state: Forgetful, event: PartnerMoved) -> Forgetful:
        return Forgetful((*state.seen, event.on))

    forgetful: Decider[Any, Any, Any] = Decider("thing", moving, moved, Forgetful, PartnerMoved)
    then = PartnerMoved(area="N", on=date(2026, 3, 2), fee=Decimal(1))
    with pytest.raises(AssertionError, match="read from a snapshot"):
        scenario(forgetful, when=Note(text="N"), at=datetime(2026, 3, 2, tzinfo=UTC), then=then)
