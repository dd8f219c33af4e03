"""What leads to what by itself: every cycle of reactions that no person stops ends, and a test shows it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from devstack.services import SERVICES
from fastapi import FastAPI
from service.reactions import Arrow, arrows, cycles, page

ROOT = Path(__file__).parents[1]
NAMES = [service.name for service in SERVICES]

ENDS = {
    # There are as many rounds of an evaluation as its partners take, and the last opens none.
    frozenset({"performance.EvaluationRoundOpened"}): (
        "services/performance-svc/tests/test_policies.py"
        "::test_the_last_round_finishes_the_evaluation_also_where_nobody_is_in_it"
    ),
    # A review plans the next one only for a signal that is still within its rule's window, and each leaves it once.
    frozenset({"risk.ReviewDue", "risk.ReviewPlanned"}): (
        "services/risk-svc/tests/test_domain_watch.py::test_planned_reviews_come_to_an_end_by_themselves"
    ),
}
"""Each cycle that no person stops, and the test that shows that it ends."""


@pytest.fixture(scope="module")
def apps() -> Iterator[list[FastAPI]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("POSTGRES_URL", "x"), ("KAFKA_BOOTSTRAP", "x:1"), ("JWKS", "x"), ("LOG_LEVEL", "error")):
            patch.setenv(f"CAUCE_{name}", value)
        yield [import_module(f"{name}.app").app() for name in NAMES]


@pytest.fixture(scope="module")
def everything(apps: list[FastAPI]) -> list[Arrow]:
    return sorted(arrow for app in apps for arrow in arrows(app))


def test_every_cycle_of_reactions_is_known_and_a_test_shows_that_it_ends(everything: list[Arrow]) -> None:
    assert cycles(everything) == set(ENDS)
    for test in ENDS.values():
        file, _, name = test.partition("::")
        functions = [
            node.name for node in ast.parse((ROOT / file).read_text()).body if isinstance(node, ast.FunctionDef)
        ]
        assert name in functions


@pytest.mark.parametrize(
    ("cause", "effect"),
    [
        ("performance.PartnerEvaluated", "risk.RiskFlagged"),
        ("risk.RestrictionImposed", "partner.PartnerSuspended"),
        ("risk.AdjustmentDecided", "contract.BreachNoticed"),
        ("contract.BreachNoticed", "contract.CureLapsed"),
        ("contract.BreachNoticed", "risk.RiskFlagged"),
        ("risk.RiskFlagged", "risk.PlanCalledFor"),
        ("risk.PlanCalledFor", "risk.ContingencyActivated"),
        ("training.FieldAuditPublished", "performance.KPIReported"),
    ],
)
def test_reactions_that_are_known_to_be_there_are_found(everything: list[Arrow], cause: str, effect: str) -> None:
    assert any((arrow.cause, arrow.effect) == (cause, effect) for arrow in everything)


def test_nobody_is_adjusted_or_terminated_without_a_person(everything: list[Arrow]) -> None:
    effects = {arrow.effect for arrow in everything}
    assert "risk.AdjustmentDecided" not in effects
    assert "contract.ContractTerminated" not in effects


def test_a_cycle_is_found_whole() -> None:
    ring = [
        Arrow("a", "b", "p"),
        Arrow("b", "c", "p"),
        Arrow("c", "a", "p"),
        Arrow("c", "d", "p"),
        Arrow("e", "e", "p"),
    ]
    assert cycles(ring) == {frozenset("abc"), frozenset("e")}
    assert cycles(ring[:2]) == set()


def test_the_page_is_up_to_date(apps: list[FastAPI]) -> None:
    assert (ROOT / "docs" / "reactions.md").read_text() == page(apps), "docs/reactions.md is stale: make docs"
