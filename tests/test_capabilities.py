"""docs/capabilities.md is true: each route is offered by its service, each test is there, and no row says nothing."""

from __future__ import annotations

import ast
import base64
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "capabilities.md"
ROUTE = re.compile(r"^(GET|PUT|POST|DELETE|PATCH) (/\S+)$")
HEADER = ("| capability | route | test |", "|---|---|---|")


@dataclass(frozen=True)
class Row:
    """A capability of a service, with the routes that offer it and the tests that prove it."""

    service: str
    capability: str
    routes: tuple[str, ...]
    tests: tuple[str, ...]


def rows(page: str) -> Iterator[Row]:
    """Raises ValueError for a line of a table that cannot be read."""
    service = ""
    for line in page.splitlines():
        if line.startswith("## "):
            service = line.removeprefix("## ").strip()
        elif line.startswith("|") and line not in HEADER:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 3 or not service or not cells[0]:
                raise ValueError(f"no row of capability, route and test: {line}")
            yield Row(service, cells[0], *(tuple(re.findall(r"`([^`]+)`", cell)) for cell in cells[1:]))


@cache
def offered(service: str) -> frozenset[str]:
    """`POST /path` of every operation of the service's OpenAPI document."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("POSTGRES_URL", "postgresql://x"), ("KAFKA_BOOTSTRAP", "x:1"), ("JWKS", "none.json")):
            patch.setenv(f"CAUCE_{name}", value)
        patch.setenv("CAUCE_SEALING_KEYS", f"2026={base64.b64encode(bytes(32)).decode()}")
        paths = importlib.import_module(f"{service}.app").app().openapi()["paths"]
    return frozenset(f"{method.upper()} {path}" for path, item in paths.items() for method in item)


@cache
def names_in(file: str) -> frozenset[str]:
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions))


def wrong_with(row: Row) -> Iterator[str]:
    for route in row.routes:
        if not ROUTE.match(route) or route not in offered(row.service):
            yield f"{row.capability}: {row.service} offers no {route}"
    if not row.tests:
        yield f"{row.capability}: no test proves it"
    for test in row.tests:
        file, _, name = test.partition("::")
        if not name.startswith("test_") or name not in names_in(file):
            yield f"{row.capability}: there is no test {test}"


def test_every_capability_has_its_route_and_the_test_that_proves_it() -> None:
    found = list(rows(PAGE.read_text()))
    assert len(found) >= 30
    assert [sentence for row in found for sentence in wrong_with(row)] == []


def test_every_command_route_of_a_listed_service_is_some_capability() -> None:
    found = list(rows(PAGE.read_text()))
    kit = {"PUT /backfill", "DELETE /backfill"}
    for service in {row.service for row in found}:
        told = {route for row in found if row.service == service for route in row.routes}
        commands = {each for each in offered(service) if not each.startswith("GET ") and "parked" not in each} - kit
        assert commands - told == set(), f"{service}: no row tells of these"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "| signs | `POST /contracts/{contract_id}/nothing` | `tests/test_capabilities.py::test_x` |",
            "offers no POST",
        ),
        ("| signs | | |", "no test proves it"),
        ("| signs | | `tests/test_capabilities.py::test_that_is_not_there` |", "there is no test"),
        ("| signs | | `tests/nowhere.py::test_x` |", "there is no test"),
    ],
    ids=["route", "silent", "test", "file"],
)
def test_a_row_that_is_not_true_is_found(line: str, says: str) -> None:
    [row] = rows(f"## contract\n\n{line}\n")
    assert any(says in sentence for sentence in wrong_with(row))


@pytest.mark.parametrize("page", ["## contract\n| signs | x |", "| signs | | x |"], ids=["cells", "service"])
def test_a_row_that_cannot_be_read_is_told(page: str) -> None:
    with pytest.raises(ValueError, match="no row of"):
        list(rows(page))
