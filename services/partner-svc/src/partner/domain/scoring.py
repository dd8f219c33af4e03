"""Measuring an application by a version of the standard: its gates, its total, and what that recommends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from engine import Rejected
from events.partner import DimensionScore, GateResult, Recommendation

from partner.domain.standard import Gate, StandardTerms

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Answers:
    """What is known of an application's gates: of each whether it is `passed`, or the figure that is judged."""

    passed: Mapping[str, bool] = field(default_factory=dict)
    figures: Mapping[str, Decimal] = field(default_factory=dict)

    def to(self, gate: Gate) -> bool:
        """Whether the gate can be judged: one with a minimum asks for a figure."""
        return gate.code in (self.passed if gate.minimum is None else self.figures)

    def over(self, earlier: Answers) -> Answers:
        return Answers({**earlier.passed, **self.passed}, {**earlier.figures, **self.figures})


NOTHING = Answers()


@dataclass(frozen=True)
class Scores:
    """Of each dimension a score, and, where somebody said so, how sure they are and the documents it rests on."""

    scores: Mapping[str, Decimal]
    confidence: Mapping[str, Decimal] = field(default_factory=dict)
    evidence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """`total` is the weighted score from 0 to 100, `confidence` from 0 to 1, both to two decimals. What the version
    asks of an approval is kept with it."""

    standard: str
    standard_version: int
    total: Decimal
    failed_gates: tuple[str, ...]
    scores: tuple[DimensionScore, ...]
    gates: tuple[GateResult, ...] = ()
    confidence: Decimal | None = None
    band: str | None = None
    recommendation: Recommendation | None = None
    interview_required: bool = False
    override_roles: tuple[str, ...] = ()


def answers_in(results: Sequence[GateResult]) -> Answers:
    return Answers(
        {each.gate: each.passed for each in results if each.figure is None},
        {each.gate: each.figure for each in results if each.figure is not None},
    )


def judged(terms: StandardTerms, answers: Answers, earlier: Answers = NOTHING) -> tuple[GateResult, ...]:
    """Every gate, by what is answered now or was `earlier`. Raises `partner.scores_do_not_fit_standard`."""
    _refuse_misfits(terms, answers, earlier, None)
    known = answers.over(earlier)
    return tuple(_judged(gate, known) for gate in terms.gates)


def _judged(gate: Gate, known: Answers) -> GateResult:
    if gate.minimum is None:
        return GateResult(gate=gate.code, passed=known.passed[gate.code])
    figure = known.figures[gate.code]
    return GateResult(gate=gate.code, passed=figure >= gate.minimum, figure=figure)


def measure(terms: StandardTerms, given: Scores, answers: Answers, earlier: Answers = NOTHING) -> Measured:
    """Raises `partner.scores_do_not_fit_standard` unless there is one score for each dimension and one answer for each
    gate of the standard, and none beside. A line of which nobody said how sure they are counts as sure.

    The total is the weighted arithmetic mean of the scores, sum(weight x score) / 100: the simple additive weighting of
    multi-criteria decisions (Hwang and Yoon 1981, Multiple Attribute Decision Making, ch. 3).
    """
    _refuse_misfits(terms, answers, earlier, given)
    lines = tuple(
        DimensionScore(
            dimension=dimension.code,
            score=given.scores[dimension.code],
            weight=dimension.weight,
            confidence=given.confidence.get(dimension.code),
            evidence=given.evidence.get(dimension.code, ()),
        )
        for dimension in terms.dimensions
    )
    gates = tuple(_judged(gate, answers.over(earlier)) for gate in terms.gates)
    failed = tuple(each.gate for each in gates if not each.passed)
    total, confidence = total_of(lines), confidence_of(lines)
    band, recommendation = recommended(terms, total, confidence, failed)
    return Measured(
        standard=terms.code,
        standard_version=terms.version,
        total=total,
        failed_gates=failed,
        scores=lines,
        gates=gates,
        confidence=confidence,
        band=band,
        recommendation=recommendation,
        interview_required=terms.interview_required,
        override_roles=terms.override_roles,
    )


def total_of(lines: tuple[DimensionScore, ...]) -> Decimal:
    total = sum((line.score * line.weight for line in lines), Decimal(0)) / 100
    return total.quantize(CENT, ROUND_HALF_UP)


def confidence_of(lines: tuple[DimensionScore, ...]) -> Decimal | None:
    """The weighted mean; None where nobody said anything of it."""
    if all(line.confidence is None for line in lines):
        return None
    sure = (line.weight * (Decimal(1) if line.confidence is None else line.confidence) for line in lines)
    return (sum(sure, Decimal(0)) / 100).quantize(CENT, ROUND_HALF_UP)


def recommended(
    terms: StandardTerms, total: Decimal, confidence: Decimal | None, failed: tuple[str, ...]
) -> tuple[str | None, Recommendation | None]:
    """The band, and what to do: a failed gate declines, whatever the total, and what is not known well enough asks for
    evidence. Nothing where the standard has no bands."""
    if not terms.bands:
        return None, None
    band = next((band for band in terms.bands if total < band.upper), terms.bands[-1])
    if failed:
        return band.name, "decline"
    if confidence is not None and confidence < terms.minimum_confidence:
        return band.name, "gather_evidence"
    return band.name, band.recommendation


@dataclass(frozen=True)
class Otherwise:
    """What another version makes of what is known: `missing` are dimensions and gates that nobody has looked at."""

    total: Decimal | None
    recommendation: Recommendation | None
    missing: tuple[str, ...] = ()


def measured_by(terms: StandardTerms, lines: Sequence[DimensionScore], results: Sequence[GateResult]) -> Otherwise:
    """What an application that was scored by another version would come to."""
    kept = {line.dimension: line for line in lines}
    answers = answers_in(results)
    missing = [each.code for each in terms.dimensions if each.code not in kept]
    missing += [gate.code for gate in terms.gates if not answers.to(gate)]
    if missing:
        return Otherwise(None, None, tuple(missing))
    asked = [kept[dimension.code] for dimension in terms.dimensions]
    given = Scores(
        {line.dimension: line.score for line in asked},
        {line.dimension: line.confidence for line in asked if line.confidence is not None},
    )
    measured = measure(terms, given, NOTHING, answers)
    return Otherwise(measured.total, measured.recommendation)


def _refuse_misfits(terms: StandardTerms, answers: Answers, earlier: Answers, given: Scores | None) -> None:
    asked = {dimension.code for dimension in terms.dimensions}
    gates = {gate.code for gate in terms.gates}
    known = answers.over(earlier)
    missing = sorted(gate.code for gate in terms.gates if not known.to(gate))
    unknown = sorted({*answers.passed, *answers.figures} - gates)
    if given is not None:
        missing = sorted(asked - given.scores.keys()) + missing
        unknown = sorted({*given.scores, *given.confidence, *given.evidence} - asked) + unknown
    if missing or unknown:
        raise Rejected(
            "partner.scores_do_not_fit_standard",
            standard=terms.code,
            standard_version=terms.version,
            missing=missing,
            unknown=unknown,
        )
