"""The rule files as they are, and what their expressions (and the dashboards') ask for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as promql
import yaml

RULES = Path(__file__).parent / "rules"
FILES = tuple(sorted(RULES.glob("*.yaml")))
TESTS = RULES / "tests"
OF_TARGETS = frozenset({"job", "service", "instance"})
"""The labels that a scraper gives to whatever it scrapes."""
VARIABLES = {"$__rate_interval": "5m", "$service": "partner"}
"""What Grafana puts into expressions, and what may stand there."""


class AskedForNothing(ValueError):
    """An expression asks for a metric, or for a label of one, that is not there."""


@dataclass(frozen=True)
class Alert:
    name: str
    severity: str
    summary: str
    runbook: str
    expr: str


def rules() -> Iterator[dict[str, Any]]:
    """In order, of all files."""
    for file in FILES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


def alerts() -> list[Alert]:
    return [
        Alert(
            rule["alert"],
            rule["labels"]["severity"],
            rule["annotations"]["summary"],
            rule["annotations"]["runbook_url"],
            rule["expr"],
        )
        for rule in rules()
        if "alert" in rule
    ]


def recorded() -> dict[str, str]:
    """The expressions of what rules record, by its name."""
    return {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}


def as_asked(expressions: Iterable[str]) -> list[str]:
    """Expressions of dashboards, as Prometheus gets them."""
    found = list(expressions)
    for name, value in VARIABLES.items():
        found = [expr.replace(name, value) for expr in found]
    return found


def labels_of(expr: str, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The labels that its result may have, where `known` are the labels of each metric. Raises AskedForNothing, and
    ValueError for what is no expression."""
    return _labels(promql.parse(expr), known)


def _labels(node: Any, known: Mapping[str, frozenset[str]]) -> frozenset[str]:
    match node:
        case promql.VectorSelector():
            name = node.name or str(node)
            if name not in known:
                raise AskedForNothing(f"there is no metric {name}")
            found = known[name] | OF_TARGETS
            _are_there((matcher.name for matcher in node.matchers.matchers), found, name)
            return found
        case promql.MatrixSelector():
            return _labels(node.vector_selector, known)
        case promql.AggregateExpr():
            found = _labels(node.expr, known)
            if node.modifier is None:
                return frozenset()
            asked = frozenset(node.modifier.labels)
            _are_there(asked, found, node.expr.prettify())
            return asked if node.modifier.type == promql.AggModifierType.By else found - asked
        case promql.BinaryExpr():
            found = _labels(node.lhs, known) | _labels(node.rhs, known)
            if node.modifier is not None and node.modifier.matching is not None:
                _are_there(node.modifier.matching.labels, found, node.prettify())
            return found
        case promql.Call():
            return frozenset[str]().union(*(_labels(argument, known) for argument in node.args))
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(node.expr, known)
        case promql.NumberLiteral() | promql.StringLiteral():
            return frozenset()
    raise TypeError(f"{type(node).__name__} is not known here")


def _are_there(asked: Any, found: frozenset[str], where: str) -> None:
    if missing := sorted(set(asked) - found):
        raise AskedForNothing(f"{where} has no label {', '.join(missing)}")
