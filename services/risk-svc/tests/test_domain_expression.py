"""Expressions end by themselves, whoever wrote them, and say so where they come to no value."""

import time
from decimal import Decimal

import pytest
from engine import Rejected
from hypothesis import example, given
from hypothesis import strategies as st
from risk.domain.expression import LONGEST, Broken, check, figure, holds, words_of
from risk.domain.variables import VARIABLES

PATIENCE = 0.5
"""Seconds in which a hostile expression is done with, on a machine that has other things to do; it takes about 1 ms."""
COUNTS = {each.name: 1 for each in VARIABLES["events"] if each.kind == "int"}


def test_a_figure_is_what_the_expression_comes_to() -> None:
    assert figure("evaluations", "total - 5.0", {"total": 84.5}) == Decimal("79.5")
    assert figure("events", "missed_reports + complaints", COUNTS) == 2
    assert figure("evaluations", 'metrics["sales"] / 2.0', {"metrics": {"sales": 3.0}}) == Decimal("1.5")


@given(st.decimals(-(10**9), 10**9, places=6))
@example(Decimal("84.999999"))
def test_a_figure_of_an_evaluation_is_compared_exactly(value: Decimal) -> None:
    variables = {"metrics": {"x": float(value)}}
    found = figure("evaluations", 'metrics["x"]', variables)
    assert found == value
    assert holds("evaluations", "value < 85.0", variables, found) == (value < 85)


@pytest.mark.parametrize(
    ("source", "variables"),
    [
        ("missed_reports / (complaints - complaints)", COUNTS),
        ("missed_reports + complaints", {"complaints": 1}),
        ("sales_share", COUNTS),
        ("sales_share / 0.0", {"sales_share": 0.5}),
        ("sales_share / 0.0", {"sales_share": 0.0}),
        ("complaints * 9223372036854775807 * 2", COUNTS),
    ],
    ids=["zero", "absent", "unsold", "infinite", "nan", "overflow"],
)
def test_what_comes_to_no_figure_is_broken_and_never_a_number(source: str, variables: dict[str, float]) -> None:
    with pytest.raises(Broken):
        figure("events", source, variables)


def test_what_may_be_absent_is_asked_for_behind_what_is_false() -> None:
    guarded = "evaluations > 1 && total_change < -10.0"
    assert not holds("evaluations", guarded, {"evaluations": 1}, Decimal(0))
    with pytest.raises(Broken):
        holds("evaluations", guarded, {"evaluations": 2}, Decimal(0))


NINE = "[1, 2, 3, 4, 5, 6, 7, 8, 9]"
HOSTILE = {
    "loops": "".join(f"{NINE}.all(a{n}, " for n in range(18)) + "true" + ")" * 18,
    "doubling": "['a']" + "".join(f".map(x{n}, x{n} + x{n})" for n in range(24)) + " == []",
    "listing": "[[1]]" + "".join(f".map(x{n}, x{n} + x{n})" for n in range(24)) + " == []",
    "deep": "(" * 400 + "true" + ")" * 400,
    "chain": "1 + " * 240 + "1 > 0",
    "not": "!" * 990 + "true",
    "minus": "-" * 990 + "1 > 0",
    "or": "false || " * 110 + "true",
    "choice": "true ? true : " * 70 + "true",
    "backtracking": "'" + "a" * 400 + "'.matches('^(a+)+$b')",
    "repeating": "'" + "a" * 400 + "'.matches('((a{90}){90}){90}')",
    "brackets": "[" * 480 + "]" * 480 + " == []",
    "maps": "{1: " * 240 + "1" + "}" * 240 + " == {}",
    "text": "'" + "x" * 480 + "' + '" + "y" * 480 + "' == ''",
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_expression_cannot_stall_the_service(name: str) -> None:
    source = HOSTILE[name]
    assert len(source) <= LONGEST + 500, "longer ones are refused before they are looked at"
    began = time.perf_counter()
    try:
        check("events", "when", source)
        holds("events", source, COUNTS, Decimal(1))
    except (Rejected, Broken):
        pass
    assert time.perf_counter() - began < PATIENCE


def test_loops_are_no_part_of_the_language() -> None:
    for macro in ("all", "exists", "exists_one", "map", "filter"):
        with pytest.raises(Rejected):
            check("events", "when", f"[1].{macro}(x, x > 0) == []")


def test_names_in_strings_and_comments_are_not_spoken_of() -> None:
    source = "complaints > 2 && band != 'missed_reports' // days_late"
    assert words_of(source) == {"complaints", "band"}
    assert words_of('metrics["total"] > 1.0') == {"metrics"}
