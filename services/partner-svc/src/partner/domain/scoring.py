"""Measuring an application by a version of the standard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from engine import Rejected
from events.partner import DimensionScore

from partner.domain.standard import StandardTerms

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Measured:
    """`total` is the weighted score from 0 to 100, to two decimals."""

    standard: str
    standard_version: int
    total: Decimal
    failed_gates: tuple[str, ...]
    scores: tuple[DimensionScore, ...]


def measure(terms: StandardTerms, scores: Mapping[str, Decimal], gates: Mapping[str, bool]) -> Measured:
    """`gates` says of each gate whether it is passed. Raises `partner.scores_do_not_fit_standard` unless there is one
    score for each dimension and one answer for each gate of the standard, and none beside."""
    asked = {dimension.code for dimension in terms.dimensions}
    missing = sorted(asked - scores.keys()) + sorted(set(terms.gates) - gates.keys())
    unknown = sorted(scores.keys() - asked) + sorted(gates.keys() - set(terms.gates))
    if missing or unknown:
        raise Rejected(
            "partner.scores_do_not_fit_standard",
            standard=terms.code,
            standard_version=terms.version,
            missing=missing,
            unknown=unknown,
        )
    lines = tuple(
        DimensionScore(dimension=dimension.code, score=scores[dimension.code], weight=dimension.weight)
        for dimension in terms.dimensions
    )
    total = sum((line.score * line.weight for line in lines), Decimal(0)) / 100
    return Measured(
        standard=terms.code,
        standard_version=terms.version,
        total=total.quantize(CENT, ROUND_HALF_UP),
        failed_gates=tuple(gate for gate in terms.gates if not gates[gate]),
        scores=lines,
    )
