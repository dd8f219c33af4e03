"""An evaluation under a rule: taken in, and what follows from the history that it then has its place in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from engine import Command, Rejected
from events import Event
from events.risk import RestrictionImposed, RestrictionLifted, RiskFlagged, RiskResolved

from risk.domain import judgement, watch
from risk.domain.evaluation import Evaluation, Verdict
from risk.domain.expression import Broken
from risk.domain.flag import flagging
from risk.domain.profile import RiskProfile
from risk.domain.restriction import suspending
from risk.domain.rule import RuleTerms, of_thresholds
from risk.domain.watch import JudgementFailed, JudgementRecovered


def of_one_metric(stored: dict[str, Any]) -> dict[str, Any]:
    """What was recorded when rules had thresholds of one metric: the same value, judged by these."""
    rule, value = stored["rule"], stored["value"]
    lift_at = rule["lift_at"]
    low = Decimal(value) < Decimal(rule["flag_below"])
    lifts = lift_at is not None and Decimal(value) >= Decimal(lift_at)
    return {
        "partner_id": stored["partner_id"],
        "rule": of_thresholds(rule),
        "evaluation": {
            "id": stored["evaluation_id"],
            "period": stored["period"],
            "metrics": {rule["metric"]: value},
            "total": value,
        },
        "verdict": {"value": value, "low": low, "lifts": lifts},
    }


class EvaluationAssessed(
    Event,
    type="cauce.risk.EvaluationAssessed.v2",
    upcasts={"cauce.risk.EvaluationAssessed.v1": of_one_metric},
):
    """A period's evaluation came in, first or restated, and was judged by these terms; `next` is what that made of the
    judgement of the period after it, where it changed."""

    partner_id: UUID
    rule: RuleTerms
    evaluation: Evaluation
    verdict: Verdict
    next: Verdict | None = None


class AssessEvaluation(Command):
    """`evaluation` is told first, or restated, by the event of its id. Under a retired rule, evaluations only close
    what is open."""

    partner_id: UUID
    rule: RuleTerms
    retired: bool = False
    evaluation: Evaluation


AssessmentResult = (
    EvaluationAssessed
    | RiskFlagged
    | RiskResolved
    | RestrictionImposed
    | RestrictionLifted
    | JudgementFailed
    | JudgementRecovered
)


def assess(profile: RiskProfile, command: AssessEvaluation, now: datetime) -> Iterator[AssessmentResult]:
    """Takes the evaluation in, then closes and opens what no longer, or newly, follows from the history."""
    code, partner_id = command.rule.code, command.partner_id
    history, flag, held = profile.history(code), profile.open_flag(code), profile.suspension(code)
    if any(command.evaluation.id in judged.told_by for judged in history):
        return
    if command.retired and flag is None and held is None:
        raise Rejected("risk.rule_retired", rule=code)
    evaluation = command.evaluation.for_rule(command.rule)
    try:
        assessment = judgement.assess(history, evaluation, command.rule)
    except Broken as error:
        # Told each time: unlike events' rules, what it could not be judged by is this evaluation.
        yield watch.failed(partner_id, command.rule, error, evaluation.id)
        return
    if code in profile.failing:
        yield JudgementRecovered(partner_id=partner_id, rule=code)
    history, just_in = judgement.take_in(history, evaluation, assessment)
    yield EvaluationAssessed(
        partner_id=partner_id,
        rule=assessment.terms,
        evaluation=evaluation,
        verdict=assessment.verdict,
        next=assessment.next,
    )
    yield from flagging(partner_id, history, just_in, flag, closing_only=command.retired)
    yield from suspending(partner_id, history, just_in, held, closing_only=command.retired, now=now)
