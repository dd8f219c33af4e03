"""What refusals tell beside their code: no detail has the name of a member that every problem has, which would hide it
(RFC 9457)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Problem

ROOT = Path(__file__).parents[1]
SOURCES = [*sorted(ROOT.glob("services/*/src/**/*.py")), *sorted(ROOT.glob("libs/*/src/**/*.py"))]
REFUSING = {"Rejected", "Unknown", "drafted", "publishable", ".state"}
"""What raises a refusal with the details that it is called with, by keyword or in a mapping; with a point: a method."""


def details(source: str) -> Iterator[tuple[int, str]]:
    """By line, the details of the refusals that a module makes."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and called(node) in REFUSING:
            yield from ((node.lineno, each.arg) for each in node.keywords if each.arg is not None)
            for mapping in node.args:
                keys = mapping.keys if isinstance(mapping, ast.Dict) else []
                yield from ((node.lineno, str(each.value)) for each in keys if isinstance(each, ast.Constant))


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else f".{getattr(node.func, 'attr', '')}"


def test_no_refusal_has_a_detail_that_the_problem_itself_would_hide() -> None:
    hidden = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in SOURCES
        for line, name in details(path.read_text())
        if name in Problem.model_fields
    ]
    assert hidden == [], "call it otherwise: `standing` for a status, the noun for a code"


@pytest.mark.parametrize(
    "refused",
    [
        'raise Rejected("a.closed", status=a.status)',
        'raise Unknown("a.unknown", code=code)',
        'await db.state(things, thing_id(code), code=code)',
        'drafted(thing.draft, "a", {"code": code})',
        'publishable(thing.draft, None, "a", {"thing": code}, {"type": 1})',
    ],
    ids=["rejected", "unknown", "state", "drafted", "publishable"],
)  # fmt: skip
def test_a_detail_is_found_wherever_a_refusal_is_made(refused: str) -> None:
    assert {name for _, name in details(refused)} & Problem.model_fields.keys()
