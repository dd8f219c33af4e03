"""Given, when, then: a decider's rules as business sentences over plain events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from events import Event

from engine.decider import Command, Decider, Rejected
from engine.facts import Fact

SOME_ID = UUID("00000000-0000-4000-8000-000000000000")


def scenario(
    decider: Decider[Any, Any, Any],
    *,
    given: Sequence[Event] = (),
    when: Command,
    at: datetime,
    then: Event | Sequence[Event] | Rejected,
) -> None:
    """Asserts what the command leads to. `then=[]` says that nothing happens: a true repeat. Asserts as well that what
    the store keeps survives it: the events, and the state, which is snapshotted."""
    __tracebackhide__ = True
    state = decider.fold(given)
    try:
        outcome: list[Event] | Rejected = decider.decide(when, state, at)
    except Rejected as refusal:
        outcome = refusal
    if isinstance(then, Rejected):
        assert outcome == then, f"expected {then!r}, got {outcome!r}"
        return
    expected = [then] if isinstance(then, Event) else list(then)
    assert outcome == expected, f"expected {expected!r}, got {outcome!r}"
    for event in expected:
        kept: Event = decider.codec.decode(event.event_type, event.data())
        assert kept == event, f"stored and read again it is {kept!r}"
    state = decider.fold(expected, state)
    read = decider.state_adapter.validate_json(decider.state_adapter.dump_json(state))
    assert read == state, f"read from a snapshot the state is {read!r}, not {state!r}"


def fact_of(
    event: Event,
    *,
    stream: str = f"some-{SOME_ID}",
    occurred_at: datetime,
    version: int = 1,
    position: int = 1,
    event_id: UUID = SOME_ID,
) -> Fact[Any]:
    """A fact around an event, for tests of policies and views."""
    return Fact(
        event=event,
        event_id=event_id,
        stream=stream,
        version=version,
        position=position,
        incarnation=1,
        occurred_at=occurred_at,
        recorded_at=occurred_at,
        correlation_id=SOME_ID,
        causation_id=None,
        actor="test",
    )
