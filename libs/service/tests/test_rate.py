from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, strategies
from service import InvalidSettings, ProblemError, rate
from service.rate import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limit: Rate, caller: str, times: int) -> int:
    """How many of so many requests at once are let through."""
    count = 0
    for _ in range(times):
        try:
            limit.take(caller)
        except ProblemError:
            continue
        count += 1
    return count


def test_a_burst_is_let_through_and_then_as_many_as_the_rate_gives_back() -> None:
    clock = Clock()
    limit = Rate(10, 5, clock)
    assert taken(limit, "erp", 20) == 5
    clock.now += 0.3
    assert taken(limit, "erp", 20) == 3
    clock.now += 3600
    assert taken(limit, "erp", 20) == 5


def test_one_caller_takes_nothing_from_another() -> None:
    limit = Rate(10, 5, Clock())
    assert [taken(limit, caller, 9) for caller in ("erp", "crm")] == [5, 5]


def test_who_asks_too_often_is_told_when_it_works_again() -> None:
    clock = Clock()
    limit = Rate(0.1, 2, clock)
    assert taken(limit, "erp", 2) == 2
    with pytest.raises(ProblemError) as told:
        limit.take("erp")
    assert (told.value.status_code, told.value.code) == (429, "rate_exceeded")
    seconds = int((told.value.headers or {})["Retry-After"])
    clock.now += seconds - 1
    assert taken(limit, "erp", 1) == 0
    clock.now += 1
    assert taken(limit, "erp", 1) == 1


@given(strategies.lists(strategies.floats(0, 5), max_size=60), strategies.integers(1, 20), strategies.integers(1, 20))
def test_never_more_than_the_burst_and_what_the_rate_gives_since(
    pauses: list[float], per_second: int, burst: int
) -> None:
    clock = Clock()
    limit = Rate(per_second, burst, clock)
    count, passed = 0, 0.0
    for pause in pauses:
        clock.now += pause
        passed += pause
        count += taken(limit, "erp", 3)
        assert count <= burst + passed * per_second + 1e-6


def test_callers_who_have_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "KNOWN", 10)
    clock = Clock()
    limit = Rate(10, 5, clock)
    for n in range(100):
        limit.take(f"caller {n}")
        clock.now += 0.05
    assert len(limit._full) <= 11


async def test_a_caller_over_the_limit_is_a_429_with_retry_after_and_others_are_not(make_app, connect, issuer):
    app = make_app(rate=0.01, burst=3)
    mine, other = connect(app), connect(app, issuer.token(sub="eva"))
    answers = await asyncio.gather(*(mine.get("/loans/count") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "rate_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 100
    assert (await other.get("/loans/count")).status_code == 200
    assert (await mine.get("/livez")).status_code == 200


@pytest.mark.parametrize(("setting", "value"), [("rate", 0), ("burst", 0), ("rate", -1)])
def test_a_rate_of_nothing_is_no_setting(settings, setting, value):
    with pytest.raises(InvalidSettings, match=setting.upper()):
        settings(**{setting: value})
