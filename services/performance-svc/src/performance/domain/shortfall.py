"""Where an evaluation falls short: of the scorecard's target, and of the others. It is what an improvement plan is made
of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from engine import Rejected, Unknown
from events.performance import Against, MetricScore, PlanProblem
from pydantic import BaseModel, ConfigDict, Field

from performance.domain.card import Line
from performance.domain.exact import decimal, millionths, quotient
from performance.domain.figures import FULL
from performance.domain.metric import Code

WHOLE = decimal(FULL)

Score = Annotated[Decimal, Field(gt=0, le=100, max_digits=9, decimal_places=6)]


class ProblemAsked(BaseModel):
    """`goal` is the score that a later period has to reach: where it is absent, 100 against the target, and the median
    of the others against peers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: Code
    against: Against = "target"
    goal: Score | None = None


@dataclass(frozen=True)
class Judged:
    """An evaluation as it holds, by the event `evaluation_id`; `lines` have the targets that it was judged by, `peers`
    the median of the others' scores by metric (None: the cohort is too small to say)."""

    evaluation_id: UUID
    scorecard: str
    scorecard_version: int
    scores: tuple[MetricScore, ...]
    lines: tuple[Line, ...]
    peers: Mapping[str, Decimal] | None
    cohort_size: int
    minimum_cohort: int


class Shortfall(BaseModel):
    """`lost` are points of the total that the metric's score costs against the target."""

    model_config = ConfigDict(frozen=True)
    metric: str
    value: Decimal
    score: Decimal
    lost: Decimal
    target: Decimal = Field(description="The value that scores 100.")
    peers: Decimal | None = Field(description="The median of the others' scores; null where they are too few.")


def shortfalls(judged: Judged) -> list[Shortfall]:
    """Of each metric below its target, the one that costs most first. What it costs is its weight among those that were
    measured, as the total is reckoned: (100 - score) * weight / sum(weight)."""
    lines = {line.metric: line for line in judged.lines}
    measured = sum(millionths(score.weight) for score in judged.scores)
    found = [
        Shortfall(
            metric=score.metric,
            value=score.value,
            score=score.score,
            lost=decimal(quotient((FULL - millionths(score.score)) * millionths(score.weight), measured)),
            target=lines[score.metric].target,
            peers=None if judged.peers is None else judged.peers.get(score.metric),
        )
        for score in judged.scores
        if score.score < WHOLE
    ]
    return sorted(found, key=lambda each: (-each.lost, each.metric))


def problems(judged: Judged, asked: Sequence[ProblemAsked]) -> tuple[PlanProblem, ...]:
    """Those that are asked for, or else every shortfall against the target. Raises `performance.nothing_to_improve`,
    `performance.problem_twice` and what `problem` raises."""
    if not asked:
        asked = [ProblemAsked(metric=each.metric) for each in shortfalls(judged)]
    if not asked:
        raise Rejected("performance.nothing_to_improve", evaluation_id=judged.evaluation_id)
    for twice in repeated([each.metric for each in asked]):
        raise Rejected("performance.problem_twice", metric=twice)
    return tuple(problem(judged, each) for each in asked)


def problem(judged: Judged, asked: ProblemAsked) -> PlanProblem:
    """Raises `performance.metric_not_evaluated`, `performance.no_shortfall` and what `goal` raises."""
    score = next((each for each in judged.scores if each.metric == asked.metric), None)
    line = next((each for each in judged.lines if each.metric == asked.metric), None)
    if score is None or line is None:
        raise Unknown("performance.metric_not_evaluated", metric=asked.metric)
    reach = goal(judged, asked)
    if score.score >= reach:
        raise Rejected("performance.no_shortfall", metric=asked.metric, score=score.score, goal=reach)
    return PlanProblem(
        metric=asked.metric,
        against=asked.against,
        value=score.value,
        score=score.score,
        goal=reach,
        goal_value=value_of(line, reach),
    )


def goal(judged: Judged, asked: ProblemAsked) -> Decimal:
    """Raises `performance.insufficient_data`."""
    if asked.goal is not None:
        return asked.goal
    if asked.against == "target":
        return WHOLE
    if judged.peers is None or asked.metric not in judged.peers:
        raise Rejected(
            "performance.insufficient_data",
            metric=asked.metric,
            cohort_size=judged.cohort_size,
            minimum_cohort=judged.minimum_cohort,
        )
    return judged.peers[asked.metric]


def value_of(line: Line, score: Decimal) -> Decimal:
    """The metric's value that has this score: the line from floor (0) to target (100), the other way round."""
    floor = millionths(line.floor)
    return decimal(floor + quotient((millionths(line.target) - floor) * millionths(score), FULL))


def repeated(names: Sequence[str]) -> Iterator[str]:
    return (name for n, name in enumerate(names) if name in names[:n])
