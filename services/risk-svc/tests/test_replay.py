"""A rule over the past comes to what it came to live, and does so in seconds."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st
from risk.domain.evaluation import Evaluation
from risk.domain.rule import RuleTerms
from risk.domain.signal import Signal
from risk.heard import Cleared, Heard
from risk.replay import Replay

from sample.expected import Expected, expect, observations

PARTNER = UUID("11111111-1111-4111-8111-111111111111")
NOW = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Terms = Callable[..., RuleTerms]


def past_of(expected: Expected) -> dict[UUID, list[Heard]]:
    """Each establishment of the sample with its evaluations, in order."""
    found: dict[UUID, list[Heard]] = {}
    for each in expected.evaluations:
        partner = uuid5(PARTNER, each.name)
        mean = Decimal(round(each.mean * 10**6)) / 10**6
        told = Evaluation(uuid5(partner, str(each.year)), str(each.year), {"inspection_score": mean}, mean)
        heard = Heard(told.id, partner, datetime(each.year + 1, 1, 1, 21, tzinfo=UTC), told)
        found.setdefault(partner, []).append(heard)
    return found


def test_the_samples_rule_in_cel_comes_to_the_figures_of_the_file(terms: Terms) -> None:
    expected = expect(observations())
    began = time.perf_counter()
    replays = [Replay(terms(), id).run(heard, NOW) for id, heard in past_of(expected).items()]
    assert time.perf_counter() - began < 30  # of a machine that does other things, too; it takes about a second
    figures = expected.figures()
    assert (figures["flags"], figures["suspensions"], figures["reinstatements"]) == (191, 26, 19)
    assert sum(len(each.alarms) for each in replays) == 191
    assert sum(each.suspensions for each in replays) == 26
    assert sum(each.suspended for each in replays) == 26 - 19
    assert sum(len(each.open) for each in replays) == sum(flag.resolved is None for flag in expected.flags)
    assert all(each.failures == 0 for each in replays)


def on_events(terms: Terms, **changes: Any) -> RuleTerms:
    return terms(
        judged_on="events", metrics=(), figure="complaints", value="complaints", suspend_after=None, lift_at=None,
        window_days=30, **{"when": "value >= 2.0", **changes},
    )  # fmt: skip


def complaint(n: int, day: int) -> Heard:
    at = NOW + day * DAY
    return Heard(UUID(int=n), PARTNER, at, Signal("complaint", UUID(int=100 + n), at, (UUID(int=n),)))


def test_a_replay_looks_again_when_something_leaves_the_window(terms: Terms) -> None:
    heard = [complaint(1, 0), complaint(2, 10), complaint(3, 90)]
    (alarm,) = Replay(on_events(terms), PARTNER).run(heard, NOW + 100 * DAY).alarms.values()
    assert (alarm.at, alarm.until, alarm.evidence) == (NOW + 10 * DAY, NOW + 30 * DAY, (UUID(int=1), UUID(int=2)))


def test_a_replay_knows_what_was_made_good_and_what_it_could_not_judge(terms: Terms) -> None:
    cleared = Heard(UUID(int=9), PARTNER, NOW + 12 * DAY, Cleared(UUID(int=101)))
    (alarm,) = (
        Replay(on_events(terms), PARTNER)
        .run([complaint(1, 0), complaint(2, 10), cleared], NOW + 13 * DAY)
        .alarms.values()
    )
    assert alarm.until == NOW + 12 * DAY
    broken = Replay(on_events(terms, when="sales_share > 0.5"), PARTNER).run([complaint(1, 0)], NOW + DAY)
    assert (broken.failures > 0, broken.alarms, "sales_share" in (broken.error or "")) == (True, {}, True)


@given(st.lists(st.integers(0, 300), max_size=20))
def test_alarms_of_a_replay_do_not_overlap(terms: Terms, days: list[int]) -> None:
    heard = [complaint(n + 1, day) for n, day in enumerate(sorted(days))]
    alarms = list(Replay(on_events(terms), PARTNER).run(heard, NOW + 500 * DAY).alarms.values())
    for before, after in pairwise(alarms):
        assert before.until is not None
        assert before.until <= after.at
    assert all(alarm.until is not None for alarm in alarms)
