"""The checker on plain data: a store and its topic as they should be, and each thing that may be wrong with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from engine.wire import Raw

from faults import guarantees
from faults.evidence import Kept, Timer
from faults.tests.plain import NOW, STREAM, asked, lapsed, store

E1, E2, E3, E4 = (lapsed(position) for position in (1, 2, 3, 4))
WHOLE = store([E1, E2, E3])


def test_a_store_and_a_topic_as_they_should_be() -> None:
    known = [asked(1), asked(2), asked(3)]
    assert not [
        *guarantees.acknowledged_once(WHOLE, known),
        *guarantees.never_half(WHOLE, known),
        *guarantees.contiguous(WHOLE),
        *guarantees.published(WHOLE),
        *guarantees.ordered(WHOLE),
        *guarantees.nothing_foreign(WHOLE),
        *guarantees.repeated_in_bounds(WHOLE, 10, 0),
        *guarantees.effects_once(WHOLE),
        *guarantees.nothing_waits(WHOLE, NOW),
    ]


def test_an_acknowledged_event_is_gone() -> None:
    [said] = guarantees.acknowledged_once(store([E1, E2]), [asked(1), asked(3)])
    assert "and there is []" in said


def test_an_acknowledged_event_is_there_twice() -> None:
    again = lapsed(3, correlation_id=E1.correlation_id)
    assert len(list(guarantees.acknowledged_once(store([E1, E2, again]), [asked(1)]))) == 1


def test_an_acknowledged_event_is_elsewhere_than_was_said() -> None:
    [said] = guarantees.acknowledged_once(WHOLE, [asked(2, receipt={**asked(2).receipt, "position": 9})])
    assert "not at version 2, position 9" in said


OTHER = f"area-{uuid4()}"


def test_what_an_acknowledged_command_did_elsewhere_came_with_it() -> None:
    elsewhere = lapsed(4, stream=OTHER, version=1, correlation_id=E1.correlation_id, recorded_at=E1.recorded_at)
    assert not list(guarantees.acknowledged_once(store([E1, E2, elsewhere]), [asked(1)]))
    later = elsewhere._replace(recorded_at=E2.recorded_at)
    assert len(list(guarantees.acknowledged_once(store([E1, E2, later]), [asked(1)]))) == 1
    assert len(list(guarantees.acknowledged_once(store([E2, elsewhere]), [asked(1)]))) == 1


def test_an_unanswered_command_happened_elsewhere_alone() -> None:
    commands = {uuid4(): Kept(STREAM, 3, 1)}
    unknown = asked(3, outcome="unknown", receipt={})
    elsewhere = lapsed(4, stream=OTHER, version=1, correlation_id=E3.correlation_id, recorded_at=E3.recorded_at)
    assert not list(guarantees.never_half(store([E1, E2, E3, elsewhere], commands=commands), [unknown]))
    alone = store([E1, E2, elsewhere])
    assert len(list(guarantees.never_half(alone, [unknown]))) == 1


def test_an_unanswered_command_happened_wholly() -> None:
    commands = {uuid4(): Kept(STREAM, 3, 1)}
    unknown = asked(3, outcome="unknown", receipt={})
    assert not list(guarantees.never_half(store([E1, E2, E3], commands=commands), [unknown]))


def test_an_unanswered_command_happened_by_half() -> None:
    commands = {uuid4(): Kept(STREAM, 4, 2)}
    half = [E1, E2, lapsed(3)]
    unknown = asked(3, outcome="unknown", receipt={})
    assert len(list(guarantees.never_half(store(half, commands=commands), [unknown]))) == 2


def test_a_refused_command_happened() -> None:
    [said] = guarantees.never_half(WHOLE, [asked(2, outcome="refused", problem="partner.no")])
    assert "refused with partner.no" in said


@pytest.mark.parametrize("events", [[E1, E3], [E1, E2, lapsed(3, version=2)]], ids=["a gap", "one twice"])
def test_a_stream_is_not_contiguous(events: list[Raw]) -> None:
    assert list(guarantees.contiguous(store(events)))


def test_a_stream_lost_its_last_event() -> None:
    assert list(guarantees.contiguous(store([E1, E2], streams={STREAM: 3})))


def test_the_recording_clock_steps_back() -> None:
    assert list(guarantees.contiguous(store([E1, lapsed(2, recorded_at=NOW)])))


def test_an_event_is_not_on_the_topic() -> None:
    [said] = guarantees.published(store([E1, E2, E3], [E1, E3]))
    assert "position 2" in said
    assert "not there" in said


def test_an_event_came_behind_a_later_one_and_is_passed_over() -> None:
    """A set of the topic's events would not show it."""
    [said] = guarantees.published(store([E1, E2, E3], [E1, E3, E2]))
    assert "pass over it" in said


def test_a_window_sent_again_loses_nothing() -> None:
    repeated = store([E1, E2, E3], [E1, E2, E1, E2, E3])
    assert not list(guarantees.published(repeated))
    assert not list(guarantees.ordered(repeated))
    assert guarantees.repeats(repeated) == 2


def test_an_event_says_something_else_on_the_topic() -> None:
    assert list(guarantees.published(store([E1], [E1._replace(data=b"{}")])))


def test_positions_and_versions_disagree() -> None:
    assert list(guarantees.ordered(store([E1, E2], [lapsed(1, version=2), lapsed(2, version=1)])))


def test_an_event_is_on_the_topic_that_the_store_does_not_have() -> None:
    ghost = store([E1], [E1, E2])
    assert list(guarantees.nothing_foreign(ghost))
    assert not list(guarantees.nothing_foreign(replace(ghost, lost=frozenset({E2.id}))))


def test_more_was_repeated_than_a_window_for_each_take_over() -> None:
    repeated = store([E1, E2, E3], [E1, E2, E3, E1, E2, E3])
    assert list(guarantees.repeated_in_bounds(repeated, 2, 0))
    assert not list(guarantees.repeated_in_bounds(repeated, 3, 0))


def test_one_that_slept_may_send_its_window_when_its_successor_is_far_ahead() -> None:
    late = store([E1, E2, E3], [E1, E2, E3, E1])
    assert not list(guarantees.repeated_in_bounds(late, 1, 0))


def test_a_cause_has_its_effect_twice() -> None:
    cause = uuid4()
    twice = [lapsed(n, causation_id=cause, actor="policy:risk.x") for n in (1, 2)]
    assert len(list(guarantees.effects_once(store(twice)))) == 1


def test_something_waits() -> None:
    due = Timer("contract.carrying_on", "x", NOW, None)
    failed = Timer("contract.carrying_on", "y", NOW, "ValueError")
    to_come = Timer("contract.carrying_on", "z", NOW + timedelta(days=1), None)
    waiting = store([E1, E2], published=1, parked=["risk.x: partner-1"], timers=[due, failed, to_come])
    assert len(list(guarantees.nothing_waits(waiting, NOW))) == 4
