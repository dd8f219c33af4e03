"""Consumer feedback: what a consumer said of a partner's service, and its corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import ClassVar
from uuid import UUID

from engine import Decider, Rejected
from events.operational import ConsumerFeedbackReported, Instrument

from performance.domain.metric import Value
from performance.domain.operational import Day, Product, Pseudonym, RecordFact, ReportFact, Route, owner_of, recorded

# -- commands


SCALES: Mapping[Instrument, tuple[int, int] | None] = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "review": (1, 5),
    "complaint": None,
}
"""The lowest and the highest score of each instrument; a complaint has none."""


class ReportFeedback(ReportFact):
    """`score` is on the instrument's own scale: NPS 0 to 10, CSAT and review 1 to 5, CES 1 to 7, complaint none.
    `customer` is a pseudonym."""

    namespace: ClassVar[UUID] = UUID("3e5b8f16-8c27-4a61-b0f9-4d1a5e7c9b96")
    past: ClassVar[tuple[str, ...]] = ("given_on",)

    outlet_id: UUID | None = None
    instrument: Instrument
    score: Value | None = None
    product: Product | None = None
    route: Route | None = None
    given_on: Day
    customer: Pseudonym | None = None


def check_score(report: ReportFeedback) -> None:
    """Raises `performance.score_off_the_scale`."""
    scale, score = SCALES[report.instrument], report.score
    if (scale is None) != (score is None) or (scale is not None and score is not None and not _on(scale, score)):
        raise Rejected("performance.score_off_the_scale", field="score", instrument=report.instrument, scale=scale)


def _on(scale: tuple[int, int], score: Decimal) -> bool:
    return scale[0] <= score <= scale[1]


class RecordFeedback(RecordFact):
    report: ReportFeedback


# -- state


@dataclass(frozen=True)
class ConsumerFeedback:
    """What was reported of it: the last one holds."""

    reports: tuple[ConsumerFeedbackReported, ...] = ()


# -- decide and evolve


def decide(command: RecordFeedback, feedback: ConsumerFeedback, now: datetime) -> list[ConsumerFeedbackReported]:
    check_score(command.report)
    make = partial(ConsumerFeedbackReported, consumer_feedback_id=command.fact_id)
    return recorded(command, feedback.reports, make, now)


def evolve(feedback: ConsumerFeedback, event: ConsumerFeedbackReported) -> ConsumerFeedback:
    return ConsumerFeedback((*feedback.reports, event))


consumer_feedback = Decider(
    "consumer_feedback",
    decide,
    evolve,
    initial=ConsumerFeedback,
    events=ConsumerFeedbackReported,
    owner=lambda feedback: owner_of(feedback.reports),
)
