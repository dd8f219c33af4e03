"""How evaluations are shown on performance.state."""

from __future__ import annotations

from uuid import UUID

from engine import PublicState
from events.periods import kind
from events.states import EvaluationNow, EvaluationState

from performance.domain.evaluation import Evaluations, evaluations


def show_evaluations(id: UUID, held: Evaluations) -> EvaluationState | None:
    newest = {kind(each.period): each for each in held.by_period}  # in the order of time, so the last one stays
    if not newest:
        return None
    return EvaluationState(
        partner_id=id,
        newest=tuple(
            EvaluationNow.model_validate(newest[each].figures)
            for each in ("year", "quarter", "month")
            if each in newest
        ),
    )


STATES = [PublicState(evaluations, EvaluationState, show_evaluations)]
