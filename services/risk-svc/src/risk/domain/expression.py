"""Expressions in CEL, the Common Expression Language: what a rule says of its variables. See ADR 13.

They end by themselves. CEL has no loops but its macros (`all`, `map` ...), which are switched off: without them nothing
is evaluated twice, so that the length of the source bounds the time and the memory. The parser refuses what is nested
deeper than 32. Types are checked when a rule is drafted.

Figures are doubles in CEL, which hold 15 digits of a decimal number.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any

from cel_expr_python import cel
from engine import Rejected
from pydantic import StringConstraints

from risk.domain.variables import FIGURE, VARIABLES, JudgedOn, Kind

LONGEST = 1000
Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST)]
"""An expression as somebody wrote it."""

STRINGS = re.compile(
    r"""[rRbB]{0,2}("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n]*""", re.DOTALL
)
WORD = re.compile(r"[A-Za-z_]\w*")
NUMBERS = (cel.Type.INT, cel.Type.DOUBLE)


class Broken(Exception):
    """An expression that did not come to a value: a variable was absent, a number was divided by zero ..."""


def words_of(source: str) -> frozenset[str]:
    """The names in it, whatever they stand for; not what is in strings and comments."""
    return frozenset(WORD.findall(STRINGS.sub(" ", source)))


def check(judged_on: JudgedOn, field: str, source: str) -> None:
    """Raises Rejected for what is no expression over these variables, or is one of another type than the field's."""
    try:
        compiled = _compiled(judged_on, field != "value", source)
    except RuntimeError as error:
        raise Rejected("risk.expression_wrong", field=field, says=_said(error)) from None
    kind = compiled.return_type()
    if field == "value" and kind not in NUMBERS:
        raise Rejected("risk.expression_wrong", field=field, says=f"is a {kind.name()} and has to be a number")
    if field != "value" and kind != cel.Type.BOOL:
        raise Rejected("risk.expression_wrong", field=field, says=f"is a {kind.name()} and has to be true or false")


def figure(judged_on: JudgedOn, source: str, variables: Mapping[str, Any]) -> Decimal:
    """The number that it comes to. Raises Broken."""
    value = _evaluated(_compiled(judged_on, False, source), variables)
    if not math.isfinite(value):
        raise Broken(f"{source} comes to {value}, which is no figure")
    return Decimal(repr(value)) if isinstance(value, float) and not value.is_integer() else Decimal(int(value))


def holds(judged_on: JudgedOn, source: str, variables: Mapping[str, Any], value: Decimal) -> bool:
    """Whether it is true, of a rule whose `value` came to this. Raises Broken."""
    return bool(_evaluated(_compiled(judged_on, True, source), {**variables, FIGURE.name: float(value)}))


def _evaluated(compiled: cel.Expression, variables: Mapping[str, Any]) -> Any:
    result = compiled.eval(data=variables)
    if result.type() == cel.Type.ERROR:
        raise Broken(str(result.value()))
    return result.value()


@lru_cache(maxsize=4096)
def _compiled(judged_on: JudgedOn, with_value: bool, source: str) -> cel.Expression:
    return _language(judged_on, with_value).compile(source)


@cache
def _language(judged_on: JudgedOn, with_value: bool) -> cel.Env:
    declared = [*VARIABLES[judged_on], *([FIGURE] if with_value else [])]
    config = {
        "name": judged_on,
        "stdlib": {"disable_macros": True},
        "variables": [{"name": each.name, **_declared(each.kind)} for each in declared],
    }
    return cel.NewEnv(config=cel.NewEnvConfigFromYaml(json.dumps(config)))  # JSON is YAML


def _declared(kind: Kind) -> dict[str, Any]:
    if kind != "map":
        return {"type_name": kind}
    return {"type_name": "map", "params": [{"type_name": "string"}, {"type_name": "double"}]}


def _said(error: RuntimeError) -> str:
    """What the compiler says, without the status around it."""
    return str(error).removeprefix("INVALID_ARGUMENT: ").partition(" [")[0][:500]
